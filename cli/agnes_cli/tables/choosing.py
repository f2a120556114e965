"""Where a command asks: the workspace's own copy first, the server if it is asked to or has the only one."""

from __future__ import annotations

from typing import Any

import click

from agnes_cli.failures import BadInput
from agnes_cli.tables import database, remote
from agnes_cli.tables.copies import TableCopies
from agnes_cli.tables.database import LocalDatabase, Result
from agnes_cli.workspace import Workspace

REMOTE = click.option("--remote", is_flag=True, help="Ask the server, also where there is a copy here.")
LIMIT_OF_SAMPLES = 100


def local() -> LocalDatabase:
    return LocalDatabase(TableCopies(Workspace().root))


def sample(table: str, rows: int, *, at_server: bool) -> Result:
    from agnes_cli.server import connect

    here = local()
    if not at_server and table in here.sources():
        return here.run(f"SELECT * FROM {database.quoted(table)} LIMIT {rows}", rows)
    with connect() as server:
        return remote.sample(server, table, rows)


def schema(table: str, *, at_server: bool) -> dict[str, Any]:
    """The server's description, which has what admins said of columns; without an answer, names and types of the copy."""
    from agnes_cli.failures import NotSignedIn, ServerUnreachable
    from agnes_cli.server import connect, route

    here = local()
    if not at_server and table in {path.stem for path in here.snapshots.glob("*.parquet")}:
        return {"id": table, "name": table, "source": "snapshot", "columns": database.columns_of(here, table)}
    try:
        with connect() as server:
            return dict(server.get(route("api", "tables", "catalog", table))) | {"source": "server"}
    except (ServerUnreachable, NotSignedIn, BadInput):
        if at_server or table not in here.sources():
            raise
    click.echo("Note: the server was not asked; this is what the copy here has, without descriptions.", err=True)
    return {"id": table, "name": table, "source": "copy", "columns": database.columns_of(here, table)}


def profile(table: str, *, at_server: bool) -> dict[str, Any]:
    """How many rows, and of each column the type, nulls, distinct values (about), least and greatest."""
    from agnes_cli.server import connect, route

    here = local()
    if not at_server and table in here.sources():
        columns = database.columns_of(here, table)
        found = here.run(database.profile_sql(table, columns), 1)
        source = "copy"
    else:
        with connect() as server:
            columns = server.get(route("api", "tables", "catalog", table))["columns"]
            found = remote.run(server, database.profile_sql(table, columns), 1)
        source = "server"
    row = found.rows[0]
    return {"table": table, "source": source, "row_count": int(row[0]), "columns": database.profile_of(columns, row)}
