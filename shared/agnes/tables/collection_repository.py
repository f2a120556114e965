"""SQL over what was collected: the state of each table, its objects, its runs."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from agnes.kernel.state import Db, Row
from agnes.tables.objects import TableObject

RUNS_KEPT = 50
"""Of each table."""


@dataclass(frozen=True, slots=True)
class CollectionState:
    """How a table does. A table that was never collected has no such row."""

    table_id: str
    started_at: datetime
    ended_at: datetime
    succeeded_at: datetime | None = None
    changed_at: datetime | None = None
    error: str | None = None
    failures: int = 0
    retry_at: datetime | None = None
    hash: str | None = None
    rows: int = 0
    size_bytes: int = 0
    columns: tuple[dict[str, str], ...] = field(default_factory=tuple)
    watermark: str | None = None
    backfilled_to: date | None = None
    backfill_empty: int = 0
    backfill_done: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt to collect a table."""

    id: str
    table_id: str
    reason: str
    """`schedule`, or the e-mail address of who asked for it."""
    started_at: datetime
    ended_at: datetime
    status: str
    """ok, unchanged, failed"""
    rows: int
    size_bytes: int
    error: str | None


_NAMED = "(SELECT sha256 FROM tables.objects UNION SELECT sha256 FROM tables.restricted_objects)"
"""Objects that something names."""
_STATE = (
    "table_id", "started_at", "ended_at", "succeeded_at", "changed_at", "error", "failures", "retry_at", "hash", "rows",
    "size_bytes", "columns", "watermark", "backfilled_to", "backfill_empty", "backfill_done",
)  # fmt: skip
_RUN = ("id", "table_id", "reason", "started_at", "ended_at", "status", "rows", "size_bytes", "error")


def states(db: Db) -> dict[str, CollectionState]:
    """By table."""
    rows = db.execute(f"SELECT {', '.join(_STATE)} FROM tables.collections").fetchall()  # noqa: S608 (constant)
    return {row[0]: _state(row) for row in rows}


def find_state(db: Db, table_id: str) -> CollectionState | None:
    sql = f"SELECT {', '.join(_STATE)} FROM tables.collections WHERE table_id = ?"  # noqa: S608 (constant)
    row = db.execute(sql, [table_id]).fetchone()
    return _state(row) if row else None


def put_state(db: Db, state: CollectionState) -> None:
    db.execute("DELETE FROM tables.collections WHERE table_id = ?", [state.table_id])
    values = {name: getattr(state, name) for name in _STATE} | {"columns": json.dumps(list(state.columns))}
    db.execute(
        """INSERT INTO tables.collections
            (table_id, started_at, ended_at, succeeded_at, changed_at, error, failures, retry_at, hash, rows, size_bytes,
             columns, watermark, backfilled_to, backfill_empty, backfill_done)
        VALUES ($table_id, $started_at, $ended_at, $succeeded_at, $changed_at, $error, $failures, $retry_at, $hash, $rows,
             $size_bytes, $columns, $watermark, $backfilled_to, $backfill_empty, $backfill_done)""",
        values,
    )


def _state(row: Row) -> CollectionState:
    values = dict(zip(_STATE, row, strict=True))
    values["columns"] = tuple(json.loads(values["columns"]))
    return CollectionState(**values)


def objects(db: Db, table_id: str) -> list[TableObject]:
    """Of a table, in the order of its content."""
    return objects_of(db, [table_id]).get(table_id, [])


def objects_of(db: Db, table_ids: Collection[str]) -> dict[str, list[TableObject]]:
    """Table → its objects, in the order of its content."""
    found: dict[str, list[TableObject]] = {}
    rows = db.execute(
        """SELECT table_id, sha256, size_bytes, rows, partition FROM tables.objects
        WHERE list_contains($ids, table_id) ORDER BY table_id, partition, position""",
        {"ids": sorted(table_ids)},
    ).fetchall()
    for table_id, sha256, size_bytes, count, partition in rows:
        found.setdefault(table_id, []).append(TableObject(sha256, size_bytes, count, partition))
    return found


def replace_objects(
    db: Db, table_id: str, wanted: Sequence[TableObject], partitions: Collection[str] | None, now: datetime
) -> None:
    """Put objects in the place of all of a table, or of those of some partitions; what is named no more is retired."""
    before = [each for each in objects(db, table_id) if partitions is None or each.partition in partitions]
    db.execute(
        "DELETE FROM tables.objects WHERE table_id = $id AND ($parts IS NULL OR list_contains($parts, partition))",
        {"id": table_id, "parts": None if partitions is None else sorted(partitions)},
    )
    rows, positions = [], dict[str, int]()
    for each in wanted:
        position = positions[each.partition] = positions.get(each.partition, -1) + 1
        rows.append(
            {
                "partition": each.partition,
                "position": position,
                "sha256": each.sha256,
                "size_bytes": each.size_bytes,
                "rows": each.rows,
            }
        )
    if rows:
        db.execute(
            """INSERT INTO tables.objects (table_id, partition, position, sha256, size_bytes, rows)
            SELECT $id, r.partition, r.position, r.sha256, r.size_bytes, r."rows" FROM (SELECT unnest($rows) AS r)""",
            {"id": table_id, "rows": rows},
        )
    retire(db, [each.sha256 for each in before], now)


