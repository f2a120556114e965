"""Which version of a plugin a person gets. Pure values of what marketplaces offer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from agnes.marketplace.model import marketplace_of
from agnes.marketplace.versions import Blocked
from agnes.stack.model import Claim, ServedPlugin, VersionReason
from agnes.stack.resolution import Candidate

DecidedBy = Literal["newest", "rollback", "rollout_group", "pin", "range", "withheld", "owner"]
"""What decided which version somebody gets:

newest          the newest that the last sync read
rollback        an admin's choice of a version
rollout_group   one of the person's groups gets a version before the others
pin             the marketplace is pinned to a tag or a commit
range           the newest version that something served with it can work with
withheld        the newest is blocked, rejected or waits for approval, so the newest before it
owner           of the flea market: what its owner published last
"""


@dataclass(frozen=True, slots=True)
class PluginVersions:
    """What a marketplace has of a plugin."""

    for_all: ServedPlugin | None
    group_id: str | None = None
    """The group that gets another version before the others."""
    for_group: ServedPlugin | None = None
    older: tuple[ServedPlugin, ...] = ()
    """Versions that may be served and were the newest before, the newest first: only of what a range is declared for."""
    is_rolled_back: bool = False
    """An admin chose `for_all`."""
    withheld: str = ""
    """Why `for_all` is not the newest, or why there is none."""

    def of(self, group_ids: Collection[str]) -> ServedPlugin | None:
        return self.for_group if self.for_group and self.group_id in group_ids else self.for_all

    def reason(
        self, given: ServedPlugin, group_ids: Collection[str], asking: Collection[Candidate]
    ) -> VersionReason | None:
        """Why people of these groups are served `given`; None if it is what most people get. `asking` is what is
        served and needs the plugin."""
        first = self.of(group_ids)
        if first is not None and not _is_same(first, given):
            ranges = {
                (c.claim.name, need.range) for c in asking for need in c.needs if need.resource_id == given.resource
            }
            excluding = [f"{name} needs {wanted}" for name, wanted in sorted(ranges) if wanted]
            return VersionReason("", first.version, tuple(excluding))
        if first is not None and first is self.for_group and not (self.for_all and _is_same(given, self.for_all)):
            return VersionReason(self.group_id or "", self.for_all.version if self.for_all else "")
        return None

    def decided_by(self, given: ServedPlugin, group_ids: Collection[str], *, is_pinned: bool) -> DecidedBy:
        """What decided that people of these groups get `given`; `is_pinned`: their marketplace follows no branch."""
        first = self.of(group_ids)
        if first is not None and not _is_same(first, given):
            return "range"
        if first is not None and first is self.for_group:
            return "rollout_group"
        if self.is_rolled_back:
            return "rollback"
        if self.withheld:
            return "withheld"
        return "pin" if is_pinned else "newest"

    @property
    def varies(self) -> bool:
        """Whether not everybody gets the same version."""
        return self.for_group is not None or bool(self.older)

    def versions(self, group_ids: Collection[str], blocked: Blocked) -> list[ServedPlugin]:
        """What a person of these groups may be served, the version that they get first; nothing if that is blocked."""
        first = self.of(group_ids)
        if first is None or first.tree_id in blocked:
            return []
        trees = [older.tree_id for older in self.older]
        after = trees.index(first.tree_id) + 1 if first.tree_id in trees else len(trees)
        return [first, *(older for older in self.older[after:] if older.tree_id not in blocked)]


@dataclass(frozen=True, slots=True)
class Plugins:
    """What marketplaces can serve."""

    by_resource: dict[str, PluginVersions]
    system: frozenset[str]
    """Resources that everybody has."""
    by_marketplace: dict[str, tuple[str, ...]]
    """Slug → resources: what a grant of the whole marketplace reaches."""
    blocked: Blocked
    """Trees that nobody is served."""
    disabled: frozenset[str] = frozenset()
    """Resources that an admin took out of every feed."""
    moving: Mapping[str, str] = field(default_factory=dict)
    """Old resource → new one, where grants and stacks are still under the old one."""
    renamed: Mapping[str, str | None] = field(default_factory=dict)
    """Every resource that was renamed → what it is now, or None if it was removed."""
    registered: Mapping[str, datetime] = field(default_factory=dict)
    """Slug → when it was registered."""
    pinned: frozenset[str] = frozenset()
    """Slugs of marketplaces that follow a tag or a commit instead of a branch."""

    def unavailable(self, resource: str) -> str:
        """Why nobody can be served a plugin, as a clause that follows its name; empty where somebody may be."""
        if resource in self.disabled:
            return "is disabled by an admin"
        if resource in self.by_resource:
            return ""
        new = self.renamed.get(resource)
        if new is not None:
            return f"is called {new.partition('/')[2]} now; the next sync of what needs it follows"
        return f"is not in the catalog of {marketplace_of(resource)}"

    def candidates(self, resource: str, group_ids: Collection[str]) -> list[Candidate]:
        """Versions that people of these groups may be served, the one that they get first."""
        return [
            Candidate(resource, Claim("curated", p.marketplace_id, p.served_name), p.version, p.needs, p)
            for p in self.by_resource[resource].versions(group_ids, self.blocked)
        ]


NO_PLUGINS = Plugins({}, frozenset(), {}, {})


def _is_same(one: ServedPlugin, other: ServedPlugin) -> bool:
    return (one.tree_id, one.version) == (other.tree_id, other.version)
