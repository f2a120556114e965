"""Commit by intent: what is left for others happens once, and its writer gets what became of it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest

from agnes.kernel.calls import Call, UnknownCall, function_of, registered
from agnes.kernel.clock import FixedClock, SystemClock
from agnes.kernel.errors import AgnesError, ConflictError
from agnes.kernel.ports import ABSENT, OutcomeUnknown
from agnes.kernel.state import Actor, Change, Tx
from agnes.state import intents
from agnes.state.intents import Intent, decode_result, encode_result
from tests.unit.state.bank import START, CountingStore, balances, deposit

pytestmark = pytest.mark.slow

ADA = Actor("u1", "ada@example.com", "web", "192.0.2.1", "r1")


class Poor(ConflictError):
    code = "poor"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} has too little", hint="Earn some.", name=name)


@registered("tests.put")
def put(tx: Tx, *, name: str, amount: int, at: datetime | None = None) -> int:
    balance = deposit(name, amount)(tx)
    if balance > 1000:
        raise Poor(name)
    tx.record(Change("bank.put", f"account:{name}", {"at": at}))
    return balance


def parts(files):
    """The contender of the file `bank`, and its publisher."""
    contender = files._opened("bank").group._contender
    return contender, contender._publisher


def lead(files):
    """Somebody leads, for as long as a lead counts."""
    contender, publisher = parts(files)
    return publisher.claim(files._opened("bank").pointer.refresh(), contender._new_lead())


def leave(files, *calls, actor=ADA) -> Intent:
    """As a process that is killed right after it."""
    _, publisher = parts(files)
    intent = Intent(files.generation("bank"), publisher.new_nonce(), tuple((call, actor) for call in calls))
    publisher.leave(intent)
    return intent


def at_once(*work) -> list:
    together, results = threading.Barrier(len(work)), [None] * len(work)

    def run(n: int) -> None:
        together.wait()
        try:
            results[n] = work[n]()
        except Exception as error:
            results[n] = error

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_who_finds_a_leader_leaves_a_call_in_a_key_and_makes_it_when_the_leader_is_gone(start, store):
    files, gone = start(), start()
    files.commit("bank", deposit("ada", 1))
    lead(gone)
    assert files.commit("bank", put(name="ada", amount=2, at=START), actor=ADA) == 3
    [left] = store.list("intents/")
    assert store.read(left.key).body == b""
    assert 0.4 <= files.clock.monotonic() <= 1
    assert files.history("bank")[0]["generation"] == 2
    assert balances(files) == {"ada": 3}
    with files.read("bank") as db:
        assert db.execute("SELECT user_id, email, client_ip, request_id, params->>'at' FROM bank.audit").fetchall() == [
            ("u1", "ada@example.com", "192.0.2.1", "r1", str(START))
        ]


def test_a_leader_carries_out_what_others_left_and_none_of_it_twice(start, store):
    files, others = start(), start()
    files.commit("bank", deposit("ada", 1))
    left = [
        leave(others, put(name="ada", amount=10)),
        leave(others, put(name="bob", amount=5), put(name="bob", amount=2000)),
    ]
    lead(others)
    assert files.commit("bank", put(name="ada", amount=100)) == 101
    for again in range(3):
        lead(others)
        assert files.commit("bank", put(name="ada", amount=1)) == 112 + again
    assert balances(start()) == {"ada": 114, "bob": 5}
    head = files._opened("bank").pointer.refresh().head
    _, publisher = parts(others)
    assert publisher.result_of(head, left[0]) == ([[111]], 2)
    ([[five], [_, family, code, *_]], generation) = publisher.result_of(head, left[1])
    assert (five, family, code, generation) == (5, "ConflictError", "poor", 2)


def test_a_crowd_of_processes_makes_few_generations_and_each_gets_its_own_result(start):
    crowd = [start(clock=SystemClock()) for _ in range(24)]
    crowd[0].commit("bank", deposit("ada", 0))
    for files in crowd:
        files.commit("bank", lambda tx: None)
    results = at_once(*[lambda f=files: f.commit("bank", put(name="ada", amount=1)) for files in crowd])
    assert sorted(results) == list(range(1, 25))
    assert crowd[0].generation("bank") < 24
    assert balances(crowd[1]) == {"ada": 24}


def test_closures_get_through_beside_a_crowd_of_calls(start):
    crowd, others = [start(clock=SystemClock()) for _ in range(6)], [start(clock=SystemClock()) for _ in range(2)]
    crowd[0].commit("bank", deposit("ada", 0))

    def calls(files):
        return [files.commit("bank", put(name="ada", amount=1)) for _ in range(15)]

    def closures(files):
        return [files.commit("bank", deposit("bob", 1)) for _ in range(5)]

    results = at_once(*[lambda f=f: calls(f) for f in crowd], *[lambda f=f: closures(f) for f in others])
    assert not [result for result in results if isinstance(result, Exception)], results
    assert balances(crowd[0]) == {"ada": 90, "bob": 10}


def test_a_change_that_takes_long_gets_through_too(start):
    """Longer than a lead counts at first, and than any gap between the generations of others."""
    crowd, other = [start(clock=SystemClock()) for _ in range(4)], start(clock=SystemClock())
    crowd[0].commit("bank", deposit("ada", 0))
    is_done = threading.Event()

    def slow(tx):
        time.sleep(0.7)
        return deposit("bob", 1)(tx)

    def calls(files):
        made = 0
        while not is_done.is_set():
            files.commit("bank", put(name="ada", amount=0))
            made += 1
        return made

    def closure():
        try:
            return other.commit("bank", slow)
        finally:
            is_done.set()

    results = at_once(closure, *[lambda f=f: calls(f) for f in crowd])
    assert results[0] == 1
    assert min(results[1:]) > 0


def test_the_error_of_a_call_arrives_as_one_of_its_family(start):
    files, gone = start(), start()
    files.commit("bank", deposit("ada", 1))
    lead(gone)
    with pytest.raises(Poor):  # its own process made it
        files.commit("bank", put(name="ada", amount=5000))
    value, error = decode_result(encode_result(None, Poor("ada")))
    assert value is None
    assert type(error) is ConflictError
    assert (error.code, error.message, error.hint, error.facts, error.status) == (
        "poor",
        "ada has too little",
        "Earn some.",
        {"name": "ada"},
        409,
    )
    _, fault = decode_result(encode_result(None, KeyError("x")))
    assert isinstance(fault, AgnesError)
    assert fault.status == 500
    _, too_long = decode_result(encode_result("x" * 5000, None))
    assert "too long" in too_long.message


def test_what_is_older_than_the_results_in_the_head_is_never_carried_out(start, store):
    files, others = start(), start()
    files.commit("bank", deposit("ada", 1))
    late = leave(others, put(name="ada", amount=100))
    for _ in range(20):
        files.commit("bank", deposit("ada", 1))
    lead(others)
    files.commit("bank", put(name="ada", amount=1))
    assert balances(files) == {"ada": 22}
    _, publisher = parts(others)
    assert publisher.result_of(files._opened("bank").pointer.refresh().head, late) is None


def test_a_result_is_found_in_the_pages_of_the_history_too(start, store):
    files, others = start(), start()
    files.commit("bank", deposit("ada", 1))
    early = leave(others, put(name="ada", amount=100))
    lead(others)
    files.commit("bank", put(name="ada", amount=1))
    for _ in range(120):
        files.commit("bank", deposit("ada", 1))
    head = files._opened("bank").pointer.refresh().head
    assert head.history[0].generation > 2
    assert parts(others)[1].result_of(head, early) == ([[102]], 2)


def test_an_intent_that_arrives_after_its_writer_has_made_it_is_not_made_again(start, store):
    """The outcome of leaving it was unknown, and its writer became the leader before it was stored."""

    class Late(CountingStore):
        kept = None

        def write(self, key, body, **options):
            if key.startswith("intents/"):
                self.kept = key, body
                raise OutcomeUnknown(key, "injected")
            return super().write(key, body, **options)

    def UnknownOutcome(key):
        return OutcomeUnknown(key, "injected")

    late, gone = Late(store), start()
    files = start(late)
    files.commit("bank", deposit("ada", 1))
    lead(gone)
    assert files.commit("bank", put(name="ada", amount=1)) == 2
    store.write(*late.kept, expect=ABSENT)
    for _ in range(2):
        lead(gone)
        start().commit("bank", put(name="bob", amount=1))
    assert balances(files) == {"ada": 2, "bob": 2}


def test_a_call_of_a_later_release_waits_for_somebody_who_knows_it(start, store):
    files, others = start(), start()
    files.commit("bank", deposit("ada", 1))
    leave(others, Call("tests.not_here_yet", {}))
    store.write("intents/bank/000000000001-0123456789abcdef-zzzz", b"", expect=ABSENT)
    store.write("intents/bank/what", b"", expect=ABSENT)
    lead(others)
    assert files.commit("bank", put(name="ada", amount=1)) == 2
    with pytest.raises(UnknownCall):
        function_of("tests.not_here_yet")


def test_a_long_call_is_the_body_of_its_object(start, store):
    files, gone = start(), start()
    files.commit("bank", deposit("ada", 1))
    name = "".join(f"{n * 7919 % 9973:04}" for n in range(400))
    leave(gone, put(name=name, amount=1))
    lead(gone)
    files.commit("bank", put(name="ada", amount=1))
    assert balances(files) == {"ada": 2, name: 1}
    assert max(len(store.read(entry.key).body) for entry in store.list("intents/")) > 1600


def test_an_intent_is_what_it_was(store):
    call = put(name="ünï", amount=-1, at=datetime(2026, 11, 30, 12, tzinfo=UTC))
    intent = Intent(7, "0123456789abcdef", ((call, ADA), (put(name="b", amount=2, at=None), Actor())))
    key, body = intent.encode("bank")
    store.write(key, body, expect=ABSENT)
    assert intents.waiting(store, "bank", since=7, at_most=9, but=frozenset()) == [intent]
    assert intents.waiting(store, "bank", since=8, at_most=9, but=frozenset()) == []
    assert intents.waiting(store, "bank", since=0, at_most=9, but=frozenset({intent.id})) == []


def test_pruning_removes_what_nobody_will_carry_out(start, store):
    files, others = start(), start()
    files.commit("bank", deposit("ada", 1))
    leave(others, put(name="ada", amount=1))
    for _ in range(30):
        files.commit("bank", deposit("ada", 1))
    waiting = leave(others, put(name="ada", amount=1))
    files.prune("bank")
    assert [entry.key for entry in store.list("intents/")] == [waiting.encode("bank")[0]]


def test_a_leader_with_a_wrong_clock_holds_nobody_up(start):
    """A minute ahead: its lead counts for its length after it was seen first. A minute behind: for nothing."""
    for skew in (-60, 60):
        files, gone = start(), start(clock=FixedClock(START.replace(minute=30) if skew > 0 else START.replace(hour=8)))
        files.commit("bank", deposit("ada", 1))
        lead(gone)
        before = files.clock.monotonic()
        files.commit("bank", put(name="bob", amount=1))
        assert files.clock.monotonic() - before <= 1
