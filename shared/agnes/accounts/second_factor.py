"""A second factor for accounts that sign in with a password: codes of an authenticator app (TOTP, RFC 6238), and recovery codes.

The key of an account is derived from a random nonce beside the account and a secret of the installation, so what is stored of
it, and in every backup, opens nothing. A code works once: the step of the newest that was used is kept. Recovery codes are 80
random bits each, kept as hashes, and work once, too.

    begin      a new key, to be shown once and not asked for yet
    confirm    a code of it: from now on signing in asks for one; answers the recovery codes
    required   whether signing in to an account asks for one
    use        in a commit: take a code of either kind, or refuse it

Who owes a code meanwhile is `pending.Pending`.
"""

from __future__ import annotations

import base64
import hmac
import secrets as random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from agnes.accounts import factor_repository, limits, passwords, repository, sign_ins
from agnes.accounts.model import ManagedElsewhere, SignedIn
from agnes.accounts.pending import Pending
from agnes.accounts.rules import hash_of
from agnes.accounts.service import NEWEST, get_user
from agnes.kernel import audit
from agnes.kernel.errors import BadRequestError, ConflictError, UnauthenticatedError
from agnes.kernel.ids import UserId
from agnes.kernel.ports import ObjectStore, Secret, Secrets
from agnes.kernel.principal import Principal
from agnes.kernel.state import CURRENT_ACTOR, Change, Db, State, Tx

if TYPE_CHECKING:
    import pyotp

SECRET_NAME = "second_factor"
STEP_SECONDS = 30
DRIFT_STEPS = 1
"""A code of the step before or after counts: clocks differ, and people type slowly."""
RECOVERY_CODES = 10
ISSUER = "Agnes"
_KEY_BYTES = 20  # RFC 4226, 4: 160 bits


