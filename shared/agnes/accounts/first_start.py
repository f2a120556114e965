"""The first admin: seeded from the settings, or made by whoever holds the one-time setup secret.

There is no open door: the secret is printed to the operator at start, kept as a hash, lasts 24 hours,
and works while no active admin can sign in. That never comes back, since the last one cannot be removed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from agnes.accounts import limits, passwords, repository, sign_ins
from agnes.accounts.forms import Setup
from agnes.accounts.model import ADMIN, SYSTEM_SEED, SignedIn
from agnes.accounts.rules import check_password, email_of, hash_of, name_of, new_credential
from agnes.kernel.errors import DeniedError
from agnes.kernel.ids import UserId, new_ulid
from agnes.kernel.ports import ObjectStore, Secret
from agnes.kernel.state import CURRENT_ACTOR, Change, Db, State, Tx

SETUP_LIFETIME = timedelta(hours=24)


class SetupClosed(DeniedError):
    code = "setup_closed"

    def __init__(self) -> None:
        super().__init__("the set-up is finished: there is an admin", hint="Sign in, or ask an admin for an account.")


class SetupSecretWrong(DeniedError):
    """Wrong, used, replaced by a newer one, or expired: who guesses learns nothing."""

    code = "setup_secret_invalid"

    def __init__(self) -> None:
        super().__init__("this setup link is not valid", hint="Start again to get a new one.")


@dataclass(frozen=True, slots=True)
class FirstStart:
    """What the start found and did. `setup_secret` is for the operator's eyes only."""

    seeded_email: str
    """The account that was made, given its password or made an admin now; empty if nothing was to do."""
    setup_secret: Secret | None


def prepare(
    state: State, *, seed_email: str, seed_password: Secret | None, now: datetime, dry_run: bool = False
) -> FirstStart:
    """Seed the admin of the settings, then open the set-up if still nobody can sign in as one. Idempotent.

    A password that is there is never overwritten, an account that was deactivated stays so.
    """
    seed_email = email_of(seed_email) if seed_email else ""
    password = seed_password if seed_password is not None and seed_password.value else None
    with state.read("people") as db:
        must_seed = bool(seed_email) and _must_seed(db, seed_email, password)
        login = repository.find_login(db, seed_email) if must_seed else None
        has_password = login is not None and login.password_hash is not None
        must_open = not repository.admins_who_can_sign_in(db)
    if dry_run or not (must_seed or must_open):
        return FirstStart(seed_email if must_seed else "", None)
    password_hash = None
    if must_seed and password and not has_password:
        check_password(password, about=(seed_email,))
        password_hash = passwords.hash_password(password)
    secret = new_credential("")

    def change(tx: Tx) -> FirstStart:
        seeded = must_seed and _must_seed(tx.db, seed_email, password)
        if seeded:
            _make_admin(tx, seed_email, "Admin", password_hash, now)
            tx.record(
                Change("bootstrap_seeded", f"user:{repository.find_id(tx.db, seed_email)}", {"email": seed_email})
            )
        is_open = not repository.admins_who_can_sign_in(tx.db)
        repository.replace_setup(tx.db, hash_of(secret) if is_open else None, now=now, expires_at=now + SETUP_LIFETIME)
        if is_open:
            tx.record(Change("bootstrap_opened", "setup:", {"expires_at": now + SETUP_LIFETIME}))
        return FirstStart(seed_email if seeded else "", secret if is_open else None)

    return state.commit("people", change)


def check_secret(db: Db, secret: Secret, *, now: datetime) -> None:
    """Raises SetupClosed, SetupSecretWrong."""
    if repository.admins_who_can_sign_in(db):
        raise SetupClosed
    held = repository.find_setup(db)
    if held is None or Secret(held[0]) != Secret(hash_of(secret)) or held[1] <= now:
        raise SetupSecretWrong


def bootstrap(state: State, store: ObjectStore, asked: Setup, *, now: datetime) -> SignedIn:
    """Make the first admin, or give a password to an account that waits for one, and sign in.

    Raises SetupClosed, SetupSecretWrong, BadRequestError, TooManyAttempts.
    """
    email = email_of(asked.email)
    name = name_of(asked.name or email.partition("@")[0])
    check_password(asked.given_password, about=(email, name))
    ip = CURRENT_ACTOR.get().client_ip
    limits.count_address(store, "setup", ip, limit=limits.SETUPS_A_MINUTE, now=now)
    with state.read("people") as db:
        check_secret(db, asked.given_secret, now=now)
    password_hash = passwords.hash_password(asked.given_password)

    def change(tx: Tx) -> tuple[UserId, int]:
        check_secret(tx.db, asked.given_secret, now=now)
        user_id = _make_admin(tx, email, name, password_hash, now)
        repository.set_name(tx.db, user_id, name, now)
        repository.set_password(tx.db, user_id, password_hash, now)
        repository.set_active(tx.db, user_id, active=True, by=email, now=now)
        sign_ins.end_all(tx, user_id, now=now)
        repository.replace_setup(tx.db, None, now=now)
        tx.record(Change("bootstrap_completed", f"user:{user_id}", {"email": email}))
        return user_id, sign_ins.epoch_of(tx.db, user_id)

    user_id, epoch = state.commit("people", change, actor=replace(CURRENT_ACTOR.get(), email=email))
    return sign_ins.start(store, user_id, email, is_admin=True, epoch=epoch, method="setup_link", now=now)


def _must_seed(db: Db, email: str, password: Secret | None) -> bool:
    login = repository.find_login(db, email)
    return login is None or not login.is_admin or (password is not None and login.password_hash is None)


def _make_admin(tx: Tx, email: str, name: str, password_hash: str | None, now: datetime) -> UserId:
    """The account of this address, in Admin. Its password is set only where it has none."""
    login = repository.find_login(tx.db, email)
    if login is None:
        user_id = UserId(new_ulid(now))
        repository.add_user(tx.db, user_id, email=email, name=name, password_hash=password_hash, now=now)
    else:
        user_id = login.id
        if login.password_hash is None and password_hash is not None:
            repository.set_password(tx.db, user_id, password_hash, now)
    if not repository.is_member(tx.db, user_id, ADMIN):
        repository.add_membership(tx.db, user_id, ADMIN, source=SYSTEM_SEED, by=None, now=now)
    return user_id
