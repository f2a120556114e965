"""All items in memory, with what is computed of them: made once a generation of the state file, asked by pages, search and bundles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from weakref import WeakKeyDictionary

from agnes.kernel.state import Db, State
from agnes.knowledge import packing, repository, search
from agnes.knowledge.confidence import confidence
from agnes.knowledge.model import FILE, Item, Support
from agnes.knowledge.search import Document, Index

FADES = timedelta(days=365)
"""An item that nobody touched for so long is worth the least share."""
LEAST_WORTH = 0.25
_NONE = Support()


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class KnowledgeIndex:
    """Of one generation."""

    items: Sequence[Item]
    supports: dict[str, Support]
    index: Index
    documents: dict[tuple[str, int, datetime], Document]
    numbers: dict[str, int]
    tokens: dict[tuple[str, int, datetime], int]
    by_author: dict[str, list[Item]]
    shared: dict[str, int]
    """Status → items that are not personal."""
    confidences: dict[datetime, dict[str, float]]
    """Hour → confidence of each item at its beginning, of the last hour that was asked."""

    def find(self, item_id: str) -> Item | None:
        number = self.numbers.get(item_id)
        return self.items[number] if number is not None else None

    def tokens_of(self, item: Item) -> int:
        """Of title and content."""
        return self.tokens.get(_key(item)) or tokens_of(item)

    def support(self, item_id: str) -> Support:
        return self.supports.get(item_id, _NONE)

    def confidence(self, item: Item, now: datetime) -> float:
        return confidence(item, self.support(item.id), now)

    def items_of(self, user_id: str) -> list[Item]:
        """What a person has proposed, or said first."""
        return self.by_author.get(user_id, [])

    def hourly_confidence(self, now: datetime) -> dict[str, float]:
        """Item → confidence as of the hour, to sort by: it fades over months."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        found = self.confidences.get(hour)
        if found is None:
            found = {item.id: self.confidence(item, hour) for item in self.items}
            self.confidences.clear()
            self.confidences[hour] = found
        return found

    def worth(self, item: Item, now: datetime) -> float:
        """What an item is worth to a session: how much it is believed, less with the time that nobody touched it."""
        return self.confidence(item, now) * max(LEAST_WORTH, 1 - max(timedelta(), now - item.updated_at) / FADES)

    def search(self, query: str) -> list[tuple[Item, float]]:
        """(item, score), the best first; of equal ones the one that changed last."""
        found = [(self.items[number], score) for number, score in self.index.search(query).items()]
        found.sort(key=lambda one: one[0].id)
        found.sort(key=lambda one: (one[1], one[0].updated_at), reverse=True)
        return found

    def near_text(self, text: str, *, limit: int) -> list[Item]:
        """Items that share most of the rare words of a text, the nearest first."""
        return [self.items[number] for number, _ in self.index.near(search.document_of(text), limit=limit)]

    def near(self, item: Item, *, limit: int) -> list[tuple[Item, float]]:
        """Items whose words are nearest to those of one, itself left out."""
        own = self.documents.get(_key(item)) or search.document(item)
        found = self.index.near(own, limit=limit, but=self.numbers.get(item.id, -1))
        return [(self.items[number], score) for number, score in found]


_held: WeakKeyDictionary[State, tuple[tuple[int, str], KnowledgeIndex]] = WeakKeyDictionary()
_lock = Lock()


def current(state: State) -> KnowledgeIndex:
    """That of the newest generation; words of items that did not change are not split again. Raises UnavailableError."""
    version = state.version_seen(FILE)
    held = _held.get(state)
    if held is not None and held[0] == version:
        return held[1]
    with state.read(FILE) as db:
        made = build(db, held[1] if held is not None else None)
    with _lock:
        _held[state] = (version, made)
    return made


def build(db: Db, former: KnowledgeIndex | None = None) -> KnowledgeIndex:
    """`former` is that of another generation: what it knows of unchanged items is not computed again."""
    return made_of(repository.items(db), repository.supports(db), former)


def made_of(
    items: Sequence[Item], supports: dict[str, Support], former: KnowledgeIndex | None = None
) -> KnowledgeIndex:
    words, sizes = (former.documents, former.tokens) if former is not None else ({}, {})
    documents = {key: words.get(key) or search.document(item) for item in items for key in (_key(item),)}
    by_author: dict[str, list[Item]] = {}
    for item in items:
        by_author.setdefault(item.author_id, []).append(item)
    return KnowledgeIndex(
        items,
        supports,
        Index(list(documents.values())),
        documents,
        {item.id: number for number, item in enumerate(items)},
        {key: sizes.get(key) or tokens_of(item) for item in items for key in (_key(item),)},
        by_author,
        dict(Counter(item.status for item in items if not item.is_personal)),
        {},
    )


def tokens_of(item: Item) -> int:
    return packing.tokens(f"{item.title} {item.content}")


def _key(item: Item) -> tuple[str, int, datetime]:
    return item.id, item.revision, item.updated_at


def counted(values: Iterable[str]) -> dict[str, int]:
    """Value → how often, the most frequent first; empty ones are left out."""
    found: dict[str, int] = {}
    for value in values:
        if value:
            found[value] = found.get(value, 0) + 1
    return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))
