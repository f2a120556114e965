"""Groups by SCIM: those that the directory made, and the accounts that it put into them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from scim2_models import PatchOp

from agnes.access import directory_groups
from agnes.accounts.model import SCIM
from agnes.directory import repository
from agnes.directory.model import ScimError
from agnes.directory.repository import GroupRow, Pair
from agnes.directory.scim_schema import Group
from agnes.kernel.errors import BadRequestError
from agnes.kernel.state import Db, Tx

SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Group"
_ONE_MEMBER = re.compile(r'members\[\s*value\s+eq\s+"([^"\\]{1,64})"\s*\]', re.IGNORECASE)


def resource_of(row: GroupRow, members: Sequence[Pair], base_url: str) -> Any:
    shown: dict[str, Any] = {
        "schemas": [SCHEMA],
        "id": row.id,
        "displayName": row.display_name,
        "meta": {
            "resourceType": "Group",
            "created": row.created_at.isoformat(),
            "lastModified": row.updated_at.isoformat(),
            "location": f"{base_url}/Groups/{row.id}",
        },
    }
    if row.external_id is not None:
        shown["externalId"] = row.external_id
    if members:
        shown["members"] = [{"value": one.id, "$ref": f"{base_url}/Users/{one.id}", "type": "User"} for one in members]
    return Group.model_validate(shown)


def resources_of(db: Db, rows: Sequence[GroupRow], base_url: str, *, with_members: bool = True) -> list[Any]:
    members: dict[str, list[Pair]] = {}
    if with_members:
        for pair in repository.members_of_groups(db, [row.id for row in rows]):
            members.setdefault(pair.of, []).append(pair)
    return [resource_of(row, members.get(row.id, []), base_url) for row in rows]


def get(db: Db, group_id: str) -> GroupRow:
    """Raises ScimError."""
    row = repository.find_group(db, group_id)
    if row is None:
        raise ScimError(404, "", f"there is no group {group_id[:64]} of the directory")
    return row


def add(tx: Tx, resource: Any, *, now: datetime) -> str:
    """Its id. Raises ScimError."""
    name = str(resource.display_name).strip()
    if repository.is_group_name_taken(tx.db, name, but_by=""):
        raise ScimError(409, "uniqueness", f"there is a group named {name}")
    members = _member_ids(tx.db, resource)
    try:
        group_id = directory_groups.add_group(tx, name, source=SCIM, now=now)
    except BadRequestError as refused:
        raise ScimError(400, "invalidValue", refused.message) from refused
    repository.put_group(tx.db, group_id, display_name=name, external_id=resource.external_id, now=now)
    directory_groups.change_members(tx, group_id, add=members, remove=(), source=SCIM, now=now)
    return group_id


def put(tx: Tx, row: GroupRow, resource: Any, *, now: datetime) -> None:
    """Make the group what the resource says. Raises ScimError."""
    name = str(resource.display_name).strip()
    if repository.is_group_name_taken(tx.db, name, but_by=row.id):
        raise ScimError(409, "uniqueness", f"there is a group named {name}")
    wanted = _member_ids(tx.db, resource)
    held = {pair.id for pair in repository.members_of_groups(tx.db, [row.id])}
    if name != row.display_name:
        try:
            directory_groups.rename_group(tx, row.id, name)
        except BadRequestError as refused:
            raise ScimError(400, "invalidValue", refused.message) from refused
    repository.put_group(tx.db, row.id, display_name=name, external_id=resource.external_id, now=now)
    directory_groups.change_members(tx, row.id, add=wanted - held, remove=held - wanted, source=SCIM, now=now)


def change_some_members(tx: Tx, row: GroupRow, patch: PatchOp[Any], *, now: datetime) -> bool:
    """Do what directories mostly ask for, adding and removing single members, without reading the whole group. Whether all
    of the request was of that kind; if not, nothing was done. Raises ScimError."""
    add: set[str] = set()
    remove: set[str] = set()
    for operation in patch.operations or []:
        path, value = str(operation.path or ""), operation.value
        one = _ONE_MEMBER.fullmatch(path)
        listed = _values(value) if path.lower() == "members" else None
        if operation.op == "remove" and one is not None and value is None:
            add, remove = add - {one[1]}, remove | {one[1]}
        elif operation.op == "remove" and listed:
            add, remove = add - listed, remove | listed
        elif operation.op == "add" and listed:
            add, remove = add | listed, remove - listed
        else:
            return False
    _require(tx.db, add)
    directory_groups.change_members(tx, row.id, add=add, remove=remove, source=SCIM, now=now)
    repository.put_group(tx.db, row.id, display_name=row.display_name, external_id=row.external_id, now=now)
    return True


def remove(tx: Tx, group_id: str) -> None:
    """Raises ScimError."""
    get(tx.db, group_id)
    directory_groups.remove_group(tx, group_id)
    repository.remove_group(tx.db, group_id)


def _values(value: Any) -> set[str] | None:
    """Ids of members that an operation lists; None if it says more of them."""
    found = set()
    for each in value if isinstance(value, list) else [value]:
        member = each if isinstance(each, dict) else getattr(each, "__dict__", {})
        if not isinstance(member.get("value"), str) or str(member.get("type") or "User").lower() != "user":
            return None
        found.add(member["value"])
    return found


def _member_ids(db: Db, resource: Any) -> set[str]:
    members = resource.members or []
    if any(str(member.type or "User").lower() != "user" for member in members):
        raise ScimError(400, "invalidValue", "a group's members are users: groups within groups are not taken")
    wanted = {str(member.value) for member in members if member.value}
    _require(db, wanted)
    return wanted


def _require(db: Db, user_ids: set[str]) -> None:
    if missing := user_ids - repository.existing(db, sorted(user_ids)):
        raise ScimError(400, "invalidValue", f"there is no user {min(missing)[:64]}")
