"""Finds rules in text, in work that the text's size bounds.

1. One pass of an automaton finds the words of `rules.hints`: a rule can only match near one of its own. Rules that have no words are looked
   for by one pass of an automaton of their patterns.
2. Around each word is a window, as wide as the rule's terms and gaps; windows that overlap are one. In it the terms are matched by RE2, the
   one with the words first, and compared by place.

Nothing is matched by backtracking (`agnes.kernel.scanning`). A rule looks at MAX_WINDOWS windows of a text; a text with more is `Crowded`,
which is a finding, as something may be behind them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from agnes.checks.model import Severity
from agnes.checks.rules.hints import HINTS
from agnes.checks.rules.model import Rule, Where
from agnes.kernel.scanning import Patterns, PatternSet, WordSet

TERM_BYTES = 300
"""A match of one term is not longer, or not seen whole."""
LATER_TERM_BYTES = 160
MAX_WINDOWS = 1_000
"""Of one rule in one text."""
MAX_SPANS = 200
"""Places of one term in one window that are compared."""
MAX_HITS = 20
"""Places of one rule in one text that are reported; more of the same say nothing new."""
BEFORE_BYTES = 200
AFTER_BYTES = 600
"""What is looked at for `unless`: the lines of the match, and so much before and after, at most."""


@dataclass(frozen=True, slots=True)
class Hit:
    rule: Rule
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Crowded:
    """So many places may be this rule's that the rest was not looked at."""

    rule: Rule
    at: int


@dataclass(slots=True)
class Counts:
    """What a matcher did; tests bound it by the size of what it was given."""

    words: int = 0
    windows: int = 0
    window_bytes: int = 0
    spans: int = 0


@dataclass(frozen=True, slots=True)
class _Compiled:
    rule: Rule
    where: int
    terms: tuple[int, ...]
    anchor: int
    """Place in `terms` of the one whose words were found."""
    reach: int
    """Bytes on each side of a word that may belong to a match."""
    excuse: int
    """Number of `unless`; -1 without one."""


