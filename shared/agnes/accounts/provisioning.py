"""Accounts that a directory makes, changes and ends. Everything here is part of a caller's commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agnes.accounts import repository
from agnes.accounts.identities import end_sign_ins
from agnes.accounts.model import User
from agnes.accounts.service import get_user, require_another_admin
from agnes.kernel.errors import ConflictError
from agnes.kernel.ids import UserId, new_ulid
from agnes.kernel.state import Change, Tx


@dataclass(frozen=True, slots=True)
class Provisioned:
    """An account as a directory wants it. `name` is safe to show (`agnes.accounts.rules.name_of`)."""

    email: str
    name: str
    active: bool


class AddressTaken(ConflictError):
    code = "email_taken"

    def __init__(self, email: str) -> None:
        super().__init__(f"there is an account for {email} already")


def add(tx: Tx, wanted: Sequence[Provisioned], *, by: str, now: datetime) -> list[UserId]:
    """New accounts, managed by the directory. Their addresses are not taken, nor the same among them.

    Raises AddressTaken before anything is written.
    """
    if taken := repository.taken_addresses(tx.db, [one.email for one in wanted]):
        raise AddressTaken(min(taken))
    ids = [UserId(new_ulid(now)) for _ in wanted]
    repository.add_managed_users(
        tx.db,
        [(user_id, one.email, one.name, one.active) for user_id, one in zip(ids, wanted, strict=True)],
        managed_by="scim",
        by=by,
        now=now,
    )
    if len(ids) == 1:
        params = {"email": wanted[0].email, "name": wanted[0].name, "managed_by": "scim"}
        tx.record(Change("user.create", f"user:{ids[0]}", params))
    else:
        tx.record(Change("user.import", "user:", {"created": len(ids), "user_ids": ids, "managed_by": "scim"}))
    return ids


def change(tx: Tx, user_id: str, wanted: Provisioned, *, by: str, now: datetime) -> User:
    """Make it so, and from now on the directory's: its password ends, except of the account of the operator's settings.

    Whoever is not active any more is signed out at once. Raises NotFoundError, AddressTaken, LastAdmin.
    """
    before = get_user(tx.db, user_id)
    if wanted.email != before.email and repository.find_id(tx.db, wanted.email) not in (None, user_id):
        raise AddressTaken(wanted.email)
    if before.active and not wanted.active:
        require_another_admin(tx.db, user_id)
        end_sign_ins(tx, user_id, now=now)
    if repository.find_manager(tx.db, user_id) != "scim":
        repository.set_managed(tx.db, user_id, "scim", now)
        if not repository.is_seeded(tx.db, user_id):
            repository.forget_password(tx.db, user_id, now)
            end_sign_ins(tx, user_id, now=now)
    changed: dict[str, object] = {}
    if wanted.email != before.email:
        repository.set_email(tx.db, user_id, wanted.email, now)
        changed["email"] = wanted.email
    if wanted.name != before.name:
        repository.set_name(tx.db, user_id, wanted.name, now)
        changed["name"] = wanted.name
    if wanted.active != before.active:
        repository.set_active(tx.db, user_id, active=wanted.active, by=by, now=now)
        changed["active"] = wanted.active
    if changed:
        was = {field: getattr(before, field) for field in changed}
        tx.record(Change("user.update", f"user:{user_id}", changed, was))
    return get_user(tx.db, user_id)


def remove(tx: Tx, user_id: str, *, by: str, now: datetime) -> None:
    """The account, its memberships and sign-ins; its tokens are revoked. Raises NotFoundError, LastAdmin."""
    user = get_user(tx.db, user_id)
    require_another_admin(tx.db, user_id)
    end_sign_ins(tx, user_id, now=now)
    repository.remove_user(tx.db, user_id, by=by, now=now)
    tx.record(Change("user.delete", f"user:{user_id}", {"email": user.email}))
