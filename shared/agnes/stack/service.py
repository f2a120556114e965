"""Add a curated plugin to one's stack, take it off, and what a person is served.

    served = (granted and subscribed) or system, of what its marketplace can serve

Being an admin adds nothing to that (spec/01 §10.16).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agnes.access import service as access
from agnes.kernel.errors import ConflictError, DeniedError, NotFoundError
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, State, Tx
from agnes.marketplace import service as marketplace
from agnes.marketplace.model import RESOURCE_TYPE, resource_id
from agnes.stack import repository
from agnes.stack.model import Installed, MyStack, ServedPlugin, Toggled

FILES = ("people", "marketplace", "stack")
"""State files that the functions over `db` here need."""


class SystemPluginLocked(ConflictError):
    def __init__(self, plugin: str, *, code: str) -> None:
        super().__init__(f"{plugin} is a system plugin: everybody has it", code=code, hint="Ask an admin.")


@dataclass(frozen=True, slots=True)
class _Standing:
    """How a person stands to a plugin."""

    registered_at: datetime
    is_system: bool
    granted: bool
    subscribed: bool


def served_plugins(db: Db, who: Principal) -> list[ServedPlugin]:
    """What the feed gives this person, by registration of the marketplace and name."""
    return repository.served(db, who.user_id, who.group_ids)


def my_stack(db: Db, who: Principal) -> MyStack:
    """Everything that this person may have, and whether they have it."""
    return MyStack(curated=repository.stack(db, who.user_id, who.group_ids), store=[])


def counts(db: Db) -> dict[tuple[str, str], int]:
    """(marketplace id, plugin) → active people who hold it; a system plugin counts all."""
    return repository.counts(db)


def install(state: State, who: Principal, marketplace_id: str, plugin: str, *, now: datetime) -> Installed:
    """Add a plugin. Adding it again changes nothing, nor does adding a system plugin, which everybody has.

    Raises PluginNotFound, DeniedError `grant_required`.
    """
    standing = _standing(state, who, marketplace_id, plugin)
    if standing.is_system:
        return Installed(installed=True)
    if not standing.granted:
        raise _not_granted(plugin)
    _set(state, who, marketplace_id, plugin, wanted=True, now=now, standing=standing, action="install")
    return Installed(installed=True)


def uninstall(state: State, who: Principal, marketplace_id: str, plugin: str, *, now: datetime) -> Installed:
    """Take a plugin off. Raises PluginNotFound, SystemPluginLocked `cannot_uninstall_system_plugin`, and
    DeniedError `grant_required` for a plugin that the person neither may have nor once added."""
    standing = _standing(state, who, marketplace_id, plugin)
    if standing.is_system:
        raise SystemPluginLocked(plugin, code="cannot_uninstall_system_plugin")
    if not standing.granted and not standing.subscribed:
        raise _not_granted(plugin)
    _set(state, who, marketplace_id, plugin, wanted=False, now=now, standing=standing, action="uninstall")
    return Installed(installed=False)


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
    _set(state, who, marketplace_id, plugin, wanted=enabled, now=now, standing=standing, action="toggle")
    return Toggled(ok=True, enabled=enabled)


def _standing(state: State, who: Principal, marketplace_id: str, plugin: str) -> _Standing:
    with state.read(*FILES) as db:
        found = marketplace.get_plugin(db, marketplace_id, plugin)
        registered_at = marketplace.get_registry(db, marketplace_id).registered_at
        return _Standing(
            registered_at=registered_at,
            is_system=found.is_system,
            granted=access.has_grant(db, who.group_ids, RESOURCE_TYPE, resource_id(marketplace_id, plugin)),
            subscribed=repository.is_subscribed(db, who.user_id, marketplace_id, plugin, since=registered_at),
        )


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
    def change(tx: Tx) -> None:
        since = standing.registered_at
        if repository.is_subscribed(tx.db, who.user_id, marketplace_id, plugin, since=since) == wanted:
            return
        if wanted:
            repository.subscribe(tx.db, who.user_id, marketplace_id, plugin, at=now)
        else:
            repository.unsubscribe(tx.db, who.user_id, marketplace_id, plugin)
        name = "my_stack.curated.toggle" if action == "toggle" else f"marketplace.curated.{action}"
        shown = {"enabled": wanted, "user_id": who.user_id}
        tx.record(Change(name, f"plugin:{resource_id(marketplace_id, plugin)}", shown))

    state.commit("stack", change)


def _not_granted(plugin: str) -> DeniedError:
    return DeniedError(
        f"{plugin[:64]} was not granted to any of your groups", code="grant_required", hint="Ask an admin to grant it."
    )


def _no_grant(plugin: str) -> NotFoundError:
    return NotFoundError(
        f"you have no grant for {plugin[:64]}", code="grant_not_found", hint="Ask an admin to grant it."
    )
