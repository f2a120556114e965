"""State files: what a commit and a warm read cost, on the folder store and on MinIO, at 0.5 and at 50 MB.

Limits are measured in the same run: three raw writes of the same sizes to the same store, a commit of the
same change to a plain DuckDB file, a lookup on a plain DuckDB connection.
"""

from __future__ import annotations

import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from agnes.kernel.clock import SystemClock
from agnes.kernel.ports import ANYTHING, ObjectStore, Secret
from agnes.outside.object_store.folder import FolderStore
from agnes.outside.object_store.s3 import S3Store
from agnes.state import Migration, StateFiles
from tests.unit.state.bank import CountingStore

SIZES_MB = (0.5, 50)
COMMITS = 300
READS = 1000
WRITERS = 16
WRITERS_SECONDS = 4.0
SCHEMA = """CREATE TABLE bench.items (id BIGINT PRIMARY KEY, payload VARCHAR, used BIGINT);
            CREATE INDEX items_by_used ON bench.items (used);
            CREATE TABLE bench.subscriptions (person BIGINT, item BIGINT, PRIMARY KEY (person, item));"""
ROWS_PER_MB = 5400  # of 128 random characters each
AIMS = {"folder": (6.0, 500), "minio": (25.0, 200)}


def run(emit: Callable[..., None]) -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        # On the disk of the checkout: a temporary folder may be in memory, where syncing costs nothing.
        plain_ms, lookup_ms = measure_plain(Path(folder))
        emit(name="state.plain_duckdb_commit_p50", value=plain_ms, unit="ms", better="lower", aim=None)
        for kind, opened in (("folder", folder_store), ("minio", minio_store)):
            with opened(Path(folder)) as new_store:
                for megabytes in SIZES_MB:
                    with tempfile.TemporaryDirectory(dir=folder) as cache:
                        measure(emit, kind, megabytes, new_store(), Path(cache), plain_ms, lookup_ms)


@contextmanager
def folder_store(folder: Path) -> Iterator[Callable[[], ObjectStore]]:
    def new() -> ObjectStore:
        return FolderStore(folder / secrets.token_hex(4), secret=Secret("bench"), base_url="http://bench.invalid")

    yield new


@contextmanager
def minio_store(_: Path) -> Iterator[Callable[..., ObjectStore]]:
    from agnes_local.servers import minio

    with minio() as server:

        def new(prefix: str = "") -> ObjectStore:
            """A client of its own, of an empty place, or of the same as another one's."""
            return S3Store(
                bucket,
                prefix=prefix or secrets.token_hex(4),
                endpoint_url=server.endpoint,
                region="us-east-1",
                access_key_id=server.user,
                secret_access_key=Secret(server.password),
            )

        bucket = f"agnes-bench-{secrets.token_hex(4)}"
        new()._client.create_bucket(Bucket=bucket)
        yield new


