"""Sessions that must not come back: one object a person, `tombstones/<user_id>.json`, that only ever grows.

    {"sessions": {"<session_id>": "<when>"}, "before": "<when>" | null, "pruned": ["<session_id>"]}

`before`: everything of this person was redacted then, so no session that began earlier is taken. `pruned`:
their transcripts were let go by age, what was counted of them stays. It is an object and not
a row, since every upload asks for it, and must not fetch the ledger for that.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from agnes.kernel.clock import seconds_until_midnight
from agnes.kernel.errors import AgnesError, GoneError, LimitError, TooLargeError, UnavailableError
from agnes.kernel.ports import (
    ABSENT,
    ANYTHING,
    Blob,
    ObjectStore,
    OutcomeUnknown,
    PreconditionFailed,
    TryAgain,
    Unchanged,
    Version,
)
from agnes.telemetry import keys, sealed
from agnes.telemetry.keys import TranscriptId

log = logging.getLogger("agnes.telemetry")

AHEAD_A_DAY, AHEAD = 200, 10_000
"""Tombstones of one person of sessions of which nothing was ever sent, by day (UTC) and altogether: every upload reads them."""

_ATTEMPTS = 8
_TIMESTAMP = re.compile(rb'"timestamp"\s*:\s*"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?)\d*(?:Z|\+00:00)"')


class SessionClosed(GoneError):
    """The session takes nothing more."""


class SessionPruned(SessionClosed):
    code = "session_pruned"

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"session {session_id} is older than transcripts are kept, it is not taken again",
            hint="Nothing is left to do; what was counted of it stays.",
        )


class TooManyTombstones(LimitError):
    code = "too_many_tombstones"

    def __init__(self, *, now: datetime) -> None:
        self.retry_after_seconds = seconds_until_midnight(now)
        super().__init__(
            f"{AHEAD_A_DAY} sessions of which nothing was ever sent were removed today, that is the limit",
            hint="Nothing of this session is stored. Try again after midnight UTC.",
            limit=AHEAD_A_DAY,
            retry_after_seconds=self.retry_after_seconds,
        )


class TombstonesFull(TooLargeError):
    code = "tombstones_full"

    def __init__(self) -> None:
        super().__init__(
            f"there are {AHEAD} sessions that were removed before anything of them was sent, that is the limit",
            hint="Nothing of this session is stored, and `agnes push` does not send a private session.",
            limit=AHEAD,
        )


class SessionRedacted(SessionClosed):
    code = "session_redacted"

    def __init__(self, session_id: str) -> None:
        super().__init__(
            f"session {session_id} was redacted, it is not taken again",
            hint="Nothing is left to do; what was sent of it has been removed.",
        )


class TombstonesUnreadable(UnavailableError):
    """Nobody knows which sessions of this person must not come back, so nothing of them is taken or counted anew."""

    code = "tombstones_unreadable"

    def __init__(self, user_id: str) -> None:
        super().__init__(
            f"{keys.tombstones(user_id)} and its copy cannot be read",
            hint="An operator restores it: see the runbook of damaged objects.",
        )
        self.user_id = user_id


@dataclass(frozen=True, slots=True)
class Tombstones:
    """Of one person."""

    sessions: dict[str, str] = field(default_factory=dict)
    """Session id to when it was redacted, ISO 8601."""
    before: datetime | None = None
    version: Version | None = None
    pruned: frozenset[str] = frozenset()
    """Sessions whose transcripts were let go by age."""

    def require_open_session(self, session_id: str) -> None:
        """Raises SessionRedacted, SessionPruned."""
        if session_id in self.sessions:
            raise SessionRedacted(session_id)
        if session_id in self.pruned:
            raise SessionPruned(session_id)

    def require_open(self, which: TranscriptId, plain: bytes) -> None:
        """Raises SessionRedacted, SessionPruned. A transcript that does not say when it began counts as an old one."""
        self.require_open_session(which.session_id)
        if self.before is not None:
            began = _began(plain)
            if began is None or began < self.before:
                raise SessionRedacted(which.session_id)


def of_user(store: ObjectStore, user_id: str) -> Tombstones:
    """Raises UnavailableError; TombstonesUnreadable if object and copy are damaged: an upload then waits, rather than pass."""
    blob = store.read(keys.tombstones(user_id))
    if blob is None:
        return Tombstones()
    found = _decoded(keys.tombstones(user_id), blob)
    if found is None:
        log.error("%s is damaged, its copy is read", keys.tombstones(user_id), extra={"user_id": user_id})
        copy = store.read(keys.tombstones_copy(user_id))
        found = _decoded(keys.tombstones_copy(user_id), copy) if copy is not None else None
        if found is None:
            raise TombstonesUnreadable(user_id)
    return replace(found, version=blob.version)


def restore(store: ObjectStore) -> int:
    """Bring tombstones and their copies together where one of them is missing or damaged; how many objects were written.

    Once a day: a missing one cannot be told from a person without any. Raises UnavailableError.
    """
    written = 0
    listed = {entry.key for entry in store.list(keys.TOMBSTONES)}
    for user_id in sorted({key.removeprefix(keys.TOMBSTONES).partition(".")[0] for key in listed}):
        pair = (keys.tombstones(user_id), keys.tombstones_copy(user_id))
        blobs = [blob if isinstance(blob := store.read(key), Blob) else None for key in pair]
        main, copy = (_decoded(key, blob) if blob else None for key, blob in zip(pair, blobs, strict=True))
        if main is None:
            if copy is None:
                log.error("%s and its copy are damaged", pair[0], extra={"user_id": user_id})
                continue
            expect = Unchanged(blobs[0].version) if blobs[0] else ABSENT
            with suppress(PreconditionFailed):
                store.write(pair[0], _encoded(pair[0], copy), expect=expect, content_type="application/json")
                written += 1
        elif copy is None or replace(copy, version=None) != replace(main, version=None):
            store.write(pair[1], _encoded(pair[1], main), expect=ANYTHING, content_type="application/json")
            written += 1
    return written


def _decoded(key: str, blob: Blob) -> Tombstones | None:
    """None for what is damaged."""
    try:
        said = json.loads(sealed.opened(key, blob.body))
        before = said["before"] and datetime.fromisoformat(said["before"])
        return Tombstones(dict(said["sessions"]), before or None, blob.version, frozenset(said.get("pruned", ())))
    except (ValueError, KeyError, TypeError):
        return None


def _encoded(key: str, of: Tombstones) -> bytes:
    said = {"sessions": of.sessions, "before": of.before and of.before.isoformat(), "pruned": sorted(of.pruned)}
    return sealed.seal(key, json.dumps(said, sort_keys=True).encode())


def of_users(store: ObjectStore, user_ids: Iterable[str]) -> dict[str, Tombstones]:
    """Raises UnavailableError."""
    return {user_id: of_user(store, user_id) for user_id in user_ids}


def bury_ahead(store: ObjectStore, user_id: str, session_id: str, *, now: datetime) -> bool:
    """Add a session of which nothing was ever sent; False if it is there already. Durable on return. Raises TooManyTombstones,
    TombstonesFull, UnavailableError."""
    added = False

    def add(found: Tombstones) -> Tombstones | None:
        nonlocal added
        added = session_id not in found.sessions
        if not added:
            return None
        if len(found.sessions) >= AHEAD:
            raise TombstonesFull
        today = now.date().isoformat()
        if sum(at.startswith(today) for at in found.sessions.values()) >= AHEAD_A_DAY:
            raise TooManyTombstones(now=now)
        return replace(found, sessions={**found.sessions, session_id: now.isoformat()})

    _change(store, user_id, add)
    return added


def bury(store: ObjectStore, user_id: str, sessions: Iterable[str], *, now: datetime, everything: bool = False) -> None:
    """Add `sessions`; with `everything`, also all that began before `now`. Durable on return. Raises UnavailableError."""
    sessions = list(sessions)

    def add(found: Tombstones) -> Tombstones | None:
        if not everything and all(session in found.sessions for session in sessions):
            return None
        wanted = {**dict.fromkeys(sessions, now.isoformat()), **found.sessions}
        return replace(found, sessions=wanted, before=now if everything else found.before)

    _change(store, user_id, add)


def close_pruned(store: ObjectStore, user_id: str, sessions: Iterable[str]) -> None:
    """Add sessions whose transcripts go by age. Durable on return. Raises UnavailableError."""
    wanted = frozenset(sessions)
    _change(
        store, user_id, lambda found: None if wanted <= found.pruned else replace(found, pruned=found.pruned | wanted)
    )


def _change(store: ObjectStore, user_id: str, add: Callable[[Tombstones], Tombstones | None]) -> None:
    last: AgnesError | None = None
    for _ in range(_ATTEMPTS):
        found = of_user(store, user_id)
        wanted = add(found)
        if wanted is None:
            return
        expect = Unchanged(found.version) if found.version else ABSENT
        key, copy = keys.tombstones(user_id), keys.tombstones_copy(user_id)
        try:
            store.write(key, _encoded(key, wanted), expect=expect, content_type="application/json")
            store.write(copy, _encoded(copy, wanted), expect=ANYTHING, content_type="application/json")
            return
        except (PreconditionFailed, TryAgain, OutcomeUnknown) as exc:
            last = exc  # it only grows, so whoever wrote, adding to what is there is right
    raise UnavailableError(
        "the tombstone could not be written", code="store_busy", hint="Try again in a moment."
    ) from last


def _began(plain: bytes) -> datetime | None:
    """The earliest time that any record states; text that looks like one only makes it earlier."""
    earliest = min((found[1] for found in _TIMESTAMP.finditer(plain)), default=None)
    try:
        return datetime.fromisoformat(earliest.decode()).replace(tzinfo=UTC) if earliest else None
    except ValueError:
        return None
