from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta

import pytest

from agnes.accounts import limits
from agnes.accounts.limits import TooManyAttempts
from agnes.kernel.ports import OutcomeUnknown
from agnes.outside.object_store.memory import MemoryStore

NOON = datetime(2026, 11, 23, 12, 0, 20, tzinfo=UTC)


class CountingStore(MemoryStore):
    calls = 0

    def read(self, key):
        self.calls += 1
        return super().read(key)

    def write(self, key, body, **kwargs):
        self.calls += 1
        return super().write(key, body, **kwargs)


class SharedStore:
    """The same bytes seen by another process: nothing of what this one remembers."""

    def __init__(self, store):
        self.read, self.write, self.list = store.read, store.write, store.list


class DeafStore(MemoryStore):
    """Stores what it is sent, and loses every second answer."""

    written = 0

    def write(self, key, body, **kwargs):
        version = super().write(key, body, **kwargs)
        self.written += 1
        if self.written % 2:
            raise OutcomeUnknown(key, "the answer was lost")
        return version


def attempts(store, count, *, ip="203.0.113.7", now=NOON):
    for _ in range(count):
        limits.count_address(store, "login", ip, limit=10, now=now)


def test_an_address_has_ten_attempts_a_minute():
    store = MemoryStore()
    attempts(store, 10)
    with pytest.raises(TooManyAttempts) as refused:
        attempts(store, 1)
    assert refused.value.retry_after_seconds == 40
    attempts(store, 10, ip="203.0.113.8")
    attempts(store, 10, now=NOON + timedelta(seconds=40))


def test_successes_do_not_use_up_the_attempts():
    store = MemoryStore()
    for _ in range(12):
        attempts(store, 1)
        limits.forgive_address(store, "login", "203.0.113.7", now=NOON)
    attempts(store, 10)
    with pytest.raises(TooManyAttempts):
        attempts(store, 1)


def test_successes_that_nobody_counted_make_no_room():
    store = MemoryStore()
    for _ in range(5):
        limits.forgive_address(store, "login", "203.0.113.7", now=NOON)
    attempts(store, 10)
    with pytest.raises(TooManyAttempts):
        attempts(store, 1)


def test_processes_count_together():
    store = MemoryStore()
    workers = [SharedStore(store) for _ in range(3)]
    for number in range(10):
        attempts(workers[number % 3], 1)
    for worker in workers:
        with pytest.raises(TooManyAttempts):
            attempts(worker, 1)


def test_a_new_address_of_the_same_ipv6_network_is_the_same_guest():
    store = MemoryStore()
    for last in range(10):
        attempts(store, 1, ip=f"2001:db8:1:2::{last:x}")
    with pytest.raises(TooManyAttempts):
        attempts(store, 1, ip="2001:db8:1:2:ffff::1")
    attempts(store, 1, ip="2001:db8:1:3::1")


@pytest.mark.parametrize("ip", ["", "garbage/../x", "203.0.113.7, 10.0.0.1"])
def test_an_address_that_is_none_is_counted_as_unknown(ip):
    store = MemoryStore()
    attempts(store, 10, ip=ip)
    with pytest.raises(TooManyAttempts):
        attempts(store, 1, ip="also garbage")


def test_parallel_attempts_are_all_counted():
    store = MemoryStore()
    passed, lock = [], threading.Lock()

    def attack():
        for _ in range(5):
            try:
                attempts(SharedStore(store), 1)
            except TooManyAttempts:
                continue
            with lock:
                passed.append(1)

    threads = [threading.Thread(target=attack) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < len(passed) <= 10


def test_a_lost_answer_counts_once_or_twice_but_never_zero_times():
    store = DeafStore()
    attempts(store, 5)
    with pytest.raises(TooManyAttempts):
        attempts(store, 6)


def test_an_attempt_costs_three_calls_of_the_store_and_a_refused_one_none():
    store = CountingStore()

    def attempt(email="ada@example.com"):
        before = store.calls
        limits.count_address(store, "login", "203.0.113.7", limit=4, now=NOON)
        limits.count_account(store, email, now=NOON)
        return store.calls - before

    assert [attempt() for _ in range(4)] == [3, 3, 3, 3]
    before = store.calls
    with pytest.raises(TooManyAttempts):
        attempt()
    assert store.calls == before


def test_an_account_locks_after_five_failures_for_longer_and_longer():
    store, now, waits = MemoryStore(), NOON, []

    def fail():
        limits.count_account(store, "ada@example.com", now=now)

    for _ in range(5):
        fail()
    for _ in range(8):
        with pytest.raises(TooManyAttempts) as refused:
            fail()
        waits.append(refused.value.retry_after_seconds)
        now += timedelta(seconds=waits[-1])
        fail()
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]


def test_attempts_while_locked_do_not_prolong_the_lock():
    store = MemoryStore()
    for _ in range(5):
        limits.count_account(store, "ada@example.com", now=NOON)
    for seconds in range(29):
        with pytest.raises(TooManyAttempts):
            limits.count_account(store, "ada@example.com", now=NOON + timedelta(seconds=seconds))
    limits.count_account(store, "ada@example.com", now=NOON + timedelta(seconds=30))


def test_a_login_forgives_what_came_before():
    store = MemoryStore()
    for _ in range(4):
        limits.count_account(store, "ada@example.com", now=NOON)
    later = NOON + timedelta(seconds=1)
    limits.forgive_account(store, "ada@example.com", now=NOON)
    for _ in range(5):
        limits.count_account(store, "ada@example.com", now=later)
    limits.forgive_account(store, "ada@example.com", now=NOON)  # a slow sign-in that began before these failures
    with pytest.raises(TooManyAttempts):
        limits.count_account(store, "ada@example.com", now=later)


def test_hostile_addresses_make_sound_keys():
    store = MemoryStore()
    for email in ("../../etc/passwd", "\ud800", "x" * 100_000, "\u202e"):
        limits.count_account(store, email, now=NOON)
    assert len(list(store.list("limits/2026-11-23/account/"))) == 4


def test_counters_of_past_days_are_forgotten():
    store = MemoryStore()
    attempts(store, 1, now=NOON - timedelta(days=2))
    attempts(store, 1)
    assert limits.forget(store, before=date(2026, 11, 22), dry_run=True) == 1
    assert limits.forget(store, before=date(2026, 11, 22)) == 1
    assert [entry.key for entry in store.list("")] == ["limits/2026-11-23/login/203.0.113.7-1200.json"]
