"""Access: what one group was granted of every marketplace, and granting and revoking many plugins at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field

from agnes.access import service as access
from agnes.access.model import MARKETPLACE, MARKETPLACE_PLUGIN, Grant, Group
from agnes.accounts.model import EVERYONE
from agnes.kernel.errors import BadRequestError
from agnes.kernel.principal import Principal
from agnes.kernel.state import State
from agnes.marketplace import granting
from agnes.marketplace import service as marketplace
from agnes.marketplace.model import Marketplace, resource_id
from agnes.stack import service as stack

PATH = "/admin/access"
FILES = stack.FILES
OTHERS_NAMED = 3

E = TypeVar("E", Group, Marketplace)


class AccessQuery(BaseModel):
    model_config = ConfigDict(extra="ignore")

    group_id: str = Field("", max_length=64)
    marketplace_id: str = Field("", max_length=64)
    q: str = Field("", max_length=200)


class AccessForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal[
        "grant", "revoke", "require", "release", "grant_whole", "revoke_whole", "require_whole", "release_whole"
    ]
    group_id: str = Field(max_length=64)
    marketplace_id: str = Field(max_length=64)
    plugins: list[str] = Field(default_factory=list, max_length=granting.MAX_BATCH)
    grant_id: str = ""


@dataclass(frozen=True, slots=True)
class PluginAccess:
    """How a group has one plugin."""

    resource_id: str
    name: str
    display_name: str
    description: str
    version: str
    is_system: bool
    is_served: bool
    grant_id: str
    """Of the group's own grant of this plugin; empty if it has none."""
    is_required: bool
    via_marketplace: bool
    """Whether the group was granted the whole marketplace."""
    other_groups: str
    """Names of other groups that it is granted to by itself, the first OTHERS_NAMED of them."""


@dataclass(frozen=True)
class AccessPage:
    template: ClassVar[str] = "admin/access.html"
    title: ClassVar[str] = "Access"

    groups: list[Group]
    marketplaces: list[Marketplace]
    query: AccessQuery
    group: Group | None
    marketplace: Marketplace | None
    whole: Grant | None
    """The group's grant of the whole marketplace."""
    whole_is_required: bool
    whole_to_others: str
    """Names of other groups that were granted the whole marketplace."""
    plugins: list[PluginAccess]

    @property
    def people(self) -> int:
        return self.group.member_count if self.group else 0

    @property
    def granted(self) -> int:
        return sum(bool(plugin.grant_id or plugin.via_marketplace or plugin.is_system) for plugin in self.plugins)


def access_page(state: State, query: AccessQuery) -> AccessPage:
    """Of the chosen group and marketplace; of Everyone and the first marketplace if none is chosen or it is gone."""
    with state.read(*FILES, spare=(*stack.SPARED, "stack")) as db:
        groups, marketplaces = access.groups(db), marketplace.marketplaces(db)
        group = _chosen(groups, query.group_id or EVERYONE)
        shown = _chosen(marketplaces, query.marketplace_id)
        if group is None or shown is None:
            return AccessPage(groups, marketplaces, query, group, shown, None, False, "", [])
        own = access.grants(db, group_id=group.id)
        required = stack.required_grants(db)
        whole = next((g for g in own if g.resource_type == MARKETPLACE and g.resource_id == shown.id), None)
        grants = {g.resource_id: g for g in own if g.resource_type == MARKETPLACE_PLUGIN}
        others = access.groups_by_resource(db, shown.id, but=group.id, names=OTHERS_NAMED)
        words = query.q.strip().casefold()
        plugins = []
        for plugin in marketplace.plugins(db, shown.id):
            resource = resource_id(shown.id, plugin.name)
            text = f"{plugin.name} {plugin.display_name} {plugin.description}".casefold()
            if words not in text:
                continue
            grant = grants.get(resource)
            plugins.append(
                PluginAccess(
                    resource_id=resource,
                    name=plugin.name,
                    display_name=plugin.display_name,
                    description=plugin.description,
                    version=plugin.version or "",
                    is_system=plugin.is_system,
                    is_served=plugin.is_served and not plugin.disabled,
                    grant_id=grant.id if grant else "",
                    is_required=grant is not None and grant.id in required,
                    via_marketplace=whole is not None,
                    other_groups=_named(*others.get(resource, (0, []))),
                )
            )
        is_required = whole is not None and whole.id in required
    with_all = _named(*others.get(shown.id, (0, [])))
    return AccessPage(groups, marketplaces, query, group, shown, whole, is_required, with_all, plugins)


