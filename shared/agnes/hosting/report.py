"""What this installation costs on AWS, in total and by feature, from the calls that it really made.

On AWS these are its own calls, without what the bill has beside them: storage, new environments' initialisation, secrets but
the one that signs. On a machine of one's own it is an estimate of the same calls on AWS: a store that takes 20 ms for a GET and
45 ms for a PUT, and functions with the share of a core that their memory gives.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache

from pydantic import BaseModel, ConfigDict, Field

from agnes.hosting import aws_prices as prices
from agnes.hosting import bill, ledger
from agnes.hosting.aws_prices import ApiKind, Architecture
from agnes.hosting.bill import Tariff, Work
from agnes.hosting.ledger import Sums
from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import ObjectStore
from agnes.ops.version import BUILD

MONTH_DAYS = 30
GET_MS, PUT_MS, LIST_MS = 20, 45, 20
"""Of an S3 bucket in the same region, as measured from Lambda; DELETE as LIST."""
FULL_CORE_MB = 1769
SHOWN_FUNCTIONS = 15

LABELS = {
    "browse": "Marketplace pages",
    "feed": "Feed (zip and git)",
    "telemetry": "Sessions and usage",
    "marketplace": "Marketplaces and syncs",
    "stack": "Stacks",
    "accounts": "Accounts and sign-in",
    "access": "Groups and access",
    "admin": "Administration",
    "audit": "Activity and health",
    "ops": "Jobs and checks",
    "hosting": "Hosting cost",
    "profile": "Profile",
}
STANDING = ("Waiting for messages in queues",)


class CostQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    days: int = Field(30, ge=1, le=60, description="Days back from today (UTC), today included.")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of AWS's bill."""

    name: str
    usd: float


@dataclass(frozen=True, slots=True)
class Part:
    """A feature, or one function of it."""

    name: str
    label: str
    requests: int
    """Through the API."""
    runs: int
    """Of functions, by requests, schedules and queues."""
    seconds: float
    """Billed."""
    gets: int
    puts: int
    lists: int
    usd: float


@dataclass(frozen=True, slots=True)
class CostReport:
    """Dollars of the days from `since` to `until`. `first` is the first of them of which anything was counted."""

    since: date
    until: date
    first: date | None
    is_estimate: bool
    """It does not run on AWS: this is what it would cost there."""
    api: ApiKind
    architecture: Architecture
    region: str
    prices_of: str
    usd: float
    usd_month: float
    """Of 30 days like those that were counted, with what is paid for whether or not anybody comes."""
    uncertainty_usd: float
    """Twice the standard error of `usd` where a few invocations were written for all; else 0."""
    lines: list[Line]
    standing: list[Line]
    """A month, whether or not anybody comes."""
    features: list[Part]
    functions: list[Part]
    """Those that cost most."""


@dataclass(frozen=True, slots=True)
class Deployed:
    memory_mb: Mapping[str, int]
    queues: Mapping[str, bool]
    """Whether each has a limit of concurrency."""


@cache
def deployed() -> Deployed:
    """Raises UnavailableError where nothing was built."""
    try:
        found = json.loads((BUILD / "hosting.json").read_bytes())
    except FileNotFoundError as exc:
        raise UnavailableError(
            "what the templates say of functions was not built",
            code="hosting_missing",
            hint="Run `python -m infra.compose`.",
        ) from exc
    return Deployed(found["memory_mb"], found["queues"])


def report(store: ObjectStore, *, days: int, now: datetime, tariff: Tariff, on_aws: bool) -> CostReport:
    """Raises UnavailableError."""
    until = now.date()
    since = until - timedelta(days=days - 1)
    counted = ledger.read(store, since, until)
    works = {name: _work(name, sums, on_aws=on_aws) for name, sums in counted.by_function.items()}
    bills = {name: bill.lines(work, tariff) for name, work in works.items()}
    lines = _sorted(bill.total(bills.values()))
    usd = sum(line.usd for line in lines)
    standing = _standing()
    days_counted = (until - counted.first).days + 1 if counted.first else 0
    monthly = usd / days_counted * MONTH_DAYS if days_counted else 0.0
    parts = [_part(name, name, [works[name]], sum(bills[name].values())) for name in works]
    domains = sorted({name.partition("-")[0] for name in works})
    features = []
    for domain in domains:
        members = [name for name in works if name.partition("-")[0] == domain]
        cost = sum(sum(bills[name].values()) for name in members)
        features.append(_part(domain, LABELS.get(domain, domain.capitalize()), [works[m] for m in members], cost))
    return CostReport(
        since=since,
        until=until,
        first=counted.first,
        is_estimate=not on_aws,
        api=tariff.api,
        architecture=tariff.architecture,
        region=prices.REGION,
        prices_of=prices.DATE,
        usd=usd,
        usd_month=monthly + sum(line.usd for line in standing),
        uncertainty_usd=2 * ledger.UNIT_DOLLARS * math.sqrt(counted.samples),
        lines=lines,
        standing=standing,
        features=sorted(features, key=lambda part: (-part.usd, part.name)),
        functions=sorted(parts, key=lambda part: (-part.usd, part.name))[:SHOWN_FUNCTIONS],
    )


def _work(function: str, sums: Sums, *, on_aws: bool) -> Work:
    memory_mb = deployed().memory_mb.get(function, 1024)
    calls, billed_ms = sums.calls, sums.ms
    if not on_aws:
        billed_ms += sums.cpu_ms * max(0.0, FULL_CORE_MB / memory_mb - 1)
        billed_ms += GET_MS * calls.gets + PUT_MS * calls.puts + LIST_MS * (calls.lists + calls.removals)
    return Work(memory_mb, sums.runs, billed_ms, calls, sums.api_requests, sums.scheduled, sums.bytes_out)


def _standing() -> list[Line]:
    month = MONTH_DAYS * 86400
    polls = sum(bill.idle_queue_requests(month, maximum_concurrency=limited) for limited in deployed().queues.values())
    amounts = (prices.SQS_REQUEST.of(polls),)
    return [Line(name, usd) for name, usd in zip(STANDING, amounts, strict=True)]


def _sorted(lines: bill.Lines) -> list[Line]:
    return [Line(name, usd) for name, usd in sorted(lines.items(), key=lambda line: (-line[1], line[0]))]


def _part(name: str, label: str, works: list[Work], usd: float) -> Part:
    return Part(
        name,
        label,
        requests=round(sum(work.api_requests for work in works)),
        runs=round(sum(work.runs for work in works)),
        seconds=sum(work.billed_ms for work in works) / 1000,
        gets=round(sum(work.calls.gets + work.calls.handed_gets for work in works)),
        puts=round(sum(work.calls.puts + work.calls.handed_puts for work in works)),
        lists=round(sum(work.calls.lists for work in works)),
        usd=usd,
    )
