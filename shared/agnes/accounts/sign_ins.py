"""Sign-ins: what a browser, or the `agnes` command, holds for 24 hours after somebody proved who they are.

    sign-ins/<user id>/<sign-in id>.json      written once when it begins, never changed, removed two days later

A sign-in is an object of its own, so that signing in commits nothing. What ends one is in `people`, which every request
reads anyway, so an end counts as soon as a commit does: single sign-ins that were ended (`people.ended_sign_ins`), and the
account's *epoch* (`people.sign_in_epochs`), which is raised whenever all of its sign-ins end. A sign-in carries the epoch
of its beginning and has ended if the account's is higher.

    start      begins one: whoever proved who they are, by whatever method, gets their credential from here
    find       looks one up by its credential; `agnes.accounts.service.identify` decides whether it still opens anything
    end        a registered change: ends one
    end_all    inside a transaction: ends all of an account, or all but one
    live       lists those of an account that still open it, newest first
    last       when accounts were signed in to last

Sign-ins that the release before began are rows of `people.sessions`. They are found, listed and ended like the others, and
have all expired a day after the upgrade.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from datetime import datetime, timedelta

from agnes.accounts import repository
from agnes.accounts.model import SignedIn, SignIn
from agnes.accounts.rules import SESSION_LIFETIME, SESSION_PREFIX, hash_of, new_credential
from agnes.kernel import audit, sealed
from agnes.kernel.calls import registered
from agnes.kernel.errors import LimitError, UnavailableError
from agnes.kernel.ids import UserId, new_ulid, time_of
from agnes.kernel.immutable import ImmutableCache
from agnes.kernel.ports import (
    ABSENT,
    ObjectStore,
    OutcomeUnknown,
    PreconditionFailed,
    Secret,
    TryAgain,
)
from agnes.kernel.state import CURRENT_ACTOR, Change, Db, Tx

log = logging.getLogger("agnes.accounts")

PREFIX = "sign-ins/"
KEPT = timedelta(days=2)
"""After its beginning. What has expired is told apart from what never was for a day, and says when somebody was here last."""
MOST_LISTED = 50
_REMEMBERED = 10_000
_AT_ONCE = 16
_TRIES = 4
_CREDENTIAL = re.compile(rf"{SESSION_PREFIX}([0-9a-z]{{26}})\.([0-9a-z]{{26}})\.([A-Za-z0-9_-]{{43}})")
"""User id, sign-in id, 256 random bits."""

_remembered = ImmutableCache(_REMEMBERED)


def start(
    store: ObjectStore,
    user_id: UserId,
    email: str,
    *,
    is_admin: bool,
    epoch: int,
    method: str,
    now: datetime,
    meanwhile: Sequence[Callable[[], None]] = (),
) -> SignedIn:
    """A new sign-in of an account, recorded in the audit as `login_succeeded`. Commits nothing.

    `epoch` is `epoch_of` the account, read at the newest generation or in the transaction that proved who it is: if all of
    its sign-ins are ended in between, this one has ended too. `method` is how they proved it, such as `password`.
    `meanwhile` is done side by side with the two writes. Raises UnavailableError; then nobody was signed in.
    """
    sign_in_id, expires_at = new_ulid(now), now + SESSION_LIFETIME
    token = Secret(f"{SESSION_PREFIX}{user_id}.{sign_in_id}.{new_credential('').value}")
    actor = replace(CURRENT_ACTOR.get(), user_id=user_id, email=email)
    said = {
        "at": now.isoformat(),
        "expires_at": expires_at.isoformat(),
        "token_sha256": hash_of(token),
        "epoch": epoch,
        "ip": actor.client_ip,
        "client": actor.client_kind,
        "method": method,
    }
    key = _key(user_id, sign_in_id)

    def record() -> None:
        CURRENT_ACTOR.set(actor)  # in this thread's own context
        audit.record(store, Change("login_succeeded", f"user:{user_id}", {"method": method}), now=now)

    def write() -> None:
        _write(store, key, sealed.seal(key, json.dumps(said).encode()))

    _side_by_side([write, record, *meanwhile])
    return SignedIn(user_id, email, "admin" if is_admin else "user", token, expires_at)


def find(store: ObjectStore, credential: Secret) -> SignIn | None:
    """The sign-in with this credential, whether or not it has ended; None if there is none. One read, then remembered."""
    form = _CREDENTIAL.fullmatch(credential.value)
    if form is None:
        return None
    user_id, sign_in_id, _ = form.groups()
    key = _key(user_id, sign_in_id)
    found = _remembered.get(store, key)
    if found is None:
        found = _read(store, key)
        if found is None:
            return None
        _remembered.put(store, key, found)
    return found if Secret(found.token_sha256) == Secret(hash_of(credential)) else None


def is_current_form(credential: str) -> bool:
    """Whether this is the credential of an object, and not of a row of the release before."""
    return _CREDENTIAL.fullmatch(credential) is not None


def epoch_of(db: Db, user_id: str) -> int:
    return repository.epoch_of(db, user_id)


def end_all(tx: Tx, user_id: str, *, now: datetime, but: str = "") -> None:
    """End all sign-ins of an account, except the one with the id `but`, with the commit of this transaction."""
    repository.end_sign_ins(tx.db, user_id, now, but=but)


@registered("accounts.sign_ins.end")
def end(tx: Tx, *, sign_in_id: str, user_id: str, at: datetime) -> None:
    """End one sign-in of an account; one that has ended, or never was, is ignored."""
    repository.forget_ended(tx.db, at)
    if repository.end_sign_in(tx.db, sign_in_id, user_id=user_id, now=at, expires_at=expires(sign_in_id)):
        tx.record(Change("logout", f"user:{user_id}", {"sign_in_id": sign_in_id}))


def live(db: Db, store: ObjectStore, user_id: str, now: datetime) -> list[SignIn]:
    """Sign-ins that still open an account, newest first, MOST_LISTED at most. A listing, and a read for each."""
    listed = [key for key in _listed(store, user_id) if _began(key) + SESSION_LIFETIME > now]
    keys = sorted(listed, reverse=True)[:MOST_LISTED]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        contexts = [copy_context() for _ in keys]
        read = list(pool.map(lambda context, key: context.run(_read, store, key), contexts, keys))
    ended = repository.ended_sign_ins(db, user_id)
    found = [one for one in read if one is not None and one.expires_at > now and not ended.covers(one)]
    found += repository.live_sessions(db, user_id, now)
    return sorted(found, key=lambda one: one.at, reverse=True)[:MOST_LISTED]


def last(db: Db, store: ObjectStore, user_ids: Sequence[str]) -> dict[str, datetime]:
    """When each of these last signed in, as far as it is known: two days back. A listing an account, side by side."""
    found = repository.last_sessions(db, user_ids)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        contexts = [copy_context() for _ in user_ids]
        newest = pool.map(lambda context, user_id: context.run(_newest, store, user_id), contexts, user_ids)
        for user_id, at in zip(user_ids, newest, strict=True):
            if at is not None:
                found[user_id] = max(at, found.get(user_id, at))
    return found


def forget(store: ObjectStore, *, now: datetime, dry_run: bool = False) -> int:
    """Remove sign-ins that were begun KEPT ago; how many they are."""
    old = [entry.key for entry in store.list(PREFIX) if (at := _time(entry.key)) is None or at + KEPT < now]
    if not dry_run:
        store.remove(old)
    return len(old)


def expires(sign_in_id: str) -> datetime:
    """When a sign-in ends by itself. Raises ValueError for what is no id."""
    return time_of(sign_in_id) + SESSION_LIFETIME


def _key(user_id: str, sign_in_id: str) -> str:
    return f"{PREFIX}{user_id}/{sign_in_id}.json"


def _listed(store: ObjectStore, user_id: str) -> Iterator[str]:
    return (entry.key for entry in store.list(f"{PREFIX}{user_id}/") if _time(entry.key) is not None)


def _newest(store: ObjectStore, user_id: str) -> datetime | None:
    return max((_began(key) for key in _listed(store, user_id)), default=None)


def _began(key: str) -> datetime:
    return time_of(key.rpartition("/")[2].removesuffix(".json"))


def _time(key: str) -> datetime | None:
    """When the sign-in under this key began; None for what is no sign-in's name."""
    try:
        return _began(key)
    except ValueError:
        return None


