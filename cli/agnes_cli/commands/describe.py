from __future__ import annotations

import click

from agnes_cli import shown
from agnes_cli.commands.sample import ROWS
from agnes_cli.options import JSON
from agnes_cli.tables.choosing import REMOTE


@click.command(epilog="\b\nExample:\n  agnes describe orders -n 3 --json")
@click.argument("table")
@ROWS
@REMOTE
@JSON
def command(table: str, *, rows: int, remote: bool, as_json: bool) -> None:
    """Show the columns of TABLE and some rows: `agnes schema` and `agnes sample` in one."""
    from agnes_cli.commands.schema import show_schema
    from agnes_cli.tables import choosing, printing

    if as_json:
        schema = choosing.schema(table, at_server=remote)
        found = choosing.sample(table, rows, at_server=remote)
        shown.as_json({"schema": schema, "sample": printing.records(found.columns, found.rows)})
        return
    show_schema(table, at_server=remote, as_json=False)
    click.echo()
    found = choosing.sample(table, rows, at_server=remote)
    printing.show(found.columns, found.rows, format="table")
