"""Forms of the head: earlier ones stay readable and stay as they are until they are renewed; later ones are refused."""

import json

import pytest

from agnes.kernel.ports import ANYTHING
from agnes.state.head import HeadTooNew
from tests.simulation.mutants import OfTheReleaseBefore
from tests.unit.state.bank import balances, deposit

pytestmark = pytest.mark.slow

HEAD = "state/bank/head.json"


def head(store) -> dict:
    return json.loads(store.read(HEAD).body)


@pytest.fixture
def older(start):
    files = start(publisher=OfTheReleaseBefore)
    for _ in range(3):
        files.commit("bank", deposit("ada", 1))
    return files


def test_form_1_is_what_the_release_before_wrote(older, store):
    written = head(store)
    assert list(written) == ["generation", "nonce", "schema", "snapshot", "log", "history"]
    assert list(written["log"]) == ["key", "sha256", "size", "commits", "shipped"]
    assert [len(line) for line in written["history"]] == [7, 6, 6]
    assert written["history"][-1][3:] == [written["log"]["sha256"], written["log"]["size"], 1]


def test_a_head_keeps_its_form_while_releases_meet(older, start, store):
    newer = start()
    for n in range(3):
        assert newer.commit("bank", deposit("ada", 1)) == 4 + 2 * n
        assert older.commit("bank", deposit("ada", 1)) == 5 + 2 * n
    assert "form" not in head(store)
    assert balances(newer) == balances(older) == {"ada": 9}


def test_a_renewed_head_is_one_that_the_release_before_refuses(older, start, store):
    newer = start()
    assert newer.renew() == ["bank"]
    assert newer.renew() == []
    renewed = head(store)
    assert renewed["form"] == 2
    assert "history" not in renewed  # which the release before asks for first of all
    newer.commit("bank", deposit("ada", 1))
    assert balances(start()) == {"ada": 4}
    for generation, there in ((1, 1), (2, 2), (3, 3), (4, 3), (5, 4)):
        with newer.inspect("bank", generation) as db:
            assert db.execute("SELECT balance FROM bank.accounts").fetchone() == (there,)


def test_a_new_file_has_the_newest_form(start, store):
    start().commit("bank", deposit("ada", 1))
    assert head(store)["form"] == 2


def test_a_form_of_a_later_release_is_unavailable_and_no_damage(older, start, store):
    store.write(HEAD, json.dumps(head(store) | {"form": 3}).encode(), expect=ANYTHING)
    with pytest.raises(HeadTooNew, match="form 3"):
        balances(start())
    with pytest.raises(HeadTooNew):
        start().commit("bank", deposit("ada", 1))


def test_pruning_keeps_the_stored_beginning_of_the_newest_log(start, store):
    files = start(tail_generations=4)
    for _ in range(9):  # generations 2 and 7 are stored, 3 to 6 and 8 on are in the head
        files.commit("bank", deposit("ada", 1))
    files.prune("bank", keep_generations=1, keep_seconds=-1)
    assert balances(start()) == {"ada": 9}
    with start().inspect("bank", 9) as db:
        assert db.execute("SELECT balance FROM bank.accounts").fetchone() == (9,)
