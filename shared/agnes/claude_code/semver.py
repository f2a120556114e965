"""Semantic versions and ranges as the client reads them: by node-semver, for npm sources and for dependencies. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

_VERSION = re.compile(r"v?(\d{1,15})\.(\d{1,15})\.(\d{1,15})(?:-([0-9A-Za-z.-]{1,100}))?(?:\+[0-9A-Za-z.-]{1,100})?")
_PARTIAL = re.compile(
    r"(?P<operator>\^|~>?|>=|<=|>|<|=)?\s*v?(?P<parts>[0-9xX*]{1,15}(?:\.[0-9xX*]{1,15}){0,2})"
    r"(?:-(?P<pre>[0-9A-Za-z.-]{1,100}))?(?:\+[0-9A-Za-z.-]{1,100})?"
)
_HYPHEN = re.compile(r"(\S+)\s+-\s+(\S+)")

Numbers = tuple[int, int, int]
Key = tuple[Numbers, bool, tuple[tuple[bool, int, str], ...]]
Bound = tuple[str, Key]
"""An operator (`>=`, `>`, `<=`, `<`, `=`) and what it compares with."""


class RangeInvalid(ValueError):
    """What was given is no version and no range."""


def best(versions: Iterable[str], wanted: str) -> str | None:
    """The highest of `versions` within the range `wanted`, None if none is. Raises RangeInvalid."""
    alternatives = [_bounds(part.strip()) for part in wanted.split("||")]
    if [] in alternatives:  # node-semver drops what stands beside "anything", pre-releases too
        alternatives = [[]]
    fitting = [(key, version) for version in versions if (key := _key(version)) and _fits(key, alternatives)]
    return max(fitting)[1] if fitting else None


def satisfies(version: str, wanted: str) -> bool:
    """Whether the client takes `version` for one within the range `wanted`.

    Build metadata (`1.2.3+abc`) does not count. A pre-release is within a range only if the range names a pre-release of
    the same numbers: `*` does not hold `2.1.0-beta.1`. Raises RangeInvalid.
    """
    return best([version], wanted) is not None


def order(version: str) -> Key:
    """A key to sort versions by; what is no version comes first."""
    return _key(version) or _of((0, 0, 0), "0")


def is_range(wanted: str) -> bool:
    try:
        best([], wanted)
    except RangeInvalid:
        return False
    return True


def _fits(key: Key, alternatives: list[list[Bound]]) -> bool:
    return any(all(_holds(key, bound) for bound in bounds) and _may_be_pre(key, bounds) for bounds in alternatives)


def _holds(key: Key, bound: Bound) -> bool:
    operator, other = bound
    return {">=": key >= other, ">": key > other, "<=": key <= other, "<": key < other, "=": key == other}[operator]


def _may_be_pre(key: Key, bounds: list[Bound]) -> bool:
    """A pre-release is meant only by a range that names one of the same numbers."""
    return key[1] or any(other[0] == key[0] and not other[1] for _, other in bounds)


def _key(version: str) -> Key | None:
    found = _VERSION.fullmatch(version)
    if found is None:
        return None
    return _of((int(found[1]), int(found[2]), int(found[3])), found[4] or "")


def _of(numbers: Numbers, pre: str = "") -> Key:
    # Numbers sort before words, and a release after its pre-releases (semver.org, 11).
    words = tuple(
        (not word.isdigit(), int(word) if word.isdigit() else 0, word) for word in (pre.split(".") if pre else ())
    )
    return numbers, not pre, words


def _bounds(text: str) -> list[Bound]:
    """The comparisons of one alternative; none for anything."""
    hyphen = _HYPHEN.fullmatch(text)
    if hyphen:
        return [*_bound(f">={hyphen[1]}"), *_bound(f"<={hyphen[2]}")]
    bounds: list[Bound] = []
    for part in re.sub(r"(\^|~>?|>=|<=|>|<|=)\s+", r"\1", text).split():
        bounds += _bound(part)
    return bounds


def _bound(text: str) -> list[Bound]:
    found = _PARTIAL.fullmatch(text)
    if found is None:
        raise RangeInvalid(f"{text[:60]} is no version and no range")
    known: list[int] = []
    for part in found["parts"].split("."):
        if not part.isdigit():
            break
        known.append(int(part))
    operator, pre = found["operator"] or "", found["pre"] or ""
    first, second, third, *_ = *known, 0, 0, 0
    low: Numbers = first, second, third
    whole = len(known) == 3
    if not known:
        return [("<", _of((0, 0, 0), "0"))] if operator in ("<", ">") else []
    if operator == "^":
        # Up to the next change of the first number that is not zero.
        place = next((i for i, number in enumerate(known) if number), len(known) - 1)
        return [(">=", _of(low, pre)), ("<", _of(_next(low, place), "0"))]
    if operator.startswith("~"):
        return [(">=", _of(low, pre)), ("<", _of(_next(low, min(1, len(known) - 1)), "0"))]
    if whole:
        return [(operator or "=", _of(low, pre))]
    above = _of(_next(low, len(known) - 1), "0")
    return {
        "": [(">=", _of(low)), ("<", above)],
        "=": [(">=", _of(low)), ("<", above)],
        ">=": [(">=", _of(low))],
        "<": [("<", _of(low, "0"))],
        "<=": [("<", above)],
        ">": [(">=", _of(_next(low, len(known) - 1)))],
    }[operator]


def _next(numbers: Numbers, place: int) -> Numbers:
    raised = [*numbers[:place], numbers[place] + 1, 0, 0, 0]
    return raised[0], raised[1], raised[2]
