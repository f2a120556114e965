"""The shelf: what the state files say of everybody, without what single persons asked for.

It has a part for each state file, so that who keeps it reads only the part anew whose file has a new generation.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agnes.flea import service as flea
from agnes.flea.model import Entity
from agnes.kernel.state import Db
from agnes.marketplace import needs, renaming, versions
from agnes.marketplace.model import marketplace_of, resource_id
from agnes.marketplace.needs import Needs
from agnes.marketplace.versions import Blocked
from agnes.stack import entitlement, repository
from agnes.stack.entitlement import Candidate, Entitlement
from agnes.stack.model import Claim, Granted, ServedPlugin, VersionReason
from agnes.stack.repository import Registration, Since


@dataclass(frozen=True, slots=True)
class Shelved:
    """What a marketplace has of a plugin."""

    for_all: ServedPlugin | None
    group_id: str | None = None
    """The group that gets another version before the others."""
    for_group: ServedPlugin | None = None
    older: tuple[ServedPlugin, ...] = ()
    """Versions that may be served and were the newest before, the newest first: only of what a range is declared for."""

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
    by_resource: dict[str, Shelved]
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
NO_VERSION = "has no version that can be served"
NOT_GRANTED = "is not granted to any of your groups"


@dataclass(frozen=True, slots=True)
class Shelf:
    """Each field is named as the state file that it is read from."""

    people: dict[str, list[tuple[str, str]]]
    """Group → (id of a grant, resource)."""
    marketplace: Plugins
    flea: dict[str, Entity]
    """By id; only what can be served."""
    stack: frozenset[str]
    """Ids of the grants whose plugin is required."""

    def plugins(self, group_ids: Collection[str], subscribed: Mapping[str, Since]) -> list[ServedPlugin]:
        """Granted and subscribed or required, or system, of what can be served, in the feed's order."""
        granted = self.granted(group_ids)
        subscribed = repository.moved(subscribed, self.marketplace.moving)
        wanted = {resource for resource in subscribed if granted.covers(resource)} | self.marketplace.system
        for resource, is_required in granted.items():
            if is_required:
                wanted.update(self.marketplace.by_marketplace.get(resource, (resource,)))
        found = []
        for resource in wanted:
            shelved = self.marketplace.by_resource.get(resource)
            plugin = shelved.of(group_ids) if shelved else None
            if plugin and (
                plugin.is_system
                or granted.requires(resource)
                or repository.counting(subscribed.get(resource), plugin.registered_at)
            ):
                found.append(plugin)
        return sorted(found, key=lambda plugin: (plugin.registered_at, plugin.marketplace_id, plugin.name))

    def granted(self, group_ids: Collection[str]) -> Granted:
        given = (grant for group_id in group_ids for grant in self.people.get(group_id, ()))
        return repository.granted_of(given, self.stack, self.marketplace.moving)

    def entitlement(
        self, group_ids: Collection[str], subscribed: Mapping[str, Since], added: Collection[str]
    ) -> Entitlement:
        """What a person is served, and why what else they have is not; keys are `<slug>/<plugin>` and ids of entities.

        What is blocked takes no part: it is in neither.
        """
        wanted, lookup = self.wanted(group_ids, subscribed, added)
        return entitlement.decide(wanted, lookup)

    def wanted(
        self, group_ids: Collection[str], subscribed: Mapping[str, Since], added: Collection[str]
    ) -> tuple[list[list[Candidate]], entitlement.Lookup]:
        """What a person has themselves, in order of precedence, and what they may have beside it."""
        blocked = self.marketplace.blocked
        own = [self.candidates(plugin.resource, group_ids) for plugin in self.plugins(group_ids, subscribed)]
        own += [[_of_entity(e)] for e in self.entities(added) if e.tree_id not in blocked]
        granted = self.granted(group_ids)

        def lookup(resource: str) -> Sequence[Candidate] | str:
            reason = self.marketplace.unavailable(resource)
            if reason:
                return reason
            if not granted.covers(resource) and resource not in self.marketplace.system:
                return NOT_GRANTED
            return self.candidates(resource, group_ids) or NO_VERSION

        return [candidates for candidates in own if candidates], lookup

    def candidates(self, resource: str, group_ids: Collection[str]) -> list[Candidate]:
        return self.marketplace.candidates(resource, group_ids)

    def entities(self, added: Collection[str]) -> list[Entity]:
        """The oldest first: whoever added them, and when, does not change what two people with the same ones are
        served (spec/01 §10.13)."""
        found = [self.flea[entity_id] for entity_id in added if entity_id in self.flea]
        return sorted(found, key=lambda entity: (entity.created_at, entity.id))


def shelf(db: Db, group_ids: Collection[str] | None = None) -> Shelf:
    """Of everybody, or with the grants of some groups alone: of many grants, reading all of them takes the longest."""
    parts = {file: read(db) for file, read in PARTS.items() if file != "people" or group_ids is None}
    if group_ids is not None:
        parts["people"] = _grants(db, group_ids)
    return Shelf(**parts)


