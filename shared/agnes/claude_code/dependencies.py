"""Dependencies between plugins, in the forms that the client reads (code.claude.com/docs/en/plugins/dependencies).

Since 2.1.110 for ranges; `optionalDependencies` since 2.1.332 at the latest. Seen with both tested versions
(`tests/journeys/test_dependencies.py`):

- A string is `name` or `name@marketplace`. A range behind a second `@` is cut off and counts for nothing.
- An object has `name`, and may have `marketplace` and `version` (a semver range). Only there does a range count.
- Without a marketplace, the name means a plugin of the declaring plugin's own marketplace.
- Of a plugin's `plugin.json`, names and ranges are checked whenever plugins are loaded. Of its catalog entry, names are
  installed along with it, and ranges are ignored.
- Entries that depend on each other in a circle are refused at the installation ("Dependency cycle"); manifests are not.
- A renamed plugin is not found under its old name: a dependency does not follow `renames`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agnes.claude_code import semver

MAX_DEPENDENCIES = 100
"""More than a plugin has any use for; what is beyond is not read."""

_NAME = "[A-Za-z0-9][-A-Za-z0-9._]*"
_TEXT = re.compile(rf"(?P<name>{_NAME})(@(?P<marketplace>{_NAME}))?(@\^[^@]*)?")


@dataclass(frozen=True, slots=True)
class Dependency:
    """One plugin that another one needs."""

    name: str
    marketplace: str | None = None
    """Name of a catalog (not of a registered marketplace's slug); None for the declaring plugin's own."""
    range: str | None = None
    """The versions that will do; None for any."""

    @property
    def text(self) -> str:
        """As a person reads it, such as `charts@tools ^2.0`."""
        name = f"{self.name}@{self.marketplace}" if self.marketplace else self.name
        return f"{name} {self.range}" if self.range else name


def read(declared: Any, *, with_ranges: bool = True) -> list[Dependency]:
    """The dependencies in a `dependencies` list; what is in no form that the client takes is left out.

    A range that holds everything counts as none. One plugin that is listed twice has both ranges.
    """
    if not isinstance(declared, list):
        return []
    found: dict[tuple[str, str | None], list[str]] = {}
    for value in declared[:MAX_DEPENDENCIES]:
        dependency = _read(value)
        if dependency is not None:
            ranges = found.setdefault((dependency.name, dependency.marketplace), [])
            if with_ranges and dependency.range is not None and dependency.range.strip() not in ("", "*", *ranges):
                ranges.append(dependency.range.strip())
            elif with_ranges and dependency.range is not None and dependency.range.strip() == "*" and not ranges:
                ranges.append("*")  # no pre-release is within it
    return [Dependency(*key, range=_both(ranges)) for key, ranges in found.items()]


def of_plugin(manifest: Mapping[str, Any], entry: Mapping[str, Any]) -> list[Dependency]:
    """What a plugin needs by its `plugin.json` and by its catalog entry together: the client installs both."""
    own = read(manifest.get("dependencies"))
    named = {(dependency.name, dependency.marketplace) for dependency in own}
    more = read(entry.get("dependencies"), with_ranges=False)
    return own + [dependency for dependency in more if (dependency.name, dependency.marketplace) not in named]


def in_manifest(dependencies: Iterable[Dependency]) -> list[Any]:
    """The same for a `plugin.json` whose dependencies are all in its own marketplace."""
    found = []
    for dependency in dependencies:
        plain = dependency.range is None
        found.append(dependency.name if plain else {"name": dependency.name, "version": dependency.range})
    return found


def is_within(version: str, wanted: str) -> bool:
    """Whether a version satisfies a range; never where the range is none."""
    try:
        return semver.satisfies(version, wanted)
    except semver.RangeInvalid:
        return False


def _read(value: Any) -> Dependency | None:
    if isinstance(value, str):
        found = _TEXT.fullmatch(value)
        return Dependency(found["name"], found["marketplace"]) if found else None
    if not isinstance(value, dict):
        return None
    name, marketplace, wanted = value.get("name"), value.get("marketplace"), value.get("version")
    if not isinstance(name, str) or not re.fullmatch(_NAME, name):
        return None
    if marketplace is not None and not (isinstance(marketplace, str) and re.fullmatch(_NAME, marketplace)):
        return None
    return Dependency(name, marketplace, wanted if isinstance(wanted, str) else None)


def _both(ranges: list[str]) -> str | None:
    """One range that is all of these; `||` is distributed, as a range has no brackets."""
    if not ranges:
        return None
    alternatives = [""]
    for wanted in ranges:
        parts = wanted.split("||")
        alternatives = [f"{one} {part}".strip() for one in alternatives for part in parts][:64]
    return " || ".join(alternatives)
