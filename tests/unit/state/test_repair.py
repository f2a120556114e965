"""Damaged state: named, never taken for an empty installation, and brought back to the newest generation that verifies."""

from __future__ import annotations

import pytest

from agnes.kernel.clock import FixedClock
from agnes.kernel.errors import ConflictError
from agnes.kernel.ports import ANYTHING
from agnes.state.head import TAIL_GENERATIONS, Head, StateDamaged, head_key
from agnes.state.publish import Publisher
from tests.unit.state.bank import START, balances, deposit

pytestmark = pytest.mark.slow

HEAD = head_key("bank")
COMMITS = 9


class FoldsEvery4(Publisher):
    def _is_time_to_fold(self, head, log_bytes):
        return head.log is not None and head.log.commits >= 3


def flipped(body: bytes) -> bytes:
    """One bit in the middle."""
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


DAMAGE = {
    "absent": None,
    "empty": lambda _: b"",
    "truncated": lambda body: body[: len(body) // 2],
    "bit": flipped,
    "other": lambda _: b'{"count": 1}' * 40,
    "nested": lambda _: b"[" * 100_000,
}
UNREADABLE = [how for how in DAMAGE if how != "bit"]


def damage(store, key, how):
    if DAMAGE[how] is None:
        store.remove([key])
    else:
        store.write(key, DAMAGE[how](store.read(key).body), expect=ANYTHING)


@pytest.fixture
def bank(start):
    """Nine commits of 1 each: snapshots at generations 1, 5 and 9."""
    files = start(publisher=FoldsEvery4, tail_generations=0)
    for _ in range(COMMITS):
        files.commit("bank", deposit("ada", 1))
    return files


def head_of(store) -> Head:
    return Head.decode(HEAD, store.read(HEAD).body)


def test_a_sound_file_is_said_to_be(bank, start):
    checked = start().check("bank")
    assert (checked.problem, checked.generation, checked.lost) == ("", COMMITS, 0)
    with pytest.raises(ConflictError, match="can be read"):
        start().rebuild_head("bank")


def test_a_file_that_was_never_written_is_no_damage(start):
    checked = start().check("bank")
    assert (checked.generation, checked.problem) == (0, "")
    with pytest.raises(ConflictError, match="never written"):
        start().rebuild_head("bank")


@pytest.mark.parametrize("how", DAMAGE)
def test_what_this_machine_has_in_its_cache_does_not_hide_damage_of_the_store(bank, start, how):
    """The process that made the snapshot reads its own copy; another machine could not read the file at all."""
    head = head_of(bank.store)
    damage(bank.store, head.snapshot.key, how)
    assert balances(bank) == {"ada": COMMITS}
    checked = bank.check("bank")
    assert head.snapshot.key in checked.problem
    assert (checked.sound.generation, checked.lost) == (COMMITS, 0)
    bank.restore("bank", checked.sound.generation)
    assert bank.check("bank").problem == ""
    assert balances(start()) == {"ada": COMMITS}


@pytest.mark.parametrize("how", UNREADABLE)
def test_a_damaged_head_is_named_and_nothing_is_written_over_what_is_left(bank, start, store, how):
    damage(store, HEAD, how)
    objects = [entry.key for entry in store.list("state/bank/")]
    newcomer = start()
    with pytest.raises(StateDamaged, match=r"head\.json is damaged") as refused:
        newcomer.commit("bank", deposit("ada", 100))
    assert "agnes-local state check bank" in refused.value.hint
    with pytest.raises(StateDamaged), newcomer.read("bank"):
        pass
    with pytest.raises(StateDamaged):
        newcomer.migrate()
    assert [entry.key for entry in store.list("state/bank/")] == objects


@pytest.mark.parametrize("how", UNREADABLE)
def test_a_head_is_rebuilt_from_the_newest_generation_that_verifies(bank, start, store, how):
    damage(store, HEAD, how)
    store.write("state/bank/000000000004-ab12.wal", b"left by a writer that lost", expect=ANYTHING)
    operator = start()
    checked = operator.check("bank")
    assert (checked.generation, checked.sound.generation, checked.lost) == (COMMITS, COMMITS, 0)
    assert "head.json" in checked.problem
    assert operator.rebuild_head("bank") == COMMITS + TAIL_GENERATIONS + 1
    assert balances(start()) == {"ada": COMMITS}
    assert start().commit("bank", deposit("ada", 1)) == COMMITS + 1
    with start().read("bank") as db:
        assert db.execute("SELECT action, params->>'lost_generations' FROM bank.audit").fetchall() == [
            ("state.rebuild_head", "0")
        ]


@pytest.mark.parametrize(("tail_generations", "left"), [(0, 7), (32, 5)])
def test_without_a_head_the_newest_stored_log_is_read_over_the_snapshot_before_it(start, store, tail_generations, left):
    """What is lost with a head are the generations whose log was in it only."""
    files = start(publisher=FoldsEvery4, tail_generations=tail_generations)
    for _ in range(COMMITS - 2):
        files.commit("bank", deposit("ada", 1))
    store.remove([HEAD])
    made = start().rebuild_head("bank")
    assert made > COMMITS - 2  # no number is used twice: processes remember what they have read
    assert balances(files) == balances(start()) == {"ada": left}
    assert files.commit("bank", deposit("ada", 1)) == left + 1
    assert [line["generation"] for line in files.history("bank")] == [made + 1, made]


def test_what_was_passed_over_by_a_rebuilt_head_does_not_stop_pruning(start, store):
    clock = FixedClock(START)
    files = start(clock=clock, publisher=FoldsEvery4)
    for _ in range(70):
        files.commit("bank", deposit("ada", 1))
    store.remove([HEAD])
    made = files.rebuild_head("bank")
    for _ in range(60):
        files.commit("bank", deposit("ada", 1))
    clock.sleep(2 * 24 * 3600)
    assert files.prune("bank").boundary == made + 11
    assert balances(start(clock=clock)) == balances(files)
    assert len(files.history("bank")) == 50


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("with_head", [True, False], ids=["head", "no-head"])
def test_a_damaged_snapshot_costs_what_stands_on_it_and_no_more(bank, start, store, how, with_head):
    damage(store, head_of(store).snapshot.key, how)  # of generation 9
    if not with_head:
        store.remove([HEAD])
    operator = start()
    checked = operator.check("bank")
    assert checked.problem
    assert (checked.generation, checked.sound.generation) == ((COMMITS if with_head or how != "absent" else 8), 8)
    made = operator.restore("bank", 8) if with_head else operator.rebuild_head("bank")
    assert made > 8
    assert balances(start()) == {"ada": 8}


def test_a_restore_that_fails_names_the_generation_that_would_work(bank, start, store):
    snapshots = [entry.key for entry in store.list("state/bank/") if entry.key.endswith(".duckdb")]
    damage(store, snapshots[1], "bit")  # of generation 5, which 6 to 8 stand on
    damage(store, snapshots[2], "absent")
    for generation in (9, 8, 6, 5):
        with pytest.raises(StateDamaged) as refused:
            start().restore("bank", generation)
        assert "agnes-local state restore bank 4" in refused.value.hint
    start().restore("bank", 4)
    assert balances(start()) == {"ada": 4}


def test_nothing_that_verifies_is_said_too(start, store):
    start().commit("bank", deposit("ada", 1))
    start().commit("bank", deposit("ada", 1))
    for entry in list(store.list("state/bank/")):
        damage(store, entry.key, "empty")
    assert start().check("bank").sound is None
    with pytest.raises(StateDamaged, match="no generation of it verifies"):
        start().rebuild_head("bank")


def test_a_head_that_contradicts_itself_is_no_head(bank, store):
    body = store.read(HEAD).body
    with pytest.raises(StateDamaged, match="the newest line of its history is generation 9"):
        Head.decode(HEAD, body.replace(b'{"generation":9', b'{"generation":8'))
    with pytest.raises(StateDamaged, match="not a head"):
        Head.decode(HEAD, body.replace(b'"nonce":"', b'"nonce":"0'))


def test_a_first_writer_that_died_before_its_swap_leaves_no_damage(start, store):
    store.write("state/bank/000000000001-ab12.duckdb", b"half", expect=ANYTHING)
    assert start().commit("bank", deposit("ada", 1)) == 1


def test_a_snapshot_is_read_back_before_it_counts(start, store, tmp_path):
    class Rots(type(store)):
        left = 2

        def write(self, key, body, **options):
            version = super().write(key, body, **options)
            if key.endswith(".duckdb") and self.left:
                self.left -= 1
                return super().write(key, flipped(bytes(body)), expect=ANYTHING)
            return version

    rotting = Rots()
    files = start(store=rotting)
    assert files.commit("bank", deposit("ada", 1)) == 1
    assert rotting.left == 0
    assert files.check("bank").problem == ""


def test_pruning_keeps_an_older_snapshot(start, store):
    clock = FixedClock(START)
    files = start(clock=clock, publisher=FoldsEvery4)
    for _ in range(101):
        files.commit("bank", deposit("ada", 1))
    clock.sleep(2 * 24 * 3600)
    files.prune("bank", keep_generations=1)
    left = [entry.key for entry in store.list("state/bank/") if entry.key.endswith(".duckdb")]
    assert len(left) == 2
    damage(store, left[-1], "truncated")
    assert start(clock=clock).check("bank").sound.generation == 97
