"""Leases: one at a time, named in the error, given back, and of nobody where they are damaged or written by a wrong clock."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest

from agnes.kernel import leases
from agnes.kernel.clock import FixedClock
from agnes.kernel.errors import ConflictError, UnavailableError
from agnes.kernel.leases import HeldBy, Lease
from agnes.kernel.ports import ANYTHING, Blob
from agnes.kernel.state import CURRENT_ACTOR, Actor
from agnes.outside.object_store.memory import MemoryStore

KEY = "leases/work.json"
NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)


class Busy(ConflictError):
    code = "busy"

    def __init__(self, held: HeldBy) -> None:
        super().__init__(f"the work is done already ({held.text})", hint="Wait for it.")


class ForgetfulStore(MemoryStore):
    """Its writes happen, and nobody is told."""

    def write(self, *args, **kwargs):
        super().write(*args, **kwargs)
        raise UnavailableError("no answer", hint="Try again.")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


def held(store: MemoryStore, clock: FixedClock, **given):
    return leases.held(store, KEY, clock, seconds=20, longest=timedelta(seconds=120), busy=Busy, **given)


def test_the_second_is_refused_with_the_holder_and_the_end(clock, caplog):
    store = MemoryStore()
    token = CURRENT_ACTOR.set(Actor(email="ada@example.com", request_id="r-1"))
    try:
        with held(store, clock), caplog.at_level(logging.INFO), pytest.raises(Busy) as refused, held(store, clock):
            pass
    finally:
        CURRENT_ACTOR.reset(token)
    said = "held by ada@example.com (request r-1), and ends at 09:00:20 UTC if that dies"
    assert said in refused.value.message
    assert said in caplog.text


def test_it_is_free_again_at_the_end_and_after_a_death(clock):
    store = MemoryStore()
    with held(store, clock):
        pass
    with held(store, clock):
        pass
    dead = held(store, clock)
    dead.__enter__()
    with pytest.raises(Busy):
        held(store, clock).__enter__()
    clock.sleep(21)
    with held(store, clock):
        pass
    assert dead is not None  # kept until here: what is collected gives its lease back


def test_long_work_keeps_it(clock):
    store = MemoryStore()
    with held(store, clock) as lease:
        for _ in range(5):
            clock.sleep(12)
            lease.keep()
        with pytest.raises(Busy):
            held(store, clock).__enter__()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"owner": "x"}',
        b'{"owner": "x", "expires": "2026-11-30T09:00:10"}',
        b'{"owner": "x", "expires": "2027-11-30T09:00:10+00:00"}',
        b'{"owner": 3, "expires": "2026-11-30T09:00:10+00:00"}',
    ],
)
def test_what_is_damaged_or_of_a_wrong_clock_holds_nobody_up(clock, body):
    store = MemoryStore()
    store.write(KEY, body, expect=ANYTHING, content_type="application/json")
    with held(store, clock):
        pass


@pytest.mark.parametrize("name", ["until", "expires"])
def test_leases_of_the_release_before_are_respected(clock, name):
    store = MemoryStore()
    body = f'{{"owner": "x", "{name}": "2026-11-30T09:00:10+00:00"}}'.encode()
    store.write(KEY, body, expect=ANYTHING, content_type="application/json")
    with pytest.raises(Busy) as refused:
        held(store, clock).__enter__()
    assert leases.SOMEBODY in refused.value.message


def test_whoever_loses_the_swap_is_told_who_won(clock):
    store = MemoryStore()
    mine, other = (Lease(store, KEY, clock, seconds=20, longest=timedelta(seconds=120), busy=Busy) for _ in range(2))
    mine.take()
    store.write(KEY, b"{}", expect=ANYTHING, content_type="application/json")
    other.take()
    with pytest.raises(Busy) as refused:
        mine.take()
    assert "held by system" in refused.value.message
    mine.give_back()  # is not the other's
    found = store.read(KEY)
    assert isinstance(found, Blob)
    with pytest.raises(Busy):
        held(store, clock).__enter__()


def test_work_goes_on_where_nobody_knows_only_if_it_may(clock):
    store = ForgetfulStore()
    with pytest.raises(UnavailableError):
        held(store, clock).__enter__()
    done = False
    with held(ForgetfulStore(), clock, goes_on_unknown=True):
        done = True
    assert done
