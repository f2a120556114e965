from __future__ import annotations

import click

from agnes_cli import shown
from agnes_cli.options import JSON
from agnes_cli.tables.choosing import REMOTE

COLUMNS = {
    "COLUMN": "name",
    "TYPE": "type",
    "NULLS": "nulls",
    "DISTINCT": "distinct",
    "LEAST": "min",
    "GREATEST": "max",
}


@click.command(epilog="\b\nExample:\n  agnes explore orders")
@click.argument("table")
@REMOTE
@JSON
def command(table: str, *, remote: bool, as_json: bool) -> None:
    """Show what is in TABLE: rows, and of each column the nulls, about how many distinct values, the least and the greatest."""
    from agnes_cli.tables import choosing, printing

    found = choosing.profile(table, at_server=remote)
    rows = choosing.sample(table, 5, at_server=remote)
    if as_json:
        shown.as_json(found | {"sample_rows": printing.records(rows.columns, rows.rows)})
        return
    click.echo(f"{found['table']}: {found['row_count']:,} rows")
    shown.table(COLUMNS, found["columns"], none="It has no columns.")
    click.echo()
    printing.show(rows.columns, rows.rows, format="table")
