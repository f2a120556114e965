"""Search over knowledge: BM25 over title, content, tags and names, accents and capitals folded, tolerant of one typo a word.

DuckDB's own full-text search is an extension that is downloaded when it is first used, which a function without the open net cannot;
this is the same formula over an index in memory that is built once a generation of the state file.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

from agnes.browse.search import is_one_typo, words
from agnes.knowledge.model import Item

K1, B = 1.2, 0.75
TITLE, WORDS, CONTENT = 3, 2, 1
"""How often a word counts by where it is."""
PREFIX, TYPO = 0.6, 0.4
"""What a word that begins with the asked one, or is a typo away, is worth of the word itself."""
MIN_PREFIX, MIN_TYPO = 3, 4
MAX_WORDS = 12
EXPANDED = 50
"""Other words that one asked word stands for."""

Document = Counter[str]


def document(item: Item) -> Document:
    """Word → how often it counts in an item."""
    found: Document = Counter()
    for weight, text in (
        (TITLE, item.title),
        (WORDS, " ".join([*item.tags, *item.entities, item.domain])),
        (CONTENT, item.content),
    ):
        for word in words(text):
            found[word] += weight
    return found


def document_of(text: str) -> Document:
    """Word → how often a text has it."""
    return Counter(words(text))


class Index:
    """`documents[n]` is that of item number n."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._postings: dict[str, list[tuple[int, int]]] = {}
        for number, one in enumerate(documents):
            for word, count in one.items():
                self._postings.setdefault(word, []).append((number, count))
        self._lengths = [sum(one.values()) for one in documents]
        mean = sum(self._lengths) / len(self._lengths) if self._lengths else 1.0
        self._damping = [K1 * (1 - B + B * length / mean) for length in self._lengths]
        """Of BM25, by the length of each document."""
        self._vocabulary = sorted(self._postings)
        self._by_length: dict[int, list[str]] = {}
        for word in self._vocabulary:
            self._by_length.setdefault(len(word), []).append(word)

    def search(self, query: str) -> dict[int, float]:
        """Number of an item → score, of those that have every word of the query, or one near it. Empty without a word."""
        asked = list(dict.fromkeys(words(query)))[:MAX_WORDS]
        found: dict[int, float] | None = None
        for word in asked:
            scores = self._scores(word)
            found = scores if found is None else {n: s + scores[n] for n, s in found.items() if n in scores}
            if not found:
                return {}
        return found or {}

    def near(self, own: Document, *, limit: int, but: int = -1) -> list[tuple[int, float]]:
        """(number, score) of the items that share most of the rare words of a text, the nearest first."""
        scores: dict[int, float] = {}
        for word in own:
            postings = self._postings.get(word, ())
            if len(postings) <= max(50, len(self._lengths) // 5):  # a word of every fifth item tells none apart
                self._add(scores, postings, 1.0)
        scores.pop(but, None)
        return sorted(scores.items(), key=lambda one: (-one[1], one[0]))[:limit]

    def _scores(self, word: str) -> dict[int, float]:
        scores: dict[int, float] = {}
        for known, factor in self._standing_for(word):
            own: dict[int, float] = {}
            self._add(own, self._postings[known], factor)
            for number, score in own.items():
                if score > scores.get(number, 0.0):
                    scores[number] = score
        return scores

    def _standing_for(self, word: str) -> Iterable[tuple[str, float]]:
        found: list[tuple[str, float]] = [(word, 1.0)] if word in self._postings else []
        if len(word) >= MIN_PREFIX:
            at = bisect_left(self._vocabulary, word)
            for known in self._vocabulary[at : at + EXPANDED]:
                if known == word:
                    continue
                if not known.startswith(word):
                    break
                found.append((known, PREFIX))
        if not found and len(word) >= MIN_TYPO:
            for length in (len(word) - 1, len(word), len(word) + 1):
                near = (known for known in self._by_length.get(length, ()) if is_one_typo(word, known))
                found += [(known, TYPO) for known in near]
        return found[: EXPANDED + 1]

    def _add(self, scores: dict[int, float], postings: Sequence[tuple[int, int]], factor: float) -> None:
        rarity = math.log(1 + (len(self._lengths) - len(postings) + 0.5) / (len(postings) + 0.5)) * factor * (K1 + 1)
        damping = self._damping
        for number, count in postings:
            scores[number] = scores.get(number, 0.0) + rarity * count / (count + damping[number])
