from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from agnes_cli import config, shown
from agnes_cli.failures import BadInput, Failure
from agnes_cli.options import JSON
from agnes_cli.workspace import Workspace

if TYPE_CHECKING:
    from agnes_cli.server import Server
    from agnes_cli.tables.copies import TableCopies
    from agnes_cli.tables.pulling import Outcome


@click.command(
    epilog="""\b
Examples:
  agnes pull                   bring tables and knowledge of this workspace up to date
  agnes pull --dry-run         say what would be downloaded and removed
  agnes pull --json            the outcome for a program, progress on standard error
"""
)
@click.option("--quiet", is_flag=True, help="Say nothing unless something failed.")
@click.option("--dry-run", is_flag=True, help="Show what would be downloaded and removed; change nothing.")
@click.option("--background", is_flag=True, help="Return at once and go on in the background, for a SessionStart hook.")
@JSON
def command(*, quiet: bool, dry_run: bool, background: bool, as_json: bool) -> None:
    """Bring the copies of your data tables up to date, and the workspace's knowledge.

    Tables are in server/parquet. What was interrupted goes on where it stopped; a table changes once all of it has
    arrived and was verified, and keeps its last copy if that fails. Tables that were taken back from you are removed.
    Your own views, tables and snapshots stay.

    Exit codes: 0 all is up to date, 1 a table was left as it was, 3 not signed in, 4 the server did not answer.
    """
    workspace = Workspace()
    if background:
        if dry_run or as_json:
            raise BadInput("--background shows nothing, so it cannot go with --dry-run or --json")
        _start(workspace)
        return
    if not run(workspace, quiet=quiet, as_json=as_json, dry_run=dry_run):
        sys.exit(1)


def run(workspace: Workspace, *, quiet: bool, as_json: bool = False, dry_run: bool = False) -> bool:
    """Whether all is up to date now. Raises Failure if the server cannot be asked."""
    from agnes_cli.server import connect
    from agnes_cli.tables.copies import TableCopies

    copies = TableCopies(workspace.root)
    try:
        with connect() as server:
            if dry_run:
                _show_plan(copies, server, as_json=as_json)
                return True
            return _pull(workspace, copies, server, quiet=quiet, as_json=as_json)
    except Failure as failure:
        if copies.exists() and not dry_run:
            copies.note_outcome(failure.message)
        raise


def _start(workspace: Workspace) -> None:
    """Another process, which outlives the hook; a hook that fails would disturb the person's work."""
    if config.find_credential() is None or config.find_server() is None:
        return
    with suppress(OSError):
        subprocess.Popen(
            [sys.executable, "-m", "agnes_cli", "pull", "--quiet"],
            cwd=workspace.root,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _pull(workspace: Workspace, copies: TableCopies, server: Server, *, quiet: bool, as_json: bool) -> bool:
    from agnes_cli.tables import progress, pulling

    begun = time.monotonic()
    rules, warnings = _pull_knowledge(server, workspace)
    outcome = pulling.Outcome()
    if copies.exists() or pulling.fetch_manifest(server, copies).tables:
        with pulling.locked(copies, wait=False) as alone:
            if not alone:
                click.echo("Another pull is at work in this workspace.", err=True)
                return True
            pull = pulling.Pull(copies, server, progress.shown(quiet=quiet), side_by_side=_side_by_side())
            outcome = pull.run()
            _finish(copies, outcome)
            copies.note_outcome(outcome.failed)
    _tell(outcome, rules, warnings, time.monotonic() - begun, quiet=quiet, as_json=as_json)
    return not outcome.failed


def _pull_knowledge(server: Server, workspace: Workspace) -> tuple[int, list[str]]:
    """(items, warnings). What fails here must not keep the tables from coming."""
    from agnes_cli import knowledge_files
    from agnes_cli.failures import Refused

    try:
        done = knowledge_files.pull(server, workspace.root)
    except (Refused, OSError) as exc:
        return 0, [f"the workspace's knowledge was not updated: {exc}"]
    return done.mandatory + done.approved, done.warnings


def _finish(copies: TableCopies, outcome: Outcome) -> None:
    """Have the person's database show the new copies, if there is DuckDB; what it still names is removed by a later pull."""
    from agnes_cli.needs import NotInstalled
    from agnes_cli.tables import pulling
    from agnes_cli.tables.database import LocalDatabase

    database = LocalDatabase(copies)
    if outcome.updated or outcome.removed or outcome.superseded:
        try:
            refreshed = database.refresh_views()
        except NotInstalled:
            refreshed = not database.file.exists()
        if not refreshed:
            return
    pulling.clean(outcome)


def _tell(outcome: Outcome, rules: int, warnings: list[str], seconds: float, *, quiet: bool, as_json: bool) -> None:
    if as_json:
        counts = {"rules_count": rules, "duration_s": round(seconds, 3), "warnings": warnings}
        shown.as_json(outcome.as_json() | counts)
        return
    for warning in warnings:
        click.echo(f"Warning: {shown.plain(warning)}", err=True)
    if quiet:
        for table_id, reason in outcome.failed.items():
            click.echo(f"Warning: {table_id} was not updated: {shown.plain(reason)}", err=True)
        return
    if not outcome.total and not outcome.removed:
        click.echo("No tables were granted to you yet.")
    else:
        removed = f", {len(outcome.removed)} removed" if outcome.removed else ""
        failed = f", {len(outcome.failed)} left as they were" if outcome.failed else ""
        click.echo(
            f"{len(outcome.updated)} of {outcome.total} tables updated{removed}{failed}. {rules} knowledge items."
        )
    if outcome.failed:
        click.echo("Run `agnes pull` again: it goes on where it stopped.", err=True)


def _show_plan(copies: TableCopies, server: Server, *, as_json: bool) -> None:
    from agnes_cli.storing import size
    from agnes_cli.tables import pulling

    planned = pulling.plan(copies, pulling.fetch_manifest(server, copies).tables)
    rows: list[dict[str, Any]] = [
        {
            "table": version.id,
            "rows": version.rows,
            "bytes": sum(each.size_bytes for each in planned.objects[version.id]),
        }
        for version in planned.changed
    ]
    if as_json:
        shown.as_json({"would_update": rows, "would_remove": list(planned.removed), "unchanged": planned.unchanged})
        return
    columns = {"TABLE": "table", "ROWS": "rows", "TO DOWNLOAD": "size"}
    shown.table(columns, [row | {"size": size(row["bytes"])} for row in rows], none="Nothing to download.")
    for table_id in planned.removed:
        click.echo(f"would remove {table_id}")
    click.echo(f"{planned.unchanged} tables are up to date.", err=True)


def _side_by_side() -> int:
    from agnes_cli.tables.pulling import SIDE_BY_SIDE

    given = os.environ.get("AGNES_PULL_PARALLELISM", "")
    if not given:
        return SIDE_BY_SIDE
    if not given.isdigit() or not 1 <= int(given) <= 32:
        raise BadInput(f"AGNES_PULL_PARALLELISM is {given!r}, and must be a number from 1 to 32")
    return int(given)
