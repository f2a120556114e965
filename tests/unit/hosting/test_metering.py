"""Whose calls are counted for whom: one request, several at once, and threads that a request starts."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from agnes.kernel import metering
from agnes.kernel.metering import count, measured
from tests.builders.patience import PATIENCE_SECONDS


def test_what_a_request_asks_for_is_counted_for_it():
    with measured() as calls:
        count("gets")
        count("bytes_read", 500)
    count("gets")
    assert (calls.gets, calls.bytes_read) == (1, 500)


def test_threads_of_the_only_request_count_for_it():
    with measured() as calls, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: count("gets"), range(100)))
    assert calls.gets == 100


def test_threads_without_context_are_counted_for_nobody_while_there_are_two_requests():
    before = metering.unattributed.gets
    inside, done = threading.Event(), threading.Event()
    others: list[metering.Calls] = []

    def other() -> None:
        with measured() as calls:
            others.append(calls)
            count("puts")
            inside.set()
            done.wait(PATIENCE_SECONDS)

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait(PATIENCE_SECONDS)
    with measured() as mine:
        stray = threading.Thread(target=lambda: count("gets"))
        stray.start()
        stray.join()
        copied = threading.Thread(target=copy_context().run, args=(count, "lists"))
        copied.start()
        copied.join()
    done.set()
    thread.join()
    assert (mine.gets, mine.lists, mine.puts) == (0, 1, 0)
    assert (others[0].gets, others[0].lists, others[0].puts) == (0, 0, 1)
    assert metering.unattributed.gets == before + 1


def test_nothing_is_lost_among_threads():
    with measured() as calls, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: [count("puts") for _ in range(500)], range(8)))
    assert calls.puts == 4000


def test_what_is_measured_within_counts_for_both():
    with measured() as outer:
        count("gets")
        with measured() as inner, ThreadPoolExecutor(2) as pool:
            count("puts")
            list(pool.map(lambda _: count("lists"), range(4)))
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: count("removals"), range(3)))
    assert (inner.gets, inner.puts, inner.lists, inner.removals) == (0, 1, 4, 0)
    assert (outer.gets, outer.puts, outer.lists, outer.removals) == (1, 1, 4, 3)
