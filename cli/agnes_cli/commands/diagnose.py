from __future__ import annotations

import json
import os
import shutil
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from agnes_cli import colour, config, installation, privacy, settings_file, slash_commands, transcripts
from agnes_cli.checking import OK, WARNING, Check
from agnes_cli.failures import Failure
from agnes_cli.pushing import LIMIT_BYTES, fits
from agnes_cli.workspace import Workspace

RECENT_SECONDS = 7 * 86400
SOON_SECONDS = 7 * 86400
CLOCK_SECONDS = 120
MISSED_ALLOWED = 3
"""Sessions that are going on now are not sent yet."""


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  agnes diagnose                  this workspace: hooks, token, what waits
  agnes diagnose system --local   this computer: what the command needs, without asking the server
""",
)
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """Check that this workspace's sessions are captured and sent. Exit code 1 if anything needs attention."""
    if ctx.invoked_subcommand is None:
        _workspace(as_json=as_json)


@command.command()
@click.option("--local", "local_only", is_flag=True, help="Do not ask the server.")
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def system(*, local_only: bool, as_json: bool) -> None:
    """Check this computer and the server: what the command needs, who may read its files, versions, health, clock."""
    from agnes_cli import system_checks

    checks = system_checks.of_computer()
    checks += [] if local_only else system_checks.of_server()
    wanting = [check for check in checks if check.status != OK]
    if as_json:
        found = {
            "overall": "degraded" if wanting else "healthy",
            "checks": [asdict(check) for check in checks],
            "suggested_actions": [check.hint for check in wanting if check.hint],
        }
        click.echo(json.dumps(found, indent=2))
    else:
        _show(checks)
    if wanting:
        sys.exit(1)


def _workspace(*, as_json: bool) -> None:
    workspace = Workspace()
    checks = [
        *_hooks(workspace),
        *_programs(),
        *_server(),
        _sent(workspace),
        _waiting(workspace),
        _failed(workspace),
        _private(),
    ]
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        _show(checks)
    if any(check.status != OK for check in checks):
        sys.exit(1)


def _show(checks: list[Check]) -> None:
    for check in checks:
        status = colour.paint(f"{check.status:8}", colour.GREEN if check.status == OK else colour.YELLOW)
        click.echo(f"{status}{check.name}: {check.detail}", color=True)
        if check.hint:
            click.echo(f"        {check.hint}")


def _hooks(workspace: Workspace) -> list[Check]:
    path = workspace.folder / "settings.json"
    try:
        settings = settings_file.read(path)
        missing = installation.missing(settings)
    except Failure as failure:
        return [Check("hooks", WARNING, failure.message, failure.hint or "")]
    hint = "Run `agnes init` in the workspace."
    if missing:
        hooks = Check("hooks", WARNING, f"no Agnes hook for {', '.join(missing)}", hint)
    else:
        hooks = Check("hooks", OK, f"in {path}")
    lacking = slash_commands.missing(workspace.folder / "commands")
    if lacking:
        commands = Check("commands", WARNING, f"{', '.join(f'/{Path(name).stem}' for name in lacking)} missing", hint)
    else:
        commands = Check("commands", OK, f"in {workspace.folder / 'commands'}")
    if installation.has_status_line(settings):
        line = Check("status line", OK, "shows a lock in private sessions")
    else:
        line = Check("status line", OK, "not ours, so private sessions show no lock")
    return [hooks, commands, line]


def _programs() -> list[Check]:
    """What the hooks and the plugins need on the PATH."""
    found = []
    for name, hint in (
        ("agnes", "The hooks run it by its name: put the folder that it is in on your PATH."),
        ("claude", "Install Claude Code, or put it on your PATH; plugins cannot be kept fresh without it."),
    ):
        path = shutil.which(name, path=os.environ.get("PATH"))
        found.append(Check(name, OK, f"is {path}") if path else Check(name, WARNING, "is not on the PATH", hint))
    return found


def _server() -> list[Check]:
    """Whether it knows us and for how long, and whether our clock agrees with its."""
    try:
        from agnes_cli.server import connect

        with connect() as server:
            me: Any = server.get("/api/me")
            tokens: Any = server.get("/auth/tokens")
            ahead = server.clock_ahead_seconds
    except Failure as failure:
        return [Check("server", WARNING, failure.message, failure.hint or "")]
    known = Check("server", OK, f"{config.find_server()} knows you as {me.get('email', 'a person without an address')}")
    return [known, _token(tokens), *([] if ahead is None else [_clock(ahead)])]


def _token(tokens: Any) -> Check:
    credential = config.get_credential()
    mine = next((token for token in tokens if _is_ours(token, credential)), None)
    if mine is None:
        return Check("token", OK, "is no personal access token")
    if mine.get("expires_at") is None:
        return Check("token", OK, f"{mine['name']}: never expires")
    left = (datetime.fromisoformat(mine["expires_at"]) - datetime.now(UTC)).total_seconds()
    said = f"{mine['name']}: expires on {mine['expires_at'][:10]}"
    if left < SOON_SECONDS:
        return Check("token", WARNING, said, "Run `agnes login` for a new one.")
    return Check("token", OK, said)


def _is_ours(token: dict[str, Any], credential: config.Credential) -> bool:
    if credential.token_id:
        return token.get("id") == credential.token_id
    return bool(token.get("prefix")) and credential.token.startswith(str(token["prefix"]))


def _clock(ahead_seconds: float) -> Check:
    said = f"{abs(ahead_seconds):.0f} s {'ahead of' if ahead_seconds > 0 else 'behind'} the server's"
    if abs(ahead_seconds) > CLOCK_SECONDS:
        return Check("clock", WARNING, said, "Set this computer's clock; sessions are counted on the day that it says.")
    return Check("clock", OK, said)


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
    entries = workspace.waiting()
    files = [file for entry in entries for file in transcripts.files_of(entry.session_id, Path(entry.path))]
    large = [file for file in files if not fits(file.path)]
    old = [path.name for path in workspace.snapshots() if time.time() - path.stat().st_mtime > 3600]
    said = f"{len(entries)} sessions wait"
    if large:
        return Check(
            "queue",
            WARNING,
            f"{said}; {len(large)} files are larger than the {LIMIT_BYTES:,} bytes that the server takes",
            f"They are kept: {large[0].path}. In the session, /clear begins a new one.",
        )
    if entries and (reasons := _last_reasons(workspace)):
        return Check("queue", WARNING, f"{said}, since the last push: {'; '.join(reasons)}", "Run `agnes push`.")
    if old:
        return Check("queue", WARNING, f"{said}, some since a push that died", "Run `agnes push`.")
    return Check("queue", OK, said)


def _last_reasons(workspace: Workspace) -> list[str]:
    """Why the last push left something."""
    try:
        lines = (workspace.folder / "agnes-push.log").read_text(encoding="utf-8", errors="replace").splitlines()
        said = [json.loads(line.partition("\t")[2]) for line in lines[-3:]]
        return [str(reason) for reason in next(each for each in reversed(said) if "reasons" in each)["reasons"]]
    except (OSError, ValueError, StopIteration, TypeError):
        return []


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
