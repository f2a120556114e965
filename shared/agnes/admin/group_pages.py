"""Groups: the list, one group with its members and grants, and what the forms do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from agnes.access import groups as access_groups
from agnes.access import service as access
from agnes.access.model import Grant, Group, Member
from agnes.accounts.model import ADMIN, EVERYONE
from agnes.admin.paging import Paging, SearchQuery
from agnes.kernel.principal import Principal
from agnes.kernel.state import State
from agnes.marketplace import granting

PATH = "/admin/groups"
GROUPS_A_PAGE = 100
MEMBERS_A_PAGE = 100
GRANTS_SHOWN = 100
SOURCES = {
    "admin": "Added by an admin",
    "system_seed": "Set up at the first start",
    "google_sync": "From Google Workspace",
    "oidc_sync": "From the identity provider",
    "scim": "From the directory",
    "cli_break_glass": "Added by an operator",
    "derived": "Every active account",
}


class NewGroupForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["create"] = "create"
    name: str = Field(min_length=1, max_length=200)
    description: str = Field("", max_length=2000)


class GroupForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["edit", "delete", "add_members", "remove_member", "revoke"]
    name: str = ""
    description: str = ""
    emails: str = Field("", max_length=20_000)
    user_id: str = ""
    grant_id: str = ""


@dataclass(frozen=True)
class GroupsPage:
    template: ClassVar[str] = "admin/groups.html"
    title: ClassVar[str] = "Groups"

    groups: list[Group]
    query: SearchQuery
    paging: Paging


@dataclass(frozen=True)
class GroupPage:
    template: ClassVar[str] = "admin/group.html"
    sources: ClassVar[dict[str, str]] = SOURCES

    group: Group
    members: list[Member]
    grants: list[Grant]
    """The first GRANTS_SHOWN of them."""
    paging: Paging

    @property
    def title(self) -> str:
        return self.group.name

    @property
    def path(self) -> str:
        return f"{PATH}/{self.group.id}"

    @property
    def has_members(self) -> bool:
        """Whether admins say who is in it; of Everyone nobody does."""
        return self.group.id != EVERYONE

    @property
    def is_admin_group(self) -> bool:
        return self.group.id == ADMIN


def groups_page(state: State, query: SearchQuery) -> GroupsPage:
    with state.read("people") as db:
        found, total = access.find_groups(db, query.q, offset=query.offset, limit=GROUPS_A_PAGE)
    paging = Paging(PATH, {"q": query.q}, query.offset, GROUPS_A_PAGE, len(found), total)
    return GroupsPage(found, query, paging)


def group_page(state: State, group_id: str, *, offset: int) -> GroupPage:
    """Raises NotFoundError."""
    with state.read("people") as db:
        group = access.get_group(db, group_id)
        members = access.members(db, group_id, offset=offset, limit=MEMBERS_A_PAGE)
        grants = access.grants(db, group_id=group_id)[:GRANTS_SHOWN]
    paging = Paging(f"{PATH}/{group_id}", {}, offset, MEMBERS_A_PAGE, len(members), group.member_count)
    return GroupPage(group, members, grants, paging)


def create(state: State, who: Principal, form: NewGroupForm, *, now: datetime) -> Group:
    """Raises NameTaken, BadRequestError."""
    return access_groups.create(state, who, name=form.name, description=form.description, now=now)


def change(state: State, who: Principal, group_id: str, form: GroupForm, *, now: datetime) -> tuple[str, str]:
    """Do what a form of the group's page asks: (page to go on to, notice). Raises what `access.groups` does."""
    with state.read("people") as db:
        group = access.get_group(db, group_id)
    page = f"{PATH}/{group_id}"
    if form.action == "edit":
        name = None if group.is_system else form.name
        access_groups.update(state, who, group_id, name=name, description=form.description)
        return page, "The change is saved."
    if form.action == "delete":
        access_groups.delete(state, who, group_id)
        return PATH, f"{group.name} is deleted, with its memberships and grants."
    if form.action == "add_members":
        added = access_groups.add_members(state, who, group_id, emails=form.emails, now=now)
        return page, added.notice(group.name)
    if form.action == "remove_member":
        access_groups.remove_member(state, who, group_id, form.user_id, now=now)
        return page, f"One person is no longer in {group.name}."
    granting.revoke(state, who, form.grant_id)
    return page, f"The grant is revoked: people of {group.name} no longer have it through this group."
