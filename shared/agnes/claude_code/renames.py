"""`renames` of a catalog: old plugin name → current name, or null for one that was removed (since 2.1.193).

The client follows the map where a plugin that somebody has enabled is not in the catalog: it moves their settings to the
new name. Both tested versions do the same (`tests/journeys/test_renames.py`). A map with one wrong value is ignored
completely by 2.1.197; 2.1.332 ignores that value.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

MAX_CHAIN = 16
"""Names that the client looks up one after the other."""

Renames = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Renamed:
    to: str


@dataclass(frozen=True, slots=True)
class Removed:
    pass


@dataclass(frozen=True, slots=True)
class Unresolved:
    reason: str


def resolve(old: str, renames: Renames, names: Collection[str]) -> Renamed | Removed | Unresolved | None:
    """What became of the plugin `old` of a catalog that lists `names`; None if nothing says so.

    A name that the catalog lists is itself, whatever the map says of it.
    """
    if old in names or old not in renames:
        return None
    seen: set[str] = set()
    name = old
    for _ in range(MAX_CHAIN):
        if name in seen:
            return Unresolved("the names lead back to themselves")
        seen.add(name)
        if name not in renames:
            return Renamed(name) if name in names else Unresolved(f"the catalog does not list {name}")
        target = renames[name]
        if target is None:
            return Removed()
        name = target
    return Unresolved(f"more than {MAX_CHAIN} names in a row")
