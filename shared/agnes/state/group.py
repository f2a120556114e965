"""Group commit: the writers of one file that wait in one process become one generation together.

Whoever finds nobody at work publishes for all that wait, himself included, and then lets go: the first
of those that came meanwhile does the same. Each gets its own result or error.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from agnes.kernel.ports import Clock, OutcomeUnknown
from agnes.state.contention import Contender
from agnes.state.head import head_key
from agnes.state.requests import Request

GATHER_SHARE = 0.2
GATHER_SECONDS = 0.02
"""Of the time that a generation takes, and at most, what its leader waits for those who were just answered to come back:
else the writers fall into two halves that take turns, and each generation carries one half."""


class Reentered(RuntimeError):
    """A change committed to the file that it is changing."""


class Group:
    def __init__(self, file: str, contender: Contender, *, clock: Clock) -> None:
        self._file = file
        self._contender = contender
        self._clock = clock
        lock = threading.RLock()
        self._turn, self._arrived = threading.Condition(lock), threading.Condition(lock)
        self._waiting: list[Request] = []
        self._crowd = 1
        self._took_seconds = 0.0
        self._leader: int | None = None

    def commit(self, request: Request) -> Any:
        """The change's value; `request.generation` says which generation holds it. Raises its error."""
        with self._turn:
            self._waiting.append(request)
            self._arrived.notify()
            self._enter(unless=request)
        if not request.done:
            self._publish(None)
        if request.error is not None:
            raise request.error
        return request.value

    def alone(self, requests: Sequence[Request], **how: Any) -> None:
        """Publish exactly these, as `Contender.publish` does: none for a migration, one for a restore."""
        with self._turn:
            self._enter()
        self._publish(requests, **how)

    def close(self) -> None:
        """Give up the working copy."""
        with self._turn:
            self._enter()
        try:
            self._contender.discard()
        finally:
            self._leave()

    def _enter(self, *, unless: Request | None = None) -> None:
        """Become the leader, or see `unless` done by another one. The lock is held."""
        if self._leader == threading.get_ident():
            if unless is not None:
                self._waiting.remove(unless)
            raise Reentered(f"a change to {self._file} may not commit to {self._file}")
        while self._leader is not None and not (unless and unless.done):
            self._turn.wait()
        if not (unless and unless.done):
            self._leader = threading.get_ident()

    def _leave(self) -> None:
        with self._turn:
            self._leader = None
            self._turn.notify_all()

    def _publish(self, alone: Sequence[Request] | None, **how: Any) -> None:
        batch: Sequence[Request] = ()
        try:
            if alone is None:
                with self._turn:
                    self._gather()
                    batch, self._waiting = self._waiting, []
            else:
                batch = alone
            began = self._clock.monotonic()
            self._contender.publish(batch, **how)
            self._took_seconds = self._clock.monotonic() - began
        except BaseException as error:
            # Whatever they returned or raised before rests on a generation that may not exist.
            for request in batch:
                request.error = error if isinstance(error, Exception) else _interrupted(self._file, error)
            if alone is not None or not isinstance(error, Exception):
                raise
        finally:
            if alone is None:
                self._crowd = len(batch) + len(self._waiting)
            for request in batch:
                request.done = True
            self._leave()

    def _gather(self) -> None:
        """Wait a little until as many are there as there were lately. The lock is held."""
        enough = self._crowd
        seconds = min(GATHER_SHARE * self._took_seconds, GATHER_SECONDS)
        self._arrived.wait_for(lambda: len(self._waiting) >= enough, seconds)


def _interrupted(file: str, error: BaseException) -> OutcomeUnknown:
    return OutcomeUnknown(head_key(file), f"the process is ending ({type(error).__name__})")