class SecondFactorInvalid(UnauthenticatedError):
    """The same for a wrong code, one that was used, and one that is too old."""

    code = "second_factor_invalid"

    def __init__(self) -> None:
        super().__init__(
            "this code is wrong or was used already", hint="Wait for the next code, or use a recovery code."
        )


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key in the one answer that shows it."""

    key: str = field(repr=False)
    """As an authenticator app takes it: base32."""
    address: str = field(repr=False)
    """The `otpauth:` address that its picture holds."""


@dataclass(frozen=True, slots=True)
class Status:
    is_on: bool
    recovery_codes_left: int


def status(db: Db, user_id: str) -> Status:
    factor = factor_repository.find_second_factor(db, user_id)
    is_on = factor is not None and factor.is_confirmed
    return Status(is_on, factor_repository.count_recovery_codes(db, user_id) if is_on else 0)


def required(db: Db, user_id: str) -> bool:
    return status(db, user_id).is_on


def begin(state: State, vault: Secrets, who: Principal, *, now: datetime) -> NewKey:
    """Raises ManagedElsewhere, ConflictError."""
    nonce = random.token_hex(16)

    def change(tx: Tx) -> None:
        user = get_user(tx.db, who.user_id)
        if user.is_sso_user:
            raise ManagedElsewhere(user.email, hint="Second factors are set in your directory.")
        if required(tx.db, who.user_id):
            raise ConflictError("a second factor is on already", code="second_factor_on", hint="Turn it off first.")
        factor_repository.put_second_factor(tx.db, who.user_id, nonce, now)

    state.commit("people", change)
    key = _key(vault, who.user_id, nonce)
    return NewKey(key, _totp(key).provisioning_uri(name=who.email, issuer_name=ISSUER))


def confirm(
    state: State, store: ObjectStore, vault: Secrets, who: Principal, code: str, *, now: datetime
) -> tuple[str, ...]:
    """The recovery codes, shown this once; all other sign-ins end, since they proved less. Raises BadRequestError, TooManyAttempts."""
    limits.count_address(store, "second-factor", who.user_id, limit=limits.LOGINS_A_MINUTE, now=now)
    master = _master(vault)
    codes = _new_codes()

    def change(tx: Tx) -> None:
        factor = factor_repository.find_second_factor(tx.db, who.user_id)
        if factor is None or factor.is_confirmed:
            raise ConflictError("there is no key to confirm", code="second_factor_missing", hint="Begin again.")
        step = _step_of(_derived(master, who.user_id, factor.nonce), code, after=factor.last_step, now=now)
        if step is None:
            raise BadRequestError("this is not the code that the app shows now", code="second_factor_invalid")
        factor_repository.confirm_second_factor(tx.db, who.user_id, step, now)
        factor_repository.put_recovery_codes(tx.db, who.user_id, [_hash(who.user_id, each) for each in codes])
        sign_ins.end_all(tx, who.user_id, now=now, but=who.credential_id)
        tx.record(Change("user.second_factor_on", f"user:{who.user_id}", {"email": who.email}))

    state.commit("people", change)
    return codes


def turn_off(state: State, store: ObjectStore, who: Principal, password: Secret, *, now: datetime) -> None:
    """For somebody who knows their password. Raises BadRequestError, TooManyAttempts."""
    limits.count_address(store, "password", who.user_id, limit=limits.LOGINS_A_MINUTE, now=now)
    with state.read("people") as db:
        login = repository.find_login(db, who.email)
    if not passwords.matches(login.password_hash if login else None, password):
        raise BadRequestError("this is not your current password", code="wrong_password")

    def change(tx: Tx) -> None:
        factor_repository.remove_second_factor(tx.db, who.user_id)
        tx.record(Change("user.second_factor_off", f"user:{who.user_id}", {"email": who.email}))

    state.commit("people", change)


def reset(state: State, who: Principal, user_id: str, *, now: datetime) -> None:
    """As an admin, for somebody who lost the app and the recovery codes: it is off, and all their sign-ins end.

    Raises NotFoundError.
    """
    who.require_admin()

    def change(tx: Tx) -> None:
        user = get_user(tx.db, user_id)
        factor_repository.remove_second_factor(tx.db, user_id)
        sign_ins.end_all(tx, user_id, now=now)
        tx.record(Change("user.second_factor_reset", f"user:{user_id}", {"email": user.email}))

    state.commit("people", change)


def finish(state: State, store: ObjectStore, vault: Secrets, pending: Pending, code: str, *, now: datetime) -> SignedIn:
    """Sign in whoever owes a code and has it. Raises SecondFactorInvalid, TooManyAttempts."""
    limits.count_account(store, f"code {pending.user_id}", now=now)
    master = _master(vault)
    actor = replace(CURRENT_ACTOR.get(), user_id=pending.user_id, email=pending.email)

    def change(tx: Tx) -> bool:
        user = get_user(tx.db, pending.user_id)
        if not user.active or repository.epoch_of(tx.db, user.id) != pending.epoch:
            raise SecondFactorInvalid
        factor = factor_repository.find_second_factor(tx.db, user.id)
        if factor is None or not factor.is_confirmed:
            return user.is_admin  # turned off in between
        step = _step_of(_derived(master, user.id, factor.nonce), code, after=factor.last_step, now=now)
        if step is not None:
            factor_repository.use_step(tx.db, user.id, step)
        elif factor_repository.use_recovery_code(tx.db, user.id, _hash(user.id, code), now):
            left = factor_repository.count_recovery_codes(tx.db, user.id)
            tx.record(Change("user.recovery_code_used", f"user:{user.id}", {"email": user.email, "left": left}))
        else:
            raise SecondFactorInvalid
        return user.is_admin

    try:
        with state.session({"people": NEWEST}):
            is_admin = state.commit("people", change, actor=actor)
    except SecondFactorInvalid as refused:
        params = {"email": pending.email, "reason": refused.code}
        failed = Change("login_failed", f"user:{pending.user_id}", params)
        audit.record(store, failed, now=now, result=f"error.{refused.code}")
        raise
    forgive: Callable[[], None] = lambda: limits.forgive_account(store, f"code {pending.user_id}", now=now)  # noqa: E731
    return sign_ins.start(
        store,
        UserId(pending.user_id),
        pending.email,
        is_admin=is_admin,
        epoch=pending.epoch,
        method=f"{pending.method}+code",
        now=now,
        meanwhile=[sign_ins.forgiving(forgive)],
    )


def picture(address: str) -> str:
    """The address as a picture that a camera reads: an SVG element without styles."""
    import segno

    return str(segno.make(address, error="m").svg_inline(scale=5, omitsize=False, svgclass=None, lineclass=None))


def _master(vault: Secrets) -> Secret:
    return vault.get(SECRET_NAME) or vault.add(SECRET_NAME, Secret(random.token_hex(32)))


def _key(vault: Secrets, user_id: str, nonce: str) -> str:
    return _derived(_master(vault), user_id, nonce)


def _derived(master: Secret, user_id: str, nonce: str) -> str:
    mac = hmac.new(master.value.encode(), f"totp.{user_id}.{nonce}".encode(), "sha256").digest()
    return base64.b32encode(mac[:_KEY_BYTES]).decode()


def _totp(key: str) -> pyotp.TOTP:
    import pyotp

    return pyotp.TOTP(key, interval=STEP_SECONDS)


def _step_of(key: str, code: str, *, after: int, now: datetime) -> int | None:
    """The step that a code is of, if it is near now and after the last that was used."""
    typed = "".join(code.split())
    current = int(now.timestamp()) // STEP_SECONDS
    found = None
    for step in range(current - DRIFT_STEPS, current + DRIFT_STEPS + 1):
        right = _totp(key).generate_otp(step)
        if hmac.compare_digest(right.encode(), typed.encode("utf-8", "replace")) and step > after:
            found = step
    return found


def _new_codes() -> tuple[str, ...]:
    found = (base64.b32encode(random.token_bytes(10)).decode().lower() for _ in range(RECOVERY_CODES))
    return tuple("-".join(code[at : at + 4] for at in range(0, 16, 4)) for code in found)


def _hash(user_id: str, code: str) -> str:
    plain = "".join(character for character in code.lower() if character.isalnum())
    return hash_of(Secret(f"{user_id}.{plain}"))