def _write(store: ObjectStore, key: str, body: bytes) -> None:
    """Nobody else writes this key, so a write of unknown outcome is sent again and found or made."""
    for attempt in range(_TRIES):
        try:
            store.write(key, body, expect=ABSENT, content_type="application/json")
        except PreconditionFailed:
            return  # an earlier attempt arrived
        except (TryAgain, OutcomeUnknown):
            if attempt + 1 == _TRIES:
                raise
        else:
            return


def _read(store: ObjectStore, key: str) -> SignIn | None:
    """None too if it is damaged: then its owner signs in again."""
    blob = store.read(key)
    if blob is None:
        return None
    try:
        if not sealed.is_sealed(blob.body):
            raise sealed.Unsealed(key)
        said = json.loads(sealed.opened(key, blob.body))
        found = SignIn(
            id=key.rpartition("/")[2].removesuffix(".json"),
            user_id=UserId(key.split("/")[1]),
            at=datetime.fromisoformat(said["at"]),
            expires_at=datetime.fromisoformat(said["expires_at"]),
            epoch=int(said["epoch"]),
            ip=str(said["ip"]),
            client=str(said["client"]),
            method=str(said["method"]),
            token_sha256=str(said["token_sha256"]),
        )
    except (ValueError, KeyError, TypeError):
        log.exception("%s is damaged: it signs nobody in", key, extra={"key": key})
        return None
    return (
        found
        if found.at.tzinfo and found.expires_at.tzinfo and found.expires_at <= found.at + SESSION_LIFETIME
        else None
    )


def _side_by_side(work: Sequence[Callable[[], None]]) -> None:
    """Do all of it at once; raises what the first that failed raised, after all have ended."""
    with ThreadPoolExecutor(len(work)) as pool:
        running = [pool.submit(copy_context().run, one) for one in work]
    for one in running:
        one.result()


def forgiving(act: Callable[[], None]) -> Callable[[], None]:
    """Work that a sign-in does not depend on: what the store does not take is logged and left."""

    def attempt() -> None:
        try:
            act()
        except (UnavailableError, LimitError) as exc:
            log.warning("a successful sign-in was not taken off the counters: %s", exc.message)

    return attempt
