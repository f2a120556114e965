"""Finds rules in text: one pass for all terms, then places of those rules whose terms are all there.

Bounded: a body costs one pass of a linear automaton, and each rule at most MAX_SPANS places of each of its terms, which are then
compared in one walk. No pattern is matched by backtracking (`agnes.kernel.scanning`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import permutations

from agnes.checks.model import Severity
from agnes.checks.rules.model import Rule, Where
from agnes.kernel.scanning import Patterns, PatternSet

MAX_SPANS = 500
"""Places of one term in one body that are compared."""
MAX_HITS = 20
"""Places of one rule in one body that are reported; more of the same say nothing new."""
BEFORE_BYTES = 200
MAX_LINE_BYTES = 600
"""Of a line that is looked at on each side of a place, for `unless`."""


@dataclass(frozen=True, slots=True)
class Hit:
    rule: Rule
    start: int
    end: int


@dataclass(slots=True)
class Matcher:
    """The rules that have terms, compiled once."""

    rules: Sequence[Rule]
    set: PatternSet
    numbers: dict[str, int]
    """Term → its number in the set."""
    excuses: PatternSet
    excuse_numbers: dict[str, int]
    """`unless` of a rule → its number in `excuses`."""
    by_term: list[list[int]]
    """Term → the rules that begin to be looked at once it is present: those that have it first."""
    steps: int = field(default=0)

    @classmethod
    def of(cls, rules: Sequence[Rule], patterns: Patterns) -> Matcher:
        kept = [rule for rule in rules if rule.terms]
        numbers: dict[str, int] = {}
        for rule in kept:
            for term in rule.terms:
                numbers.setdefault(_pattern(term), len(numbers))
        by_term: list[list[int]] = [[] for _ in numbers]
        for number, rule in enumerate(kept):
            by_term[numbers[_pattern(rule.terms[0])]].append(number)
        excuses: dict[str, int] = {}
        for rule in kept:
            if rule.unless:
                excuses.setdefault(_pattern(rule.unless), len(excuses))
        return cls(kept, patterns.compile(tuple(numbers)), numbers, patterns.compile(tuple(excuses)), excuses, by_term)

    def hits(self, body: bytes, where: Where) -> Iterator[Hit]:
        present = set(self.set.present(body))
        known: dict[int, list[tuple[int, int]]] = {}
        for term in sorted(present):
            for rule in (self.rules[number] for number in self.by_term[term]):
                if not rule.where & where:
                    continue
                terms = [self.numbers[_pattern(one)] for one in rule.terms]
                if not present.issuperset(terms):
                    continue
                found = 0
                for start, end in self._places(rule, terms, body, known):
                    if rule.unless and self._excused(rule, body, start, end):
                        continue
                    yield Hit(rule, start, end)
                    found += 1
                    if found == MAX_HITS:
                        break

    def _places(
        self, rule: Rule, terms: list[int], body: bytes, known: dict[int, list[tuple[int, int]]]
    ) -> Iterator[tuple[int, int]]:
        for term in terms:
            if term not in known:
                known[term] = self.set.spans(term, body, MAX_SPANS)
                self.steps += len(known[term])
        if len(terms) == 1:
            yield from known[terms[0]]
            return
        orders = [terms] if rule.ordered else [list(order) for order in permutations(terms)]
        seen = set()
        for order in orders:
            for start, end in known[order[0]]:
                self.steps += 1
                last = end
                for term in order[1:]:
                    places = known[term]
                    at = bisect_left(places, (last, 0))
                    if at == len(places) or places[at][0] - last > rule.gap:
                        break
                    last = places[at][1]
                else:
                    if start not in seen:
                        seen.add(start)
                        yield start, last

    def _excused(self, rule: Rule, body: bytes, start: int, end: int) -> bool:
        left = max(0, start - BEFORE_BYTES)
        newline = body.find(b"\n", end, end + MAX_LINE_BYTES)
        right = newline if newline >= 0 else min(len(body), end + MAX_LINE_BYTES)
        self.steps += 1
        return bool(self.excuses.spans(self.excuse_numbers[_pattern(rule.unless)], body[left:right], 1))


def _pattern(term: str) -> str:
    return term if term.startswith("(?-i)") else f"(?i){term}"


def severity_in(rule: Rule, where: Where) -> Severity:
    """Of a rule in a text of this kind."""
    if rule.in_prose is not None and not where & Where.RUNS:
        return rule.in_prose
    return rule.severity
