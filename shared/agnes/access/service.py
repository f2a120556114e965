"""What other domains ask about access, and what people may read about it. Changes are in `groups` and `grants`."""

from __future__ import annotations

from collections.abc import Collection
from itertools import groupby

from agnes.access import repository
from agnes.access.model import AccessItem, EffectiveAccess, Grant, Group, Member, Membership, ViaGroup
from agnes.accounts.service import get_user
from agnes.kernel.errors import NotFoundError
from agnes.kernel.state import Db


def granted_resources(db: Db, group_ids: Collection[str], resource_type: str) -> set[str]:
    """Ids of the resources that any of the groups (`Principal.group_ids`) was granted. Admins get no more."""
    return repository.granted(db, group_ids, resource_type)


def has_grant(db: Db, group_ids: Collection[str], resource_type: str, resource_id: str) -> bool:
    """Whether any of the groups was granted this. Admins get no more."""
    return bool(repository.granted(db, group_ids, resource_type, resource_id))


def groups(db: Db) -> list[Group]:
    """System groups first, then by name."""
    return repository.groups(db)


def get_group(db: Db, group_id: str) -> Group:
    """Raises NotFoundError."""
    group = repository.find_group(db, group_id)
    if group is None:
        raise NotFoundError("there is no such group", code="group_not_found")
    return group


def members(db: Db, group_id: str) -> list[Member]:
    """Raises NotFoundError."""
    get_group(db, group_id)
    return repository.members(db, group_id)


def memberships(db: Db, user_id: str) -> list[Membership]:
    """Raises NotFoundError."""
    get_user(db, user_id)
    return repository.memberships(db, user_id)


def grants(db: Db, *, resource_type: str | None = None, group_id: str | None = None) -> list[Grant]:
    """All grants, or those of a type, of a group, or of both."""
    return repository.grants(db, resource_type=resource_type, group_id=group_id)


def effective_access(db: Db, user_id: str) -> EffectiveAccess:
    """Everything that reaches this person, each resource once with the groups that it comes through."""
    user = get_user(db, user_id)
    items = []
    for (kind, resource_id), rows in groupby(repository.accesses(db, user_id), key=lambda row: row[:2]):
        items.append(AccessItem(kind, resource_id, tuple(ViaGroup(*row[2:]) for row in rows)))
    return EffectiveAccess(user.is_admin, tuple(items))
