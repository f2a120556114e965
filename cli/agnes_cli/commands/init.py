from __future__ import annotations

import os
from pathlib import Path

import click

from agnes_cli import installation, privacy, settings_file, slash_commands
from agnes_cli.failures import Failure
from agnes_cli.workspace import RECORD, Workspace


@click.command()
@click.option(
    "--workspace", type=click.Path(path_type=Path, file_okay=False), help="The current directory if not given."
)
@click.option("--undo", "--remove", is_flag=True, help="Take out again what this command put in.")
def command(workspace: Path | None, undo: bool) -> None:
    """Prepare a workspace: its Claude Code sessions are captured, and sent when they end; its plugins stay fresh.

    Puts hooks and a status line into .claude/settings.json, and /agnes-private and /update-agnes-plugins beside it.
    Other settings, hooks, commands and a status line that you have stay as they are.
    """
    place = Workspace(workspace and workspace.absolute())
    if undo:
        _undo(place)
    else:
        _install(place)


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


def _undo(place: Workspace) -> None:
    path = place.folder / "settings.json"
    settings = settings_file.read(path)
    changed = installation.remove(settings)
    if changed:
        settings_file.write(path, settings)
    changed = bool(slash_commands.remove(place.folder / "commands")) or changed
    plugins = (place.folder / RECORD).exists()
    waiting = _forget(place)
    click.echo(f"Removed Agnes's hooks from {path}." if changed else f"{path} has no Agnes hooks.", err=True)
    if plugins:
        click.echo("Plugins stay installed; `claude plugin uninstall NAME@agnes` takes one out.", err=True)
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
