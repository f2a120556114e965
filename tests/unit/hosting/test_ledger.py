"""What is kept of invocations: sums of a process that lives long, and samples of environments that may end at any time."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest

from agnes.hosting import bill, ledger
from agnes.hosting.bill import Tariff, Work
from agnes.hosting.ledger import FLUSH_SECONDS, PREFIX, UNIT_DOLLARS, SampledLedger, SummedLedger, Sums
from agnes.kernel.clock import FixedClock
from agnes.kernel.errors import UnavailableError
from agnes.kernel.metering import Calls
from agnes.kernel.ports import ANYTHING
from agnes.outside.object_store.keys import check_key
from agnes.outside.object_store.memory import MemoryStore
from tests.builders.faulty_store import Fault, FaultyStore

TODAY = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(TODAY)


def request(**calls: int) -> Sums:
    return Sums(runs=1, api_requests=1, ms=40, cpu_ms=4, bytes_out=2_000, calls=Calls(**calls))


def keys(store: MemoryStore) -> list[str]:
    return [entry.key for entry in store.list(PREFIX)]


def read(store: MemoryStore, days: int = 30) -> ledger.Counted:
    return ledger.read(store, (TODAY - timedelta(days=days - 1)).date(), (TODAY + timedelta(days=5)).date())


class TestSums:
    def test_nothing_is_written_for_a_request(self, store: MemoryStore, clock: FixedClock):
        book = SummedLedger(lambda: store, clock)
        for _ in range(1000):
            book.note("browse-get_items", request(gets=5), Tariff(), 1024)
            clock.sleep(0.5)
        assert keys(store) == []
        clock.sleep(FLUSH_SECONDS)
        book.note("browse-get_items", request(gets=5), Tariff(), 1024)
        assert len(keys(store)) == 1
        found = read(store).by_function["browse-get_items"]
        assert (found.runs, found.api_requests, found.ms, found.calls.gets) == (1001, 1001, 40_040, 5005)

    def test_one_process_keeps_one_object_a_day(self, store: MemoryStore, clock: FixedClock):
        book = SummedLedger(lambda: store, clock)
        for _ in range(5):
            for function in ("browse-get_items", "feed-get_zip"):
                book.note(function, request(), Tariff(), 1024)
            book.flush()
        assert len(keys(store)) == 1
        clock.sleep(86400)
        book.note("feed-get_zip", request(), Tariff(), 1024)
        book.flush()
        book.flush()
        assert [key.split("/")[1] for key in keys(store)] == ["day=2026-11-30", "day=2026-12-01"]
        found = read(store)
        assert {name: sums.runs for name, sums in found.by_function.items()} == {
            "browse-get_items": 5,
            "feed-get_zip": 6,
        }
        assert (found.first, found.samples) == (TODAY.date(), 0)

    def test_the_day_before_is_written_after_midnight(self, store: MemoryStore, clock: FixedClock):
        book = SummedLedger(lambda: store, clock)
        book.note("feed-get_zip", request(), Tariff(), 1024)
        clock.sleep(86400)
        book.note("feed-get_zip", request(), Tariff(), 1024)
        assert [key.split("/")[1] for key in keys(store)] == ["day=2026-11-30", "day=2026-12-01"]

    def test_processes_add_up_and_threads_lose_nothing(self, store: MemoryStore, clock: FixedClock):
        books = [SummedLedger(lambda: store, clock) for _ in range(3)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: books[n % 3].note("feed-get_zip", request(puts=1), Tariff(), 1024), range(3000)))
        for book in books:
            book.flush()
        found = read(store).by_function["feed-get_zip"]
        assert (found.runs, found.calls.puts) == (3000, 3000)

    def test_a_store_that_fails_costs_nobody_an_answer(self, store: MemoryStore, clock: FixedClock):
        faults = iter([Fault.LOST_BEFORE, Fault.BUSY])
        faulty = FaultyStore(store, lambda *_: next(faults, Fault.NONE), clock=clock)
        book = SummedLedger(lambda: faulty, clock)
        for _ in range(3):
            book.note("feed-get_zip", request(), Tariff(), 1024)
            book.flush()
        assert read(store).by_function["feed-get_zip"].runs == 3, "the next sums hold what was lost"


class TestSamples:
    def test_they_are_right_on_average_and_cost_a_hundredth(self, store: MemoryStore, clock: FixedClock):
        book = SampledLedger(lambda: store, clock, Random(7))
        kinds = {
            "browse-get_items": (20_000, request(gets=5)),
            "stack-any_install": (3_000, request(gets=5, puts=3)),
            "telemetry-cron_extract_usage": (40, Sums(runs=1, scheduled=1, ms=60_000, calls=Calls(gets=900, puts=400))),
        }
        for function, (times, sums) in kinds.items():
            for _ in range(times):
                book.note(function, sums, Tariff(), 1024)
        found = read(store)
        dollars = 0.0
        for function, (times, sums) in kinds.items():
            work = Work(1024, 1, sums.ms, sums.calls, sums.api_requests, sums.scheduled, sums.bytes_out)
            whole = times * sum(bill.lines(work, Tariff()).values())
            dollars += whole
            written = found.by_function[function]
            assert written.runs == pytest.approx(times, rel=6 * (UNIT_DOLLARS / whole) ** 0.5), function
            assert written.calls.gets / written.runs == pytest.approx(sums.calls.gets, rel=1e-6)
        assert found.by_function["telemetry-cron_extract_usage"].runs == 40, "what is dear is written each time"
        assert len(keys(store)) * 0.000005 < 0.02 * dollars
        assert found.samples >= len(keys(store)) - 40

    def test_the_longest_name_and_the_largest_numbers_fit_a_key(self, store: MemoryStore, clock: FixedClock):
        book = SampledLedger(lambda: store, clock, Random(1))
        calls = Calls(**dict.fromkeys(Calls.__slots__, 10**9))
        sums = Sums(runs=1, api_requests=1, scheduled=1, ms=900_000, cpu_ms=5_400_000, bytes_out=6_000_000, calls=calls)
        book.note("telemetry-post_run_session_processor", sums, Tariff(), 10_240)
        [key] = keys(store)
        assert check_key(key) == key
        assert read(store).by_function["telemetry-post_run_session_processor"].numbers() == sums.numbers()


def test_what_is_damaged_or_of_others_is_left_out(store: MemoryStore, clock: FixedClock):
    book = SummedLedger(lambda: store, clock)
    book.note("feed-get_zip", request(), Tariff(), 1024)
    book.flush()
    day = ledger.folder(TODAY.date())
    for name, body in {
        "a.json": b"{",
        "b.json": json.dumps({"feed-get_zip": [1, 2]}).encode(),
        "c.json": json.dumps({"feed-get_zip": [-1] * 16}).encode(),
        "d.json": json.dumps(["x"]).encode(),
        "e.json": json.dumps({"feed-get_zip": ["a"] * 16}).encode(),
        "f": b"",
        "g=feed-get_zip/1000.x": b"",
        "h=feed-get_zip/1000": b"",
    }.items():
        store.write(day + name, body, expect=ANYTHING)
    store.write("calls/other/x.json", b"{}", expect=ANYTHING)
    assert {name: sums.runs for name, sums in read(store).by_function.items()} == {"feed-get_zip": 1}


def test_only_the_days_that_are_asked_for(store: MemoryStore, clock: FixedClock):
    book = SummedLedger(lambda: store, clock)
    for _ in range(10):
        book.note("feed-get_zip", request(), Tariff(), 1024)
        book.flush()
        clock.sleep(86400)
    first, last = date(2026, 12, 2), date(2026, 12, 4)
    found = ledger.read(store, first, last)
    assert (found.by_function["feed-get_zip"].runs, found.first) == (3, first)


def test_old_days_are_removed(store: MemoryStore, clock: FixedClock):
    book = SummedLedger(lambda: store, clock)
    for _ in range(3):
        book.note("feed-get_zip", request(), Tariff(), 1024)
        book.flush()
        clock.sleep(40 * 86400)
    assert ledger.forget(store, clock.now()) == 2  # 120 and 80 days old
    assert ledger.forget(store, clock.now()) == 0
    assert len(keys(store)) == 1


def test_a_listing_that_fails_is_told(store: MemoryStore, clock: FixedClock):
    faulty = FaultyStore(store, lambda *_: Fault.UNREADABLE, clock=clock)
    with pytest.raises(UnavailableError):
        list(ledger.read(faulty, TODAY.date(), TODAY.date()).by_function)
