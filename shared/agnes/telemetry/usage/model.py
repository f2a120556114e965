"""What dashboards, the summary and costs say of a span of days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from agnes.kernel.errors import BadRequestError

LONGEST_DAYS = 3660
Window = Literal["7d", "30d", "90d", "all"]
CostBy = Literal["plugin", "skill", "agent", "command", "model", "user", "day"]


@dataclass(frozen=True, slots=True)
class Span:
    """UTC days, both included."""

    since: date
    until: date

    @property
    def days(self) -> list[date]:
        return [self.since + timedelta(days=n) for n in range((self.until - self.since).days + 1)]


def span_of(window: Window, today: date) -> Span:
    """A window of N days is today and the N - 1 days before it, as everywhere."""
    days = {"7d": 7, "30d": 30, "90d": 90, "all": LONGEST_DAYS}[window]
    return Span(today - timedelta(days=days - 1), today)


def between(since: date | None, until: date | None, *, today: date) -> Span:
    """The last 30 days where nothing is said. Raises BadRequestError for a span that ends before it begins."""
    end = until or today
    begin = since or end - timedelta(days=29)
    if begin > end or (end - begin).days >= LONGEST_DAYS:
        hint = "`since` must not be later than `until`." if begin > end else "Ask for a shorter one."
        raise BadRequestError(
            f"from {begin} to {end} is no span of 1 to {LONGEST_DAYS} days", code="invalid_span", hint=hint
        )
    return Span(begin, end)


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens and what they cost. `cost_usd` is of those whose model has a price, None if none has."""

    tokens: int
    cost_usd: float | None
    unpriced_tokens: int


@dataclass(frozen=True, slots=True)
class DayFigures:
    day: date
    people: int
    prompts: int
    curated_calls: int
    flea_calls: int
    builtin_calls: int
    errors: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    cost_usd: float | None
    unpriced_tokens: int
    cache_creation_1h_tokens: int = 0
    """Those of `cache_creation_tokens` that are kept for an hour."""

    @property
    def calls(self) -> int:
        return self.curated_calls + self.flea_calls + self.builtin_calls


class _Called:
    """What was called, and failed sometimes."""

    __slots__ = ()
    invocations: int
    errors: int

    @property
    def error_rate(self) -> float:
        return _rate(self.errors, self.invocations)


@dataclass(frozen=True, slots=True)
class ItemLine(_Called):
    """A plugin, skill, agent, command or MCP server that was called."""

    source: str
    marketplace_id: str
    plugin: str
    kind: str
    name: str
    invocations: int
    people: int
    errors: int
    tokens: int


@dataclass(frozen=True, slots=True)
class ToolLine(_Called):
    tool_name: str
    source: str
    invocations: int
    errors: int
    people: int
    sessions: int
    """Summed over days: a session that goes on over midnight counts on both."""


@dataclass(frozen=True, slots=True)
class PersonLine:
    user_id: str
    email: str
    """Empty for an account that is gone."""
    name: str
    sessions: int
    prompts: int
    calls: int
    errors: int
    spent: Spent


@dataclass(frozen=True, slots=True)
class ModelLine:
    model: str
    responses: int
    spent: Spent


@dataclass(frozen=True, slots=True)
class Totals:
    people: int
    sessions: int
    """Begun in the span."""
    prompts: int
    calls: int
    errors: int
    spent: Spent
    unpriced_models: tuple[str, ...]

    @property
    def error_rate(self) -> float:
        return _rate(self.errors, self.calls)


@dataclass(frozen=True, slots=True)
class Overview:
    span: Span
    totals: Totals
    days: tuple[DayFigures, ...]
    """Every day of the span, zeros included; of a span without a beginning, from the first day with use on."""
    plugins: tuple[ItemLine, ...]
    items: tuple[ItemLine, ...]
    """Skills, agents, commands and MCP servers."""
    tools: tuple[ToolLine, ...]
    failing: tuple[ToolLine, ...]
    """Tools by error rate, of those with at least 5 calls."""
    people: tuple[PersonLine, ...]
    models: tuple[ModelLine, ...]
    """The dearest 50."""


@dataclass(frozen=True, slots=True)
class CostLine:
    bucket: str
    source: str
    marketplace_id: str
    plugin: str
    tokens: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    cost_usd: float | None
    unpriced_tokens: int
    cache_creation_1h_tokens: int
    """Those of `cache_creation_tokens` that are kept for an hour; the others are kept for five minutes."""
    web_searches: int
    own_tokens: int
    """While the skill or the agent itself worked; of models, people and days all."""
    own_cost_usd: float | None
    own_unpriced_tokens: int
    carried_tokens: int
    """Later in a turn, under its stamp: other instructions, and subagents with instructions of their own."""
    carried_cost_usd: float | None
    carried_unpriced_tokens: int


@dataclass(frozen=True, slots=True)
class Costs:
    by: str
    since: date
    until: date
    currency: str
    rows: tuple[CostLine, ...]
    """Dearest first; days in order."""
    total: Spent
    """Of plugins: what was spent while one was in force or its agent worked, each response once a plugin."""
    unpriced_models: tuple[str, ...]


def _rate(errors: int, calls: int) -> float:
    return errors / calls if calls else 0.0
