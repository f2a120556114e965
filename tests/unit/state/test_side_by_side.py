"""Looks at several files side by side: one wait in place of one after another, and the same answers."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agnes.kernel.clock import FixedClock
from agnes.kernel.errors import UnavailableError
from agnes.kernel.metering import measured
from agnes.kernel.ports import ANYTHING, Blob
from agnes.outside.metered import MeteredStore
from agnes.outside.object_store.memory import MemoryStore
from agnes.state import Migration, StateFiles
from agnes.state.head import StateDamaged, head_key
from tests.builders.patience import PATIENCE_SECONDS
from tests.unit.state.bank import COMMON, START

NAMES = ("bank", "other", "third")
MIGRATIONS = {
    "common": COMMON,
    **{name: (Migration(1, "rows", f"CREATE TABLE {name}.rows (value BIGINT);"),) for name in NAMES},
}


class MeetingStore(MemoryStore):
    """Answers a read of some keys when as many of them are asked for at once; counts reads, and how many are under way."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: Counter[str] = Counter()
        self.away: set[str] = set()
        self.most = 0
        self._meeting: Callable[[str], bool] = lambda key: False
        self._barrier = threading.Barrier(1)
        self._busy = 0
        self._lock = threading.Lock()

    def meet(self, number: int, wanted: Callable[[str], bool]) -> None:
        self._barrier, self._meeting = threading.Barrier(number), wanted

    def read(self, key: str) -> Blob | None:
        with self._lock:
            self.reads[key] += 1
            self._busy += 1
            self.most = max(self.most, self._busy)
        try:
            if self._meeting(key):
                self._barrier.wait(PATIENCE_SECONDS)
            if key in self.away:
                raise UnavailableError(f"{key} is away", code="away")
            return super().read(key)
        finally:
            with self._lock:
                self._busy -= 1


@pytest.fixture
def store(tmp_path: Path) -> MeetingStore:
    """With a row in each of the files."""
    made = MeetingStore()
    with_rows = new_files(made, tmp_path / "rows", side_by_side=0)
    for number, name in enumerate(NAMES):
        with_rows.commit(
            name, lambda tx, n=number, to=name: tx.db.execute(f"INSERT INTO {to}.rows VALUES ({n})").rowcount
        )
    with_rows.close()
    made.reads.clear()
    made.most = 0
    return made


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
def files(store: MeetingStore, clock: FixedClock, tmp_path: Path) -> Iterator[StateFiles]:
    """A process that has read all of them, a while ago."""
    made = new_files(MeteredStore(store), tmp_path / "files", clock=clock)
    with made.read(*NAMES):
        pass
    clock.sleep(2)
    store.reads.clear()
    yield made
    made.close()


def new_files(store, folder: Path, *, side_by_side: int = 8, clock: FixedClock | None = None) -> StateFiles:
    return StateFiles(
        store,
        clock=clock or FixedClock(START),
        cache_dir=folder,
        migrations=MIGRATIONS,
        max_stale_seconds=1.0,
        side_by_side=side_by_side,
    )


def is_head(key: str) -> bool:
    return key.endswith("/head.json")


def value(files: StateFiles, name: str) -> int:
    with files.read(name) as db:
        return db.execute(f"SELECT value FROM {name}.rows").fetchone()[0]


def test_heads_are_asked_for_at_once_and_each_once(files: StateFiles, store: MeetingStore) -> None:
    store.meet(3, is_head)  # a look after another one would wait here for ever
    with measured() as calls, files.looking(*NAMES):
        assert [value(files, name) for name in NAMES] == [0, 1, 2]
    assert store.reads == {head_key(name): 1 for name in NAMES}
    assert calls.gets == 3  # counted for whoever asked, though threads asked


def test_a_read_of_several_files_looks_side_by_side_by_itself(files: StateFiles, store: MeetingStore) -> None:
    store.meet(3, is_head)
    with files.read(*NAMES) as db:
        assert db.execute("SELECT b.value + t.value FROM bank.rows b, third.rows t").fetchone() == (2,)


