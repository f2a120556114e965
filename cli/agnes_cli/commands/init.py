from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agnes_cli import config, installation, privacy, settings_file, slash_commands, workspace_files
from agnes_cli.failures import Failure, Refused
from agnes_cli.workspace import RECORD, Workspace

if TYPE_CHECKING:
    from agnes_cli.workspace_files import Written


@click.command(
    epilog="""\b
Examples:
  agnes init            set up the folder that you are in; may be run again at any time
  agnes init --undo     take out what it put in
"""
)
@click.option(
    "--workspace", type=click.Path(path_type=Path, file_okay=False), help="The current directory if not given."
)
@click.option("--server", "--server-url", metavar="URL", help="Sign in there first, with --token-stdin.")
@click.option("--token-stdin", is_flag=True, help="Take an access token from standard input, and sign in with it.")
@click.option("--force", is_flag=True, help="Renew CLAUDE.md also if you changed it; yours is kept beside it.")
@click.option("--no-pull", "--skip-materialize", is_flag=True, help="Do not bring tables and knowledge now.")
@click.option("--undo", "--remove", is_flag=True, help="Take out again what this command put in.")
def command(
    *, workspace: Path | None, server: str | None, token_stdin: bool, force: bool, no_pull: bool, undo: bool
) -> None:
    """Prepare a workspace: its Claude Code sessions are captured, and sent when they end; its plugins and tables stay fresh.

    Puts hooks and a status line into .claude/settings.json, and /agnes-private and /update-agnes-plugins beside it. If you are
    signed in, CLAUDE.md tells Claude Code what there is, and tables and knowledge come now. Other settings, hooks, commands and
    files that you have stay as they are; no permission is given to anything.
    """
    place = Workspace(workspace and workspace.absolute())
    if undo:
        _undo(place)
        return
    if token_stdin or server:
        _sign_in(server, token_stdin=token_stdin)
    _install(place)
    _set_up(place, force=force, pull=not no_pull)


def _sign_in(server: str | None, *, token_stdin: bool) -> None:
    from agnes_cli import signing_in
    from agnes_cli.failures import BadInput
    from agnes_cli.secret_input import from_stdin

    url = config.get_server(server)
    if token_stdin:
        signing_in.with_token(url, from_stdin("token").strip())
    elif url != config.find_server():
        raise BadInput("you are not signed in there", hint=f"Run `agnes onboard --server {url}`.")


def _install(place: Workspace) -> None:
    path = place.folder / "settings.json"
    settings = settings_file.read(path)
    elsewhere = _other_status_line(place)
    changed = installation.install(settings, status_line=elsewhere is None)
    if changed:
        settings_file.write(path, settings)
    changed = bool(slash_commands.install(place.folder / "commands")) or changed
    click.echo(f"Hooks are in {path}." if changed else f"{path} has the hooks already.", err=True)
    shown_by = path if installation.has_other_status_line(settings) else elsewhere
    if shown_by is not None:
        click.echo(
            f"Warning: your own status line in {shown_by} stays, so a private session shows no lock. "
            f"To have it, let your script run `{installation.STATUS}` with its standard input.",
            err=True,
        )


def _set_up(place: Workspace, *, force: bool, pull: bool) -> None:
    """What needs the server; the sentinel comes last, so that an interrupted run is known as one."""
    if config.find_credential() is None or config.find_server() is None:
        click.echo("Next: `agnes onboard` signs you in, and brings CLAUDE.md, plugins and tables.", err=True)
        return
    done = workspace_files.install(place.root, _claude_md(), force=force)
    _tell(done)
    if pull:
        _pull(place)
    workspace_files.complete(place.root, config.find_server())
    click.echo("Next: start `claude` in this folder. `agnes status` shows what is here.", err=True)


def _claude_md() -> str | None:
    """None where the server does not say, so that what is there stays."""
    from agnes_cli.server import connect

    try:
        with connect() as server:
            return str(server.get("/api/tables/welcome")["claude_md"])
    except Refused as refused:
        if refused.status not in (403, 404):
            raise
        return None  # an older server, or a token of a narrow scope
    except (KeyError, TypeError):
        return None


def _tell(done: Written) -> None:
    for name in done.written:
        click.echo(f"Wrote {name}.", err=True)
    for name in done.backups:
        click.echo(f"What was there is in {name}.", err=True)
    for name in done.kept:
        click.echo(f"{name} is your own, and stays; --force writes the server's beside a copy of yours.", err=True)


def _pull(place: Workspace) -> None:
    from agnes_cli.commands import pull as pulling

    try:
        pulling.run(place, quiet=False)
    except Failure as failure:
        click.echo(f"Tables were not brought: {failure.message}. `agnes pull` tries again.", err=True)


def _undo(place: Workspace) -> None:
    path = place.folder / "settings.json"
    settings = settings_file.read(path)
    changed = installation.remove(settings)
    if changed:
        settings_file.write(path, settings)
    changed = bool(slash_commands.remove(place.folder / "commands")) or changed
    plugins = (place.folder / RECORD).exists()
    for name in workspace_files.remove(place.root):
        click.echo(f"Removed {name}.", err=True)
    waiting = _forget(place)
    click.echo(f"Removed Agnes's hooks from {path}." if changed else f"{path} has no Agnes hooks.", err=True)
    if plugins:
        click.echo("Plugins stay installed; `claude plugin uninstall NAME@agnes` takes one out.", err=True)
    if (place.root / "server" / "parquet").is_dir() or (place.root / "user").is_dir():
        click.echo(
            "Tables in server/ and what is yours in user/ stay; delete these folders if you need neither.", err=True
        )
    if waiting:
        click.echo(
            f"{waiting} sessions wait to be sent, so the queue stays. Run `agnes push`, then this again, or delete "
            f"{place.folder}/agnes-*.",
            err=True,
        )


def _other_status_line(place: Workspace) -> Path | None:
    """The settings of the person, whose status line a workspace's would hide, or of the person in this workspace."""
    home = Path(os.environ.get("CLAUDE_CONFIG_DIR") or Path.home() / ".claude")
    for path in (place.folder / "settings.local.json", home / "settings.json"):
        try:
            if installation.has_other_status_line(settings_file.read(path)):
                return path
        except Failure:
            continue  # Claude Code does not read it either
    return None


def _forget(place: Workspace) -> int:
    """Remove what hooks and pushes kept in the workspace, unless sessions wait; how many do."""
    if not place.folder.is_dir():
        return 0
    if waiting := len(place.waiting()):
        return waiting
    for session_id in place.private_ids():
        privacy.mark(session_id)  # also those of a list that an earlier client kept here
    for kept in (*place.folder.glob("agnes-*.txt"), *place.folder.glob("agnes-*.l*"), place.folder / RECORD):
        kept.unlink(missing_ok=True)
    if not any(place.folder.iterdir()):
        place.folder.rmdir()
    return 0
