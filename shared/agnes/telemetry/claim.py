"""One run of a job at a time, of the extraction or of the collector. A courtesy, as leases are: the ledger's revision is what keeps it correct."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta

from agnes.kernel.errors import ConflictError, UnavailableError
from agnes.kernel.ids import new_nonce
from agnes.kernel.ports import ABSENT, Blob, Clock, Expect, ObjectStore, PreconditionFailed, Unchanged, Version

SECONDS = 20
"""How long a claim holds; each round of a run renews it. A run that dies blocks the next one no longer."""
LONGEST = timedelta(seconds=120)
"""What ends later was written by a clock that was wrong, and would block for as long as that was."""


class ExtractionBusy(ConflictError):
    code = "extraction_busy"

    def __init__(self, until: datetime) -> None:
        super().__init__(
            f"another run holds the inbox until {until:%H:%M:%S} UTC", hint="Wait for it; it does the same work."
        )


class Claim:
    def __init__(self, store: ObjectStore, key: str, clock: Clock, busy: Callable[[datetime], ConflictError]) -> None:
        self._store = store
        self._key = key
        self._clock = clock
        self._busy = busy
        self._owner = new_nonce()
        self._mine: Version | None = None
        self._until: datetime | None = None

    def take(self) -> None:
        """Take or renew. Raises what `busy` makes, UnavailableError."""
        if self._mine is None:
            found = self._store.read(self._key)
            expect = Unchanged(found.version) if isinstance(found, Blob) else ABSENT
            until = _until(found.body) if isinstance(found, Blob) else None
            now = self._clock.now()
            if until is not None and now < until <= now + LONGEST:
                raise self._busy(until)
        else:
            expect = Unchanged(self._mine)
        until = self._clock.now() + timedelta(seconds=SECONDS)
        try:
            self._mine = self._write(until, expect)
            self._until = until
        except PreconditionFailed:
            raise self._busy(until) from None

    def keep(self) -> None:
        """Renew if half of the time is gone. Raises ExtractionBusy, UnavailableError."""
        if self._until is not None and self._until - self._clock.now() < timedelta(seconds=SECONDS / 2):
            self.take()

    def give_back(self) -> None:
        """Never raises: a claim that stays ends by itself."""
        if self._mine is not None:
            with suppress(PreconditionFailed, UnavailableError):
                self._write(self._clock.now(), Unchanged(self._mine))
            self._mine = None

    def _write(self, until: datetime, expect: Expect) -> Version:
        body = json.dumps({"owner": self._owner, "until": until.isoformat()}).encode()
        return self._store.write(self._key, body, expect=expect, content_type="application/json")


def _until(body: bytes) -> datetime | None:
    try:
        found = datetime.fromisoformat(json.loads(body)["until"])
        return found if found.tzinfo else None
    except (ValueError, KeyError, TypeError):
        return None


@contextmanager
def claimed(
    store: ObjectStore, key: str, clock: Clock, *, busy: Callable[[datetime], ConflictError] = ExtractionBusy
) -> Iterator[Claim]:
    claim = Claim(store, key, clock, busy)
    claim.take()
    try:
        yield claim
    finally:
        claim.give_back()
