"""Store calls of what people and schedules do most, counted over environments as Lambda has them (`make cost` has the dollars)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agnes.hosting import bill
from agnes.hosting.bill import Tariff
from tests.costs import month, scenarios
from tests.costs.fleet import Fleet, later
from tests.costs.scenarios import GIT, PLUGIN, REFS, STALE_SECONDS, Measured

pytestmark = pytest.mark.slow

IDLE_TIME = 0.05
"""Dollars a month of the schedules' time, as `make cost` measures it with S3's waiting."""
READS = {
    "page": ("GET", "/marketplace", {}, 5),
    "plugin page": ("GET", "/marketplace/curated/northwind/finops", {}, 5),
    "items": ("GET", "/api/marketplace/items", {}, 5),
    "zip": ("GET", "/marketplace.zip", {}, 4),
    "check for news": ("GET", "/marketplace/info", {}, 4),
    "git refs": ("GET", REFS, {"headers": GIT}, 1),
}
"""With the heads that are looked at: one for each state file that the answer comes from."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path_factory.mktemp("fleet"), get_seconds=0, put_seconds=0)
    yield fleet
    fleet.close()


@pytest.fixture(scope="module")
def found(fleet: Fleet) -> Measured:
    """The schedules of an installation that nobody uses; whatever is put there comes later."""
    found = Measured()
    scenarios.idle(fleet, found)
    scenarios.templates(fleet, found)
    return found


@pytest.fixture(scope="module")
def token(fleet: Fleet, found: Measured) -> str:
    return scenarios.fill(fleet)


def test_an_idle_installation_costs_less_than_a_dollar_a_month(found: Measured):
    """Of that, 73 cents are Lambda's asking seven queues whether there is anything; each further queue costs 10 cents, and a limit on
    its concurrency 16 more."""
    parts = month.idle(found, Tariff())
    counted = month.dollars(parts) - parts[bill.TIME]  # the time is this machine's, and what else it does
    assert 0.5 < counted < 1.00 - IDLE_TIME, parts
    assert found.alarms == 0
    assert not any(found.queues.values()), (
        "an empty queue whose consumers are limited is asked by five pollers, not by two"
    )


def test_every_schedule_has_been_run(fleet: Fleet, found: Measured):
    assert set(found.jobs) == {job["function"] for job in fleet.composition.jobs}
    for function, (work, times) in found.jobs.items():
        assert times >= 30, function
        assert work.calls.puts <= 4, f"{function}: {work.calls}"


@pytest.mark.parametrize("name", READS)
def test_a_warm_read_looks_at_one_head_for_each_state_file(fleet: Fleet, token: str, name: str):
    method, path, given, heads = READS[name]
    work = scenarios.repeated(fleet, method, path, pause=STALE_SECONDS, times=2, token=token, **given)
    assert (work.calls.gets, work.calls.puts, work.calls.lists) == (heads, 0, 0)
    assert work.calls.bytes_read == 0, "nothing has changed"
    work = scenarios.repeated(fleet, method, path, pause=0, times=2, token=token, **given)
    assert (work.calls.gets, work.calls.puts, work.calls.lists) == (0, 0, 0)


def test_a_static_file_asks_for_nothing(fleet: Fleet):
    work = scenarios.repeated(fleet, "GET", "/static/css/agnes.css", pause=STALE_SECONDS, times=2)
    assert (work.calls.gets, work.calls.puts) == (0, 0)
    assert work.bytes_out < 12_000


def test_a_commit_that_nobody_contends(fleet: Fleet, token: str):
    for method in ("DELETE", "POST", "DELETE", "POST"):
        later(fleet.clock, STALE_SECONDS)
        work = fleet.request(method, PLUGIN, token=token)
    assert (work.calls.puts, work.calls.lists) == (1, 0)
    assert work.calls.gets <= 4, "the commit begins from a head that the request has looked at"


def test_a_session_that_is_pushed(fleet: Fleet, token: str):
    sessions = scenarios.transcripts()
    scenarios.push(fleet, token, *next(sessions))
    later(fleet.clock, 8)
    asked, completed = scenarios.push(fleet, token, *next(sessions))
    assert (asked.calls.puts, asked.calls.handed_puts) == (0, 1)
    assert completed.calls.puts <= 5
    assert completed.calls.lists <= 1
