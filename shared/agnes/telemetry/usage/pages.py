"""Page objects of the usage dashboards: the organisation's for admins, and everybody's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from agnes.flea import service as flea
from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import State
from agnes.marketplace import browsing
from agnes.telemetry.usage import figures
from agnes.telemetry.usage.model import DayFigures, ItemLine, Overview, Window, span_of

WINDOWS = {"7d": "7 days", "30d": "30 days", "90d": "90 days", "all": "All time"}
FULL_DAYS = 92
"""A chart of more days has a bar a week."""
LINKED = ("marketplace", "flea")
"""State files that say where a plugin's page is; without one its names are no links."""


class UsageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    window: Window = "30d"


@dataclass(frozen=True, slots=True)
class Chart:
    """What `_partials/chart.html` shows: a column a series, a row a day (or a week, named by its first day)."""

    title: str
    lead: str
    kind: Literal["bars", "lines"]
    unit: Literal["count", "usd", "percent"]
    columns: tuple[str, ...]
    days: list[tuple[date, tuple[float | None, ...]]]


@dataclass(frozen=True, slots=True)
class WindowLink:
    label: str
    url: str
    is_current: bool


@dataclass(frozen=True)
class _Dashboard:
    overview: Overview
    window: str

    PATH: ClassVar[str]

    @property
    def windows(self) -> list[WindowLink]:
        return [WindowLink(label, f"{self.PATH}?window={key}", key == self.window) for key, label in WINDOWS.items()]

    @property
    def is_empty(self) -> bool:
        totals = self.overview.totals
        return not (totals.calls or totals.prompts or totals.spent.tokens)

    @property
    def step(self) -> str:
        return "day" if len(self.overview.days) <= FULL_DAYS else "week"

    def chart(self, title: str, lead: str, *columns: str, kind: Any, unit: Any, of: Any) -> Chart:
        """`of` says the values of some days together."""
        days = self.overview.days
        size = 1 if self.step == "day" else 7
        groups = [days[at : at + size] for at in range(0, len(days), size)]
        return Chart(title, lead, kind, unit, columns, [(group[0].day, of(group)) for group in groups])

    @property
    def calls(self) -> Chart:
        return self.chart(
            f"Calls by {self.step}",
            "Tools, skills, agents, commands and MCP servers, by whose they are.",
            *("Curated", "Flea", "Built in"),
            kind="bars",
            unit="count",
            of=lambda days: (
                sum(d.curated_calls for d in days),
                sum(d.flea_calls for d in days),
                sum(d.builtin_calls for d in days),
            ),
        )

    @property
    def errors(self) -> Chart:
        return self.chart(
            f"Errors by {self.step}",
            "Calls that failed or were denied.",
            "Errors",
            kind="bars",
            unit="count",
            of=lambda days: (sum(d.errors for d in days),),
        )

    @property
    def tokens(self) -> Chart:
        return self.chart(
            f"Tokens by {self.step}",
            "Output and input of models. Most of the input comes from the cache.",
            *("Output", "Input", "Cache writes, 5 minutes", "Cache writes, 1 hour", "Cache reads"),
            kind="bars",
            unit="count",
            of=lambda days: (
                sum(d.output_tokens for d in days),
                sum(d.input_tokens for d in days),
                sum(d.cache_creation_tokens - d.cache_creation_1h_tokens for d in days),
                sum(d.cache_creation_1h_tokens for d in days),
                sum(d.cache_read_tokens for d in days),
            ),
        )

    @property
    def cost(self) -> Chart:
        return self.chart(
            f"Estimated cost by {self.step}",
            "Tokens and web searches at the price of their day, in US dollars. Tokens without a price are left out.",
            "Cost",
            kind="bars",
            unit="usd",
            of=lambda days: (_sum_known(days),),
        )


def _sum_known(days: tuple[DayFigures, ...]) -> float | None:
    known = [day.cost_usd for day in days if day.cost_usd is not None]
    return round(sum(known), 4) if known else None


@dataclass(frozen=True)
class UsagePage(_Dashboard):
    template: ClassVar[str] = "telemetry/usage.html"
    title: ClassVar[str] = "Usage"
    PATH: ClassVar[str] = "/admin/usage"
    NAMED: ClassVar[int] = 5
    """Models without a price; names come from transcripts, and there may be any number."""

    titles: dict[tuple[str, str], str]
    """(marketplace id, plugin) → path of its page, of what still has one."""

    @property
    def people(self) -> Chart:
        return self.chart(
            "Active people by day" if self.step == "day" else "Active people, busiest day of each week",
            "People with at least one session.",
            "People",
            kind="lines",
            unit="count",
            of=lambda days: (max(d.people for d in days),),
        )

    @property
    def error_rate(self) -> Chart:
        return self.chart(
            f"Error rate by {self.step}",
            "Errors in a hundred calls.",
            "Error rate",
            kind="lines",
            unit="percent",
            of=_rate,
        )

    def link(self, line: ItemLine) -> str:
        """Where an item is shown; empty for what has no page."""
        plugin = self.titles.get((line.marketplace_id, line.plugin), "")
        return (
            f"{plugin}/{line.kind}/{quote(line.name, safe='')}"
            if plugin and line.kind in ("skill", "agent")
            else plugin
        )


def _rate(days: tuple[DayFigures, ...]) -> tuple[float | None]:
    calls = sum(d.calls for d in days)
    return (round(sum(d.errors for d in days) / calls * 100, 1) if calls else None,)


@dataclass(frozen=True)
class MyUsagePage(_Dashboard):
    template: ClassVar[str] = "telemetry/my_usage.html"
    title: ClassVar[str] = "My usage"
    PATH: ClassVar[str] = "/me/usage"


def usage_page(state: State, store: ObjectStore, who: Principal, query: UsageQuery, *, today: date) -> UsagePage:
    """Raises DeniedError, UnavailableError."""
    who.require_admin()
    found = figures.overview(state, store, span_of(query.window, today))
    with state.read(*LINKED, spare=LINKED) as db:
        links = {(slug, name): f"/marketplace/curated/{slug}/{name}" for slug, name in browsing.with_a_page(db)}
        links |= {(one.id, one.served_name): f"/marketplace/flea/{one.id}" for one in flea.entities(db)}
    return UsagePage(found, query.window, links)


def my_usage_page(state: State, store: ObjectStore, who: Principal, query: UsageQuery, *, today: date) -> MyUsagePage:
    """Only one's own. Raises UnavailableError."""
    found = figures.overview(state, store, span_of(query.window, today), user_id=who.user_id)
    return MyUsagePage(found, query.window)
