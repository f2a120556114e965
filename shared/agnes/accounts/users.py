"""What admins do to accounts. Nobody locks themselves or everybody out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agnes.accounts import limits, passwords, repository, sign_ins, tokens
from agnes.accounts.model import ManagedElsewhere, Token, User
from agnes.accounts.rules import check_password, email_of, name_of
from agnes.accounts.service import get_user, require_another_admin
from agnes.kernel.errors import BadRequestError, ConflictError, NotFoundError
from agnes.kernel.ids import UserId, new_ulid
from agnes.kernel.ports import ObjectStore, Secret
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, State, Tx


class EmailTaken(ConflictError):
    code = "email_taken"

    def __init__(self, email: str) -> None:
        super().__init__(f"there is an account for {email} already", hint="Open that account instead.")


def create(state: State, who: Principal, *, email: str, name: str, now: datetime) -> User:
    """An active account without a password; a blank name is the address's local part. Raises EmailTaken."""
    who.require_admin()
    email = email_of(email)
    name = name_of(name or email.partition("@")[0])
    user_id = UserId(new_ulid(now))

    def add(tx: Tx) -> User:
        if repository.find_id(tx.db, email):
            raise EmailTaken(email)
        repository.add_user(tx.db, user_id, email=email, name=name, password_hash=None, now=now)
        tx.record(Change("user.create", f"user:{user_id}", {"email": email, "name": name}))
        return get_user(tx.db, user_id)

    return state.commit("people", add)


def update(
    state: State, who: Principal, user_id: str, *, name: str | None = None, active: bool | None = None, now: datetime
) -> User:
    """Change what is not None. Deactivation ends all sign-ins. Raises NotFoundError, ConflictError."""
    who.require_admin()
    name = name_of(name) if name is not None else None

    def change(tx: Tx) -> User:
        before = get_user(tx.db, user_id)
        asked: dict[str, Any] = {}
        if name is not None and name != before.name:
            repository.set_name(tx.db, user_id, name, now)
            asked["name"] = name
        if active is not None and active != before.active:
            if not active:
                _require_other(who, user_id, "deactivate")
                require_another_admin(tx.db, user_id)
                sign_ins.end_all(tx, user_id, now=now)
            repository.set_active(tx.db, user_id, active=active, by=who.email, now=now)
            asked["active"] = active
        if asked:
            was = {field: getattr(before, field) for field in asked}
            tx.record(Change("user.update", f"user:{user_id}", asked, was))
        return get_user(tx.db, user_id)

    return state.commit("people", change)


@dataclass(frozen=True, slots=True)
class PasswordReset:
    """What is left of an account's ways in after its password was set: tokens are not sign-ins and outlive them."""

    revoked_tokens: int
    tokens: list[Token]
    """Those that still open the account."""


def set_password(
    state: State,
    store: ObjectStore,
    who: Principal,
    user_id: str,
    password: Secret,
    *,
    revoke_tokens: bool = False,
    now: datetime,
) -> PasswordReset:
    """Set it and end all sign-ins of the account, and its tokens too if that is asked for.

    Raises BadRequestError, NotFoundError.
    """
    who.require_admin()
    with state.read("people") as db:
        user = get_user(db, user_id)
    if user.is_sso_user:
        raise ManagedElsewhere(user.email)
    check_password(password, about=(user.email, user.name))
    password_hash = passwords.hash_password(password)

    def change(tx: Tx) -> int:
        user = get_user(tx.db, user_id)
        repository.set_password(tx.db, user_id, password_hash, now)
        sign_ins.end_all(tx, user_id, now=now)
        revoked = repository.revoke_tokens(tx.db, user_id, by=who.email, now=now) if revoke_tokens else 0
        tx.record(Change("user.set_password", f"user:{user_id}", {"email": user.email, "revoked_tokens": revoked}))
        return revoked

    revoked = state.commit("people", change)
    with state.read("people") as db:  # notes of last use are many reads of the store: not while others wait to commit
        return PasswordReset(revoked, tokens.live(db, store, user_id, now))


