"""What operators do to telemetry: let old events go, and have everything extracted again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

from agnes.kernel.ports import Clock, Message, ObjectStore, Queue
from agnes.kernel.state import Change, State, Tx
from agnes.telemetry.extraction.tick import QUEUE
from agnes.telemetry.lake import ledger
from agnes.telemetry.model import FILE
from agnes.telemetry.transcripts.retention import PrunedTranscripts, prune_transcripts

PRUNED, SKIPPED = "pruned", "skipped"


@dataclass(frozen=True, slots=True)
class Pruned:
    status: str
    retention_days: int
    deleted: int = 0
    """Rows of event files; a session that was sent again had some of them replaced already."""
    remaining: int = 0
    reason: str | None = None
    transcripts: PrunedTranscripts | None = None


@dataclass(frozen=True, slots=True)
class Reprocessing:
    status: str
    sessions: int
    """The next runs of the extraction do them, and replace all figures at once when none is missing."""


@dataclass(frozen=True, slots=True)
class Backfilling:
    status: str
    days: int
    oldest: date | None
    """The first of the days that have events; rollups of days that were pruned stay as they are."""


def prune_all(
    state: State, store: ObjectStore, *, clock: Clock, events_days: int, transcripts_days: int, dry_run: bool = False
) -> Pruned:
    """Events and transcripts, each by its own number of days. Raises UnavailableError."""
    transcripts = prune_transcripts(state, store, clock=clock, retention_days=transcripts_days, dry_run=dry_run)
    events = prune(state, clock=clock, retention_days=events_days, dry_run=dry_run)
    return replace(events, transcripts=transcripts)


def prune(state: State, *, clock: Clock, retention_days: int, dry_run: bool = False) -> Pruned:
    """Forget events of days before today (UTC) less `retention_days`; rollups and summaries stay.

    What is forgotten stays so when its transcript grows or is extracted again. Raises UnavailableError.
    """
    if retention_days <= 0:
        with state.read(FILE) as db:
            nothing, everything = ledger.rows_before(db, date.min)
        why = "USAGE_EVENTS_RETENTION_DAYS is 0: events are kept for ever"
        return Pruned(SKIPPED, retention_days, nothing, everything, reason=why)
    now = clock.now()
    cutoff = now.date() - timedelta(days=retention_days)
    with state.read(FILE) as db:
        deleted, remaining = ledger.rows_before(db, cutoff)
        done = (ledger.progress(db).pruned_before or date.min) >= cutoff and not deleted
    answer = Pruned(PRUNED, retention_days, deleted, remaining)
    if dry_run or done:
        return answer

    def change(tx: Tx) -> Pruned:
        counts = ledger.rows_before(tx.db, cutoff)
        ledger.prune(tx, cutoff, at=now)
        said = {"retention_days": retention_days, "deleted": counts[0], "remaining": counts[1]}
        tx.record(Change("usage.prune", "usage:events", said))
        return Pruned(PRUNED, retention_days, *counts)

    return state.commit(FILE, change)


def reprocess(state: State, *, clock: Clock) -> Reprocessing:
    """Have every session extracted again, in the background; the figures of now stand until all of them are replaced.

    Asked again while it is going on, it begins anew. Raises UnavailableError.
    """
    now = clock.now()

    def change(tx: Tx) -> Reprocessing:
        sessions = ledger.reprocess(tx, now)
        tx.record(Change("usage.reprocess", "usage:sessions", {"sessions": sessions}))
        return Reprocessing("started", sessions)

    return state.commit(FILE, change)


def backfill(state: State, queue: Queue) -> Backfilling:
    """Have the rollups of every day that has events made anew, from the oldest on, in the background.

    Harmless at any time: the same events give the same figures. Raises UnavailableError.
    """

    def change(tx: Tx) -> Backfilling:
        days = ledger.days(tx.db)
        tx.record(Change("usage.backfill", "usage:rollups", {"days": len(days)}))
        return Backfilling("started", len(days), days[0] if days else None)

    answer = state.commit(FILE, change)
    queue.send([Message(QUEUE, {"rebuild": "all"})])
    return answer
