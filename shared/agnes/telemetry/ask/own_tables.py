"""What queries over data tables may read of telemetry: the sessions and events of whoever asks, and of everybody for an admin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import State
from agnes.telemetry.ask import database
from agnes.telemetry.ask.comments import COMMENTS
from agnes.telemetry.lake import event_table, ledger
from agnes.telemetry.lake.batch import EVENT_COLUMNS, workbench
from agnes.telemetry.model import FILE

SESSIONS, EVENTS = "agnes_sessions", "agnes_telemetry"
DESCRIPTIONS = {
    SESSIONS: "Your Claude Code sessions, a row each; for admins those of everybody.",
    EVENTS: f"Your events in Claude Code sessions, a row each, of the newest days that have {database.MAX_EVENTS:,} events of "
    "everybody together; for admins those of everybody.",
}
_LEFT_OUT = ("generation", "event_id", "uuid", "parent_uuid", "agent_id")
_SESSION_COLUMNS = (
    "SELECT * EXCLUDE (generation, days, events, folders, processor_version, extracted_at) "
    "REPLACE (started_at::TIMESTAMP AS started_at, ended_at::TIMESTAMP AS ended_at) FROM telemetry.sessions"
)


@dataclass(frozen=True, slots=True)
class OwnColumn:
    name: str
    type: str
    description: str


def session_columns(state: State) -> tuple[OwnColumn, ...]:
    """Raises UnavailableError."""
    with state.read(FILE) as db:
        found = db.execute(f"DESCRIBE {_SESSION_COLUMNS}").fetchall()
    comments = COMMENTS["usage_session_summary"]
    return tuple(OwnColumn(name, kind, comments.get(name, "")) for name, kind, *_ in found)


def event_columns() -> tuple[OwnColumn, ...]:
    comments = COMMENTS["usage_events"]
    named = {name: kind for name, kind in EVENT_COLUMNS.items() if name not in _LEFT_OUT}
    return tuple(OwnColumn(name, kind, comments.get(name, "")) for name, kind in named.items())


def write_sessions(state: State, who: Principal, path: Path) -> None:
    """Raises UnavailableError."""
    with state.read(FILE) as db:
        columns = {name: kind for name, kind, *_ in db.execute(f"DESCRIBE {_SESSION_COLUMNS}").fetchall()}
        rows = db.execute(
            f"{_SESSION_COLUMNS} WHERE $everybody OR user_id = $user ORDER BY started_at",
            {"everybody": who.is_admin, "user": who.user_id},
        ).fetchall()
    with workbench(threads=1) as bench:
        bench.table("found", columns, rows)
        bench.db.execute(f"COPY found TO '{path}' (FORMAT parquet)")


def write_events(state: State, store: ObjectStore, who: Principal, path: Path) -> None:
    """Raises LakeDamaged, UnavailableError."""
    with state.read(FILE) as db:
        since = database.first_day(ledger.events_by_day(db))
    names = ", ".join(column.name for column in event_columns())
    mine = "true" if who.is_admin else "user_id = getvariable('asks')"
    if since is None:
        with workbench(threads=1) as bench:
            fields = {column.name: column.type for column in event_columns()}
            bench.table("found", fields, [])
            bench.db.execute(f"COPY found TO '{path}' (FORMAT parquet)")
        return
    with event_table.events(store, state, since=since) as bench:
        bench.db.execute("SET VARIABLE asks = $user", {"user": who.user_id})
        bench.db.execute(
            f"COPY (SELECT {names} FROM events WHERE {mine} LIMIT {database.MAX_EVENTS}) TO '{path}' (FORMAT parquet)"  # noqa: S608
        )
