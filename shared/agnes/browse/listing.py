"""The listing: what is visible, then filtered, then sorted, then paged. Pure, over a Catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agnes.browse.catalogue import MOST_ADOPTED, RECENT, RELEVANCE, SORTS, TRENDING, Catalogue, Stack, VisibleItems
from agnes.browse.entitled import Reader, candidates
from agnes.browse.model import (
    CATEGORIES,
    FIGURES,
    OTHER,
    CategoryFacet,
    Entry,
    Facet,
    Facets,
    Item,
    Kind,
    Listing,
    NeedLine,
)
from agnes.browse.search import words
from agnes.claude_code.components import CALLED
from agnes.claude_code.dependencies import is_within
from agnes.kernel.principal import Principal
from agnes.marketplace.model import Need
from agnes.stack.entitlement import NO_VERSION_CLAUSE

POPULAR = 4
UPDATED_DAYS = {"7d": 7, "30d": 30, "90d": 90}
TYPES: tuple[Kind, ...] = ("skill", "agent", "plugin")


class ItemsQuery(BaseModel):
    """Query of `GET /api/marketplace/items` and of the listing page; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tab: Literal["curated", "flea", "my"] = "curated"
    q: str = Field("", max_length=200, description="Words that must all be found, a typo forgiven.")
    scope: tuple[Literal["curated", "flea"], ...] = Field(
        (), description="Sources to search, several times or with commas; the tab's own if it is not given."
    )
    category: str = Field("", max_length=100)
    type: Literal["", "skill", "agent", "plugin"] = Field("", description="Ignored on the curated tab.")
    publisher: str = Field("", max_length=100, description="Id of a marketplace.")
    updated: Literal["", "7d", "30d", "90d"] = Field("", description="Changed within so many days.")
    not_in_stack: bool = Field(default=False, description="Leave out what I have.")
    sort: Literal["", "relevance", "recent", "most_used", "most_adopted", "trending"] = Field(
        "", description="Default: relevance for a search, else recent."
    )
    page: int = Field(1, ge=1, le=100_000)
    page_size: int = Field(24, ge=1, le=100)

    @field_validator("scope", mode="before")
    @classmethod
    def _scopes(cls, given: Any) -> Any:
        """Each once, in one order: `flea,curated` and `scope=curated&scope=flea` are the same."""
        parts = [given] if isinstance(given, str) else given
        if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
            return given
        return tuple(sorted({name for part in parts for name in part.split(",") if name}))

    @property
    def words(self) -> str:
        return self.q.strip()

    @property
    def wanted_sort(self) -> str:
        """Relevance is an order of a search only."""
        if self.sort in ("", RELEVANCE):
            return RELEVANCE if self.words else RECENT
        return self.sort

    @property
    def sources(self) -> tuple[str, ...]:
        """What is looked at: while something is searched for, the scopes choose, not the tab."""
        tab = ("curated", "flea") if self.tab == "my" else (self.tab,)
        return (self.scope or tab) if self.words else tab


def listing(catalogue: Catalogue, who: Principal, query: ItemsQuery, *, now: datetime) -> Listing:
    """The page of items that the person asked for, with everything that the page around it shows."""
    visible = catalogue.sights.of(who)
    stack = catalogue.stack_of(who)
    found = _find(catalogue, visible, stack, query, now)
    entries = catalogue.content.entries
    start = (query.page - 1) * query.page_size
    asked = words(query.words) if query.words else []
    return Listing(
        items=tuple(
            item_of(catalogue, number, who, stack, matched=_matched(entries[number], asked))
            for number in found.order[start : start + query.page_size]
        ),
        total=len(found.order),
        page=query.page,
        page_size=query.page_size,
        sort=query.wanted_sort,
        available_sorts=found.available_sorts,
        facets=found.facets,
        tabs={
            "curated": len(visible.of_source("curated")),
            "flea": len(visible.of_source("flea")),
            "my": len(stack.counting),
        },
        scope=query.sources,
        popular=_popular(catalogue, who, visible, stack, query),
        figures=FIGURES,
        notice=" ".join(catalogue.notices),
    )


def categories(catalogue: Catalogue, who: Principal, query: ItemsQuery, *, now: datetime) -> tuple[CategoryFacet, ...]:
    """Those of a tab, with how many of what is visible there they hold."""
    return _find(catalogue, catalogue.sights.of(who), catalogue.stack_of(who), query, now).facets.categories


@dataclass(frozen=True, slots=True)
class _Result:
    """What a query finds, before paging."""

    order: Sequence[int]
    available_sorts: tuple[str, ...]
    facets: Facets