def change(state: State, who: Principal, form: AccessForm, *, now: datetime) -> tuple[str, str]:
    """Grant or revoke: (page to go on to, notice). Raises what `marketplace.granting` does."""
    with state.read("people") as db:
        group = access.get_group(db, form.group_id)
    page = f"{PATH}?{urlencode({'group_id': group.id, 'marketplace_id': form.marketplace_id})}"
    if form.action.endswith("_whole"):
        return page, _change_whole(state, who, form, group, now)
    if not form.plugins:
        raise BadRequestError("no plugin is selected", code="nothing_selected", hint="Tick at least one plugin.")
    return page, _change_plugins(state, who, form, group, now)


def _change_plugins(state: State, who: Principal, form: AccessForm, group: Group, now: datetime) -> str:
    """The notice."""
    people = _people(group)
    if form.action == "revoke":
        revoked = granting.revoke_plugins(state, who, group_id=group.id, plugins=form.plugins)
        return f"{_plugins(revoked)} no longer granted to {group.name} ({people})."
    if form.action == "release":
        changed = stack.set_required_of_many(state, who, _grants(state, form), required=False, now=now)
        return f"{_plugins(changed)} optional for {group.name} ({people}): they keep it only if they add it."
    made = granting.grant_plugins(state, who, group_id=group.id, plugins=form.plugins, now=now)
    if form.action == "grant":
        return f"{_plugins(len(made.created))} granted to {group.name} ({people})."
    changed = stack.set_required_of_many(state, who, _grants(state, form), required=True, now=now)
    return f"{_plugins(changed)} required for {group.name}: {people} get it at the next refresh."


def _change_whole(state: State, who: Principal, form: AccessForm, group: Group, now: datetime) -> str:
    """The notice."""
    people, whole = _people(group), form.marketplace_id
    if form.action == "grant_whole":
        granting.grant(state, who, group_id=group.id, resource_type=MARKETPLACE, resource_id=whole, now=now)
        return f"All of {whole} is granted to {group.name} ({people}), plugins that it adds later too."
    if form.action == "revoke_whole":
        granting.revoke(state, who, form.grant_id)
        return f"{group.name} no longer has all of {whole}. Grants of single plugins remain."
    required = form.action == "require_whole"
    stack.set_required(state, who, form.grant_id, required=required, now=now)
    if required:
        return f"All of {whole} is required for {group.name}: {people} get it at the next refresh."
    return f"All of {whole} is optional for {group.name}: people keep what they added."


def _grants(state: State, form: AccessForm) -> list[str]:
    """Ids of the group's own grants of the selected plugins."""
    with state.read("people") as db:
        held = access.grants(db, group_id=form.group_id, resource_type=MARKETPLACE_PLUGIN)
    return [grant.id for grant in held if grant.resource_id in form.plugins]


def _people(group: Group) -> str:
    return f"{group.member_count} {'person' if group.member_count == 1 else 'people'}"


def _chosen(listed: Sequence[E], wanted: str) -> E | None:
    return next((one for one in listed if one.id == wanted), listed[0] if listed else None)


def _named(number: int, names: list[str]) -> str:
    more = number - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _plugins(number: int) -> str:
    return f"{number} plugin is" if number == 1 else f"{number} plugins are"
