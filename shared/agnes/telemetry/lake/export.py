"""A few events as a file: sent with the answer when it is small, by a presigned URL when it is large.

What is more than one request can make is an export in the background (`agnes.telemetry.lake.exports`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from agnes.accounts import directory
from agnes.kernel.errors import BadRequestError, TooLargeError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import DOWNLOAD_URL_SECONDS, Clock, ObjectStore
from agnes.kernel.state import Change, State, one_number
from agnes.telemetry import keys
from agnes.telemetry.lake import event_table, ledger, objects
from agnes.telemetry.lake.formats import COLUMNS, CONTENT_TYPES, copy_options
from agnes.telemetry.model import FILE

INLINE_BYTES = 4 * 1000 * 1000
"""A function's answer may have 6 MB, in base64."""
MAX_EVENTS = 200_000
"""That are read for one answer; a million take 17 to 27 s, and an API gives up after 28."""
MEMORY = "130MB"
"""Of DuckDB, which sorts on disk what is more: with all that is imported a process stays below 300 MB."""

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


class ExportTooLarge(TooLargeError):
    code = "export_too_large"

    def __init__(self, events: int, most: int) -> None:
        super().__init__(
            f"{events:,} events would have to be read, and one answer is made of {most:,} at most",
            hint="POST /api/admin/usage/exports makes the file in the background (`agnes admin usage export` does so by itself); "
            "or give `since` and `until`.",
        )


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
    """Good for DOWNLOAD_URL_SECONDS, in place of a large `body`."""


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
    state: State,
    store: ObjectStore,
    filters: Filters,
    *,
    kind: str,
    clock: Clock,
    inline_bytes: int = INLINE_BYTES,
    max_events: int = MAX_EVENTS,
) -> Exported:
    """All columns of the events that pass, each once, ordered by time. Audited before anything is answered.

    Raises ExportTooLarge, UnavailableError.
    """
    require_few(state, filters, max_events)
    where, parameters = conditions(state, filters)
    filename = f"usage_events.{kind}"
    with event_table.events(
        store,
        state,
        since=filters.since and filters.since.date(),
        until=filters.until and filters.until.date(),
        memory=MEMORY,
    ) as bench:
        path = bench.folder / filename
        rows = one_number(
            bench.db,
            f"COPY (SELECT {COLUMNS[kind]} FROM events WHERE {where} ORDER BY occurred_at, event_id) "  # noqa: S608 (fixed parts)
            f"TO '{path}' ({copy_options(kind)})",
            parameters,
        )
        said = {"filters": filters.said, "format": kind, "row_count": rows}
        state.commit(FILE, lambda tx: tx.record(Change("usage.export", "usage:events", said)))
        if path.stat().st_size <= inline_bytes:
            return Exported(filename, CONTENT_TYPES[kind], rows, path.read_bytes(), None)
        bench.db.close()  # so that its memory is free again: sending wants some, too
        key = keys.export(new_ulid(clock.now()), filename)
        objects.put_file(store, clock, key, path, CONTENT_TYPES[kind])
    url = store.presign_get(key, seconds=DOWNLOAD_URL_SECONDS, filename=filename, content_type=CONTENT_TYPES[kind])
    return Exported(filename, CONTENT_TYPES[kind], rows, None, url)


def require_few(state: State, filters: Filters, most: int) -> None:
    """Raises ExportTooLarge. Counts what has to be read, before `user`, `source` and `event_type` leave some of it out."""
    since, until = filters.since, filters.until
    with state.read(FILE) as db:
        days = ledger.events_between(db, since.date() if since else date.min, until.date() if until else date.max)
    if (events := sum(count for _, count in days)) > most:
        raise ExportTooLarge(events, most)


def conditions(state: State, filters: Filters) -> tuple[str, dict[str, Any]]:
    """(SQL, its parameters) over the events' columns."""
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
            parameters["user"] = directory.find_id(db, filters.user) or filters.user
        parts.append("user_id = $user")
    return " AND ".join(parts) or "true", parameters
