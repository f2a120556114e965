"""Add a plugin or a flea entity to one's stack, take it off, and what a person is served, by `agnes.stack.entitlement`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from agnes.access import service as access
from agnes.flea import service as flea
from agnes.flea.model import APPROVED, Entity
from agnes.kernel.calls import registered
from agnes.kernel.errors import ConflictError, DeniedError, NotFoundError
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, State, Tx
from agnes.marketplace import assets, needs, offering
from agnes.marketplace import service as marketplace
from agnes.marketplace.assets import Asset
from agnes.marketplace.model import parts_of, resource_id
from agnes.marketplace.needs import Needs
from agnes.marketplace.offering import Shown
from agnes.stack import entitlement, repository, resolution
from agnes.stack.entitlement import Entitlement, ServingIndex, Since, Subject
from agnes.stack.model import (
    NAME_CONFLICT,
    NOT_APPROVED,
    RESOLVED,
    EntityInstalled,
    Installed,
    MyStack,
    RequiredFlag,
    ServedPlugin,
    StackEntity,
    StackPlugin,
    Toggled,
)
from agnes.stack.serving import may_have, serving_index

FILES = ("people", "marketplace", *flea.FILES, "stack")
"""State files that the functions over `db` here need."""
SPARED = flea.FILES
"""Those without which what marketplaces have is served, added and taken off all the same."""


ASSET_FILES = ("people", "marketplace")
"""Those that `find_asset` needs."""


class SystemPluginLocked(ConflictError):
    def __init__(self, plugin: str, *, code: str) -> None:
        super().__init__(f"{plugin} is a system plugin: everybody has it", code=code, hint="Ask an admin.")


class RequiredPluginLocked(ConflictError):
    code = "cannot_remove_required_plugin"

    def __init__(self, plugin: str) -> None:
        super().__init__(f"{plugin} is required for one of your groups", hint="Ask an admin.")


class DependencyMissing(ConflictError):
    """A plugin cannot be added, since it would not be served without what it needs."""

    code = "dependency_missing"

    def __init__(self, plugin: str, reason: str) -> None:
        super().__init__(
            f"{plugin} cannot be added: {reason}",
            hint="Ask an admin to grant what it needs; its page lists all of it.",
        )


class EntityNotApproved(ConflictError):
    code = "entity_not_approved"

    def __init__(self, entity: Entity) -> None:
        super().__init__(
            f"{entity.served_name} is {entity.status}", hint="It can be added once its review has approved it."
        )


@dataclass(frozen=True, slots=True)
class _Standing:
    """How a person is to a plugin."""

    registered_at: datetime
    is_system: bool
    granted: bool
    required: bool
    subscribed: bool
    missing: str = ""
    """Why it could not be served beside what the person has: what it needs is missing. Empty for what they have."""


def subscriptions(db: Db, who: Principal, on: ServingIndex) -> Mapping[str, Since]:
    """Resource of what the person added → since when. Of `db` it reads `stack` alone."""
    return entitlement.moved(repository.subscriptions(db, who.user_id), on.marketplace.moving)


def added_entities(db: Db, who: Principal, on: ServingIndex) -> Collection[str]:
    """Ids of the flea entities that the person added and that are for them. Of `db` it reads `stack` alone."""
    if not on.flea:
        return ()
    found = repository.added_entities(db, who.user_id)
    return [one for one in found if one not in on.flea or on.flea[one].may_have(who.user_id, who.group_ids)]


def served_plugins(db: Db, who: Principal, on: ServingIndex) -> list[ServedPlugin]:
    """What the person has themselves of what marketplaces can serve, in the feed's order, whatever that needs."""
    return on.plugins(who.group_ids, subscriptions(db, who, on))


def entitlements(db: Db, who: Principal, on: ServingIndex) -> list[Entitlement]:
    """How the person is to every plugin, with the reasons. Of `db` it reads `stack` alone."""
    added = repository.entity_installs(db, who.user_id)
    return entitlement.entitlements(on, Subject(who.group_ids, repository.subscriptions(db, who.user_id), added))


def my_stack(db: Db, who: Principal) -> MyStack:
    """Everything curated that this person may have, and whether they have it; and the flea entities that they added.
    What is not served although they have it is shown with the reason that the feed has; what is served for another
    plugin's sake, with that one."""
    on = serving_index(db, who.group_ids)
    found = entitlements(db, who, on)
    curated = [one for one in found if one.source == "curated" and one.may_have and _is_listed(one, on)]
    shown = offering.shown(db, [one.key for one in curated])
    names = {slug: registration.name for slug, registration in offering.registrations(db).items()}
    needed = needs.needs(db)
    lines = [_line(db, one, shown[one.key], names[one.origin], needed) for one in curated]
    entities = [(on.flea[one.key], one) for one in found if one.source == "flea"]
    store = [_entity_line(entity, one) for entity, one in sorted(entities, key=_newest_added)]
    return MyStack(lines, store)