def measure(emit, kind: str, megabytes: float, store: ObjectStore, cache: Path, plain_ms: float, lookup_ms: float):
    counting = CountingStore(store)
    files = StateFiles(
        counting,
        clock=SystemClock(),
        cache_dir=cache,
        migrations={"bench": (Migration(1, "bench", SCHEMA),)},
        max_stale_seconds=0.0,
    )
    files.commit("bench", lambda tx: fill(tx.db, megabytes))
    numbers = iter(range(10**9))

    def commit() -> None:
        n = next(numbers)
        files.commit("bench", lambda tx: subscribe(tx.db, n))

    def read() -> None:
        with files.read("bench") as db:
            lookup(db, 7)

    def report(name: str, value: float, unit: str, better: str = "lower", aim=None, limit=None) -> None:
        emit(name=f"state.{name}.{kind}.{megabytes}MB", value=value, unit=unit, better=better, aim=aim, limit=limit)

    for _ in range(20):
        commit()
    commit_aim, many_aim = AIMS[kind]
    raw = p50(timed(lambda: three_writes(store), 100))
    counting.calls.clear()
    times = timed(commit, COMMITS)
    calls = list(counting.calls)
    report("commit_p50", p50(times), "ms", aim=commit_aim, limit=raw + plain_ms)
    report("commit_p99", p99(times), "ms")
    report("commits_1_writer", 1000 * len(times) / sum(times), "1/s", "higher", limit=1000 / (raw + plain_ms))
    report("commit_calls", len(calls) / COMMITS, "calls")
    report("commit_bytes", sum(size for _, _, size in calls) / COMMITS, "bytes")
    read()
    counting.calls.clear()
    times = timed(read, READS)
    calls = list(counting.calls)
    report("read_p50", p50(times), "ms", aim=1.0 if kind == "folder" else None, limit=lookup_ms)
    report("read_p99", p99(times), "ms")
    report("read_calls", len(calls) / READS, "calls")
    report("read_bytes", sum(size for _, _, size in calls) / READS, "bytes")
    patient = StateFiles(
        counting,
        clock=SystemClock(),
        cache_dir=cache,
        migrations={"bench": (Migration(1, "bench", SCHEMA),)},
        max_stale_seconds=1.0,
    )

    def read_within_a_second() -> None:
        with patient.read("bench") as db:
            lookup(db, 7)

    read_within_a_second()
    times = timed(read_within_a_second, READS)
    report("read_within_staleness_p50", p50(times), "ms", aim=1.0, limit=lookup_ms)
    patient.close()
    generation = files.generation("bench")
    counting.calls.clear()
    done, seconds, times = many(commit)
    report("changes_16_writers", done / seconds, "1/s", "higher", aim=many_aim, limit=1000 / plain_ms)
    report("changes_16_writers_p50", p50(times), "ms")
    report("changes_16_writers_p99", p99(times), "ms")
    report("changes_a_generation", done / (files.generation("bench") - generation), "changes", "higher")
    report("calls_a_change_16_writers", len(counting.calls) / done, "calls")
    files.close()


def fill(db, megabytes: float) -> None:
    db.execute(
        "INSERT INTO bench.items SELECT range, sha256(range::VARCHAR) || sha256((range + 0.5)::VARCHAR), range % 100"
        " FROM range(?)",
        [int(megabytes * ROWS_PER_MB)],
    )


def subscribe(db, n: int) -> None:
    db.execute("INSERT INTO bench.subscriptions VALUES (?, ?)", [n, n % 100])


def lookup(db, n: int) -> None:
    db.execute("SELECT payload FROM bench.items WHERE id = ?", [n]).fetchall()


def measure_plain(folder: Path) -> tuple[float, float]:
    """p50 in ms of a commit to a plain file, synced, and of a lookup."""
    db = duckdb.connect(str(folder / "plain.duckdb"), config={"threads": 1})
    db.execute("CREATE SCHEMA bench")
    db.execute(SCHEMA)
    fill(db, SIZES_MB[0])
    numbers = iter(range(10**9))

    def commit() -> None:
        db.execute("BEGIN")
        subscribe(db, next(numbers))
        db.execute("COMMIT")

    commits, lookups = timed(commit, COMMITS), timed(lambda: lookup(db, 7), READS)
    db.close()
    return p50(commits), p50(lookups)


def three_writes(store: ObjectStore) -> None:
    """A lease, a log and a head."""
    store.write("raw/lease.json", secrets.token_bytes(150), expect=ANYTHING)
    store.write(f"raw/{secrets.token_hex(8)}.wal", secrets.token_bytes(6000), expect=ANYTHING)
    store.write("raw/head.json", secrets.token_bytes(6000), expect=ANYTHING)


def many(commit: Callable[[], None]) -> tuple[int, float, list[float]]:
    """Acknowledged changes, seconds, and how long each took in ms."""
    times: list[float] = []
    until = time.perf_counter() + WRITERS_SECONDS

    def work() -> None:
        while time.perf_counter() < until:
            times.extend(timed(commit, 1))

    threads = [threading.Thread(target=work) for _ in range(WRITERS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(times), time.perf_counter() - began, times


def timed(act: Callable[[], None], count: int) -> list[float]:
    """How long each took, in ms."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        act()
        times.append((time.perf_counter() - began) * 1000)
    return times


def p50(times: list[float]) -> float:
    return sorted(times)[len(times) // 2]


def p99(times: list[float]) -> float:
    return sorted(times)[len(times) * 99 // 100]
