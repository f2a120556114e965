"""Grant a resource to a group, and take it back."""

from __future__ import annotations

from datetime import datetime

from agnes.access import repository
from agnes.access.model import ID_PATTERNS, RESOURCE_TYPES, Grant
from agnes.access.service import get_group
from agnes.kernel.errors import BadRequestError, ConflictError, NotFoundError
from agnes.kernel.ids import new_ulid
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, State, Tx


def create(
    state: State, who: Principal, *, group_id: str, resource_type: str, resource_id: str, now: datetime
) -> Grant:
    """Whether the resource exists is not asked. Raises BadRequestError, NotFoundError, ConflictError `grant_exists`."""
    who.require_admin()
    resource_id = resource_id.strip()
    pattern = ID_PATTERNS.get(resource_type)
    if pattern is None:
        known = ", ".join(kind.key for kind in RESOURCE_TYPES)
        raise BadRequestError(
            "there is no such type of resource", code="unknown_resource_type", hint=f"One of: {known}."
        )
    if not pattern.fullmatch(resource_id):
        form = next(kind.id_format for kind in RESOURCE_TYPES if kind.key == resource_type)
        raise BadRequestError(f"this is no id of a {resource_type}", code="bad_resource_id", hint=f"Write {form}.")
    grant_id = new_ulid(now)
    named = {"group_id": group_id, "resource_type": resource_type, "resource_id": resource_id}

    def add(tx: Tx) -> Grant:
        group = get_group(tx.db, group_id)
        if repository.granted(tx.db, [group_id], resource_type, resource_id):
            raise ConflictError(f"{group.name} was granted {resource_id} already", code="grant_exists")
        repository.add_grant(tx.db, grant_id, **named, by=who.email, now=now)
        tx.record(Change("resource_grant.created", f"grant:{grant_id}", named))
        return _get(tx.db, grant_id)

    return state.commit("people", add)


def delete(state: State, who: Principal, grant_id: str) -> None:
    """Raises NotFoundError. What people subscribed to stays, and is not served without a grant."""
    who.require_admin()

    def remove(tx: Tx) -> None:
        grant = _get(tx.db, grant_id)
        repository.remove_grant(tx.db, grant_id)
        named = {"group_id": grant.group_id, "resource_type": grant.resource_type, "resource_id": grant.resource_id}
        tx.record(Change("resource_grant.deleted", f"grant:{grant_id}", {}, named))

    state.commit("people", remove)


def _get(db: Db, grant_id: str) -> Grant:
    grant = repository.find_grant(db, grant_id)
    if grant is None:
        raise NotFoundError("there is no such grant", code="grant_not_found")
    return grant
