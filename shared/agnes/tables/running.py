"""Which queries of a person run, and how much they have read today: kept in the store, for all processes together.

    tables/queries/<user_id>.json       {day, bytes, running: {id: {started_at, ends_at, sql, cancelled}}}

Each change is one conditional write. A query whose process died leaves its line until `ends_at`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from agnes.kernel.errors import ConflictError, LimitError, NotFoundError, UnavailableError
from agnes.kernel.ports import ABSENT, Clock, ObjectStore, OutcomeUnknown, PreconditionFailed, TryAgain, Unchanged

PREFIX = "tables/queries/"
AT_ONCE = 5
BYTES_A_DAY = 50_000_000_000
_SHOWN_SQL = 200
_TRIES = 12

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunningQuery:
    id: str
    started_at: datetime
    sql: str
    """Its first 200 characters."""


@dataclass(frozen=True, slots=True)
class QueryUse:
    """What one person asks, and may ask."""

    running: tuple[RunningQuery, ...]
    bytes_today: int
    bytes_a_day: int = BYTES_A_DAY
    at_once: int = AT_ONCE


class TooManyQueries(LimitError):
    code = "too_many_queries"
    retry_after_seconds = 5

    def __init__(self) -> None:
        super().__init__(
            f"{AT_ONCE} of your queries are running, which is the limit",
            hint="Wait until one has ended, or cancel one: GET /api/query lists them.",
            retry_after_seconds=self.retry_after_seconds,
        )


class QueryQuotaExceeded(LimitError):
    code = "query_quota_exceeded"

    def __init__(self, used: int, retry_after_seconds: int) -> None:
        super().__init__(
            f"your queries have read {used / 1e9:.1f} of {BYTES_A_DAY / 1e9:.0f} GB today, and this one would read more than is left",
            hint="Name fewer tables or wait until midnight UTC; copies on your own computer are not counted.",
            retry_after_seconds=retry_after_seconds,
        )
        self.retry_after_seconds = retry_after_seconds


class QueryIdTaken(ConflictError):
    code = "query_id_taken"

    def __init__(self, query_id: str) -> None:
        super().__init__(f"a query {query_id} of yours is running", hint="Choose another id, or none.")


class QueryNotRunning(NotFoundError):
    code = "query_not_running"

    def __init__(self, query_id: str) -> None:
        super().__init__(f"no query {query_id[:64]!r} of yours is running", hint="GET /api/query lists them.")


@contextmanager
def counted(  # noqa: PLR0917
    store: ObjectStore, user_id: str, query_id: str, sql: str, size_bytes: int, seconds: float, clock: Clock
) -> Iterator[Callable[[], bool]]:
    """Take a place for a query and count what it reads; hands out whether it was cancelled.

    Raises TooManyQueries, QueryQuotaExceeded, QueryIdTaken, UnavailableError.
    """
    now = clock.now()

    def begin(kept: dict[str, Any]) -> None:
        if query_id in kept["running"]:
            raise QueryIdTaken(query_id)
        if len(kept["running"]) >= AT_ONCE:
            raise TooManyQueries
        if kept["bytes"] + size_bytes > BYTES_A_DAY:
            midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
            raise QueryQuotaExceeded(kept["bytes"], int((midnight - now).total_seconds()) + 1)
        kept["bytes"] += size_bytes
        kept["running"][query_id] = {
            "started_at": now.isoformat(),
            "ends_at": (now + timedelta(seconds=seconds)).isoformat(),
            "sql": sql[:_SHOWN_SQL].encode("utf-8", "replace").decode(),
        }

    def end(kept: dict[str, Any]) -> None:
        kept["running"].pop(query_id, None)

    _change(store, user_id, now, begin)
    try:
        yield lambda: bool(_read(store, user_id, clock.now())["running"].get(query_id, {}).get("cancelled"))
    finally:
        _change(store, user_id, clock.now(), end)


def use(store: ObjectStore, user_id: str, now: datetime) -> QueryUse:
    """Raises UnavailableError."""
    kept = _read(store, user_id, now)
    running = (
        RunningQuery(id_, datetime.fromisoformat(each["started_at"]), each["sql"])
        for id_, each in kept["running"].items()
    )
    return QueryUse(tuple(sorted(running, key=lambda each: each.started_at)), kept["bytes"])


def cancel(store: ObjectStore, user_id: str, query_id: str, now: datetime) -> None:
    """Its process sees it within a second. Raises QueryNotRunning, UnavailableError."""

    def mark(kept: dict[str, Any]) -> None:
        if query_id not in kept["running"]:
            raise QueryNotRunning(query_id)
        kept["running"][query_id]["cancelled"] = True

    _change(store, user_id, now, mark)


def _key(user_id: str) -> str:
    return f"{PREFIX}{user_id}.json"


def _read(store: ObjectStore, user_id: str, now: datetime) -> dict[str, Any]:
    blob = store.read(_key(user_id))
    return _of(blob.body if blob else b"{}", now)


def _of(body: bytes, now: datetime) -> dict[str, Any]:
    """What was kept, without another day's count and without queries that must have ended. Of what is damaged nothing is kept."""
    day = now.date().isoformat()
    try:
        kept = json.loads(body)
        used = int(kept.get("bytes", 0)) if kept.get("day") == day else 0
        running = {id_: each for id_, each in kept.get("running", {}).items() if _is_running(each, now)}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {"day": day, "bytes": 0, "running": {}}
    return {"day": day, "bytes": used, "running": running}


def _is_running(each: dict[str, Any], now: datetime) -> bool:
    """Raises what `_of` catches, where it is not the line of a query."""
    began, ends = (datetime.fromisoformat(each[name]) for name in ("started_at", "ends_at"))
    return isinstance(each["sql"], str) and began <= ends > now


def _change(store: ObjectStore, user_id: str, now: datetime, change: Callable[[dict[str, Any]], T]) -> T:
    """One conditional write; whoever writes in between has it read and changed again."""
    for _ in range(_TRIES):
        blob = store.read(_key(user_id))
        kept = _of(blob.body if blob else b"{}", now)
        found = change(kept)
        try:
            store.write(
                _key(user_id),
                json.dumps(kept).encode(),
                expect=Unchanged(blob.version) if blob else ABSENT,
                content_type="application/json",
            )
        except (PreconditionFailed, TryAgain):
            continue
        except OutcomeUnknown:
            pass  # at worst a place that is free again when its time is over
        return found
    raise UnavailableError("the queries that run could not be noted", code="store_busy", hint="Try again in a moment.")
