"""What admins do to groups and to who is in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from agnes.access import repository
from agnes.access.model import Group, Member, Membership
from agnes.access.service import get_group
from agnes.accounts.identities import end_sign_ins
from agnes.accounts.model import ADMIN, BY_ADMIN, EVERYONE, SYSTEM_SEED, User
from agnes.accounts.rules import name_of
from agnes.accounts.service import find_user_by_email, get_user, require_another_admin
from agnes.kernel.errors import BadRequestError, ConflictError, NotFoundError
from agnes.kernel.ids import GroupId, new_ulid
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, State, Tx

LONGEST_DESCRIPTION = 2000
"""Characters."""
MOST_AT_ONCE = 500
"""Addresses that are added to a group in one commit."""


class NameTaken(ConflictError):
    code = "group_name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a group named {name} already", hint="Choose another name.")


class SystemGroup(ConflictError):
    code = "system_group"

    def __init__(self, group: Group, what: str) -> None:
        super().__init__(f"{group.name} is a system group: {what}")


_DIRECTORIES = {
    "google_sync": "Google Workspace",
    "oidc_sync": "your identity provider",
    "scim": "your directory (SCIM)",
}


class DirectoryManaged(ConflictError):
    """A group that a directory keeps, with the reason why nobody edits it here."""

    code = "directory_managed_readonly"

    def __init__(self, group: Group) -> None:
        super().__init__(
            f"{group.name} is kept by {_DIRECTORIES[group.origin]}",
            code="google_managed_readonly" if group.is_google_managed else None,
            hint="Change it there; the change arrives by itself. Grants to the group are made here.",
        )


def _require_local(group: Group) -> Group:
    if group.is_directory_managed:
        raise DirectoryManaged(group)
    return group


def create(state: State, who: Principal, *, name: str, description: str, now: datetime) -> Group:
    """Raises BadRequestError, NameTaken."""
    who.require_admin()
    name, description = name_of(name), _description(description)
    group_id = GroupId(new_ulid(now))

    def add(tx: Tx) -> Group:
        if repository.is_name_taken(tx.db, name):
            raise NameTaken(name)
        repository.add_group(tx.db, group_id, name=name, description=description, by=who.email, now=now)
        tx.record(Change("user_group.created", f"group:{group_id}", {"name": name, "description": description}))
        return get_group(tx.db, group_id)

    return state.commit("people", add)


def update(state: State, who: Principal, group_id: str, *, name: str | None, description: str | None) -> Group:
    """Change what is not None; a system group keeps its name. Raises NotFoundError, NameTaken, SystemGroup."""
    who.require_admin()
    name = name_of(name) if name is not None else None
    description = _description(description) if description is not None else None

    def change(tx: Tx) -> Group:
        group = get_group(tx.db, group_id)
        asked = {
            "name": group.name if name is None else name,
            "description": group.description if description is None else description,
        }
        was = {"name": group.name, "description": group.description}
        if asked == was:
            return group
        _require_local(group)
        if asked["name"] != group.name and group.is_system:
            raise SystemGroup(group, "its name cannot be changed")
        if repository.is_name_taken(tx.db, asked["name"], but_by=group_id):
            raise NameTaken(asked["name"])
        repository.set_group(tx.db, group_id, **asked)
        tx.record(Change("user_group.updated", f"group:{group_id}", asked, was))
        return get_group(tx.db, group_id)

    return state.commit("people", change)


def delete(state: State, who: Principal, group_id: str) -> None:
    """With its memberships and grants. Raises NotFoundError, SystemGroup."""
    who.require_admin()

    def remove(tx: Tx) -> None:
        group = get_group(tx.db, group_id)
        if group.is_system:
            raise SystemGroup(group, "it cannot be deleted")
        _require_local(group)
        repository.remove_group(tx.db, group_id)
        before = {"name": group.name, "members": group.member_count, "grants": group.grant_count}
        tx.record(Change("user_group.deleted", f"group:{group_id}", {}, before))

    state.commit("people", remove)


def add_member_by_email(state: State, who: Principal, group_id: str, *, email: str, now: datetime) -> Member:
    """Raises NotFoundError for the group or the address, ConflictError if they are in it already."""
    who.require_admin()

    def add(tx: Tx) -> Member:
        group = get_group(tx.db, group_id)
        user = find_user_by_email(tx.db, email)
        if user is None:
            raise NotFoundError("there is no account with this address", code="user_not_found", hint="Create it first.")
        return _add(tx, group, user, who, now)

    return state.commit("people", add)


@dataclass(frozen=True, slots=True)
class AddedMembers:
    added: tuple[str, ...]
    already: tuple[str, ...]

    def notice(self, group: str) -> str:
        people = "1 person" if len(self.added) == 1 else f"{len(self.added)} people"
        text = f"{people} added to {group}."
        return f"{text} {len(self.already)} were in it already." if self.already else text


def add_members(state: State, who: Principal, group_id: str, *, emails: str, now: datetime) -> AddedMembers:
    """Several at once, by addresses separated by commas, blanks or lines: all of them, or none if one is unknown.

    Raises BadRequestError, NotFoundError with the unknown addresses.
    """
    who.require_admin()
    wanted = list(dict.fromkeys(address.lower() for address in re.split(r"[\s,;]+", emails) if address))
    if not wanted:
        raise BadRequestError("no address is given", code="no_address", hint="Write one or more e-mail addresses.")
    if len(wanted) > MOST_AT_ONCE:
        raise BadRequestError(
            f"these are {len(wanted)} addresses", code="too_many_addresses", hint=f"Add at most {MOST_AT_ONCE} at once."
        )

    def add(tx: Tx) -> AddedMembers:
        group = get_group(tx.db, group_id)
        asked = {email: find_user_by_email(tx.db, email) for email in wanted}
        found = {email: user for email, user in asked.items() if user is not None}
        unknown = [email for email in asked if email not in found]
        if unknown:
            raise NotFoundError(
                f"there is no account for {', '.join(unknown[:5])}{' and others' if len(unknown) > 5 else ''}",
                code="user_not_found",
                hint="Add the user first. No one was added to the group.",
                emails=unknown,
            )
        added, already = [], []
        for email, user in found.items():
            if repository.find_source(tx.db, user.id, group.id) is not None:
                already.append(email)
            else:
                _add(tx, group, user, who, now)
                added.append(email)
        return AddedMembers(tuple(added), tuple(already))

    return state.commit("people", add)


def add_membership(state: State, who: Principal, user_id: str, *, group_id: str, now: datetime) -> Membership:
    """The same, asked from the person's side."""
    who.require_admin()

    def add(tx: Tx) -> Membership:
        user = get_user(tx.db, user_id)
        _add(tx, get_group(tx.db, group_id), user, who, now)
        return next(held for held in repository.memberships(tx.db, user_id) if held.group_id == group_id)

    return state.commit("people", add)


