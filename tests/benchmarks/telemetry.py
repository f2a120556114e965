"""Telemetry: extraction of 300 MB and 1.5 GB of transcripts as they are stored, small runs, rollups, export, reprocessing.

Speeds count plain bytes and include decompression; those of one core are per second of CPU time, as is orjson's, so
that a busy machine shows in none of them. Limits of the same run, over the same bytes uncompressed: reading the files,
`orjson` over every line, and DuckDB's JSON reader with named columns, each on one core and on two. A run works in
a process of its own, whose peak memory is reported. Of 150 MB it is held against ccusage, a native program that sums the
tokens of the same files and stores nothing: by turns, the best of each, on all cores. AGNES_BENCH_MB names other sizes
than 300,1500.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb
import orjson

from agnes.kernel.clock import FixedClock, SystemClock
from agnes.kernel.ports import ANYTHING, DOWNLOAD_URL_SECONDS, Message, Secret
from agnes.kernel.principal import Principal
from agnes.outside.folder_queue import FolderQueue
from agnes.outside.object_store.folder import FolderStore
from agnes.outside.object_store.s3 import S3Store
from agnes.settings import ALLOCATOR, usable_cores
from agnes.state import StateFiles
from agnes.telemetry import keys
from agnes.telemetry.extraction import upkeep
from agnes.telemetry.extraction.extract import SessionKey, extract
from agnes.telemetry.extraction.served import Served, ServedPlugin
from agnes.telemetry.extraction.tick import QUEUE, ExtractionRun, next_of
from agnes.telemetry.keys import transcript_id
from agnes.telemetry.lake import exports, rollups, windows
from agnes.telemetry.lake.batch import EVENT_COLUMNS, SESSION, workbench
from agnes.telemetry.lake.objects import fetch
from agnes.telemetry.lake.prices import Price, PriceList
from agnes.telemetry.model import TOKENS, Limits, TranscriptFile
from agnes.telemetry.transcripts import packed, uploads
from tests.benchmarks._whole_runs import ccusage, note_all, peak_of_all
from tests.builders.transcripts import PLUGINS, START, generate

SESSION_MB = 0.188
"""What a generated session has, on the average."""
NOW = START + timedelta(days=1)
SERVED = Served({name: (ServedPlugin("curated", "acme", name),) for name in PLUGINS})
MEGA = 1_000_000
GENERATION = "0" * 26
LAKE_DAYS = 31


def run(emit: Callable[..., None]) -> None:
    sizes = [int(size) for size in os.environ.get("AGNES_BENCH_MB", "300,1500").split(",")]
    with tempfile.TemporaryDirectory() as folder:
        _against_ccusage(partial(_named, emit, "150mb"), Path(folder), int(150 / SESSION_MB))
    for number, megabytes in enumerate(sizes):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            _corpus(partial(_named, emit, f"{megabytes}mb"), root, int(megabytes / SESSION_MB), first=not number)
    for events in (MEGA, 10 * MEGA):
        with tempfile.TemporaryDirectory() as folder:
            _of_events(partial(_named, emit, f"{events // MEGA}m_events"), Path(folder), events)


def _named(emit: Callable[..., None], of: str, name: str, *args: Any, **kwargs: Any) -> None:
    emit(f"telemetry.{of}.{name}", *args, **kwargs)


def _corpus(emit: Callable[..., None], root: Path, sessions: int, *, first: bool) -> None:
    """Everything that works on transcripts; what does not grow with their size only the `first` time."""
    size = _prepare(root, sessions)
    up = partial(emit, better="higher")
    limits = _limits(root, size) if first else {}
    for name, speed in limits.items():
        up(f"limit.{name}", speed, "MB/s")
    for cores in (1, 2) if first else ():
        best = max(_on(cores, _extract_only, root, size) for _ in range(3))
        best_limit = limits["orjson"] * (1 if cores == 1 else limits["orjson.two_cores"] / limits["orjson"])
        up(f"extraction.{cores}_core", best, "MB/s", aim=1.5 * best_limit if cores == 1 else 350, limit=best_limit)
    seconds, cpu, events, peak = _alone(_whole_run, root)
    up("run.speed", size / cpu / MEGA, "MB/s of CPU time", aim=None)
    up("run.speed_of_wall", size / seconds / MEGA, "MB/s", aim=None)
    up("run.events", events / cpu, "events/s of CPU time", aim=None)
    emit("run.peak_memory", peak, "MB", better="lower", aim=300)
    seconds, peak = _fanned_out(root)
    up("fan_out.two_consumers", size / seconds / MEGA, "MB/s", aim=None)
    emit("fan_out.peak_memory", peak, "MB of the larger", better="lower", aim=300)
    seconds, rounds, peak = _alone(_reprocessing, root)
    emit("reprocess.everything", seconds, "s of CPU time", better="lower", aim=None)
    emit("reprocess.runs", rounds, "runs", better="lower", aim=None)
    emit("reprocess.peak_memory", peak, "MB", better="lower", aim=300)
    for name, value, unit, aim in _alone(_small_runs, root) if first else ():
        emit(name, value, unit, better="lower", aim=aim)


def _against_ccusage(emit: Callable[..., None], root: Path, sessions: int) -> None:
    """From the inbox to committed figures, as fast as ccusage: that is the aim."""
    size, store = _prepare(root, sessions), _store(root)
    (root / "home" / "projects").mkdir(parents=True)
    (root / "plain").rename(root / "home" / "projects" / "-home-mira-ws")  # ccusage follows no links
    ours, theirs, tokens = [], [], 0
    for number in range(5):
        if number:
            note_all(store)
        ours.append(_alone(_whole_run, root, f"cache-{number}"))
        seconds, tokens = ccusage(root)
        theirs.append(seconds)
    with _runner(root, store, clock=FixedClock(NOW), cache="cache-sum") as (state, _), state.read("telemetry") as db:
        counted = " + ".join(f"sum({name})" for name in TOKENS)
        found = db.execute(f"SELECT ({counted})::BIGINT FROM telemetry.sessions").fetchone()
        assert found == (tokens,), (found, tokens)
    limit = size / min(theirs) / MEGA
    emit("ccusage", limit, "MB/s", better="higher", aim=None)
    speed = size / min(seconds for seconds, *_ in ours) / MEGA
    emit("run.speed_of_wall", speed, "MB/s", better="higher", aim=limit, limit=limit)
    emit("run.cpu", min(cpu for _, cpu, *_ in ours), "s of CPU time", better="lower", aim=None)
    note_all(store)
    emit(
        "run.peak_memory",
        peak_of_all(_whole_run, root, "cache-memory"),
        "MB of all processes",
        better="lower",
        aim=300,
    )
    emit("load_average", os.getloadavg()[0], "processes", better="lower", aim=None)


def _alone(work: Callable[..., Any], *args: Any) -> Any:
    """Run in a fresh process: its memory is its own, and its environment that of the product's processes."""
    os.environ.update(ALLOCATOR)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *args).result()


