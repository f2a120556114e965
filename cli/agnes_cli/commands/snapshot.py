from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from agnes_cli import shown
from agnes_cli.options import JSON
from agnes_cli.storing import size
from agnes_cli.tables.choosing import REMOTE

if TYPE_CHECKING:
    from agnes_cli.tables.snapshots import Snapshot, Snapshots

COLUMNS = {"NAME": "name", "ROWS": "rows", "SIZE": "size", "AGE": "age", "TABLE": "table_id", "WHERE": "where"}


@click.group(
    epilog="""\b
Examples:
  agnes snapshot create orders --where "day >= DATE '2026-01-01'" --as orders_2026
  agnes query "SELECT count(*) FROM orders_2026"
  agnes snapshot prune --older-than 30d --dry-run
"""
)
def command() -> None:
    """Parts of tables that you keep as they are, until you renew or drop them. A pull leaves them alone."""


@command.command()
@click.argument("table")
@click.option("--select", metavar="COLUMNS", help="Columns, with commas; all if not given.")
@click.option("--where", default="", help="A condition in SQL.")
@click.option("--limit", type=click.IntRange(min=1), help="Rows at most.")
@click.option("--order-by", metavar="COLUMNS", help="Columns, with commas; `day desc` for the greatest first.")
@click.option("--as", "name", metavar="NAME", help="TABLE_snapshot if not given.")
@click.option("--estimate", is_flag=True, help="Only say how much it would be.")
@click.option("--no-estimate", is_flag=True, help="Do not ask the server first how much it is.")
@click.option("--force", is_flag=True, help="Replace the snapshot of this name.")
@REMOTE
@JSON
def create(
    *,
    table: str,
    select: str | None,
    where: str,
    limit: int | None,
    order_by: str | None,
    name: str | None,
    estimate: bool,
    no_estimate: bool,
    force: bool,
    remote: bool,
    as_json: bool,
) -> None:
    """Keep a part of TABLE: of the copy here, or where there is none, of what the server has.

    Exit code 6: there is a snapshot of this name.
    """
    from agnes_cli.tables.snapshots import Snapshot, SnapshotExists

    snapshots = _snapshots()
    wanted = Snapshot(name or f"{table}_snapshot", table, _list(select), where, limit, _list(order_by))
    snapshots.check_name(wanted.name)
    if not (estimate or force) and snapshots.find(wanted.name) is not None:
        raise SnapshotExists(wanted.name)
    estimated: dict[str, Any] = {}
    if estimate or not (no_estimate or snapshots.is_here(wanted, at_server=remote)):
        estimated = snapshots.estimate(wanted, at_server=remote)
        rows, scanned = estimated.get("result_rows"), int(estimated.get("scan_bytes") or 0)
        told = f"{rows:,} rows" if isinstance(rows, int) else "an unknown number of rows"
        click.echo(f"{told}; the server reads {size(scanned)} for it.", err=not estimate or as_json)
        if estimate:
            if as_json:
                shown.as_json(estimated)
            return
    made = snapshots.make(wanted, at_server=remote, estimated=estimated.get("scan_bytes"))
    _show_made(made, as_json=as_json)


@command.command("list")
@JSON
def list_(as_json: bool) -> None:
    """List your snapshots in this workspace."""
    found = _snapshots().list()
    if as_json:
        shown.as_json([asdict(each) for each in found])
        return
    rows = [asdict(each) | {"size": size(each.bytes_local), "age": _age(each)} for each in found]
    shown.table(COLUMNS, rows, none="There are no snapshots here. `agnes snapshot create TABLE` makes one.")


@command.command()
@click.argument("name")
@click.option("--where", help="Another condition than before.")
@REMOTE
@JSON
def refresh(name: str, *, where: str | None, remote: bool, as_json: bool) -> None:
    """Make the snapshot NAME again of the table as it is now."""
    from agnes_cli.failures import BadInput

    snapshots = _snapshots()
    former = snapshots.get(name)
    if not former.table_id:
        raise BadInput(f"nothing says what {name} was made of", hint="Make it with `agnes snapshot create … --force`.")
    wanted = former if where is None else replace(former, where=where)
    _show_made(snapshots.make(wanted, at_server=remote), as_json=as_json)


@command.command()
@click.argument("name")
def drop(name: str) -> None:
    """Delete the snapshot NAME."""
    found = _snapshots().drop(name)
    click.echo(f"{found.name} is dropped: {size(found.bytes_local)}.")


@command.command()
@click.option("--older-than", metavar="AGE", help="Such as 30d, 12h or 4w.")
@click.option("--larger-than", metavar="SIZE", help="Such as 500MB.")
@click.option("--dry-run", is_flag=True, help="Only list them.")
def prune(*, older_than: str | None, larger_than: str | None, dry_run: bool) -> None:
    """Delete the snapshots that are older, or larger, than you say; both, if you say both."""
    from agnes_cli.failures import BadInput
    from agnes_cli.tables import snapshots as kept

    if older_than is None and larger_than is None:
        raise BadInput("say which snapshots: --older-than, --larger-than or both")
    before = datetime.now(UTC) - kept.age(older_than) if older_than else None
    above = kept.size_bytes(larger_than) if larger_than else None
    snapshots = _snapshots()
    for each in snapshots.list():
        is_old = before is None or (each.fetched_at and datetime.fromisoformat(each.fetched_at) < before)
        if is_old and (above is None or each.bytes_local > above):
            if not dry_run:
                snapshots.drop(each.name)
            click.echo(f"{'would drop' if dry_run else 'dropped'} {each.name}: {size(each.bytes_local)}")


def _snapshots() -> Snapshots:
    from agnes_cli.tables import choosing
    from agnes_cli.tables.snapshots import Snapshots

    return Snapshots(choosing.local())


def _show_made(made: Snapshot, *, as_json: bool) -> None:
    if as_json:
        shown.as_json(asdict(made))
        return
    click.echo(f"{made.name}: {made.rows:,} rows, {size(made.bytes_local)}, of the {made.source}.")
    click.echo(f'Query it: agnes query "SELECT * FROM {made.name} LIMIT 10"', err=True)


def _age(made: Snapshot) -> str:
    if not made.fetched_at:
        return ""
    hours = int((datetime.now(UTC) - datetime.fromisoformat(made.fetched_at)).total_seconds() // 3600)
    return f"{hours // 24} d" if hours >= 48 else f"{hours} h"


def _list(given: str | None) -> tuple[str, ...]:
    return tuple(each.strip() for each in (given or "").split(",") if each.strip())
