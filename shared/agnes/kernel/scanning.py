"""Ports of the scanners that judge uploads: patterns in linear time, secrets in lines, Python by its syntax tree.

What they are given is hostile. An adapter's work is bounded by the size of its input, and nothing that it returns holds a
secret's value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class PatternInvalid(ValueError):
    """A pattern that cannot be matched in linear time, or is none."""


class PatternSet(Protocol):
    """Several patterns, in RE2's syntax over bytes, looked for in one pass."""

    def present(self, body: bytes) -> list[int]:
        """Numbers of the patterns that are anywhere in the body, ascending."""
        ...

    def spans(self, number: int, body: bytes, limit: int) -> list[tuple[int, int]]:
        """The first `limit` places of one pattern, as (start, end) in bytes; they do not overlap."""
        ...

    def first(self, number: int, body: bytes, begin: int, end: int) -> tuple[int, int] | None:
        """The first place of one pattern between two places of the body, whose surroundings count."""
        ...


class WordSet(Protocol):
    """Many words, looked for in one pass whose cost does not depend on how many they are."""

    def places(self, body: bytes) -> list[tuple[int, int]]:
        """(number of a word, place of its first byte) of every occurrence, overlapping ones as well, by where they end."""
        ...


class Patterns(Protocol):
    def __hash__(self) -> int: ...

    @property
    def version(self) -> str:
        """Of the library: what it finds may change with it."""
        ...

    def compile(self, patterns: Sequence[str]) -> PatternSet:
        """Raises PatternInvalid."""
        ...

    def words(self, words: Sequence[bytes]) -> WordSet: ...


@dataclass(frozen=True, slots=True)
class SecretFound:
    kind: str
    """What it is a secret of, in words, such as `AWS Access Key`."""
    is_certain: bool
    """It has the form of that vendor's secrets; False for a guess by the name of a variable."""


class SecretScanner(Protocol):
    @property
    def version(self) -> str: ...

    def secrets(self, line: str) -> list[SecretFound]:
        """Of one line, without placeholders such as `sk-xxxx`."""
        ...


@dataclass(frozen=True, slots=True)
class PythonFound:
    code: str
    """The scanner's own, such as `B602`."""
    line: int
    severity: str
    """`low`, `medium` or `high`, as the scanner says it."""
    message: str


class PythonScanner(Protocol):
    @property
    def version(self) -> str: ...

    def findings(self, source: bytes) -> list[PythonFound] | None:
        """Of one module, by line; None for what does not parse."""
        ...


@dataclass(frozen=True, slots=True)
class Scanners:
    """What `agnes.checks` works with; `agnes.wiring` puts it together."""

    patterns: Patterns
    secrets: SecretScanner
    python: PythonScanner
