from __future__ import annotations

import click

from agnes_cli import shown
from agnes_cli.options import JSON
from agnes_cli.tables.choosing import REMOTE

ROWS = click.option("-n", "--rows", type=click.IntRange(1, 100), default=5, show_default=True, help="How many rows.")


@click.command(epilog="\b\nExample:\n  agnes sample orders -n 20")
@click.argument("table")
@ROWS
@REMOTE
@JSON
def command(table: str, *, rows: int, remote: bool, as_json: bool) -> None:
    """Show some rows of TABLE."""
    from agnes_cli.tables import choosing, printing

    found = choosing.sample(table, rows, at_server=remote)
    if as_json:
        shown.as_json(printing.records(found.columns, found.rows))
        return
    printing.show(found.columns, found.rows, format="table")
