"""Accounts of people for whom an identity provider or a directory vouches. Everything here is part of a caller's commit."""

from __future__ import annotations

from datetime import datetime

from agnes.accounts import repository, sign_ins
from agnes.accounts.model import User
from agnes.accounts.rules import name_of
from agnes.accounts.service import get_user
from agnes.accounts.signing_in import AccountDeactivated
from agnes.kernel.errors import BadRequestError, ConflictError
from agnes.kernel.ids import UserId, new_ulid
from agnes.kernel.state import Change, Tx


class IdentityConflict(ConflictError):
    """The address is that of an account which somebody else of the same provider has: addresses are given anew."""

    code = "identity_conflict"

    def __init__(self, email: str) -> None:
        super().__init__(
            f"the account of {email} belongs to another person of your identity provider",
            hint="Ask an admin to delete the old account.",
        )


def account_of(tx: Tx, *, issuer: str, subject: str, email: str, name: str, managed_by: str, now: datetime) -> User:
    """The account of somebody whom a provider has just proved, with a verified address: the one that is linked, or the one
    with this address, which is linked from now on, or a new one.

    Raises AccountDeactivated, IdentityConflict.
    """
    linked = repository.find_identity(tx.db, issuer, subject)
    user_id = linked or repository.find_id(tx.db, email)
    if user_id is None:
        user_id = add_managed(tx, email=email, name=name, managed_by=managed_by, now=now)
    user = get_user(tx.db, user_id)
    if not user.active:
        raise AccountDeactivated
    if linked is None:
        if repository.has_identity(tx.db, user_id, issuer):
            raise IdentityConflict(email)
        _link(tx, user, issuer, subject, managed_by=managed_by, now=now)
    elif (
        user.email != email
        and repository.find_manager(tx.db, user_id) != "scim"
        and repository.find_id(tx.db, email) is None
    ):
        repository.set_email(tx.db, user_id, email, now)
        tx.record(Change("user.update", f"user:{user_id}", {"email": email}, {"email": user.email}))
    return get_user(tx.db, user_id)


def add_managed(tx: Tx, *, email: str, name: str, managed_by: str, now: datetime) -> UserId:
    """A new account without a password."""
    user_id = UserId(new_ulid(now))
    try:
        name = name_of(name)
    except BadRequestError:  # what a directory has is not for its people to correct here
        name = email.partition("@")[0]
    repository.add_user(tx.db, user_id, email=email, name=name, password_hash=None, now=now)
    repository.set_managed(tx.db, user_id, managed_by, now)
    tx.record(Change("user.create", f"user:{user_id}", {"email": email, "name": name, "managed_by": managed_by}))
    return user_id


def _link(tx: Tx, user: User, issuer: str, subject: str, *, managed_by: str, now: datetime) -> None:
    """From now on the provider alone vouches: a password would open the account after the directory has closed it.

    The account that the operator's settings made an admin keeps its password, as the way in while the provider is down.
    """
    repository.add_identity(tx.db, issuer, subject, user_id=user.id, now=now)
    if repository.find_manager(tx.db, user.id) is None and not repository.is_seeded(tx.db, user.id):
        repository.set_managed(tx.db, user.id, managed_by, now)
        repository.forget_password(tx.db, user.id, now)
        end_sign_ins(tx, user.id, now=now)
    tx.record(Change("user.link", f"user:{user.id}", {"email": user.email, "issuer": issuer}))


def end_sign_ins(tx: Tx, user_id: str, *, now: datetime) -> None:
    """All of somebody's, as part of a change that takes something from them."""
    sign_ins.end_all(tx, user_id, now=now)
