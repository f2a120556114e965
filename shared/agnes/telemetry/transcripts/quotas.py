"""How much of a person is stored, and how much may be: one small object a person, `quotas/<user_id>.json`.

    {"day": "2026-11-30", "day_bytes": 1200, "day_sessions": 2, "bytes": 91000, "sessions": 40,
     "open": {"<session>/<file>": {"bytes": 700, "day_bytes": 700, "is_new": true, "nonce": "…", "at": "…"}},
     "unsure": {"<nonce>": "<when>"}}

An upload is counted before it is written, by one conditional write, so two at once cannot both take the last of a quota. Until it
is confirmed it is `open`: what it was counted with. One that was not confirmed, because its process died or because another one
overtook it, is looked at after SETTLED_AFTER and corrected by what is really there. What removes transcripts leaves a nonce in
`unsure` first and takes it away with what it has removed; where one stays, everything of the person is counted once. So no upload
lists more than the files of its own session, and whenever a process dies the figures become right again.

Bytes are those that are stored, compressed. The day is that of the server, UTC.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from agnes.kernel.clock import seconds_until_midnight
from agnes.kernel.errors import AgnesError, LimitError, TooLargeError, UnavailableError
from agnes.kernel.ports import (
    ABSENT,
    Blob,
    Entry,
    ObjectStore,
    OutcomeUnknown,
    PreconditionFailed,
    TryAgain,
    Unchanged,
    Version,
)
from agnes.telemetry import keys, sealed
from agnes.telemetry.keys import TranscriptId

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTLED_AFTER = timedelta(minutes=15)
"""Longer than any upload takes, so what is older was given up."""
SETTLED_AT_ONCE = 8
MAX_SESSION_FILES = 2_000
"""Of one session: its own and those of its subagents."""
_ATTEMPTS = 24

log = logging.getLogger("agnes.telemetry")


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one person; 0 is no limit."""

    day_bytes: int = 0
    day_sessions: int = 0
    total_bytes: int = 0
    total_sessions: int = 0


UNLIMITED = Limits()


class DayQuotaReached(LimitError):
    code = "day_quota_reached"

    def __init__(self, what: str, limit: int, *, now: datetime) -> None:
        self.retry_after_seconds = seconds_until_midnight(now)
        super().__init__(
            f"no more transcripts of yours are taken today, the limit is {what}",
            hint="Nothing is lost: what waits is sent by the next `agnes push` after midnight UTC. An admin can raise the limit.",
            limit=limit,
            retry_after_seconds=self.retry_after_seconds,
        )


class StorageFull(TooLargeError):
    code = "storage_full"

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(
            f"no more transcripts of yours are stored, the limit is {what}",
            hint="Remove sessions that you no longer need under My sessions, or ask an admin to raise the limit; "
            "what waits is then sent by the next `agnes push`.",
            limit=limit,
        )


class SessionTooManyFiles(TooLargeError):
    code = "session_too_many_files"

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"session {session_id} has {MAX_SESSION_FILES:,} transcripts, more are not taken",
            hint="Start a new session with /clear.",
            limit=MAX_SESSION_FILES,
        )


class _Open(msgspec.Struct):
    bytes: int
    day_bytes: int
    is_new: bool
    nonce: str
    at: datetime


class Counted(msgspec.Struct):
    """What the object says."""

    day: date
    day_bytes: int = 0
    day_sessions: int = 0
    bytes: int = 0
    sessions: int = 0
    open: dict[str, _Open] = {}
    unsure: dict[str, datetime] = {}


@dataclass(frozen=True, slots=True)
class Storage:
    """What is stored of a person, and the limits; a limit that is None is none."""

    stored_bytes: int
    sessions: int
    today_bytes: int
    """Stored today, UTC; removing does not lower it."""
    today_sessions: int
    """Begun to be stored today."""
    limit_bytes: int | None
    limit_sessions: int | None
    limit_today_bytes: int | None
    limit_today_sessions: int | None

    @property
    def is_full(self) -> bool:
        """Whether anything new would be refused."""
        pairs = (
            (self.stored_bytes, self.limit_bytes),
            (self.sessions, self.limit_sessions),
            (self.today_bytes, self.limit_today_bytes),
            (self.today_sessions, self.limit_today_sessions),
        )
        return any(limit is not None and used >= limit for used, limit in pairs)


def storage(store: ObjectStore, user_id: str, limits: Limits, *, now: datetime) -> Storage:
    """Raises UnavailableError."""
    found, _ = _read(store, user_id, now)
    return Storage(
        found.bytes,
        found.sessions,
        found.day_bytes,
        found.day_sessions,
        limits.total_bytes or None,
        limits.total_sessions or None,
        limits.day_bytes or None,
        limits.day_sessions or None,
    )