def _find(catalogue: Catalogue, visible: VisibleItems, stack: Stack, query: ItemsQuery, now: datetime) -> _Result:
    """Remembered where it depends on nothing but what the person's groups may see."""
    if query.tab == "my" or query.not_in_stack or query.updated:
        return _Search(catalogue, visible, stack, query, now).result()
    key = (query.words, query.sources, query.category, query.type, query.publisher, query.wanted_sort)
    found = visible.results.get(key)
    if found is None:
        found = _Search(catalogue, visible, stack, query, now).result()
        visible.results.put(key, found)
    return found


class _Search:
    def __init__(
        self, catalogue: Catalogue, visible: VisibleItems, stack: Stack, query: ItemsQuery, now: datetime
    ) -> None:
        self._catalogue = catalogue
        self._query = query
        self._entries = catalogue.content.entries
        self._scores = catalogue.content.index.search(query.words) if query.words else None
        # Everything curated is a plugin; the type pills are the flea market's and My Stack's.
        self._type = "" if query.sources == ("curated",) and query.tab != "my" else query.type
        self._base = self._found(visible, stack, now)

    def _found(self, visible: VisibleItems, stack: Stack, now: datetime) -> list[int]:
        """Visible in this tab, found by the search, let through by the filters that have no facet."""
        query, entries, scores = self._query, self._entries, self._scores
        if query.tab == "my":
            base = [n for n in stack.counting if entries[n].source in query.sources]
        else:
            base = visible.ordered(query.sources, RECENT)
        if scores is not None:
            base = [n for n in base if n in scores]
        if query.not_in_stack:
            base = [n for n in base if n not in stack.held]
        if query.updated:
            since = now - timedelta(days=UPDATED_DAYS[query.updated])
            base = [n for n in base if (updated := entries[n].updated) is not None and updated >= since]
        return base

    def result(self) -> _Result:
        chosen = self._base
        if self._query.category or self._type or self._query.publisher:
            chosen = [n for n in self._base if self._is_chosen(n)]
        return _Result(self._sorted(chosen), self._available_sorts(chosen), self._facets())

    def _sorted(self, chosen: list[int]) -> list[int]:
        sort, ranks = self._query.wanted_sort, self._catalogue.measures.ranks
        if sort == RECENT:
            return chosen  # as it came: by age, in My Stack by the stack's own order
        if sort == RELEVANCE:
            scores, rank = self._scores or {}, ranks[MOST_ADOPTED]
            return sorted(chosen, key=lambda n: (-scores[n], rank[n]))
        rank = ranks[sort]
        return sorted((n for n in chosen if n in rank), key=rank.__getitem__)

    def _available_sorts(self, chosen: list[int]) -> tuple[str, ...]:
        """Trending where something that was found has a trend, relevance where something was searched for."""
        trending = self._catalogue.measures.ranks[TRENDING]
        sorts = SORTS if any(n in trending for n in chosen) else SORTS[:-1]
        return sorts if self._scores is None else (RELEVANCE, *sorts)

    def _is_chosen(self, number: int, *, but: str = "") -> bool:
        entry, query = self._entries[number], self._query
        return (
            (but == "category" or not query.category or entry.category == query.category)
            and (but == "type" or not self._type or entry.type == self._type)
            and (but == "publisher" or not query.publisher or entry.marketplace_id == query.publisher)
        )

    def _facets(self) -> Facets:
        entries = self._entries
        categories = Counter(entries[n].category for n in self._base if self._is_chosen(n, but="category"))
        types = Counter(entries[n].type for n in self._base if self._is_chosen(n, but="type"))
        publishers = Counter(
            entries[n].marketplace_id
            for n in self._base
            if entries[n].source == "curated" and self._is_chosen(n, but="publisher")
        )
        return Facets(
            tuple(CategoryFacet(name, categories[name], icon_key(name)) for name in sorted(categories)),
            tuple(Facet(name, types[name]) for name in TYPES if types[name]),
            tuple(Facet(name, publishers[name]) for name in sorted(publishers)),
        )


def icon_key(category: str) -> str:
    return CATEGORIES.get(category, CATEGORIES[OTHER])


def _popular(
    catalogue: Catalogue, who: Principal, visible: VisibleItems, stack: Stack, query: ItemsQuery
) -> tuple[Item, ...]:
    """At most four used ones; on the first page of a source's tab, while nothing is searched or filtered for."""
    narrowed = query.words or query.category or query.publisher or query.updated or query.not_in_stack
    if query.tab == "my" or query.page != 1 or narrowed:
        return ()
    numbers: Iterable[int] = visible.popular(query.tab)
    if query.type and query.tab == "flea":
        numbers = (n for n in numbers if catalogue.content.entries[n].type == query.type)
    return tuple(item_of(catalogue, number, who, stack) for number, _ in zip(numbers, range(POPULAR), strict=False))


