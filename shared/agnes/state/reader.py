"""Reading: the newest generation of each file, attached once and shared by all readers of a process."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agnes.kernel.state import Db
from agnes.state.engine import DatabaseUnreadable, Engine, ReadCopy
from agnes.state.head import Head, StateDamaged
from agnes.state.material import Material, MaterialGone
from agnes.state.migrations import Plan
from agnes.state.pointer import Pointer

TRIES = 4


@dataclass(slots=True)
class _Open:
    copy: ReadCopy
    generation: int
    readers: int = 0
    replaced: bool = False


class Reader:
    """Opens generations of one file. Safe for several threads.

    A generation with an older schema is read from a private copy that is migrated and never published: a reader need not be
    allowed to write, and the release before goes on beside it.
    """

    def __init__(self, plan: Plan, *, pointer: Pointer, material: Material, engine: Engine) -> None:
        self._plan = plan
        self._file = plan.file
        self._pointer = pointer
        self._material = material
        self._engine = engine
        self._newest: _Open | None = None
        self._lock = threading.Lock()
        self._opening = threading.Lock()

    @contextmanager
    def copy(self, head: Head) -> Iterator[ReadCopy]:
        """The generation of `head` or a newer one, open until the last reader leaves it.

        A head whose material was pruned meanwhile is asked for again. Raises MaterialGone, StateDamaged.
        """
        opened = self._enter(head)
        try:
            yield opened.copy
        finally:
            self._leave(opened)

    def is_open(self, head: Head) -> bool:
        """Whether a reader of `head` would have to fetch nothing."""
        newest = self._newest
        return newest is not None and newest.generation >= head.generation

    @contextmanager
    def old(self, head: Head) -> Iterator[ReadCopy]:
        """Exactly this generation with the schema that it has, opened for one reader."""
        copy = self._attach(head, as_it_is=True)
        try:
            yield copy
        finally:
            copy.close()

    def close(self) -> None:
        with self._lock:
            self._retire(None)

    def _enter(self, head: Head) -> _Open:
        found = self._join(head.generation)
        if found:
            return found
        with self._opening:  # one thread opens, the others join
            found = self._join(head.generation)
            if found:
                return found
            opened = self._open(head)
            with self._lock:
                self._retire(opened)
                opened.readers += 1
            return opened

    def _join(self, generation: int) -> _Open | None:
        with self._lock:
            if self._newest and self._newest.generation >= generation:
                self._newest.readers += 1
                return self._newest
            return None

    def _leave(self, opened: _Open) -> None:
        with self._lock:
            opened.readers -= 1
            last = opened.replaced and not opened.readers
        if last:
            opened.copy.close()

    def _retire(self, successor: _Open | None) -> None:
        """The lock is held."""
        old, self._newest = self._newest, successor
        if old:
            old.replaced = True
            if not old.readers:
                old.copy.close()

    def _open(self, head: Head) -> _Open:
        for attempt in range(TRIES):
            try:
                return _Open(self._attach(head), head.generation)
            except MaterialGone as gone:
                known = self._pointer.refresh()
                if known is not None and known.generation == head.generation:  # nothing newer that it was pruned for
                    raise StateDamaged(gone.key, "it is missing, and the head names it") from gone
                if known is None or attempt + 1 == TRIES:
                    raise
                head = known.head
        raise AssertionError("unreachable")

    def _attach(self, head: Head, *, as_it_is: bool = False) -> ReadCopy:
        missing = [] if as_it_is else self._plan.missing(head.schema)
        for _ in range(TRIES):
            snapshot, log = self._material.of(head)
            try:
                if missing:
                    return self._engine.attach_migrated(self._file, snapshot, log, missing)
                return self._engine.attach(self._file, snapshot, log)
            except DatabaseUnreadable as error:
                damage = error
                self._material.forget(head)  # and fetch it again
        raise StateDamaged(head.snapshot.key, "DuckDB cannot open it") from damage


class EmptyReader:
    """In place of a Reader, for a file that is damaged: its tables, with nothing in them."""

    def __init__(self, engine: Engine, plan: Plan, folder: Path) -> None:
        self.engine = engine
        working = engine.open(plan.file, None, b"")
        try:
            working.migrate(plan.missing({}))
            path = folder / f"empty-{plan.file}.duckdb"
            path.write_bytes(working.fold())
        finally:
            working.close()
        self.copy = engine.attach(plan.file, path, b"")
        path.unlink(missing_ok=True)


@contextmanager
def reading(engine: Engine, readers: Mapping[Reader, Head], empty: Sequence[EmptyReader] = ()) -> Iterator[Db]:
    """One connection that sees a generation of each file, and those that are read as if they were empty."""
    with ExitStack() as stack:
        copies = [stack.enter_context(reader.copy(head)) for reader, head in readers.items()]
        copies += [each.copy for each in empty]
        yield stack.enter_context(engine.reading(copies))
