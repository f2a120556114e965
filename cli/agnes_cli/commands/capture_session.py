from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress

import click

from agnes_cli import privacy, sessions_with
from agnes_cli.failures import Failure
from agnes_cli.workspace import Queued, Workspace

LOG = "agnes-capture-session.log"
STDIN_LIMIT_BYTES = 1 << 20
FORK = "private, like the session that it continues"


@click.command()
@click.option("--push", is_flag=True, help="Then send the queue in the background, which outlives the session.")
def command(push: bool) -> None:
    """Queue the session of a hook, whose JSON is on standard input. Never fails a session: always exits 0.

    SessionStart queues a session, and SessionEnd does so again: another window's push may have sent, and
    taken off the queue, what was written by then.
    """
    try:
        workspace = Workspace()
    except Failure:  # its folder was removed, and its queue with it
        return
    try:
        said = json.loads(sys.stdin.buffer.read(STDIN_LIMIT_BYTES) or b"null")
        captured = _captured(workspace, said)
        # A collector may fetch a fork's transcript as soon as it is there, so the server hears of it now.
        push = push or captured.startswith(FORK)
        workspace.log(LOG, captured)
    except Exception as exc:  # a hook that fails would disturb the analyst's work
        _log_quietly(workspace, f"failed: {type(exc).__name__}")
    if push:
        try:
            _push_in_background(workspace)
        except OSError as exc:
            _log_quietly(workspace, f"push did not start: {type(exc).__name__}")


def _captured(workspace: Workspace, said: object) -> str:
    """Queue it; what to log."""
    if not isinstance(said, dict):
        return "ignored: no hook's JSON on standard input"
    session_id, path = said.get("session_id"), said.get("transcript_path")
    if not (isinstance(session_id, str) and isinstance(path, str) and session_id and path):
        return "ignored: no session_id or no transcript_path"
    if any(character in session_id + path for character in "\t\r\n"):
        return "ignored: a control character in session_id or transcript_path"
    if session_id in workspace.private_ids():
        privacy.mark(session_id, path)  # it may have had no record yet, by which its forks are known
        return f"private: {session_id}"
    if privacy.descends(path):  # a fork: its status line says so from its start
        privacy.mark(session_id, path)
        return f"{FORK}: {session_id}"
    if said.get("hook_event_name") == "SessionStart":
        sessions_with.note(workspace.root, session_id)
    entry = Queued(session_id, path)
    if entry in workspace.waiting():
        return f"queued before: {session_id}"
    workspace.enqueue([entry])
    return f"queued: {session_id}"


def _push_in_background(workspace: Workspace) -> None:
    subprocess.Popen(
        [sys.executable, "-m", "agnes_cli", "push", "--quiet"],
        cwd=workspace.root,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _log_quietly(workspace: Workspace, text: str) -> None:
    with suppress(OSError):
        workspace.log(LOG, text)
