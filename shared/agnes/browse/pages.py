"""Page objects of the marketplace: what a template may show, and nothing else."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import date
from typing import ClassVar
from urllib.parse import urlencode

from agnes.browse.model import Item, Listing, PluginDetail
from agnes.browse.service import ItemsQuery

SORT_LABELS = {
    "recent": "Recent",
    "most_used": "Most used (30d)",
    "most_adopted": "Most adopted (30d)",
    "trending": "Trending",
}
COVERS = 8


@dataclass(frozen=True, slots=True)
class Link:
    label: str
    url: str
    is_current: bool = False
    count: int | None = None


@dataclass(frozen=True)
class ListingPage:
    template: ClassVar[str] = "browse/listing.html"
    title: ClassVar[str] = "Marketplace"

    listing: Listing
    query: ItemsQuery
    today: date

    def url(self, **changes: object) -> str:
        """The listing's URL with some of its parameters changed; defaults are left out, the page starts anew."""
        values = {**self.query.model_dump(), "page": 1, **changes}
        defaults = ItemsQuery().model_dump()
        kept = {name: value for name, value in values.items() if value != defaults[name] or name == "tab"}
        return "/marketplace?" + urlencode(kept)

    @property
    def tabs(self) -> list[Link]:
        def tab(name: str, label: str) -> Link:
            # Another tab has other categories, types and pages; the words that were searched for stay.
            url = self.url(tab=name, category="", type="", sort="recent")
            return Link(label, url, self.query.tab == name, self.listing.tabs[name])

        return [tab("curated", "Curated Marketplace"), tab("my", "My Stack")]

    @property
    def categories(self) -> list[Link]:
        total = sum(facet.count for facet in self.listing.categories)
        return [
            Link("All", self.url(category=""), not self.query.category, total),
            *(
                Link(facet.name, self.url(category=facet.name), self.query.category == facet.name, facet.count)
                for facet in self.listing.categories
            ),
        ]

    @property
    def sorts(self) -> list[tuple[str, str]]:
        return [(sort, SORT_LABELS[sort]) for sort in self.listing.available_sorts]

    @property
    def pager(self) -> list[Link | None]:
        """First and last two pages, the current one with its neighbours; None stands for a gap."""
        last, here = self.listing.pages, self.listing.page
        if last == 1:
            return []
        shown = sorted({1, 2, last - 1, last, here - 1, here, here + 1} & set(range(1, last + 1)))
        links: list[Link | None] = []
        for before, number in zip([0, *shown], shown, strict=False):
            if number - before > 1:
                links.append(None)
            links.append(Link(str(number), self.url(page=number), number == here))
        return links

    @property
    def heading(self) -> str:
        return "Your stack" if self.query.tab == "my" else "All plugins"

    def cover(self, item: Item) -> int:
        return cover(item.name)


@dataclass(frozen=True)
class PluginPage:
    template: ClassVar[str] = "browse/plugin.html"

    plugin: PluginDetail
    today: date

    @property
    def title(self) -> str:
        return self.plugin.item.title

    @property
    def cover(self) -> int:
        return cover(self.plugin.item.name)

    @property
    def bars(self) -> list[tuple[float, float, int, date]]:
        """The daily series as bars of a chart 300 wide and 64 high: x, height, calls, day."""
        series = self.plugin.daily_series
        most = max((day.invocations for day in series), default=0) or 1
        return [
            (index * 10.0, max(2.0, day.invocations / most * 60), day.invocations, day.day)
            for index, day in enumerate(series)
        ]


def cover(name: str) -> int:
    """Which of the gradients stands for a name, the same on every page."""
    return zlib.crc32(name.encode()) % COVERS
