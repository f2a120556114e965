"""Search: words of entries in an inverted index; ranked, tolerant of a typo.

A query's words must all be found. A word is found as a whole, as the beginning of one, inside of one (from 3
characters), or with one letter missing, added, changed or swapped (from 4 characters, when nothing better is
found). Where it is found counts too: a name more than a description, a plugin's own words more than its items'.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

Score = Mapping[int, float]
"""Number of an entry → how well it fits."""

WHOLE, PREFIX, INSIDE, TYPO = 1.0, 0.72, 0.4, 0.3
MIN_INSIDE, MIN_TYPO = 3, 4
REMEMBERED_WORDS = 2048
MAX_WORDS = 12

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """Lower case, without accents, split at everything that is no letter or digit."""
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return _WORD.findall(text.lower())


class Index:
    """`documents[n]` are the (weight, text) of entry number n."""

    def __init__(self, documents: Sequence[Iterable[tuple[float, str]]]) -> None:
        postings: dict[str, dict[int, float]] = {}
        for number, document in enumerate(documents):
            for weight, text in document:
                for word in words(text):
                    found = postings.get(word)
                    if found is None:
                        postings[word] = {number: weight}
                    elif found.get(number, 0.0) < weight:
                        found[number] = weight
        self._postings = postings
        self._vocabulary = sorted(postings)
        self._text = "\n" + "\n".join(self._vocabulary) + "\n"
        self._starts: list[int] = []
        at = 1
        for word in self._vocabulary:
            self._starts.append(at)
            at += len(word) + 1
        self._shortened: dict[str, list[str]] | None = None
        self._remembered: OrderedDict[str, Score] = OrderedDict()

    def search(self, query: str) -> Score | None:
        """Every entry that has all the words of `query`; None if it has no word to look for."""
        asked = list(dict.fromkeys(words(query)))[:MAX_WORDS]
        if not asked:
            return {} if query.strip() else None
        scores = sorted((self._of(word) for word in asked), key=len)
        found = scores[0]
        for score in scores[1:]:
            found = {number: value + score[number] for number, value in found.items() if number in score}
        return found

    def _of(self, word: str) -> Score:
        found = self._remembered.get(word)
        if found is None:
            found = self._look_for(word)
            self._remembered[word] = found
            while len(self._remembered) > REMEMBERED_WORDS:
                try:
                    self._remembered.popitem(last=False)
                except KeyError:  # another thread was faster
                    break
        return found

    def _look_for(self, word: str) -> Score:
        scores: dict[int, float] = {}

        def add(known: str, factor: float) -> None:
            for number, weight in self._postings[known].items():
                value = weight * factor
                if scores.get(number, 0.0) < value:
                    scores[number] = value

        if word in self._postings:
            add(word, WHOLE)
        low = bisect_left(self._vocabulary, word)
        high = bisect_right(self._vocabulary, word + "\U0010ffff")
        for known in self._vocabulary[low:high]:
            if known != word:
                # A word that is nearly whole is nearly as good.
                add(known, PREFIX + (WHOLE - PREFIX) * 0.8 * len(word) / len(known))
        if len(word) >= MIN_INSIDE:
            for known in self._holding(word):
                add(known, INSIDE)
        if not scores and len(word) >= MIN_TYPO:
            for known in self._nearly(word):
                add(known, TYPO)
        return scores

    def _holding(self, word: str) -> Iterable[str]:
        at = self._text.find(word)
        while at >= 0:
            place = bisect_right(self._starts, at) - 1
            yield self._vocabulary[place]
            at = self._text.find(word, self._starts[place] + len(self._vocabulary[place]))

    def _nearly(self, word: str) -> set[str]:
        """Known words within one insertion, deletion, change or swap of neighbours."""
        if self._shortened is None:
            shortened: dict[str, list[str]] = {}
            for known in self._vocabulary:
                if len(known) >= MIN_TYPO - 1 and not known.isdigit():
                    for short in _without_one(known):
                        shortened.setdefault(short, []).append(known)
            self._shortened = shortened
        near = set(self._shortened.get(word, ()))
        for short in _without_one(word):
            if short in self._postings:
                near.add(short)
            near.update(known for known in self._shortened.get(short, ()) if is_one_typo(word, known))
        return near


def _without_one(word: str) -> set[str]:
    return {word[:at] + word[at + 1 :] for at in range(len(word))}


def is_one_typo(one: str, other: str) -> bool:
    """Whether one insertion, deletion, change, or swap of neighbours makes `other` of `one`."""
    if one == other:
        return True
    if abs(len(one) - len(other)) > 1:
        return False
    shorter, longer = sorted((one, other), key=len)
    at = next((n for n, (a, b) in enumerate(zip(shorter, longer, strict=False)) if a != b), len(shorter))
    if len(shorter) != len(longer):
        return shorter[at:] == longer[at + 1 :]
    if shorter[at + 1 :] == longer[at + 1 :]:
        return True
    return shorter[at] == longer[at + 1] and shorter[at + 1] == longer[at] and shorter[at + 2 :] == longer[at + 2 :]
