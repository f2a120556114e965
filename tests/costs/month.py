"""Months of people, and of nobody, from what was counted."""

from __future__ import annotations

from dataclasses import dataclass

from agnes.hosting import aws_prices as prices
from agnes.hosting import bill
from agnes.hosting.bill import Lines, Tariff, Work
from tests.costs.scenarios import COLD, MONTH_SECONDS, SESSIONS, Measured

HABITS = {
    "page": 20,
    "plugin page": 40,
    "items": 10,
    "static file": 6,
    "zip 302": 4,
    "git refs": 4,
    "commit alone": 2,
    "sign-in": 4,
}
"""Assumed, for one person a month: a page on each working day and two plugins from there, the stack changed twice, a new copy
of the marketplace twice a week, scripts and styles fetched once a release."""
SESSIONS_A_MONTH = 250
"""Assumed, for one person: 50,000 of 200 people. Each asks once for news and is sent once."""
ACTIVE_RUNS = 21 * 8 * 6
"""Of the extraction, a month: those every ten minutes of eight hours on 21 days find sessions; the others find nothing."""

STANDING = ("Secrets Manager, secrets", "SQS requests of waiting pollers", "CloudWatch alarms")


@dataclass(frozen=True)
class Month:
    people: int
    warm: Lines
    """If every request finds a warm environment."""
    cold: Lines
    """Beside that, if none does."""
    storage: float
    """Dollars a month for what one month's sessions store."""


def standing(found: Measured) -> Lines:
    """What an installation costs that nobody uses, beside its schedules."""
    polls = sum(
        bill.idle_queue_requests(MONTH_SECONDS, maximum_concurrency=limited) for limited in found.queues.values()
    )
    amounts = prices.SECRET.of(found.secrets), prices.SQS_REQUEST.of(polls), prices.ALARM.of(found.alarms)
    return dict(zip(STANDING, amounts, strict=True))


def idle(found: Measured, tariff: Tariff) -> Lines:
    runs = [scaled(bill.lines(work, tariff), times) for work, times in found.jobs.values()]
    return bill.total([standing(found), *runs])


def of_people(found: Measured, people: int, tariff: Tariff) -> Month:
    sessions = people * SESSIONS_A_MONTH
    parts = [idle(found, tariff)]
    for name, times in HABITS.items():
        parts.append(scaled(cost(found.works[name], tariff), people * times))
    parts.append(scaled(cost(found.works["check for news"], tariff), sessions))
    parts.append(scaled(cost(found.works["push of a session"], tariff), sessions))
    parts.append(scaled(extraction(found, tariff), sessions))
    requests = people * sum(HABITS.values()) + 3 * sessions
    starts = [starting(found, function, tariff) for function in COLD]
    cold = {bill.TIME: requests * sum(starts) / len(starts)}
    storage = prices.S3_STORAGE.of(sessions * found.session_bytes)
    return Month(people, bill.total(parts), cold, storage)


def extraction(found: Measured, tariff: Tariff) -> Lines:
    """For one session: what a run with sessions costs more than one without, by the number of its sessions."""
    without, _ = found.jobs["telemetry-cron_extract_usage"]
    more = bill.total([bill.lines(found.busy_extraction, tariff), scaled(bill.lines(without, tariff), -1)])
    return scaled(more, 1 / SESSIONS)


def starting(found: Measured, function: str, tariff: Tariff) -> float:
    """Dollars that a new environment costs beside a warm request: its initialisation, and its first request's time."""
    start = found.starts[function]
    work = Work(start.memory_mb, billed_ms=start.billed_ms + found.first[function].billed_ms)
    return bill.lines(work, tariff)[bill.TIME]


WARMINGS = MONTH_SECONDS / 300


def keep_warm(found: Measured, tariff: Tariff) -> float:
    """Dollars a month of `KeepWarm=ENABLED`."""
    return sum(dollars(bill.lines(work, tariff)) for work in found.warmed.values()) * WARMINGS


def snap_start(found: Measured) -> tuple[float, float]:
    """Of `make deploy SNAP_START=yes`: dollars a month for what is kept, and for one environment that starts so."""
    sizes = [work.memory_mb / 1024 for work in found.warmed.values()]
    return prices.SNAPSTART_CACHE.of(sum(sizes) * MONTH_SECONDS), prices.SNAPSTART_RESTORE.of(sum(sizes) / len(sizes))


def cost(works: list[Work], tariff: Tariff) -> Lines:
    return bill.total(bill.lines(work, tariff) for work in works)


def scaled(lines: Lines, times: float) -> Lines:
    return {line: dollars * times for line, dollars in lines.items()}


def dollars(lines: Lines) -> float:
    return sum(lines.values())
