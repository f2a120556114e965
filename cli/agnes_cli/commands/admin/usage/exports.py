from __future__ import annotations

import click

from agnes_cli import shown
from agnes_cli.options import JSON

EXPORTS = "/api/admin/usage/exports"
COLUMNS = {
    "ID": "id",
    "Status": "status",
    "Format": "format",
    "Rows": "rows",
    "Bytes": "size_bytes",
    "Created": "created_at",
    "By": "created_by",
    "Error": "error",
}


@click.command()
@click.option("--remove", "export_id", help="Cancel or remove the export with this id.")
@JSON
def command(export_id: str | None, as_json: bool) -> None:
    """List the exports of the last day, or cancel one.

    An export keeps its files for a day, or until a session is redacted.
    """
    from agnes_cli.server import connect, route

    with connect() as server:
        if export_id is not None:
            server.delete(route("api", "admin", "usage", "exports", export_id))
            click.echo(f"{shown.plain(export_id)}: removed.")
            return
        found = server.get(EXPORTS)
    if as_json:
        shown.as_json(found)
    else:
        shown.table(COLUMNS, found, none="There are no exports of the last day.")