def _on(cores: int, work: Callable[..., tuple[float, float]], root: Path, size: int) -> float:
    """MB/s: of CPU time on one core, of wall time on two, each of which does half."""
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        done = [pool.submit(work, root, part, cores) for part in range(cores)]
        times = [future.result() for future in done]
    return size / (times[0][0] if cores == 1 else max(wall for _, wall in times)) / MEGA


def _store(root: Path) -> FolderStore:
    return FolderStore(root / "store", secret=Secret("s" * 32), base_url="http://127.0.0.1", clock=SystemClock())


def _peak() -> float:
    """Of this process alone: ru_maxrss begins with what the process had that started it."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024 / MEGA


def _prepare(root: Path, sessions: int) -> int:
    """Transcripts in the store, as pushed, and plain beside it; plain bytes of all."""
    store, size = _store(root), 0
    plain = root / "plain"
    plain.mkdir()
    for number, transcript in enumerate(generate(1, sessions=sessions)):
        body = transcript.body()
        size += len(body)
        if sessions < 4000:
            (plain / f"{transcript.session}.jsonl").write_bytes(body)
        uploads.publish(store, transcript_id(f"user{number % 40}", transcript.session), packed.pack(body), now=NOW)
    return size


def _limits(root: Path, size: int) -> dict[str, float]:
    """MB/s: `cat`, orjson and DuckDB on one core by CPU time, then on two by wall time."""

    def cat() -> None:
        subprocess.run(f"cat {root}/plain/*.jsonl > /dev/null", shell=True, check=True)

    def counting() -> None:
        subprocess.run(f"cat {root}/plain/*.jsonl | wc -l", shell=True, check=True, stdout=subprocess.DEVNULL)

    found = {"cat": size / min(_seconds(cat) for _ in range(2)) / MEGA}
    found["orjson"] = max(_on(1, _every_line, root, size) for _ in range(3))
    found["duckdb"] = _on(1, _duckdb, root, size)
    found["cat_wc.two_cores"] = size / min(_seconds(counting) for _ in range(2)) / MEGA
    found["orjson.two_cores"] = max(_on(2, _every_line, root, size) for _ in range(3))
    found["duckdb.two_cores"] = size / _alone(_duckdb, root, 0, 1, 2)[1] / MEGA
    return found


@contextmanager
def _timed() -> Iterator[list[float]]:
    times: list[float] = []
    cpu, wall = time.process_time(), time.perf_counter()
    yield times
    times += [time.process_time() - cpu, time.perf_counter() - wall]


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _every_line(root: Path, part: int, parts: int) -> tuple[float, float]:
    files = sorted((root / "plain").iterdir())[part::parts]
    with _timed() as times:
        for file in files:
            for line in file.read_bytes().split(b"\n"):
                if line:
                    orjson.loads(line)
    return times[0], times[1]


def _duckdb(root: Path, part: int, parts: int, threads: int = 1) -> tuple[float, float]:
    assert (part, parts) == (0, 1)
    columns = {
        "type": "VARCHAR",
        "uuid": "VARCHAR",
        "timestamp": "TIMESTAMP",
        "message": "JSON",
        "sessionId": "VARCHAR",
    }
    db = duckdb.connect(config={"threads": threads})
    with _timed() as times:
        db.execute(
            f"SELECT count(*), max(timestamp), sum(length(message::VARCHAR)) FROM read_json('{root}/plain/*.jsonl', "
            f"format = 'newline_delimited', columns = {columns}, ignore_errors = true)"
        ).fetchone()
    return times[0], times[1]


def _extract_only(root: Path, part: int, parts: int) -> tuple[float, float]:
    """Reading, unpacking and extracting, without what a run does with the events."""
    store = _store(root)
    names = [entry.key for entry in store.list("sessions/")][part::parts]
    with _timed() as times:
        for key in names:
            plain = packed.unpack(store.read(key).body)
            extract([TranscriptFile("main", plain, NOW)], SessionKey("u", key, "g"), SERVED)
    return times[0], times[1]


@contextmanager
def _runner(root: Path, store: Any, *, clock: Any, cache: str = "cache") -> Iterator[tuple[StateFiles, Callable]]:
    state = StateFiles(store, clock=clock, cache_dir=root / cache, max_stale_seconds=0)

    def made(**how: Any) -> ExtractionRun:
        return ExtractionRun(
            store, state, clock=clock, served_for=lambda _db: lambda _user: SERVED, served_files=(), **how
        )

    yield state, made
    state.close()


def _whole_run(root: Path, cache: str = "cache") -> tuple[float, float, int, float]:
    """Seconds, CPU seconds of all processes, events and peak memory of one run over everything, on all cores."""
    with _runner(root, _store(root), clock=FixedClock(NOW), cache=cache) as (state, made):
        before = os.times()
        with _timed() as times:
            report = made(limits=Limits(processes=usable_cores())).run()
        after = os.times()
        times[0] = sum(after[:4]) - sum(before[:4])
        sessions = state_count(state)
    assert (report.sessions, report.left, report.skipped_lines) == (sessions, 0, 0)
    return times[1], times[0], report.events, _peak()


def state_count(state: StateFiles) -> int:
    with state.read("telemetry") as db:
        return db.execute("SELECT count(*) FROM telemetry.sessions").fetchone()[0]


def _fanned_out(root: Path) -> tuple[float, float]:
    """Everything once more, as a backlog of a new house: a tick sends, two processes that are there already consume.
    Seconds and peak memory."""
    store = _store(root)
    note_all(store)
    queue = FolderQueue(root / "queue")
    with (
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool,
        _runner(root, store, clock=FixedClock(NOW + timedelta(minutes=1)), cache="cache-tick") as (_, made),
    ):
        for future in [pool.submit(time.sleep, 2) for _ in range(2)]:
            future.result()
        started = time.perf_counter()
        report = made(queue=queue, limits=Limits(fan_out_at=1)).run()
        assert report.sent > 1
        peaks = [future.result() for future in [pool.submit(_consumer, root, number) for number in range(2)]]
    seconds = time.perf_counter() - started
    assert list(store.list(keys.INBOX)) == []
    return seconds, max(peaks)


def _consumer(root: Path, number: int) -> float:
    queue = FolderQueue(root / "queue")
    with _runner(root, _store(root), clock=FixedClock(NOW + timedelta(minutes=1)), cache=f"cache-{number}") as (
        _,
        made,
    ):
        while delivered := queue.receive(QUEUE, visibility_seconds=3600, max_attempts=5):
            for delivery in delivered:
                asked = orjson.loads(delivery.body)
                made().run_batch(asked["batch"])
                queue.send(next_of(asked.get("then", ())))
                queue.acknowledge(delivery)
    return _peak()


def _reprocessing(root: Path) -> tuple[float, int, float]:
    """CPU seconds, runs and peak memory until the whole history is swapped in."""
    clock, rounds = FixedClock(NOW + timedelta(minutes=2)), 0
    with _runner(root, _store(root), clock=clock, cache="cache-again") as (state, made):
        upkeep.reprocess(state, clock=clock)
        clock.sleep(1)
        with _timed() as times:
            while made(limits=Limits(seconds=10**6)).run().sessions:
                rounds += 1
    return times[0], rounds, _peak()


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
    with _runner(root, store, clock=FixedClock(NOW + timedelta(minutes=3)), cache="cache-small") as (state, made):
        known = state_count(state)
        state.commit(
            "telemetry",
            lambda tx: tx.db.execute(
                "INSERT INTO telemetry.sessions SELECT s.* REPLACE (uuid()::VARCHAR AS session_id) "
                "FROM telemetry.sessions s, range($times)",
                {"times": -(-(20_000 - known) // known)},
            ),
        )
        made().run()
        store.calls = 0
        made().run()
        calls = store.calls + 1  # the heartbeat of the job
        idle = sorted(_seconds(lambda: made().run()) for _ in range(20))[10]
        for transcript in generate(2, sessions=10, days=1):
            which = transcript_id("user1", transcript.session)
            uploads.publish(store, which, packed.pack(transcript.body()), now=NOW)
        ten = _seconds(lambda: made().run())
    return [
        ("run.idle", idle * 1000, "ms", 50),
        ("run.idle_store_calls", calls, "calls", 3),
        ("run.ten_of_20000_sessions", ten, "s", 1),
    ]


def _of_events(emit: Callable[..., None], root: Path, events: int) -> None:
    """What works on events that are there: rollups, windows, export."""
    _alone(_lake, root, events)
    for name, value in _alone(_rollups, root, events):
        emit(f"rollup.{name}", value, "s", better="lower", aim=1 if name == "windows" else None)
    for kind in ("csv", "json", "parquet"):
        seconds, wall, rows, size, peak = _alone(_export, root, kind)
        assert rows == events // LAKE_DAYS * LAKE_DAYS, rows
        emit(f"export.{kind}", seconds, "s of CPU time", better="lower", aim=None)
        emit(f"export.{kind}.clock", wall, "s", better="lower", aim=None)
        emit(f"export.{kind}.size", size / MEGA, "MB", better="lower", aim=None)
        emit(f"export.{kind}.peak_memory", peak, "MB", better="lower", aim=300)
    if events == MEGA:
        _through_minio(emit, root, events // LAKE_DAYS * LAKE_DAYS)


def _through_minio(emit: Callable[..., None], root: Path, rows: int) -> None:
    """The same exports over S3: the lake is read from MinIO, the file goes there in parts and comes by its URL."""
    from agnes_local.servers import minio

    with minio() as server:
        made = {"endpoint_url": server.endpoint, "region": "us-east-1", "access_key_id": server.user}
        made["secret_access_key"] = Secret(server.password)
        store = S3Store("bench", **made)
        store._client.create_bucket(Bucket="bench")
        folder = _store(root)
        for entry in folder.list(""):
            store.write(entry.key, folder.read(entry.key).body, expect=ANYTHING)
        for kind in ("csv", "json", "parquet"):
            seconds, wall, peak, url, filename = _alone(_export_to_s3, root, made, kind)
            path = root / filename
            with urllib.request.urlopen(url) as answer, path.open("wb") as file:
                assert filename in answer.headers["content-disposition"]
                shutil.copyfileobj(answer, file)
            count = "count(*), count(DISTINCT event_id), min(occurred_at)"
            (found,) = duckdb.sql(f"SELECT {count} FROM '{path}'").fetchall()
            assert found[:2] == (rows, rows), found
            emit(f"export.{kind}.minio", seconds, "s of CPU time", better="lower", aim=None)
            emit(f"export.{kind}.minio.clock", wall, "s", better="lower", aim=None)
            emit(f"export.{kind}.minio.peak_memory", peak, "MB", better="lower", aim=300)


def _lake(root: Path, events: int) -> None:
    """So many events over 31 days in the store and the ledger: 2,000 users of 250 items, two calls to a response."""
    store, today = _store(root), NOW.date()
    columns = ", ".join(f"NULL::{kind} AS {name}" for name, kind in EVENT_COLUMNS.items())
    batches = []
    with workbench(threads=2, memory_limit="500MB") as bench:
        for back in range(LAKE_DAYS):
            day, path = today - timedelta(days=back), bench.folder / "events.parquet"
            bench.db.execute(
                f"""COPY (SELECT n.* REPLACE (md5('{day}' || i) AS event_id, 'user' || i % 2000 AS user_id,
                    'session' || i % 2000 AS session_id, '{GENERATION}' AS generation,
                    CASE WHEN i % 3 = 0 THEN 'message' ELSE 'tool_use' END AS event_type,
                    TIMESTAMPTZ '{day} 00:00:00Z' + to_milliseconds((i * 7919) % 86400000) AS occurred_at,
                    i % 50 = 0 AS is_error, 'curated' AS source, 'acme' AS marketplace_id, 'plugin' || i % 50 AS plugin,
                    'skill' AS item_kind, 'skill' || i % 250 AS item_name, 'Skill' AS tool_name,
                    'plugin' || i % 50 || ':skill' || i % 250 AS skill_name, 'claude-sonnet-4-6' AS model,
                    i % 900 AS input_tokens, i % 700 AS output_tokens, i % 90000 AS cache_read_tokens,
                    i % 4000 AS cache_creation_tokens, '/home/mira/ws' AS cwd, uuid()::VARCHAR AS uuid,
                    uuid()::VARCHAR AS parent_uuid, false AS is_sidechain)
                FROM range({events // LAKE_DAYS}) r(i), (SELECT {columns}) n ORDER BY user_id, occurred_at)
                TO '{path}' (FORMAT parquet, COMPRESSION zstd)"""
            )
            key = keys.events(day, GENERATION)
            store.write(key, path.read_bytes(), expect=ANYTHING)
            batches.append((key, day, events // LAKE_DAYS, path.stat().st_size))
    days = sorted(day for _, day, _, _ in batches)
    with _runner(root, store, clock=FixedClock(NOW)) as (state, _):

        def known(tx: Any) -> None:
            tx.db.executemany(
                "INSERT INTO telemetry.batches (key, day, events, size_bytes) VALUES (?, ?, ?, ?)", batches
            )
            columns = tx.db.execute("PRAGMA table_info('telemetry.sessions')").fetchall()
            said = {"user_id": "'user' || i", "session_id": "'session' || i", "generation": f"'{GENERATION}'"}
            said |= {"days": f"{[str(day) for day in days]}::DATE[]", "extracted_at": "now()", "started_at": "NULL"}
            said |= {"ended_at": "NULL", "primary_model": "NULL", "folders": "NULL"}
            usual = {name: "[]" if kind.endswith("[]") else "1" for _, name, kind, *_ in columns}
            values = ", ".join(f"{said.get(name, value)} AS {name}" for name, value in usual.items())
            tx.db.execute(f"INSERT INTO telemetry.sessions BY NAME SELECT {values} FROM range(2000) r(i)")

        state.commit("telemetry", known)


def _rollups(root: Path, events: int) -> list[tuple[str, float]]:
    """The base of all 31 days, as many at once as a publication makes, of one of them, and the windows from it."""
    store, today = _store(root), NOW.date()
    days = [today - timedelta(days=back) for back in range(LAKE_DAYS)]
    with workbench(threads=2, memory_limit="150MB") as bench:
        bench.load_events()
        bench.table("live_generations", SESSION, [(f"user{i}", f"session{i}", GENERATION) for i in range(2000)])
        found = fetch(store, [keys.events(day, GENERATION) for day in days], bench.folder)
        stored = dict(zip(days, found.values(), strict=True))
        bases: dict[str, dict] = {name: {} for name in rollups.BASES}
        prices = PriceList((Price("claude*", date(2024, 1, 1), 3.0, 15.0, 0.3, 3.75, 6.0, 10.0, NOW, "bench"),))

        def base(some: list) -> None:
            bench.take_days(some)
            for name, files in rollups.bases_of_days(bench, some, [stored[day] for day in some]).items():
                bases[name] |= {written.day: written.path for written in files}
            rollups.daily(bench, today - timedelta(days=rollups.DAILY_DAYS))

        one = min(_seconds(lambda: base(days[:1])) for _ in range(3))
        groups = rollups.groups_of_days(dict.fromkeys(days, events // LAKE_DAYS))
        everything = _seconds(lambda: [base(group) for group in groups])
        made_of = (bases[rollups.ITEM_USER_DAILY], bases[rollups.USE_DAILY], prices)
        window = min(_seconds(lambda: windows.of_items(bench, *made_of, today=today)) for _ in range(3))
        use = bases[rollups.USE_DAILY]
        together = min(_seconds(lambda: windows.together(bench, use, today=today)) for _ in range(3))
    return [("daily_of_one_day", one), ("daily_of_31_days", everything), ("windows", window), ("together", together)]


def _export(root: Path, kind: str) -> tuple[float, float, int, int, float]:
    """CPU and clock seconds, rows, bytes and peak memory of one export in the background."""
    store = _store(root)
    with _runner(root, store, clock=FixedClock(NOW)) as (state, _), _timed() as times:
        made = _exported(state, store, kind)
    for file in made.parts:
        store.remove([file.key])
    return *times, made.rows, sum(part.size_bytes for part in made.parts), _peak()


def _exported(state: StateFiles, store: Any, kind: Any) -> exports.Status:
    """What the API and the queue's consumer do, one after the other."""
    clock, sent = SystemClock(), _Sent()
    who = Principal("u", "ada@example.com", "Ada", frozenset(), is_admin=True)
    export_id = exports.start(state, store, sent, who, exports.ExportCreate(format=kind), clock=clock).id
    while sent.messages:
        exports.run_queued(state, store, sent, sent.messages.pop().body["export"], clock=clock)
    status, _ = exports._get(store, export_id)
    assert status.status == "done", status.error
    store.remove([keys.export_status(export_id)])
    return status


class _Sent:
    def __init__(self) -> None:
        self.messages: list[Message] = []

    def send(self, messages: Iterable[Message]) -> None:
        self.messages += messages


def _export_to_s3(root: Path, made: dict[str, Any], kind: str) -> tuple[float, float, float, str, str]:
    store, clock = S3Store("bench", **made), FixedClock(NOW)
    with _runner(root, store, clock=clock, cache=f"cache-{kind}") as (state, _), _timed() as times:
        (part,) = _exported(state, store, kind).parts
    url = store.presign_get(part.key, seconds=DOWNLOAD_URL_SECONDS, filename=part.filename)
    return times[0], times[1], _peak(), url, part.filename


if __name__ == "__main__":
    from tests.benchmarks.__main__ import emit

    run(emit)
    sys.exit(0)
