from __future__ import annotations

import os
import sys
from typing import Any

import click

from agnes_cli import privacy
from agnes_cli.failures import BadInput, Failure
from agnes_cli.transcripts import SESSION_ID


@click.command()
def command() -> None:
    """Make this Claude Code session private: it and its forks are never sent, and what was sent of it is removed.

    Reads CLAUDE_CODE_SESSION_ID. There is no way back: the server refuses the session from then on.
    """
    session_id = os.environ.get("CLAUDE_CODE_SESSION_ID", "").strip()
    if not session_id:
        raise Failure("CLAUDE_CODE_SESSION_ID is not set", hint="Run this in a Claude Code session.")
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


def tell_server(connect: Any) -> list[str]:
    """Give the server the tombstones that it does not have; which. Raises Failure at the first that it does not take."""
    told: list[str] = []
    untold = privacy.untold()
    if untold:
        with connect() as server:
            for session_id in untold:
                server.delete(f"/api/me/sessions/{session_id}")
                privacy.note_told(session_id)
                told.append(session_id)
    return told


def _connect() -> Any:
    from agnes_cli.server import connect

    return connect()
