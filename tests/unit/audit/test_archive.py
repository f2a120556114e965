"""Moving lines away loses none and doubles none, wherever a run is killed; and reading merges whatever lies where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agnes.audit import archive, objects, service, verify
from agnes.audit.model import ActivityQuery
from agnes.kernel import audit
from agnes.kernel.clock import FixedClock
from agnes.kernel.state import Change
from agnes.outside.object_store.memory import MemoryStore
from agnes.state import StateFiles, packaged
from tests.unit.telemetry.killing_store import CHANGES, KillingStore

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
FILES = {name: packaged()[name] for name in ("people", "stack")}


class Archive:
    """Two state files and objects, over a store that can be killed."""

    def __init__(self, folder: Path, held: dict | None = None) -> None:
        self.clock = FixedClock(NOW)
        self.memory = MemoryStore(clock=self.clock)
        if held is not None:
            self.memory._held = dict(held)
        self.store = KillingStore(self.memory)
        self.folder = folder
        self.reborn()

    def reborn(self) -> None:
        self.state = StateFiles(
            self.store, clock=self.clock, cache_dir=self.folder, max_stale_seconds=0, migrations=FILES
        )

    def line(self, file: str, at: datetime, word: str) -> None:
        """One line of that time, in a state file or as an object."""
        clock, self.clock._now = self.clock._now, at
        change = Change("test.line", f"x:{word}", {"word": word})
        if file == "object":
            audit.record(self.memory, change, now=at)
        else:
            self.state.commit(file, lambda tx: tx.record(change))
        self.clock._now = clock

    def run(self, **options) -> archive.Archived:
        return archive.archive(self.state, self.store, clock=self.clock, after_days=3, **options)

    def read(self, limit: int = 200) -> list[str]:
        """Every word of every page, in order; a page never has a line twice."""
        found, cursor = [], {}
        while cursor is not None:
            query = ActivityQuery(since_minutes=43200, action_prefix="test.", limit=limit, **cursor)
            page = service.activity(self.state, self.memory, query, now=self.clock.now())
            found += [row.params["word"] for row in page.rows]
            following = page.next_cursor
            cursor = following and {"cursor_ts": following.ts, "cursor_id": following.id}
        return found

    def in_archive(self) -> list[str]:
        """Words of all parquet files, as any other engine would read them."""
        found = []
        for entry in self.memory.list("audit/archive/"):
            path = self.folder / "looked-at.parquet"
            path.write_bytes(self.memory.read(entry.key).body)
            sql = (
                f"SELECT resource, (\"at\" AT TIME ZONE 'UTC')::DATE::VARCHAR FROM '{path}' WHERE action = 'test.line'"
            )
            rows = duckdb.sql(sql).fetchall()
            assert {f"day={day}" for _, day in rows} <= {entry.key.split("/")[2]}
            found += [resource.removeprefix("x:") for resource, _ in rows]
        return found

    def in_files(self) -> list[str]:
        with self.state.read("people", "stack") as db:
            sql = "SELECT resource FROM {}.audit WHERE action = 'test.line'"
            rows = [row for file in FILES for row in db.execute(sql.format(file)).fetchall()]
        return [resource.removeprefix("x:") for (resource,) in rows]


def lived(folder: Path) -> Archive:
    """Old and new lines in each place."""
    found = Archive(folder)
    for number in range(4):
        for place in ("people", "stack", "object"):
            at = NOW - (5 - number) * DAY - timedelta(minutes=number)
            found.line(place, at, f"{place}{number}")
    found.line("object", NOW - timedelta(minutes=30), "young")
    return found


def test_what_is_old_moves_and_is_still_read(tmp_path):
    house = lived(tmp_path)
    before = house.read()
    assert len(before) == 13
    dry = house.run(dry_run=True)
    assert (dry.lines, dry.objects, dry.files) == ({"people": 2, "stack": 2}, 4, 0)
    assert house.in_archive() == []
    report = house.run()
    assert (report.lines, report.objects, report.unreadable) == (dry.lines, dry.objects, 0)
    assert sorted(house.in_archive()) == sorted(
        ["people0", "people1", "stack0", "stack1", "object0", "object1", "object2", "object3"]
    )
    assert sorted(house.in_files()) == ["people2", "people3", "stack2", "stack3"]
    for limit in (1, 3, 200):
        assert house.read(limit) == before
    again = house.run()
    assert (sum(again.lines.values()), again.objects, again.files) == (0, 0, 0)


def test_many_lines_move_in_several_commits(tmp_path):
    house = lived(tmp_path)
    before = house.read()
    house.run(lines_at_once=1)
    assert house.read() == before
    assert len(house.in_archive()) == 8


def test_what_an_operator_restored_is_archived_once(tmp_path):
    house = lived(tmp_path)
    before = house.read()
    generation = house.state.generation("people")
    house.run()
    house.state.restore("people", generation)
    assert house.read() == before
    house.run()
    assert house.read() == before
    assert len(house.in_archive()) == 8


def test_an_object_that_says_nothing_stays(tmp_path):
    house = lived(tmp_path)
    key = f"audit/odd/day={NOW - 2 * DAY:%Y-%m-%d}/x.json"
    house.memory.write(key, b"?", expect=audit.ABSENT)
    assert house.run().unreadable == 1
    assert house.memory.read(key) is not None


@pytest.mark.slow
def test_killed_before_and_after_every_change_of_the_store(tmp_path):
    house = Archive(tmp_path / "whole")
    for place, days in (("people", 5), ("people", 1), ("stack", 5), ("object", 5), ("object", 1)):
        house.line(place, NOW - days * DAY, f"{place}{days}")
    before = house.read()
    house.store.arm(None)
    house.run()
    calls, moments = house.store.log, house.store.moments
    archived, left = sorted(house.in_archive()), sorted(house.in_files())
    house.state.close()
    assert {verb for verb, _ in calls} == {"read", "write", "list", "remove"}
    assert len(moments) == 1 + sum(verb in CHANGES for verb, _ in calls)
    for number, moment in enumerate(moments):
        house = Archive(tmp_path / str(number), moment.held)
        house.clock.sleep((moment.at - NOW).total_seconds() + 10)
        where = f"killed after {moment.after}"
        assert house.read() == before, where
        house.run()
        assert house.read() == before, where
        assert (sorted(house.in_archive()), sorted(house.in_files())) == (archived, left), where
        assert verify.verify(house.state, house.memory, clock=house.clock).chains["objects"].lines == 2, where
        house.state.close()


PLACES = st.sampled_from(["people", "stack", "object"])
MINUTES = st.integers(1, 8 * 24 * 6).map(lambda tens: tens * 10)
"""Coarse, so that lines of several places have the very same time."""


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(PLACES, MINUTES), min_size=1, max_size=14), st.integers(1, 5), st.integers(0, 99))
def test_any_lines_anywhere_are_one_list(tmp_path_factory, lines, limit, seed):
    """Ties of time included: each page follows the one before, and archiving changes nothing."""
    house = Archive(tmp_path_factory.mktemp("any"))
    rng = Random(seed)
    for number, (place, minutes) in enumerate(lines):
        house.line(place, NOW - timedelta(minutes=minutes), f"w{number}")
    whole = house.read()
    assert sorted(whole) == sorted(f"w{number}" for number in range(len(lines)))
    ages = {f"w{number}": minutes for number, (_, minutes) in enumerate(lines)}
    assert [ages[word] for word in whole] == sorted(ages.values())
    assert house.read(limit) == whole
    house.run(lines_at_once=rng.choice([1, 3, 1000]))
    assert house.read(limit) == whole
    assert house.read() == whole
    house.state.close()


def test_kinds_are_found_by_skipping(tmp_path):
    store = MemoryStore()
    for kind in ("a", "archive", "b_c", "b"):
        for number in range(3):
            store.write(f"audit/{kind}/day=2026-11-0{number + 1}/{number}.json", b"", expect=audit.ABSENT)
    assert sorted(objects._kinds(store)) == ["a", "archive", "b", "b_c"]
    some = objects.listed(store, (NOW - 21 * DAY).date(), (NOW - 21 * DAY).date())
    assert sorted(stored.key for stored in some) == [
        f"audit/{kind}/day=2026-11-02/1.json" for kind in ("a", "b", "b_c")
    ]
