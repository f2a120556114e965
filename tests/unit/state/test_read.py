"""What a read sees, and what it costs."""

import threading

import duckdb
import pytest

from agnes.kernel.clock import FixedClock, SystemClock
from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import ANYTHING, NotModified
from agnes.state.head import Head, StateDamaged
from tests.unit.state.bank import START, CountingStore, balances, deposit


def test_a_file_that_is_not_there_is_created(start, store):
    assert balances(start()) == {}
    assert Head.decode("head", store.read("state/bank/head.json").body).generation == 1


def test_two_files_on_one_connection(start):
    files = start()
    files.commit("bank", deposit("ada", 1))
    files.commit("other", lambda tx: tx.db.execute("INSERT INTO other.notes VALUES ('x')").fetchall())
    with files.read("bank", "other") as db:
        assert db.execute("SELECT name, text FROM bank.accounts, other.notes").fetchall() == [("ada", "x")]


def test_a_reader_cannot_write(start):
    files = start()
    with files.read("bank") as db, pytest.raises(duckdb.InvalidInputException, match="read-only"):
        db.execute("INSERT INTO bank.accounts VALUES ('eve', 1)")


def test_a_reader_keeps_its_generation_while_newer_ones_appear(start):
    files = start()
    files.commit("bank", deposit("ada", 1))
    with files.read("bank") as db:
        for _ in range(3):
            files.commit("bank", deposit("ada", 1))
            assert balances(files)["ada"] > 1
        assert db.execute("SELECT balance FROM bank.accounts").fetchone() == (1,)


def test_within_the_staleness_window_nothing_is_asked(start, store):
    clock = FixedClock(START)
    counting = CountingStore(store)
    files, writer = start(counting, clock=clock, max_stale_seconds=1.0), start()
    writer.commit("bank", deposit("ada", 1))
    writer.commit("bank", deposit("ada", 1))
    balances(files)
    counting.calls.clear()
    writer.commit("bank", deposit("ada", 1))
    assert balances(files) == {"ada": 2}
    assert counting.calls == []
    clock.sleep(1.0)
    assert balances(files) == {"ada": 3}
    assert [verb for verb, _, _ in counting.calls] == ["read"]  # the head, with the log in it


def test_a_session_is_never_answered_from_before_what_it_has_seen(start):
    one = start(max_stale_seconds=60.0)
    two = start(max_stale_seconds=60.0)
    balances(two)
    with one.session() as session:
        one.commit("bank", deposit("ada", 1))
        assert balances(one) == {"ada": 1}
    assert session.made == {"bank": 2}
    assert balances(two) == {}
    with two.session(session.made):
        assert balances(two) == {"ada": 1}


def test_a_session_that_has_seen_what_does_not_exist_reads_the_newest(start):
    files, writer = start(max_stale_seconds=60.0), start()
    balances(files)
    writer.commit("bank", deposit("ada", 1))
    with files.session({"bank": 10**12, "nowhere": 5}):
        assert balances(files) == {"ada": 1}


