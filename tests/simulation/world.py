"""The world: one thread at a time, a clock of its own, and a seed that decides all the rest.

Every task has a thread, but only the one that holds the baton runs. It gives the baton away when it
sleeps and around each call to the store; who gets it next is drawn from the seed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from agnes.kernel.ports import Blob, Entry, Expect, NotModified, ObjectStore, Version
from agnes.state.head import generation_of

START = datetime(2026, 1, 1, tzinfo=UTC)
MOST_STEPS = 60_000


class Crashed(BaseException):
    """The process of this task was killed."""


class Stuck(AssertionError):
    """The world did not come to an end."""


@dataclass(eq=False)
class Task:
    name: str
    body: Callable[[Task], None]
    wake: float = 0.0
    done: bool = False
    incarnation: int = 0
    gate: threading.Lock = field(default_factory=threading.Lock)
    error: BaseException | None = None


class World:
    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.elapsed = 0.0
        self.steps = 0
        self.trace: list[str] = []
        self.calm = False
        """No more faults: the end of the run is observed in peace."""
        self._tasks: list[Task] = []
        self._current: Task | None = None
        self._ended = threading.Lock()

    def spawn(self, name: str, body: Callable[[Task], None]) -> None:
        task = Task(name, body)
        task.gate.acquire()
        self._tasks.append(task)

    def run(self) -> None:
        """Until every task has ended. Raises the first error of any."""
        self._ended.acquire()
        threads = [threading.Thread(target=self._live, args=(task,), daemon=True) for task in self._tasks]
        for thread in threads:
            thread.start()
        self._pass_baton()
        self._ended.acquire()
        for thread in threads:
            thread.join()
        for task in self._tasks:
            if task.error is not None:
                raise task.error

    def now(self) -> datetime:
        return START + timedelta(seconds=self.elapsed)

    def switch(self, seconds: float = 0.0) -> None:
        """Sleep, and let others act. Called by the task that holds the baton."""
        me = self._current
        if me is None:
            self.elapsed += seconds
            return
        me.wake = self.elapsed + seconds
        if self._pass_baton() is not me:
            me.gate.acquire()

    def note(self, line: str) -> None:
        self.trace.append(f"{self.elapsed:.6f} {self._current.name if self._current else 'end'} {line}")

    def _live(self, task: Task) -> None:
        task.gate.acquire()
        try:
            task.body(task)
        except BaseException as error:
            task.error = error
        task.done = True
        self._pass_baton()

    def _pass_baton(self) -> Task | None:
        me, self.steps = self._current, self.steps + 1
        waiting = [task for task in self._tasks if not task.done]
        if not waiting:
            self._current = None
            self._ended.release()
            return None
        if self.steps > MOST_STEPS and me is not None and not me.done:
            raise Stuck(f"{me.name} is still at work after {self.steps} steps")
        self.elapsed += self.rng.random() * 0.001
        ready = [task for task in waiting if task.wake <= self.elapsed]
        if not ready:
            self.elapsed = min(task.wake for task in waiting)
            ready = [task for task in waiting if task.wake <= self.elapsed]
        chosen = ready[self.rng.randrange(len(ready))] if len(ready) > 1 else ready[0]
        self._current = chosen
        if chosen is not me:
            chosen.gate.release()  # from here on it may be running, and what is ours to read is `chosen` alone
        return chosen


class WorldClock:
    """The clock of one incarnation of a process."""

    def __init__(self, world: World, *, skew_seconds: float = 0.0) -> None:
        self._world = world
        self._skew = timedelta(seconds=skew_seconds)

    def now(self) -> datetime:
        return self._world.now() + self._skew

    def monotonic(self) -> float:
        return self._world.elapsed

    def sleep(self, seconds: float) -> None:
        self._world.switch(seconds)


@dataclass(frozen=True)
class Rates:
    """Chances at each call to the store."""

    crash: float = 0.004
    pause: float = 0.01
    cut: float = 0.005
    longest_pause_seconds: float = 8.0


class ProcessStore:
    """The store as one incarnation of a process sees it: others act between its calls and their replies,
    it may be stopped for long, or killed before or after the store has acted."""

    def __init__(self, world: World, inner: ObjectStore, rates: Rates) -> None:
        self._world = world
        self._inner = inner
        self._rates = rates
        self._dead = False

    def read(self, key: str) -> Blob | None:
        found = self._call("read", key, lambda: self._inner.read(key))
        # Immutable objects only: adapters check the length of what they read, and so would a cut head be met.
        if found is not None and generation_of(key) and self._meets(self._rates.cut):
            return Blob(found.body[: len(found.body) // 2], found.version)
        return found

    def read_if_changed(self, key: str, version: Version) -> Blob | NotModified | None:
        return self._call("read", key, lambda: self._inner.read_if_changed(key, version))

    def write(
        self, key: str, body: bytes, *, expect: Expect, content_type: str = "application/octet-stream"
    ) -> Version:
        return self._call("write", key, lambda: self._inner.write(key, body, expect=expect, content_type=content_type))

    def list(self, prefix: str, *, after: str = "") -> Iterator[Entry]:
        return iter(self._call("list", prefix, lambda: list(self._inner.list(prefix, after=after))))

    def remove(self, keys: Iterable[str]) -> None:
        for key in keys:  # a batch is not atomic
            self._call("remove", key, lambda key=key: self._inner.remove([key]))

    def _call(self, verb: str, key: str, act: Callable[[], object]):
        self._before()
        try:
            result = act()
        except BaseException as error:
            self._world.note(f"{verb} {key} {type(error).__name__}")
            raise
        else:
            self._world.note(f"{verb} {key} ok")
        finally:
            self._before()
        return result

    def _before(self) -> None:
        if self._dead:
            raise Crashed
        if self._world.calm:
            return
        long = self._meets(self._rates.pause)
        self._world.switch(self._world.rng.uniform(0, self._rates.longest_pause_seconds) if long else 0.0)
        if self._meets(self._rates.crash):
            self._dead = True
            self._world.note("killed")
            raise Crashed

    def _meets(self, rate: float) -> bool:
        return not self._world.calm and self._world.rng.random() < rate