def _newest_added(line: tuple[Entity, Entitlement]) -> tuple[float, str]:
    added_at = line[1].added_at
    return -added_at.timestamp() if added_at else 0.0, line[0].id


def _is_listed(one: Entitlement, on: ServingIndex) -> bool:
    """Whether its catalog lists it, and no admin disabled it."""
    return one.key in on.marketplace.by_resource


def _line(db: Db, one: Entitlement, shown: Shown, marketplace_name: str, needed: Needs) -> StackPlugin:
    line = StackPlugin(
        marketplace_id=one.origin,
        marketplace_name=marketplace_name,
        plugin_name=one.name,
        description=shown.description,
        version=shown.version,
        category=shown.category,
        author_name=shown.author_name,
        enabled=one.is_system or one.is_required or one.added_at is not None,
        is_system=one.is_system,
        required=one.is_required,
        served=shown.has_content,
        problem=shown.problem,
        subscribed_at=one.added_at,
        display_name=shown.display_name,
        dependencies=needed.of(one.origin, shown.declared),
    )
    if one.is_served:
        reason = one.version_reason
        return replace(
            line,
            version=one.version,
            served=True,
            # What keeps the newest version from most people does not keep it from this one.
            problem=None if reason and reason.group_id else line.problem,
            required_by=one.required_by,
            added_as_dependency=not one.is_own,
            version_reason=reason.text(access.group_name(db, reason.group_id)) if reason else "",
        )
    if one.reason and one.reason.kind in RESOLVED:
        return replace(line, served=False, problem=one.reason.text)
    return line


def _entity_line(entity: Entity, one: Entitlement) -> StackEntity:
    return StackEntity(
        entity_id=entity.id,
        name=entity.served_name,
        type=entity.type,
        description=entity.description,
        category=entity.category,
        owner=entity.owner_username,
        version=entity.version,
        status=entity.status,
        served=one.is_served,
        problem=one.reason.text if one.reason and one.reason.kind != NOT_APPROVED else None,
        installed_at=one.added_at or entity.created_at,
    )


@dataclass(frozen=True, slots=True)
class Holder:
    """What one person has: (marketplace id, plugin), and of the flea market (entity id, served name)."""

    served: frozenset[tuple[str, str]]
    """By grants, subscriptions and additions as they are now, before names are settled."""
    asked_for: Mapping[tuple[str, str], Since]
    """Subscriptions and additions, whether they are served or not, with when."""


def holders(db: Db) -> Callable[[str], Holder]:
    """User id → what they have. `db` is read now and not afterwards."""
    on, groups = serving_index(db), access.groups_by_user(db)
    subscribed, added = repository.subscriptions_by_user(db), repository.entities_by_user(db)

    def of(user_id: str) -> Holder:
        mine, entities = subscribed.get(user_id, {}), added.get(user_id, {})
        plugins = on.plugins(groups.get(user_id, frozenset()), mine) if user_id in groups else []
        known = {entity_id: on.flea[entity_id] for entity_id in entities if entity_id in on.flea}
        return Holder(
            frozenset((plugin.marketplace_id, plugin.name) for plugin in plugins)
            | frozenset((entity.id, entity.served_name) for entity in on.entities(entities)),
            {parts_of(resource): since for resource, since in mine.items()}
            | {(entity_id, entity.served_name): entities[entity_id] for entity_id, entity in known.items()},
        )

    return of


def served_to_users(db: Db) -> Callable[[str], frozenset[tuple[str, str]]]:
    """User id → (marketplace id, plugin), and of the flea market (entity id, served name), of what the feed serves them
    now, with what that needs; nothing to a disabled account. `db` is read now and not afterwards."""
    on, groups = serving_index(db), access.groups_by_user(db)
    subscribed, added = repository.subscriptions_by_user(db), repository.entities_by_user(db)

    def of(user_id: str) -> frozenset[tuple[str, str]]:
        if user_id not in groups:
            return frozenset()
        found = on.resolve(groups[user_id], subscribed.get(user_id, {}), added.get(user_id, {}))
        return frozenset(
            (key, one.candidate.claim.name)
            if key in on.flea
            else (one.candidate.claim.origin, one.candidate.value.name)
            for key, one in found.served.items()
        )

    return of


def time_of(since: Since) -> datetime:
    """When something was asked for (`Holder.asked_for`)."""
    return entitlement.time_of(since)


