"""Processor time of each test, and where all of it went: printed at the end of a large run, so that what grows is seen.

It is this process's time and that of children that ended and were waited for, with the fixtures that a test was the first to need.
Servers that go on running are counted with the test that ends them.
"""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Iterator

import pytest

PROPERTY = "processor seconds"
MANY = 500
"""Tests; of fewer nothing is printed."""
SLOWEST = 15
BUDGET_SECONDS = 450
"""Of `make test`, so that it takes less than six minutes on two quiet cores with what waits beside it. Nothing fails by it."""
BEGAN = pytest.StashKey[float]()


def spent() -> float:
    kinds = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in kinds)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    item.stash[BEGAN] = spent()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    try:
        return (yield)
    finally:
        item.user_properties.append((PROPERTY, spent() - item.stash[BEGAN]))


def domain_of(nodeid: str) -> str:
    """`edge/feed` of `tests/edge/feed/test_blocking.py::test_x`; `architecture` of a module right below a suite's folder."""
    parts = nodeid.partition("::")[0].split("/")
    return "/".join(parts[1:-1][:2])


def lines(seconds: dict[str, float]) -> Iterator[str]:
    """What to print of the tests' seconds, by node id."""
    total = sum(seconds.values())
    yield f"processor time: {total:,.0f} s in {len(seconds):,} tests, {total / len(seconds) * 1000:.0f} ms each (budget of make test: {BUDGET_SECONDS} s)"
    domains: Counter[str] = Counter()
    number = Counter(map(domain_of, seconds))
    for nodeid, took in seconds.items():
        domains[domain_of(nodeid)] += took  # type: ignore[assignment]
    yield from (f"{took:8.1f} s  {domain} ({number[domain]:,})" for domain, took in domains.most_common())
    yield f"the {SLOWEST} that took most:"
    slowest = sorted(seconds.items(), key=lambda one: -one[1])[:SLOWEST]
    yield from (f"{took:8.1f} s  {nodeid}" for nodeid, took in slowest)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    seconds = {
        report.nodeid: value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "teardown"
        for name, value in report.user_properties
        if name == PROPERTY
    }
    if len(seconds) >= MANY:
        for line in lines(seconds):
            terminalreporter.write_line(line)
