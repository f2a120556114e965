"""Names that people take for others: one letter off, look-alike letters, a vendor's name before or behind."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from agnes.checks import layers
from agnes.checks.model import Finding
from agnes.checks.reporting import finding

BY = "-by-"
MIN_CHARACTERS = 4
"""Shorter names are one letter apart by chance."""
LONG_CHARACTERS = 8
"""Names of this length may differ in two letters and still be read as one."""
RESERVED = frozenset(["claude", "anthropic", "official", "agnes", "claude-code", "claudecode"])
_DECORATION = frozenset(
    [
        "official",
        "plugin",
        "plugins",
        "claude",
        "pro",
        "plus",
        "new",
        "v2",
        "v3",
        "real",
        "fixed",
        "updated",
        "latest",
        "original",
        "team",
        "x",
    ]
)
"""Words that are put beside a name to be taken for it."""
_READ_AS = str.maketrans("01358|", "olesbl")


def findings(name: str, curated: Collection[str]) -> Iterator[Finding]:
    """`name` is as it would be served; the owner's part of it does not count."""
    own = name.rpartition(BY)[0] or name
    shown = skeleton(own)
    for other in sorted(curated):
        if resembles(shown, skeleton(other)):
            yield finding("name.lookalike", "form:name", detail=other)
    if own.lower() in RESERVED or any(part in ("anthropic", "official") for part in shown.split("-")):
        yield finding("name.claims", "form:name")


def skeleton(name: str) -> str:
    """A name as an eye reads it: plain small letters, digits as the letters that they resemble, one kind of separator."""
    plain = layers.plain_letters(name).lower().translate(_READ_AS).replace("rn", "m").replace("vv", "w")
    return "-".join(part for part in plain.replace("_", "-").replace(".", "-").replace(" ", "-").split("-") if part)


def resembles(name: str, other: str) -> bool:
    """Whether one skeleton is read as the other."""
    if name == other or name.replace("-", "") == other.replace("-", ""):
        return True
    if _parts(name) - _parts("-".join(_DECORATION)) == _parts(other):
        return True
    shorter = min(len(name), len(other))
    if shorter < MIN_CHARACTERS or abs(len(name) - len(other)) > 2:
        return False
    return _distance(name, other, 2) <= (2 if shorter >= LONG_CHARACTERS else 1)


def _parts(name: str) -> frozenset[str]:
    """The words of a name in the singular; their order does not count."""
    return frozenset(part.removesuffix("s") for part in name.split("-"))


def _distance(one: str, other: str, most: int) -> int:
    """Letters to insert, delete, replace or swap with the neighbour (Damerau's distance of optimal alignment), at most `most` + 1."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        now = [row]
        for column, second in enumerate(other, 1):
            cost = min(last[column] + 1, now[column - 1] + 1, last[column - 1] + (letter != second))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == second:
                cost = min(cost, before[column - 2] + 1)
            now.append(cost)
        if min(now) > most:
            return most + 1
        before, last = last, now
    return last[-1]
