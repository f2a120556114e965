"""Contention: what a writer does when another one was faster.

Everybody begins directly: look at the head, make the changes, swap. That is one read and one write where nobody else
writes. Who loses tries again after a pause that grows, as long as there is patience.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import Clock, PreconditionFailed
from agnes.state.engine import DatabaseUnreadable
from agnes.state.head import Head, StateDamaged
from agnes.state.material import Material, MaterialGone
from agnes.state.pointer import Known, Pointer
from agnes.state.publish import Publisher, Request, Round

PATIENCE_SECONDS = 25.0
UNREADABLE_TRIES = 8
FIRST_PAUSE_SECONDS = 0.004
LONGEST_PAUSE_SECONDS = 0.25


class CommitContended(UnavailableError):
    """Other writers were always faster; nothing was changed."""

    code = "commit_contended"

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file} was not changed: {reason}", hint="Try again in a moment.")
        self.file = file


class Contender:
    """One writer of one file among others. One thread at a time, as its publisher."""

    def __init__(
        self, file: str, publisher: Publisher, *, pointer: Pointer, material: Material, clock: Clock, rng: Random
    ) -> None:
        self._file = file
        self._publisher = publisher
        self._pointer = pointer
        self._material = material
        self._clock = clock
        self._rng = rng

    def publish(
        self,
        requests: Sequence[Request],
        *,
        base: Head | None = None,
        stand_in: Known | None = None,
        renew: bool = False,
    ) -> None:
        """Give every request its value or its error. `stand_in` is taken for the head if that is damaged or missing.

        Raises what befell all of them alike: CommitContended, SchemaTooNew, UnavailableError, StateDamaged; then nothing,
        or something unknown in the case of OutcomeUnknown, was published.
        """
        work = Round(requests, base=base, renew=renew)
        began = self._clock.monotonic()
        pause, unreadable = FIRST_PAUSE_SECONDS, 0
        while True:
            known = stand_in or self._pointer.refresh()
            try:
                self._publisher.make(known, work)
                return
            except DatabaseUnreadable as error:
                unreadable += 1
                self._forget(base or (known.head if known else None), error, is_last=unreadable == UNREADABLE_TRIES)
            except (PreconditionFailed, MaterialGone) as lost:
                if stand_in or self._clock.monotonic() - began > PATIENCE_SECONDS:
                    raise CommitContended(self._file, "others were always faster") from lost
            self._clock.sleep(pause * self._rng.uniform(0.2, 1))
            pause = min(pause * 1.7, LONGEST_PAUSE_SECONDS)

    def discard(self) -> None:
        """Give up the working copy."""
        self._publisher.discard()

    def _forget(self, head: Head | None, error: DatabaseUnreadable, *, is_last: bool) -> None:
        """The local bytes may be at fault: they are fetched again. Raises StateDamaged if that did not help so often."""
        if head is None:
            raise error
        self._material.forget(head)
        if is_last:
            raise StateDamaged(head.snapshot.key, str(error)) from error
