"""A session's bill by the price list, beside the client's own: a new price, or a field that is not counted, is noticed within a day.

The client (since 2.1.332 at the latest) writes `cost-state` records: what it has billed so far, by model. The last one of the main
file counts. A resumed session goes on with its bill; a fork begins with that of the session it was forked from, whose subagents are
not among its files, so the two cannot be compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any

from agnes.claude_code import prices
from agnes.claude_code.prices import Rate, Rates
from agnes.telemetry.extraction.records import Marks, value_of
from agnes.telemetry.extraction.summary import Taken
from agnes.telemetry.model import Summary

EQUAL = "equal"
OTHER_PRICE = "other_price"
"""As many tokens of every model that differs, at another price."""
OTHER_TOKENS = "other_tokens"
"""The client has billed requests that the transcript does not have (of its own for titles and summaries), or the reverse."""
UNPRICED = "unpriced"
"""The price list lacks a model."""
FORKED, UNFINISHED, CLIENT_UNSURE = "forked", "unfinished", "client_unsure"
"""Not comparable: a fork; responses after the client's last bill; the client did not know a price itself."""

STATUSES = (EQUAL, OTHER_PRICE, OTHER_TOKENS, UNPRICED, FORKED, UNFINISHED, CLIENT_UNSURE)
COMPARED = (EQUAL, OTHER_PRICE, OTHER_TOKENS, UNPRICED)

CENT = 0.005
"""Dollars that round to none."""
_SAME = 1e-4
"""Relative difference of two equal costs: both are sums of floats."""
MOST_MODELS = 20
_MOST = 10**15
"""As the client itself bounds its counts."""
_COUNTS = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens", "webSearchRequests")


@dataclass(slots=True)
class _Line:
    """Of one model: input, output, cache read, cache write, web searches; and dollars, None if some of it is unpriced."""

    counts: list[int] = field(default_factory=lambda: [0, 0, 0, 0, 0])
    dollars: float | None = 0.0

    def add(self, counts: Iterable[int], dollars: float | None) -> None:
        self.counts = [have + more for have, more in zip(self.counts, counts, strict=True)]
        self.dollars = None if self.dollars is None or dollars is None else self.dollars + dollars

    @property
    def is_empty(self) -> bool:
        return not any(self.counts)


class ClientBill:
    """What the client says of its bill, as the files of a session are read."""

    __slots__ = ("_is_forked", "_last", "is_unfinished")

    def __init__(self) -> None:
        self._last: Marks | None = None
        self.is_unfinished = False
        """Whether the session's own file has a response after the last bill."""
        self._is_forked = False

    def take(self, marks: Marks | None) -> None:
        """Those of a `cost-state` record, if they can be read."""
        total = marks.totalCostUSD if marks is not None else None
        if total is not None and 0 <= total <= _MOST:
            self._last, self.is_unfinished = marks, False

    def saw_request_of(self, asked_in: str, session_id: str) -> None:
        """A response of this session was asked for in that one."""
        if asked_in != session_id:
            self._is_forked = True

    def compare(self, taken: Taken, summary: Summary) -> None:
        """Fill in what the responses cost by the price list, and how the client's bill compares."""
        ours = _ours(taken, summary)
        last = self._last
        if last is None:
            return
        summary.client_cost_usd = last.totalCostUSD
        if self._is_forked:
            summary.bill_status = FORKED
        elif self.is_unfinished:
            summary.bill_status = UNFINISHED
        elif last.hasUnknownModelCost:
            summary.bill_status = CLIENT_UNSURE
        else:
            theirs = _theirs(value_of(last.modelUsage))
            mismatches = [name for name in sorted({*ours, *theirs}) if _is_mispriced(ours.get(name), theirs.get(name))]
            summary.price_mismatches = [name[:100] for name in mismatches[:MOST_MODELS]]
            summary.bill_status = _status(summary, ours, theirs, mismatches)


def _status(summary: Summary, ours: dict[str, _Line], theirs: dict[str, _Line], mismatches: list[str]) -> str:
    if mismatches:
        return OTHER_PRICE
    if any(line.dollars is None for line in ours.values()):
        return UNPRICED
    alike = ours.keys() == theirs.keys() and all(ours[name].counts == theirs[name].counts for name in ours)
    if alike or abs((summary.list_cost_usd or 0.0) - (summary.client_cost_usd or 0.0)) < CENT:
        return EQUAL
    return OTHER_TOKENS


def _is_mispriced(ours: _Line | None, theirs: _Line | None) -> bool:
    if ours is None or theirs is None or ours.dollars is None or theirs.dollars is None or ours.counts != theirs.counts:
        return False
    return not math.isclose(ours.dollars, theirs.dollars, rel_tol=_SAME, abs_tol=1e-6)


def _ours(taken: Taken, summary: Summary) -> dict[str, _Line]:
    """By model, as the price list calls it; also the cost of `summary`."""
    found: dict[str, _Line] = {}
    total: float | None = None
    for (model, day, speed, tier, geo, long), counts in taken.of_rates.items():
        given, written, cached, kept, hour, searches = counts
        if not any(counts):
            continue
        rates = day and _rates(model, day, speed, tier, geo, long)
        dollars = None
        if rates:
            dollars = given * rates.input + written * rates.output + cached * rates.cache_read
            dollars += (kept - hour) * rates.cache_write + hour * rates.cache_write_1h + searches * rates.web_search
            total = (total or 0.0) + dollars
        else:
            summary.unpriced_tokens += given + written + cached + kept
        found.setdefault(_name(model), _Line()).add((given, written, cached, kept, searches), dollars)
    summary.list_cost_usd = total
    return found


def _theirs(usage: Any) -> dict[str, _Line]:
    found: dict[str, _Line] = {}
    for model, said in usage.items() if isinstance(usage, dict) else ():
        if isinstance(said, dict):
            line = found.setdefault(_name(model), _Line())
            line.add([int(_number(said.get(name)) or 0) for name in _COUNTS], _number(said.get("costUSD")))
    return {name: line for name, line in found.items() if not line.is_empty}


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= _MOST else None


@lru_cache(maxsize=4096)
def _rates(model: str | None, day: date, *rate: Any) -> Rates | None:
    speed, tier, geo, long = rate
    return prices.rates(model or "", day, Rate(speed or "", tier or "", geo or "", long))


@lru_cache(maxsize=1024)
def _name(model: str | None) -> str:
    return prices.known_as(model or "") or prices.canonical(model or "") or "unknown"
