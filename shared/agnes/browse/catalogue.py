"""The catalogue: everything that can be browsed, in memory, ready to be filtered, sorted and paged.

Four layers, each made from the state files that it names and kept for as long as those stay at their generation:

    Content    entries, their order by age, the search index    the sources' files (marketplace)
    UsageIndex   figures by item, orders by use, what is used
               together                                         telemetry
    GrantIndex      who is in which group, what groups were granted  people
    SubscriptionIndex   who holds what, and how many                     stack, with all of the above

What one person may see depends on their groups only, so it is worked out once a set of groups (`VisibleItems`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from threading import Lock
from types import MappingProxyType
from typing import Any, TypeVar

from agnes.browse import entitled
from agnes.browse.entitled import Reader
from agnes.browse.model import NO_FIGURES, NO_SHARED, NO_STACKS, Entry, Figures, Usage, by_owner
from agnes.browse.recent import Key, Part, Recent
from agnes.browse.search import Index
from agnes.claude_code.components import CALLED
from agnes.kernel.principal import Principal
from agnes.marketplace.model import marketplace_of
from agnes.stack.model import ServedPlugin
from agnes.stack.plugins import NO_PLUGINS, Plugins
from agnes.stack.resolution import Candidate
from agnes.telemetry.model import ItemKey

RECENT, MOST_USED, MOST_ADOPTED, TRENDING, RELEVANCE = "recent", "most_used", "most_adopted", "trending", "relevance"
SORTS = (RECENT, MOST_USED, MOST_ADOPTED, TRENDING)

R = TypeVar("R")

VISIBLE_REMEMBERED = 512
RESULTS_REMEMBERED = 512
PARTS_REMEMBERED = 1024
ITEMS_REMEMBERED = 8192
CARDS_REMEMBERED = 2048

NOTHING: Mapping[str, Collection[str]] = MappingProxyType({})
_NOBODY: frozenset[str] = frozenset()

PluginKey = tuple[str, str, str]
Held = tuple[str, str, datetime | None]


class Content:
    """Entries by number. The numbers mean something within one Content only."""

    def __init__(self, entries: Sequence[Entry], plugins: Plugins = NO_PLUGINS, *, is_whole: bool = True) -> None:
        """`plugins` are the versions of curated ones by who gets them; without it everybody gets the entry's. Not `is_whole`:
        the state file of one of the sources could not be read."""
        self.is_whole = is_whole
        self.entries = tuple(entries)
        self.number_of = {entry.id: number for number, entry in enumerate(self.entries)}
        self.number_of_key = {entry.key: number for number, entry in enumerate(self.entries)}
        self.plugins = plugins
        self.varying = frozenset(
            number
            for resource, shelved in plugins.by_resource.items()
            if shelved.varies and (number := self.number_of_key.get(resource)) is not None
        )
        """What not everybody gets the same version of."""
        self.needing: dict[int, list[int]] = {}
        """Entry → entries that need it, by name."""
        for number in sorted(
            range(len(self.entries)), key=lambda n: (self.entries[n].title.lower(), self.entries[n].id)
        ):
            for need in self.entries[number].needs:
                needed = self.number_of_key.get(need.resource_id)
                if needed is not None and needed != number:
                    self.needing.setdefault(needed, []).append(number)
        self.by_recency = sorted(range(len(self.entries)), key=lambda n: _newest_first(self.entries[n]))
        self.granted: dict[str, int] = {e.grant: n for n, e in enumerate(self.entries) if e.grant}
        self.system = frozenset(n for n, e in enumerate(self.entries) if e.is_system)
        self.publishers = {e.marketplace_id: e.marketplace_name for e in self.entries if e.source == "curated"}
        """Id of a marketplace → its name."""
        names = Counter(entry.name.casefold() for entry in self.entries)
        self.contested = frozenset(n for n, e in enumerate(self.entries) if e.blocked or names[e.name.casefold()] > 1)
        """What somebody may have in their stack without being served it."""
        self.owned_by = by_owner(self.entries, self.by_recency)
        self.remembered = Recent(PARTS_REMEMBERED)
        """What pages worked out of this content alone."""
        self._indexing = Lock()
        self._index: Index | None = None

    def with_authors(self, authors: Mapping[str, str]) -> Content:
        """The same, its numbers too, but that owners are called what `authors` says; itself if they are already."""
        renamed = {
            n: replace(entry, author_name=authors.get(entry.owner_id, ""))
            for n, entry in enumerate(self.entries)
            if entry.owner_id and entry.author_name != authors.get(entry.owner_id, "")
        }
        entries = [renamed.get(n, entry) for n, entry in enumerate(self.entries)]
        return Content(entries, self.plugins, is_whole=self.is_whole) if renamed else self

    @property
    def index(self) -> Index:
        """Made when somebody searches first."""
        if self._index is None:
            with self._indexing:
                if self._index is None:
                    self._index = Index([_document(entry) for entry in self.entries])
        return self._index


def _newest_first(entry: Entry) -> tuple[float, str, str, str]:
    added = entry.added.timestamp() if entry.added else float("-inf")
    return (-added, entry.name.lower(), entry.name, entry.id)


def _document(entry: Entry) -> Iterable[tuple[float, str]]:
    """What a search looks at, the weightiest first."""
    yield 10.0, f"{entry.name} {entry.display_name}"
    yield 6.0, " ".join(entry.keywords)
    yield 5.0, entry.words.tagline
    yield 3.0, f"{entry.description} {entry.category}"
    yield 2.0, f"{entry.owner} {entry.author_name} {entry.marketplace_name}"
    for inner in entry.inner:
        if inner.kind in CALLED:
            words = entry.inner_words.get((inner.kind, inner.name))
            yield 6.5, f"{inner.name} {inner.declared_name} {words.display_name if words else ''}"
            yield 1.5, f"{inner.description} {words.tagline if words else ''}"


class UsageIndex:
    """Figures of every item that was used, and the orders that follow from them."""

    def __init__(
        self,
        content: Content,
        of_item: Mapping[ItemKey, Figures],
        together: Iterable[tuple[PluginKey, PluginKey, int]] = (),
        *,
        is_current: bool = True,
    ) -> None:
        """`together` are (plugin, other, sessions that used both), the likest first. Not `is_current`: the state file
        `telemetry` cannot be read, so these are the last figures that this process had, or none."""
        self.of_item = of_item
        self.is_current = is_current
        none = Figures()
        self.of_entry = [of_item.get(entry.item_key, none) for entry in content.entries]
        usage = [figures.usage for figures in self.of_entry]
        names = [(entry.name.lower(), entry.name, entry.id) for entry in content.entries]
        numbers = range(len(usage))
        place = {number: at for at, number in enumerate(content.by_recency)}
        self.orders: dict[str, list[int]] = {
            RECENT: content.by_recency,
            MOST_USED: sorted(numbers, key=lambda n: (-usage[n].invocations_30d, *names[n])),
            MOST_ADOPTED: sorted(numbers, key=lambda n: (-usage[n].distinct_users_30d, *names[n])),
            TRENDING: sorted(
                (n for n in numbers if usage[n].trend_pct is not None),
                key=lambda n: (-(usage[n].trend_pct or 0), place[n]),
            ),
        }
        self.ranks = {sort: {number: at for at, number in enumerate(order)} for sort, order in self.orders.items()}
        self.popular = sorted(
            (n for n in numbers if usage[n].invocations_30d > 0),
            key=lambda n: most_popular_first(content.entries[n], usage[n]),
        )
        number_of = {entry.item_key[:3]: number for number, entry in enumerate(content.entries)}
        self.together: dict[int, list[tuple[int, int]]] = {}
        """Entry → (entry that was used in the same sessions, how many), the likest first."""
        for one, other, sessions in together:
            if one in number_of and other in number_of:
                self.together.setdefault(number_of[one], []).append((number_of[other], sessions))
        self.remembered = Recent(PARTS_REMEMBERED)
        """What pages worked out of these figures."""


def most_popular_first(entry: Entry, usage: Usage) -> tuple[int, int, int, int, str, str]:
    """The order of Most Popular, six levels."""
    return (
        -usage.distinct_users_30d,
        -usage.invocations_30d,
        -usage.distinct_users_7d,
        -usage.invocations_7d,
        entry.name,
        entry.marketplace_id,
    )


@dataclass(frozen=True)
class GrantIndex:
    """Active people with their groups, and what groups were granted."""

    groups_of: Mapping[str, frozenset[str]]
    """User id → group ids, Everyone included; active accounts only."""
    granted_to: Mapping[str, frozenset[str]]
    """Grant's resource → group ids. A resource without a slash is a whole marketplace."""
    group_names: Mapping[str, str] = field(default_factory=dict)
    """Group id → name."""

    def groups_granted(self, plugin: str) -> frozenset[str]:
        """Groups that were granted a plugin (`<slug>/<plugin>`), itself or with its marketplace."""
        return _of_either(self.granted_to, plugin)


