"""A history from processes over one store, some of which are killed and some paused, and its check."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from agnes.kernel.ports import ObjectStore
from agnes.state import StateFiles
from agnes.state.publish import Publisher
from tests.histories import client
from tests.histories.client import Broken, Identity, open_state
from tests.histories.linearizable import Operation, Verdict, Words, check

PROCESSES = 16
OTHER_EVERY = 4
"""One process of so many has the other publisher: a test gives it one with a fault."""
PAUSED_AT_MOST = 4
PAUSE_SECONDS = (0.36, 1.5)
BUSY_BYTES = 400
"""Of a journal: no process is killed or paused before it has answered something."""


@dataclass
class Figures:
    seconds: float
    kills: int
    pauses: int
    counts: dict[str, int]
    generations: int
    check_seconds: float
    verdict: Verdict

    def __str__(self) -> str:
        v = self.verdict
        outcome = (
            "linearizable"
            if v.is_linearizable
            else f"NOT linearizable: {len(v.violations)} keys wrong, {len(v.undecided)} undecided"
        )
        return (
            f"{PROCESSES} processes for {self.seconds:.0f} s: {self.kills} kills ({self.counts['killed']} operations cut short), "
            f"{self.pauses} pauses; {self.counts['answered']} operations answered, {self.counts['failed']} failed, "
            f"{self.counts['unknown']} unknown; {self.generations} generations; {v.operations} operations on {v.keys} keys "
            f"checked in {self.check_seconds:.1f} s, {v.steps} steps: {outcome}"
        )


@dataclass
class _Process:
    pid: int
    journal: Path
    paused_until: float = 0.0

    def is_busy(self) -> bool:
        return self.journal.exists() and self.journal.stat().st_size > BUSY_BYTES


@dataclass
class Run:
    """`open_store` is called before any process starts, and what it opens is not used before the fork."""

    open_store: Callable[[], ObjectStore]
    folder: Path
    seed: int
    publisher: type[Publisher] = Publisher
    other: type[Publisher] = Publisher
    max_stale_seconds: float = 0.0
    kills: int = 0
    pauses: int = 0
    _processes: dict[int, _Process] = field(default_factory=dict)
    _incarnations: dict[int, int] = field(default_factory=dict)

    def until(self, *, kills: int, seconds: float, patience_seconds: float) -> Figures:
        """Go on until there were so many kills and so many seconds have passed. Raises Broken."""
        (self.folder / "journals").mkdir(parents=True)
        self._rng = Random(self.seed)
        self._began = time.monotonic()
        state = self._open(self.open_store(), "first")
        state.migrate("log")
        state.close()
        self._unused = self.open_store()
        gc.freeze()  # the children share this memory
        deadline = self._began + patience_seconds
        try:
            for slot in range(PROCESSES):
                self._start(slot)
            while self.kills < kills or time.monotonic() - self._began < seconds:
                if time.monotonic() > deadline:
                    raise Broken(f"{self.kills} kills in {patience_seconds:.0f} s, where {kills} were wanted")
                self._disturb(kills)
                time.sleep(self._rng.uniform(0.01, 0.08))
        finally:
            self._end()
            gc.unfreeze()
        return self._judge(time.monotonic() - self._began)

    def _open(self, store: ObjectStore, cache: str, publisher: type[Publisher] = Publisher) -> StateFiles:
        where = self.folder / cache
        return open_state(store, where, publisher=publisher, max_stale_seconds=self.max_stale_seconds)

    def _start(self, slot: int) -> None:
        incarnation = self._incarnations[slot] = self._incarnations.get(slot, -1) + 1
        me = Identity(
            slot,
            incarnation,
            seed=self._rng.getrandbits(32),
            threads=1 + slot % 2,
            cache=self.folder / f"cache{slot % 4}",
            journal=self.folder / "journals" / f"{slot}.{incarnation}",
            began=self._began,
        )
        pid = os.fork()
        if pid == 0:
            try:
                client.work(
                    me,
                    self._open(self._unused, me.cache.name, self.other if slot % OTHER_EVERY == 0 else self.publisher),
                )
            finally:
                os._exit(4)
        self._processes[slot] = _Process(pid, me.journal)

    def _disturb(self, kills: int) -> None:
        """Kill one, or pause one; and wake those whose pause is over."""
        now = time.monotonic()
        for slot, process in self._processes.items():
            if process.paused_until and process.paused_until < now:
                os.kill(process.pid, signal.SIGCONT)
                process.paused_until = 0.0
            ended, status = os.waitpid(process.pid, os.WNOHANG)
            if ended:
                client.operations(self.folder / "journals")
                raise Broken(f"process {slot} ended by itself with status {status}")
        busy = [slot for slot, process in self._processes.items() if process.is_busy()]
        if not busy:
            return
        slot = self._rng.choice(busy)
        process = self._processes[slot]
        paused = sum(1 for p in self._processes.values() if p.paused_until)
        if self._rng.random() < 0.2 and paused < PAUSED_AT_MOST and not process.paused_until:
            os.kill(process.pid, signal.SIGSTOP)
            process.paused_until = now + self._rng.uniform(*PAUSE_SECONDS)
            self.pauses += 1
        elif self.kills < kills:
            self._kill(process)
            self.kills += 1
            self._start(slot)

    @staticmethod
    def _kill(process: _Process) -> None:
        os.kill(process.pid, signal.SIGKILL)
        os.waitpid(process.pid, 0)

    def _end(self) -> None:
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                self._kill(process)

    def _judge(self, seconds: float) -> Figures:
        history, counts = client.operations(self.folder / "journals")
        auditor = self._open(self.open_store(), "auditor")
        for key in sorted({operation.key for operation in history}):
            called = time.monotonic()
            words = tuple(client.read(auditor, key))
            history.append(Operation(key, "read", None, words, called, time.monotonic(), "auditor"))
        generations = auditor.generation("log")
        auditor.close()
        began = time.monotonic()
        verdict = check(history, Words())
        return Figures(seconds, self.kills, self.pauses, counts, generations, time.monotonic() - began, verdict)
