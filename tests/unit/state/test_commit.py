"""What a commit promises to the one who asked for it."""

import threading

import duckdb
import pytest

from agnes.kernel.clock import SystemClock
from agnes.kernel.ports import OutcomeUnknown
from agnes.kernel.state import CURRENT_ACTOR, Actor, Change
from agnes.state.group import Reentered
from agnes.state.head import Head, UnknownStateFile
from agnes.state.publish import Publisher
from tests.builders.patience import PATIENCE_SECONDS
from tests.unit.state.bank import CountingStore, balances, deposit, nothing

pytestmark = pytest.mark.slow


def test_returns_the_value_of_the_change_and_everybody_reads_it(start):
    files, others = start(), start()
    assert files.commit("bank", deposit("ada", 5)) == 5
    assert files.commit("bank", deposit("ada", 2)) == 7
    assert balances(files) == balances(others) == {"ada": 7}


def test_an_error_of_the_change_is_raised_and_nothing_is_published(start):
    files = start()
    files.commit("bank", deposit("ada", 5))

    def overdraw(tx):
        deposit("bob", 1)(tx)
        tx.db.execute("UPDATE bank.accounts SET balance = balance - 9 WHERE name = 'ada'")

    before = files.generation("bank")
    with pytest.raises(duckdb.ConstraintException):
        files.commit("bank", overdraw)
    assert files.generation("bank") == before
    assert balances(files) == {"ada": 5}
    assert files.commit("bank", deposit("ada", 1)) == 6


def test_a_change_that_changes_nothing_publishes_nothing(start):
    files = start()
    files.commit("bank", deposit("ada", 5))
    before = files.generation("bank")
    with files.session() as session:
        assert files.commit("bank", nothing) == 1
    assert files.generation("bank") == before
    assert session.made == {}


def test_records_who_did_what_in_the_same_transaction(start):
    files = start()

    def change(tx):
        deposit("ada", 5)(tx)
        tx.record(Change("bank.deposit", "account:ada", {"amount": 5}, before={"balance": 0}))

    files.commit("bank", change, actor=Actor("u1", "ada@example.com", "web", "192.0.2.1", "r1"))
    token = CURRENT_ACTOR.set(Actor("u2"))
    files.commit("bank", change)
    CURRENT_ACTOR.reset(token)

    def failing(tx):
        change(tx)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        files.commit("bank", failing)
    with files.read("bank") as db:
        rows = db.execute(
            "SELECT user_id, email, action, resource, params->>'amount', before->>'balance', result, client_ip,"
            ' client_kind, request_id, epoch("at")::BIGINT FROM bank.audit ORDER BY user_id'
        ).fetchall()
    at = int(files.clock.now().timestamp())
    assert rows == [
        ("u1", "ada@example.com", "bank.deposit", "account:ada", "5", "0", "ok", "192.0.2.1", "web", "r1", at),
        ("u2", "", "bank.deposit", "account:ada", "5", "0", "ok", "", "system", "", at),
    ]


@pytest.mark.parametrize(("tail_generations", "writes"), [(32, 1), (0, 2)], ids=["log in the head", "logs stored"])
def test_one_read_and_one_write_a_commit_and_one_question_a_read(start, store, tail_generations, writes):
    counting = CountingStore(store)
    files = start(counting, tail_generations=tail_generations)
    for n in range(3):
        files.commit("bank", deposit("ada", n))
    balances(files)
    counting.calls.clear()
    files.commit("bank", deposit("ada", 1))
    assert counting.count("write") == writes
    assert counting.count("read") == 1  # whether the head has moved
    assert len(counting.calls) == writes + 1
    counting.calls.clear()
    balances(files)
    balances(files)
    assert [key for _, key, _ in counting.calls] == ["state/bank/head.json"] * 2


def test_a_large_insert_that_bypasses_the_log_is_published_whole(start):
    files, others = start(), start()
    files.commit("bank", deposit("ada", 5))

    def bulk(tx):
        tx.db.execute("INSERT INTO bank.accounts SELECT 'a' || range, range FROM range(300000)")

    files.commit("bank", bulk)
    assert files.history("bank")[0]["kind"] == "snapshot"
    files.commit("bank", deposit("ada", 1))
    assert files.history("bank")[0]["kind"] == "log"
    with others.read("bank") as db:
        assert db.execute("SELECT count(*), sum(balance) FROM bank.accounts").fetchone() == (300001, 44999850006)


