"""What other rooms ask of telemetry: run the extraction, read the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from agnes.kernel.errors import BadRequestError
from agnes.kernel.ports import Clock, ObjectStore, Queue
from agnes.kernel.state import Db, State, one_row
from agnes.marketplace import former_names
from agnes.stack import service as stack
from agnes.telemetry import keys
from agnes.telemetry.extraction import bill, inbox
from agnes.telemetry.extraction.served import Served, served_names
from agnes.telemetry.extraction.session import ServedFor
from agnes.telemetry.lake import damages
from agnes.telemetry.lake.damages import Damage
from agnes.telemetry.model import ITEM_DAILY, ItemKey, Limits, Report

if TYPE_CHECKING:
    from agnes.telemetry.extraction.tick import ExtractionRun

USAGE = "usage"
SERIES_DAYS = 30
SERVED_FILES = stack.FILES
"""State files that say whose a served name is."""


class UnknownProcessor(BadRequestError):
    code = "unknown_processor"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no session processor {name[:40]!r}", hint=f"Known: {USAGE}.")


@dataclass(frozen=True, slots=True)
class ItemWindow:
    """Figures of one item. A window of N days is today and the N-1 days before it, in UTC."""

    invocations_7d: int
    distinct_users_7d: int
    invocations_30d: int
    distinct_users_30d: int
    errors_30d: int
    tokens_30d: int
    trend_pct: float | None
    active_days_30d: int
    last_used_day: date | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the extraction has not done yet."""

    count: int
    """Notes of transcripts, those that a queue's consumer has included."""
    oldest_at: datetime | None


def waiting(store: ObjectStore) -> Waiting:
    """A listing of the inbox. Raises UnavailableError."""
    notes = inbox.look(store).notes
    return Waiting(len(notes), min(map(keys.noted_at, notes), default=None))


def quarantined(db: Db, since: datetime) -> tuple[int, int]:
    """Transcripts that are not counted: all, and those that were received since then; `db` has `telemetry`."""
    every, recent = one_row(
        db,
        "SELECT count(*), count(*) FILTER (received_at >= $since) FROM telemetry.transcripts "
        "WHERE quarantine_reason IS NOT NULL",
        {"since": since},
    )
    return every, recent


@dataclass(frozen=True, slots=True)
class ChangedSession:
    """A session whose main transcript is counted."""

    user_id: str
    session_id: str
    version: str
    """Of the main transcript's object."""
    received_at: datetime
    """When that version was first seen."""
    extracted_at: datetime
    plain_bytes: int


def changed_sessions(db: Db, *, since: datetime | None, limit: int) -> list[ChangedSession]:
    """Sessions that were extracted at `since` or later, the first ones first; all of them without it. `db` has `telemetry`."""
    rows = db.execute(
        """SELECT s.user_id, s.session_id, t.version, t.received_at, s.extracted_at, t.plain_bytes
        FROM telemetry.sessions s JOIN telemetry.transcripts t USING (user_id, session_id)
        WHERE t.file = 'main' AND t.quarantine_reason IS NULL AND ($since IS NULL OR s.extracted_at >= $since)
        ORDER BY s.extracted_at, s.user_id, s.session_id LIMIT $limit""",
        {"since": since, "limit": limit},
    ).fetchall()
    return [ChangedSession(*row) for row in rows]


