"""A catalogue from a hand-made set of entries: what listings are tested over, without a state file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from agnes.browse.catalogue import Catalogue, Content, GrantIndex, SubscriptionIndex, UsageIndex, VisibilityIndex
from agnes.browse.listing import ItemsQuery, listing
from agnes.browse.model import Entry, Figures, Listing, Usage
from agnes.kernel.principal import Principal

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
EVERYONE = frozenset({"everyone"})


def person(user_id: str = "ann", *groups: str, admin: bool = False) -> Principal:
    extra = {"admin"} if admin else set()
    return Principal(user_id, f"{user_id}@example.com", user_id, EVERYONE | set(groups) | extra, is_admin=admin)


def plugin(name: str, *, market: str = "acme", age_days: float = 0, **given: Any) -> Entry:
    """A curated plugin, added so many days before NOW."""
    return Entry(
        **{
            "id": f"curated-{market}/{name}",
            "source": "curated",
            "name": name,
            "type": "plugin",
            "category": "Other",
            "description": "",
            "owner": "Mira",
            "version": "1.0.0",
            "added": NOW - timedelta(days=age_days),
            "updated": NOW - timedelta(days=age_days),
            "released": None,
            "marketplace_id": market,
            "marketplace_name": market.title(),
            "detail_url": f"/marketplace/curated/{market}/{name}",
            "item_key": ("curated", market, name, "plugin", name),
            "grant": f"{market}/{name}",
            **given,
        }
    )


def flea(name: str, *, kind: str = "skill", owner: str = "bob", age_days: float = 0, **given: Any) -> Entry:
    """A flea entity, as its source will describe one."""
    return Entry(
        **{
            "id": f"flea-{name}",
            "source": "flea",
            "name": f"{name}-by-{owner}",
            "type": kind,
            "category": "Other",
            "description": "",
            "owner": owner,
            "version": "1",
            "added": NOW - timedelta(days=age_days),
            "updated": NOW - timedelta(days=age_days),
            "released": None,
            "marketplace_id": name,
            "marketplace_name": "Flea market",
            "detail_url": f"/marketplace/flea/{name}",
            "item_key": ("flea", name, f"{name}-by-{owner}", kind, f"{name}-by-{owner}"),
            "owner_id": owner,
            **given,
        }
    )


@dataclass
class Shop:
    """Entries with their figures, who was granted what, who holds what."""

    entries: list[Entry]
    used: Mapping[str, Usage] = field(default_factory=dict)
    """Entry id → figures."""
    grants: Mapping[str, Iterable[str]] | None = None
    """Grant → groups; everything to Everyone if None."""
    held: Iterable[tuple[str, str]] = ()
    """(user id, entry id)."""
    since: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    """The same → when it was added, of flea entities."""
    people: Mapping[str, frozenset[str]] = field(default_factory=lambda: {"ann": EVERYONE, "bob": EVERYONE})
    required: Mapping[str, Iterable[str]] = field(default_factory=dict)
    """Grant → groups that must have it."""

    @property
    def catalogue(self) -> Catalogue:
        content = Content(self.entries)
        of_item = {e.item_key: Figures(self.used[e.id]) for e in self.entries if e.id in self.used}
        measures = UsageIndex(content, of_item)
        granted = {e.grant: EVERYONE for e in self.entries if e.grant}
        if self.grants is not None:
            granted = {grant: frozenset(groups) for grant, groups in self.grants.items()}
        reach = GrantIndex(self.people, granted)
        must = {grant: frozenset(groups) for grant, groups in self.required.items()}
        holdings = SubscriptionIndex(content, reach, [(*pair, self.since.get(pair)) for pair in self.held], must)
        return Catalogue(content, measures, reach, holdings, VisibilityIndex(content, measures, reach))

    def list(self, who: Principal | None = None, **query: Any) -> Listing:
        return listing(self.catalogue, who or person(), ItemsQuery.model_validate(query), now=NOW)

    def names(self, who: Principal | None = None, **query: Any) -> list[str]:
        return [item.name for item in self.list(who, **query).items]


def usage(calls: int, people: int, calls_7d: int = 0, people_7d: int = 0, trend: float | None = None) -> Usage:
    return Usage(calls, people, calls_7d, people_7d, trend)
