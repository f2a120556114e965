"""Reads what decides for everybody from the state files: the `ServingIndex`.

It has a part for each state file, so that who keeps it reads only the part anew whose file has a new generation.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from agnes.access import service as access
from agnes.flea import service as flea
from agnes.flea.model import Entity
from agnes.kernel.errors import AgnesError
from agnes.kernel.immutable import ImmutableCache
from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import Db, State
from agnes.marketplace import needs, offering, renamed, versions
from agnes.marketplace.model import RESOURCE_TYPES, resource_id
from agnes.marketplace.needs import Needs
from agnes.marketplace.offering import Content, Registration
from agnes.stack import repository
from agnes.stack.entitlement import ServingIndex
from agnes.stack.model import ServedPlugin
from agnes.stack.plugins import Plugins, PluginVersions


def serving_index(db: Db, group_ids: Collection[str] | None = None) -> ServingIndex:
    """Of everybody, or with the grants of some groups alone: of many grants, reading all of them takes the longest."""
    return ServingIndex(_grants(db, group_ids), plugins(db), _entities(db), repository.required_grants(db))


def may_have(db: Db, group_ids: Collection[str], marketplace_id: str, plugin: str) -> bool:
    """Whether people of these groups may have one plugin, by narrow reads. Of `db` it reads `people` and `marketplace`."""
    resource, moving = resource_id(marketplace_id, plugin), renamed.pending(db)
    named = {marketplace_id, resource, *(old for old, new in moving.items() if new == resource)}
    grants = access.grants_by_group(db, RESOURCE_TYPES, group_ids, named)
    system = frozenset({resource} if offering.is_system(db, marketplace_id, plugin) else ())
    index = ServingIndex(grants, Plugins({}, system, {}, {}, moving=moving), {}, frozenset())
    return index.may_have(resource, group_ids)


def _grants(db: Db, group_ids: Collection[str] | None = None) -> dict[str, list[tuple[str, str]]]:
    return access.grants_by_group(db, RESOURCE_TYPES, group_ids)


def plugins(db: Db) -> Plugins:
    """What marketplaces can serve to whom. Of `db` it reads `marketplace` alone."""
    registered, early, needed = offering.registrations(db), offering.early(db), needs.needs(db)
    found: dict[str, PluginVersions] = {}
    system: set[str] = set()
    disabled: set[str] = set()
    ranged: set[str] = set()
    of: dict[str, list[str]] = defaultdict(list)

    def served(registration: Registration, name: str, content: Content, *, is_system: bool) -> ServedPlugin:
        plugin = _served(registration, name, content, needed, is_system=is_system)
        ranged.update(need.resource_id for need in plugin.needs if need.range)
        return plugin

    for offer in offering.offers(db):
        registration = registered.get(offer.marketplace_id)
        resource = resource_id(offer.marketplace_id, offer.name)
        if registration is None:
            continue
        if offer.is_disabled:
            disabled.add(resource)
            continue
        is_system, name = offer.is_system, offer.name
        for_all = served(registration, name, offer.content, is_system=is_system) if offer.content else None
        for_group = served(registration, name, early[resource], is_system=is_system) if resource in early else None
        found[resource] = PluginVersions(
            for_all,
            offer.rollout_group if for_group else None,
            for_group,
            is_rolled_back=offer.is_rolled_back,
            withheld=offer.withheld,
        )
        of[offer.marketplace_id].append(resource)
        if is_system:
            system.add(resource)
    for resource, contents in offering.older(db, ranged & found.keys()).items():
        marketplace_id, _, name = resource.partition("/")
        older = tuple(
            _served(registered[marketplace_id], name, content, needed, is_system=resource in system)
            for content in contents
        )
        found[resource] = replace(found[resource], older=older)
    return Plugins(
        found,
        frozenset(system),
        {slug: tuple(resources) for slug, resources in of.items()},
        versions.blocked_trees(db),
        frozenset(disabled),
        renamed.pending(db),
        renamed.followed(db),
        {slug: registration.registered_at for slug, registration in registered.items()},
        frozenset(slug for slug, registration in registered.items() if registration.is_pinned),
    )


def _served(registration: Registration, name: str, content: Content, needed: Needs, *, is_system: bool) -> ServedPlugin:
    declared = content.declared
    return ServedPlugin(
        marketplace_id=registration.id,
        name=name,
        served_name=name,
        version=content.version,
        tree_id=content.tree_id,
        git_oid=content.git_oid,
        description=content.description,
        raw=json.loads(content.raw),
        is_system=is_system,
        registered_at=registration.registered_at,
        released_at=content.released_at,
        needs=needed.of(registration.id, json.loads(declared)) if declared else (),
    )


def _entities(db: Db) -> dict[str, Entity]:
    return {entity.id: entity for entity in flea.entities(db)}


PARTS: dict[str, Callable[[Db], Any]] = {
    "people": _grants,
    "marketplace": plugins,
    "flea": _entities,
    "stack": repository.required_grants,
}
"""How each part is read, from a connection that sees its file."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The index that a process keeps."""

    index: ServingIndex
    is_whole: bool
    """No state file was left out because it is damaged."""


def kept(state: State, store: ObjectStore, seen: Mapping[str, tuple[int, str]], *, spare: Collection[str]) -> Kept:
    """The index, no part of it older than the generations `seen`; files of `spare` are left out if they are damaged."""
    parts: dict[str, Any] = {}
    is_whole = True
    for file, read in PARTS.items():
        key = f"{file} {seen[file]}"
        parts[file] = _parts.get(store, key)
        if parts[file] is None:
            with state.read(file, spare=spare) as db:
                was_spared = file in state.spared
                parts[file] = read(db)
            if was_spared:  # nothing of it is remembered: it may be restored
                is_whole = False
            else:
                _parts.put(store, key, parts[file])
    return Kept(ServingIndex(**parts), is_whole)


def generations(state: State, *, spare: Collection[str]) -> dict[str, tuple[int, str]]:
    """The generation of each file of the index that a read would see now."""
    with state.looking(*PARTS):
        return {file: _generation(state, file, spare) for file in PARTS}


def _generation(state: State, file: str, spare: Collection[str]) -> tuple[int, str]:
    """Of a file without which the rest is served, also where its head is damaged."""
    try:
        return state.version_seen(file)
    except AgnesError as exc:
        if file not in spare or exc.code != "state_damaged":
            raise
        return (-1, "")


_parts = ImmutableCache(2 * len(PARTS))
