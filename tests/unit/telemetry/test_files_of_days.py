"""Files of several days written at once: what one for each would hold, and uploads side by side."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from agnes.kernel.clock import FixedClock
from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import Blob
from agnes.outside.object_store.memory import MemoryStore
from agnes.telemetry.extraction import publishing
from agnes.telemetry.lake.batch import ScratchDatabase, workbench
from agnes.telemetry.lake.objects import PARQUET, Uploads
from agnes.telemetry.model import Event, Limits
from tests.builders.transcripts import Transcript
from tests.unit.telemetry.plant import Plant

FIRST = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = [FIRST.date() + timedelta(days=n) for n in range(5)]


def event(number: int, day: int) -> Event:
    at = FIRST + timedelta(days=day, seconds=number * 7919 % 86_400)
    return Event(f"e{number}", f"user{number % 3}", f"session{number % 7}", "g", "prompt", at, cwd=f"/ws/{number % 5}")


@pytest.fixture
def bench():
    with workbench() as bench:
        yield bench


def rows(bench: ScratchDatabase, path: Path) -> list[tuple]:
    return bench.db.execute(f"SELECT * FROM read_parquet('{path}', hive_partitioning = false)").fetchall()


def test_events_of_several_days_at_once(bench):
    numbers = list(range(3000))
    random.Random(1).shuffle(numbers)
    assert bench.new_spool().put([event(n, n % 4) for n in numbers], most_bytes=10**9)
    bench.load_events()
    with bench.beside() as other:
        at_once = other.write_new_events(DAYS)
    for day in DAYS:
        each = bench.write_events(day)
        found = rows(bench, at_once[day])
        in_order = rows(bench, each.path)
        assert in_order == sorted(in_order, key=lambda row: (row[1], row[2], row[5]))
        assert sorted(found, key=repr) == sorted(in_order, key=repr)
        assert len(found) == each.rows == bench.harvested_by_day().get(day, 0)
        names = bench.db.execute(f"DESCRIBE FROM read_parquet('{at_once[day]}', hive_partitioning = false)").fetchall()
        assert "day" not in [name for name, *_ in names]


def test_what_was_prepared_by_several_is_one_file_a_day(bench, tmp_path):
    paths = []
    for part in (1, 0):
        with workbench() as other:
            other.new_spool().put([event(n, 0) for n in range(part, 400, 2)], most_bytes=10**9)
            other.load_events()
            paths.append(other.write_harvested().rename(tmp_path / f"{part}.parquet"))
    bench.load_harvested(paths, {(f"user{n % 3}", f"session{n % 7}", "g") for n in range(400)})
    at_once = bench.write_new_events(DAYS[:2])
    found = rows(bench, at_once[DAYS[0]])
    assert len(found) == 400
    assert sorted(found, key=repr) == sorted(rows(bench, bench.write_events(DAYS[0]).path), key=repr)
    assert rows(bench, at_once[DAYS[1]]) == []


def session(number: int) -> Transcript:
    t = Transcript(f"00000000-0000-4000-8000-{number:012d}", rng=random.Random(number))
    t.at += timedelta(days=number % 4) - timedelta(days=4)
    t.prompt("Go")
    t.result(t.use("Skill", skill="finops:forecast"), "Launching")
    return t


def test_days_of_any_size_give_the_same_figures(tmp_path):
    """Event files beside rollups, or one after the other where they are many; also what is merged."""
    found = []
    for number, limits in enumerate((Limits(), Limits(events_beside=0))):
        plant = Plant(tmp_path / str(number))
        for step in range(publishing.MERGED_AT + 2):
            for one in (step * 4 + n for n in range(2)):
                plant.upload(session(one).body(), session(one).session)
            plant.run(limits=limits)
        batches = plant.rows("SELECT day, events FROM telemetry.batches ORDER BY ALL")
        assert plant.rows("SELECT count(*) FROM telemetry.retired WHERE key LIKE '%events%'")[0][0] > 0
        found.append((plant.tables(), batches))
        plant.state.close()
    assert found[0] == found[1]


class FailingStore:
    def __init__(self, inner: MemoryStore, at: str) -> None:
        self._inner = inner
        self._at = at

    def write(self, key: str, body: bytes, **kwargs):
        if key == self._at:
            raise UnavailableError("the disk is full")
        return self._inner.write(key, bytes(body), **kwargs)


def files(folder: Path) -> dict[str, Path]:
    found = {f"telemetry/{n:03d}.parquet": folder / str(n) for n in range(200)}
    for number, path in enumerate(found.values()):
        path.write_bytes(b"x" * number)
    return found


def test_uploads_side_by_side(tmp_path):
    clock = FixedClock(FIRST)
    store = MemoryStore(clock=clock)
    wanted = files(tmp_path)
    with Uploads(store, clock) as uploads:
        sizes = [
            uploads.put(key, path, PARQUET, remove=number % 2 == 0) for number, (key, path) in enumerate(wanted.items())
        ]
    assert sizes == list(range(200))
    assert [len(found.body) for key in wanted if isinstance(found := store.read(key), Blob)] == sizes
    assert sorted(int(path.name) for path in tmp_path.iterdir()) == list(range(1, 200, 2))


def test_one_upload_that_fails_fails_all(tmp_path):
    clock = FixedClock(FIRST)
    wanted = files(tmp_path)
    store = FailingStore(MemoryStore(clock=clock), "telemetry/150.parquet")

    def write_all() -> None:
        with Uploads(store, clock) as uploads:
            for key, path in wanted.items():
                uploads.put(key, path, PARQUET)

    with pytest.raises(UnavailableError, match="the disk is full"):
        write_all()


def test_no_day_is_no_file(bench):
    bench.load_events()
    assert bench.write_new_events([]) == {}
    assert bench.write_new_events([date(2026, 1, 1)]).keys() == {date(2026, 1, 1)}
