"""The page object of the listing: what its template may show, and nothing else."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import ClassVar
from urllib.parse import urlencode

from agnes.browse.listing import TYPES, ItemsQuery, listing
from agnes.browse.model import TAB_LABELS, Item, Listing, cover
from agnes.browse.recent import Recent
from agnes.browse.shelf import SOURCE_NAMES, catalogue
from agnes.kernel.principal import Principal
from agnes.kernel.state import State

SORT_LABELS = {
    "relevance": "Best match",
    "recent": "Recent",
    "most_used": "Most used (30d)",
    "most_adopted": "Most adopted (30d)",
    "trending": "Trending",
}
SCOPE_LABELS = {"curated": "Curated", "flea": "Flea"}
TYPE_LABELS = {"": "All", "skill": "Skills", "agent": "Agents", "plugin": "Plugins"}
UPDATED_LABELS = {"": "Any time", "7d": "Last 7 days", "30d": "Last 30 days", "90d": "Last 90 days"}
_DEFAULTS = ItemsQuery.model_validate({}).model_dump()


@dataclass(frozen=True, slots=True)
class Link:
    label: str
    url: str
    is_current: bool = False
    count: int | None = None
    key: str = ""


@dataclass(frozen=True)
class ListingPage:
    template: ClassVar[str] = "browse/listing.html"
    title: ClassVar[str] = "Marketplace"

    listing: Listing
    query: ItemsQuery
    today: date
    publisher_names: Mapping[str, str]
    """Id of a marketplace → its name."""
    cards: Recent
    """Cards that were rendered from the same catalogue."""

    def card_key(self, item: Item, place: str) -> tuple[Hashable, ...]:
        return (item.id, item.installed, item.required, item.is_viewer_owner, item.hidden_reason, item.matched, place)

    def url(self, **changes: object) -> str:
        """The listing's URL with some of its parameters changed; defaults are left out, the page starts anew."""
        values = {**self.query.model_dump(), "page": 1, **changes}
        kept = {name: value for name, value in values.items() if value != _DEFAULTS[name] or name == "tab"}
        if "scope" in kept:
            kept["scope"] = ",".join(kept["scope"])
        if "not_in_stack" in kept:
            kept["not_in_stack"] = 1
        return "/marketplace?" + urlencode(kept, safe=",")

    @cached_property
    def here(self) -> str:
        return self.url(page=self.query.page)

    @property
    def tabs(self) -> list[Link]:
        """The flea market has a tab as soon as the person may see something in it."""
        return [
            # Another tab has other categories, types and pages; the words that were searched for stay.
            Link(
                TAB_LABELS[name],
                f"/marketplace?{urlencode({'tab': name} | ({'q': self.query.q} if self.query.q else {}))}",
                self.query.tab == name,
                self.listing.tabs[name],
                name,
            )
            for name in (*self._sources, "my")
        ]

    @property
    def _sources(self) -> list[str]:
        return [n for n in SOURCE_NAMES if n == "curated" or self.listing.tabs[n] or self.query.tab == n]

    @property
    def scopes(self) -> list[Link]:
        if len(self._sources) < 2:
            return []
        return [Link(SCOPE_LABELS[name], "", name in self.listing.scope, key=name) for name in self._sources]

    @property
    def categories(self) -> list[Link]:
        facets = self.listing.facets.categories
        total = sum(facet.count for facet in facets)
        return [
            Link("All", self.url(category=""), not self.query.category, total),
            *(
                Link(
                    facet.name,
                    self.url(category=facet.name),
                    self.query.category == facet.name,
                    facet.count,
                    facet.icon_key,
                )
                for facet in facets
            ),
        ]

    @property
    def types(self) -> list[Link]:
        """Where there is something to choose between."""
        counts = {facet.name: facet.count for facet in self.listing.facets.types}
        if self.query.tab == "curated" or (len(counts) < 2 and not self.query.type):
            return []
        return [
            Link(TYPE_LABELS[name], self.url(type=name), self.query.type == name, counts.get(name) if name else None)
            for name in ("", *TYPES)
            if not name or name in counts or name == self.query.type
        ]

    @property
    def publishers(self) -> list[Link]:
        facets = self.listing.facets.publishers
        if len(facets) < 2 and not self.query.publisher:
            return []
        return [
            Link(self.publisher_names.get(f.name, f.name), "", self.query.publisher == f.name, f.count, f.name)
            for f in facets
        ]

    @property
    def updated(self) -> list[Link]:
        return [Link(label, "", self.query.updated == key, key=key) for key, label in UPDATED_LABELS.items()]

    @property
    def is_filtered(self) -> bool:
        query = self.query
        return bool(query.category or query.type or query.publisher or query.updated or query.not_in_stack)

    @property
    def everything(self) -> str:
        return f"/marketplace?tab={self.query.tab}"

    @property
    def sorts(self) -> list[Link]:
        return [
            Link(SORT_LABELS[sort], "", sort == self.listing.sort, key=sort) for sort in self.listing.available_sorts
        ]

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
    def previous(self) -> str:
        here, last = self.listing.page, self.listing.pages
        return self.url(page=min(here - 1, last)) if here > 1 else ""

    @property
    def next(self) -> str:
        return self.url(page=self.listing.page + 1) if self.listing.page < self.listing.pages else ""

    @property
    def heading(self) -> str:
        if self.query.tab == "my":
            return "Your stack"
        return "All plugins" if self.listing.scope == ("curated",) else "All items"

    @property
    def summary(self) -> str:
        """How much was found, for everybody and for the live region."""
        others = any(facet.name != "plugin" for facet in self.listing.facets.types)
        noun = "item" if self.query.tab == "flea" or others else "plugin"
        found = f"{self.listing.total:,} {noun}{'' if self.listing.total == 1 else 's'}"
        if self.query.words:
            found += f" for “{self.query.words}”"
        if self.listing.pages > 1:
            found += f", page {self.listing.page:,} of {self.listing.pages:,}"
        return found

    def cover(self, item: Item) -> int:
        return cover(item.name)


def listing_page(state: State, who: Principal, query: ItemsQuery, *, now: datetime) -> ListingPage:
    """A sort that nothing here has, such as trending where nothing has a trend, becomes the usual one."""
    known = catalogue(state)
    found = listing(known, who, query, now=now)
    if query.sort and found.sort not in found.available_sorts:
        query = query.model_copy(update={"sort": "", "page": 1})
        found = listing(known, who, query, now=now)
    return ListingPage(found, query, now.date(), known.content.publishers, known.cards)
