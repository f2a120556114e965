"""Who is asking, and the questions about accounts that other domains ask. Imports no Argon2: every function does."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from agnes.accounts import repository, sign_ins
from agnes.accounts.model import ADMIN, Me, SignIn, User, UserCounts, UserQuery
from agnes.accounts.repository import HeldCredential
from agnes.accounts.rules import SESSION_PREFIX, TOKEN_PREFIX, hash_of
from agnes.kernel import audit, sealed
from agnes.kernel.errors import ConflictError, NotFoundError, UnauthenticatedError, UnavailableError
from agnes.kernel.ports import ANYTHING, Blob, ObjectStore, Secret
from agnes.kernel.principal import Principal, Via
from agnes.kernel.scopes import KEEP_ADMIN, scope_of
from agnes.kernel.state import Change, Db, State

log = logging.getLogger("agnes.accounts")

USE_NOTED_EVERY = timedelta(hours=1)
USED_PREFIX = "tokens/used/"
PLACES_KEPT = 16
"""Addresses that a token was used from last, so that a laptop between home and office is no news each day."""
CREDENTIALS_REMEMBERED = 10_000

NEWEST = 2**63 - 1
"""A generation that nobody made: reads that demand it are answered with the newest there is."""

_SIGN_IN = "Sign in again."
_NEW_TOKEN = "Make a new token, or ask an admin."

_noted: dict[tuple[str, str], datetime] = {}
"""Token id and address → when this process last saw the use noted."""
_credentials: WeakKeyDictionary[State, tuple[tuple[int, str], dict[str, HeldCredential]]] = WeakKeyDictionary()
"""Version of `people` and the credentials that it holds, by hash."""


class LastAdmin(ConflictError):
    code = "last_admin"

    def __init__(self) -> None:
        super().__init__("this is the last active admin who can sign in", hint="Make somebody else an admin first.")


def identify(state: State, store: ObjectStore, credential: str, *, now: datetime) -> Principal:
    """The person behind a sign-in or personal access token, with the groups that they are in now.

    Raises UnauthenticatedError: `token_unknown`, `session_expired|revoked`, `token_expired|revoked`,
    `account_deactivated`.
    """
    prefix = credential[: len(TOKEN_PREFIX)]
    if prefix not in (SESSION_PREFIX, TOKEN_PREFIX):
        raise UnauthenticatedError("unrecognised token", code="token_unknown", hint=_SIGN_IN)
    kind, hint = ("session", _SIGN_IN) if prefix == SESSION_PREFIX else ("token", _NEW_TOKEN)
    held = _find(state, store, credential, prefix)
    if held is None or not held.active:
        # Made, or let in again, a moment ago, where this process has not looked since?
        with state.session({"people": NEWEST}):
            held = _find(state, store, credential, prefix)
    if held is None:
        raise UnauthenticatedError(f"this {kind} is not known", code="token_unknown", hint=hint)
    if held.revoked or held.email is None:
        raise UnauthenticatedError(f"this {kind} was ended", code=f"{kind}_revoked", hint=hint)
    if held.expires_at is not None and held.expires_at <= now:
        raise UnauthenticatedError(f"this {kind} has expired", code=f"{kind}_expired", hint=hint)
    if not held.active:
        raise UnauthenticatedError("this account is deactivated", code="account_deactivated", hint="Ask an admin.")
    scope = scope_of(held.scope)
    return Principal(
        user_id=held.user_id,
        email=held.email,
        name=held.name,
        group_ids=held.group_ids,
        is_admin=ADMIN in held.group_ids and scope in KEEP_ADMIN,
        via=Via.LOGIN if prefix == SESSION_PREFIX else Via.TOKEN,
        credential_id=held.id,
        scope=scope,
        expires_at=held.expires_at,
    )


def _find(state: State, store: ObjectStore, credential: str, prefix: str) -> HeldCredential | None:
    """What is held, remembered for as long as `people` stays at the generation that it was read from: a change of an
    account, a group or a token makes a new one, so nobody is known longer than a read would know them."""
    token_hash = hash_of(Secret(credential))
    version = state.version_seen("people")
    held_at, remembered = _credentials.get(state, (None, {}))
    if held_at != version or len(remembered) > CREDENTIALS_REMEMBERED:
        remembered = {}
        _credentials[state] = version, remembered
    found = remembered.get(token_hash)
    if found is None:
        found = _look_up(state, store, credential, token_hash, prefix)
        if found is not None:  # what is unknown costs a lookup each time, and no memory
            remembered[token_hash] = found
    return found


def _look_up(state: State, store: ObjectStore, credential: str, token_hash: str, prefix: str) -> HeldCredential | None:
    if not sign_ins.is_current_form(credential):
        with state.read("people") as db:
            return repository.find_credential(db, token_hash, prefix)
    sign_in = sign_ins.find(store, Secret(credential))
    if sign_in is None:
        return None
    with state.read("people") as db:
        return repository.held_sign_in(db, sign_in)


def note_use(store: ObjectStore, token_id: str, *, ip: str, now: datetime) -> bool:
    """Remember when and from where a token was used, at most once an hour and place, whichever process it meets.

    Whether the token was used before, and never from this place as far as the last PLACES_KEPT of them tell. A process that
    has not seen it lately looks at the note before it writes one: there are many processes, and a read costs a twelfth of a
    write. A write beside the state disturbs no commit; what it cannot write it leaves, a request must not fail.
    """
    last = _noted.get((token_id, ip))
    if last is not None and abs(now - last) < USE_NOTED_EVERY:
        return False
    if len(_noted) > 10_000:
        _noted.clear()
    key = f"{USED_PREFIX}{token_id}.json"
    try:
        before = _use_noted(key, store.read(key))
        is_recent = before is not None and before.ip == ip and abs(now - before.at) < USE_NOTED_EVERY
        _noted[token_id, ip] = before.at if before is not None and is_recent else now
        if is_recent:
            return False
        places = [ip, *(place for place in (before.places if before else ()) if place != ip)][:PLACES_KEPT]
        body = json.dumps({"at": now.isoformat(), "ip": ip, "places": places}).encode()
        store.write(key, sealed.seal(key, body), expect=ANYTHING, content_type="application/json")
    except UnavailableError as exc:
        log.warning("the use of a token was not noted: %s", exc.message, extra={"token_id": token_id})
        return False
    return before is not None and ip not in before.places


def record_new_place(store: ObjectStore, who: Principal, *, ip: str, now: datetime) -> None:
    """A line of the audit; a store that cannot take it does not refuse the request, as with the note itself."""
    try:
        change = Change("token.first_use_new_ip", f"token:{who.credential_id}", {"user_id": who.user_id, "ip": ip})
        audit.record(store, change, now=now)
    except UnavailableError as exc:
        log.warning("a token's new place was not recorded: %s", exc.message, extra={"token_id": who.credential_id})


@dataclass(frozen=True, slots=True)
class _NotedUse:
    at: datetime
    ip: str
    places: tuple[str, ...]


def _use_noted(key: str, found: Blob | None) -> _NotedUse | None:
    """The last use that was noted; None if never, or if the note is damaged."""
    try:
        if found is None:
            return None
        noted = json.loads(sealed.opened(key, found.body))
        ip = str(noted.get("ip", ""))
        return _NotedUse(datetime.fromisoformat(noted["at"]), ip, tuple(map(str, noted.get("places", [ip]))))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def me(db: Db, who: Principal) -> Me:
    user = get_user(db, who.user_id)
    return Me(user.id, user.email, user.name, user.is_admin, user.groups, who.via)


def users(db: Db) -> list[User]:
    """All accounts, by e-mail."""
    return repository.users(db)


def find_users(db: Db, query: UserQuery) -> tuple[list[User], int]:
    """Accounts of one page, and how many there are on all pages."""
    return repository.find_users(db, query)


def count_users(db: Db) -> UserCounts:
    return repository.count_users(db)


def have_password(db: Db, user_ids: Sequence[str]) -> set[str]:
    """Which of these accounts can sign in with a password, if they are active."""
    return repository.have_password(db, user_ids)


def principal_of(db: Db, user_id: str) -> Principal:
    """Somebody as they would be after signing in, to show an admin what they get. Raises NotFoundError."""
    user = get_user(db, user_id)
    groups = frozenset(group.id for group in user.groups)
    return Principal(
        user_id=user.id, email=user.email, name=user.name, group_ids=groups, is_admin=user.is_admin, via=Via.SESSION
    )


def get_user(db: Db, user_id: str) -> User:
    """Raises NotFoundError."""
    user = repository.find_user(db, user_id)
    if user is None:
        raise NotFoundError(
            "there is no such user", code="user_not_found", hint="`agnes admin user list` shows the ids of accounts."
        )
    return user


def find_user_by_email(db: Db, email: str) -> User | None:
    """`email` as somebody typed it."""
    user_id = repository.find_id(db, email.strip().lower())
    return repository.find_user(db, user_id) if user_id else None


def last_sign_ins(db: Db, store: ObjectStore, user_ids: Sequence[str]) -> dict[str, datetime]:
    """When each of these last signed in, within the last two days."""
    return sign_ins.last(db, store, user_ids)


def live_sign_ins(db: Db, store: ObjectStore, user_id: str, *, now: datetime) -> list[SignIn]:
    """Sign-ins that still open an account, newest first."""
    return sign_ins.live(db, store, user_id, now)


def live_tokens(db: Db, user_id: str, *, now: datetime) -> int:
    """How many personal access tokens of somebody still open something."""
    return repository.count_live_tokens(db, user_id, now)


def require_another_admin(db: Db, user_id: str) -> None:
    """Raise LastAdmin if nobody could administer this place without `user_id`. The operator's token does not count."""
    if repository.admins_who_can_sign_in(db) == {user_id}:
        raise LastAdmin
