"""Links that a person opens once: an invitation, a password reset, a sign-in link.

Each has one purpose and cannot be used for another. Opening the page changes nothing, since mail scanners open links too;
the form on it does. Only a hash of the secret is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from agnes.accounts import limits, passwords, repository, second_factor, sign_ins
from agnes.accounts.model import ManagedElsewhere, SignedIn, User
from agnes.accounts.pending import Pending, SecondFactorRequired
from agnes.accounts.rules import PENDING_LIFETIME, check_password, hash_of, new_credential
from agnes.accounts.service import find_user_by_email, get_user
from agnes.kernel.errors import ConflictError, NotFoundError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import ObjectStore, Secret
from agnes.kernel.principal import Principal
from agnes.kernel.state import CURRENT_ACTOR, Actor, Change, Db, State, Tx

Purpose = Literal["invitation", "reset", "sign_in"]
LIFETIMES: dict[Purpose, timedelta] = {
    "invitation": timedelta(days=7),
    "reset": timedelta(hours=24),
    "sign_in": timedelta(hours=1),
}
LINK_PREFIX = "agl_"
PAGES: dict[Purpose, str] = {
    "invitation": "/auth/password/set",
    "reset": "/auth/password/set",
    "sign_in": "/auth/email/verify",
}
"""Where a link of each purpose leads."""
MOST_AN_HOUR = 3
"""Links that somebody gets by asking themselves."""
KEPT = timedelta(days=30)


class LinkInvalid(NotFoundError):
    """The same for a link that never was, was used, has expired, or is for something else."""

    code = "link_invalid"

    def __init__(self) -> None:
        super().__init__(
            "this link does not work any more", hint="Links work once. Ask for a new one, or ask an admin."
        )


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link in the one answer that has its secret."""

    purpose: Purpose
    email: str
    secret: Secret
    expires_at: datetime

    def url(self, base_url: str) -> str:
        return f"{base_url}{PAGES[self.purpose]}?token={self.secret.value}"


@dataclass(frozen=True, slots=True)
class OpenLink:
    """A link that still works, and whose it is."""

    id: str
    purpose: Purpose
    user: User


def create(state: State, who: Principal, user_id: str, purpose: Purpose, *, now: datetime) -> NewLink:
    """As an admin, an invitation or a reset for somebody. Raises NotFoundError, ManagedElsewhere, ConflictError."""
    who.require_admin()
    secret = new_credential(LINK_PREFIX)

    def add(tx: Tx) -> NewLink:
        user = get_user(tx.db, user_id)
        if user.is_sso_user:
            raise ManagedElsewhere(user.email)
        if not user.active:
            raise ConflictError(
                f"{user.email} is disabled", code="account_deactivated", hint="Enable the account first."
            )
        return _add(tx, user, purpose, secret, by=who.email, now=now)

    return state.commit("people", add)


def ask(state: State, email: str, purpose: Purpose, *, now: datetime) -> NewLink | None:
    """For somebody who asked themselves; None if there is no such active account, it signs in elsewhere, or it got
    MOST_AN_HOUR links already."""
    with state.read("people") as db:
        user = find_user_by_email(db, email)
        if user is None or not _may_ask(db, user, now):
            return None
    secret = new_credential(LINK_PREFIX)

    def add(tx: Tx) -> NewLink | None:
        current = get_user(tx.db, user.id)
        return _add(tx, current, purpose, secret, by=None, now=now) if _may_ask(tx.db, current, now) else None

    return state.commit("people", add)


def find(db: Db, secret: Secret, purposes: tuple[Purpose, ...], *, now: datetime) -> OpenLink:
    """Raises LinkInvalid."""
    held = repository.find_link(db, hash_of(secret))
    if held is None or held.purpose not in purposes or held.used_at is not None or held.expires_at <= now:
        raise LinkInvalid
    user = repository.find_user(db, held.user_id)
    if user is None or not user.active:
        raise LinkInvalid
    return OpenLink(held.id, held.purpose, user)


