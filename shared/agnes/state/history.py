"""History: what can be read and restored again, and the pruning of what no longer can."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypedDict

from agnes.kernel import sealed
from agnes.kernel.errors import NotFoundError
from agnes.kernel.ports import (
    ABSENT,
    Blob,
    Clock,
    ObjectStore,
    OutcomeUnknown,
    PreconditionFailed,
    TryAgain,
    Unchanged,
)
from agnes.state.head import (
    Head,
    Log,
    Published,
    Snapshot,
    boundary_key,
    decode_page,
    generation_of,
    page_key,
    page_of,
)
from agnes.state.intents import left_before
from agnes.state.pointer import Known

KEEP_GENERATIONS = 50
KEEP_SECONDS = 24 * 3600.0
REMOVE_AT_ONCE = 500
TRIES = 8


class GenerationGone(NotFoundError):
    code = "generation_not_found"

    def __init__(self, file: str, generation: int) -> None:
        super().__init__(
            f"generation {generation} of {file} was never made, or was pruned",
            hint=f"`agnes-local state history {file}` lists what there is.",
        )


@dataclass(frozen=True, slots=True)
class Pruned:
    boundary: int
    """The oldest generation that can still be restored."""
    objects: int


class Restorable(TypedDict):
    """A generation that can be restored."""

    generation: int
    at: str
    kind: Literal["snapshot", "log"]
    size_bytes: int
    nonce: str


def listed(store: ObjectStore, file: str, known: Known | None) -> list[Restorable]:
    """One a generation, newest first."""
    if known is None:
        return []
    lines = _Lines(store, file, known.head)
    oldest = max(_boundary(store, file, known.generation), 1)
    found = (lines.find(generation) for generation in range(known.generation, oldest - 1, -1))
    return [_facts(line) for line in found if line]


def _facts(line: Published) -> Restorable:
    return {
        "generation": line.generation,
        "at": line.at,
        "kind": "snapshot" if line.is_snapshot else "log",
        "size_bytes": line.size,
        "nonce": line.nonce,
    }


def found(store: ObjectStore, file: str, known: Known | None, generation: int) -> Head:
    """A head of an old generation. Raises GenerationGone."""
    if known is None or not max(1, _boundary(store, file, known.generation)) <= generation <= known.generation:
        raise GenerationGone(file, generation)
    lines = _Lines(store, file, known.head)
    line = lines.at(generation)
    base = lines.at(line.base)
    return Head(
        generation=generation,
        nonce=line.nonce,
        schema=base.schema or {},
        snapshot=Snapshot(base.key(file), base.generation, base.sha256, base.size),
        log=None if line.is_snapshot else _log(lines, line, known.head),
        history=(line,),
    )


def _log(lines: _Lines, line: Published, newest: Head) -> Log:
    """A log over the same snapshot that begins with that of `line`: the next one that was stored, or the newest.

    Before a snapshot is made, the log that it replaces is stored under the generation before it.
    """
    while line.generation < newest.generation:
        following = lines.find(line.generation + 1)
        if not line.in_head or following is None or following.base != line.base:
            break
        line = following
    if line.generation == newest.generation and newest.log:
        return newest.log
    return Log(line.key(newest.snapshot.key.split("/")[1]), line.sha256, line.size, 0, 0)


def prune(
    store: ObjectStore,
    file: str,
    known: Known | None,
    *,
    clock: Clock,
    keep_generations: int = KEEP_GENERATIONS,
    keep_seconds: float = KEEP_SECONDS,
) -> Pruned:
    """Raise the boundary, then remove what lies behind it.

    The boundary is the newest generation that is outside both limits, but for the snapshot that it and its
    followers stand on, and one snapshot before that: if bytes of the first rot, not all is lost. Everything behind it may go, also what stalled or losing writers have left: the head
    has passed those generations, so nothing can ever name them. What a writer is about to publish is newer
    than the head and is not touched. A reader that still holds an older head finds its material gone and
    asks for the head again.
    """
    if known is None:
        return Pruned(0, 0)
    lines = _Lines(store, file, known.head)
    low = max(_boundary(store, file, known.generation), 1)
    high = known.generation - keep_generations + 1
    cutoff = clock.now() - timedelta(seconds=keep_seconds)
    while low < high:  # the newest generation between them that is old enough
        middle = (low + high + 1) // 2
        if datetime.fromisoformat(lines.first_from(middle).at) <= cutoff:
            low = middle
        else:
            high = middle - 1
    line = lines.first_from(low)
    boundary = line.generation
    raise_boundary(store, file, boundary, newest=known.generation)
    base = lines.at(line.base)
    older = _snapshot_before(lines, base)
    newest_log = known.head.log  # the beginning of it may have been stored long ago
    doomed = [
        *left_before(store, file, known.head.oldest_intent),
        *_behind(store, file, boundary, keep={base.key(file), older.key(file), newest_log.key if newest_log else ""}),
        *_pages_behind(store, file, page_of(older.generation)),
    ]
    for start in range(0, len(doomed), REMOVE_AT_ONCE):
        store.remove(doomed[start : start + REMOVE_AT_ONCE])
    return Pruned(boundary, len(doomed))


def _snapshot_before(lines: _Lines, base: Published) -> Published:
    """The snapshot before `base`; `base` itself if there is none."""
    try:
        return lines.at(lines.at(base.generation - 1).base) if base.generation > 1 else base
    except (GenerationGone, KeyError):
        return base


def _behind(store: ObjectStore, file: str, boundary: int, *, keep: Collection[str]) -> Iterator[str]:
    for entry in store.list(f"state/{file}/"):
        generation = generation_of(entry.key)
        if generation is None or generation >= boundary:
            return  # keys are in the order of generations, and digits sort before names
        if entry.key not in keep:
            yield entry.key


def _pages_behind(store: ObjectStore, file: str, page: int) -> Iterator[str]:
    for entry in store.list(f"state/{file}/history/"):
        if entry.key >= page_key(file, page):
            return
        yield entry.key


def _boundary(store: ObjectStore, file: str, newest: int) -> int:
    key = boundary_key(file)
    return _generation(key, store.read(key), newest)


def _generation(key: str, blob: Blob | None, newest: int) -> int:
    """What the boundary says; 0 of none, or of a damaged one, which the next pruning writes again. None is behind `newest`."""
    try:
        found = int(json.loads(sealed.opened(key, blob.body))["generation"]) if blob is not None else 0
    except (ValueError, KeyError, TypeError, OverflowError):
        return 0
    return found if found <= newest else 0


def raise_boundary(store: ObjectStore, file: str, boundary: int, *, newest: int) -> None:
    """It only grows, so an attempt whose outcome is unknown does no harm, whenever it lands."""
    key = boundary_key(file)
    body = sealed.seal(key, json.dumps({"generation": boundary}).encode())
    for _ in range(TRIES):
        blob = store.read(key)
        if blob is not None and _generation(key, blob, newest) >= boundary:
            return
        expect = Unchanged(blob.version) if blob is not None else ABSENT
        with suppress(PreconditionFailed, TryAgain, OutcomeUnknown):
            store.write(key, body, expect=expect, content_type="application/json")
    raise TryAgain(key, "its outcome stayed unknown")


class _Lines:
    """The lines of history, from the head and from the pages behind it."""

    def __init__(self, store: ObjectStore, file: str, head: Head) -> None:
        self._store = store
        self._file = file
        self._lines = {line.generation: line for line in head.history}
        self._asked: set[int] = set()

    def at(self, generation: int) -> Published:
        """Raises GenerationGone."""
        line = self.find(generation)
        if line is None:
            raise GenerationGone(self._file, generation)
        return line

    def find(self, generation: int) -> Published | None:
        """None also for numbers that were passed over when a lost head was rebuilt."""
        if generation not in self._lines and page_of(generation) not in self._asked:
            key = page_key(self._file, page_of(generation))
            blob = self._store.read(key)
            if blob is not None:
                self._lines |= {line.generation: line for line in decode_page(key, blob.body)}
            self._asked.add(page_of(generation))
        return self._lines.get(generation)

    def first_from(self, generation: int) -> Published:
        """The first that there is, from this one on. Raises GenerationGone."""
        for number in range(generation, max(self._lines) + 1):
            if line := self.find(number):
                return line
        raise GenerationGone(self._file, generation)