def test_times_read_as_utc(start):
    with start().read("bank") as db:
        assert db.execute("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)


@pytest.mark.slow
def test_many_threads_read_while_others_write(start):
    files = start(clock=SystemClock())
    files.migrate("bank")
    errors, done = [], threading.Event()

    def read():
        last = 0
        while not done.is_set():
            seen = sum(balances(files).values())
            if seen < last:
                errors.append((last, seen))
            last = seen

    readers = [threading.Thread(target=read) for _ in range(8)]
    for reader in readers:
        reader.start()
    for _ in range(60):
        files.commit("bank", deposit("ada", 1))
    done.set()
    for reader in readers:
        reader.join()
    assert errors == []
    assert balances(files) == {"ada": 60}


class TestLocalCache:
    def snapshots(self, folder):
        return sorted(folder.glob("snapshots/*/*.duckdb"))

    def test_is_used_by_the_next_process(self, start, store, tmp_path):
        files = start(folder=tmp_path)
        files.migrate("bank")
        files.commit("bank", deposit("ada", 1))
        counting = CountingStore(store)
        assert balances(start(counting, folder=tmp_path)) == {"ada": 1}
        assert [key.rsplit(".", 1)[1] for _, key, _ in counting.calls] == ["json", "wal"]

    @pytest.mark.parametrize("damage", [b"", b"not a database", None], ids=["cut", "other bytes", "one byte"])
    def test_what_is_damaged_is_fetched_again(self, start, tmp_path, damage):
        start(folder=tmp_path).commit("bank", deposit("ada", 1))
        (snapshot,) = self.snapshots(tmp_path)
        body = bytearray(snapshot.read_bytes())
        body[len(body) // 2] ^= 1
        snapshot.write_bytes(bytes(body) if damage is None else damage)
        assert balances(start(folder=tmp_path)) == {"ada": 1}

    def test_what_is_damaged_while_in_use_is_fetched_again(self, start, tmp_path):
        files = start(folder=tmp_path)
        files.commit("bank", deposit("ada", 1))
        assert balances(files) == {"ada": 1}
        (snapshot,) = self.snapshots(tmp_path)
        snapshot.unlink()
        snapshot.write_bytes(b"x")
        start().commit("bank", deposit("ada", 1))
        assert balances(files) == {"ada": 2}
        assert files.commit("bank", deposit("ada", 1)) == 3

    def test_what_is_damaged_in_the_store_is_told(self, start, store):
        start().commit("bank", deposit("ada", 1))
        head = Head.decode("head", store.read("state/bank/head.json").body)
        store.write(head.snapshot.key, b"rotten", expect=ANYTHING)
        with pytest.raises(StateDamaged, match=head.snapshot.key):
            balances(start())
        with pytest.raises(StateDamaged, match=head.snapshot.key):
            start().commit("bank", deposit("ada", 1))

    def test_keeps_to_its_limit(self, start, tmp_path):
        files = start(folder=tmp_path, cache_limit_bytes=1)
        files.migrate()
        assert len(self.snapshots(tmp_path)) == 1  # the last one used; and all can still be read
        with files.read("bank", "other") as db:
            assert db.execute("SELECT count(*) FROM bank.accounts, other.notes").fetchone() == (0,)
        files.commit("bank", deposit("ada", 1))
        assert balances(files) == {"ada": 1}

    def test_what_a_killed_process_left_is_swept(self, start, tmp_path):
        files = start(folder=tmp_path)
        files.commit("bank", deposit("ada", 1))
        alive = files._cache.work
        dead = tmp_path / "work" / "dead"
        dead.mkdir()
        (dead / "w1.duckdb").write_bytes(b"x")
        (tmp_path / "work" / "dead.lock").touch()
        balances(start(folder=tmp_path))
        assert not dead.exists()
        assert alive.exists()
        assert files.commit("bank", deposit("ada", 1)) == 2

    def test_leaves_nothing_of_its_own_behind(self, start, tmp_path):
        files = start(folder=tmp_path)
        files.commit("bank", deposit("ada", 1))
        balances(files)
        files.close()
        assert [path for path in (tmp_path / "work").iterdir() if path.is_dir()] == []
        assert balances(files) == {"ada": 1}  # and opens again when it is needed

    def test_attached_generations_take_no_names_on_disk(self, start, tmp_path):
        files = start(folder=tmp_path)
        for _ in range(5):
            files.commit("bank", deposit("ada", 1))
            balances(files)
        assert list(files._cache.work.glob("r*")) == []


def test_a_store_that_does_not_answer_is_told_as_unavailable(start, store):
    class Silent:
        def __getattr__(self, verb):
            def fail(*args, **kwargs):
                raise UnavailableError("silent")

            return fail

    with pytest.raises(UnavailableError):
        balances(start(Silent()))


def test_the_head_is_not_fetched_again_while_it_stands(start, store):
    start().commit("bank", deposit("ada", 1))
    blob = store.read("state/bank/head.json")
    assert isinstance(store.read_if_changed("state/bank/head.json", blob.version), NotModified)
