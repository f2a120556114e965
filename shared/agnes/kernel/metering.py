"""Counts of what one request or run asks of services that are paid for by the call.

An adapter that is metered (`agnes.outside.metered`) adds to the `Calls` in progress. Work that a request hands to threads of
its own carries no context; it is counted for that request if no other one is in progress, which is always so on Lambda, where
an environment has one at a time. Otherwise it is counted as unattributed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields


@dataclass(slots=True)
class Calls:
    """Requests to the object store by price class, bytes, and requests to other services.

    Whole numbers, but in sums of runs of which only some were noted (`agnes.hosting.ledger`)."""

    gets: float = 0
    puts: float = 0
    """PUT, COPY and POST: S3 has one price for them; a large object is written in several."""
    lists: float = 0
    removals: float = 0
    handed_gets: float = 0
    """Presigned URLs that were handed out: whoever uses one makes the request, and the bucket's owner pays for it."""
    handed_puts: float = 0
    bytes_read: float = 0
    bytes_written: float = 0
    messages: float = 0
    """Requests to queues, ten messages at most in each."""
    secrets: float = 0

    def add(self, other: Calls) -> None:
        for name in NAMES:
            setattr(self, name, getattr(self, name) + getattr(other, name))


NAMES = tuple(field.name for field in fields(Calls))

unattributed = Calls()
"""What nobody's request was in progress for, since the process began."""

_current: ContextVar[Calls | None] = ContextVar("calls", default=None)
_active: list[Calls] = []
_lock = threading.Lock()


@contextmanager
def measured() -> Iterator[Calls]:
    """Count into the `Calls` that is given, until the block ends; then into those of the block around it, if there is one."""
    calls, outer = Calls(), _current.get()
    token = _current.set(calls)
    with _lock:
        _active[:] = [other for other in _active if other is not outer] + [calls]
    try:
        yield calls
    finally:
        _current.reset(token)
        with _lock:
            _active[:] = [other for other in _active if other is not calls]
            if outer is not None:
                outer.add(calls)
                _active.append(outer)


def count(name: str, number: int = 1) -> None:
    """Add to the request in progress."""
    calls = _current.get()
    with _lock:
        if calls is None:
            calls = _active[0] if len(_active) == 1 else unattributed
        setattr(calls, name, getattr(calls, name) + number)
