"""State files: what the rest of the product sees (the port is agnes.kernel.state.State)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random, SystemRandom
from typing import TypeVar

from agnes.kernel.calls import Call
from agnes.kernel.errors import AgnesError, ConflictError
from agnes.kernel.ports import Clock, ObjectStore
from agnes.kernel.state import CURRENT_ACTOR, Actor, Change, Db, StateCut, Tx
from agnes.state import cutting, history, repair, session
from agnes.state.ahead import Ahead
from agnes.state.audit_lines import Line, line_of
from agnes.state.cache import LocalCache
from agnes.state.contention import CommitContended, Contender
from agnes.state.engine import DuckDb, Engine
from agnes.state.group import Group
from agnes.state.head import FORM, TAIL_GENERATIONS, Head, StateDamaged, UnknownStateFile, check_name, head_key
from agnes.state.history import KEEP_GENERATIONS, KEEP_SECONDS, Pruned, Restorable
from agnes.state.material import Material
from agnes.state.migrations import COMMON, Migration, Plan, packaged
from agnes.state.pointer import Known, Pointer
from agnes.state.publish import Publisher
from agnes.state.reader import EmptyReader, Reader, reading
from agnes.state.requests import Request

log = logging.getLogger("agnes.state")

T = TypeVar("T")

CACHE_LIMIT_BYTES = 400 * 10**6


@dataclass(slots=True)
class Transaction:
    """The `Tx` of the port."""

    db: Db
    actor: Actor
    clock: Clock
    began: float
    lines: list[Line]
    """Of the audit; written when all changes of the transaction are made."""

    def record(self, change: Change) -> None:
        took_ms = (self.clock.monotonic() - self.began) * 1000
        self.lines.append(line_of(change, self.actor, self.clock.now(), took_ms))


class _File:
    """The parts that serve one state file in this process."""

    def __init__(self, files: StateFiles, plan: Plan) -> None:
        store, clock, rng = files.store, files.clock, files.rng
        self.plan = plan
        self.pointer = Pointer(store, plan.file, clock=clock, max_stale_seconds=files.max_stale_seconds)
        self.reader = Reader(plan, pointer=self.pointer, material=files.material, engine=files.engine)
        publisher = files.publisher(
            store,
            plan,
            pointer=self.pointer,
            material=files.material,
            engine=files.engine,
            clock=clock,
            rng=rng,
            tail_generations=files.tail_generations,
        )
        contender = Contender(
            plan.file,
            publisher,
            pointer=self.pointer,
            material=files.material,
            clock=clock,
            rng=rng,
            new_request=files.request,
        )
        self.group = Group(plan.file, contender, clock=clock)


class StateFiles:
    """Reads and commits of all state files over one store. One a process; safe for several threads.

    `migrations` names the files and their own migrations; under `common`, those that every file gets first
    (default: the packaged ones). Nothing is opened before it is used, so it may be made before a fork.
    `cache_dir` may be shared with other processes. A `max_stale_seconds` of 0 asks for the head at each read.
    `side_by_side` is how many waits for the store may run at once, each in a thread; 0 where a wait is shorter than that takes.
    With `tail_generations` of 0 each log is an object of its own as well, so a lost head loses no commit; a commit is two writes then.
    """

    engine: Engine
    material: Material
    """Both since the first use."""

    def __init__(
        self,
        store: ObjectStore,
        *,
        clock: Clock,
        cache_dir: Path,
        migrations: Mapping[str, Sequence[Migration]] | None = None,
        max_stale_seconds: float = 1.0,
        rng: Random | None = None,
        tail_generations: int = TAIL_GENERATIONS,
        cache_limit_bytes: int = CACHE_LIMIT_BYTES,
        side_by_side: int = 0,
        memory_limit: str = "512MB",
        threads: int = 1,
        engine: Callable[[Path], Engine] | None = None,
        publisher: type[Publisher] = Publisher,
    ) -> None:
        self.store = store
        self.clock = clock
        self.rng = rng or SystemRandom()
        self.max_stale_seconds = max_stale_seconds
        self.tail_generations = min(tail_generations, TAIL_GENERATIONS)
        self.publisher = publisher
        self._cache_dir = cache_dir
        self._cache_limit_bytes = cache_limit_bytes
        self._new_engine: Callable[[Path], Engine] = engine or (
            lambda work: DuckDb(work, memory_limit=memory_limit, threads=threads)
        )
        self._migrations = packaged() if migrations is None else migrations
        self._files: dict[str, _File] = {}
        self._cache: LocalCache | None = None
        self._ahead = Ahead(side_by_side)
        self._spared: set[str] = set()
        self._empties: dict[str, EmptyReader] = {}
        self._lock = threading.RLock()
        self.names = tuple(sorted(check_name(name) for name in self._migrations if name != COMMON))

    def _opened(self, name: str) -> _File:
        found = self._files.get(name)
        if found and not self.engine.broken:
            return found
        with self._lock:
            if self._cache and self.engine.broken:
                # DuckDB trusts itself no more. What is at work on the old instance ends as it may.
                self._files, self._cache = {}, None
            if self._cache is None:
                # New for every process that shares the folder. Clones of a warm process have disks of their own.
                start = f"{self.rng.getrandbits(64):016x}"
                self._cache = LocalCache(self._cache_dir, start, limit_bytes=self._cache_limit_bytes)
                self.engine = self._new_engine(self._cache.work)
                self.material = Material(self.store, self._cache)
            if name not in self._files:
                if name not in self.names:
                    raise UnknownStateFile(name)
                common = self._migrations.get(COMMON, packaged()[COMMON])
                self._files[name] = _File(self, Plan(name, common, self._migrations[name]))
            return self._files[name]

    @property
    def _work(self) -> Path:
        """The folder of the cache that this process alone uses; before the first use, the whole cache."""
        cache = self._cache
        return cache.work if cache else self._cache_dir

    def session(self, expect: Mapping[str, int] | None = None) -> AbstractContextManager[session.Session]:
        """Reads inside are never older than `expect` (generation by file) or than what was committed inside;
        the Session's `made` says what that was. A generation that does not exist means the newest."""
        return session.opened(expect)

    @property
    def spared(self) -> frozenset[str]:
        """See the port."""
        return frozenset(self._spared)

    @contextmanager
    def looking(self, *files: str) -> Iterator[None]:
        """See the port."""
        if not self._ahead.is_on:
            yield
            return
        seen = session.current()
        needed = []
        for name in dict.fromkeys(files):
            at_least, pointer = seen.at_least(name) if seen else 0, self._opened(name).pointer
            if pointer.needs_look(at_least):
                needed.append(partial(pointer.fresh, at_least))
        started = self._ahead.start(needed)
        try:
            yield
        finally:
            started.end()

    @contextmanager
    def read(self, *files: str, spare: Collection[str] = ()) -> Iterator[Db]:
        """See the port. Raises UnavailableError, StateDamaged, UnknownStateFile."""
        with self.looking(*files[1:]):
            heads, empty = self._heads(files, spare)
        with reading(self.engine, heads, empty) as db:
            yield db

    def prepare(self, *files: str) -> bool:
        """Open these as they are now, so that whoever reads them finds them open; whether all could be. Creates nothing."""
        parts = [self._opened(name) for name in files]
        heads: dict[_File, Head] = {}
        with self.looking(*files[1:]):
            for part in parts:
                with suppress(AgnesError):
                    if known := part.pointer.fresh():
                        heads[part] = known.head
        self._fetch(heads)
        opened = 0
        for part, head in heads.items():
            with suppress(AgnesError), reading(self.engine, {part.reader: head}) as db:
                db.execute(f"SELECT count(*) FROM {part.plan.file}.audit").fetchall()  # noqa: S608 (checked)
                opened += 1
        return opened == len(files)

    def outdate(self) -> None:
        """Let the next reads ask for the newest generations, whatever the clock says: after a snapshot of this process
        its clock goes on as if no time had passed."""
        for part in self._files.values():
            part.pointer.outdate()

    def _heads(self, files: Sequence[str], spare: Collection[str]) -> tuple[dict[Reader, Head], list[EmptyReader]]:
        """What to read: the newest heads, whose material is here, and empty stand-ins for what is damaged and spared."""
        parts = [self._opened(name) for name in files]
        newest: dict[_File, Head | StateDamaged] = {}
        for part in parts:
            try:
                newest[part] = self._newest(part)
            except StateDamaged as exc:
                if part.plan.file not in spare:
                    raise
                newest[part] = exc
        self._fetch({part: head for part, head in newest.items() if isinstance(head, Head)})
        heads: dict[Reader, Head] = {}
        empty: list[EmptyReader] = []
        for part, head in newest.items():
            name = part.plan.file
            try:
                if isinstance(head, StateDamaged):
                    raise head
                if name in spare:
                    with part.reader.copy(head):  # opened now, and shared with the reading below
                        self._spared.discard(name)
                heads[part.reader] = head
            except StateDamaged as exc:
                if name not in self._spared:
                    log.warning("%s is read as if it was empty: %s", name, exc.message)
                self._spared.add(name)
                empty.append(self._empty(part))
        return heads, empty

    def _fetch(self, heads: Mapping[_File, Head]) -> None:
        """Fetch what is needed to open these, side by side where that is more than one thing."""
        wanted = [partial(self.material.of, head) for part, head in heads.items() if not part.reader.is_open(head)]
        if len(wanted) > 1:
            self._ahead.start(wanted).join()

    def _empty(self, part: _File) -> EmptyReader:
        """Of a file with all its tables and no row."""
        with self._lock:
            name = part.plan.file
            if name not in self._empties or self._empties[name].engine is not self.engine:
                self._empties[name] = EmptyReader(self.engine, part.plan, self._work)
            return self._empties[name]

    def commit(self, file: str, change: Callable[[Tx], T], *, actor: Actor | None = None) -> T:
        """See the port. Raises CommitContended, SchemaTooNew, UnavailableError, StateDamaged, UnknownStateFile.

        OutcomeUnknown is the one error after which the change may have been made.
        """
        part = self._opened(file)
        request = self.request(change, actor or CURRENT_ACTOR.get())
        value: T = part.group.commit(request)
        self._note(file, request.generation)
        return value

    def version_seen(self, file: str) -> tuple[int, str]:
        """See the port. Opens nothing: what a process derived from a generation is checked by this alone."""
        head = self._newest(self._opened(file))
        return head.generation, head.nonce

    def generation(self, file: str) -> int:
        """The newest generation, asked for now; 0 if there is no file."""
        known = self._opened(file).pointer.refresh()
        return known.generation if known else 0

    def migrate(self, *files: str) -> None:
        """Create or migrate these files (all, if none is named) now rather than at the first commit."""
        for name in files or self.names:
            part = self._opened(name)
            known = part.pointer.refresh()
            if known is None or part.plan.older(known.head.schema):
                part.group.alone([])

    def renew(self, *files: str) -> list[str]:
        """Give the heads of these files (all, if none is named) the newest form, which earlier releases refuse; those renewed.

        For when no function of an earlier release runs any more.
        """
        renewed = []
        for name in files or self.names:
            part = self._opened(name)
            known = part.pointer.refresh()
            if known is not None and known.head.form < FORM:
                part.group.alone([], renew=True)
                renewed.append(name)
        return renewed

    def history(self, file: str) -> list[Restorable]:
        """What can be restored, newest first."""
        part = self._opened(file)
        return history.listed(self.store, file, part.pointer.refresh())

    @contextmanager
    def inspect(self, file: str, generation: int) -> Iterator[Db]:
        """A connection that sees an old generation. Raises NotFoundError."""
        part = self._opened(file)
        head = history.found(self.store, file, part.pointer.refresh(), generation)
        with part.reader.old(head) as copy, self.engine.reading([copy]) as db:
            yield db

    def restore(self, file: str, generation: int, *, actor: Actor | None = None) -> int:
        """Publish the content of an old generation as the newest, and return its number.

        Raises NotFoundError, and StateDamaged for a generation that does not verify; it names the newest that does.
        """
        part = self._opened(file)
        head = history.found(self.store, file, part.pointer.refresh(), generation)
        try:
            return self._begin_again(
                part, head, Change("state.restore", f"state:{file}", {"generation": generation}), actor
            )
        except (StateDamaged, CommitContended) as failed:
            checked = self.check(file)
            if checked.sound is None or checked.sound.generation == generation:
                raise
            raise StateDamaged(
                head.snapshot.key,
                f"generation {generation} cannot be restored ({failed.message})",
                hint=f"The newest that verifies: agnes-local state restore {file} {checked.sound.generation}",
            ) from failed

    def check(self, file: str) -> repair.Checked:
        """Read the newest generation whole; if it does not hold, older ones until one does."""
        part = self._opened(file)
        return repair.check(
            self.store,
            file,
            material=self.material,
            new_engine=lambda: self._new_engine(self._work),
            schema=part.plan.schema,
        )

    def rebuild_head(self, file: str, *, actor: Actor | None = None) -> int:
        """Publish the newest generation that verifies under a new head, in place of one that is missing or unreadable.

        Returns the generation that it becomes; it is newer than all that were there. Raises ConflictError where the head can
        be read, StateDamaged where no generation verifies.
        """
        checked = self.check(file)
        if checked.is_head_readable or not checked.generation:
            raise ConflictError(
                f"the head of {file} can be read" if checked.generation else f"{file} was never written",
                code="head_not_damaged",
                hint=f"agnes-local state restore {file} goes back to an older generation.",
            )
        if checked.sound is None:
            raise StateDamaged(head_key(file), "no generation of it verifies", hint="Take it from a backup.")
        told = {"generation": checked.sound.generation, "lost_generations": checked.lost}
        change = Change("state.rebuild_head", f"state:{file}", told)
        return self._begin_again(self._opened(file), checked.sound, change, actor, repair.stand_in(checked))

    def cut(self) -> StateCut:
        """All files as of one moment, for a backup. Raises StateDamaged, UnavailableError."""
        return cutting.take(self.store, self.names, self.clock)

    def adopt(self, file: str, head: bytes, change: Change, *, actor: Actor | None = None) -> int:
        """Publish what a head of another store says, as the newest generation of `file`, and return its number.

        The objects that the head names are in this store already. What the file had is replaced, also where it is damaged.
        Raises StateDamaged if they do not verify, SchemaTooNew, UnavailableError.
        """
        given, part = Head.decode(head_key(file), head), self._opened(file)
        try:
            stand_in = None if part.pointer.refresh() else Known(replace(given, log=None, history=()), None)
        except StateDamaged:
            checked = self.check(file)
            generation = max(checked.generation, given.generation) + TAIL_GENERATIONS
            stand_in = Known(replace(given, generation=generation, log=None, history=()), checked.head_version)
        generation = self._begin_again(part, given, change, actor, stand_in)
        if stand_in is not None:
            history.raise_boundary(self.store, file, generation, newest=generation)
        return generation

    def _begin_again(
        self, part: _File, head: Head, change: Change, actor: Actor | None, stand_in: Known | None = None
    ) -> int:
        """Publish the content of `head` and one line of the audit; the generation that it becomes."""
        file = part.plan.file
        request = self.request(lambda tx: tx.record(change), actor or CURRENT_ACTOR.get())
        part.group.alone([request], base=head, stand_in=stand_in)
        if request.error is not None:
            raise request.error
        self._note(file, request.generation)
        return request.generation

    def prune(
        self, file: str, *, keep_generations: int = KEEP_GENERATIONS, keep_seconds: float = KEEP_SECONDS
    ) -> Pruned:
        """Remove what is older than the newest 50 generations and 24 hours."""
        part = self._opened(file)
        return history.prune(
            self.store,
            file,
            part.pointer.refresh(),
            clock=self.clock,
            keep_generations=keep_generations,
            keep_seconds=keep_seconds,
        )

    def close(self) -> None:
        """Detach everything and remove this process's own folder of the cache."""
        self._ahead.close()
        with self._lock:
            if self._cache is not None:
                for part in self._files.values():
                    part.reader.close()
                    part.group.close()
                self.engine.close()
                self._cache.close()
            self._files, self._cache = {}, None

    def _newest(self, part: _File) -> Head:
        seen = session.current()
        known = part.pointer.fresh(seen.at_least(part.plan.file) if seen else 0)
        if known is None:
            part.group.alone([])
            known = part.pointer.refresh()
        if known is None:
            raise UnknownStateFile(part.plan.file)
        return known.head

    def request(self, change: Callable[[Tx], T], actor: Actor) -> Request:
        """One run of `change` by `actor`, for a publisher."""

        def run(db: Db) -> T:
            asked.lines = []
            return change(Transaction(db, actor, self.clock, self.clock.monotonic(), asked.lines))

        asked = Request(run, change if isinstance(change, Call) else None, actor)
        return asked

    def _note(self, file: str, generation: int) -> None:
        seen = session.current()
        if seen and generation:
            seen.note(file, generation)