def unknown_sessions(db: Db, sessions: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those (user id, session id) that the ledger does not have, such as redacted ones; `db` has `telemetry`."""
    if not sessions:
        return []
    rows = db.execute(
        """SELECT w.user_id, w.session_id FROM (SELECT unnest($users) AS user_id, unnest($sessions) AS session_id) w
        ANTI JOIN telemetry.transcripts t ON t.user_id = w.user_id AND t.session_id = w.session_id
        ORDER BY ALL""",
        {"users": [user for user, _ in sessions], "sessions": [session for _, session in sessions]},
    ).fetchall()
    return [(row[0], row[1]) for row in rows]


def damage(db: Db, since: datetime) -> Damage:
    """Of event files and rollups that were found since then, or are not repaired; `db` has `telemetry`."""
    return damages.since(db, since)


def last_sessions(db: Db, user_ids: Sequence[str], *, since: datetime) -> dict[str, tuple[datetime, int]]:
    """User id → (when their last session ended, how many ended since then); `db` has `telemetry`."""
    rows = db.execute(
        """SELECT user_id, max(coalesce(ended_at, extracted_at)),
            count(*) FILTER (coalesce(ended_at, extracted_at) >= $since)
        FROM telemetry.sessions WHERE list_contains($ids, user_id) GROUP BY 1""",
        {"ids": list(user_ids), "since": since},
    ).fetchall()
    return {user_id: (last, count) for user_id, last, count in rows}


def recent_sessions(db: Db, *, since: datetime) -> tuple[int, int]:
    """(sessions that ended since then, people whose they are); `db` has `telemetry`."""
    sessions, people = one_row(
        db,
        """SELECT count(*), count(DISTINCT user_id) FROM telemetry.sessions
        WHERE coalesce(ended_at, extracted_at) >= ?""",
        [since],
    )
    return sessions, people


@dataclass(frozen=True, slots=True)
class Bills:
    """Sessions with a bill of the client's own, beside ours by the price list."""

    compared: int
    not_compared: int
    """Forks, sessions that go on, and those whose prices the client did not know itself."""
    other_price: int
    other_price_usd: float
    """Ours less the client's, of those."""
    other_tokens: int
    other_tokens_usd: float
    """The client has billed requests that its transcripts do not have, or the reverse."""
    unpriced: int
    models: tuple[str, ...]
    """Those with another price, or without one in the list."""


def bills(db: Db, since: datetime) -> Bills:
    """Of sessions that were extracted since then; `db` has `telemetry`."""
    compared = ", ".join(f"'{status}'" for status in bill.COMPARED)
    *counts, models = one_row(
        db,
        f"""WITH billed AS (
            SELECT bill_status, coalesce(list_cost_usd, 0) - client_cost_usd AS more, price_mismatches, primary_model
            FROM telemetry.sessions WHERE client_cost_usd IS NOT NULL AND extracted_at >= $since
        )
        SELECT count(*) FILTER (bill_status IN ({compared})), count(*) FILTER (bill_status NOT IN ({compared})),
            count(*) FILTER (bill_status = '{bill.OTHER_PRICE}'),
            coalesce(sum(more) FILTER (bill_status = '{bill.OTHER_PRICE}'), 0),
            count(*) FILTER (bill_status = '{bill.OTHER_TOKENS}'),
            coalesce(sum(more) FILTER (bill_status = '{bill.OTHER_TOKENS}'), 0),
            count(*) FILTER (bill_status = '{bill.UNPRICED}'),
            coalesce(list_sort(list_distinct(flatten(list(
                CASE WHEN bill_status = '{bill.UNPRICED}' AND primary_model IS NOT NULL THEN [primary_model]
                ELSE coalesce(price_mismatches, []) END)))), [])
        FROM billed""",  # noqa: S608 (fixed parts)
        {"since": since},
    )
    return Bills(*(*counts, tuple(models)))


def extract_usage(
    state: State,
    store: ObjectStore,
    *,
    clock: Clock,
    dry_run: bool = False,
    limits: Limits | None = None,
    queue: Queue | None = None,
) -> Report:
    """One run of the usage processor; with `queue`, a backlog goes there. Raises ExtractionBusy, LedgerMoved,
    UnavailableError."""
    return _run(state, store, clock=clock, limits=limits, queue=queue).run(dry_run=dry_run)


def extract_queued(
    state: State,
    store: ObjectStore,
    queue: Queue,
    batch_id: str,
    then: Sequence[str] = (),
    *,
    clock: Clock,
    limits: Limits | None = None,
) -> Report:
    """What a message of the queue names, and then a message of what follows. If the batch fails, its message comes again with those
    that follow; if it has failed for good, the next runs send them again. Raises LedgerMoved, UnavailableError."""
    from agnes.telemetry.extraction.tick import next_of

    report = _run(state, store, clock=clock, limits=limits).run_batch(batch_id)
    if following := next_of(then):
        queue.send(following)
    return report


def rebuild_queued(state: State, store: ObjectStore, *, clock: Clock) -> Report:
    """The rollups of all days anew. Raises ExtractionBusy, LedgerMoved, UnavailableError."""
    return _run(state, store, clock=clock).rebuild()


def _run(state: State, store: ObjectStore, *, clock: Clock, **how: Any) -> ExtractionRun:
    from agnes.telemetry.extraction.tick import ExtractionRun  # so that who reads figures does not pay for it

    return ExtractionRun(
        store,
        state,
        clock=clock,
        served_for=served_for_users,
        served_files=SERVED_FILES,
        used_as=former_names.used_as,
        **how,
    )


def served_for_users(db: Db) -> ServedFor:
    """The lookup of served names as each user has it; `db` has SERVED_FILES."""
    everybody = served_names(db)
    if not everybody.ambiguous:
        return lambda _user_id: everybody
    holders, served_to = stack.holders(db), stack.served_to_users(db)

    def of(user_id: str) -> Served:
        return everybody.for_user(served_to(user_id), holders(user_id).asked_for.keys())

    return of


_WINDOW = """invocations_7d, distinct_users_7d, invocations_30d, distinct_users_30d, errors_30d, tokens_30d, trend_pct,
    active_days_30d, last_used_day"""
"""Columns of an `ItemWindow`, in its order."""


def item_windows(db: Db) -> dict[ItemKey, ItemWindow]:
    """Figures of all items that were used in the last 31 days; `db` has `telemetry`."""
    rows = db.execute(
        f"SELECT source, marketplace_id, plugin, kind, name, {_WINDOW} FROM telemetry.item_windows"  # noqa: S608 (fixed parts)
    ).fetchall()
    return {ItemKey._make(row[:5]): ItemWindow(*row[5:]) for row in rows}


def window_of_shared(db: Db, entity_id: str) -> ItemWindow:
    """Figures of something that a person shares, all of it, under the name that was used last; `db` has `telemetry`.

    Zeros if nobody used it."""
    row = db.execute(
        f"""SELECT {_WINDOW} FROM telemetry.item_windows
        WHERE source = 'flea' AND marketplace_id = ? AND kind = 'plugin' ORDER BY last_used_day DESC LIMIT 1""",  # noqa: S608
        [entity_id],
    ).fetchone()
    return ItemWindow(*row) if row else ItemWindow(0, 0, 0, 0, 0, 0, None, 0, None)


def daily_series(db: Db, item: ItemKey, *, today: date) -> list[tuple[date, int]]:
    """Exactly 30 (day, invocations), oldest first, ending today; their sum is `invocations_30d`."""
    rows = db.execute(
        f"""
        SELECT day, sum(invocations)::BIGINT FROM {ITEM_DAILY}
        WHERE source = ? AND marketplace_id = ? AND plugin = ? AND kind = ? AND name = ? GROUP BY day
        """,  # noqa: S608 (fixed parts)
        list(item),
    ).fetchall()
    found: dict[date, int] = dict(rows)
    days = [today - timedelta(days=back) for back in reversed(range(SERIES_DAYS))]
    return [(day, found.get(day, 0)) for day in days]
