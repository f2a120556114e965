from __future__ import annotations

import click

from agnes_cli import shown
from agnes_cli.options import JSON
from agnes_cli.tables.choosing import REMOTE


@click.command(epilog="\b\nExample:\n  agnes schema orders")
@click.argument("table")
@REMOTE
@JSON
def command(table: str, *, remote: bool, as_json: bool) -> None:
    """Show the columns of TABLE with types and descriptions."""
    show_schema(table, at_server=remote, as_json=as_json)


def show_schema(table: str, *, at_server: bool, as_json: bool) -> None:
    from agnes_cli.tables import choosing

    found = choosing.schema(table, at_server=at_server)
    if as_json:
        shown.as_json(found)
        return
    about = {
        name: found.get(name)
        for name in ("id", "name", "description", "rows", "freshness", "primary_key", "partition_by")
    }
    shown.facts({name.replace("_", " ").capitalize() if name != "id" else "ID": value for name, value in about.items()})
    click.echo()
    columns = {"COLUMN": "name", "TYPE": "type", "DESCRIPTION": "description"}
    shown.table(columns, found["columns"], none="It was not collected yet, so its columns are not known.")
