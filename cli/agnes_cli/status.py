"""The line that Claude Code shows below its prompt."""

from __future__ import annotations

import sys

PRIVATE = "\N{LOCK} agnes-private"
STDIN_LIMIT_BYTES = 1 << 20


def show() -> None:
    """Print how many notices wait, and PRIVATE if the session of the hook's JSON on standard input is private. Never fails."""
    try:
        from agnes_cli.privacy import private_ids, waiting_notices

        if count := waiting_notices():
            line = f"{count} Flea market notice{'' if count == 1 else 's'}: agnes store notices\n"
            sys.stdout.buffer.write(line.encode())
            sys.stdout.flush()
        text = sys.stdin.buffer.read(STDIN_LIMIT_BYTES)
        named = {session_id for session_id in private_ids() if session_id.encode() in text}
        if not named:  # as in most sessions; importing json takes longer than all the rest
            return
        import json

        if json.loads(text)["session_id"] in named:
            sys.stdout.buffer.write(f"{PRIVATE}\n".encode())
            sys.stdout.flush()
    except Exception:  # a status line that fails would show its traceback at each redraw
        return
