"""The database that a question may ask: one file that holds the allowed tables, made for one question.

The small tables are copied from the state files. Events are copied only when the SQL names them, the newest whole days
up to half a million rows: measured, those take 3 s of processor and 15 MB of disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from agnes.accounts import directory
from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import State
from agnes.telemetry.ask.comments import COMMENTS
from agnes.telemetry.lake import event_table, ledger
from agnes.telemetry.lake.batch import EVENT_COLUMNS, ScratchDatabase, workbench
from agnes.telemetry.lake.renames import WRITTEN
from agnes.telemetry.model import FILE, ITEM_DAILY

MAX_EVENTS = 500_000
EVENTS, TOOLS = "usage_events", "usage_tool_daily"

_COPIED = {
    "usage_users": f"SELECT id AS user_id, email, name, active FROM {directory.RELATION}",  # noqa: S608 (fixed parts)
    "usage_session_summary": (
        "SELECT * EXCLUDE (generation, days, events, folders, processor_version, extracted_at) "
        "REPLACE (started_at::TIMESTAMP AS started_at, ended_at::TIMESTAMP AS ended_at) FROM telemetry.sessions"
    ),
    "usage_marketplace_item_daily": f"SELECT * FROM {ITEM_DAILY}",  # noqa: S608 (fixed parts)
    "usage_marketplace_item_window": "SELECT * FROM telemetry.item_windows",
}
# Without what links records of a transcript: nobody asks for it, and it takes half of the room.
_LINKS = "generation, event_id, uuid, parent_uuid, agent_id"
_EVENT = f"occurred_at::DATE AS day, occurred_at::TIMESTAMP AS occurred_at, * EXCLUDE (occurred_at, {_LINKS})"
_TOOLS = f"""
CREATE VIEW usage.{TOOLS} AS
SELECT day, tool_name, source, count(*) AS invocations, count_if(is_error)::BIGINT AS errors,
    count(DISTINCT user_id) AS distinct_users, count(DISTINCT session_id) AS distinct_sessions
FROM usage.{EVENTS} WHERE tool_name IS NOT NULL AND event_type IN ('tool_use', 'subagent', 'mcp_call')
GROUP BY ALL
"""  # noqa: S608 (fixed parts)


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str
    comment: str


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    comment: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Database:
    path: Path
    tables: tuple[Table, ...]
    """As its catalogue has them."""
    events_since: date | None
    """The first day of the events that `with_events` brings; None: there are none."""

    @property
    def names(self) -> frozenset[str]:
        return frozenset(table.name for table in self.tables)


@contextmanager
def made(state: State) -> Iterator[Database]:
    """All tables, those of events still empty. Raises UnavailableError."""
    with TemporaryDirectory(prefix="agnes-usage-") as folder:
        path = Path(folder) / "usage.duckdb"
        with state.read(FILE, "people") as db:
            copied = {name: (_columns(db, query), db.execute(query).fetchall()) for name, query in _COPIED.items()}
            since = first_day(ledger.events_by_day(db))
        with workbench(threads=2) as bench, _attached(bench, path):
            for name, (columns, rows) in copied.items():
                bench.table(name, columns, rows)
                bench.db.execute(f"CREATE TABLE usage.{name} AS FROM memory.main.{name}")
            fields = ", ".join(
                f"NULL::{kind} AS {name}" for name, kind in (EVENT_COLUMNS | {WRITTEN: "VARCHAR"}).items()
            )
            bench.db.execute(f"CREATE TABLE usage.{EVENTS} AS SELECT {_EVENT} FROM (SELECT {fields}) LIMIT 0")  # noqa: S608
            bench.db.execute(_TOOLS)
            _comment(bench)
            tables = _catalogue(bench)
        yield Database(path, tables, since)


def needs_events(sql: str) -> bool:
    """Whether SQL may name them: a word in it is enough, since nothing of it is understood here."""
    return EVENTS in sql.lower() or TOOLS in sql.lower()


def with_events(database: Database, state: State, store: ObjectStore) -> None:
    """Fill the events in. Raises UnavailableError."""
    if database.events_since is None:
        return
    with event_table.events(store, state, since=database.events_since) as bench, _attached(bench, database.path):
        bench.db.execute(f"INSERT INTO usage.{EVENTS} BY NAME SELECT {_EVENT} FROM events LIMIT {MAX_EVENTS}")  # noqa: S608


@contextmanager
def _attached(bench: ScratchDatabase, path: Path) -> Iterator[None]:
    """The file under the name `usage`; whole on disk afterwards."""
    bench.db.execute(f"ATTACH '{path}' AS usage")
    yield
    bench.db.execute("CHECKPOINT usage")
    bench.db.execute("DETACH usage")


def _columns(db: Any, query: str) -> dict[str, str]:
    return {name: kind for name, kind, *_ in db.execute(f"DESCRIBE {query}").fetchall()}


def first_day(counts: list[tuple[date, int]]) -> date | None:
    """The oldest of the newest days that have no more than MAX_EVENTS together; the newest in any case."""
    first, total = None, 0
    for day, events in counts:
        total += events
        if first is not None and total > MAX_EVENTS:
            break
        first = day
    return first


def _comment(bench: ScratchDatabase) -> None:
    """A column that nobody has written about has no comment. In one transaction, since each syncs the file."""
    there = {
        (table, column)
        for table, column in bench.db.execute(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = 'usage'"
        ).fetchall()
    }
    views, statements = {TOOLS}, ["BEGIN"]
    for table, words in COMMENTS.items():
        kind = "VIEW" if table in views else "TABLE"
        for column, comment in words.items():
            said = comment.replace("'", "''")
            if not column:
                statements.append(f"COMMENT ON {kind} usage.{table} IS '{said}'")
            elif (table, column) in there:
                statements.append(f"COMMENT ON COLUMN usage.{table}.{column} IS '{said}'")
    bench.db.execute(";".join([*statements, "COMMIT"]))


def _catalogue(bench: ScratchDatabase) -> tuple[Table, ...]:
    comments = dict(
        bench.db.execute(
            "SELECT table_name, comment FROM duckdb_tables() WHERE database_name = 'usage' UNION ALL "
            "SELECT view_name, comment FROM duckdb_views() WHERE database_name = 'usage' AND NOT internal"
        ).fetchall()
    )
    columns: dict[str, list[Column]] = {}
    for table, name, kind, comment in bench.db.execute(
        "SELECT table_name, column_name, data_type, coalesce(comment, '') FROM duckdb_columns() "
        "WHERE database_name = 'usage' AND NOT internal ORDER BY table_oid, column_index"
    ).fetchall():
        columns.setdefault(table, []).append(Column(name, kind, comment))
    return tuple(Table(name, comments.get(name) or "", tuple(found)) for name, found in columns.items())
