"""Names of what people share: the owner's word, the handle behind `-by-`, and likeness to what others trust."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable

from agnes.flea.limits import MAX_NAME_CHARACTERS
from agnes.kernel.errors import BadRequestError

_NAME = re.compile(rf"[a-z][a-z0-9-]{{0,{MAX_NAME_CHARACTERS - 1}}}")
_RUNS = re.compile(r"[^a-z0-9]+")
MAX_HANDLE_CHARACTERS = 40
RESERVED_HANDLES = frozenset({"admin", "admins", "agnes", "anthropic", "claude", "everyone", "system", "archived"})
_ALIKE = str.maketrans({"0": "o", "1": "l", "3": "e", "5": "s", "i": "l"})
"""Characters that are read for each other."""
MIN_LIKE_CHARACTERS = 5
"""Shorter names differ by one letter all the time."""


class NameInvalid(BadRequestError):
    code = "invalid_name_format"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name[:80]!r} is no name: it begins with a letter and has at most {MAX_NAME_CHARACTERS} of a-z, 0-9 and -",
            hint="Choose another name, such as release-notes.",
            errors=[{"field": "name", "reason": f"a-z, 0-9 and -, a letter first, at most {MAX_NAME_CHARACTERS}"}],
        )


def check_name(name: str) -> str:
    """The name. Raises NameInvalid."""
    if not _NAME.fullmatch(name):
        raise NameInvalid(name)
    return name


def suggested(name: str) -> str:
    """What an archive calls itself, as a name; empty if nothing of it can be one."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return _RUNS.sub("-", plain).strip("-").lstrip("0123456789-")[:MAX_NAME_CHARACTERS].rstrip("-")


def handles(email: str) -> Iterable[str]:
    """Handles for a person, the best first, without end: the address before the @, then with its domain, then numbered."""
    local, _, domain = email.lower().partition("@")
    plain = _RUNS.sub("-", local).strip("-")[:MAX_HANDLE_CHARACTERS].strip("-") or "someone"
    first = domain.partition(".")[0]
    with_domain = _RUNS.sub("-", f"{plain}-{first}").strip("-")[:MAX_HANDLE_CHARACTERS].strip("-")
    yield plain
    yield with_domain
    number = 2
    while True:
        yield f"{plain[: MAX_HANDLE_CHARACTERS - 8]}-{number}"
        number += 1


def choose_handle(email: str, taken: Collection[str]) -> str:
    return next(h for h in handles(email) if h not in taken and h not in RESERVED_HANDLES)


def served_name(name: str, handle: str) -> str:
    return f"{name}-by-{handle}"


def like(name: str, others: Iterable[str]) -> str | None:
    """The first of the others that a person may take this name for; None if it is like none of them."""
    own = _skeleton(name)
    for other in others:
        theirs = _skeleton(other)
        if own == theirs:
            return other
        is_long = min(len(own), len(theirs)) >= MIN_LIKE_CHARACTERS
        if is_long and abs(len(own) - len(theirs)) <= 1 and _differ_by_one(own, theirs):
            return other
    return None


def _skeleton(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return _RUNS.sub("", plain).translate(_ALIKE)


def _differ_by_one(one: str, other: str) -> bool:
    """Whether one letter less, more or another, or two neighbours in the other order, makes one of the other."""
    if len(one) > len(other):
        one, other = other, one
    at = next((n for n, letter in enumerate(one) if letter != other[n]), len(one))
    if len(one) < len(other):
        return one[at:] == other[at + 1 :]
    swapped = one[:at] + one[at + 1 : at + 2] + one[at : at + 1] + one[at + 2 :]
    return one[at + 1 :] == other[at + 1 :] or swapped == other
