"""Queries that the server runs (docs/tables.md, *Queries on the server*)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agnes_cli.server import Server, route
from agnes_cli.tables.database import Result

MOST_ROWS = 10_000
"""That an answer as JSON may have."""


def run(server: Server, sql: str, limit: int) -> Result:
    """Raises Refused with the server's reason."""
    found = server.post("/api/query", {"sql": sql, "limit": min(limit, MOST_ROWS), "format": "json"})
    return Result(tuple(found["columns"]), [tuple(row) for row in found["rows"]], truncated=bool(found["truncated"]))


def schema(server: Server, table: str) -> dict[str, Any]:
    return dict(server.get(route("api", "v2", "schema", table)))


def sample(server: Server, table: str, rows: int) -> Result:
    found = server.get(route("api", "v2", "sample", table), n=rows)
    columns, given = found["columns"], found["rows"]
    names = tuple(each["name"] if isinstance(each, Mapping) else str(each) for each in columns)
    rows_given = [tuple(row.get(name) for name in names) if isinstance(row, Mapping) else tuple(row) for row in given]
    return Result(names, rows_given, truncated=False)


def estimate(server: Server, scan: Mapping[str, Any]) -> dict[str, Any]:
    return dict(server.post("/api/v2/scan/estimate", dict(scan)))
