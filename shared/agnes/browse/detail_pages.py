"""Page objects of a plugin, a flea entity, and what is inside them: what a template may show, and nothing else."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from agnes.browse.detail import Day, InnerDetail, InnerLine, PluginDetail
from agnes.browse.markdown import rendered
from agnes.browse.model import TAB_LABELS, Figures, Usage, Words, cover, letters
from agnes.browse.video import Player, find_player


class StackForm(BaseModel):
    """What the add and remove buttons send. `back` is the Agnes page to show next."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool
    back: str = Field("", max_length=2000, pattern=r"^(/marketplace([/?][\x21-\x7e]*)?|/me/unused)?$")


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of a chart that is 300 wide and 64 high."""

    x: float
    height: float
    day: Day


@dataclass(frozen=True, slots=True)
class Hero:
    """The head of a detail page."""

    title: str
    called: str
    """What Claude Code knows it by."""
    kind: str
    url: str
    last_crumb: str
    letters: str
    """Stand for a cover that there is not."""
    photo_url: str | None
    lead: str
    updated: datetime | None
    cover: int


class _Detail(ABC):
    """What detail pages have in common."""

    @property
    @abstractmethod
    def hero(self) -> Hero: ...

    @property
    @abstractmethod
    def crumbs(self) -> list[tuple[str, str]]:
        """Those that are links."""

    @property
    @abstractmethod
    def words(self) -> Words: ...

    @property
    @abstractmethod
    def usage(self) -> Usage: ...

    @property
    @abstractmethod
    def figures(self) -> Figures: ...

    @property
    @abstractmethod
    def series(self) -> tuple[Day, ...]: ...

    @property
    def title(self) -> str:
        return self.hero.title

    @cached_property
    def player(self) -> Player | None:
        return find_player(self.words.video_url)

    @property
    def content_policy(self) -> str:
        return self.player.policy if self.player else ""

    @property
    def sample_html(self) -> str:
        return rendered(self.words.sample_assistant)

    @property
    def bars(self) -> list[Bar]:
        most = max((day.invocations for day in self.series), default=0) or 1
        return [
            Bar(index * 10.0, round(max(2.0, day.invocations / most * 60), 1), day)
            for index, day in enumerate(self.series)
        ]

    @property
    def active_days(self) -> int:
        return sum(1 for day in self.series if day.invocations)

    @property
    def last_used(self) -> date | None:
        return max((day.day for day in self.series if day.invocations), default=None)


@dataclass(frozen=True)
class PluginPage(_Detail):
    template: ClassVar[str] = "browse/plugin.html"

    plugin: PluginDetail
    today: date

    @cached_property
    def hero(self) -> Hero:
        entry, item = self.plugin.entry, self.plugin.item
        return Hero(
            title=entry.title,
            called=entry.name,
            kind=entry.type,
            url=entry.detail_url,
            last_crumb=entry.title,
            letters=letters(entry.type, entry.title),
            photo_url=item.photo_url,
            lead=item.tagline or item.description,
            updated=entry.updated,
            cover=cover(entry.name),
        )

    @property
    def crumbs(self) -> list[tuple[str, str]]:
        return _crumbs(self.plugin.entry.source)

    @property
    def words(self) -> Words:
        return self.plugin.entry.words

    @property
    def usage(self) -> Usage:
        return self.plugin.item.usage

    @property
    def figures(self) -> Figures:
        return self.plugin.figures

    @property
    def series(self) -> tuple[Day, ...]:
        return self.plugin.daily_series

    @property
    def what_it_does(self) -> str:
        """HTML: the curator's text, else the plugin's own README."""
        return rendered(self.words.description or self.plugin.readme)


@dataclass(frozen=True)
class EntityPage(PluginPage):
    """A skill or an agent by itself, of the flea market."""

    template: ClassVar[str] = "browse/entity.html"

    @cached_property
    def hero(self) -> Hero:
        """The crumb is what it is called by."""
        return replace(super().hero, last_crumb=self.plugin.entry.name)

    @property
    def body_html(self) -> str:
        return rendered(self.plugin.body)


def entity_page(found: PluginDetail, today: date) -> PluginPage:
    return (PluginPage if found.entry.type == "plugin" else EntityPage)(found, today)


@dataclass(frozen=True)
class InnerPage(_Detail):
    template: ClassVar[str] = "browse/inner.html"

    detail: InnerDetail
    today: date

    @cached_property
    def hero(self) -> Hero:
        parent, line = self.detail.parent, self.line
        return Hero(
            title=self.detail.title,
            called=parent.name,
            kind=line.inner.kind,
            url=line.detail_url,
            last_crumb=self.detail.title,
            letters=letters(line.inner.kind, self.detail.title),
            photo_url=line.words.cover_url,
            lead=line.words.tagline or line.inner.description,
            updated=parent.updated,
            cover=cover(parent.name),
        )

    @property
    def crumbs(self) -> list[tuple[str, str]]:
        parent = self.detail.parent
        return [*_crumbs(parent.source), (parent.title, parent.detail_url)]

    @property
    def line(self) -> InnerLine:
        return self.detail.line

    @property
    def words(self) -> Words:
        return self.line.words

    @property
    def usage(self) -> Usage:
        return self.line.usage

    @property
    def figures(self) -> Figures:
        return self.line.figures

    @property
    def series(self) -> tuple[Day, ...]:
        return self.detail.daily_series

    @property
    def body_html(self) -> str:
        return rendered(self.detail.body)

    @property
    def description_html(self) -> str:
        return rendered(self.words.description)

    @property
    def when_to_use_html(self) -> str:
        return rendered(self.words.when_to_use)


def _crumbs(source: str) -> list[tuple[str, str]]:
    return [("Marketplace", "/marketplace"), (TAB_LABELS[source], f"/marketplace?tab={source}")]
