"""Sign in with a password, sign out, and the sessions that both leave."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from agnes.accounts import limits, passwords, repository
from agnes.accounts.model import SignedIn
from agnes.accounts.repository import Login
from agnes.accounts.rules import (
    MAX_PASSWORD,
    SESSION_LIFETIME,
    SESSION_PREFIX,
    hash_of,
    is_email,
    new_credential,
)
from agnes.kernel import audit
from agnes.kernel.calls import registered
from agnes.kernel.errors import UnauthenticatedError
from agnes.kernel.ids import UserId, new_ulid
from agnes.kernel.ports import ObjectStore, Secret
from agnes.kernel.state import CURRENT_ACTOR, Change, State, Tx

FORGET_SESSIONS_AFTER = timedelta(days=1)


class InvalidCredentials(UnauthenticatedError):
    """The same for an unknown address, an account without a password and a wrong password."""

    code = "invalid_credentials"

    def __init__(self) -> None:
        super().__init__("the e-mail address or the password is wrong", hint="Check both and try again.")


class AccountDeactivated(UnauthenticatedError):
    """Told only to who knows the password."""

    code = "account_deactivated"

    def __init__(self) -> None:
        super().__init__("this account is deactivated", hint="Ask an admin.")


def sign_in(state: State, store: ObjectStore, *, email: str, password: Secret, now: datetime) -> SignedIn:
    """A new session of 24 hours. Raises InvalidCredentials, AccountDeactivated, TooManyAttempts."""
    email = email.strip().lower()
    ip = CURRENT_ACTOR.get().client_ip
    with state.read("people") as db:
        login = repository.find_login(db, email)
        successes = repository.count_logins(db, ip, limits.minute_of(now))
    limits.count_address(store, "login", ip, limit=limits.LOGINS_A_MINUTE, now=now, successes=successes)
    limits.count_account(store, email, now=now, last_login_at=login.last_login_at if login else None)
    short_enough = len(password.value) <= MAX_PASSWORD
    is_right = passwords.matches(login.password_hash if login else None, password if short_enough else Secret(""))
    if login is None or not is_right:
        _record_failure(store, login, email, "invalid_credentials", now)
        raise InvalidCredentials
    if not login.active:
        _record_failure(store, login, email, "account_deactivated", now)
        raise AccountDeactivated
    token = new_credential(SESSION_PREFIX)

    actor = replace(CURRENT_ACTOR.get(), user_id=login.id, email=email)
    change = begin(
        email=email,
        password_seen=_digest(login.password_hash),
        token_hash=hash_of(token),
        client_ip=actor.client_ip,
        at=now,
    )
    user_id, is_admin = state.commit("people", change, actor=actor)
    return _signed_in(UserId(user_id), email, token, is_admin=is_admin, now=now)


@registered("accounts.signing_in.begin")
def begin(tx: Tx, *, email: str, password_seen: str, token_hash: str, client_ip: str, at: datetime) -> tuple[str, bool]:
    """The account's id, and whether it is an admin's. Raises InvalidCredentials if the password or the account changed meanwhile."""
    current = repository.find_login(tx.db, email)
    if current is None or not current.active or _digest(current.password_hash) != password_seen:
        raise InvalidCredentials
    tx.record(Change("login_succeeded", f"user:{current.id}", {"method": "password"}))
    _add_session(tx, current.id, token_hash, client_ip=client_ip, now=at)
    return current.id, current.is_admin


def begin_session(tx: Tx, user_id: UserId, email: str, token: Secret, *, is_admin: bool, now: datetime) -> SignedIn:
    _add_session(tx, user_id, hash_of(token), client_ip=CURRENT_ACTOR.get().client_ip, now=now)
    return _signed_in(user_id, email, token, is_admin=is_admin, now=now)


def _add_session(tx: Tx, user_id: str, token_hash: str, *, client_ip: str, now: datetime) -> None:
    """Write the session's row, and drop rows of long ago in passing."""
    repository.forget_sessions(tx.db, now - FORGET_SESSIONS_AFTER)
    repository.add_session(
        tx.db,
        new_ulid(now),
        user_id=UserId(user_id),
        token_hash=token_hash,
        client_ip=client_ip,
        now=now,
        expires_at=now + SESSION_LIFETIME,
    )


def _signed_in(user_id: UserId, email: str, token: Secret, *, is_admin: bool, now: datetime) -> SignedIn:
    return SignedIn(user_id, email, "admin" if is_admin else "user", token, now + SESSION_LIFETIME)


def _digest(password_hash: str | None) -> str:
    """Tells whether a password was changed; what travels through the store says nothing of it."""
    return hash_of(Secret(password_hash or ""))


def sign_out(state: State, credential: Secret, *, now: datetime) -> None:
    """End the session. What is no live session is ignored: it is signed out already."""
    if not credential.value.startswith(SESSION_PREFIX):
        return
    token_hash = hash_of(credential)
    with state.read("people") as db:
        held = repository.find_credential(db, token_hash, SESSION_PREFIX)
    if held is None or held.revoked_at is not None:
        return

    actor = replace(CURRENT_ACTOR.get(), user_id=held.user_id, email=held.email or "")
    state.commit("people", end(token_hash=token_hash, at=now), actor=actor)


@registered("accounts.signing_in.end")
def end(tx: Tx, *, token_hash: str, at: datetime) -> None:
    user_id = repository.revoke_session(tx.db, token_hash, at)
    if user_id is not None:
        tx.record(Change("logout", f"user:{user_id}", {}))


def _record_failure(store: ObjectStore, login: Login | None, email: str, reason: str, now: datetime) -> None:
    """An audit object instead of a commit: under attack a commit would make everybody wait for the lease.

    The limits bound how many there are. What was typed is kept only if it is an address: people type
    their password into the wrong field.
    """
    params = {"email": email if is_email(email) else "", "reason": reason}
    failed = Change("login_failed", f"user:{login.id}" if login else "user:", params)
    audit.record(store, failed, now=now, result=f"error.{reason}")
