"""Dollars of counted work: figures that were worked out by hand from AWS's price lists."""

from __future__ import annotations

import dataclasses

import pytest

from agnes.hosting import aws_prices as prices
from agnes.hosting import bill
from agnes.hosting.bill import Tariff, Work
from agnes.kernel.metering import Calls


def test_a_million_reads_of_one_head_in_fifty_milliseconds():
    work = Work(1024, runs=1e6, api_requests=1e6, billed_ms=50e6, calls=Calls(gets=1_000_000))
    lines = bill.lines(work, Tariff("rest", "arm64"))
    assert lines == pytest.approx(
        {
            bill.API: 3.50,
            bill.RUNS: 0.20,
            bill.TIME: 50_000 * 0.0000133334,  # one GB for a twentieth of a second each
            bill.GETS: 0.40,
        }
    )


def test_an_http_api_and_x86_change_their_lines_only():
    work = Work(2048, runs=1e6, api_requests=1e6, billed_ms=1e6)
    rest, http = bill.lines(work, Tariff("rest", "arm64")), bill.lines(work, Tariff("http", "x86_64"))
    assert http[bill.API] == 1.00
    assert http[bill.TIME] == pytest.approx(2 * 1000 * 0.0000166667)
    assert {line for line in rest if rest[line] != http[line]} == {bill.API, bill.TIME}


def test_writes_and_listings_have_one_price_and_urls_that_are_handed_out_are_paid_for():
    calls = Calls(puts=3, lists=2, handed_puts=1, handed_gets=4, removals=50)
    lines = bill.lines(Work(1024, calls=calls), Tariff())
    assert lines == pytest.approx({bill.PUTS: 6 * 0.000005, bill.GETS: 4 * 0.0000004})


def test_other_services():
    work = Work(1024, scheduled=4320, bytes_out=2e9, log_bytes=3e9, calls=Calls(messages=5_000_000, secrets=20_000))
    assert bill.lines(work, Tariff()) == pytest.approx(
        {bill.SCHEDULES: 0.00432, bill.TRANSFER: 0.18, bill.LOGS: 1.50, bill.QUEUES: 2.00, bill.SECRETS: 0.10}
    )


def test_bills_add_up_line_by_line():
    assert bill.total([{"a": 1.0, "b": 2.0}, {"b": 0.5}, {}]) == {"a": 1.0, "b": 2.5}


def test_a_queue_with_nothing_in_it_is_asked_all_the_time():
    month = 30 * 86400
    assert bill.idle_queue_requests(month, maximum_concurrency=True) == 5 * 129_600
    assert bill.idle_queue_requests(month, maximum_concurrency=False) == 2 * 129_600


def test_every_price_names_its_source():
    listed = [*prices.API_REQUEST.values(), *prices.LAMBDA_SECOND.values()]
    listed += [value for value in vars(prices).values() if isinstance(value, prices.Price)]
    assert len(listed) >= 19
    for price in listed:
        assert price.dollars > 0
        assert price.per > 0
        assert "aws.amazon.com" in price.source
        assert price.of(price.per) == pytest.approx(price.dollars)


def test_every_kind_of_call_that_costs_is_in_the_bill():
    """A counter that is added later must not cost nothing by being forgotten."""
    free = {"removals", "bytes_read", "bytes_written"}  # S3 takes no money for DELETE, nor for bytes within a region
    for field in dataclasses.fields(Calls):
        lines = bill.lines(Work(1024, calls=Calls(**{field.name: 1000})), Tariff())
        assert bool(lines) is (field.name not in free), field.name
