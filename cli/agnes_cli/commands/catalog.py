from __future__ import annotations

from typing import Any

import click

from agnes_cli import shown
from agnes_cli.failures import BadInput, NotSignedIn, ServerUnreachable
from agnes_cli.options import JSON

COLUMNS = {
    "ID": "id", "FOLDER": "folder", "MODE": "query_mode", "ROWS": "rows", "SIZE": "size", "CHANGED": "changed_at", "STATE": "freshness",
    "HERE": "here", "DESCRIPTION": "description",
}  # fmt: skip


@click.command(
    epilog="""\b
Examples:
  agnes catalog                 every table that was granted to you
  agnes catalog revenue emea    those whose name, description or columns have these words
  agnes catalog --show orders   one table with its columns (as `agnes schema orders`)
"""
)
@click.argument("words", nargs=-1)
@click.option("--show", "show_id", metavar="ID", help="Describe one table.")
@click.option("--refresh", is_flag=True, hidden=True)
@JSON
def command(*, words: tuple[str, ...], show_id: str | None, refresh: bool, as_json: bool) -> None:
    """List the data tables that you may have, and which of them are here."""
    from agnes_cli.tables import choosing

    del refresh  # the server is asked each time; scripts of earlier days give it
    if show_id is not None:
        from agnes_cli.commands.schema import show_schema

        show_schema(show_id, at_server=False, as_json=as_json)
        return
    copies = choosing.local().copies
    here = {version.id: version for version in copies.tables()}
    try:
        from agnes_cli.server import connect

        with connect() as server:
            tables: list[dict[str, Any]] = server.get("/api/tables/catalog")
    except (ServerUnreachable, NotSignedIn, BadInput) as failure:
        if not here:
            raise
        click.echo(f"Note: {failure.message}. These are the copies here.", err=True)
        tables = [
            {
                "id": one.id,
                "name": one.name,
                "rows": one.rows,
                "size_bytes": one.size_bytes,
                "changed_at": one.changed_at,
            }
            for one in here.values()
        ]
    tables = [table for table in tables if _fits(table, words)]
    if as_json:
        shown.as_json(tables)
        return
    from agnes_cli.storing import size

    rows = [
        table
        | {
            "size": size(table["size_bytes"]),
            "rows": f"{table['rows']:,}",
            "here": _here(table, here.get(table["id"])),
            "changed_at": str(table.get("changed_at") or "")[:16],
        }
        for table in tables
    ]
    shown.table(COLUMNS, rows, none="No table is like that." if words else "No tables were granted to you yet.")


def _fits(table: dict[str, Any], words: tuple[str, ...]) -> bool:
    columns = [f"{column['name']} {column.get('description', '')}" for column in table.get("columns", ())]
    text = " ".join([table["id"], table["name"], str(table.get("description", "")), *columns]).casefold()
    return all(word.casefold() in text for word in words)


def _here(table: dict[str, Any], copy: Any) -> str:
    if copy is None:
        return ""
    return "yes" if str(table.get("changed_at")) == copy.changed_at else "older"
