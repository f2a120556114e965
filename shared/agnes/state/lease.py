"""Leases: a courtesy among writers, so that only one of them does the work of a generation.

`leases/<file>.json` says {owner, generation, expires, nonce}. It is taken for one generation. Publishing
that generation spends it, so nothing is written to release it; a change that publishes nothing gives it
back. Correctness never rests on it: whoever ignores it, or stalls past it, loses the swap of the head.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import ABSENT, Absent, Blob, Clock, ObjectStore, PreconditionFailed, Unchanged, Version
from agnes.state.head import Head
from agnes.state.settle import ATTEMPTS, write_settled

FIRST_PAUSE_SECONDS = 0.004
LONGEST_PAUSE_SECONDS = 0.25


class CommitContended(UnavailableError):
    """Other writers were always faster; nothing was changed."""

    code = "commit_contended"

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file} was not changed: {reason}", hint="Try again in a moment.")
        self.file = file


@dataclass(frozen=True, slots=True)
class Known:
    """A head as the store has it."""

    head: Head
    version: Version | None
    """None for what stands in for a head that is missing (agnes.state.repair)."""

    @property
    def generation(self) -> int:
        return self.head.generation


@dataclass(frozen=True, slots=True)
class _Holder:
    owner: str
    generation: int
    expires: datetime
    nonce: str

    @classmethod
    def decode(cls, body: bytes) -> _Holder | None:
        """None for what is no lease: it is respected by nobody."""
        try:
            raw = json.loads(body)
            return cls(
                str(raw["owner"]), int(raw["generation"]), datetime.fromisoformat(raw["expires"]), str(raw["nonce"])
            )
        except (ValueError, KeyError, TypeError):
            return None

    def encode(self) -> bytes:
        return json.dumps(
            {
                "owner": self.owner,
                "generation": self.generation,
                "expires": self.expires.isoformat(),
                "nonce": self.nonce,
            }
        ).encode()


class Lease:
    """One writer's view of the lease of one file. Not for several threads at once."""

    def __init__(
        self,
        store: ObjectStore,
        file: str,
        *,
        owner: str,
        clock: Clock,
        rng: Random,
        seconds: float = 15.0,
        patience_seconds: float = 25.0,
    ) -> None:
        self._store = store
        self._file = file
        self._key = f"leases/{file}.json"
        self._owner = owner
        self._clock = clock
        self._rng = rng
        self._seconds = seconds
        self._patience_seconds = patience_seconds
        self._mine: Version | None = None

    def take(self, newest: Callable[[], Known | None]) -> Known | None:
        """Wait until the next generation is ours to make; the head that it follows (None: no file yet).

        Raises CommitContended after `patience_seconds`, UnavailableError.
        """
        began = self._clock.monotonic()
        watched: Version | None = None
        watched_since = began
        pause = FIRST_PAUSE_SECONDS
        while True:
            known = newest()
            generation = known.generation if known else 0
            if self._mine is not None:
                expect: Absent | Unchanged = Unchanged(self._mine)
            else:
                found = self._store.read(self._key)
                if isinstance(found, Blob):
                    expect = Unchanged(found.version)
                    now = self._clock.monotonic()
                    if found.version != watched:
                        watched, watched_since, pause = found.version, now, FIRST_PAUSE_SECONDS
                    # Whatever the clock of its owner says, a lease is respected for its length and no longer.
                    if self._holds(found.body, generation) and now - watched_since < self._seconds:
                        self._lose_patience(began)
                        self._clock.sleep(pause * self._rng.uniform(0.5, 1))
                        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
                        continue
                else:
                    expect = ABSENT
            if self._write(generation + 1, expect):
                return known
            self._lose_patience(began)

    def give_back(self, generation: int) -> None:
        """Say that `generation`, for which it was taken, will not be made. Never raises."""
        if self._mine is not None:
            try:
                self._write(generation - 1, Unchanged(self._mine), attempts=2)
            except UnavailableError:
                self._mine = None  # it expires

    def _lose_patience(self, began: float) -> None:
        if self._clock.monotonic() - began > self._patience_seconds:
            raise CommitContended(self._file, "others hold its lease")

    def _holds(self, body: bytes, generation: int) -> bool:
        holder = _Holder.decode(body)
        return (
            holder is not None
            and holder.owner != self._owner
            and holder.generation > generation
            and holder.expires > self._clock.now()
        )

    def _write(self, generation: int, expect: Absent | Unchanged, *, attempts: int = ATTEMPTS) -> bool:
        nonce = f"{self._rng.getrandbits(64):016x}"
        expires = self._clock.now() + timedelta(seconds=self._seconds)
        body = _Holder(self._owner, generation, expires, nonce).encode()
        self._mine = None
        try:
            self._mine = write_settled(
                self._store,
                self._key,
                body,
                expect=expect,
                has_nonce=lambda other: other == body,
                clock=self._clock,
                content_type="application/json",
                attempts=attempts,
                jitter=self._rng.random,
            )
        except PreconditionFailed:
            return False
        return True
