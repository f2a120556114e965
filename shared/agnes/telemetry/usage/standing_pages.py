"""Pages of unused plugins: one's own, with a button to remove each, and the organisation's, with whom to ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import State
from agnes.telemetry.usage import standing
from agnes.telemetry.usage.standing import MyPlugin, MyStanding, OrganisationStanding, PluginStanding

FILES = standing.FILES


@dataclass(frozen=True)
class _Page:
    today: date

    title: ClassVar[str] = "Unused plugins"

    def path(self, plugin: MyPlugin | PluginStanding) -> str:
        """Of the plugin's own page, which also takes what the remove button sends."""
        if plugin.source == "flea":
            return f"/marketplace/flea/{plugin.marketplace_id}"
        return f"/marketplace/curated/{plugin.marketplace_id}/{plugin.plugin}"


@dataclass(frozen=True)
class MyUnusedPage(_Page):
    found: MyStanding

    template: ClassVar[str] = "telemetry/my_unused.html"


@dataclass(frozen=True)
class UnusedPage(_Page):
    found: OrganisationStanding

    template: ClassVar[str] = "telemetry/unused.html"
    NAMED: ClassVar[int] = 5
    """People of a plugin that a row names; the others are behind a fold."""

    @property
    def idle(self) -> list[PluginStanding]:
        return [plugin for plugin in self.found.plugins if plugin.idle_people]

    @property
    def others(self) -> list[PluginStanding]:
        return [plugin for plugin in self.found.plugins if not plugin.idle_people]


def my_unused_page(state: State, store: ObjectStore, who: Principal, *, now: datetime) -> MyUnusedPage:
    """Raises UnavailableError."""
    return MyUnusedPage(now.date(), standing.mine(state, store, who, now=now))


def unused_page(state: State, store: ObjectStore, who: Principal, *, now: datetime) -> UnusedPage:
    """Raises DeniedError, UnavailableError."""
    return UnusedPage(now.date(), standing.organisation(state, store, who, now=now))