def remove_member(state: State, who: Principal, group_id: str, user_id: str, *, now: datetime) -> None:
    """Whoever leaves Admin is signed out. Raises NotFoundError where there is nothing that an admin could remove, LastAdmin, SystemGroup."""
    who.require_admin()

    def remove(tx: Tx) -> None:
        group = get_group(tx.db, group_id)
        user = get_user(tx.db, user_id)
        if group_id == EVERYONE:
            raise SystemGroup(group, "every active account is in it")
        _require_local(group)
        if repository.find_source(tx.db, user_id, group_id) not in (BY_ADMIN, SYSTEM_SEED):
            raise NotFoundError(f"{user.email} was not added to {group.name} by an admin", code="member_not_found")
        if group_id == ADMIN:
            require_another_admin(tx.db, user_id)
            end_sign_ins(tx, user_id, now=now)
        repository.remove_member(tx.db, user_id, group_id)
        tx.record(Change("user_group.member_removed", f"group:{group_id}", {"user_id": user_id, "email": user.email}))

    state.commit("people", remove)


def _add(tx: Tx, group: Group, user: User, who: Principal, now: datetime) -> Member:
    if group.id == EVERYONE:
        raise SystemGroup(group, "every active account is in it")
    _require_local(group)
    if repository.find_source(tx.db, user.id, group.id) is not None:
        raise ConflictError(f"{user.email} is in {group.name} already", code="already_member")
    repository.add_member(tx.db, user.id, group.id, source=BY_ADMIN, by=who.email, now=now)
    tx.record(Change("user_group.member_added", f"group:{group.id}", {"user_id": user.id, "email": user.email}))
    return _member(tx.db, group.id, user.id)


def _member(db: Db, group_id: str, user_id: str) -> Member:
    return next(member for member in repository.members(db, group_id) if member.user_id == user_id)


def _description(text: str) -> str:
    if len(text) > LONGEST_DESCRIPTION:
        raise BadRequestError(f"a description has at most {LONGEST_DESCRIPTION} characters", code="bad_description")
    return text.strip()
