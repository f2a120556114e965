from __future__ import annotations

import click

from agnes_cli import shown
from agnes_cli.options import JSON

COLUMNS = {"WHEN": "at", "NEW": "is_new", "WHAT": "text"}


@click.command()
@click.option("--keep", is_flag=True, help="Do not mark them as read.")
@JSON
def command(keep: bool, as_json: bool) -> None:
    """List what happened to what you share, the newest first."""
    from agnes_cli import notice_count
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get("/api/store/notices")
        if found["unread"] and not keep:
            server.post("/api/store/notices")
        notice_count.write(found["unread"] if keep else 0)
    if as_json:
        shown.as_json(found)
    else:
        rows = [one | {"is_new": one["read_at"] is None} for one in found["items"]]
        shown.table(COLUMNS, rows, none="Nothing happened yet.")