def _of_either(groups: Mapping[str, Collection[str]], plugin: str) -> frozenset[str]:
    """What is said of a plugin, and of its whole marketplace."""
    itself, whole = groups.get(plugin, _NOBODY), groups.get(marketplace_of(plugin), _NOBODY)
    return frozenset(itself).union(whole) if itself or whole else _NOBODY


class SubscriptionIndex:
    """Who holds what. As `agnes.stack.entitlement`: only active people who may have it count, everybody holds a
    system plugin, and a group holds what one of its grants requires."""

    def __init__(
        self,
        content: Content,
        reach: GrantIndex,
        held: Iterable[Held],
        required: Mapping[str, Collection[str]] = NOTHING,
    ) -> None:
        """`held` are (user id, entry id, since when if it matters), `required` a grant's resource → group ids."""
        self._content, self._reach, self.given_required = content, reach, required
        self._granted_to = [reach.groups_granted(entry.grant) for entry in content.entries]
        self._must = (
            {n: must for plugin, n in content.granted.items() if (must := _of_either(required, plugin))}
            if required
            else {}
        )
        self._required: dict[frozenset[str], frozenset[int]] = {}
        self._together: dict[int, list[tuple[int, int]]] = {}
        self.of_user: dict[str, set[int]] = {}
        self.since: dict[tuple[str, int], datetime] = {}
        self.counts = [0] * len(content.entries)
        alike = Counter(reach.groups_of.values()) if self._must else {}
        for number, groups in self._must.items():
            self.counts[number] = sum(people for of, people in alike.items() if not groups.isdisjoint(of))
        for number in content.system:
            self.counts[number] = len(reach.groups_of)
        self._hold(held)

    def with_other(self, users: Iterable[str], held: Iterable[Held]) -> SubscriptionIndex:
        """The same, but that these people hold what `held` says of them."""
        new = copy(self)
        new.of_user, new.since, new.counts, new._together = dict(self.of_user), dict(self.since), [*self.counts], {}
        for user_id in users:
            for number in new.of_user.pop(user_id, ()):
                new.since.pop((user_id, number), None)
                new.counts[number] -= self._counts(user_id, number)
        new._hold(held)
        return new

    def _hold(self, held: Iterable[Held]) -> None:
        number_of = self._content.number_of
        for user_id, entry_id, since in held:
            number = number_of.get(entry_id)
            if number is None:
                continue
            self.of_user.setdefault(user_id, set()).add(number)
            if since is not None:
                self.since[user_id, number] = since
            self.counts[number] += self._counts(user_id, number)

    def _counts(self, user_id: str, number: int) -> bool:
        """Whether somebody's having asked for it makes them one holder more."""
        groups = self._reach.groups_of.get(user_id)
        if groups is None or number in self._content.system:
            return False
        must = self._must.get(number)
        if must is not None and not groups.isdisjoint(must):
            return False
        return not self._content.entries[number].grant or not groups.isdisjoint(self._granted_to[number])

    def required(self, groups: frozenset[str]) -> frozenset[int]:
        """What people of these groups have without asking."""
        found = self._required.get(groups)
        if found is None:
            found = frozenset(n for n, of in self._must.items() if not of.isdisjoint(groups))
            if len(self._required) >= VISIBLE_REMEMBERED:
                self._required.clear()
            self._required[groups] = found
        return found

    def together(self, number: int) -> list[tuple[int, int]]:
        """(entry, people) of what holders of an entry hold too, most people first; what everybody has says nothing,
        and a single person is nobody else's business."""
        found = self._together.get(number)
        if found is None:
            people: dict[int, int] = {}
            for held in self.of_user.values():
                if number in held:
                    for other in held:
                        people[other] = people.get(other, 0) + 1
            pairs = [(n, c) for n, c in people.items() if c > 1 and n != number and n not in self._content.system]
            names = self._content.entries
            found = sorted(pairs, key=lambda pair: (-pair[1], names[pair[0]].name.lower(), names[pair[0]].id))[:24]
            self._together[number] = found
        return found


