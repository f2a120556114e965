from __future__ import annotations

import json
import os
import sys
from typing import Any

import click

from agnes_cli import privacy
from agnes_cli.failures import BadInput, Failure, Refused
from agnes_cli.transcripts import SESSION_ID

STDIN_LIMIT_BYTES = 1 << 20


@click.command()
@click.option("--hook", is_flag=True, help="Take the session of a hook, whose JSON is on standard input.")
def command(hook: bool) -> None:
    """Make this Claude Code session private: it and its forks are never sent, and what was sent of it is removed.

    Reads CLAUDE_CODE_SESSION_ID. There is no way back: the server refuses the session from then on.
    """
    session_id = _of_hook() if hook else os.environ.get("CLAUDE_CODE_SESSION_ID", "").strip()
    if not session_id:
        raise Failure(
            "CLAUDE_CODE_SESSION_ID is not set",
            hint="Type /agnes-private in a Claude Code session, or run this in one.",
        )
    if not SESSION_ID.fullmatch(session_id):
        raise BadInput(f"{session_id[:80]!r} is no session's id")
    privacy.mark(session_id, privacy.transcript_of(session_id))
    click.echo("This session is private. It will not be sent.")
    try:
        told = tell_server(_connect)
    except Failure as failure:
        click.echo(f"The server does not know it yet: {failure.message}. The next `agnes push` tells it.", err=True)
        sys.exit(0)
    if session_id in told:
        click.echo("The server refuses it, and has removed what it had of it.")


def _of_hook() -> str:
    try:
        session_id = json.loads(sys.stdin.buffer.read(STDIN_LIMIT_BYTES))["session_id"]
    except (ValueError, KeyError, TypeError):
        session_id = None
    if not isinstance(session_id, str):
        raise BadInput("there is no hook's JSON with a session_id on standard input")
    return session_id


def tell_server(connect: Any) -> list[str]:
    """Give the server the tombstones that it does not have; which. Raises Failure, after the others if it refused one."""
    told: list[str] = []
    refused: Refused | None = None
    untold = privacy.untold()
    if untold:
        with connect() as server:
            for session_id in untold:
                try:
                    server.delete(f"/api/me/sessions/{session_id}")
                except Refused as failure:
                    if failure.status == 429:
                        raise
                    refused = refused or failure
                    continue
                privacy.note_told(session_id)
                told.append(session_id)
    if refused is not None:
        raise refused
    return told


def _connect() -> Any:
    from agnes_cli.server import connect

    return connect()
