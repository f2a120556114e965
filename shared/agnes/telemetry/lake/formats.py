"""How events are written as csv, json (one object a line) and parquet."""

from __future__ import annotations

from agnes.telemetry.lake.batch import EVENT_COLUMNS
from agnes.telemetry.lake.renames import WRITTEN

CONTENT_TYPES = {"csv": "text/csv", "json": "application/x-ndjson", "parquet": "application/octet-stream"}
ROW_GROUP = 20_480
"""Of parquet's row groups one is in memory: of the default size it alone takes as much as a sort."""
_TIMES = "TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%fZ'"
# A spreadsheet computes a cell that begins like a formula, and names and folders come from whoever wrote the transcript.
_TEXTS = [name for name, kind in EVENT_COLUMNS.items() if kind == "VARCHAR" and name != "generation"] + [WRITTEN]
_QUOTED = ", ".join(f"if(regexp_matches({name}, '^[=+@\\t\\r-]'), '''' || {name}, {name}) AS {name}" for name in _TEXTS)
_ALL = "* EXCLUDE generation"
COLUMNS = {"csv": f"{_ALL} REPLACE ({_QUOTED})", "json": _ALL, "parquet": _ALL}
"""What is selected of the columns of `EVENT_COLUMNS` and `written_plugin`."""


def copy_options(kind: str, *, header: bool = True) -> str:
    """Options of DuckDB's COPY. `header`: of a csv file."""
    return {
        "csv": f"FORMAT csv, HEADER {str(header).lower()}, {_TIMES}",
        "json": f"FORMAT json, {_TIMES}",
        "parquet": f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP}",
    }[kind]