def retire(db: Db, sha256s: Sequence[str], now: datetime) -> None:
    """Note objects that nothing names any more, and forget the note of those that are named."""
    if sha256s:
        db.execute(
            f"""INSERT INTO tables.retired (sha256, retired_at, removing)
            SELECT DISTINCT s, $now, false FROM (SELECT unnest($shas) AS s)
            WHERE s NOT IN {_NAMED} AND s NOT IN (SELECT sha256 FROM tables.retired)""",  # noqa: S608 (constant)
            {"now": now, "shas": list(sha256s)},
        )
    db.execute(f"DELETE FROM tables.retired WHERE NOT removing AND sha256 IN {_NAMED}")  # noqa: S608 (constant)


def being_removed(db: Db, sha256s: Collection[str]) -> list[str]:
    """Those of the objects that are being deleted now."""
    rows = db.execute(
        "SELECT sha256 FROM tables.retired WHERE removing AND list_contains(?, sha256)", [sorted(sha256s)]
    ).fetchall()
    return [sha256 for (sha256,) in rows]


def mark_removing(db: Db, unknown: Collection[str], before: datetime) -> list[str]:
    """Mark what was retired before then, and objects that nobody ever named (`unknown`); all that are marked."""
    if unknown:
        db.execute(
            f"""INSERT INTO tables.retired (sha256, retired_at, removing)
            SELECT s, $before, true FROM (SELECT unnest($shas) AS s)
            WHERE s NOT IN {_NAMED} AND s NOT IN (SELECT sha256 FROM tables.retired)""",  # noqa: S608 (constant)
            {"before": before, "shas": sorted(unknown)},
        )
    db.execute(
        f"UPDATE tables.retired SET removing = true WHERE retired_at < ? AND sha256 NOT IN {_NAMED}",  # noqa: S608 (constant)
        [before],
    )
    return [row[0] for row in db.execute("SELECT sha256 FROM tables.retired WHERE removing ORDER BY 1").fetchall()]


def known_objects(db: Db) -> set[str]:
    """Named by a table, or retired."""
    rows = db.execute(
        f"SELECT sha256 FROM {_NAMED} UNION SELECT sha256 FROM tables.retired"  # noqa: S608 (constant)
    ).fetchall()
    return {sha256 for (sha256,) in rows}


def forget_removed(db: Db, sha256s: Collection[str]) -> None:
    db.execute("DELETE FROM tables.retired WHERE removing AND list_contains(?, sha256)", [sorted(sha256s)])


def add_run(db: Db, run: Run) -> None:
    """And forget the oldest beyond RUNS_KEPT."""
    db.execute(
        """INSERT INTO tables.runs (id, table_id, reason, started_at, ended_at, status, rows, size_bytes, error)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [getattr(run, name) for name in _RUN],
    )
    db.execute(
        """DELETE FROM tables.runs WHERE table_id = $id AND id NOT IN
            (SELECT id FROM tables.runs WHERE table_id = $id ORDER BY id DESC LIMIT $kept)""",
        {"id": run.table_id, "kept": RUNS_KEPT},
    )


def runs(db: Db, table_id: str, limit: int = RUNS_KEPT) -> list[Run]:
    """Newest first."""
    rows = db.execute(
        f"SELECT {', '.join(_RUN)} FROM tables.runs WHERE table_id = ? ORDER BY id DESC LIMIT ?",  # noqa: S608 (constant)
        [table_id, limit],
    ).fetchall()
    return [Run(*row) for row in rows]


def start_again(db: Db, table_id: str) -> None:
    """What was collected was of another description of the table: the next run, which is due, loads it whole."""
    db.execute(
        """UPDATE tables.collections SET succeeded_at = NULL, retry_at = NULL, watermark = NULL, backfilled_to = NULL,
            backfill_empty = 0, backfill_done = false WHERE table_id = ?""",
        [table_id],
    )


def forget(db: Db, table_id: str, now: datetime) -> None:
    """Everything that was collected of a table that is removed."""
    replace_objects(db, table_id, [], None, now)
    db.execute("DELETE FROM tables.collections WHERE table_id = ?", [table_id])
    db.execute("DELETE FROM tables.runs WHERE table_id = ?", [table_id])
