"""Changes of one generation run in one transaction, and each has the outcome that it has in one of its own."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import duckdb
import pytest

from agnes.kernel.errors import ConflictError
from agnes.state.publish import Round
from agnes.state.requests import Request
from tests.unit.state.bank import balances, deposit, state_files

pytestmark = pytest.mark.slow

Change = Callable[[Any], Any]


class Refused(ConflictError):
    code = "refused"

    def __init__(self) -> None:
        super().__init__("the change says no")


def make(files, changes: list[Change]) -> list[Request]:
    """One generation of these changes, as a leader makes it."""
    opened = files._opened("bank")
    requests = [Request(lambda db, change=change: change(_Tx(db))) for change in changes]
    opened.group._contender._publisher.make(opened.pointer.refresh(), Round(requests))
    return requests


class _Tx:
    def __init__(self, db: Any) -> None:
        self.db = db


def remove(name: str) -> Change:
    def change(tx: Any) -> int:
        return tx.db.execute("DELETE FROM bank.accounts WHERE name = ?", [name]).fetchone()[0]

    return change


def add(name: str) -> Change:
    """Fails where there is one."""

    def change(tx: Any) -> str:
        tx.db.execute("INSERT INTO bank.accounts (name, balance) VALUES (?, 1)", [name])
        return name

    return change


def refuse_after(name: str, amount: int) -> Change:
    """Writes, and then fails: nothing of it may stay."""

    def change(tx: Any) -> None:
        deposit(name, amount)(tx)
        raise Refused

    return change


def overdraw(name: str) -> Change:
    def change(tx: Any) -> None:
        tx.db.execute("UPDATE bank.accounts SET balance = balance - 1000000 WHERE name = ?", [name])

    return change


def outcome(request: Request) -> tuple[Any, str]:
    return request.value, type(request.error).__name__ if request.error else ""


@pytest.mark.parametrize("seed", range(12))
def test_any_changes_have_the_outcomes_that_they_have_one_by_one(start, tmp_path, seed):
    rng = random.Random(seed)
    names = ("ada", "bob", "eve")

    def some() -> Change:
        name = rng.choice(names)
        kinds = [deposit(name, rng.randint(1, 9)), add(name), remove(name), refuse_after(name, 5), overdraw(name)]
        return rng.choices(kinds, weights=(8, 3, 2, rng.choice((0, 2)), rng.choice((0, 1))))[0]

    changes = [some() for _ in range(rng.randint(2, 40))]
    together, apart = start(), start(store=type(start().store)())
    for files in (together, apart):
        files.commit("bank", deposit("ada", 5))
    made = make(together, changes)
    one_by_one = [request for change in changes for request in make(apart, [change])]
    assert [outcome(request) for request in made] == [outcome(request) for request in one_by_one]
    assert balances(together) == balances(apart)
    assert balances(state_files(together.store, tmp_path / "cold")) == balances(apart), "the log says the same"


def test_what_is_removed_and_added_again_in_one_generation_is_there(start):
    """DuckDB refuses a key that was deleted in the same transaction, now and then: that is nobody's error."""
    files = start()
    files.commit("bank", deposit("ada", 5))
    made = make(files, [remove("ada"), add("ada"), deposit("ada", 1), remove("bob"), add("bob")])
    assert [outcome(request) for request in made] == [(1, ""), ("ada", ""), (2, ""), (0, ""), ("bob", "")]
    assert balances(files) == {"ada": 2, "bob": 1}


def test_one_that_fails_is_run_twice_and_stops_nobody(start):
    files, runs = start(), []
    files.commit("bank", deposit("ada", 5))

    def counted(name: str, change: Change) -> Change:
        def run(tx: Any) -> Any:
            runs.append(name)
            return change(tx)

        return run

    kinds = [deposit("ada", 1), deposit("ada", 1), refuse_after("ada", 100), deposit("ada", 1), deposit("ada", 1)]
    made = make(files, [counted(str(n), change) for n, change in enumerate(kinds)])
    assert [outcome(request) for request in made] == [(6, ""), (7, ""), (None, "Refused"), (8, ""), (9, "")]
    assert runs == ["0", "1", "2", "0", "1", "2", "3", "4"]


def test_a_change_that_makes_duckdb_give_up_is_alone_with_it(start, tmp_path):
    files = start()
    files.commit("bank", deposit("ada", 5))

    def give_up(tx: Any) -> None:
        raise duckdb.FatalException("it gave up")

    made = make(files, [deposit("ada", 1), give_up, deposit("ada", 1)])
    assert [outcome(request) for request in made] == [(6, ""), (None, "FatalException"), (7, "")]
    assert balances(state_files(files.store, tmp_path / "cold")) == {"ada": 7}


def test_an_interruption_ends_all_of_them(start):
    files = start()
    files.commit("bank", deposit("ada", 5))

    def interrupted(tx: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(files, [deposit("ada", 1), interrupted, deposit("ada", 1)])
    assert balances(files) == {"ada": 5}


def test_the_log_of_a_crowd_is_short(start):
    together, apart = start(), start(store=type(start().store)())
    sizes = []
    for files, rounds in ((together, 1), (apart, 60)):
        files.commit("bank", deposit("ada", 5))
        for n in range(rounds):
            make(files, [add(f"{n}-{m}") for m in range(60 // rounds)])
        head = files._opened("bank").pointer.refresh().head
        sizes.append(head.history[-1].size)
        assert len(balances(files)) == 61
    assert sizes[0] < sizes[1] / 3
