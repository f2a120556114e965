"""Who may see an item: one rule, which every list, page, search, bundle and answer asks.

    its author              always
    an admin                whatever is not somebody's personal item
    anybody else            what is distributed now (approved or mandatory, valid, not personal) to everyone, to one of the
                            person's groups, or in a domain that was granted to one of them

What a person's sessions load is narrower: only what is distributed to them, whether or not they are an admin.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from agnes.access import service as access
from agnes.access.model import MEMORY_DOMAIN
from agnes.kernel.errors import NotFoundError
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db
from agnes.knowledge.model import EVERYONE, GROUPS, Item


class ItemNotFound(NotFoundError):
    """There is none, or it is not for this person: both are told alike."""

    code = "item_not_found"

    def __init__(self, item_id: str) -> None:
        super().__init__(f"there is no item {item_id[:64]!r}", hint="`agnes knowledge search` finds items.")


@dataclass(frozen=True, slots=True)
class Reader:
    """A person with what decides about what they see."""

    user_id: str
    group_ids: Collection[str] = ()
    domains: Collection[str] = ()
    """Granted to one of the groups."""
    is_admin: bool = False


def reader(db: Db, who: Principal) -> Reader:
    """`db` has `people`."""
    granted = access.grants_by_group(db, [MEMORY_DOMAIN], sorted(who.group_ids)) if who.group_ids else {}
    domains = frozenset(resource for grants in granted.values() for _, resource in grants)
    return Reader(who.user_id, frozenset(who.group_ids), domains, who.is_admin)


def is_for(item: Item, who: Reader) -> bool:
    """Whether the person is in the item's audience."""
    return (
        item.audience == EVERYONE
        or (item.audience == GROUPS and not set(item.audience_groups).isdisjoint(who.group_ids))
        or (bool(item.domain) and item.domain in who.domains)
    )


def may_receive(item: Item, who: Reader, now: datetime) -> bool:
    """Whether the person's sessions may load it."""
    return item.is_distributed(now) and is_for(item, who)


def may_see(item: Item, who: Reader, now: datetime) -> bool:
    return item.author_id == who.user_id or (who.is_admin and not item.is_personal) or may_receive(item, who, now)


def require(item: Item | None, item_id: str, who: Reader, now: datetime) -> Item:
    """Raises ItemNotFound."""
    if item is None or not may_see(item, who, now):
        raise ItemNotFound(item_id)
    return item