def required_grants(db: Db) -> frozenset[str]:
    """Ids of the grants whose plugins their group has without asking."""
    return repository.required_grants(db)


def find_asset(db: Db, who: Principal, marketplace_id: str, plugin: str, key: str) -> Asset:
    """A file of a plugin's page, for whoever may open the page: whoever may have the plugin, and admins.

    Raises DeniedError `grant_required`, before existence is told, and AssetNotFound.
    """
    if not who.is_admin and not may_have(db, who.group_ids, marketplace_id, plugin):
        raise _not_granted(plugin)
    return assets.find(db, marketplace_id, plugin, key)


def install(state: State, who: Principal, marketplace_id: str, plugin: str, *, now: datetime) -> Installed:
    """Add a plugin. Adding it again changes nothing, nor does adding a system plugin, which everybody has.

    Raises PluginNotFound, DeniedError `grant_required`, DependencyMissing.
    """
    standing = _standing(state, who, marketplace_id, plugin)
    if standing.is_system:
        return Installed(installed=True)
    if not standing.granted:
        raise _not_granted(plugin)
    if standing.missing:
        raise DependencyMissing(plugin, standing.missing)
    _set(state, who, marketplace_id, plugin, wanted=True, now=now, standing=standing, action="install")
    return Installed(installed=True)


def uninstall(state: State, who: Principal, marketplace_id: str, plugin: str, *, now: datetime) -> Installed:
    """Take a plugin off. Raises PluginNotFound, SystemPluginLocked `cannot_uninstall_system_plugin`, and
    DeniedError `grant_required` for a plugin that the person neither may have nor once added."""
    standing = _standing(state, who, marketplace_id, plugin)
    if standing.is_system:
        raise SystemPluginLocked(plugin, code="cannot_uninstall_system_plugin")
    if standing.required:
        raise RequiredPluginLocked(plugin)
    if not standing.granted and not standing.subscribed:
        raise _not_granted(plugin)
    _set(state, who, marketplace_id, plugin, wanted=False, now=now, standing=standing, action="uninstall")
    return Installed(installed=False)


def install_entity(state: State, who: Principal, entity_id: str, *, now: datetime) -> EntityInstalled:
    """Add a flea entity; adding it again changes nothing.

    Raises EntityNotFound, also for what the person may not see, and EntityNotApproved for everybody but admins.
    """
    with state.read("stack", *flea.FILES) as db:
        if repository.has_entity(db, who.user_id, entity_id):
            return EntityInstalled(entity_id, installed=True)
        entity = flea.get_entity(db, who, entity_id)
    if entity.status != APPROVED and not who.is_admin:
        raise EntityNotApproved(entity)
    _set_entity(state, who, entity_id, wanted=True, now=now)
    return EntityInstalled(entity_id, installed=True)


def uninstall_entity(state: State, who: Principal, entity_id: str, *, now: datetime) -> EntityInstalled:
    """Take a flea entity off. Never refused: what is archived, held back or gone can be taken off too."""
    _set_entity(state, who, entity_id, wanted=False, now=now)
    return EntityInstalled(entity_id, installed=False)


def _set_entity(state: State, who: Principal, entity_id: str, *, wanted: bool, now: datetime) -> None:
    state.commit("stack", put_entity(user_id=who.user_id, entity_id=entity_id, wanted=wanted, at=now))


@registered("stack.service.put_entity")
def put_entity(tx: Tx, *, user_id: str, entity_id: str, wanted: bool, at: datetime) -> None:
    if repository.has_entity(tx.db, user_id, entity_id) == wanted:
        return
    if wanted:
        repository.add_entity(tx.db, user_id, entity_id, at=at)
    else:
        repository.remove_entity(tx.db, user_id, entity_id)
    action = "store.entity.install" if wanted else "store.entity.uninstall"
    tx.record(Change(action, f"entity:{entity_id}", {"user_id": user_id}))


def toggle(state: State, who: Principal, marketplace_id: str, plugin: str, *, enabled: bool, now: datetime) -> Toggled:
    """The switch of my-stack. Raises NotFoundError `grant_not_found`, and SystemPluginLocked
    `cannot_unsubscribe_system_plugin` for switching a system plugin off."""
    try:
        standing = _standing(state, who, marketplace_id, plugin)
    except NotFoundError as exc:
        raise _no_grant(plugin) from exc
    if standing.is_system:
        if not enabled:
            raise SystemPluginLocked(plugin, code="cannot_unsubscribe_system_plugin")
        return Toggled(ok=True, enabled=True)
    if not standing.granted:
        raise _no_grant(plugin)
    if standing.required and not enabled:
        raise RequiredPluginLocked(plugin)
    if enabled and standing.missing:
        raise DependencyMissing(plugin, standing.missing)
    _set(state, who, marketplace_id, plugin, wanted=enabled, now=now, standing=standing, action="toggle")
    return Toggled(ok=True, enabled=enabled)


