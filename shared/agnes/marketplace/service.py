"""The registry of marketplaces, and what others may ask about plugins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from agnes.accounts import directory
from agnes.kernel.errors import BadRequestError, ConflictError, NotFoundError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import Clock, ObjectStore, Secret, Secrets
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, State, Tx
from agnes.marketplace import assets, granting, needs, rebuilding, repository, rules
from agnes.marketplace.model import (
    DisabledFlag,
    Marketplace,
    MarketplaceChange,
    NewMarketplace,
    Plugin,
    PluginItem,
    PluginLine,
    RecentSync,
    Registry,
    SyncLine,
    SystemFlag,
)


class MarketplaceNotFound(NotFoundError):
    code = "marketplace_not_found"

    def __init__(self, marketplace_id: str) -> None:
        super().__init__(f"there is no marketplace {marketplace_id[:64]}")


class PluginNotFound(NotFoundError):
    code = "plugin_not_found"

    def __init__(self, marketplace_id: str, plugin: str) -> None:
        super().__init__(f"marketplace {marketplace_id[:64]} has no plugin {plugin[:64]}")


def marketplaces(db: Db) -> list[Marketplace]:
    """Every marketplace, by name."""
    return repository.marketplaces(db)


def get_marketplace(db: Db, marketplace_id: str) -> Marketplace:
    """Raises MarketplaceNotFound."""
    found = repository.marketplaces(db, marketplace_id)
    if not found:
        raise MarketplaceNotFound(marketplace_id)
    return found[0]


def get_registry(db: Db, marketplace_id: str) -> Registry:
    """Raises MarketplaceNotFound."""
    found = repository.find_registry(db, marketplace_id)
    if found is None:
        raise MarketplaceNotFound(marketplace_id)
    return found


def plugins(db: Db, marketplace_id: str | None = None) -> list[Plugin]:
    """Plugins that catalogs list now, served or not, by marketplace and name."""
    return repository.plugins(db, marketplace_id)


def get_plugin(db: Db, marketplace_id: str, plugin: str) -> Plugin:
    """A plugin that its catalog lists now. Raises PluginNotFound."""
    found = repository.find_plugin(db, marketplace_id, plugin)
    if found is None:
        raise PluginNotFound(marketplace_id, plugin)
    return found


def items(db: Db, marketplace_id: str | None = None, plugin: str | None = None) -> list[PluginItem]:
    """Inner items of every plugin, of a marketplace's, or of one."""
    return repository.items(db, marketplace_id, plugin)


def plugin_lines(db: Db, marketplace_id: str) -> list[PluginLine]:
    """The admin's list. Raises MarketplaceNotFound."""
    get_registry(db, marketplace_id)
    needed = needs.needs(db)
    return [
        PluginLine(
            name=p.name,
            display_name=p.display_name,
            description=p.description,
            version=p.version or p.upstream_version,
            upstream_version=p.upstream_version,
            author_name=p.author_name,
            homepage=p.homepage,
            category=p.category,
            source_type=p.source_type,
            source_spec=p.source_spec,
            is_system=p.is_system,
            disabled=p.disabled,
            served=p.is_served,
            problem=p.problem or p.withheld,
            tree_id=p.tree_id,
            dependencies=list(needed.of(marketplace_id, p.declared)),
            default_enabled=(p.declared or {}).get("default_enabled", True),
        )
        for p in repository.plugins(db, marketplace_id)
    ]


def register(
    state: State, who: Principal, given: NewMarketplace, *, secrets: Secrets, clock: Clock, allow: frozenset[str]
) -> Marketplace:
    """Add a marketplace; it is not synced yet. `allow` is what AGNES_OUTBOUND_ALLOW adds to https and public hosts.

    Raises BadRequestError, ConflictError `marketplace_exists`.
    """
    who.require_admin()
    branch, ref = rules.branch(given.branch), rules.ref(given.ref)
    rules.one_of(branch, ref)
    curator_name, curator_email = rules.curator(given.curator_name, given.curator_email)
    registry = Registry(
        id=rules.slug(given.slug),
        name=rules.name(given.name),
        url=rules.url(given.url, allow),
        branch=branch,
        ref=ref,
        hold=given.hold,
        allow_external=given.allow_external,
        description=rules.description(given.description),
        curator_name=curator_name,
        curator_email=curator_email,
        token_name=None,
        registered_by=who.email,
        registered_at=clock.now(),
    )

    def add(tx: Tx, token_name: str | None) -> Marketplace:
        if repository.find_registry(tx.db, registry.id):
            raise ConflictError(f"the slug {registry.id} is taken", code="marketplace_exists", hint="Choose another.")
        repository.insert_registry(tx.db, replace(registry, token_name=token_name))
        params = given.model_dump(exclude={"token"}) | {"has_token": token_name is not None}
        tx.record(Change("marketplace.create", f"marketplace:{registry.id}", params))
        return get_marketplace(tx.db, registry.id)

    if not given.token:
        return state.commit("marketplace", lambda tx: add(tx, None))
    with _NewSecret(secrets, registry.id, rules.token(given.token), clock) as token_name:
        return state.commit("marketplace", lambda tx: add(tx, token_name))