class VisibleItems:
    """What people of the same groups may see, in every order."""

    def __init__(self, content: Content, measures: UsageIndex, numbers: Iterable[int], results: Part) -> None:
        self.numbers = frozenset(numbers)
        self.results = results
        """What queries found."""
        self._content = content
        self._measures = measures
        self._remembered: dict[Key, Any] = {}

    def of_source(self, source: str) -> frozenset[int]:
        return self._once(
            ("source", source),
            lambda: frozenset(n for n in self.numbers if self._content.entries[n].source == source),
        )

    def ordered(self, sources: tuple[str, ...], sort: str) -> list[int]:
        """Everything of these sources in this order."""

        def make() -> list[int]:
            wanted: frozenset[int] = frozenset().union(*(self.of_source(source) for source in sources))
            return [n for n in self._measures.orders[sort] if n in wanted]

        return self._once(("order", sources, sort), make)

    def popular(self, source: str) -> list[int]:
        return self._once(
            ("popular", source), lambda: [n for n in self._measures.popular if n in self.of_source(source)]
        )

    def _once(self, key: Key, make: Callable[[], R]) -> R:
        found: R | None = self._remembered.get(key)
        if found is None:
            found = self._remembered[key] = make()
        return found


@dataclass
class VisibilityIndex:
    """Visible by set of groups. Lives as long as the layers that it depends on."""

    content: Content
    measures: UsageIndex
    reach: GrantIndex
    _of: dict[Key, VisibleItems] = field(default_factory=dict)
    _results: Recent = field(default_factory=lambda: Recent(RESULTS_REMEMBERED))

    @cached_property
    def _granted_by(self) -> dict[str, frozenset[int]]:
        """Group id → entries."""
        found: dict[str, set[int]] = {}
        for plugin, number in self.content.granted.items():
            for group in self.reach.groups_granted(plugin):
                found.setdefault(group, set()).add(number)
        return {group: frozenset(numbers) for group, numbers in found.items()}

    @cached_property
    def _early(self) -> frozenset[int]:
        """What one group alone is served so far."""
        return frozenset(n for n in self.content.varying if self.content.entries[n].only_for)

    @cached_property
    def _for_groups(self) -> frozenset[int]:
        """Approved flea entities that their owners share with some groups."""
        entries = self.content.entries
        return frozenset(n for n, e in enumerate(entries) if e.audience and e.status == "approved")

    @cached_property
    def _open(self) -> frozenset[int]:
        """What needs no grant, by nobody's being an exception: system plugins, approved flea entities."""
        free = {
            n
            for n, e in enumerate(self.content.entries)
            if not e.grant and e.status == "approved" and e.audience is None
        }
        return self.content.system | free

    def of(self, who: Principal) -> VisibleItems:
        """Granted to one of their groups, or open; their own flea entities that are not archived; an admin sees
        every flea entity, and no more of the curated ones than anybody."""
        owner = who.user_id if who.user_id in self.content.owned_by else ""
        key = (who.group_ids, who.is_admin, owner)
        found = self._of.get(key)
        if found is None:
            numbers = set(self._open)
            for group in who.group_ids:
                numbers |= self._granted_by.get(group, frozenset())
            numbers |= {
                n for n in self._for_groups if not who.group_ids.isdisjoint(self.content.entries[n].audience or ())
            }
            numbers -= {n for n in self._early if self.content.entries[n].only_for not in who.group_ids}
            if owner or who.is_admin:
                shared = [(n, e) for n, e in enumerate(self.content.entries) if not e.grant]
                numbers |= {n for n, e in shared if who.is_admin or (e.owner_id == owner and e.status != "archived")}
            found = VisibleItems(self.content, self.measures, numbers, self._results.part(key))
            if len(self._of) >= VISIBLE_REMEMBERED:
                self._of.clear()
            self._of[key] = found
        return found