def item_of(catalogue: Catalogue, number: int, who: Principal, stack: Stack, *, matched: str = "") -> Item:
    entry = catalogue.content.entries[number]
    installed, own = number in stack.held, bool(entry.owner_id) and entry.owner_id == who.user_id
    required = number in catalogue.holdings.required(who.group_ids)
    reason = stack.unserved.get(number, "")
    needed = stack.needed.get(number, ())
    given = catalogue.given(number, who, stack)
    version_reason = catalogue.version_reason(number, who, stack, given) if given else ""
    dependencies = needs_of(catalogue, entry.needs if given is None else given.needs, who, stack)
    version = given.version if given else entry.version
    key = (number, installed, required, own, reason, needed, version, version_reason, dependencies, matched)
    found = catalogue.items.get(key)
    if found is None:
        usage, figures = catalogue.usage(number), catalogue.measures.of_entry[number]
        found = Item(
            id=entry.id,
            source=entry.source,
            name=entry.name,
            type=entry.type,
            category=entry.category,
            description=given.description if given else entry.description,
            owner=entry.owner,
            version=version,
            photo_url=entry.words.cover_url,
            added=entry.added,
            updated=entry.updated,
            installed=installed,
            marketplace_slug=entry.marketplace_id if entry.source == "curated" else "",
            marketplace_name=entry.marketplace_name,
            detail_url=entry.detail_url,
            visibility_status=entry.status,
            is_viewer_owner=own,
            is_system=entry.is_system,
            required=required,
            display_name=entry.display_name,
            tagline=entry.words.tagline,
            invocations_30d=usage.invocations_30d,
            distinct_users_30d=usage.distinct_users_30d,
            invocations_7d=usage.invocations_7d,
            distinct_users_7d=usage.distinct_users_7d,
            trend_pct=usage.trend_pct,
            stack_count=usage.stack_count,
            tokens_30d=figures.tokens,
            cost_usd_30d=figures.cost_usd,
            unpriced_tokens_30d=figures.unpriced_tokens,
            hidden_reason=reason,
            required_by=tuple(catalogue.content.entries[n].title for n in needed),
            added_as_dependency=bool(needed) and not installed,
            version_reason=version_reason,
            dependencies=dependencies,
            matched=matched,
        )
        catalogue.items.put(key, found)
    return found


def needs_of(catalogue: Catalogue, needs: Sequence[Need], who: Principal, stack: Stack) -> tuple[NeedLine, ...]:
    """What a plugin needs, as a person sees it."""
    return tuple(_need(catalogue, need, who, stack) for need in needs)


def _need(catalogue: Catalogue, need: Need, who: Principal, stack: Stack) -> NeedLine:
    content, visible = catalogue.content, catalogue.sights.of(who).numbers
    number = content.granted.get(need.resource_id)
    entry = content.entries[number] if number is not None and number in visible else None
    reader = Reader(visible, who.group_ids, catalogue.reach)
    problem, version = "", ""
    if not need.resource_id:
        problem = f"The marketplace {need.marketplace} is not registered."
    elif number is None or entry is None:
        problem = f"It {reader.why_none(content, need.resource_id)}."
    else:
        versions = [one.version for one in candidates(content, reader, number)]
        chosen = stack.chosen.get(number)
        fitting = [chosen.version] if chosen else versions
        version = next((one for one in fitting if not need.range or is_within(one, need.range)), "")
        if not versions:
            problem = f"It {NO_VERSION_CLAUSE}."
        elif not version:
            problem = f"Version {fitting[0].partition('+')[0]} is served."
    installed = number is not None and number in stack.held
    is_served = number in stack.needed or (installed and number not in stack.unserved)
    return NeedLine(
        name=need.name,
        title=entry.title if entry else need.name,
        marketplace=need.marketplace,
        marketplace_name=content.publishers.get(need.marketplace, need.marketplace),
        range=need.range,
        version=version,
        detail_url=entry.detail_url if entry else "",
        installed=installed,
        state="unavailable" if problem else "added" if not is_served else "in_stack" if installed else "served",
        problem=problem,
    )


def _matched(entry: Entry, asked: list[str]) -> str:
    """The inner item that a search found, if the entry's own names do not hold what was asked for."""
    if not asked:
        return ""
    own = f"{entry.name} {entry.display_name} {entry.words.tagline}".lower()
    if all(word in own for word in asked):
        return ""
    best, most = "", 0
    for inner in entry.inner:
        if inner.kind in CALLED:
            name = f"{inner.name} {inner.declared_name}".lower()
            hits = sum(word in name for word in asked)
            if hits > most:
                best, most = f"{inner.kind} {inner.name}", hits
    return best
