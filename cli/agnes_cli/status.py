"""The line that Claude Code shows below its prompt."""

from __future__ import annotations

import os
import sys
import time

PRIVATE = "\N{LOCK} agnes-private"
STDIN_LIMIT_BYTES = 1 << 20
STALE_SECONDS = 86400
"""Tables whose last pull is older are said to be so."""


# Importing pathlib takes longer than all that a status line does:
# ruff: noqa: PTH116, PTH118, PTH123


def stale_tables() -> str:
    """What is to be said of this workspace's copies of tables; nothing while they are up to date or there are none."""
    root = os.environ.get("AGNES_LOCAL_DIR") or os.environ.get("CLAUDE_PROJECT_DIR") or os.curdir
    folder = os.path.join(root, "server")
    try:
        age = time.time() - os.stat(os.path.join(folder, "pulled")).st_mtime
    except OSError:
        age = None
    try:
        with open(os.path.join(folder, "pull-failed"), encoding="utf-8", errors="replace") as file:
            reason = "".join(c for c in file.read(120) if c.isprintable())
    except OSError:
        reason = ""
    if not reason and (age is None or age < STALE_SECONDS):
        return ""
    since = f"{int(age // 86400)} d old" if age is not None and age >= STALE_SECONDS else "not up to date"
    return f"Tables {since}{f' ({reason})' if reason else ''}: agnes pull"


def show() -> None:
    """Print how old the tables are, how many notices wait, and PRIVATE if the session of the hook's JSON on standard input is private. Never fails."""
    try:
        from agnes_cli.privacy import private_ids, waiting_notices

        if stale := stale_tables():
            sys.stdout.buffer.write(f"{stale}\n".encode())
            sys.stdout.flush()
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
