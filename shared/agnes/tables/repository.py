"""SQL over the registry: sources, tables, what is said of columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from agnes.kernel.state import Db, Row
from agnes.tables.model import Filter, Source, StoredSource, Table

_SOURCE = "id, type, description, options, secret_name, created_by, created_at, updated_at"
_TABLE = tuple(field.name for field in fields(Table))


def sources(db: Db) -> list[StoredSource]:
    """By id."""
    return [_source(row) for row in db.execute(f"SELECT {_SOURCE} FROM tables.sources ORDER BY id").fetchall()]  # noqa: S608 (constant)


def find_source(db: Db, source_id: str) -> StoredSource | None:
    row = db.execute(f"SELECT {_SOURCE} FROM tables.sources WHERE id = ?", [source_id]).fetchone()  # noqa: S608 (constant)
    return _source(row) if row else None


def put_source(db: Db, stored: StoredSource) -> None:
    """Add a source, or replace it."""
    source = stored.source
    db.execute("DELETE FROM tables.sources WHERE id = ?", [source.id])
    db.execute(
        """INSERT INTO tables.sources
            (id, type, description, options, secret_name, created_by, created_at, updated_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            source.id,
            source.type,
            source.description,
            json.dumps(source.options, sort_keys=True),
            stored.secret_name,
            source.created_by,
            source.created_at,
            source.updated_at,
        ],
    )


def delete_source(db: Db, source_id: str) -> None:
    db.execute("DELETE FROM tables.sources WHERE id = ?", [source_id])


def _source(row: Row) -> StoredSource:
    id, type, description, options, secret_name, by, created_at, updated_at = row  # noqa: A001 (the columns' names)
    source = Source(id, type, description, json.loads(options), secret_name is not None, by, created_at, updated_at)
    return StoredSource(source, secret_name)


def tables(db: Db) -> list[Table]:
    """By folder and name."""
    sql = f"SELECT {', '.join(_TABLE)} FROM tables.tables ORDER BY lower(folder), lower(name), id"  # noqa: S608 (constant)
    return [_table(row) for row in db.execute(sql).fetchall()]


def find_table(db: Db, table_id: str) -> Table | None:
    row = db.execute(f"SELECT {', '.join(_TABLE)} FROM tables.tables WHERE id = ?", [table_id]).fetchone()  # noqa: S608 (constant)
    return _table(row) if row else None


def table_ids(db: Db) -> list[str]:
    return [id_ for (id_,) in db.execute("SELECT id FROM tables.tables ORDER BY id").fetchall()]


def ids_by_source(db: Db, source_id: str) -> list[str]:
    return [
        id_
        for (id_,) in db.execute("SELECT id FROM tables.tables WHERE source_id = ? ORDER BY id", [source_id]).fetchall()
    ]


def put_table(db: Db, table: Table) -> None:
    """Add a table, or replace it."""
    values = {name: getattr(table, name) for name in _TABLE}
    values["primary_key"] = list(table.primary_key)
    values["where_filters"] = json.dumps([_filter(each) for each in table.where_filters])
    db.execute("DELETE FROM tables.tables WHERE id = ?", [table.id])
    db.execute(
        """INSERT INTO tables.tables
            (id, name, description, folder, source_id, source_type, bucket, source_table, source_query, query_mode,
             sync_strategy, sync_schedule, primary_key, incremental_column, incremental_window_days, max_history_days,
             where_filters, partition_by, partition_granularity, initial_load_chunk_days, registered_by, registered_at,
             updated_at)
        VALUES ($id, $name, $description, $folder, $source_id, $source_type, $bucket, $source_table, $source_query,
             $query_mode, $sync_strategy, $sync_schedule, $primary_key, $incremental_column, $incremental_window_days,
             $max_history_days, $where_filters, $partition_by, $partition_granularity, $initial_load_chunk_days,
             $registered_by, $registered_at, $updated_at)""",
        values,
    )


def delete_table(db: Db, table_id: str) -> None:
    """With everything that is kept of it."""
    db.execute("DELETE FROM tables.column_notes WHERE table_id = ?", [table_id])
    db.execute("DELETE FROM tables.tables WHERE id = ?", [table_id])


def column_notes(db: Db, table_id: str) -> dict[str, str]:
    """Column → what an admin says of it."""
    sql = "SELECT name, description FROM tables.column_notes WHERE table_id = ? ORDER BY name"
    return dict(db.execute(sql, [table_id]).fetchall())


def all_column_notes(db: Db) -> dict[str, dict[str, str]]:
    """Table → column → what an admin says of it."""
    found: dict[str, dict[str, str]] = {}
    for table_id, name, said in db.execute(
        "SELECT table_id, name, description FROM tables.column_notes ORDER BY ALL"
    ).fetchall():
        found.setdefault(table_id, {})[name] = said
    return found


def put_column_notes(db: Db, table_id: str, notes: Mapping[str, str]) -> None:
    """Replace them all; an empty description is none."""
    db.execute("DELETE FROM tables.column_notes WHERE table_id = ?", [table_id])
    rows = [{"name": name, "description": said} for name, said in sorted(notes.items()) if said]
    if rows:
        db.execute(
            """INSERT INTO tables.column_notes (table_id, name, description)
            SELECT $table, r.name, r.description FROM (SELECT unnest($rows) AS r)""",
            {"table": table_id, "rows": rows},
        )


def _table(row: Row) -> Table:
    values: dict[str, Any] = dict(zip(_TABLE, row, strict=True))
    values["primary_key"] = tuple(values["primary_key"])
    values["where_filters"] = tuple(
        Filter(each["column"], each["operator"], tuple(each["values"])) for each in json.loads(values["where_filters"])
    )
    return Table(**values)


def _filter(each: Filter) -> dict[str, Any]:
    return {"column": each.column, "operator": each.operator, "values": list(each.values)}
