"""Grants of plugins and of whole marketplaces: what may be granted, and what a grant reaches.

A grant of a marketplace reaches every plugin that the marketplace lists at the time of asking. It is one row and is never
copied to plugins, so what a later sync adds is granted at once, and what it removes is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from difflib import get_close_matches

from agnes.access import grants
from agnes.access import service as access
from agnes.access.model import MARKETPLACE, AccessItem, EffectiveAccess, Grant, GrantBatch, ViaGroup
from agnes.kernel.errors import BadRequestError, ConflictError, NotFoundError
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db, State
from agnes.marketplace import repository
from agnes.marketplace.model import RESOURCE_TYPE, marketplace_of, parts_of, resource_id

FILES = ("people", "marketplace")
MAX_BATCH = 1000
"""Plugins in one request. Whoever wants more wants the whole marketplace."""


class SystemGrantLocked(ConflictError):
    code = "cannot_revoke_system_grant"

    def __init__(self, granted: str) -> None:
        super().__init__(
            f"{granted} is a system plugin, which everybody has",
            hint="Make it an ordinary plugin first; its grants then decide who may have it.",
        )


class NothingToGrant(NotFoundError):
    """The marketplace or plugin does not exist, or no longer does."""

    def __init__(self, message: str, *, code: str, hint: str, resource_ids: Sequence[str]) -> None:
        super().__init__(message, code=code, hint=hint, resource_ids=list(resource_ids))


def grant(state: State, who: Principal, *, group_id: str, resource_type: str, resource_id: str, now: datetime) -> Grant:
    """Grant a plugin or a whole marketplace to a group.

    Raises BadRequestError for an unknown type or a malformed id, NotFoundError `group_not_found`, NothingToGrant
    `plugin_not_found` or `marketplace_not_found`, and ConflictError `grant_exists`.
    """
    who.require_admin()
    resource_id = grants.check_id(resource_type, resource_id)
    _require_existing(state, group_id, [resource_id])
    made = grants.create(state, who, group_id=group_id, resource_type=resource_type, resource_id=resource_id, now=now)
    _undo_if_removed(state, who, [made])
    return made


def grant_plugins(state: State, who: Principal, *, group_id: str, plugins: Sequence[str], now: datetime) -> GrantBatch:
    """Grant several plugins (`<slug>/<plugin>`) to a group in one commit: all of them, or none.

    What the group was granted already is reported, not refused. Raises as `grant`; NothingToGrant names every id that
    does not exist.
    """
    who.require_admin()
    if not 1 <= len(plugins) <= MAX_BATCH:
        raise BadRequestError(
            f"a request grants 1 to {MAX_BATCH} plugins, not {len(plugins)}",
            code="bad_batch",
            hint=f"Split the list, or grant the whole marketplace (resource type {MARKETPLACE}).",
        )
    wanted = [grants.check_id(RESOURCE_TYPE, plugin) for plugin in plugins]
    _require_existing(state, group_id, wanted)
    made = grants.create_many(state, who, group_id=group_id, resource_type=RESOURCE_TYPE, resource_ids=wanted, now=now)
    _undo_if_removed(state, who, made.created)
    return made


def revoke(state: State, who: Principal, grant_id: str) -> None:
    """Take a grant back. Subscriptions stay, and are served again once another grant reaches them.

    A system plugin's grants do nothing while it is one, and decide again when it no longer is: who takes one away must
    see that. A whole marketplace's grant is not locked by the system plugins in it. Raises NotFoundError,
    SystemGrantLocked.
    """
    who.require_admin()
    with state.read(*FILES) as db:
        found = next((g for g in access.grants(db, resource_type=RESOURCE_TYPE) if g.id == grant_id), None)
        if found is not None:
            marketplace_id, _, name = found.resource_id.partition("/")
            plugin = repository.find_plugin(db, marketplace_id, name)
            if plugin is not None and plugin.is_system:
                raise SystemGrantLocked(found.resource_id)
    grants.delete(state, who, grant_id)


def revoke_plugins(state: State, who: Principal, *, group_id: str, plugins: Sequence[str]) -> int:
    """Take back a group's own grants of these plugins, in one commit; how many there were.

    A grant of the whole marketplace stays. Raises NotFoundError `group_not_found`, SystemGrantLocked.
    """
    who.require_admin()
    with state.read(*FILES) as db:
        access.get_group(db, group_id)
        system = {resource_id(p.marketplace_id, p.name) for p in repository.plugins(db) if p.is_system}
        locked = sorted(system.intersection(plugins))
        if locked:
            raise SystemGrantLocked(locked[0])
        held = {
            g.id for g in access.grants(db, group_id=group_id, resource_type=RESOURCE_TYPE) if g.resource_id in plugins
        }
    grants.delete_where(state, who, lambda grant: grant.id in held)
    return len(held)


def revoke_all(state: State, who: Principal, marketplace_id: str) -> None:
    """Take back every grant of a marketplace and of its plugins, in one commit."""
    grants.delete_where(state, who, lambda grant: marketplace_of(grant.resource_id) == marketplace_id)


def effective_access(db: Db, user_id: str) -> EffectiveAccess:
    """What this person may have: granted resources, and the plugins that granted marketplaces list now.

    Raises NotFoundError.
    """
    direct = access.effective_access(db, user_id)
    found = {(item.resource_type, item.resource_id): item for item in direct.items}
    for whole in direct.items:
        if whole.resource_type != MARKETPLACE:
            continue
        for plugin in repository.plugins(db, whole.resource_id):
            if plugin.disabled:
                continue
            key = (RESOURCE_TYPE, resource_id(plugin.marketplace_id, plugin.name))
            before: tuple[ViaGroup, ...] = found[key].via_groups if key in found else ()
            found[key] = AccessItem(*key, (*before, *whole.via_groups))
    return EffectiveAccess(direct.is_admin, tuple(found[key] for key in sorted(found)))


def _require_existing(state: State, group_id: str, resource_ids: Sequence[str]) -> None:
    with state.read(*FILES) as db:
        access.get_group(db, group_id)
        missing = _missing(db, resource_ids)
        if missing:
            raise _nothing_to_grant(db, missing)


def _undo_if_removed(state: State, who: Principal, made: Sequence[Grant]) -> None:
    """Two state files know of one grant: if a marketplace was removed between the check and the commit, the grant must
    not wait for whoever registers that slug next. (`service.delete` revokes before and after it removes.)"""
    with state.read(*FILES) as db:
        registered = set(repository.registry_ids(db))
        orphans = {g.id: g.resource_id for g in made if marketplace_of(g.resource_id) not in registered}
        error = _nothing_to_grant(db, list(orphans.values())) if orphans else None
    if error is not None:
        grants.delete_where(state, who, lambda grant: grant.id in orphans)
        raise error


def _missing(db: Db, resource_ids: Sequence[str]) -> list[str]:
    """Those that are no registered marketplace (no slash) and no plugin that its catalog lists now."""
    registered = set(repository.registry_ids(db))
    listed = repository.plugin_ids(db)
    return [each for each in resource_ids if each not in (listed if "/" in each else registered)]


def _nothing_to_grant(db: Db, missing: Sequence[str]) -> NothingToGrant:
    marketplace_id, _, plugin = missing[0].partition("/")
    registered = repository.registry_ids(db)
    if marketplace_id not in registered:
        return NothingToGrant(
            f"there is no marketplace {marketplace_id}",
            code="marketplace_not_found",
            hint=_did_you_mean(marketplace_id, registered) or "List marketplaces with `agnes admin marketplace list`.",
            resource_ids=missing,
        )
    removed_at = repository.removed_at(db, marketplace_id, plugin)
    others = f" ({len(missing)} of the requested plugins do not exist)" if len(missing) > 1 else ""
    if removed_at is not None:
        return NothingToGrant(
            f"{missing[0]} was removed from its marketplace on {removed_at:%Y-%m-%d}{others}",
            code="plugin_not_found",
            hint="Grant it when a sync brings it back, or grant the whole marketplace.",
            resource_ids=missing,
        )
    names = [name for slug, name in map(parts_of, repository.plugin_ids(db)) if slug == marketplace_id]
    hint = f"See `agnes admin marketplace plugins {marketplace_id}`."
    if not names:
        hint = f"It lists no plugins yet: run `agnes admin marketplace sync {marketplace_id}`, or grant the whole marketplace."
    return NothingToGrant(
        f"marketplace {marketplace_id} has no plugin {plugin}{others}",
        code="plugin_not_found",
        hint=_did_you_mean(plugin, names, before=f"{marketplace_id}/") or hint,
        resource_ids=missing,
    )


def _did_you_mean(given: str, known: Collection[str], *, before: str = "") -> str | None:
    found = get_close_matches(given, known, n=3, cutoff=0.75)
    return f"Did you mean {' or '.join(before + each for each in found)}?" if found else None
