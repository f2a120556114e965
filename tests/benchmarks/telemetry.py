"""Telemetry: extraction of 300 MB of transcripts as they are stored, idle and small runs, the windows.

Speeds count plain bytes and include decompression. Limits of the same run, over the same bytes uncompressed: reading
the files (`cat`), `orjson` over every line, and DuckDB's JSON reader with named columns. A run works in a process of
its own, whose peak memory is reported.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb
import orjson

from agnes.kernel.clock import FixedClock, SystemClock
from agnes.kernel.ports import Secret
from agnes.outside.object_store.folder import FolderStore
from agnes.state import StateFiles
from agnes.telemetry import packed, rollups, uploads
from agnes.telemetry.batch import workbench
from agnes.telemetry.extraction import SessionKey, extract
from agnes.telemetry.keys import transcript_id
from agnes.telemetry.model import TranscriptFile
from agnes.telemetry.served import Served, ServedPlugin
from agnes.telemetry.tick import ExtractionRun
from tests.builders.transcripts import PLUGINS, START, generate

SESSIONS = 1600
NOW = START + timedelta(days=1)
SERVED = Served({name: (ServedPlugin("curated", "acme", name),) for name in PLUGINS})
MEGA = 1_000_000


def run(emit: Callable[..., None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        size = _prepare(root)
        limits = _limits(root, size)
        for name, speed in limits.items():
            emit(f"telemetry.limit.{name}", speed, "MB/s", better="higher")
        best = max(_alone(_extract_only, root) for _ in range(3))
        emit(
            "telemetry.extraction.one_core",
            best,
            "MB/s",
            better="higher",
            aim=1.5 * limits["orjson"],
            limit=limits["cat"],
        )
        seconds, events, peak = _alone(_whole_run, root)
        emit("telemetry.run.speed", size / seconds / MEGA, "MB/s", better="higher", aim=None, limit=limits["orjson"])
        emit("telemetry.run.events", events / seconds, "events/s", better="higher", aim=None)
        emit("telemetry.run.peak_memory", peak, "MB", better="lower", aim=300)
        for name, value, unit, aim in _alone(_small_runs, root):
            emit(name, value, unit, better="lower", aim=aim)
    emit("telemetry.windows.10m_events", _windows(), "s", better="lower", aim=1)


def _alone(work: Callable[[Path], Any], root: Path) -> Any:
    """Run in a fresh process: its memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, root).result()


def _store(root: Path) -> FolderStore:
    return FolderStore(root / "store", secret=Secret("s" * 32), base_url="http://127.0.0.1", clock=SystemClock())


def _prepare(root: Path) -> int:
    """Transcripts in the store, as pushed, and plain beside it; plain bytes of all."""
    store, size = _store(root), 0
    plain = root / "plain"
    plain.mkdir()
    for number, transcript in enumerate(generate(1, sessions=SESSIONS)):
        body = transcript.body()
        size += len(body)
        (plain / f"{transcript.session}.jsonl").write_bytes(body)
        uploads.publish(store, transcript_id(f"user{number % 40}", transcript.session), packed.pack(body), now=NOW)
    return size


def _limits(root: Path, size: int) -> dict[str, float]:
    files = sorted((root / "plain").iterdir())

    def cat() -> None:
        subprocess.run(f"cat {root}/plain/*.jsonl > /dev/null", shell=True, check=True)

    def every_line() -> None:
        for file in files:
            for line in file.read_bytes().split(b"\n"):
                if line:
                    orjson.loads(line)

    def duck() -> None:
        columns = {
            "type": "VARCHAR",
            "uuid": "VARCHAR",
            "timestamp": "TIMESTAMP",
            "message": "JSON",
            "sessionId": "VARCHAR",
        }
        db = duckdb.connect(config={"threads": 1})
        db.execute(
            f"SELECT count(*), max(timestamp), sum(length(message::VARCHAR)) FROM read_json('{root}/plain/*.jsonl', "
            f"format = 'newline_delimited', columns = {columns}, ignore_errors = true)"
        ).fetchone()

    found = {}
    for name, work in (("cat", cat), ("orjson", every_line), ("duckdb", duck)):
        best = min(_seconds(work) for _ in range(2))
        found[name] = size / best / MEGA
    return found


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _extract_only(root: Path) -> float:
    """Reading, unpacking and extracting, without what a run does with the events."""
    store, size = _store(root), 0
    keys = [entry.key for entry in store.list("sessions/")]
    started = time.perf_counter()
    for key in keys:
        plain = packed.unpack(store.read(key).body)
        size += len(plain)
        extract([TranscriptFile("main", plain, NOW)], SessionKey("u", key, "g"), SERVED)
    return size / (time.perf_counter() - started) / MEGA


