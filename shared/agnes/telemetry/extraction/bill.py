"""A session's bill by the price list, beside the client's own: a new price, or a field that is not counted, is noticed within a day.

The client (since 2.1.332 at the latest) writes `cost-state` records: what it has billed so far, by model. The last one of the main
file counts. A resumed session goes on with its bill; a fork begins with that of the session it was forked from, whose subagents are
not among its files, so the two cannot be compared.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from agnes.claude_code import prices
from agnes.claude_code.prices import Rate
from agnes.telemetry.extraction.records import Record, value_of
from agnes.telemetry.model import Event, Summary

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

    __slots__ = ("_is_forked", "_is_unfinished", "_last")

    def __init__(self) -> None:
        self._last: Record | None = None
        self._is_unfinished = False
        self._is_forked = False

    def take(self, record: Record) -> None:
        """A `cost-state` record."""
        total = record.totalCostUSD
        if total is not None and 0 <= total <= _MOST:
            self._last, self._is_unfinished = record, False

    def saw(self, record: Record, session_id: str, *, is_main: bool) -> None:
        """A response's first record."""
        if is_main:
            self._is_unfinished = True
        if record.requestSessionId and record.requestSessionId != session_id:
            self._is_forked = True

    def compare(self, responses: Iterable[Event], summary: Summary) -> None:
        """Fill in what the responses cost by the price list, and how the client's bill compares."""
        ours = _ours(responses, summary)
        last = self._last
        if last is None:
            return
        summary.client_cost_usd = last.totalCostUSD
        if self._is_forked:
            summary.bill_status = FORKED
        elif self._is_unfinished:
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


def _ours(responses: Iterable[Event], summary: Summary) -> dict[str, _Line]:
    """By model, as the price list calls it; also the totals of `summary`."""
    taken: dict[tuple[Any, ...], list[int]] = {}
    for event in responses:
        at = event.occurred_at
        key = (
            event.model,
            at.date() if at is not None else None,
            *(event.speed, event.service_tier, event.inference_geo, event.long_prompt),
        )
        counts = taken.get(key)
        if counts is None:
            counts = taken[key] = [0, 0, 0, 0, 0, 0]
        counts[0] += event.input_tokens
        counts[1] += event.output_tokens
        counts[2] += event.cache_read_tokens
        counts[3] += event.cache_creation_tokens
        counts[4] += event.cache_creation_1h_tokens
        counts[5] += event.web_searches
    found: dict[str, _Line] = {}
    total: float | None = None
    for (model, day, speed, tier, geo, long), counts in taken.items():
        given, written, cached, kept, hour, searches = counts
        if not any(counts):
            continue
        rates = day and prices.rates(model or "", day, Rate(speed or "", tier or "", geo or "", long))
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


def _name(model: str | None) -> str:
    return prices.known_as(model or "") or prices.canonical(model or "") or "unknown"
