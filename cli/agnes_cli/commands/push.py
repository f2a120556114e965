from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from agnes_cli import privacy, transcripts
from agnes_cli.failures import BadInput, Failure
from agnes_cli.pushing import Outcome, Push, changed_since, fits, with_content
from agnes_cli.transcripts import SESSION_ID
from agnes_cli.workspace import Queued, Workspace


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--quiet", is_flag=True, help="Say nothing; what happened is in .claude/agnes-push.log.")
@click.option("--json", "as_json", is_flag=True, help="Print what became of each file.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent; change nothing.")
@click.option(
    "--scan", "--legacy-scan", is_flag=True, help="Also send this workspace's transcripts that nobody queued."
)
def command(paths: tuple[Path, ...], quiet: bool, as_json: bool, dry_run: bool, scan: bool) -> None:
    """Send the transcripts of this workspace's sessions, those of subagents too, and its changed CLAUDE.local.md.

    PATHS are transcripts, or folders of them, to send besides what the hooks have queued.
    Nothing that cannot be sent now is lost: it stays in the queue.
    """
    workspace = Workspace()
    named = [*_named(paths), *(_scanned(workspace) if scan else [])]
    if dry_run:
        _show_plan(workspace, named, as_json=as_json)
        return
    with workspace.locked("agnes-push.lock", wait=False) as alone:
        if not alone:
            if not quiet:
                click.echo("Another push is at work in this workspace.", err=True)
            return
        shown = _Progress(lines=not (quiet or as_json), terminal=sys.stderr.isatty() and not quiet)
        outcome = Push(workspace, _connect, shown.say, shown.begin).run(named)
        shown.clear()
        _tell_private(workspace)
        note = _send_beside(workspace, outcome)
    _log(workspace, outcome)
    if as_json:
        click.echo(json.dumps({**outcome.as_json(), "note_sent": note}, indent=2))
    elif not quiet:
        _summarise(outcome)
        if note:
            click.echo("Your changed CLAUDE.local.md was sent.")
    if outcome.stopped_by is not None:
        sys.exit(outcome.stopped_by.exit_code)
    if outcome.waiting or outcome.dropped:
        sys.exit(1)


def _connect() -> Any:
    from agnes_cli.server import connect

    return connect()


def _tell_private(workspace: Workspace) -> None:
    """Private sessions that the server has not heard of; what fails is tried again by the next push."""
    from agnes_cli.commands.mark_private import tell_server

    try:
        tell_server(_connect)
    except Failure as failure:
        workspace.log("agnes-push.log", json.dumps({"private_untold": failure.message}))


def _send_beside(workspace: Workspace, outcome: Outcome) -> bool:
    """The workspace's note, and which knowledge its sessions began with; whether the note was sent. What fails waits for the next push."""
    from agnes_cli import notes, sessions_with

    if outcome.stopped_by is not None:
        return False
    is_sent = False
    try:
        is_sent = notes.send(workspace.root, _connect)
        private = workspace.private_ids()
        uploaded = (transcripts.named(Path(path)) for path in workspace.uploaded())
        sessions_with.tell(workspace.root, {one[0] for one in uploaded if one}, private, _connect)
    except Failure as failure:
        workspace.log("agnes-push.log", json.dumps({"beside_transcripts": failure.message}))
    except OSError as exc:
        workspace.log("agnes-push.log", json.dumps({"beside_transcripts": type(exc).__name__}))
    return is_sent


class _Progress:
    """A line a file on standard output; on a terminal also what is being sent, on a line that passes."""

    def __init__(self, *, lines: bool, terminal: bool) -> None:
        self._lines = lines
        self._terminal = terminal

    def begin(self, path: str, done: int, total: int) -> None:
        if self._terminal:
            size = Path(path).stat().st_size
            shown = f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"
            self._passing(f"{done + 1} of {total}: {Path(path).name}, {shown}"[: _columns() - 1])

    def say(self, line: str) -> None:
        self.clear()
        if self._lines:
            click.echo(line)

    def clear(self) -> None:
        if self._terminal:
            self._passing("")

    def _passing(self, text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def _columns() -> int:
    return shutil.get_terminal_size().columns


def _named(paths: tuple[Path, ...]) -> list[Queued]:
    found = []
    for given in paths:
        path = given.absolute()
        if path.is_dir():
            found += [Queued(session_id, str(file)) for session_id, file in transcripts.in_folder(path)]
        elif not path.is_file():
            raise BadInput(f"{given} does not exist")
        elif (session := transcripts.named(path)) is not None:
            found.append(Queued(session[0], str(session[1])))
        else:
            raise BadInput(
                f"{given} is no transcript", hint="Transcripts are named `<session id>.jsonl` or `agent-<id>.jsonl`."
            )
    return found


def _scanned(workspace: Workspace) -> list[Queued]:
    folders = transcripts.project_folders(workspace.root)
    return [Queued(session_id, str(file)) for folder in folders for session_id, file in transcripts.in_folder(folder)]


def _show_plan(workspace: Workspace, named: list[Queued], *, as_json: bool) -> None:
    private, uploaded = workspace.private_ids(), workspace.uploaded()
    entries = dict.fromkeys([*workspace.waiting(), *named, *changed_since(workspace, uploaded)])
    files = [
        file
        for entry in entries
        if entry.session_id not in private and SESSION_ID.fullmatch(entry.session_id)
        if not privacy.descends(entry.path)
        for file in with_content(entry.session_id, Path(entry.path))
        if fits(file.path)
    ]
    due = [str(file.path) for file in files if uploaded.get(str(file.path)) != file.mark]
    from agnes_cli import notes

    if notes.is_due(workspace.root):
        due.append("CLAUDE.local.md")
    if as_json:
        click.echo(json.dumps({"would_send": due}, indent=2))
    else:
        for path in due:
            click.echo(f"would send {path}")
        click.echo(f"{len(due)} files would be sent.")


def _summarise(outcome: Outcome) -> None:
    click.echo(f"{len(outcome.sent)} files sent, {len(outcome.unchanged)} unchanged.")
    if outcome.waiting:
        click.echo(f"{len(outcome.waiting)} files wait in the queue.", err=True)
    if outcome.dropped:
        click.echo(f"{len(outcome.dropped)} files were refused; see .claude/agnes-sessions-failed.txt.", err=True)
    if outcome.stopped_by is not None:
        outcome.stopped_by.show()
    for hint in dict.fromkeys(entry["hint"] for entry in outcome.waiting if entry["hint"]):
        if outcome.stopped_by is None:
            click.echo(f"Hint: {hint}", err=True)


def _log(workspace: Workspace, outcome: Outcome) -> None:
    counts = {name: len(found) for name, found in outcome.as_json().items() if isinstance(found, list)}
    reasons = sorted({entry["reason"] for entry in (*outcome.waiting, *outcome.dropped)})
    workspace.log("agnes-push.log", json.dumps({**counts, "reasons": reasons}))
