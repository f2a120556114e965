"""Contention: one state file written by many environments that hold one request each, as Lambda's do.

Each environment is an isolated instance of the state files (its own DuckDB, cache and connections) in a thread of its own, over one store: in memory,
slowed to 20 ms a read and 45 ms a write (each between 0.8 and 1.4 of it), and MinIO as it is. An environment is warm, as one that has
served before. Arrivals of the sustained run do not wait for answers: a commit's time begins when it was due.
"""

from __future__ import annotations

import itertools
import random
import secrets
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from agnes.kernel.calls import registered
from agnes.kernel.clock import SystemClock
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import Blob, Entry, Expect, NotModified, ObjectStore, Version
from agnes.kernel.state import Actor, Change, Tx
from agnes.outside.object_store.memory import MemoryStore
from agnes.state import Migration, StateFiles, packaged
from tests.benchmarks.state import minio_store

GET, PUT = 0.020, 0.045
CROWDS = (64, 200)
CLIENTS = 8
"""Of MinIO: one holds 32 connections, and opens another for each request beyond. An environment of Lambda has one of its own."""
SUSTAINED, SUSTAINED_SECONDS = 200, 30.0
MIGRATIONS = {
    "common": packaged()["common"],
    "bench": (
        Migration(
            1,
            "bench",
            """CREATE TABLE bench.installs (user_id VARCHAR, entity_id VARCHAR, added_at TIMESTAMPTZ,
               PRIMARY KEY (user_id, entity_id));""",
        ),
    ),
}
ACTOR = Actor("01JEXAMPLEUSER0000000000AB", "ada.lovelace@example.com", "web", "192.0.2.17", "3f0c9f0e-request")


@registered("benchmarks.install")
def install(tx: Tx, *, user_id: str, entity_id: str, at: datetime) -> bool:
    """What adding something to a stack does: one row, and one line of the audit."""
    tx.db.execute("INSERT INTO bench.installs VALUES (?, ?, ?)", [user_id, entity_id, at])
    tx.record(Change("store.entity.install", f"entity:{entity_id}", {"user_id": user_id}))
    return True


def run(emit: Callable[..., None]) -> None:
    with tempfile.TemporaryDirectory() as folder, minio_store(Path(folder)) as new_minio:

        def memory() -> Callable[[], ObjectStore]:
            store = MemoryStore()
            return lambda: store

        def minio() -> Callable[[], ObjectStore]:
            prefix = secrets.token_hex(4)
            clients = itertools.cycle([new_minio(prefix) for _ in range(CLIENTS)])
            return lambda: next(clients)

        kinds = {"slowed": (memory, GET, PUT), "minio": (minio, 0.0, 0.0)}
        for kind, (new_place, get, put) in kinds.items():
            _measure(emit, kind, new_place, get, put, Path(folder))


Place = Callable[[], ObjectStore]
"""Gives an environment its way to the store that all of them share."""


def _measure(
    emit: Callable[..., None], kind: str, new_place: Callable[[], Place], get: float, put: float, folder: Path
) -> None:
    def report(name: str, value: float, unit: str, aim: float | None = None, better: str = "lower") -> None:
        emit(name=f"contention.{name}.{kind}", value=value, unit=unit, better=better, aim=aim)

    def summary(name: str, took: list[float], failed: int, calls: Counter, *, aim: float, share: float) -> None:
        report(f"{name}_p50", _at(took, 0.5), "s")
        report(f"{name}_p99", _at(took, 0.99), "s", aim if share < 1 else None)
        report(f"{name}_max", took[-1], "s", aim if share == 1 else None)
        report(f"{name}_errors", failed, "commits", 0)
        for verb, most in (("put", 3), ("get", 8), ("list", None)):
            report(f"{name}_{verb}s", calls[verb] / len(took), "a commit", most)

    with _environments(new_place(), 1, get, put, folder) as ([one], calls):
        one.commit(300)
        bound = _raw(one.store)
        calls.clear()
        took = sorted(one.commit() for _ in range(40))
        report("alone_p50", _at(took, 0.5) * 1000, "ms", 1.3 * bound * 1000)
        report("alone_calls", sum(calls.values()) / len(took), "a commit", 2.2)
    for crowd in CROWDS:
        with _environments(new_place(), crowd, get, put, folder) as (environments, calls):
            began = time.perf_counter()
            took, failed = _at_once(environments)
            summary(f"at_once_{crowd}", took, failed, calls, aim=1.5, share=1.0)
            report(f"at_once_{crowd}_rate", crowd / (time.perf_counter() - began), "1/s", better="higher")
    with _environments(new_place(), SUSTAINED, get, put, folder) as (environments, calls):
        took, failed, rate = _sustained(environments)
        summary("sustained", took, failed, calls, aim=1.5, share=0.99)
        report("sustained_rate", rate, "1/s", 0.97 * SUSTAINED, "higher")


