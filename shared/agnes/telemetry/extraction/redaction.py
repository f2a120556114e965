"""Taking a session, or all of a person, out of everything: transcripts, events, ledger, rollups.

In this order, so that it can be killed anywhere and repeated:

    1. the audit says who asks for it               an audit that says too much is better than none
    2. the tombstone                                from here on uploads are refused, and a run counts it no more
    3. transcripts and staged uploads are removed, and every export: their events are in it, or in one that is being made
    4. prepared batches that hold it are removed    their notes stay, so the others in them are read again
    5. notes in the inbox                           the next run takes events, ledger rows and figures away
    6. that run is made at once, unless another one is busy

A repeated request finds less to do and answers the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from agnes.kernel.errors import ConflictError, UnavailableError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import ANYTHING, Clock, ObjectStore
from agnes.kernel.state import Change, State
from agnes.telemetry import keys, sealed
from agnes.telemetry.claim import ExtractionBusy
from agnes.telemetry.extraction import prepared
from agnes.telemetry.extraction.served import Served
from agnes.telemetry.extraction.tick import ExtractionRun
from agnes.telemetry.keys import TranscriptId, transcript_id
from agnes.telemetry.lake import exports
from agnes.telemetry.lake.ledger import LedgerMoved
from agnes.telemetry.model import FILE, Limits
from agnes.telemetry.transcripts import quotas, tombstones

REMOVED, PENDING = "removed", "pending"
AT_ONCE_SECONDS = 10.0
_WRITES_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Redacted:
    user_id: str
    sessions: tuple[str, ...]
    objects_removed: int
    """Transcripts, and uploads that waited for their completion."""
    derived: str
    """`removed`, or `pending`: the next run of the extraction removes events and figures."""


def redact_session(state: State, store: ObjectStore, user_id: str, session_id: str, *, clock: Clock) -> Redacted:
    """Remove one session for good, whether or not anything of it has arrived.

    Of a session of which there is nothing, only its tombstone is added. Raises InvalidSessionId, BadRequestError,
    TooManyTombstones, TombstonesFull, UnavailableError.
    """
    which = transcript_id(user_id, session_id)
    resource = f"session:{which.user_id}/{which.session_id}"
    if not _is_anything_of(state, store, which):
        if tombstones.bury_ahead(store, which.user_id, which.session_id, now=clock.now()):
            state.commit(FILE, lambda tx: tx.record(Change("session.redact", resource, {})))
        if not _is_anything_of(state, store, which):  # nothing has come meanwhile
            return Redacted(which.user_id, (which.session_id,), 0, REMOVED)
    state.commit(FILE, lambda tx: tx.record(Change("session.redact", resource, {})))
    tombstones.bury(store, which.user_id, [which.session_id], now=clock.now())
    removed = _remove_objects(
        store, which.user_id, keys.folders_of_session(which.user_id, which.session_id), now=clock.now()
    )
    return _finish(state, store, which.user_id, (which.session_id,), removed, clock=clock)


def redact_user(state: State, store: ObjectStore, user_id: str, *, clock: Clock) -> Redacted:
    """Remove every session of a person; none that began before now is ever taken again.

    Raises BadRequestError, UnavailableError.
    """
    user_id = keys.user(user_id)
    state.commit(FILE, lambda tx: tx.record(Change("user.redact_sessions", f"user:{user_id}", {})))
    # First for what nobody knows yet, so that nothing arrives while the known ones are looked up.
    tombstones.bury(store, user_id, (), now=clock.now(), everything=True)
    with state.read(FILE) as db:
        rows = db.execute(
            "SELECT session_id FROM telemetry.sessions WHERE user_id = $user UNION "
            "SELECT session_id FROM telemetry.transcripts WHERE user_id = $user",
            {"user": user_id},
        ).fetchall()
    stored = {entry.key.split("/")[2] for entry in store.list(f"sessions/{user_id}/")}
    sessions = tuple(sorted({session for (session,) in rows} | stored))
    tombstones.bury(store, user_id, sessions, now=clock.now())
    removed = _remove_objects(store, user_id, keys.folders_of_user(user_id), now=clock.now())
    return _finish(state, store, user_id, sessions, removed, clock=clock)


def _is_anything_of(state: State, store: ObjectStore, which: TranscriptId) -> bool:
    with state.read(FILE) as db:
        known = db.execute(
            "SELECT 1 FROM telemetry.sessions WHERE user_id = $user AND session_id = $session UNION ALL "
            "SELECT 1 FROM telemetry.transcripts WHERE user_id = $user AND session_id = $session LIMIT 1",
            {"user": which.user_id, "session": which.session_id},
        ).fetchone()
    if known is not None:
        return True
    folders = keys.folders_of_session(which.user_id, which.session_id)
    return any(True for folder in folders if not folder.startswith(keys.DOWNLOADS) for _ in store.list(folder))


def _remove_objects(store: ObjectStore, user_id: str, folders: Iterable[str], *, now: datetime) -> int:
    found = [entry for folder in folders for entry in store.list(folder)]
    if any(entry.key.startswith(keys.SESSIONS) for entry in found):
        with quotas.removing(store, user_id, now=now) as removed:
            store.remove(entry.key for entry in found)
            removed(found)
    else:
        store.remove(entry.key for entry in found)
    exports.end_those_of(store, user_id, now=now)
    return len(found)


def _finish(
    state: State, store: ObjectStore, user_id: str, sessions: tuple[str, ...], removed: int, *, clock: Clock
) -> Redacted:
    prepared.remove_of(store, user_id, sessions)
    notes = _note(store, [TranscriptId(user_id, session) for session in sessions], clock)
    # Tombstoned sessions are resolved against nobody's names.
    run = ExtractionRun(
        store,
        state,
        clock=clock,
        served_for=lambda _db: lambda _user: Served(),
        served_files=(),
        limits=Limits(seconds=AT_ONCE_SECONDS),
    )
    try:
        derived = PENDING if notes and run.run_notes(notes).left else REMOVED
    except (ExtractionBusy, LedgerMoved, UnavailableError, ConflictError):
        derived = PENDING  # the notes are durable
    return Redacted(user_id, sessions, removed, derived)


def _note(store: ObjectStore, transcripts: list[TranscriptId], clock: Clock) -> list[str]:
    def write(which: TranscriptId) -> str:
        key = keys.inbox(new_ulid(clock.now()))
        store.write(key, sealed.note(key, which), expect=ANYTHING, content_type="application/json")
        return key

    if len(transcripts) < 3:
        return [write(which) for which in transcripts]
    with ThreadPoolExecutor(_WRITES_AT_ONCE) as pool:
        return list(pool.map(write, transcripts))
