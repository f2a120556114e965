"""Old generations: listed, inspected, restored, and pruned when they are old enough."""

import pytest

from agnes.kernel.clock import FixedClock
from agnes.kernel.ports import ANYTHING
from agnes.state import Migration
from agnes.state.head import Head, page_key
from agnes.state.history import GenerationGone
from agnes.state.publish import Publisher
from tests.simulation.toy import Toy
from tests.unit.state.bank import ADD_OWNER, COMMON, CREATE, START, balances, deposit

pytestmark = pytest.mark.slow

DAY = 24 * 3600


class FoldsEvery7(Publisher):
    def _is_time_to_fold(self, head, log_bytes):
        return head.log is not None and head.log.commits >= 6


def inspected(files, generation):
    with files.inspect("bank", generation) as db:
        return dict(db.execute("SELECT name, balance FROM bank.accounts").fetchall())


def test_every_generation_can_be_listed_and_inspected(start):
    files = start(publisher=FoldsEvery7)
    for n in range(100):
        files.commit("bank", deposit("ada", n))
    listed = start().history("bank")
    assert [line["generation"] for line in listed] == list(range(100, 0, -1))
    assert {line["kind"] for line in listed} == {"snapshot", "log"}
    for generation in (1, 2, 31, 32, 33, 50, 99, 100):
        assert inspected(files, generation) == {"ada": sum(range(generation))}


def test_the_head_stays_small(start, store):
    files = start()
    for n in range(150):
        files.commit("bank", deposit("ada", n))
    head = Head.decode("head", store.read("state/bank/head.json").body)
    assert len(head.history) <= 64
    assert len(head.encode()) < 10_000
    assert store.read(page_key("bank", 0)) is not None


def test_a_restored_generation_is_a_new_one_with_its_own_audit_row(start):
    files, others = start(), start()
    for n in (1, 2, 4):
        files.commit("bank", deposit("ada", n))
    assert others.restore("bank", 2) == 4
    assert balances(files) == {"ada": 3}
    assert files.generation("bank") == 4
    with files.read("bank") as db:
        assert db.execute("SELECT action, resource, params->>'generation' FROM bank.audit").fetchall() == [
            ("state.restore", "state:bank", "2")
        ]
    assert files.commit("bank", deposit("ada", 10)) == 13
    assert files.restore("bank", 3) == 6
    assert balances(others) == {"ada": 7}


def test_a_restored_generation_is_migrated(start):
    old = start()
    old.commit("bank", deposit("ada", 1))
    new = start(migrations={"common": COMMON, "bank": (CREATE, ADD_OWNER)})
    new.commit("bank", deposit("ada", 1))
    new.restore("bank", 1)
    with new.read("bank") as db:
        assert db.execute("SELECT name, balance, owner FROM bank.accounts").fetchall() == [("ada", 1, "nobody")]


@pytest.mark.parametrize("generation", [0, -1, 3, 10**12])
def test_a_generation_that_was_never_made_cannot_be_restored(start, generation):
    files = start()
    files.commit("bank", deposit("ada", 1))
    files.commit("bank", deposit("ada", 1))
    with pytest.raises(GenerationGone):
        files.restore("bank", generation)
    assert files.generation("bank") == 2


class TestPruning:
    def test_keeps_fifty_generations_and_a_day(self, start, store):
        clock = FixedClock(START)
        files = start(clock=clock, publisher=FoldsEvery7)
        for n in range(80):
            files.commit("bank", deposit("ada", n))
        assert files.prune("bank").objects == 0  # all are of today
        clock.sleep(DAY)
        assert files.prune("bank").boundary == 31
        left = [line["generation"] for line in files.history("bank")]
        assert left == list(range(80, 30, -1))
        for generation in left:
            assert inspected(files, generation) == {"ada": sum(range(generation))}
        for generation in (1, 29, 30):
            with pytest.raises(GenerationGone):
                files.restore("bank", generation)

    def test_keeps_a_day_however_many_generations_it_has(self, start):
        clock = FixedClock(START)
        files = start(clock=clock)
        for n in range(120):
            files.commit("bank", deposit("ada", n))
            clock.sleep(DAY / 100)
        # At the end, the generations of the last 100 steps are younger than a day.
        assert files.prune("bank").boundary == 21
        assert len(files.history("bank")) == 100

    def test_removes_what_lost_writers_left_but_not_what_is_on_its_way(self, start, store):
        clock = FixedClock(START)
        files = start(clock=clock)
        for n in range(60):
            files.commit("bank", deposit("ada", n))
        clock.sleep(DAY)
        lost, coming = "state/bank/000000000005-ab12.wal", "state/bank/000000000061-ab12.wal"
        store.write(lost, b"x", expect=ANYTHING)
        store.write(coming, b"x", expect=ANYTHING)
        files.prune("bank")
        assert store.read(lost) is None
        assert store.read(coming) is not None

    def test_a_reader_with_an_older_head_asks_again(self, start):
        clock = FixedClock(START)
        stale = start(max_stale_seconds=3600.0)
        files = start(clock=clock, publisher=FoldsEvery7)
        files.commit("bank", deposit("ada", 1))
        stale.generation("bank")  # it knows the head, and has opened nothing
        for _ in range(60):
            files.commit("bank", deposit("ada", 1))
        clock.sleep(DAY)
        files.prune("bank", keep_generations=1)
        assert balances(stale) == {"ada": 61}

    def test_pruning_what_is_not_there_does_nothing(self, start):
        assert start().prune("bank").objects == 0


def test_an_unknown_outcome_is_settled_even_when_the_head_has_long_moved_on(start, store, tmp_path):
    """Its line has left the head for a page of history by then."""
    migrations = {"common": (), "bank": [Migration(1, "begin", "-- toy")]}
    files = start(engine=Toy, migrations=migrations)
    files.migrate("bank")
    mine = Head.decode("head", store.read("state/bank/head.json").body)
    for n in range(200):
        files.commit("bank", lambda tx, n=n: tx.db.append(str(n)))
    found = Head.decode("head", store.read("state/bank/head.json").body)
    assert mine.generation < found.history[0].generation
    publisher = files._opened("bank").group._contender._publisher
    assert publisher._is_ours(mine, found)
    other = Head(mine.generation, "0" * 16, mine.schema, mine.snapshot, None, mine.history)
    assert not publisher._is_ours(other, found)
