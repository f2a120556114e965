"""What other domains ask about access, and what people may read about it. Changes are in `groups` and `grants`."""

from __future__ import annotations

from collections.abc import Collection
from itertools import groupby

from agnes.access import repository
from agnes.access.model import AccessItem, EffectiveAccess, Grant, Group, Member, Membership, ViaGroup
from agnes.accounts.service import get_user
from agnes.kernel.errors import NotFoundError
from agnes.kernel.state import Db


def groups(db: Db) -> list[Group]:
    """System groups first, then by name."""
    return repository.groups(db)


def find_groups(db: Db, q: str, *, offset: int, limit: int) -> tuple[list[Group], int]:
    """Groups of one page whose name or description holds `q`, and how many there are on all pages."""
    return repository.find_groups(db, q.strip().casefold(), offset=offset, limit=limit)


def group_names(db: Db) -> list[tuple[str, str]]:
    """(id, name) of every group, for choosing one."""
    return repository.group_names(db)


def get_group(db: Db, group_id: str) -> Group:
    """Raises NotFoundError."""
    group = repository.find_group(db, group_id)
    if group is None:
        raise NotFoundError(
            f"there is no group {group_id[:64]!r}",
            code="group_not_found",
            hint="List groups with `agnes admin group list`.",
        )
    return group


def group_name(db: Db, group_id: str) -> str:
    """Empty if there is no such group."""
    found = repository.find_group(db, group_id) if group_id else None
    return found.name if found else ""


def members(db: Db, group_id: str, *, offset: int = 0, limit: int | None = None) -> list[Member]:
    """By e-mail address; a `limit` of None is all of them. Raises NotFoundError."""
    get_group(db, group_id)
    return repository.members(db, group_id, offset=offset, limit=limit)


def memberships(db: Db, user_id: str) -> list[Membership]:
    """Raises NotFoundError."""
    get_user(db, user_id)
    return repository.memberships(db, user_id)


def groups_by_user(db: Db) -> dict[str, frozenset[str]]:
    """Ids of the groups of every active account, Everyone included."""
    return repository.groups_by_user(db)


def fingerprint(db: Db) -> tuple[int | None, ...]:
    """Changes with active accounts, groups, memberships and grants; not with sign-ins."""
    return repository.fingerprint(db)


def grants(db: Db, *, resource_type: str | None = None, group_id: str | None = None) -> list[Grant]:
    """All grants, or those of a type, of a group, or of both."""
    return repository.grants(db, resource_type=resource_type, group_id=group_id)


def grants_by_group(
    db: Db,
    resource_types: Collection[str],
    group_ids: Collection[str] | None = None,
    resources: Collection[str] | None = None,
    grant_ids: Collection[str] | None = None,
) -> dict[str, list[tuple[str, str]]]:
    """Group → (id, resource) of its grants of these types; of all groups, resources and ids, or of some."""
    return repository.grants_by_group(db, resource_types, group_ids, resources, grant_ids)


def groups_by_resource(db: Db, marketplace_id: str, *, but: str, names: int) -> dict[str, tuple[int, list[str]]]:
    """The marketplace and its plugins → (groups that each is granted to, the first of their names), `but` left out."""
    return repository.groups_by_resource(db, marketplace_id, but=but, names=names)


def get_grant(db: Db, grant_id: str) -> Grant:
    """Raises NotFoundError."""
    grant = repository.find_grant(db, grant_id)
    if grant is None:
        raise NotFoundError(
            f"there is no grant {grant_id[:64]}",
            code="grant_not_found",
            hint="List grants with `agnes admin grant list`.",
        )
    return grant


def effective_access(db: Db, user_id: str) -> EffectiveAccess:
    """What was granted to this person's groups, each resource once with the groups that it comes through."""
    user = get_user(db, user_id)
    items = []
    for (kind, resource_id), rows in groupby(repository.accesses(db, user_id), key=lambda row: row[:2]):
        items.append(AccessItem(kind, resource_id, tuple(ViaGroup(*row[2:], resource_id) for row in rows)))
    return EffectiveAccess(user.is_admin, tuple(items))