def test_a_large_insert_that_was_rolled_back_leaves_nothing(start):
    files, others = start(), start()
    files.commit("bank", deposit("ada", 5))

    def bulk(tx):
        tx.db.execute("INSERT INTO bank.accounts SELECT 'a' || range, range FROM range(300000)")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        files.commit("bank", bulk)
    assert files.generation("bank") == 1
    files.commit("bank", deposit("ada", 1))
    assert balances(others) == {"ada": 6}


def test_a_writer_that_finds_a_newer_generation_starts_from_it(start):
    one, two = start(), start()
    for n in range(1, 6):
        assert one.commit("bank", deposit("ada", 1)) == 2 * n - 1
        assert two.commit("bank", deposit("ada", 1)) == 2 * n


def test_a_swap_lost_in_between_runs_the_change_again(start, store):
    one, two = start(), start()
    one.commit("bank", deposit("ada", 1))
    runs = []

    def change(tx):
        if not runs:
            two.commit("bank", deposit("ada", 10))
        runs.append(tx)
        return deposit("ada", 100)(tx)

    assert one.commit("bank", change) == 111
    assert len(runs) == 2
    assert balances(two) == {"ada": 111}


def test_the_log_is_folded_when_it_has_cost_as_much_as_a_snapshot(start):
    class Impatient(Publisher):
        def _is_time_to_fold(self, head, log_bytes):
            return head.log is not None and head.log.commits >= 2

    files, others = start(publisher=Impatient), start()
    for _ in range(7):
        files.commit("bank", deposit("ada", 1))
        assert balances(others) == balances(files)
    kinds = [line["kind"] for line in files.history("bank")]
    assert kinds == ["log", "snapshot", "log", "log", "snapshot", "log", "log", "snapshot"][1:]


def test_the_head_tells_what_the_design_says(start, store):
    files = start()
    for _ in range(3):
        files.commit("bank", deposit("ada", 1))
    head = Head.decode("head", store.read("state/bank/head.json").body)
    assert head.generation == 3
    assert head.schema == {"common": 2, "common.writers": 1, "bank": 1}
    assert head.snapshot.generation == 1
    assert (head.log.commits, head.log.size) == (2, len(store.read(head.log.key).body))
    assert head.log.size + len(head.log.tail) == head.history[-1].size
    assert [line.generation for line in head.history] == [1, 2, 3]


def test_a_change_may_not_commit_to_its_own_file_but_may_read_and_commit_elsewhere(start):
    files = start()

    def elsewhere(tx):
        with files.read("other") as db:
            db.execute("SELECT * FROM other.notes").fetchall()
        files.commit("other", lambda tx: tx.db.execute("INSERT INTO other.notes VALUES ('x')").fetchall())
        return deposit("ada", 1)(tx)

    assert files.commit("bank", elsewhere) == 1
    with pytest.raises(Reentered):
        files.commit("bank", lambda tx: files.commit("bank", nothing))
    assert files.commit("bank", deposit("ada", 1)) == 2


def test_an_unknown_file_is_refused(start):
    with pytest.raises(UnknownStateFile):
        start().commit("nowhere", nothing)
    with pytest.raises(UnknownStateFile), start().read("nowhere"):
        pass
    for name in ("main", "Bank", "a-b", "a.b", "", "x" * 40):
        with pytest.raises(UnknownStateFile):
            start(migrations={name: ()})


