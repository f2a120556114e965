from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

import click

from agnes_cli import config, privacy, transcripts
from agnes_cli.failures import Failure
from agnes_cli.workspace import Workspace

OK, WARNING = "ok", "warning"
RECENT_SECONDS = 7 * 86400
MISSED_ALLOWED = 3
"""Sessions that are going on now are not sent yet."""


@dataclass(frozen=True)
class Check:
    name: str
    status: str
    detail: str
    hint: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def command(as_json: bool) -> None:
    """Check that this workspace's sessions are captured and sent. Exit code 1 if anything needs attention."""
    workspace = Workspace()
    checks = [_hooks(workspace), _server(), _sent(workspace), _waiting(workspace), _failed(workspace), _private()]
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        for check in checks:
            click.echo(f"{check.status:8}{check.name}: {check.detail}")
            if check.hint:
                click.echo(f"        {check.hint}")
    if any(check.status != OK for check in checks):
        sys.exit(1)


def _hooks(workspace: Workspace) -> Check:
    path = workspace.folder / "settings.json"
    try:
        hooks = json.loads(path.read_text(encoding="utf-8"))["hooks"]
        missing = [event for event in ("SessionStart", "SessionEnd") if "agnes " not in json.dumps(hooks.get(event))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        missing = ["SessionStart", "SessionEnd"]
    if missing:
        return Check(
            "hooks", WARNING, f"no hook of ours for {', '.join(missing)}", "Run `agnes init` in the workspace."
        )
    return Check("hooks", OK, f"in {path}")


def _server() -> Check:
    try:
        from agnes_cli.server import connect

        with connect() as server:
            me: Any = server.get("/api/me")
    except Failure as failure:
        return Check("server", WARNING, failure.message, failure.hint or "")
    return Check("server", OK, f"{config.find_server()} knows you as {me.get('email', 'a person without an address')}")


def _sent(workspace: Workspace) -> Check:
    """Whether the transcripts of the last week have been sent as they are now."""
    since = time.time() - RECENT_SECONDS
    private, uploaded = workspace.private_ids() | privacy.private_ids(), workspace.uploaded()
    recent = [
        path
        for folder in transcripts.project_folders(workspace.root)
        for session_id, path in transcripts.in_folder(folder)
        if session_id not in private and path.stat().st_mtime > since
    ]
    missed = [path for path in recent if str(path) not in uploaded]
    said = f"{len(recent) - len(missed)} of the {len(recent)} sessions of the last 7 days were sent"
    if len(missed) > MISSED_ALLOWED:
        return Check("sessions", WARNING, said, "Send them with `agnes push --scan`.")
    return Check("sessions", OK, said)


def _waiting(workspace: Workspace) -> Check:
    old = [path.name for path in workspace.snapshots() if time.time() - path.stat().st_mtime > 3600]
    count = len(workspace.waiting())
    if old:
        return Check("queue", WARNING, f"{count} sessions wait, some since a push that died", "Run `agnes push`.")
    return Check("queue", OK, f"{count} sessions wait")


def _failed(workspace: Workspace) -> Check:
    path = workspace.folder / "agnes-sessions-failed.txt"
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return Check("refused", OK, "nothing was refused")
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - RECENT_SECONDS))
    recent = [line for line in lines if line.partition("\t")[0] >= since]
    if recent:
        return Check("refused", WARNING, f"{len(recent)} files were refused in the last 7 days", f"See {path}.")
    return Check("refused", OK, f"nothing in the last 7 days, {len(lines)} before")


def _private() -> Check:
    count, untold = len(privacy.private_ids()), len(privacy.untold())
    if untold:
        return Check(
            "private", WARNING, f"the server does not know {untold} of {count} private sessions", "Run `agnes push`."
        )
    return Check("private", OK, f"{count} private sessions, the server knows all of them")
