"""Events as a file: sent with the answer when it is small, by a presigned URL when it is large."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from agnes.kernel.errors import BadRequestError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import Clock, ObjectStore
from agnes.kernel.state import Change, State
from agnes.telemetry import keys
from agnes.telemetry.lake import event_table, objects
from agnes.telemetry.lake.batch import EVENT_COLUMNS
from agnes.telemetry.model import FILE

INLINE_BYTES = 4 * 1000 * 1000
"""A function's answer may have 6 MB, in base64."""
URL_SECONDS = 900
KEPT = timedelta(days=1)
MEMORY = "130MB"
"""Of DuckDB, which sorts on disk what is more: with all that is imported a process stays below 300 MB."""

CONTENT_TYPES = {"csv": "text/csv", "json": "application/x-ndjson", "parquet": "application/octet-stream"}
_TIMES = "TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%S.%fZ'"
# Of parquet's row groups one is in memory: of the default size it alone takes as much as the sort.
_COPY = {
    "csv": f"FORMAT csv, HEADER, {_TIMES}",
    "json": f"FORMAT json, {_TIMES}",
    "parquet": "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 40960",
}
# A spreadsheet computes a cell that begins like a formula, and names and folders come from whoever wrote the transcript.
_TEXTS = [name for name, kind in EVENT_COLUMNS.items() if kind == "VARCHAR" and name != "generation"]
_QUOTED = ", ".join(f"if(regexp_matches({name}, '^[=+@\\t\\r-]'), '''' || {name}, {name}) AS {name}" for name in _TEXTS)
_ALL = "* EXCLUDE generation"
_COLUMNS = {"csv": f"{_ALL} REPLACE ({_QUOTED})", "json": _ALL, "parquet": _ALL}
_BACK = re.compile(r"(\d{1,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class InvalidMoment(BadRequestError):
    code = "invalid_moment"

    def __init__(self, name: str, given: str) -> None:
        super().__init__(
            f"{name}={given[:40]!r} is no point in time",
            hint="Such as 7d, 24h, 30m, 2026-11-01 or 2026-11-01T09:00:00Z.",
        )


class InvalidSpan(BadRequestError):
    code = "invalid_span"
    hint = "`until` is not included, and must be later than `since`."

    def __init__(self, since: datetime, until: datetime) -> None:
        super().__init__(f"nothing lies between since={since.isoformat()} and until={until.isoformat()}")


@dataclass(frozen=True, slots=True)
class Filters:
    """`since` is included, `until` is not; `user` is an id or an e-mail address. Raises InvalidSpan."""

    since: datetime | None = None
    until: datetime | None = None
    user: str | None = None
    source: str | None = None
    event_type: str | None = None

    def __post_init__(self) -> None:
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise InvalidSpan(self.since, self.until)

    @property
    def said(self) -> dict[str, Any]:
        """For the audit: those that are given."""
        found = {name: getattr(self, name) for name in ("since", "until", "user", "source", "event_type")}
        return {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in found.items() if value
        }


@dataclass(frozen=True, slots=True)
class Exported:
    filename: str
    content_type: str
    rows: int
    body: bytes | None
    url: str | None
    """Good for 15 minutes, in place of a large `body`."""


def moment(name: str, given: str | None, *, now: datetime) -> datetime | None:
    """A point in time: so long ago (`7d`), a day (its beginning, UTC) or a time (UTC unless it says otherwise).

    Raises InvalidMoment.
    """
    if given is None:
        return None
    try:
        if back := _BACK.fullmatch(given):
            return now - timedelta(**{_UNITS[back[2]]: int(back[1])})
        found = datetime.fromisoformat(given)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidMoment(name, given) from None


def export(
    state: State, store: ObjectStore, filters: Filters, *, kind: str, clock: Clock, inline_bytes: int = INLINE_BYTES
) -> Exported:
    """All columns of the events that pass, each once, ordered by time. Audited before anything is answered.

    Raises UnavailableError.
    """
    where, parameters = _where(state, filters)
    filename = f"usage_events.{kind}"
    with event_table.events(
        store,
        state,
        since=filters.since and filters.since.date(),
        until=filters.until and filters.until.date(),
        memory=MEMORY,
    ) as bench:
        path = bench.folder / filename
        (rows,) = bench.db.execute(
            f"COPY (SELECT {_COLUMNS[kind]} FROM events WHERE {where} ORDER BY occurred_at, event_id) "  # noqa: S608 (fixed parts)
            f"TO '{path}' ({_COPY[kind]})",
            parameters,
        ).fetchone()
        said = {"filters": filters.said, "format": kind, "row_count": rows}
        state.commit(FILE, lambda tx: tx.record(Change("usage.export", "usage:events", said)))
        if path.stat().st_size <= inline_bytes:
            return Exported(filename, CONTENT_TYPES[kind], rows, path.read_bytes(), None)
        bench.db.close()  # so that its memory is free again: sending wants some, too
        key = keys.export(new_ulid(clock.now()), filename)
        objects.put_file(store, clock, key, path, CONTENT_TYPES[kind])
    url = store.presign_get(key, seconds=URL_SECONDS, filename=filename, content_type=CONTENT_TYPES[kind])
    return Exported(filename, CONTENT_TYPES[kind], rows, None, url)


def remove_old(store: ObjectStore, *, now: datetime) -> int:
    """Remove exports whose URLs ended long ago; how many."""
    old = [entry.key for entry in store.list(keys.EXPORTS) if entry.modified_at < now - KEPT]
    store.remove(old)
    return len(old)


def _where(state: State, filters: Filters) -> tuple[str, dict[str, Any]]:
    tests = {
        "since": "occurred_at >= $since",
        "until": "occurred_at < $until",
        "source": "source = $source",
        "event_type": "event_type = $event_type",
    }
    parameters: dict[str, Any] = {name: getattr(filters, name) for name in tests if getattr(filters, name)}
    parts = [tests[name] for name in parameters]
    if filters.user:
        with state.read("people") as db:
            rows = db.execute(
                "SELECT id FROM people.users WHERE email = lower($user)", {"user": filters.user}
            ).fetchall()
        parameters["user"] = rows[0][0] if rows else filters.user
        parts.append("user_id = $user")
    return " AND ".join(parts) or "true", parameters