def set_password(state: State, store: ObjectStore, secret: Secret, password: Secret, *, now: datetime) -> SignedIn:
    """Use an invitation or a reset: set the password, end all other sign-ins, and sign in.

    Raises LinkInvalid, BadRequestError, and SecondFactorRequired after the password was set.
    """
    purposes: tuple[Purpose, ...] = ("invitation", "reset")
    with state.read("people") as db:
        link = find(db, secret, purposes, now=now)
    check_password(password, about=(link.user.email, link.user.name))
    password_hash = passwords.hash_password(password)

    def use(tx: Tx) -> _Proved:
        current = find(tx.db, secret, purposes, now=now)
        repository.use_links(tx.db, current.user.id, purposes, now)
        repository.set_password(tx.db, current.user.id, password_hash, now)
        sign_ins.end_all(tx, current.user.id, now=now)
        params = {"email": current.user.email, "purpose": current.purpose}
        tx.record(Change("user.set_own_password", f"user:{current.user.id}", params))
        return _proved(tx.db, current.user, current.purpose)

    return _sign_in(store, state.commit("people", use, actor=_actor(link.user)), now)


def sign_in(state: State, store: ObjectStore, secret: Secret, *, now: datetime) -> SignedIn:
    """Use a sign-in link. Raises LinkInvalid."""
    purposes: tuple[Purpose, ...] = ("sign_in",)
    with state.read("people") as db:
        link = find(db, secret, purposes, now=now)

    def use(tx: Tx) -> _Proved:
        current = find(tx.db, secret, purposes, now=now)
        repository.use_links(tx.db, current.user.id, purposes, now)
        return _proved(tx.db, current.user, "email_link")

    return _sign_in(store, state.commit("people", use, actor=_actor(link.user)), now)


def _add(tx: Tx, user: User, purpose: Purpose, secret: Secret, *, by: str | None, now: datetime) -> NewLink:
    link_id, expires_at = new_ulid(now), now + LIFETIMES[purpose]
    repository.forget_links(tx.db, now - KEPT)
    repository.add_link(
        tx.db,
        link_id,
        user_id=user.id,
        purpose=purpose,
        secret_hash=hash_of(secret),
        by=by,
        now=now,
        expires_at=expires_at,
    )
    action = {"invitation": "user.invite", "reset": "user.reset_password", "sign_in": "user.sign_in_link"}[purpose]
    tx.record(Change(action, f"user:{user.id}", {"email": user.email, "expires_at": expires_at}))
    return NewLink(purpose, user.email, secret, expires_at)


def _may_ask(db: Db, user: User, now: datetime) -> bool:
    recent = repository.count_links(db, user.id, since=now - timedelta(hours=1))
    return user.active and not user.is_sso_user and recent < MOST_AN_HOUR


@dataclass(frozen=True, slots=True)
class _Proved:
    """Who used a link, and the epoch of their sign-ins after it."""

    user: User
    method: str
    epoch: int
    asks_for_code: bool


def _proved(db: Db, user: User, method: str) -> _Proved:
    return _Proved(user, method, sign_ins.epoch_of(db, user.id), second_factor.required(db, user.id))


def _sign_in(store: ObjectStore, proved: _Proved, now: datetime) -> SignedIn:
    """Raises SecondFactorRequired: a mailbox is one factor."""
    user = proved.user
    if proved.asks_for_code:
        raise SecondFactorRequired(Pending(user.id, user.email, proved.epoch, proved.method, now + PENDING_LIFETIME))
    return sign_ins.start(
        store,
        user.id,
        user.email,
        is_admin=user.is_admin,
        epoch=proved.epoch,
        method=proved.method,
        now=now,
        meanwhile=[sign_ins.forgiving(lambda: limits.forgive_account(store, user.email, now=now))],
    )


def _actor(user: User) -> Actor:
    return replace(CURRENT_ACTOR.get(), user_id=user.id, email=user.email)