class WrongPassword(BadRequestError):
    code = "wrong_password"

    def __init__(self) -> None:
        super().__init__("this is not your current password", hint="An admin can set a new one for you.")


def change_own_name(state: State, who: Principal, name: str, *, now: datetime) -> User:
    """Raises BadRequestError."""
    name = name_of(name)

    def change(tx: Tx) -> User:
        before = get_user(tx.db, who.user_id)
        if name != before.name:
            repository.set_name(tx.db, who.user_id, name, now)
            tx.record(Change("user.update", f"user:{who.user_id}", {"name": name}, {"name": before.name}))
        return get_user(tx.db, who.user_id)

    return state.commit("people", change)


def change_own_password(
    state: State, store: ObjectStore, who: Principal, *, current: Secret, new: Secret, now: datetime
) -> None:
    """Change it for somebody who knows it, and end all their sign-ins but this one. Tokens go on working.

    Raises BadRequestError, WrongPassword, TooManyAttempts.
    """
    limits.count_address(store, "password", who.user_id, limit=limits.LOGINS_A_MINUTE, now=now)
    with state.read("people") as db:
        login = repository.find_login(db, who.email)
    if not passwords.matches(login.password_hash if login else None, current):
        raise WrongPassword
    check_password(new, about=(who.email, who.name))
    password_hash = passwords.hash_password(new)

    def change(tx: Tx) -> None:
        repository.set_password(tx.db, who.user_id, password_hash, now)
        sign_ins.end_all(tx, who.user_id, now=now, but=who.credential_id)
        tx.record(Change("user.change_password", f"user:{who.user_id}", {"email": who.email}))

    state.commit("people", change)


def sign_out_elsewhere(state: State, who: Principal, *, now: datetime) -> None:
    """End all sign-ins of this person but the one that asks."""

    def change(tx: Tx) -> None:
        sign_ins.end_all(tx, who.user_id, now=now, but=who.credential_id)
        tx.record(Change("logout_elsewhere", f"user:{who.user_id}", {}))

    state.commit("people", change)


def sign_out_one(state: State, who: Principal, sign_in_id: str, *, now: datetime) -> None:
    """End one of this person's own sign-ins; one that has ended, or is somebody else's, is ignored. Raises NotFoundError."""
    try:
        sign_ins.expires(sign_in_id)
    except ValueError:
        raise NotFoundError("there is no such sign-in", code="sign_in_not_found") from None
    state.commit("people", sign_ins.end(sign_in_id=sign_in_id, user_id=who.user_id, at=now))


def sign_out_everywhere(state: State, who: Principal, user_id: str, *, now: datetime) -> None:
    """As an admin, end all sign-ins of an account; the admin's own one that asks goes on. Raises NotFoundError."""
    who.require_admin()

    def change(tx: Tx) -> None:
        user = get_user(tx.db, user_id)
        sign_ins.end_all(tx, user_id, now=now, but=who.credential_id if who.user_id == user_id else "")
        tx.record(Change("user.sign_out", f"user:{user_id}", {"email": user.email}))

    state.commit("people", change)


def delete(state: State, who: Principal, user_id: str, *, now: datetime) -> None:
    """Remove the account, its memberships and sign-ins, and revoke its tokens. Raises NotFoundError, ConflictError."""
    who.require_admin()

    def remove(tx: Tx) -> None:
        user = get_user(tx.db, user_id)
        _require_other(who, user_id, "delete")
        require_another_admin(tx.db, user_id)
        if user.is_sso_user and user.active:
            raise ManagedElsewhere(user.email, hint="Remove them in your directory, or disable the account first.")
        repository.remove_user(tx.db, user_id, by=who.email, now=now)
        tx.record(Change("user.delete", f"user:{user_id}", {"email": user.email}))

    state.commit("people", remove)


def _require_other(who: Principal, user_id: str, verb: str) -> None:
    if who.user_id == user_id:
        raise ConflictError(f"you cannot {verb} yourself", code=f"cannot_{verb}_self", hint="Ask another admin.")