@dataclass(slots=True)
class Matcher:
    """The rules that have terms, compiled once."""

    terms: PatternSet
    excuses: PatternSet
    words: WordSet
    by_word: list[list[_Compiled]]
    wordless: PatternSet
    by_wordless: list[_Compiled]
    wide: list[_Compiled]
    """Rules about characters beyond ASCII: looked for in texts that have some."""

    @classmethod
    def of(cls, rules: Sequence[Rule], patterns: Patterns) -> Matcher:
        kept = [rule for rule in rules if rule.terms]
        terms: dict[str, int] = {}
        excuses: dict[str, int] = {}
        words: dict[str, list[_Compiled]] = {}
        wordless: list[_Compiled] = []
        wide: list[_Compiled] = []
        for rule in kept:
            numbers = tuple(terms.setdefault(_pattern(term), len(terms)) for term in rule.terms)
            excuse = excuses.setdefault(_pattern(rule.unless), len(excuses)) if rule.unless else -1
            anchor, hints = HINTS.get(rule.id, (0, ()))
            reach = TERM_BYTES + (len(numbers) - 1) * (rule.gap + LATER_TERM_BYTES)
            compiled = _Compiled(rule, rule.where.value, numbers, anchor, reach, excuse)
            for word in hints:
                words.setdefault(word, []).append(compiled)
            if not hints:
                (wordless if rule.terms[0].isascii() and "\\x{" not in rule.terms[0] else wide).append(compiled)
        return cls(
            patterns.compile(tuple(terms)),
            patterns.compile(tuple(excuses)),
            patterns.words([word.encode() for word in words]),
            list(words.values()),
            patterns.compile(tuple(_pattern(one.rule.terms[0]) for one in wordless)),
            wordless,
            wide,
        )

    def hits(self, body: bytes, where: Where, counts: Counts) -> Iterator[Hit | Crowded]:
        places: dict[int, tuple[_Compiled, list[int]]] = {}
        asked = where.value
        found = self.words.places(body.lower())
        counts.words += len(found)
        by_word: dict[int, list[int]] = {}
        for word, start in found:
            by_word.setdefault(word, []).append(start)
        for word, starts in by_word.items():
            for one in self.by_word[word]:
                if one.where & asked:
                    places.setdefault(id(one), (one, []))[1].extend(starts)
        for one, starts in places.values():
            yield from self._near(one, starts, body, counts)
        whole = [self.by_wordless[number] for number in self.wordless.present(body)]
        if not body.isascii():
            whole += self.wide
        for one in whole:
            if one.where & asked:
                counts.window_bytes += len(body)
                yield from self._in(one, body, 0, len(body), counts)

    def _near(self, one: _Compiled, starts: list[int], body: bytes, counts: Counts) -> Iterator[Hit | Crowded]:
        found = 0
        for number, (first, last) in enumerate(_merged(starts, one.reach)):
            if number == MAX_WINDOWS:
                yield Crowded(one.rule, first)
                return
            counts.windows += 1
            left = max(first - one.reach, 0)
            right = min(last + one.reach, len(body))
            counts.window_bytes += right - left
            for hit in self._in(one, body, left, right, counts):
                yield hit
                found += 1
                if found >= MAX_HITS:
                    return

    def _in(self, one: _Compiled, body: bytes, left: int, right: int, counts: Counts) -> Iterator[Hit]:
        window = body[left:right] if left or right < len(body) else body
        known: dict[int, list[tuple[int, int]]] = {}
        for term in (one.terms[one.anchor], *one.terms):
            if term not in known:
                known[term] = self.terms.spans(term, window, MAX_SPANS)
                counts.spans += len(known[term])
                if not known[term]:
                    return
        found = 0
        for start, end in self._places(one, window, known, counts):
            if one.excuse >= 0 and self._is_excused(one, body, left + start, left + end):
                continue
            yield Hit(one.rule, left + start, left + end)
            found += 1
            if found == MAX_HITS:
                return

    def _places(
        self, one: _Compiled, window: bytes, known: dict[int, list[tuple[int, int]]], counts: Counts
    ) -> Iterator[tuple[int, int]]:
        """Where the terms are, each within the gap behind the one before."""
        seen = set()
        for order in (one.terms,) if one.rule.ordered else permutations(one.terms):
            for start, end in known[order[0]]:
                last = end
                for term in order[1:]:
                    counts.spans += 1
                    found = self.terms.first(
                        term, window, last, min(last + one.rule.gap + LATER_TERM_BYTES, len(window))
                    )
                    if found is None or found[0] - last > one.rule.gap:
                        break
                    last = found[1]
                else:
                    if start not in seen:
                        seen.add(start)
                        yield start, last

    def _is_excused(self, one: _Compiled, body: bytes, start: int, end: int) -> bool:
        newline = body.find(b"\n", end, end + AFTER_BYTES)
        right = newline if newline >= 0 else min(len(body), end + AFTER_BYTES)
        return bool(self.excuses.spans(one.excuse, body[_sentence(body, start) : right], 1))


def _sentence(body: bytes, at: int) -> int:
    """Where the line begins; the line before belongs to it unless it ends a sentence or is empty."""
    least = max(0, at - BEFORE_BYTES)
    begins = body.rfind(b"\n", least, at) + 1
    if begins <= least + 1 or body[begins - 2 : begins - 1] in b".!?:;|\n\r>-`":
        return max(begins, least)
    return max(body.rfind(b"\n", least, begins - 1) + 1, least)


def _merged(starts: list[int], reach: int) -> Iterator[tuple[int, int]]:
    """First and last of places whose windows overlap; the places are nearly in order."""
    starts.sort()
    first = last = starts[0]
    for start in starts:
        if start - last > 2 * reach:
            yield first, last
            first = start
        last = start
    yield first, last


def _pattern(term: str) -> str:
    return term if term.startswith("(?-i)") else f"(?i){term}"


_QUOTES = (b'"', b"'", b"`", "\u201c".encode(), "\u2018".encode(), "\u00ab".encode(), "\u201e".encode())


def is_quoted(body: bytes, start: int) -> bool:
    """Whether a quotation mark is right before a place."""
    return body[max(start - 3, 0) : start].endswith(_QUOTES)


def severity_in(rule: Rule, where: Where, *, quoted: bool = False, is_document: bool = False) -> Severity:
    """Of a rule in a text of this kind."""
    if is_document and rule.in_documents is not None and where is Where.PROSE:
        return rule.in_documents
    if quoted and rule.quoted is not None and not where & (Where.COMMAND | Where.HIDDEN):
        return rule.quoted
    if rule.in_prose is not None and not where & Where.RUNS:
        return rule.in_prose
    return rule.severity
