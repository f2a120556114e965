from __future__ import annotations

from typing import Any

import click

from agnes_cli import shown
from agnes_cli.options import JSON

VERSIONS = {
    "VERSION": "n",
    "STATUS": "label",
    "LIVE": "is_live",
    "CREATED": "created_at",
    "REASON": "reason",
    "CHANGES": "changes",
}


@click.command()
@click.argument("entity", required=False)
@JSON
def command(entity: str | None, as_json: bool) -> None:
    """List what you share, its state and what you can do; of one ENTITY every version."""
    from agnes_cli import sharing
    from agnes_cli.server import connect

    with connect() as server:
        found: Any = sharing.find_own(server, entity) if entity else server.get("/api/store/mine")
    if as_json:
        shown.as_json(found)
    elif entity:
        shown.table(VERSIONS, found["versions"], none="It has no version.")
    else:
        rows = [sharing.row(one) for one in found]
        shown.table(sharing.COLUMNS, rows, none="You share nothing yet: `agnes store upload FOLDER`.")
