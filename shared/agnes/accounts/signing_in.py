"""Sign in with a password, and sign out. What both make and end is in `sign_ins`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from agnes.accounts import limits, passwords, repository, second_factor, sign_ins
from agnes.accounts.model import SignedIn
from agnes.accounts.pending import Pending, SecondFactorRequired
from agnes.accounts.repository import HeldCredential, Login
from agnes.accounts.rules import MAX_PASSWORD, PENDING_LIFETIME, SESSION_PREFIX, hash_of, is_email
from agnes.accounts.service import NEWEST
from agnes.kernel import audit
from agnes.kernel.errors import UnauthenticatedError
from agnes.kernel.ports import ObjectStore, Secret
from agnes.kernel.state import CURRENT_ACTOR, Change, State


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
    """A new sign-in of 24 hours.

    Raises InvalidCredentials, AccountDeactivated, TooManyAttempts, or SecondFactorRequired: then `second_factor.finish` signs in.
    """
    email = email.strip().lower()
    ip = CURRENT_ACTOR.get().client_ip
    limits.count_address(store, "login", ip, limit=limits.LOGINS_A_MINUTE, now=now)
    limits.count_account(store, email, now=now)
    # The newest generation: a password that was set elsewhere a moment ago counts, and so does the epoch beside it.
    with state.session({"people": NEWEST}), state.read("people") as db:
        login = repository.find_login(db, email)
        asks_for_code = login is not None and second_factor.required(db, login.id)
    short_enough = len(password.value) <= MAX_PASSWORD
    is_right = passwords.matches(login.password_hash if login else None, password if short_enough else Secret(""))
    if login is None or not is_right:
        _record_failure(store, login, email, "invalid_credentials", now)
        raise InvalidCredentials
    if not login.active:
        _record_failure(store, login, email, "account_deactivated", now)
        raise AccountDeactivated
    if asks_for_code:
        sign_ins.forgiving(lambda: limits.forgive_address(store, "login", ip, now=now))()
        sign_ins.forgiving(lambda: limits.forgive_account(store, email, now=now))()  # codes have a counter of their own
        raise SecondFactorRequired(Pending(login.id, login.email, login.epoch, "password", now + PENDING_LIFETIME))
    return sign_ins.start(
        store,
        login.id,
        login.email,
        is_admin=login.is_admin,
        epoch=login.epoch,
        method="password",
        now=now,
        meanwhile=[
            sign_ins.forgiving(lambda: limits.forgive_address(store, "login", ip, now=now)),
            sign_ins.forgiving(lambda: limits.forgive_account(store, email, now=now)),
        ],
    )


def sign_out(state: State, store: ObjectStore, credential: Secret, *, now: datetime) -> None:
    """End the sign-in. What is no live one is ignored: it is signed out already."""
    if not credential.value.startswith(SESSION_PREFIX):
        return
    sign_in = sign_ins.find(store, credential)
    with state.read("people") as db:
        if sign_in is not None:
            held: HeldCredential | None = repository.held_sign_in(db, sign_in)
        else:
            held = repository.find_credential(db, hash_of(credential), SESSION_PREFIX)
    if held is None or held.revoked or (held.expires_at is not None and held.expires_at <= now):
        return
    actor = replace(CURRENT_ACTOR.get(), user_id=held.user_id, email=held.email or "")
    state.commit("people", sign_ins.end(sign_in_id=held.id, user_id=held.user_id, at=now), actor=actor)


def _record_failure(store: ObjectStore, login: Login | None, email: str, reason: str, now: datetime) -> None:
    """An audit object instead of a commit: under attack a commit would make everybody wait for the lease.

    The limits bound how many there are. What was typed is kept only if it is an address: people type
    their password into the wrong field.
    """
    params = {"email": email if is_email(email) else "", "reason": reason}
    failed = Change("login_failed", f"user:{login.id}" if login else "user:", params)
    audit.record(store, failed, now=now, result=f"error.{reason}")