class Environment:
    """One function instance. Its numbers go into the primary key, so that no two commits may both have it."""

    def __init__(self, store: ObjectStore, cache: Path) -> None:
        self.store = store
        self.files = StateFiles(
            store, clock=SystemClock(), cache_dir=cache, migrations=MIGRATIONS, max_stale_seconds=1.0
        )

    def warm(self) -> None:
        self.files.commit("bench", lambda tx: None)

    def commit(self, count: int = 1) -> float:
        """The seconds that the last one took."""
        for _ in range(count):
            now = datetime.now(UTC)
            call = install(user_id=new_ulid(now), entity_id=new_ulid(now), at=now)
            began = time.perf_counter()
            self.files.commit("bench", call, actor=ACTOR)
        return time.perf_counter() - began


@contextmanager
def _environments(
    new_store: Place, count: int, get: float, put: float, folder: Path
) -> Iterator[tuple[list[Environment], Counter]]:
    calls: Counter = Counter()
    with ExitStack() as stack, tempfile.TemporaryDirectory(dir=folder) as caches:
        made = []
        for n in range(count):
            environment = Environment(Slowed(new_store(), get, put, calls), Path(caches) / f"{n}")
            stack.callback(environment.files.close)
            made.append(environment)
        made[0].commit(20)
        _each(made, Environment.warm)
        calls.clear()
        yield made, calls


def _raw(store: ObjectStore) -> float:
    """Seconds of one read and one conditional write of a head's size."""
    from agnes.kernel.ports import ABSENT, Unchanged

    version, took = store.write("raw/head", b"x" * 9000, expect=ABSENT), []
    for n in range(30):
        began = time.perf_counter()
        store.read("raw/head")
        version = store.write("raw/head", b"%d" % n * 9000, expect=Unchanged(version))
        took.append(time.perf_counter() - began)
    return _at(sorted(took), 0.5)


def _at_once(environments: list[Environment]) -> tuple[list[float], int]:
    together = threading.Barrier(len(environments))
    took, failed = [], []

    def work(environment: Environment) -> None:
        together.wait()
        began = time.perf_counter()
        try:
            environment.commit()
        except Exception as error:
            failed.append(error)
        took.append(time.perf_counter() - began)

    _each(environments, work)
    return sorted(took), len(failed)


def _sustained(environments: list[Environment]) -> tuple[list[float], int, float]:
    """Each environment gets one request a second, at moments of its own."""
    took, failed = [], []
    start = time.perf_counter() + 0.5

    def work(environment: Environment) -> None:
        rng = random.Random(id(environment))
        due = start + rng.random()
        while due < start + SUSTAINED_SECONDS:
            time.sleep(max(0.0, due - time.perf_counter()))
            try:
                environment.commit()
            except Exception as error:
                failed.append(error)
            took.append(time.perf_counter() - due)
            due += 1.0

    _each(environments, work)
    return sorted(took), len(failed), len(took) / (time.perf_counter() - start)


def _each(environments: Iterable[Environment], work: Callable[[Environment], object]) -> None:
    threads = [threading.Thread(target=work, args=(environment,)) for environment in environments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _at(took: list[float], share: float) -> float:
    return took[min(len(took) - 1, int(share * len(took)))]


class Slowed:
    """A store that takes its time, and decides in the middle of it. Counts the calls."""

    def __init__(self, inner: ObjectStore, get: float, put: float, calls: Counter) -> None:
        self._inner, self._get, self._put, self._calls = inner, get, put, calls
        self._rng = random.Random(id(self))

    def read(self, key: str) -> Blob | None:
        with self._taking("get", self._get):
            return self._inner.read(key)

    def read_if_changed(self, key: str, version: Version) -> Blob | NotModified | None:
        with self._taking("get", self._get):
            return self._inner.read_if_changed(key, version)

    def write(
        self, key: str, body: bytes, *, expect: Expect, content_type: str = "application/octet-stream"
    ) -> Version:
        with self._taking("put", self._put):
            return self._inner.write(key, body, expect=expect, content_type=content_type)

    def list(self, prefix: str, *, after: str = "") -> Iterator[Entry]:
        with self._taking("list", self._put):
            return iter(list(self._inner.list(prefix, after=after)))

    def remove(self, keys: Iterable[str]) -> None:
        self._inner.remove(keys)

    @contextmanager
    def _taking(self, verb: str, seconds: float) -> Iterator[None]:
        self._calls[verb] += 1
        half = seconds * self._rng.uniform(0.8, 1.4) / 2
        with nullcontext():
            time.sleep(half)
            yield
            time.sleep(half)