def update(
    state: State,
    who: Principal,
    marketplace_id: str,
    given: MarketplaceChange,
    *,
    secrets: Secrets,
    clock: Clock,
    allow: frozenset[str],
) -> Marketplace:
    """Change what is given; nothing is synced by it. Raises MarketplaceNotFound, BadRequestError."""
    who.require_admin()
    changed: dict[str, Any] = {}
    if given.name is not None:
        changed["name"] = rules.name(given.name)
    if given.url is not None:
        changed["url"] = rules.url(given.url, allow)
    if given.branch is not None:
        changed["branch"] = rules.branch(given.branch)
    if given.ref is not None:
        changed["ref"] = rules.ref(given.ref)
    if given.allow_external is not None:
        changed["allow_external"] = given.allow_external
    if given.hold is not None:
        changed["hold"] = given.hold
    if given.description is not None:
        changed["description"] = rules.description(given.description)

    def change(tx: Tx, token: dict[str, str | None]) -> tuple[Marketplace, str | None]:
        before = get_registry(tx.db, marketplace_id)
        moved = "url" in changed and rules.origin(changed["url"]) != rules.origin(before.url)
        if moved and before.token_name and not token:
            raise BadRequestError(
                "the URL leads to another server, which must not get the token of the old one",
                code="token_required",
                hint="Send the new token, or an empty one.",
            )
        rules.one_of(changed.get("branch", before.branch), changed.get("ref", before.ref))
        person, email = rules.curator(
            (given.curator_name or "").strip() or before.curator_name,
            (given.curator_email or "").strip() or before.curator_email,
        )
        wanted = {**changed, **token, "curator_name": person, "curator_email": email}
        different = {column: value for column, value in wanted.items() if getattr(before, column) != value}
        if different:
            if "allow_external" in different:
                repository.update_registry(tx.db, marketplace_id, reading_format=0)  # the same commit reads otherwise
            repository.update_registry(tx.db, marketplace_id, **different)
            shown = {column: value for column, value in different.items() if column != "token_name"}
            if "token_name" in different:
                shown["token"] = "rotated" if different["token_name"] else "cleared"
            was = {column: getattr(before, column) for column in shown if column != "token"}
            tx.record(Change("marketplace.update", f"marketplace:{marketplace_id}", shown, was))
        return get_marketplace(tx.db, marketplace_id), before.token_name

    if given.token is None:
        return state.commit("marketplace", lambda tx: change(tx, {}))[0]
    if given.token == "":
        after, old_name = state.commit("marketplace", lambda tx: change(tx, {"token_name": None}))
    else:
        with _NewSecret(secrets, marketplace_id, rules.token(given.token), clock) as token_name:
            after, old_name = state.commit("marketplace", lambda tx: change(tx, {"token_name": token_name}))
    if old_name:
        secrets.remove(old_name)
    return after


def delete(state: State, who: Principal, marketplace_id: str, *, purge: bool, secrets: Secrets) -> None:
    """Remove a marketplace with its grants, plugins and token; with `purge` its sync history as well.

    Stored trees are shared by content and go when nothing names them any more. What people
    subscribed to is void: a marketplace registered later under the slug starts without them.
    Raises MarketplaceNotFound.
    """
    who.require_admin()
    # Grants are in another state file. They go first: who dies in between leaves a marketplace
    # that nobody is served from, and the same request finishes the work.
    with state.read("marketplace") as db:
        get_registry(db, marketplace_id)
    granting.revoke_all(state, who, marketplace_id)

    def remove(tx: Tx) -> str | None:
        before = get_registry(tx.db, marketplace_id)
        repository.delete_registry(tx.db, marketplace_id, history=purge)
        was = {"name": before.name, "url": before.url, "last_commit_sha": before.last_commit_sha}
        tx.record(Change("marketplace.delete", f"marketplace:{marketplace_id}", {"purge": purge}, was))
        return before.token_name

    token_name = state.commit("marketplace", remove)
    granting.revoke_all(state, who, marketplace_id)  # what was granted in between
    if token_name:
        secrets.remove(token_name)


