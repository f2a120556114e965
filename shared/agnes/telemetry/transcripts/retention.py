"""Letting old transcripts go: their text, never what was counted of it (decision 24).

    1. plan          whole sessions whose last activity is older than the retention, of which all that arrived was extracted
    2. tombstones    they take nothing more, so nothing comes back, and a run keeps what it has extracted of them
    3. audit
    4. transcripts and quarantine notes are removed

It can be killed anywhere and repeated: what has its tombstone and still lies there goes with the next run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from itertools import groupby

from agnes.kernel.ports import Clock, Entry, ObjectStore
from agnes.kernel.state import Change, Db, State
from agnes.telemetry import keys
from agnes.telemetry.keys import TranscriptId
from agnes.telemetry.model import FILE
from agnes.telemetry.transcripts import quotas, tombstones

PRUNED, SKIPPED = "pruned", "skipped"
_PRUNE, _KEEP, _WAIT = "prune", "keep", "wait"


@dataclass(frozen=True, slots=True)
class PrunedTranscripts:
    """In a dry run: what would be removed."""

    status: str
    retention_days: int
    sessions: int = 0
    objects: int = 0
    stored_bytes: int = 0
    waiting: int = 0
    """Old sessions of which something is not extracted yet: the next pruning takes them."""
    reason: str | None = None


@dataclass(slots=True)
class _Plan:
    sessions: dict[str, list[str]] = field(default_factory=dict)
    """Session ids by user."""
    found: list[Entry] = field(default_factory=list)
    waiting: int = 0


@dataclass(slots=True)
class _Extracted:
    last: datetime
    versions: dict[str, str] = field(default_factory=dict)
    """Of the transcripts by their keys."""


def prune_transcripts(
    state: State, store: ObjectStore, *, clock: Clock, retention_days: int, dry_run: bool = False
) -> PrunedTranscripts:
    """Remove the transcripts of sessions whose last activity is before today (UTC) less `retention_days`.

    Events and figures stay, and stay as they are when everything is extracted again. Raises UnavailableError.
    """
    if retention_days <= 0:
        reason = "USAGE_TRANSCRIPTS_RETENTION_DAYS is 0: transcripts are kept for ever"
        return PrunedTranscripts(SKIPPED, retention_days, reason=reason)
    now = clock.now()
    before = datetime.combine(now.date() - timedelta(days=retention_days), time(), UTC)
    with state.read(FILE) as db:
        plan = _planned(db, store, before)
    answer = PrunedTranscripts(
        PRUNED,
        retention_days,
        sum(len(ids) for ids in plan.sessions.values()),
        len(plan.found),
        sum(entry.size_bytes for entry in plan.found),
        plan.waiting,
    )
    if dry_run or not plan.found:
        return answer
    for user_id, ids in plan.sessions.items():
        tombstones.close_pruned(store, user_id, ids)
    said = {"retention_days": retention_days, "sessions": answer.sessions, "objects": answer.objects}
    state.commit(FILE, lambda tx: tx.record(Change("usage.prune_transcripts", "usage:transcripts", said)))
    transcripts = [entry for entry in plan.found if entry.key.startswith(keys.SESSIONS)]
    for user_id, entries in groupby(transcripts, lambda entry: entry.key.split("/")[1]):
        found = list(entries)
        with quotas.removing(store, user_id, now=now) as removed:
            store.remove(entry.key for entry in found)
            removed(found)
    store.remove(entry.key for entry in plan.found if not entry.key.startswith(keys.SESSIONS))
    return answer


def _planned(db: Db, store: ObjectStore, before: datetime) -> _Plan:
    plan = _Plan()
    for user_id, entries in groupby(store.list(keys.SESSIONS), lambda entry: entry.key.split("/")[1]):
        extracted = _extracted(db, user_id)
        pruned = tombstones.of_user(store, user_id).pruned
        for session_id, files in groupby(entries, lambda entry: entry.key.split("/")[2]):
            found = list(files)
            fate = _PRUNE if session_id in pruned else _fate(found, extracted.get(session_id), before)
            plan.waiting += fate == _WAIT
            if fate == _PRUNE:
                plan.sessions.setdefault(user_id, []).append(session_id)
                plan.found += found
    going = {(user, session) for user, ids in plan.sessions.items() for session in ids}
    plan.found += _notes(store, going, before)
    return plan


def _fate(files: list[Entry], known: _Extracted | None, before: datetime) -> str:
    if known is None or any(known.versions.get(entry.key) != entry.version.tag for entry in files):
        return _WAIT if max(entry.modified_at for entry in files) < before else _KEEP
    return _KEEP if known.last >= before else _PRUNE


def _notes(store: ObjectStore, going: set[tuple[str, str]], before: datetime) -> Iterator[Entry]:
    """Why a transcript was not counted: goes with its session, or when it is old and of none."""
    for entry in store.list(keys.QUARANTINE):
        _, user_id, session_id, *_ = entry.key.split("/")
        if (user_id, session_id) in going or entry.modified_at < before:
            yield entry


def _extracted(db: Db, user_id: str) -> dict[str, _Extracted]:
    """What the ledger knows of a person's sessions. One without any time in it was last active when it arrived."""
    found: dict[str, _Extracted] = {}
    rows: Iterable[tuple[str, str, str, datetime]] = db.execute(
        "SELECT session_id, t.file, t.version, coalesce(s.ended_at, max(t.received_at) OVER (PARTITION BY session_id)) "
        "FROM telemetry.transcripts t LEFT JOIN telemetry.sessions s USING (user_id, session_id) WHERE user_id = ?",
        [user_id],
    ).fetchall()
    for session_id, file, version, last in rows:
        one = found.setdefault(session_id, _Extracted(last))
        one.versions[TranscriptId(user_id, session_id, file).key] = version
    return found
