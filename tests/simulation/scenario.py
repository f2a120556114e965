"""One schedule: writers, readers and a pruner over one store, then the questions that the end must answer.

no acknowledged change is lost, none is there twice, none that failed is there at all
a change stands where its own transaction saw it stand
what was acknowledged before another change began comes before it
no reader sees a change that is lost later, nor misses one that it had to see
every generation that was kept reads as a beginning of the last one
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from agnes.kernel.calls import registered
from agnes.kernel.errors import ConflictError, UnavailableError
from agnes.kernel.ports import OutcomeUnknown
from agnes.kernel.state import Actor, Tx
from agnes.outside.object_store.memory import MemoryStore
from agnes.state import Migration, StateFiles
from agnes.state.publish import Publisher
from tests.builders.faulty_store import Choose, Fault, FaultyStore, seeded
from tests.simulation.mutants import FoldsSoon, OfTheReleaseBefore
from tests.simulation.toy import SqlLedger, ToyLedger
from tests.simulation.world import Crashed, ProcessStore, Rates, Task, World, WorldClock

PAUSE_SECONDS = 3.0
PROFILES = (
    # faults of the store, faults of processes
    ({}, Rates(crash=0, pause=0.02, cut=0)),
    (
        {Fault.LOST_BEFORE: 0.02, Fault.LOST_AFTER: 0.04, Fault.LATE: 0.03, Fault.BUSY: 0.03, Fault.UNREADABLE: 0.01},
        Rates(),
    ),
    ({Fault.LOST_AFTER: 0.15, Fault.LATE: 0.05, Fault.SLOW: 0.02}, Rates(crash=0.01, pause=0.02)),
    ({Fault.BUSY: 0.25, Fault.LATE: 0.05}, Rates(pause=0.03)),
)


class Refused(ConflictError):
    """The rule of a change said no."""

    code = "refused"


@registered("simulation.write")
def write(tx: Tx, *, ledger: str, word: str, kind: str) -> int:
    """The change of all writers, as a call that other processes can make."""
    place = len(LEDGERS[ledger].words(tx.db))
    if kind != "nothing":
        LEDGERS[ledger].add(tx.db, word)
    if kind == "refused":
        raise Refused("it says no")
    return place


LEDGERS = {kind.__name__: kind for kind in (ToyLedger, SqlLedger)}


class Broken(AssertionError):
    """A promise was not kept."""


@dataclass
class Op:
    word: str
    began: int
    ended: int | None = None
    ended_at: float = 0.0
    outcome: str = "unknown"
    place: int | None = None


@dataclass
class Seen:
    who: str
    words: list[str]
    must: set[str]


@dataclass
class Scenario:
    seed: int
    publisher: type[Publisher] = FoldsSoon
    ledger: type = ToyLedger
    ops: dict[str, Op] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    generations: int = 0

    def run(self) -> list[str]:
        """The trace. Raises Broken, or whatever went wrong on the way."""
        self.world = world = World(self.seed)
        rng = world.rng
        faults, self.rates = PROFILES[rng.randrange(len(PROFILES))]
        self.store = FaultyStore(
            MemoryStore(clock=WorldClock(world)),
            _faults(world, faults),
            clock=WorldClock(world),
            delay_seconds=PAUSE_SECONDS * rng.random(),
            late_calls=lambda: rng.randrange(1, 80),
        )
        newer = rng.random() < 0.05
        self.tail_generations = rng.choice([0, 1, 32, 32])
        self.calls = rng.choice([0.5, 0.9, 1.0])
        with tempfile.TemporaryDirectory(dir=_fast_folder()) as folder:
            self.folder = Path(folder)
            if rng.random() < 0.3:
                self._begin_in_form_1()
            for n in range(rng.randrange(2, 5)):
                world.spawn(f"writer{n}", self._process(self._write, releases=2 if newer and n == 0 else 1))
            for n in range(rng.randrange(1, 3)):
                world.spawn(f"reader{n}", self._process(self._read, stale=rng.choice([0.0, 0.0, 1.0])))
            world.spawn("pruner", self._process(self._prune))
            world.run()
            world.calm = True
            self.store.land()
            self._check()
        return world.trace

    def _begin_in_form_1(self) -> None:
        """The file is there already, made by the release before; somebody renews it in the middle of the run."""
        self.world.calm = True
        files = self._files("first", publisher=OfTheReleaseBefore)
        files.migrate("bank")
        files.close()
        self.world.calm = False

    # Processes

    def _process(self, life: Callable, *, stale: float = 0.0, releases: int = 1) -> Callable[[Task], None]:
        """A body that lives `life` again, with the cache that it left behind, whenever it was killed."""
        skew = self.world.rng.choice([0.0, 0.0, -60.0, 60.0])
        left: dict = {}

        def body(task: Task) -> None:
            while True:
                task.incarnation += 1
                files = self._files(task.name, stale=stale, skew=skew, releases=releases)
                try:
                    life(task, files, left)
                    files.close()
                    return
                except Crashed:
                    _kill(files)
                    with suppress(Crashed):
                        self.world.switch(self.world.rng.uniform(0, 2 * PAUSE_SECONDS))

        return body

    def _files(
        self, name: str, *, stale: float = 0.0, skew: float = 0.0, releases: int = 1, publisher=None
    ) -> StateFiles:
        own = [Migration(1, "begin", self.ledger.migrations[0]), Migration(2, "more", "-- a newer release")]
        extra = {} if self.ledger.engine is None else {"engine": self.ledger.engine}
        return StateFiles(
            ProcessStore(self.world, self.store, self.rates),
            clock=WorldClock(self.world, skew_seconds=skew),
            cache_dir=self.folder / name,
            migrations={"common": (), "bank": own[:releases]},
            max_stale_seconds=stale,
            rng=Random(self.world.rng.getrandbits(64)),
            publisher=publisher or self.publisher,
            tail_generations=self.tail_generations,
            **extra,
        )

    def _write(self, task: Task, files: StateFiles, left: dict) -> None:
        rng = self.world.rng
        left.setdefault("expect", {})
        while left.setdefault("n", 0) < 5:
            left["n"] += 1
            kind = rng.choice(["one", "one", "one", "group", "refused", "nothing", "bulk"])
            with files.session(left["expect"]) as session:
                if kind == "group":
                    self._group(task, files, left["n"])
                else:
                    self._commit(task, files, left["n"], kind)
                left["expect"] = session.expect | session.made
                if rng.random() < 0.5:
                    self._look(task, files)
            self.world.switch(rng.expovariate(20))

    def _commit(self, task: Task, files: StateFiles, n: int, kind: str) -> None:
        op = self._begin(f"{task.name}-{n}-{kind}")
        try:
            place = files.commit("bank", self._change(op, kind))
        except Exception as error:
            self._fail(op, error)
        else:
            self._ack(op, place)

    def _group(self, task: Task, files: StateFiles, n: int) -> None:
        """Several changes of one process in one generation; one of them fails."""
        kinds = ["one", "refused", "one", "nothing", "one"][: self.world.rng.randrange(2, 6)]
        ops = [self._begin(f"{task.name}-{n}.{i}-{kind}") for i, kind in enumerate(kinds)]
        requests = [files.request(self._change(op, kind), Actor()) for op, kind in zip(ops, kinds, strict=True)]
        try:
            files._opened("bank").group.alone(requests)
        except Exception as error:
            for op in ops:
                self._fail(op, error)
            return
        for op, request in zip(ops, requests, strict=True):
            if request.error:
                self._fail(op, request.error)
            else:
                self._ack(op, request.value)

    def _change(self, op: Op, kind: str) -> Callable:
        """As a call, which may be left for others, or as a closure, which may not."""
        call = write(ledger=self.ledger.__name__, word=op.word, kind=kind)
        return call if self.world.rng.random() < self.calls else call.__call__

    def _read(self, task: Task, files: StateFiles, left: dict) -> None:
        while left.setdefault("n", 0) < 12:
            left["n"] += 1
            with files.session(left.get("expect")):
                self._look(task, files)
            self.world.switch(self.world.rng.expovariate(8))

    def _look(self, task: Task, files: StateFiles) -> None:
        horizon = self.world.elapsed - files.max_stale_seconds
        must = {op.word for op in self.ops.values() if op.outcome == "acked" and op.ended_at <= horizon}
        if files.max_stale_seconds == 0:
            must |= {op.word for op in self.ops.values() if op.outcome == "acked"}
        with suppress(UnavailableError), files.read("bank") as db:
            self.seen.append(Seen(task.name, self.ledger.words(db), must))

    def _prune(self, task: Task, files: StateFiles, left: dict) -> None:
        while left.setdefault("n", 0) < 5:
            left["n"] += 1
            self.world.switch(self.world.rng.expovariate(1))
            with suppress(UnavailableError):
                files.prune("bank", keep_generations=2, keep_seconds=0.5)
                if self.world.rng.random() < 0.3:
                    files.renew("bank")

    # Records

    def _begin(self, word: str) -> Op:
        return self.ops.setdefault(word, Op(word, self.world.steps))

    def _ack(self, op: Op, place: int) -> None:
        op.outcome = "nothing" if op.word.endswith("nothing") else "acked"
        op.ended, op.ended_at, op.place = self.world.steps, self.world.elapsed, place
        self.world.note(f"{op.word} {op.outcome} at {place}")

    def _fail(self, op: Op, error: Exception) -> None:
        if not isinstance(error, UnavailableError) and getattr(error, "code", "") != Refused.code:
            raise error
        op.outcome = "unknown" if isinstance(error, OutcomeUnknown) else "failed"
        op.ended = self.world.steps
        self.world.note(f"{op.word} {op.outcome} {type(error).__name__}")

    # The end

    def _check(self) -> None:
        files = self._files("auditor", releases=2)
        with files.read("bank") as db:
            final = self.ledger.words(db)
        if len(set(final)) != len(final):
            raise Broken(f"doubled: {sorted(word for word in set(final) if final.count(word) > 1)}")
        for op in self.ops.values():
            self._check_op(op, final)
        acked = sorted((op for op in self.ops.values() if op.outcome == "acked"), key=lambda op: op.place)
        latest_begin = 0
        for op in acked:
            if op.ended < latest_begin:
                raise Broken(f"{op.word} was acknowledged before an earlier one began")
            latest_begin = max(latest_begin, op.began)
        for seen in self.seen:
            if seen.words != final[: len(seen.words)]:
                raise Broken(f"{seen.who} saw {seen.words}, which is no beginning of {final}")
            if not seen.must <= set(seen.words):
                raise Broken(f"{seen.who} did not see {sorted(seen.must - set(seen.words))}")
        for line in files.history("bank"):
            with files.inspect("bank", line["generation"]) as db:
                if self.ledger.words(db) != final[: len(self.ledger.words(db))]:
                    raise Broken(f"generation {line['generation']} reads otherwise")
        self.generations = files.generation("bank")
        files.close()

    def _check_op(self, op: Op, final: list[str]) -> None:
        if op.outcome == "acked" and op.word not in final:
            raise Broken(f"lost: {op.word}")
        if op.outcome == "acked" and final[op.place] != op.word:
            raise Broken(f"{op.word} is not at {op.place}")
        if op.outcome == "failed" and op.word in final:
            raise Broken(f"failed, and yet there: {op.word}")
        if op.outcome == "nothing":
            before = {o.word for o in self.ops.values() if o.outcome == "acked" and o.ended < op.began}
            if not before <= set(final[: op.place]):
                raise Broken(f"{op.word} rests on an old generation")


def _faults(world: World, rates: dict[Fault, float]) -> Choose:
    """Single faults at `rates`, and now and then an outage: for seconds, nothing can be written."""
    choose = seeded(world.rng, rates)
    ends = -1.0

    def chosen(verb: str, key: str) -> Fault:
        nonlocal ends
        if world.calm or not rates:
            return Fault.NONE
        at_the_swap = verb == "write" and key.endswith("head.json")
        if world.rng.random() < (0.04 if at_the_swap else 0.002):
            ends = world.elapsed + world.rng.uniform(0, 2 * PAUSE_SECONDS)
        if verb == "write" and world.elapsed < ends:
            return world.rng.choice([Fault.BUSY, Fault.BUSY, Fault.BUSY, Fault.LOST_BEFORE])
        return choose(verb, key)

    return chosen


def _kill(files: StateFiles) -> None:
    """What the kernel does for a killed process: it closes its files. The rest is left lying."""
    if files._cache is not None:
        os.close(files._cache._lock)


def _fast_folder() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
