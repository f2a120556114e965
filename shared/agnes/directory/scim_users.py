"""Users by SCIM: accounts as resources, and resources as accounts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from scim2_models import Context

from agnes.accounts import provisioning
from agnes.accounts.provisioning import AddressTaken, Provisioned
from agnes.accounts.rules import is_email, name_of
from agnes.directory import repository
from agnes.directory.model import ScimError
from agnes.directory.repository import Pair, UserRow
from agnes.directory.scim_schema import ScimUser
from agnes.kernel.errors import BadRequestError
from agnes.kernel.state import Db, Tx

SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"
LARGEST_RESOURCE = 65_536
"""Characters of JSON that are stored of one person."""
_DERIVED = ("id", "meta", "groups", "password")
"""What is not stored as it was sent. A password from a directory is never taken."""


def resource_of(row: UserRow, groups: Sequence[Pair], base_url: str) -> Any:
    """The account as a ScimUser."""
    known = row.resource or {
        "schemas": [SCHEMA],
        "userName": row.email,
        "displayName": row.name,
        "emails": [{"value": row.email, "type": "work", "primary": True}],
    }
    shown = {
        **known,
        "id": row.id,
        "groups": [
            {"value": group.id, "display": group.label, "$ref": f"{base_url}/Groups/{group.id}", "type": "direct"}
            for group in groups
        ],
        "meta": {
            "resourceType": "User",
            "created": row.created_at.isoformat(),
            "lastModified": row.updated_at.isoformat(),
            "location": f"{base_url}/Users/{row.id}",
        },
    }
    if row.resource is None or "active" in known:  # a directory may take the attribute away; the account stays as it is
        shown["active"] = row.active
    if not shown["groups"]:
        del shown["groups"]
    return ScimUser.model_validate(shown)


def resources_of(db: Db, rows: Sequence[UserRow], base_url: str) -> list[Any]:
    groups: dict[str, list[Pair]] = {}
    for pair in repository.groups_of_users(db, [row.id for row in rows]):
        groups.setdefault(pair.of, []).append(pair)
    return [resource_of(row, groups.get(row.id, []), base_url) for row in rows]


def get(db: Db, user_id: str) -> UserRow:
    """Raises ScimError."""
    row = repository.find_user(db, user_id)
    if row is None:
        raise ScimError(404, "", f"there is no user {user_id[:64]}")
    return row


def add(tx: Tx, resources: Sequence[Any], *, by: str, now: datetime) -> list[str]:
    """Make an account of each; their ids. Nothing is written if one of them cannot be. Raises ScimError."""
    names = [str(resource.user_name).strip().lower() for resource in resources]
    for name in names:
        if repository.is_user_name_taken(tx.db, name, but_by=""):
            raise ScimError(409, "uniqueness", f"there is a user named {name}")
    if len(set(names)) < len(names):
        raise ScimError(409, "uniqueness", "two users have the same userName")
    stored = [stored_of(resource) for resource in resources]
    try:
        ids = provisioning.add(tx, [provisioned(resource, was_active=True) for resource in resources], by=by, now=now)
    except AddressTaken as taken:
        raise ScimError(409, "uniqueness", taken.message) from taken
    rows = [
        (user_id, str(resource.user_name), resource.external_id, kept)
        for user_id, resource, kept in zip(ids, resources, stored, strict=True)
    ]
    repository.put_users(tx.db, rows, now)
    return [str(user_id) for user_id in ids]


def put(tx: Tx, row: UserRow, resource: Any, *, by: str, now: datetime) -> None:
    """Make the account what the resource says. Raises ScimError, LastAdmin."""
    name = str(resource.user_name).strip()
    if repository.is_user_name_taken(tx.db, name, but_by=row.id):
        raise ScimError(409, "uniqueness", f"there is a user named {name}")
    kept = stored_of(resource)
    try:
        provisioning.change(tx, row.id, provisioned(resource, was_active=row.active), by=by, now=now)
    except AddressTaken as taken:
        raise ScimError(409, "uniqueness", taken.message) from taken
    repository.put_users(tx.db, [(row.id, name, resource.external_id, kept)], now)


def remove(tx: Tx, user_id: str, *, by: str, now: datetime) -> None:
    """Raises ScimError, LastAdmin."""
    get(tx.db, user_id)
    provisioning.remove(tx, user_id, by=by, now=now)
    repository.remove_user(tx.db, user_id)


def provisioned(resource: Any, *, was_active: bool) -> Provisioned:
    """The account that a resource describes."""
    email = _address(resource)
    active = was_active if resource.active is None else bool(resource.active)
    return Provisioned(email, _name(resource, email), active)


def stored_of(resource: Any) -> dict[str, Any]:
    """Raises ScimError."""
    dumped: dict[str, Any] = resource.model_dump(scim_ctx=Context.RESOURCE_CREATION_REQUEST)
    kept = {name: value for name, value in dumped.items() if name not in _DERIVED}
    if len(repr(kept)) > LARGEST_RESOURCE:
        raise ScimError(400, "invalidValue", f"a user has at most {LARGEST_RESOURCE} characters here")
    return kept


def _address(resource: Any) -> str:
    """The primary address, or the first, or the user name; one that no mail reaches for who has none of them."""
    emails = [each for each in resource.emails or [] if each.value]
    primary = next((each for each in emails if each.primary), None) or next(iter(emails), None)
    for candidate in (primary.value if primary else "", resource.user_name):
        address = str(candidate or "").strip().lower()
        if is_email(address):
            return address
    digest = hashlib.sha256(str(resource.user_name).lower().encode()).hexdigest()
    return f"{digest[:16]}@scim.invalid"


def _name(resource: Any, email: str) -> str:
    """The first that can be shown."""
    parts = resource.name
    whole = f"{(parts.given_name or '')} {(parts.family_name or '')}".strip() if parts else ""
    for candidate in (resource.display_name, parts.formatted if parts else "", whole, resource.user_name):
        try:
            return name_of(str(candidate or ""))
        except BadRequestError:
            continue
    return email.partition("@")[0]
