"""Patterns by RE2 and words by Aho and Corasick's automaton: both take time linear in the text, whatever is looked for.

RE2 has no backreferences and no lookaround. ASCII patterns are matched over bytes, so that a byte that is no UTF-8 hides nothing;
patterns of other characters over UTF-8.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from itertools import islice
from typing import Any

from agnes.kernel.scanning import PatternInvalid

SET_MEMORY_BYTES = 64 << 20
"""Of the automaton of a set: when it is full, RE2 forgets its states and goes on."""


class Re2Patterns:
    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], Re2Set] = {}
        self._lock = threading.Lock()

    @property
    def version(self) -> str:
        from importlib.metadata import version

        return f"re2 {version('google-re2')}, ahocorasick-rs {version('ahocorasick-rs')}"

    def words(self, words: Sequence[bytes]) -> Words:
        return Words(words)

    def compile(self, patterns: Sequence[str]) -> Re2Set:
        key = tuple(patterns)
        with self._lock:
            if key not in self._known:
                self._known[key] = Re2Set(key)
            return self._known[key]


class Re2Set:
    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = patterns
        self._single: dict[int, Any] = {}

    def present(self, body: bytes) -> list[int]:
        if not self._patterns:
            return []
        found = set(self._set.Match(body) or ())
        if len(self._patterns) in found:
            return sorted(found - {len(self._patterns)})
        # The automaton's memory was too small, which the library reports as no match. One by one there is always room.
        return [number for number in range(len(self._patterns)) if self.spans(number, body, 1)]

    def spans(self, number: int, body: bytes, limit: int) -> list[tuple[int, int]]:
        return [found.span() for found in islice(self._one(number).finditer(body), limit)]

    def first(self, number: int, body: bytes, begin: int, end: int) -> tuple[int, int] | None:
        found = self._one(number).search(body, begin, end)
        return found.span() if found else None

    def program_size(self, number: int) -> int:
        """Instructions of a pattern: what a byte costs at worst."""
        return int(self._one(number).programsize)

    def _one(self, number: int) -> Any:
        if number not in self._single:
            try:
                self._single[number] = _library().compile(
                    self._patterns[number].encode(), _options(8 << 20, is_ascii=_is_ascii(self._patterns[number]))
                )
            except Exception as error:
                raise PatternInvalid(f"{self._patterns[number]}: {error}") from None
        return self._single[number]

    @cached_property
    def _set(self) -> Any:
        found = _library().Set.SearchSet(_options(SET_MEMORY_BYTES, is_ascii=all(map(_is_ascii, self._patterns))))
        for pattern in self._patterns:
            try:
                found.Add(pattern.encode())
            except Exception as error:  # the library's own, of several names
                raise PatternInvalid(f"{pattern}: {error}") from None
        found.Add(b"")  # is in every text, and so tells a text without matches from a failure
        found.Compile()
        return found


class Words:
    def __init__(self, words: Sequence[bytes]) -> None:
        from ahocorasick_rs import BytesAhoCorasick, MatchKind

        self._machine = BytesAhoCorasick(list(words), matchkind=MatchKind.Standard)

    def places(self, body: bytes) -> list[tuple[int, int]]:
        found = self._machine.find_matches_as_indexes(body, overlapping=True)
        return [(number, start) for number, start, _ in found]


def _library() -> Any:
    import re2

    return re2


def _is_ascii(pattern: str) -> bool:
    return pattern.isascii() and "\\x{" not in pattern


def _options(memory: int, *, is_ascii: bool) -> Any:
    options = _library().Options()
    options.max_mem = memory
    encoding = _library().Options.Encoding
    options.encoding = encoding.LATIN1 if is_ascii else encoding.UTF8
    options.log_errors = False
    return options
