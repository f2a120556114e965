"""What changed between two versions of a plugin, in words that an admin can read. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agnes.marketplace.limits import MAX_LISTED_PATHS
from agnes.marketplace.model import Plugin
from agnes.trees.model import Tree

WORDS = (
    "description",
    "upstream_version",
    "author_name",
    "homepage",
    "category",
    "keywords",
    "source_spec",
    "problem",
    "metadata",
)
"""Columns of a plugin that people read."""


@dataclass(frozen=True, slots=True)
class FileDifference:
    """Paths by what happened to them, each list cut at MAX_LISTED_PATHS; the counts are whole."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    added_count: int = 0
    changed_count: int = 0
    removed_count: int = 0


@dataclass(frozen=True, slots=True)
class PluginDifference:
    plugin: str
    change: str
    """`added`, `updated`, `held` (read, and not served) or `removed`."""
    from_version: str | None
    to_version: str | None
    files: FileDifference
    words: list[str]
    """Which of WORDS differ."""
    text: str
    """All of it in one line."""


def between_trees(before: Tree | None, after: Tree | None) -> FileDifference:
    """A file changed if its bytes or its executable bit did."""
    old = {f.path: (f.oid, f.executable) for f in before.files} if before else {}
    new = {f.path: (f.oid, f.executable) for f in after.files} if after else {}
    added = sorted(new.keys() - old.keys())
    changed = sorted(path for path in new.keys() & old.keys() if new[path] != old[path])
    removed = sorted(old.keys() - new.keys())
    return FileDifference(
        added=added[:MAX_LISTED_PATHS],
        changed=changed[:MAX_LISTED_PATHS],
        removed=removed[:MAX_LISTED_PATHS],
        added_count=len(added),
        changed_count=len(changed),
        removed_count=len(removed),
    )


def of_plugin(change: str, before: Plugin | None, after: Plugin | None, files: FileDifference) -> PluginDifference:
    """`before` or `after` is None for a plugin that came or went."""
    from_version = before.version if before else None
    to_version = after.version if after else None
    words = [w for w in WORDS if before and after and getattr(before, w) != getattr(after, w)]
    row = after or before
    name = row.name if row else ""
    text = _text(name, change, (from_version, to_version), files, words)
    return PluginDifference(name, change, from_version, to_version, files, words, text)


def _text(
    name: str, change: str, versions: tuple[str | None, str | None], files: FileDifference, words: Sequence[str]
) -> str:
    before, after = versions
    said = []
    if change in ("updated", "held") and before != after:
        said.append(f"{before or 'not served'} → {after or 'not served'}")
    elif after or before:
        said.append(after or before or "")
    for verb in ("added", "changed", "removed"):
        paths, count = getattr(files, verb), getattr(files, f"{verb}_count")
        if count and change in ("updated", "held"):
            shown = ", ".join(paths[:3]) + (", …" if count > 3 else "")
            said.append(f"{count} file{'s' if count > 1 else ''} {verb} ({shown})")
    if words:
        said.append(f"new {', '.join(word.replace('_', ' ') for word in words)}")
    return f"{name} {change}" + (f": {'; '.join(said)}" if said else "")
