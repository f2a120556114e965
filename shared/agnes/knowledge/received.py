"""What a person receives, from lists that are made once for everybody who is in the same audiences.

Ten thousand items are too many to be asked one by one for each request. Whether an item is for a person depends on its audience, its groups
and its domain alone (`visibility.is_for`), so items with the same three are one *class*, and people who receive the same classes share
one list, until the state file changes. Validity is asked at each request, of the items that have any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from weakref import WeakKeyDictionary

from agnes.knowledge import visibility
from agnes.knowledge.index import KnowledgeIndex
from agnes.knowledge.model import Item
from agnes.knowledge.transitions import DISTRIBUTED, Status
from agnes.knowledge.visibility import Reader

MAX_LISTS = 100
"""For so many different sets of classes lists are kept."""

Class = tuple[str, tuple[str, ...], str]


@dataclass(frozen=True, slots=True)
class Received:
    """Distributed items of some classes, as of one hour."""

    newest: Sequence[Item]
    """Those that changed last first."""
    approved: Sequence[Item]
    """The most worth first."""
    mandatory: Sequence[Item]
    places: dict[str, int]
    """Id of an approved item → its place."""
    ids: frozenset[str]
    """Of all of them."""
    is_timed: bool
    """Some have a validity: it has to be asked."""


@dataclass(slots=True)
class _Lists:
    """Of one generation."""

    classes: dict[Class, Item]
    """Class → one of its items."""
    shared: Sequence[Item]
    """Not personal, those that changed last first: what every admin sees."""
    received: dict[tuple[frozenset[Class], datetime], Received] = field(default_factory=dict)


_lists: WeakKeyDictionary[KnowledgeIndex, _Lists] = WeakKeyDictionary()
_lock = Lock()


def _newest(items: Sequence[Item]) -> list[Item]:
    return sorted(items, key=lambda item: (item.updated_at, item.id), reverse=True)


def _class_of(item: Item) -> Class:
    return item.audience, tuple(item.audience_groups), item.domain


def _of(known: KnowledgeIndex) -> _Lists:
    held = _lists.get(known)
    if held is None:
        shared = _newest([item for item in known.items if not item.is_personal])
        classes = {_class_of(item): item for item in shared if item.status in DISTRIBUTED}
        held = _Lists(classes, shared)
        with _lock:
            _lists[known] = held
    return held


def received(known: KnowledgeIndex, who: Reader, now: datetime) -> Received:
    """What is distributed to a person now."""
    lists = _of(known)
    mine = frozenset(one for one, item in lists.classes.items() if visibility.is_for(item, who))
    hour = now.replace(minute=0, second=0, microsecond=0)
    found = lists.received.get((mine, hour))
    if found is None:
        newest = [item for item in lists.shared if item.status in DISTRIBUTED and _class_of(item) in mine]
        approved = [item for item in newest if item.status == Status.APPROVED]
        approved.sort(key=lambda item: (-known.worth(item, hour), item.id))
        found = Received(
            newest,
            approved,
            sorted((item for item in newest if item.status == Status.MANDATORY), key=lambda item: item.id),
            {item.id: place for place, item in enumerate(approved)},
            frozenset(item.id for item in newest),
            any(item.valid_from is not None or item.valid_until is not None for item in newest),
        )
        with _lock:
            while len(lists.received) >= MAX_LISTS:
                lists.received.pop(next(iter(lists.received)))
            lists.received[mine, hour] = found
    return found if not found.is_timed else _valid(found, now)


def _valid(found: Received, now: datetime) -> Received:
    def kept(items: Sequence[Item]) -> list[Item]:
        return [item for item in items if (item.valid_from is None and item.valid_until is None) or item.is_valid(now)]

    approved = kept(found.approved)
    places = {item.id: place for place, item in enumerate(approved)}
    newest = kept(found.newest)
    ids = frozenset(item.id for item in newest)
    return Received(newest, approved, kept(found.mandatory), places, ids, is_timed=True)


def seen(known: KnowledgeIndex, who: Reader, now: datetime) -> Sequence[Item]:
    """Everything that a person may see (`visibility.may_see`), what changed last first."""
    lists = _of(known)
    own = known.items_of(who.user_id)
    if who.is_admin:
        private = [item for item in own if item.is_personal]
        return _newest([*lists.shared, *private]) if private else lists.shared
    newest = received(known, who, now).newest
    if not own:
        return newest
    mine = {item.id for item in own}
    return _newest([*own, *(item for item in newest if item.id not in mine)])


def seen_of(known: KnowledgeIndex, items: Sequence[Item], who: Reader, now: datetime) -> list[Item]:
    """Those of these items that a person may see, in their order."""
    user_id = who.user_id
    if who.is_admin:
        return [item for item in items if not item.is_personal or item.author_id == user_id]
    ids = received(known, who, now).ids
    return [item for item in items if item.id in ids or item.author_id == user_id]