@contextmanager
def _runner(root: Path, store: Any, *, clock: Any):
    state = StateFiles(store, clock=clock, cache_dir=root / "cache", max_stale_seconds=0)

    def once() -> Any:
        return ExtractionRun(
            store, state, clock=clock, served_for=lambda _db: lambda _user: SERVED, served_files=()
        ).run()

    yield state, once
    state.close()


def _whole_run(root: Path) -> tuple[float, int, float]:
    """Seconds, events and peak memory in MB of one run over everything."""
    with _runner(root, _store(root), clock=FixedClock(NOW)) as (_, once):
        started = time.perf_counter()
        report = once()
        seconds = time.perf_counter() - started
    assert (report.sessions, report.left, report.skipped_lines) == (SESSIONS, 0, 0)
    return seconds, report.events, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


class _Counting:
    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            return found(*args, **kwargs)

        return call


def _small_runs(root: Path) -> list[tuple[str, float, str, float]]:
    """With nothing new, and with 10 new sessions, when the ledger knows 20,000."""
    store = _Counting(_store(root))
    with _runner(root, store, clock=FixedClock(NOW)) as (state, once):
        state.commit(
            "telemetry",
            lambda tx: tx.db.execute(
                "INSERT INTO telemetry.sessions SELECT s.* REPLACE (uuid()::VARCHAR AS session_id) "
                "FROM telemetry.sessions s, range($times)",
                {"times": -(-(20_000 - SESSIONS) // SESSIONS)},
            ),
        )
        once()
        store.calls = 0
        once()
        calls = store.calls + 1  # the heartbeat of the job
        idle = sorted(_seconds(once) for _ in range(20))[10]
        for transcript in generate(2, sessions=10, days=1):
            which = transcript_id("user1", transcript.session)
            uploads.publish(store, which, packed.pack(transcript.body()), now=NOW)
        ten = _seconds(once)
    return [
        ("telemetry.run.idle", idle * 1000, "ms", 50),
        ("telemetry.run.idle_store_calls", calls, "calls", 3),
        ("telemetry.run.ten_of_20000_sessions", ten, "s", 1),
    ]


def _windows() -> float:
    """Window figures of 10 million invocations: 31 days, 2,000 users, 250 items; from files, as a run reads them."""
    with workbench(threads=2, memory_limit="500MB") as bench:
        bases = {}
        today = NOW.date()
        for back in range(31):
            path = bench.folder / f"base-{back}.parquet"
            bench.db.execute(
                f"""COPY (SELECT 'curated' AS source, 'acme' AS marketplace_id, 'plugin' || i % 50 AS plugin,
                    'skill' AS kind, 'skill' || i AS name, 'user' || u AS user_id, 8::BIGINT AS invocations,
                    1::BIGINT AS errors, 10::BIGINT AS input_tokens, 20::BIGINT AS output_tokens,
                    300::BIGINT AS cache_read_tokens, 40::BIGINT AS cache_creation_tokens, NULL::TIMESTAMPTZ AS last_at
                FROM range(250) a(i), range(2000) b(u) WHERE hash(i, u, {back}) % 25 < 2)
                TO '{path}' (FORMAT parquet, COMPRESSION zstd)"""
            )
            bases[today - timedelta(days=back)] = path
        (events,) = bench.db.execute(
            f"SELECT sum(invocations) FROM read_parquet('{bench.folder}/base-*.parquet')"
        ).fetchone()
        assert events > 9_500_000, events
        return min(_seconds(lambda: rollups.windows(bench, bases, today=today)) for _ in range(3))


if __name__ == "__main__":
    from tests.benchmarks.__main__ import emit

    run(emit)
    sys.exit(0)