def test_duckdb_giving_up_costs_one_change_and_not_the_process(start):
    files = start()
    files.commit("bank", deposit("ada", 1))

    def fatal(tx):
        raise duckdb.FatalException("the database has been invalidated")

    with pytest.raises(duckdb.FatalException):
        files.commit("bank", fatal)
    assert files.commit("bank", deposit("ada", 1)) == 2
    assert balances(files) == {"ada": 2}


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("SELECT * FROM read_csv('/etc/passwd')", id="read a file"),
        pytest.param("COPY (SELECT 1) TO '/tmp/agnes-must-not-exist.csv'", id="write a file"),
        pytest.param("ATTACH '/tmp/agnes-must-not-exist.duckdb' AS evil", id="attach a file"),
        pytest.param("INSTALL httpfs", id="install an extension"),
        pytest.param("SET GLOBAL enable_external_access = true", id="open the doors again"),
        pytest.param("SET GLOBAL allowed_directories = ['/']", id="widen the doors"),
    ],
)
def test_sql_reaches_nothing_but_the_state(start, sql):
    files = start()
    with files.read("bank") as db, pytest.raises(duckdb.Error):
        db.execute(sql).fetchall()
    with pytest.raises(duckdb.Error):
        files.commit("bank", lambda tx: tx.db.execute(sql).fetchall())


class TestGroup:
    """Writers of one process that wait for one another."""

    def test_each_gets_its_own_result_and_few_generations_are_made(self, start):
        files = start(clock=SystemClock())
        files.migrate("bank")
        results = in_threads(16, lambda n: [files.commit("bank", deposit(f"a{n}", 1)) for _ in range(5)])
        assert results == [[1, 2, 3, 4, 5]] * 16
        assert balances(start()) == {f"a{n}": 5 for n in range(16)}
        assert files.generation("bank") < 1 + 80

    def test_a_failing_change_spoils_no_other(self, start):
        files = start(clock=SystemClock())
        files.commit("bank", deposit("ada", 1))

        def act(n):
            def change(tx):
                deposit(f"a{n}", 1)(tx)
                if n % 3 == 0:
                    raise ValueError(n)
                if n % 3 == 1:
                    tx.db.execute("COMMIT")  # not its business: what it did must not become known

            files.commit("bank", change)

        results = in_threads(12, act)
        assert [type(result) for result in results] == [ValueError, duckdb.TransactionException, type(None)] * 4
        assert balances(start()) == {"ada": 1} | {f"a{n}": 1 for n in range(12) if n % 3 == 2}

    def test_the_changes_run_in_the_context_of_those_who_asked(self, start):
        files = start(clock=SystemClock())

        def act(n):
            CURRENT_ACTOR.set(Actor(f"u{n}"))
            return files.commit("bank", lambda tx: (deposit(f"a{n}", 1)(tx), CURRENT_ACTOR.get().user_id)[1])

        assert in_threads(8, act) == [f"u{n}" for n in range(8)]

    def test_an_interrupt_ends_its_thread_and_leaves_the_file_usable(self, start):
        files = start(clock=SystemClock())
        files.commit("bank", deposit("ada", 1))

        def interrupted(tx):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            files.commit("bank", interrupted)
        assert files.commit("bank", deposit("ada", 1)) == 2


def test_the_others_of_an_interrupted_group_hear_that_nobody_knows(start):
    files = start(clock=SystemClock())
    files.commit("bank", deposit("ada", 1))
    running, go = threading.Event(), threading.Event()

    def first(tx):
        running.set()
        go.wait(PATIENCE_SECONDS)
        return deposit("ada", 1)(tx)

    def interrupted(tx):
        raise KeyboardInterrupt

    def act(n):
        if n == 0:
            return files.commit("bank", first)
        running.wait(PATIENCE_SECONDS)
        if n == 1:
            threading.Timer(0.2, go.set).start()
        return files.commit("bank", interrupted if n == 1 else deposit("bob", 1))

    results = in_threads(3, act)
    assert results[0] == 2
    kinds = {type(results[1]), type(results[2])}
    # Whichever of the two leads the group: the interrupt is raised in the leader, the other hears of it.
    assert OutcomeUnknown in kinds or kinds == {KeyboardInterrupt, int}
    assert files.commit("bank", deposit("ada", 1)) == 3


def in_threads(count, act):
    """Results (or errors) of act(0) … act(count - 1), all at once."""
    results = [None] * count
    ready = threading.Barrier(count)

    def run(n):
        ready.wait()
        try:
            results[n] = act(n)
        except BaseException as error:
            results[n] = error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