def set_required(state: State, who: Principal, grant_id: str, *, required: bool, now: datetime) -> RequiredFlag:
    """Give a grant's plugin to its group without asking, so that nobody of them can take it off, or make it an offer again.

    Of a whole marketplace that means every plugin that it serves, those that it adds later too.
    Raises NotFoundError `grant_not_found`.
    """
    who.require_admin()
    with state.read("people") as db:
        grant = access.get_grant(db, grant_id)
    set_required_of_many(state, who, [grant_id], required=required, now=now)
    return RequiredFlag(grant_id, grant.resource_id, required)


def set_required_of_many(
    state: State, who: Principal, grant_ids: Collection[str], *, required: bool, now: datetime
) -> int:
    """The same of several grants in one commit; how many of them it changed. Raises NotFoundError `grant_not_found`."""
    who.require_admin()
    with state.read("people") as db:
        grants = [access.get_grant(db, grant_id) for grant_id in grant_ids]

    def change(tx: Tx) -> int:
        action = "resource_grant.required" if required else "resource_grant.optional"
        changed = [g for g in grants if repository.require(tx.db, g.id, required=required, at=now, by=who.email)]
        for grant in changed:
            shown = {"resource_id": grant.resource_id, "group_id": grant.group_id}
            tx.record(Change(action, f"grant:{grant.id}", shown))
        return len(changed)

    return state.commit("stack", change)


def _standing(state: State, who: Principal, marketplace_id: str, plugin: str) -> _Standing:
    """Raises PluginNotFound."""
    resource = resource_id(marketplace_id, plugin)
    with state.read(*FILES, spare=SPARED) as db:
        found = marketplace.get_plugin(db, marketplace_id, plugin)
        registered_at = marketplace.get_registry(db, marketplace_id).registered_at
        on = serving_index(db, who.group_ids)
        subscribed = subscriptions(db, who, on)
        added = added_entities(db, who, on)
    mine = on.granted(who.group_ids)
    standing = _Standing(
        registered_at=registered_at,
        is_system=found.is_system,
        granted=mine.covers(resource),
        required=mine.requires(resource),
        subscribed=entitlement.counting(subscribed.get(resource), registered_at) is not None,
    )
    # What somebody has, they may add again: that changes nothing.
    if standing.is_system or standing.required or standing.subscribed or resource not in on.marketplace.by_resource:
        return standing
    candidates = on.candidates(resource, who.group_ids)
    if not candidates:
        return standing
    wanted, lookup = on.wanted(who.group_ids, on.plugins(who.group_ids, subscribed), on.entities(added))
    reason = resolution.missing(candidates, wanted, lookup)
    if reason is None or reason.kind == NAME_CONFLICT:
        return standing
    return replace(standing, missing=reason.text)


def _set(
    state: State,
    who: Principal,
    marketplace_id: str,
    plugin: str,
    *,
    wanted: bool,
    now: datetime,
    standing: _Standing,
    action: str,
) -> None:
    name = "my_stack.curated.toggle" if action == "toggle" else f"marketplace.curated.{action}"
    change = put_plugin(
        user_id=who.user_id,
        marketplace_id=marketplace_id,
        plugin=plugin,
        wanted=wanted,
        registered_at=standing.registered_at,
        at=now,
        action=name,
    )
    state.commit("stack", change)


@registered("stack.service.put_plugin")
def put_plugin(
    tx: Tx,
    *,
    user_id: str,
    marketplace_id: str,
    plugin: str,
    wanted: bool,
    registered_at: datetime,
    at: datetime,
    action: str,
) -> None:
    """`action` is that of the audit. A subscription to an earlier registration of the marketplace does not count."""
    if repository.is_subscribed(tx.db, user_id, marketplace_id, plugin, since=registered_at) == wanted:
        return
    if wanted:
        repository.subscribe(tx.db, user_id, marketplace_id, plugin, at=at)
    else:
        repository.unsubscribe(tx.db, user_id, marketplace_id, plugin)
    shown = {"enabled": wanted, "user_id": user_id}
    tx.record(Change(action, f"plugin:{resource_id(marketplace_id, plugin)}", shown))


def _not_granted(plugin: str) -> DeniedError:
    return DeniedError(
        f"{plugin[:64]} was not granted to any of your groups", code="grant_required", hint="Ask an admin to grant it."
    )


def _no_grant(plugin: str) -> NotFoundError:
    return NotFoundError(
        f"you have no grant for {plugin[:64]}", code="grant_not_found", hint="Ask an admin to grant it."
    )