def require_room(store: ObjectStore, which: TranscriptId, limits: Limits, *, now: datetime) -> None:
    """Before bytes travel: raises DayQuotaReached or StorageFull if nothing at all would be taken. What an upload adds is only
    known when it is there (`Counting`)."""
    if limits == UNLIMITED:
        return
    found, _ = _read(store, which.user_id, now)
    if limits.total_bytes and found.bytes >= limits.total_bytes:
        raise StorageFull(_size(limits.total_bytes), limits.total_bytes)
    if limits.day_bytes and found.day_bytes >= limits.day_bytes:
        raise DayQuotaReached(f"{_size(limits.day_bytes)} a day", limits.day_bytes, now=now)
    pairs = ((found.sessions, limits.total_sessions), (found.day_sessions, limits.day_sessions))
    if any(limit and used >= limit for used, limit in pairs) and not _files(store, which.user_id, which.session_id):
        _require(found, limits, added=0, begins=True, now=now)


class Counting:
    """One upload of one file: `count` before each attempt to write it, then exactly one of `confirm` and `settle`."""

    def __init__(self, store: ObjectStore, which: TranscriptId, limits: Limits, *, now: datetime) -> None:
        self._store = store
        self._which = which
        self._limits = limits
        self._now = now
        self._key = f"{which.session_id}/{which.file}"
        self._nonce = ""
        self._counted: tuple[Counted, Version] | None = None

    def count(self, size_bytes: int) -> None:
        """That `size_bytes` are about to be stored as this file.

        Raises DayQuotaReached, StorageFull, SessionTooManyFiles, UnavailableError; then nothing was counted.
        """
        store, which, limits, now = self._store, self._which, self._limits, self._now
        self._nonce = nonce = uuid4().hex

        def change(found: Counted) -> bool:
            before = found.open.get(self._key)
            if before is not None and before.nonce == nonce:
                return False  # an earlier attempt was written after all
            _settle_old(store, which.user_id, found, now, but=self._key)
            if before is not None:
                counted, is_new, begins = before.bytes, before.is_new, False
            else:
                # Looked at after the object was read, so whoever wrote meanwhile is in it, or the write of it fails.
                there = _files(store, which.user_id, which.session_id)
                if len(there) >= MAX_SESSION_FILES and which.key not in there:
                    raise SessionTooManyFiles(which.session_id)
                counted = there.get(which.key, 0)
                is_new = begins = not there and not any(key.startswith(f"{which.session_id}/") for key in found.open)
            added = max(0, size_bytes - counted)
            _require(found, limits, added=added, begins=begins, now=now)
            found.bytes += size_bytes - counted
            found.day_bytes += added
            found.sessions += begins
            found.day_sessions += begins
            today = added + (before.day_bytes if before is not None else 0)
            found.open[self._key] = _Open(size_bytes, today, is_new, nonce, now)
            return True

        self._counted = _change(store, which.user_id, now, change)

    def confirm(self) -> None:
        """It is stored as it was counted last."""

        def change(found: Counted) -> bool:
            mine = found.open.get(self._key)
            if mine is None:
                found.unsure[self._nonce] = self._now  # somebody settled it meanwhile, by what was there then
            elif mine.nonce == self._nonce:
                del found.open[self._key]
            else:
                return False  # whoever counted later sees to it
            return True

        if self._nonce:
            # Mostly nobody has written since: then what `count` wrote need not be read again.
            _change(self._store, self._which.user_id, self._now, change, known=self._counted)

    def settle(self) -> None:
        """It was not stored, or is gone again: count what is there."""

        def change(found: Counted) -> bool:
            mine = found.open.get(self._key)
            if mine is None or mine.nonce != self._nonce:
                return False
            _settle(self._store, self._which.user_id, found, self._key)
            return True

        if self._nonce:
            _change(self._store, self._which.user_id, self._now, change)


@contextmanager
def removing(store: ObjectStore, user_id: str, *, now: datetime) -> Iterator[Callable[[Iterable[Entry]], None]]:
    """Around a removal of transcripts: what is given to the function that it yields was removed, keys of others are ignored."""
    nonce, gone = uuid4().hex, dict[str, int]()

    def begin(found: Counted) -> bool:
        found.unsure[nonce] = now
        return True

    def removed(entries: Iterable[Entry]) -> None:
        prefix = f"{keys.SESSIONS}{user_id}/"
        gone.update((entry.key, entry.size_bytes) for entry in entries if entry.key.startswith(prefix))

    def end(found: Counted) -> bool:
        if nonce not in found.unsure:
            return False  # counted anew meanwhile
        del found.unsure[nonce]
        for key, size in gone.items():
            which = keys.transcript_of(key)
            held = found.open.pop(f"{which.session_id}/{which.file}", None) if which else None
            found.bytes = max(0, found.bytes - (held.bytes if held else size))
        sessions = {key.split("/")[2] for key in gone}
        emptied = [s for s in sessions if next(iter(store.list(f"{keys.SESSIONS}{user_id}/{s}/")), None) is None]
        found.sessions = max(0, found.sessions - len(emptied))
        return True

    _change(store, user_id, now, begin)
    yield removed
    _change(store, user_id, now, end)


