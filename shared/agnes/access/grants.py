"""Rows of grants: add them for a group, and remove them.

Whether a resource exists is known to the domain that it belongs to, which asks first (`agnes.marketplace.granting`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from agnes.access import repository
from agnes.access.model import ID_PATTERNS, RESOURCE_TYPES, Grant, GrantBatch
from agnes.access.service import get_grant, get_group
from agnes.kernel.errors import BadRequestError, ConflictError
from agnes.kernel.ids import new_ulid
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, State, Tx


def check_id(resource_type: str, resource_id: str) -> str:
    """The id without blanks around it. Raises BadRequestError for an unknown type or an id of another form."""
    resource_id = resource_id.strip()
    pattern = ID_PATTERNS.get(resource_type)
    if pattern is None:
        known = ", ".join(kind.key for kind in RESOURCE_TYPES)
        raise BadRequestError(
            f"there is no resource type {resource_type[:64]!r}",
            code="unknown_resource_type",
            hint=f"The types are: {known}.",
        )
    if not pattern.fullmatch(resource_id):
        form = next(kind.id_format for kind in RESOURCE_TYPES if kind.key == resource_type)
        raise BadRequestError(
            f"{resource_id[:200]!r} is not the id of a {resource_type}", code="bad_resource_id", hint=f"Write {form}."
        )
    return resource_id


def create(
    state: State, who: Principal, *, group_id: str, resource_type: str, resource_id: str, now: datetime
) -> Grant:
    """Grant one resource. Raises NotFoundError `group_not_found`, ConflictError `grant_exists`."""

    def add(tx: Tx) -> Grant:
        made = _add(tx, who, group_id=group_id, resource_type=resource_type, resource_ids=[resource_id], now=now)
        if not made.created:
            raise ConflictError(
                f"{made.group_name} already has a grant for {resource_id}",
                code="grant_exists",
                hint="There is nothing to do.",
            )
        return made.created[0]

    who.require_admin()
    return state.commit("people", add)


def create_many(
    state: State, who: Principal, *, group_id: str, resource_type: str, resource_ids: Sequence[str], now: datetime
) -> GrantBatch:
    """Grant several resources in one commit; what was granted already stays as it is. Raises NotFoundError."""
    who.require_admin()

    def add(tx: Tx) -> GrantBatch:
        return _add(tx, who, group_id=group_id, resource_type=resource_type, resource_ids=resource_ids, now=now)

    return state.commit("people", add)


def _add(
    tx: Tx, who: Principal, *, group_id: str, resource_type: str, resource_ids: Sequence[str], now: datetime
) -> GrantBatch:
    group = get_group(tx.db, group_id)
    before = repository.granted(tx.db, group_id, resource_type)
    wanted = list(dict.fromkeys(resource_ids))
    made = [
        Grant(new_ulid(now), group_id, group.name, resource_type, resource_id, now, who.email)
        for resource_id in wanted
        if resource_id not in before
    ]
    repository.add_grants(tx.db, made)
    for grant in made:
        tx.record(Change("resource_grant.created", f"grant:{grant.id}", _named(grant)))
    return GrantBatch(group_id, group.name, tuple(made), tuple(each for each in wanted if each in before))


def delete(state: State, who: Principal, grant_id: str) -> None:
    """Raises NotFoundError. Subscriptions stay, and are not served without another grant."""
    who.require_admin()

    def remove(tx: Tx) -> None:
        _remove(tx, [get_grant(tx.db, grant_id)])

    state.commit("people", remove)


def delete_where(state: State, who: Principal, is_meant: Callable[[Grant], bool]) -> None:
    """Remove every grant that `is_meant` picks, in one commit; none if there are none."""
    who.require_admin()
    state.commit("people", lambda tx: _remove(tx, [grant for grant in repository.grants(tx.db) if is_meant(grant)]))


def follow(state: State, resource_type: str, moving: Mapping[str, str]) -> None:
    """Let grants follow resources that have another id now, old id → new one; a grant stays the same grant.

    A group that was granted both keeps the grant of the new one. Repeating it changes nothing.
    """

    def move(tx: Tx) -> None:
        for grant in repository.grants(tx.db, resource_type=resource_type):
            new = moving.get(grant.resource_id)
            if new is None:
                continue
            if new in repository.granted(tx.db, grant.group_id, resource_type):
                repository.remove_grants(tx.db, [grant.id])
                tx.record(Change("resource_grant.deleted", f"grant:{grant.id}", {"renamed_to": new}, _named(grant)))
            else:
                repository.set_resource(tx.db, grant.id, new)
                tx.record(Change("resource_grant.renamed", f"grant:{grant.id}", {"resource_id": new}, _named(grant)))

    state.commit("people", move)


def _remove(tx: Tx, grants: Sequence[Grant]) -> None:
    repository.remove_grants(tx.db, [grant.id for grant in grants])
    for grant in grants:
        tx.record(Change("resource_grant.deleted", f"grant:{grant.id}", {}, _named(grant)))


def _named(grant: Grant) -> dict[str, str]:
    return {"group_id": grant.group_id, "resource_type": grant.resource_type, "resource_id": grant.resource_id}