def test_a_new_process_fetches_heads_and_then_snapshots_side_by_side(store: MeetingStore, tmp_path: Path) -> None:
    for wanted in (is_head, lambda key: not is_head(key)):
        store.meet(3, wanted)
        new = new_files(store, tmp_path / "new")
        with new.read(*NAMES) as db:
            assert db.execute("SELECT value FROM other.rows").fetchone() == (1,)
        new.close()


def test_what_is_fresh_is_not_asked_for(files: StateFiles, store: MeetingStore) -> None:
    assert [value(files, name) for name in ("bank", "other")] == [0, 1]
    store.reads.clear()
    with files.looking(*NAMES):
        assert value(files, "third") == 2
    assert store.reads == {head_key("third"): 1}


def test_damage_is_of_its_file_alone(files: StateFiles, store: MeetingStore) -> None:
    store.write(head_key("other"), b"{}", expect=ANYTHING)
    with files.looking(*NAMES):
        assert value(files, "bank") == 0
        with pytest.raises(StateDamaged, match=re.escape(head_key("other"))):
            value(files, "other")
        assert value(files, "third") == 2
    with files.read(*NAMES, spare=("other",)) as db:
        assert db.execute("SELECT count(*) FROM other.rows").fetchone() == (0,)
    assert files.spared == {"other"}


def test_nothing_is_raised_of_a_file_that_nobody_reads(files: StateFiles, store: MeetingStore) -> None:
    store.away.add(head_key("other"))
    with files.looking(*NAMES):
        assert value(files, "bank") == 0


def test_who_waited_for_a_look_that_failed_gets_its_error(files: StateFiles, store: MeetingStore) -> None:
    """A store that is away is not asked once by each of those who wait, one after another."""
    store.away.add(head_key("bank"))
    waiting, failures = 8, []
    asked, go_on = threading.Event(), threading.Event()

    def hold(key: str) -> bool:
        if key == head_key("bank"):
            asked.set()
            go_on.wait(PATIENCE_SECONDS)
        return False

    store.meet(1, hold)

    def read() -> None:
        try:
            value(files, "bank")
        except UnavailableError as error:
            failures.append(error.code)

    threads = [threading.Thread(target=read) for _ in range(waiting)]
    threads[0].start()
    assert asked.wait(PATIENCE_SECONDS)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert failures == ["away"] * waiting
    store.away.clear()
    assert value(files, "bank") == 0  # and who comes later asks again, within the same instant


def test_no_more_wait_at_once_than_there_are_threads(store: MeetingStore, clock: FixedClock, tmp_path: Path) -> None:
    few = new_files(store, tmp_path / "few", side_by_side=1, clock=clock)
    for _ in range(3):
        clock.sleep(2)
        with few.looking(*NAMES), few.read(*NAMES):
            pass
    assert store.most <= 2  # the thread, and whoever reads
    few.close()


def test_with_no_threads_looks_are_one_after_another(store: MeetingStore, clock: FixedClock, tmp_path: Path) -> None:
    """As over a folder, where one takes microseconds."""
    plain = new_files(store, tmp_path / "plain", side_by_side=0, clock=clock)
    before = threading.active_count()
    with plain.looking(*NAMES), plain.read(*NAMES):
        assert threading.active_count() == before
    assert store.most == 1
    plain.close()


def test_a_look_is_as_new_as_what_the_session_demands(files: StateFiles, store: MeetingStore, tmp_path: Path) -> None:
    assert value(files, "bank") == 0
    writer = new_files(store, tmp_path / "writer", side_by_side=0)
    writer.commit("bank", lambda tx: tx.db.execute("UPDATE bank.rows SET value = 9").rowcount)
    with files.session({"bank": writer.generation("bank")}), files.looking(*NAMES):
        assert value(files, "bank") == 9
    writer.close()
