"""Dollars for counted work, by the line of AWS's bill."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from agnes.hosting import aws_prices as prices
from agnes.hosting.aws_prices import ApiKind, Architecture
from agnes.kernel.metering import Calls

Lines = dict[str, float]
"""Dollars by line; a line that costs nothing is left out."""

API, RUNS, TIME, GETS, PUTS, QUEUES, SECRETS, LOGS, TRANSFER, SCHEDULES = (
    "API Gateway requests",
    "Lambda requests",
    "Lambda time",
    "S3 reads",
    "S3 writes and listings",
    "SQS requests",
    "Secrets Manager requests",
    "CloudWatch Logs",
    "Data transfer out",
    "EventBridge Scheduler",
)


@dataclass(slots=True)
class Work:
    """What one function did, in total of `runs`."""

    memory_mb: int
    runs: float = 0
    billed_ms: float = 0
    calls: Calls = field(default_factory=Calls)
    api_requests: float = 0
    """Of these runs, those that came through the API."""
    scheduled: float = 0
    """Of these runs, those that a schedule started."""
    bytes_out: float = 0
    """Of bodies of answers, as they leave the API."""
    log_bytes: float = 0


@dataclass(frozen=True, slots=True)
class Tariff:
    """Which of the prices hold for an installation."""

    api: ApiKind = "rest"
    architecture: Architecture = "arm64"


def lines(work: Work, tariff: Tariff) -> Lines:
    calls = work.calls
    found = {
        API: prices.API_REQUEST[tariff.api].of(work.api_requests),
        RUNS: prices.LAMBDA_REQUEST.of(work.runs),
        TIME: prices.LAMBDA_SECOND[tariff.architecture].of(work.billed_ms / 1000 * work.memory_mb / 1024),
        GETS: prices.S3_GET.of(calls.gets + calls.handed_gets),
        PUTS: prices.S3_PUT.of(calls.puts + calls.lists + calls.handed_puts),
        QUEUES: prices.SQS_REQUEST.of(calls.messages),
        SECRETS: prices.SECRET_REQUEST.of(calls.secrets),
        LOGS: prices.LOGS.of(work.log_bytes),
        TRANSFER: prices.TRANSFER.of(work.bytes_out),
        SCHEDULES: prices.SCHEDULER.of(work.scheduled),
    }
    return {line: dollars for line, dollars in found.items() if dollars}


def total(parts: Iterable[Lines]) -> Lines:
    """The lines of several bills, added up."""
    found: Lines = {}
    for part in parts:
        for line, dollars in part.items():
            found[line] = found.get(line, 0.0) + dollars
    return found


def idle_queue_requests(seconds: float, *, maximum_concurrency: bool) -> float:
    """Requests that Lambda makes to a queue with nothing in it."""
    pollers = prices.IDLE_POLLERS_WITH_MAXIMUM_CONCURRENCY if maximum_concurrency else prices.IDLE_POLLERS
    return pollers * seconds / prices.LONG_POLL_SECONDS
