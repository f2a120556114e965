"""Leases: one worker at a time does a piece of work, so that two do not do the same.

    leases/…, jobs/<name>/claim.json      {owner, holder, expires}

A lease is a courtesy that saves work and decides nothing: what the work commits is decided by a swap. It is an object that is
swapped and never deleted, since stores do not delete conditionally. One that ends later than its kind can was written by a
clock that was wrong, or is damaged, and holds nobody up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from agnes.kernel.errors import ConflictError, UnavailableError
from agnes.kernel.ids import new_nonce
from agnes.kernel.ports import ABSENT, Clock, Expect, ObjectStore, PreconditionFailed, Unchanged, Version
from agnes.kernel.state import CURRENT_ACTOR

log = logging.getLogger("agnes.leases")

SOMEBODY = "another worker"
"""Holder of a lease that says none: of the release before, or one that was lost to a swap a moment ago."""


@dataclass(frozen=True, slots=True)
class HeldBy:
    holder: str
    """Who holds it: an address or a kind of client, and the request."""
    expires: datetime
    """When the lease ends, if its holder does not renew it."""

    @property
    def text(self) -> str:
        return f"held by {self.holder}, and ends at {self.expires:%H:%M:%S} UTC if that dies"


Busy = Callable[[HeldBy], ConflictError]
"""Makes the error of work that somebody else does."""


class _Stored(msgspec.Struct, frozen=True):
    owner: str = ""
    expires: datetime | None = None
    holder: str = ""
    until: datetime | None = None
    """What the extraction of the release before calls `expires`, and still looks for while versions are mixed."""


class Lease:
    """One lease of one worker."""

    def __init__(
        self,
        store: ObjectStore,
        key: str,
        clock: Clock,
        *,
        seconds: float,
        longest: timedelta,
        busy: Busy,
        goes_on_unknown: bool = False,
    ) -> None:
        """`seconds` is how long it holds after each renewal, `longest` how long one of this kind may hold at all. With
        `goes_on_unknown` the work is done also where the store did not say whether the lease was written."""
        self._store = store
        self._key = key
        self._clock = clock
        self._seconds = seconds
        self._longest = longest
        self._busy = busy
        self._goes_on_unknown = goes_on_unknown
        self._owner = new_nonce()
        self._mine: Version | None = None
        self._expires: datetime | None = None

    def take(self) -> None:
        """Take or renew. Raises what `busy` makes, UnavailableError."""
        if self._mine is None:
            found = self._store.read(self._key)
            expect: Expect = Unchanged(found.version) if found is not None else ABSENT
            held = _decoded(found.body) if found is not None else None
            now = self._clock.now()
            if held is not None and now < held.expires <= now + self._longest:
                raise self._refused(held)
        else:
            expect = Unchanged(self._mine)
        expires = self._clock.now() + timedelta(seconds=self._seconds)
        try:
            self._mine = self._write(expires, expect)
            self._expires = expires
        except PreconditionFailed:
            raise self._refused(self._winner(expires)) from None
        except UnavailableError:
            if not self._goes_on_unknown:
                raise
            log.warning("lease %s may not have been taken: the store did not answer", self._key)

    def keep(self) -> None:
        """Renew if half of the time is gone. Raises as `take`."""
        half = timedelta(seconds=self._seconds / 2)
        if self._expires is not None and self._expires - self._clock.now() < half:
            self.take()

    def give_back(self) -> None:
        """Never raises: a lease that stays ends by itself."""
        if self._mine is not None:
            with suppress(PreconditionFailed, UnavailableError):
                self._write(self._clock.now(), Unchanged(self._mine))
            self._mine = None

    def _refused(self, held: HeldBy) -> ConflictError:
        log.info("lease %s is %s", self._key, held.text)
        return self._busy(held)

    def _winner(self, expires: datetime) -> HeldBy:
        """Who was faster."""
        log.info("lease %s was lost to a swap", self._key)
        found = None
        with suppress(UnavailableError):
            found = self._store.read(self._key)
        return (_decoded(found.body) if found is not None else None) or HeldBy(SOMEBODY, expires)

    def _write(self, expires: datetime, expect: Expect) -> Version:
        body = msgspec.json.encode(_Stored(self._owner, expires, holder(), expires))
        return self._store.write(self._key, body, expect=expect, content_type="application/json")


@contextmanager
def held(
    store: ObjectStore,
    key: str,
    clock: Clock,
    *,
    seconds: float,
    longest: timedelta,
    busy: Busy,
    goes_on_unknown: bool = False,
) -> Iterator[Lease]:
    """Hold a lease inside; as `Lease`. Raises what `busy` makes, UnavailableError."""
    lease = Lease(store, key, clock, seconds=seconds, longest=longest, busy=busy, goes_on_unknown=goes_on_unknown)
    lease.take()
    try:
        yield lease
    finally:
        lease.give_back()


def holder() -> str:
    """Who asks for the work now, as others are told it."""
    actor = CURRENT_ACTOR.get()
    who = actor.email or actor.client_kind
    return f"{who} (request {actor.request_id})" if actor.request_id else who


def _decoded(body: bytes) -> HeldBy | None:
    """None for a damaged lease: nobody holds it."""
    try:
        found = msgspec.json.decode(body, type=_Stored)
    except (msgspec.DecodeError, RecursionError):
        return None
    expires = found.expires or found.until
    if expires is None or expires.tzinfo is None:
        return None
    return HeldBy(found.holder[:200] or SOMEBODY, expires)
