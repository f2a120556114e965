"""Leases: waited for while their owner lives, never for longer than they last."""

import json
from datetime import timedelta
from random import Random

import pytest

from agnes.kernel.clock import FixedClock
from agnes.kernel.ports import ANYTHING
from agnes.state.lease import CommitContended, Lease
from tests.unit.state.bank import START, CountingStore, deposit

pytestmark = pytest.mark.slow

KEY = "leases/bank.json"


def lease(store, clock, owner, **options):
    return Lease(store, "bank", owner=owner, clock=clock, rng=Random(1), seconds=10.0, **options)


def nobody():
    return None


def test_is_taken_for_one_generation(store):
    lease(store, FixedClock(START), "one").take(nobody)
    said = json.loads(store.read(KEY).body)
    assert (said["owner"], said["generation"]) == ("one", 1)
    assert said["expires"] == (START + timedelta(seconds=10)).isoformat()


def test_is_waited_for_until_it_runs_out(store):
    clock = FixedClock(START)
    lease(store, clock, "dead").take(nobody)
    lease(store, clock, "other").take(nobody)
    assert 9.5 <= clock.monotonic() <= 11
    assert json.loads(store.read(KEY).body)["owner"] == "other"


@pytest.mark.parametrize("skew", [timedelta(days=-1), timedelta(days=1)], ids=["slow clock", "fast clock"])
def test_the_clock_of_its_owner_counts_for_nothing_beyond_its_length(store, skew):
    lease(store, FixedClock(START + skew), "dead").take(nobody)
    clock = FixedClock(START)
    lease(store, clock, "other").take(nobody)
    assert clock.monotonic() <= 11


def test_given_back_it_is_free_at_once(store):
    clock = FixedClock(START)
    mine = lease(store, clock, "one")
    mine.take(nobody)
    mine.give_back(1)
    lease(store, clock, "other").take(nobody)
    assert clock.monotonic() == 0


def test_spent_by_its_generation_it_is_free_at_once(start, store):
    files, other = start(), start()
    files.commit("bank", deposit("ada", 1))
    other.commit("bank", deposit("ada", 1))
    assert other.clock.monotonic() == 0


def test_a_warm_owner_takes_it_again_with_one_write(store):
    counting = CountingStore(store)
    mine = lease(counting, FixedClock(START), "one")
    mine.take(nobody)
    counting.calls.clear()
    mine.take(nobody)
    assert counting.calls == [("write", KEY, counting.calls[0][2])]


def test_patience_ends(store):
    clock = FixedClock(START)
    others = lease(store, clock, "others")
    waiting = lease(store, clock, "waiting", patience_seconds=5.0)

    def renewed():
        others.take(nobody)
        return

    with pytest.raises(CommitContended, match="bank was not changed"):
        waiting.take(renewed)
    assert 5 <= clock.monotonic() <= 6


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"owner": "x", "generation": "y"}'])
def test_what_is_no_lease_is_respected_by_nobody(store, body):
    clock = FixedClock(START)
    store.write(KEY, body, expect=ANYTHING)
    lease(store, clock, "one").take(nobody)
    assert clock.monotonic() == 0
