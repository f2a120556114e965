"""A cut: all state files as of one moment, for a backup.

Heads only ever move on. So if every head is the same in two looks, one after the other, all files had these generations
at any moment between the looks. Where somebody writes all the time that never happens, and each file's newest generation
of before a moment is taken, by the times in its history.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from agnes.kernel.ports import Clock, ObjectStore
from agnes.kernel.state import CutFile, StateCut
from agnes.state import history
from agnes.state.head import Head, head_key
from agnes.state.pointer import Known
from agnes.state.repair import require_new

LOOKS = 12
PAUSE_SECONDS = 0.05
SKEW = timedelta(seconds=2)
"""How far the clocks of writers may be apart."""


def take(store: ObjectStore, names: Sequence[str], clock: Clock) -> StateCut:
    """Raises StateDamaged, UnavailableError."""
    seen = _look(store, names)
    for _ in range(LOOKS):
        at = clock.now()
        again = _look(store, names)
        if again == seen:
            return StateCut(at, tuple(_file(name, body) for name, body in seen.items()), is_exact=True)
        seen = again
        clock.sleep(PAUSE_SECONDS)
    at = clock.now() - SKEW
    files = [_as_of(store, name, body, at) for name, body in seen.items()]
    return StateCut(at, tuple(file for file in files if file is not None), is_exact=False)


def _look(store: ObjectStore, names: Sequence[str]) -> dict[str, bytes]:
    """The heads that there are, by file."""
    found = {}
    for name in names:
        if blob := store.read(head_key(name)):
            found[name] = blob.body
        else:
            require_new(store, name)
    return found


def _as_of(store: ObjectStore, name: str, body: bytes, at: datetime) -> CutFile | None:
    """None if it was not written yet."""
    head = Head.decode(head_key(name), body)
    lines = history.listed(store, name, Known(head, None))
    older = next((line for line in lines if datetime.fromisoformat(line["at"]) <= at), None)
    if older is None:
        return None
    if older["generation"] == head.generation:
        return _file(name, body)
    return _of(name, history.found(store, name, Known(head, None), older["generation"]))


def _file(name: str, body: bytes) -> CutFile:
    return _of(name, Head.decode(head_key(name), body), body)


def _of(name: str, head: Head, body: bytes | None = None) -> CutFile:
    parts = [part for part in (head.snapshot, head.log) if part is not None and part.key]
    objects = tuple((part.key, part.size, part.sha256) for part in parts)
    return CutFile(name, head.generation, head.encode() if body is None else body, objects)