@dataclass(frozen=True)
class Stack:
    """What is in one person's stack."""

    held: Collection[int]
    """Whether they may still see it or not."""
    counting: list[int]
    """What counts: curated while it is granted, flea while approved or archived, and what is served for their sake.
    Curated ones first, by registration, then flea ones, the last added first."""
    unserved: Mapping[int, str]
    """Of those, what is not served all the same, with the reason that `/marketplace/info` gives."""
    needed: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """What is served and needed by others → those; it counts even if the person did not add it themselves."""
    chosen: Mapping[int, Candidate] = field(default_factory=dict)
    """What is served → in which version, where there was something to decide."""


@dataclass(frozen=True)
class Catalogue:
    """The layers that one answer is made of."""

    content: Content
    measures: UsageIndex
    reach: GrantIndex
    holdings: SubscriptionIndex
    sights: VisibilityIndex
    items: Recent = field(default_factory=lambda: Recent(ITEMS_REMEMBERED))
    """Rows of the listing, each made once."""
    cards: Recent = field(default_factory=lambda: Recent(CARDS_REMEMBERED))
    """The same as they are shown."""
    knows_stacks: bool = True
    """False where the state file `stack` is damaged; then nobody seems to have anything."""

    @property
    def notices(self) -> list[str]:
        """What of the state could not be read, in words for everybody."""
        known = {NO_STACKS: self.knows_stacks, NO_SHARED: self.content.is_whole, NO_FIGURES: self.measures.is_current}
        return [notice for notice, is_known in known.items() if not is_known]

    def held_by(self, who: Principal) -> frozenset[int] | set[int]:
        """What is in the person's stack, whether they may still see it or not."""
        always = self.content.system | self.holdings.required(who.group_ids)
        return self.holdings.of_user.get(who.user_id, frozenset()) | always

    def stack_of(self, who: Principal) -> Stack:
        held, visible, entries = self.held_by(who), self.sights.of(who).numbers, self.content.entries
        counting = [
            n
            for n in held
            if (n in visible if entries[n].source == "curated" else entries[n].status in ("approved", "archived"))
        ]
        since = self.holdings.since

        def place(number: int) -> float:
            at = since.get((who.user_id, number))
            return entries[number].order_in_stack if at is None else -at.timestamp()

        counting.sort(key=lambda n: (entries[n].source != "curated", place(n), entries[n].id))
        made = entitled.decided(self.content, Reader(visible, who.group_ids, self.reach), counting)
        added = [n for n in made.needed if n not in held]
        if added:
            counting = [*counting, *added]
            counting.sort(key=lambda n: (entries[n].source != "curated", place(n), entries[n].id))
        return Stack(held, counting, made.unserved, made.needed, made.chosen)

    def given(self, number: int, who: Principal, stack: Stack) -> ServedPlugin | None:
        """The version that a person is served, or would be, of what not everybody gets the same version of."""
        if number not in self.content.varying:
            return None
        chosen = stack.chosen.get(number)
        if chosen is not None:
            plugin: ServedPlugin = chosen.value
            return plugin
        return self.content.plugins.by_resource[self.content.entries[number].grant].of(who.group_ids)

    def version_reason(self, number: int, who: Principal, stack: Stack, given: ServedPlugin) -> str:
        """Why a person gets this version and not the one that most people get; empty if it is that."""
        shelved = self.content.plugins.by_resource[self.content.entries[number].grant]
        asking = [stack.chosen[by] for by in stack.needed.get(number, ()) if by in stack.chosen]
        reason = shelved.reason(given, who.group_ids, asking)
        return reason.text(self.reach.group_names.get(reason.group_id, "")) if reason else ""

    def usage(self, number: int) -> Usage:
        """The figures of a chip, with the stack count."""
        used = self.measures.of_entry[number].usage
        return Usage(
            used.invocations_30d,
            used.distinct_users_30d,
            used.invocations_7d,
            used.distinct_users_7d,
            used.trend_pct,
            self.holdings.counts[number],
        )