def set_system(state: State, who: Principal, marketplace_id: str, plugin: str, *, is_system: bool) -> SystemFlag:
    """Make a plugin one that everybody has, or an ordinary one again.

    Raises PluginNotFound, ConflictError `plugin_disabled`.
    """
    who.require_admin()

    def mark(tx: Tx) -> bool:
        get_registry(tx.db, marketplace_id)
        before = get_plugin(tx.db, marketplace_id, plugin)
        if before.is_system == is_system:
            return False
        if is_system and before.disabled:
            raise ConflictError(f"{plugin} is disabled", code="plugin_disabled", hint="Enable it first.")
        repository.set_flags(tx.db, marketplace_id, plugin, is_system=is_system)
        action = "mark_system" if is_system else "unmark_system"
        tx.record(Change(f"marketplace.plugin.{action}", f"plugin:{marketplace_id}/{plugin}", {"is_system": is_system}))
        return True

    changed = state.commit("marketplace", mark)
    with state.read("people") as db:
        users = directory.count_active(db)
    return SystemFlag(marketplace_id, plugin, is_system, affected_groups=0, affected_users=users if changed else 0)


def set_disabled(state: State, who: Principal, marketplace_id: str, plugin: str, *, disabled: bool) -> DisabledFlag:
    """Take one plugin out of every feed, or give it back; syncs leave that alone.

    A disabled plugin is no system plugin any more, so that enabling it gives it to nobody new.
    Raises PluginNotFound.
    """
    who.require_admin()

    def change(tx: Tx) -> DisabledFlag:
        get_registry(tx.db, marketplace_id)
        before = get_plugin(tx.db, marketplace_id, plugin)
        is_system = before.is_system and not disabled
        if before.disabled != disabled:
            repository.set_flags(tx.db, marketplace_id, plugin, disabled=disabled, is_system=is_system)
            action = "disable" if disabled else "enable"
            was = {"disabled": before.disabled, "is_system": before.is_system}
            resource = f"plugin:{marketplace_id}/{plugin}"
            tx.record(Change(f"marketplace.plugin.{action}", resource, {"disabled": disabled}, was))
        return DisabledFlag(marketplace_id, plugin, disabled, is_system)

    return state.commit("marketplace", change)


def syncs(db: Db, marketplace_id: str, *, before: str | None = None, limit: int = 50) -> list[SyncLine]:
    """The sync history, newest first. Raises MarketplaceNotFound."""
    get_registry(db, marketplace_id)
    return repository.syncs(db, marketplace_id, before=before, limit=limit)


def recent_syncs(db: Db, *, before: str | None = None, limit: int = 50) -> list[RecentSync]:
    """The sync history of all marketplaces, newest first, older than the sync `before`."""
    return repository.recent_syncs(db, before=before, limit=limit)


def damaged_plugins(db: Db, tree_ids: Iterable[str]) -> dict[str, list[str]]:
    """Tree → `<marketplace>/<plugin>` of what has or had it."""
    return rebuilding.holders(db, tree_ids)


def damaged_pages(db: Db, store: ObjectStore) -> list[str]:
    """`<marketplace>/<plugin>` of those whose page has a cover or document that was found damaged. Raises UnavailableError."""
    noted = assets.noted(store)
    if not noted:
        return []
    rows = db.execute(
        """SELECT DISTINCT p.marketplace_id || '/' || p.name FROM marketplace.plugins p, json_each(p.metadata, '$.assets') a
        WHERE p.metadata IS NOT NULL AND list_contains($ids, a.value ->> 'sha256') ORDER BY ALL""",
        {"ids": sorted(noted)},
    ).fetchall()
    return [row[0] for row in rows]


def sync_outcomes(db: Db, since: datetime) -> dict[str, int] | None:
    """How many syncs that began since then were `changed`, `unchanged`, `failed`; None if nothing is registered."""
    return repository.sync_outcomes(db, since) if repository.registry_ids(db) else None


class _NewSecret:
    """A token under a name of its own, gone again if what is done inside fails.

    Every token gets a new name, so state never names one that is missing or that belongs to
    another registration, whenever a process dies; and no two slugs can meet in a name.
    """

    def __init__(self, secrets: Secrets, marketplace_id: str, token: str, clock: Clock) -> None:
        self._secrets = secrets
        self._token = Secret(token)
        self._name = f"marketplace/{marketplace_id}/token/{new_ulid(clock.now())}"

    def __enter__(self) -> str:
        self._secrets.put(self._name, self._token)
        return self._name

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._secrets.remove(self._name)
