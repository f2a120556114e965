"""The shelf: what the state files say of everybody, without what single persons asked for.

It has a part for each state file, so that who keeps it reads only the part anew whose file has a new generation.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agnes.flea import service as flea
from agnes.flea.model import Entity
from agnes.kernel.state import Db
from agnes.marketplace import versions
from agnes.marketplace.model import resource_id
from agnes.marketplace.versions import Blocked
from agnes.stack import repository
from agnes.stack.model import ServedPlugin
from agnes.stack.repository import Registration, Since


@dataclass(frozen=True, slots=True)
class Shelved:
    """What a marketplace has of a plugin."""

    for_all: ServedPlugin | None
    group_id: str | None = None
    """The group that gets another version before the others."""
    for_group: ServedPlugin | None = None

    def of(self, group_ids: Collection[str]) -> ServedPlugin | None:
        return self.for_group if self.for_group and self.group_id in group_ids else self.for_all


@dataclass(frozen=True, slots=True)
class Plugins:
    by_resource: dict[str, Shelved]
    system: frozenset[str]
    """Resources that everybody has."""
    by_marketplace: dict[str, tuple[str, ...]]
    """Slug → resources: what a grant of the whole marketplace reaches."""
    blocked: Blocked
    """Trees that nobody is served."""


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
        given = (grant for group_id in group_ids for grant in self.people.get(group_id, ()))
        granted = repository.granted_of(given, self.stack)
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

    def entities(self, added: Collection[str]) -> list[Entity]:
        """The oldest first: whoever added them, and when, does not change what two people with the same ones are
        served (spec/01 §10.13)."""
        found = [self.flea[entity_id] for entity_id in added if entity_id in self.flea]
        return sorted(found, key=lambda entity: (entity.created_at, entity.id))


def shelf(db: Db) -> Shelf:
    return Shelf(**{file: read(db) for file, read in PARTS.items()})


def _grants(db: Db) -> dict[str, list[tuple[str, str]]]:
    """All of them: planning costs DuckDB more than the rows, and as much for one person's."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    rows = db.execute(
        "SELECT group_id, id, resource_id FROM people.grants WHERE resource_type IN ('marketplace_plugin', 'marketplace')"
    )
    for group_id, grant_id, resource in rows.fetchall():
        found[group_id].append((grant_id, resource))
    return dict(found)


def _plugins(db: Db) -> Plugins:
    registered, early = repository.registrations(db), _early(db)
    rows = db.execute(
        "SELECT marketplace_id, name, is_system, rollout_group, version, tree_id, git_oid, description, raw, released_at"
        " FROM marketplace.plugins WHERE removed_at IS NULL AND NOT disabled"
    ).fetchall()
    found, system, of = {}, set(), defaultdict(list)
    for marketplace_id, name, is_system, group_id, *content in rows:
        registration, resource = registered.get(marketplace_id), resource_id(marketplace_id, name)
        if registration is None:
            continue
        for_all = _served(registration, name, is_system, content) if content[1] else None
        found[resource] = Shelved(for_all)
        if resource in early:
            for_group = _served(registration, name, is_system, early[resource])
            found[resource] = Shelved(for_all, group_id, for_group)
        of[marketplace_id].append(resource)
        if is_system:
            system.add(resource)
    by_marketplace = {slug: tuple(resources) for slug, resources in of.items()}
    return Plugins(found, frozenset(system), by_marketplace, versions.blocked_trees(db))


def _early(db: Db) -> dict[str, tuple]:
    """Resource → columns of the version that a group gets early, unless it is blocked."""
    rows = db.execute(
        """SELECT p.marketplace_id, p.name, v.version, v.tree_id, v.git_oid, v.description, v.raw, v.read_at
        FROM marketplace.plugins p
        JOIN marketplace.versions v
            ON v.marketplace_id = p.marketplace_id AND v.plugin_name = p.name AND v.id = p.rollout_version
        WHERE p.rollout_group IS NOT NULL AND v.tree_id NOT IN (SELECT tree_id FROM marketplace.blocked_trees)"""
    ).fetchall()
    return {resource_id(*row[:2]): row[2:] for row in rows}


def _served(registration: Registration, name: str, is_system: bool, content: Sequence[Any]) -> ServedPlugin:
    version, tree_id, git_oid, description, raw, released_at = content
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
    )


def _entities(db: Db) -> dict[str, Entity]:
    return {entity.id: entity for entity in flea.entities(db) if entity.is_served}


PARTS: dict[str, Callable[[Db], Any]] = {
    "people": _grants,
    "marketplace": _plugins,
    "flea": _entities,
    "stack": repository.required_grants,
}
"""How each part is read, from a connection that sees its file."""