def _require(found: Counted, limits: Limits, *, added: int, begins: bool, now: datetime) -> None:
    if begins and limits.total_sessions and found.sessions >= limits.total_sessions:
        raise StorageFull(f"{limits.total_sessions:,} sessions", limits.total_sessions)
    if added and limits.total_bytes and found.bytes + added > limits.total_bytes:
        raise StorageFull(_size(limits.total_bytes), limits.total_bytes)
    if begins and limits.day_sessions and found.day_sessions >= limits.day_sessions:
        raise DayQuotaReached(f"{limits.day_sessions:,} sessions a day", limits.day_sessions, now=now)
    # The first of a day is always taken, or one that is larger than the limit would wait for ever.
    if added and limits.day_bytes and found.day_bytes and found.day_bytes + added > limits.day_bytes:
        raise DayQuotaReached(f"{_size(limits.day_bytes)} a day", limits.day_bytes, now=now)


def _settle_old(store: ObjectStore, user_id: str, found: Counted, now: datetime, *, but: str) -> None:
    old = [key for key, open_ in found.open.items() if open_.at < now - SETTLED_AFTER and key != but]
    for key in old[:SETTLED_AT_ONCE]:
        _settle(store, user_id, found, key)


def _settle(store: ObjectStore, user_id: str, found: Counted, key: str) -> None:
    """Count a file by what is there."""
    open_ = found.open.pop(key)
    session_id, _, file = key.partition("/")
    there = _files(store, user_id, session_id)
    actual = there.get(TranscriptId(user_id, session_id, file).key, 0)
    found.bytes = max(0, found.bytes + actual - open_.bytes)
    found.day_bytes = max(0, found.day_bytes - min(open_.day_bytes, max(0, open_.bytes - actual)))
    others = any(other.startswith(f"{session_id}/") for other in found.open)
    if open_.is_new and not there and not others:
        found.sessions = max(0, found.sessions - 1)
        found.day_sessions = max(0, found.day_sessions - 1)


def _files(store: ObjectStore, user_id: str, session_id: str) -> dict[str, int]:
    """Sizes of the files of a session by their keys, one more than MAX_SESSION_FILES at most."""
    listed = islice(store.list(f"{keys.SESSIONS}{user_id}/{session_id}/"), MAX_SESSION_FILES + 1)
    return {entry.key: entry.size_bytes for entry in listed}


def _count_all(store: ObjectStore, user_id: str, found: Counted) -> None:
    """Everything that is stored of a person; what is open as it was counted."""
    total, sessions = 0, set[str]()
    for entry in store.list(f"{keys.SESSIONS}{user_id}/"):
        which = keys.transcript_of(entry.key)
        if which is not None:
            sessions.add(which.session_id)
            if f"{which.session_id}/{which.file}" not in found.open:
                total += entry.size_bytes
    sessions |= {key.partition("/")[0] for key in found.open}
    found.bytes = total + sum(open_.bytes for open_ in found.open.values())
    found.sessions = len(sessions)


def _read(store: ObjectStore, user_id: str, now: datetime) -> tuple[Counted, Blob | None]:
    """What is counted, as of now. Of a person who has no object yet, or whose object cannot be read, everything is counted."""
    today = now.astimezone(UTC).date()
    key = keys.quota(user_id)
    held = store.read(key)
    try:
        found = msgspec.json.decode(sealed.opened(key, held.body), type=Counted) if held else None
        if found is not None and any(at.tzinfo is None for at in _times(found)):
            found = None
    except (msgspec.DecodeError, sealed.Unsealed):
        log.exception("%s is damaged; everything that is stored of this person is counted again", key)
        found = None
    if found is None:
        found = Counted(today)
        _count_all(store, user_id, found)
    elif any(at < now - SETTLED_AFTER for at in found.unsure.values()):
        found.unsure = {nonce: at for nonce, at in found.unsure.items() if at >= now - SETTLED_AFTER}
        _count_all(store, user_id, found)
    if found.day != today:
        found.day, found.day_bytes, found.day_sessions = today, 0, 0
        for open_ in found.open.values():
            open_.day_bytes = 0
    return found, held


def _times(found: Counted) -> list[datetime]:
    return [*found.unsure.values(), *(open_.at for open_ in found.open.values())]


def _change(
    store: ObjectStore,
    user_id: str,
    now: datetime,
    change: Callable[[Counted], bool],
    *,
    known: tuple[Counted, Version] | None = None,
) -> tuple[Counted, Version] | None:
    """What is counted now, and its version; None if `change` says that there is nothing to write. `known` is what was there at a version that
    may be the newest still. Raises UnavailableError, and what `change` raises."""
    last: AgnesError | None = None
    version: Version | None
    for _ in range(_ATTEMPTS):
        if known is not None:
            (found, version), known = known, None
        else:
            found, held = _read(store, user_id, now)
            version = held.version if held else None
        if not change(found):
            return None
        body = sealed.seal(keys.quota(user_id), msgspec.json.encode(found))
        expect = Unchanged(version) if version else ABSENT
        try:
            return found, store.write(keys.quota(user_id), body, expect=expect, content_type="application/json")
        except (PreconditionFailed, TryAgain, OutcomeUnknown) as exc:
            last = exc
    raise UnavailableError(
        "what is stored of you could not be counted", code="store_busy", hint="Try again in a moment."
    ) from last


def _size(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.10g} {unit}"
    return f"{count} bytes"
