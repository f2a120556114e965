"""What a card, a chip and a detail page show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

CATEGORIES = (
    "Code & Engineering",
    "Data & Analytics",
    "Documentation",
    "Productivity",
    "Communication",
    "DevOps & Infra",
    "Security",
    "Research",
    "Other",
)
"""The documented vocabulary (spec/02 §2); unknown ones are shown as they are."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The four figures of a chip. Windows are complete UTC days ending yesterday, plus today."""

    invocations_30d: int = 0
    distinct_users_30d: int = 0
    invocations_7d: int = 0
    distinct_users_7d: int = 0
    trend_pct: float | None = None
    """Change of the last 7 complete days against the 7 before; None below 3 earlier calls."""
    stack_count: int = 0
    parent: str | None = None
    """Title of the plugin that an inner item belongs to: its stack count is the plugin's."""

    @property
    def is_shown(self) -> bool:
        return self.stack_count > 0 or self.invocations_30d > 0

    @property
    def trend_direction(self) -> Literal["up", "down", "flat"]:
        rounded = round(self.trend_pct or 0)
        return "up" if rounded > 0 else "down" if rounded < 0 else "flat"

    @property
    def trend_text(self) -> str:
        return f"{abs(round(self.trend_pct or 0))}%"

    @property
    def trend_sentence(self) -> str:
        change = {"up": "more", "down": "fewer", "flat": "change in"}[self.trend_direction]
        return f"{self.trend_text} {change} calls in the last 7 complete days than in the 7 before"

    @property
    def installed_label(self) -> str:
        return "installed"

    @property
    def installed_sentence(self) -> str:
        what = f"{self.parent}, the plugin that holds it," if self.parent else "it"
        people = "person has" if self.stack_count == 1 else "people have"
        return f"{self.stack_count:,} {people} {what} in their stack now"


@dataclass(frozen=True, slots=True)
class Item:
    """One row of the listing; field names are the API's (spec/02 §2)."""

    id: str
    source: Literal["curated", "flea"]
    name: str
    type: Literal["plugin", "skill", "agent"]
    category: str
    description: str
    owner: str
    version: str
    photo_url: str | None
    added: datetime | None
    installed: bool
    marketplace_slug: str
    marketplace_name: str
    detail_url: str
    visibility_status: str
    is_viewer_owner: bool
    is_system: bool
    display_name: str
    tagline: str
    invocations_30d: int
    distinct_users_30d: int
    invocations_7d: int
    distinct_users_7d: int
    trend_pct: float | None
    stack_count: int
    tokens_30d: int

    @property
    def title(self) -> str:
        return self.display_name or self.name

    @property
    def usage(self) -> Usage:
        return Usage(
            self.invocations_30d,
            self.distinct_users_30d,
            self.invocations_7d,
            self.distinct_users_7d,
            self.trend_pct,
            self.stack_count,
        )


@dataclass(frozen=True, slots=True)
class Facet:
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Listing:
    """One answer for one view of the listing."""

    items: tuple[Item, ...]
    total: int
    page: int
    page_size: int
    available_sorts: tuple[str, ...]
    categories: tuple[Facet, ...]
    tabs: dict[str, int]
    """Tab → number of items in it, before search and filters."""

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.page_size))


@dataclass(frozen=True, slots=True)
class Day:
    day: date
    invocations: int


@dataclass(frozen=True, slots=True)
class InnerItem:
    """A skill, agent, command, hook or MCP server of a plugin."""

    kind: str
    name: str
    description: str
    invocation: str
    """What a person types or a model calls, empty for hooks and servers."""
    usage: Usage


@dataclass(frozen=True, slots=True)
class FileLine:
    path: str
    size: int


@dataclass(frozen=True, slots=True)
class PluginDetail:
    """One curated plugin, as its page and its API route show it (spec/02 §5)."""

    item: Item
    marketplace_name: str
    homepage: str
    author_name: str
    curator_email: str
    bundle_size: int
    released_at: datetime | None
    updated_at: datetime | None
    inner: tuple[InnerItem, ...]
    files: tuple[FileLine, ...]
    daily_series: tuple[Day, ...]
    problem: str
    """Why the newest content is not what is served; empty if it is."""

    @property
    def active_days(self) -> int:
        return sum(1 for day in self.daily_series if day.invocations)

    @property
    def last_used(self) -> date | None:
        return max((day.day for day in self.daily_series if day.invocations), default=None)

    def of_kind(self, kind: str) -> tuple[InnerItem, ...]:
        return tuple(item for item in self.inner if item.kind == kind)
