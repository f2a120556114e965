"""Groups that a directory keeps, and who is in them, as part of a caller's commit."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from agnes.access import repository
from agnes.access.service import get_group
from agnes.accounts.identities import end_sign_ins
from agnes.accounts.model import ADMIN, SYNC_CREATORS
from agnes.accounts.rules import name_of
from agnes.accounts.service import LastAdmin, require_another_admin
from agnes.kernel.errors import BadRequestError
from agnes.kernel.ids import GroupId, new_ulid
from agnes.kernel.state import Change, Tx


@dataclass(frozen=True, slots=True)
class SyncedMembership:
    added: tuple[str, ...]
    removed: tuple[str, ...]
    """Ids of groups."""


def groups_of(tx: Tx, names: Iterable[str], *, source: str, now: datetime) -> frozenset[str]:
    """Ids of a directory's groups by their names there; made where they are not here yet. Names that no page could show
    are left out."""
    creator = next(creator for creator, made in SYNC_CREATORS.items() if made == source)
    known = repository.synced_groups(tx.db, creator)
    found = set()
    for name in names:
        if name not in known:
            try:
                shown = free_name(tx, name_of(name))
            except BadRequestError:
                continue
            group_id = GroupId(new_ulid(now))
            repository.add_group(tx.db, group_id, name=shown, description="", by=creator, now=now, external_id=name)
            tx.record(Change("user_group.created", f"group:{group_id}", {"name": shown, "source": source}))
            known[name] = group_id
        found.add(known[name])
    return frozenset(found)


def free_name(tx: Tx, name: str) -> str:
    """`name`, or one like it: a directory's group never becomes one that admins here made, with the grants that it has."""
    if not repository.is_name_taken(tx.db, name):
        return name
    tries = (f"{name[:180]} (directory{f' {number}' if number else ''})" for number in range(1000))
    return next(candidate for candidate in tries if not repository.is_name_taken(tx.db, candidate))


def sync_memberships(
    tx: Tx, user_id: str, group_ids: Collection[str], *, source: str, email: str, now: datetime
) -> SyncedMembership:
    """Make the memberships of this source exactly these. Those that admins made stay, and so does the last admin.

    Whoever leaves Admin is signed out.
    """
    held = repository.group_ids_of(tx.db, user_id)
    added = sorted(set(group_ids) - held.keys())
    removed = sorted(group for group, made_by in held.items() if made_by == source and group not in group_ids)
    if ADMIN in removed:
        try:
            require_another_admin(tx.db, user_id)
            end_sign_ins(tx, user_id, now=now)
        except LastAdmin:
            removed.remove(ADMIN)
    for group_id in added:
        repository.add_member(tx.db, user_id, group_id, source=source, by=source, now=now)
    for group_id in removed:
        repository.remove_member(tx.db, user_id, group_id)
    for action, changed in (("user_group.member_added", added), ("user_group.member_removed", removed)):
        for group_id in changed:
            params = {"user_id": user_id, "email": email, "source": source}
            tx.record(Change(action, f"group:{group_id}", params))
    return SyncedMembership(tuple(added), tuple(removed))


def add_group(tx: Tx, name: str, *, source: str, now: datetime) -> str:
    """A new group of a directory; its id. Raises BadRequestError for a name that no page could show."""
    creator = next(creator for creator, made in SYNC_CREATORS.items() if made == source)
    group_id, shown = GroupId(new_ulid(now)), free_name(tx, name_of(name))
    repository.add_group(tx.db, group_id, name=shown, description="", by=creator, now=now, external_id=name)
    tx.record(Change("user_group.created", f"group:{group_id}", {"name": shown, "source": source}))
    return group_id


def rename_group(tx: Tx, group_id: str, name: str) -> None:
    """Raises BadRequestError."""
    before = get_group(tx.db, group_id)
    shown = name_of(name)
    if shown == before.name:
        return
    shown = free_name(tx, shown)
    repository.set_group(tx.db, group_id, name=shown, description=before.description)
    tx.record(Change("user_group.updated", f"group:{group_id}", {"name": shown}, {"name": before.name}))


def remove_group(tx: Tx, group_id: str) -> None:
    """With its memberships and grants."""
    group = get_group(tx.db, group_id)
    repository.remove_group(tx.db, group_id)
    before = {"name": group.name, "members": group.member_count, "grants": group.grant_count}
    tx.record(Change("user_group.deleted", f"group:{group_id}", {}, before))


def change_members(
    tx: Tx, group_id: str, *, add: Collection[str], remove: Collection[str], source: str, now: datetime
) -> None:
    """Ids of accounts that exist. One line of the audit for all that are added, one for all that are removed."""
    held = repository.sources_of_members(tx.db, group_id)
    added = sorted(set(add) - held.keys())
    removed = sorted(user for user in remove if held.get(user) == source and user not in add)
    repository.add_members(tx.db, group_id, added, source=source, by=source, now=now)
    repository.remove_members(tx.db, group_id, removed)
    for action, users in (("user_group.member_added", added), ("user_group.member_removed", removed)):
        if users:
            tx.record(Change(action, f"group:{group_id}", {"user_ids": users, "source": source}))
