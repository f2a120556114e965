"""Versions that only a tag has: what plugins need in a range that no version read so far is within.

The client asks the plugin's repository for its tags `{plugin}--v{version}` and installs the highest within the range
(tests/journeys/test_dependencies.py). So a sync reads that tag, of plugins in the marketplace's own repository. It becomes an older version
of the plugin: served to people with a plugin that needs it, and to others only where it is the newest that may be served.
A hold holds it, a blocked tree stays blocked.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from agnes.claude_code import dependencies, semver
from agnes.kernel.errors import AgnesError
from agnes.kernel.git import GitReader, GitSnapshot
from agnes.kernel.ports import ObjectStore, Secrets
from agnes.kernel.state import Db
from agnes.marketplace import needs, settling, versions
from agnes.marketplace.limits import MAX_TAGS_READ
from agnes.marketplace.manifest import Catalog
from agnes.marketplace.model import Plugin, Registry
from agnes.marketplace.reading import Reading, read_plugin
from agnes.marketplace.versions import Version

SEPARATOR = "--v"
_VERSION = re.compile(r"\d[0-9A-Za-z.+-]{0,99}")

Ranges = Mapping[str, frozenset[str]]
"""Plugin → the ranges in which something needs it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a marketplace's tags are read."""

    registry: Registry
    store: ObjectStore
    git: GitReader
    secrets: Secrets
    fetch: Callable[[str], AbstractContextManager[GitSnapshot | None]]
    """A full name of a ref → its commit."""
    seconds: Callable[[], float]
    """That are left."""
    catalog: Callable[[GitSnapshot], Catalog]

    def tags(self, prefix: str) -> list[str]:
        token = self.secrets.get(self.registry.token_name) if self.registry.token_name else None
        return self.git.tags(self.registry.url, prefix=prefix, token=token, seconds=max(self.seconds(), 0.001))


@dataclass
class Tagged:
    """What a sync read from tags."""

    versions: list[Version] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def wanted(db: Db, marketplace_id: str, catalog_name: str | None, readings: Iterable[Reading] = ()) -> Ranges:
    """Ranges in which plugins need those of a marketplace: of all marketplaces as stored, of `readings` as just read."""
    stored = db.execute(
        """SELECT marketplace_id, name, declared FROM marketplace.plugins
        WHERE removed_at IS NULL AND json_exists(declared, '$.dependencies')"""
    ).fetchall()
    declared = {(slug, name): json.loads(said) for slug, name, said in stored}
    for reading in readings:
        if reading.content is not None:
            declared[marketplace_id, reading.listed.entry.name] = reading.content.declared
    known = needs.needs(db, {marketplace_id: catalog_name})
    found: dict[str, set[str]] = defaultdict(set)
    for (slug, _), said in declared.items():
        for need in known.of(slug, said):
            if need.range and need.marketplace == marketplace_id:
                found[need.name].add(need.range)
    return {name: frozenset(ranges) for name, ranges in found.items()}


def unmet(
    ranges: Ranges, histories: Mapping[str, Sequence[Version]], readings: Iterable[Reading] = ()
) -> dict[str, list[str]]:
    """Plugin → ranges that no version of it is within; all of its ranges together count as one more."""
    known = {name: [version.version for version in history] for name, history in histories.items()}
    for reading in readings:
        if reading.content is not None:
            known.setdefault(reading.listed.entry.name, []).append(reading.content.version)
    found: dict[str, list[str]] = {}
    for name, of_plugin in sorted(ranges.items()):
        asked = {*of_plugin, " ".join(sorted(of_plugin))} if _can_be_joined(of_plugin) else of_plugin
        missing = [one for one in sorted(asked) if not any(dependencies.is_within(v, one) for v in known.get(name, ()))]
        if name in known and missing:
            found[name] = missing
    return found


def _can_be_joined(ranges: Iterable[str]) -> bool:
    return not any("||" in one or " - " in one for one in ranges)


def read(place: Place, missing: Mapping[str, list[str]], rows: Mapping[str, Plugin], *, now: datetime) -> Tagged:
    """Read the tags that the ranges `missing` ask for; one that cannot be read is a warning."""
    found = Tagged()
    chosen: dict[str, tuple[str, str]] = {}
    for name, ranges in missing.items():
        try:
            tags = place.tags(f"{name}{SEPARATOR}")
        except AgnesError as exc:
            found.warnings.append(f"{name}: its tags cannot be read: {exc.message}")
            continue
        offered = [tag.removeprefix(f"{name}{SEPARATOR}") for tag in tags]
        offered = [version for version in offered if _VERSION.fullmatch(version)]
        for one in ranges:
            version = _best(offered, one)
            if version is not None:
                chosen.setdefault(f"{name}{SEPARATOR}{version}", (name, one))
    if len(chosen) > MAX_TAGS_READ:
        found.warnings.append(
            f"{len(chosen)} tags are asked for; a sync reads {MAX_TAGS_READ} of them, the next one more"
        )
    for tag, (name, asked) in list(chosen.items())[:MAX_TAGS_READ]:
        try:
            read = _read(place, tag, name, rows.get(name), now=now)
        except AgnesError as exc:
            read = exc.message
        if isinstance(read, str):
            found.warnings.append(f"{name}: the tag {tag} cannot be served: {read}")
        elif not dependencies.is_within(read.version, asked):
            found.warnings.append(f"{name}: the tag {tag} has version {read.version}, which is not within {asked}")
        else:
            found.versions.append(read)
            held = "; it waits for an admin's approval" if place.registry.hold else ""
            found.warnings.append(f"{name}: version {read.version} was read from the tag {tag}, for {asked}{held}")
    return found


def _best(offered: Iterable[str], wanted: str) -> str | None:
    try:
        return semver.best(offered, wanted)
    except semver.RangeInvalid:
        return None


def _read(place: Place, tag: str, name: str, row: Plugin | None, *, now: datetime) -> Version | str:
    """The plugin as its repository had it at a tag, or why it cannot be served."""
    with place.fetch(f"refs/tags/{tag}") as snapshot:
        if snapshot is None:
            return "the server sent no commit"
        catalog = place.catalog(snapshot)
        listed = next((one for one in catalog.plugins if one.entry.name == name), None)
        if listed is None:
            return "the catalog of that commit does not list the plugin"
        # Of a plugin.json without a version, the tag says it.
        said = {"version": tag.removeprefix(f"{name}{SEPARATOR}")}
        listed = replace(listed, entry=listed.entry.model_copy(update=said))
        reading = read_plugin(place.store, snapshot, listed, catalog.plugin_root, known=None)
        content = reading.content
        if content is None:
            return reading.problem or "it is not in this repository"
        read = settling.row_of(place.registry.id, row, reading, now)
        status = versions.HELD if place.registry.hold else versions.LIVE
        return versions.of_row(read, content.items, commit=snapshot.commit, now=now, status=status)


def add(db: Db, marketplace_id: str, found: Iterable[Version]) -> None:
    """Put versions behind all others of their plugins: none of them becomes the one that is served. What is known stays."""
    histories = versions.histories(db, marketplace_id)
    behind: list[Version] = []
    for version in sorted(found, key=lambda one: semver.order(one.version), reverse=True):
        history = histories.get(version.plugin_name, [])
        if history and all(version.tree_id != one.tree_id or version.raw != one.raw for one in history):
            after = replace(version, read_at=history[-1].read_at - timedelta(microseconds=1))
            histories[version.plugin_name] = [*history, after]
            behind.append(after)
    versions.write(db, behind)