def _of_entity(entity: Entity) -> Candidate:
    return Candidate(entity.id, Claim("flea", entity.owner_username, entity.served_name), entity.version, (), entity)


def _grants(db: Db, group_ids: Collection[str] | None = None) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    rows = db.execute(
        """SELECT group_id, id, resource_id FROM people.grants
        WHERE resource_type IN ('marketplace_plugin', 'marketplace') AND ($groups IS NULL OR list_contains($groups, group_id))""",
        {"groups": None if group_ids is None else sorted(group_ids)},
    )
    for group_id, grant_id, resource in rows.fetchall():
        found[group_id].append((grant_id, resource))
    return dict(found)


def _is_same(one: ServedPlugin, other: ServedPlugin) -> bool:
    return (one.tree_id, one.version) == (other.tree_id, other.version)


def plugins(db: Db) -> Plugins:
    """What marketplaces can serve to whom. Of `db` it reads `marketplace` alone."""
    registered, early, needed = repository.registrations(db), _early(db), needs.needs(db)
    rows = db.execute(
        "SELECT marketplace_id, name, disabled, is_system, rollout_group, version, tree_id, git_oid, description, raw,"
        " released_at, declared FROM marketplace.plugins WHERE removed_at IS NULL"
    ).fetchall()
    found: dict[str, Shelved] = {}
    system, disabled, ranged, of = set(), set(), set(), defaultdict(list)

    def served(*given: Any) -> ServedPlugin:
        plugin = _served(*given, needed)
        ranged.update(need.resource_id for need in plugin.needs if need.range)
        return plugin

    for marketplace_id, name, is_disabled, is_system, group_id, *content in rows:
        registration, resource = registered.get(marketplace_id), resource_id(marketplace_id, name)
        if registration is None:
            continue
        if is_disabled:
            disabled.add(resource)
            continue
        for_all = served(registration, name, is_system, content) if content[1] else None
        found[resource] = Shelved(for_all)
        if resource in early:
            for_group = served(registration, name, is_system, early[resource])
            found[resource] = Shelved(for_all, group_id, for_group)
        of[marketplace_id].append(resource)
        if is_system:
            system.add(resource)
    for resource, columns in _older(db, ranged & found.keys()).items():
        marketplace_id, _, name = resource.partition("/")
        older = tuple(_served(registered[marketplace_id], name, resource in system, one, needed) for one in columns)
        found[resource] = replace(found[resource], older=older)
    return Plugins(
        found,
        frozenset(system),
        {slug: tuple(resources) for slug, resources in of.items()},
        versions.blocked_trees(db),
        frozenset(disabled),
        renaming.pending(db),
        renaming.followed(db),
    )


_VERSION = "v.version, v.tree_id, v.git_oid, v.description, v.raw, v.read_at, v.declared"


def _early(db: Db) -> dict[str, tuple]:
    """Resource → columns of the version that a group gets early, unless it is blocked."""
    rows = db.execute(
        f"""SELECT p.marketplace_id, p.name, {_VERSION}
        FROM marketplace.plugins p
        JOIN marketplace.versions v
            ON v.marketplace_id = p.marketplace_id AND v.plugin_name = p.name AND v.id = p.rollout_version
        WHERE p.rollout_group IS NOT NULL AND v.tree_id NOT IN (SELECT tree_id FROM marketplace.blocked_trees)"""  # noqa: S608 (constant)
    ).fetchall()
    return {resource_id(*row[:2]): row[2:] for row in rows}


def _older(db: Db, resources: Collection[str]) -> dict[str, list[tuple]]:
    """Resource → columns of every version that may be served, the newest first."""
    if not resources:
        return {}
    rows = db.execute(
        f"""SELECT v.marketplace_id, v.plugin_name, {_VERSION} FROM marketplace.versions v
        WHERE v.status = 'live' AND list_contains($wanted, v.marketplace_id || '/' || v.plugin_name)
        ORDER BY v.read_at DESC, v.id""",  # noqa: S608 (constant)
        {"wanted": sorted(resources)},
    ).fetchall()
    found: dict[str, list[tuple]] = defaultdict(list)
    for row in rows:
        found[resource_id(*row[:2])].append(row[2:])
    return found


def _served(
    registration: Registration, name: str, is_system: bool, content: Sequence[Any], needed: Needs
) -> ServedPlugin:
    version, tree_id, git_oid, description, raw, released_at, declared = content
    return ServedPlugin(
        marketplace_id=registration.id,
        name=name,
        served_name=name,
        version=version,
        tree_id=tree_id,
        git_oid=git_oid,
        description=description,
        raw=json.loads(raw),
        is_system=is_system,
        registered_at=registration.registered_at,
        released_at=released_at,
        needs=needed.of(registration.id, json.loads(declared)) if declared else (),
    )


def _entities(db: Db) -> dict[str, Entity]:
    return {entity.id: entity for entity in flea.entities(db) if entity.is_served}


PARTS: dict[str, Callable[[Db], Any]] = {
    "people": _grants,
    "marketplace": plugins,
    "flea": _entities,
    "stack": repository.required_grants,
}
"""How each part is read, from a connection that sees its file."""
