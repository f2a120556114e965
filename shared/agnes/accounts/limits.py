"""Limits on guessing, shared by all processes through the store and never through the state.

    limits/<day>/<route>/<address>-<HHMM>.json    attempts from one address in one minute
    limits/<day>/account/<hash of e-mail>.json    times of the last attempts on one account

An attempt is counted *before* the password is looked at, so guesses in parallel cannot slip through.
Successes are taken off again when they are known (`forgive_…`). Each count is one conditional write
on what this process last saw; only after somebody else wrote in between, it costs a read and another
write. An account's count is always read first: without that, an address whose owner signed in today
would cost more calls than one that nobody has, and the time would tell. So an attempt costs three
store calls, and a success two more beside other work. What is refused from memory costs none.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import logging
from collections.abc import Callable
from datetime import date, datetime
from math import ceil
from typing import TypeVar
from weakref import WeakKeyDictionary

from agnes.kernel import sealed
from agnes.kernel.errors import LimitError
from agnes.kernel.ports import (
    ABSENT,
    Blob,
    ObjectStore,
    OutcomeUnknown,
    PreconditionFailed,
    TryAgain,
    Unchanged,
    Version,
)

log = logging.getLogger("agnes.accounts")

T = TypeVar("T")

PREFIX = "limits/"
LOGINS_A_MINUTE = 10
SETUPS_A_MINUTE = 3
FREE_FAILURES = 5
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 30, 900
"""After the fifth failure in a row an account waits 30 s, then 60, 120, … to 15 minutes."""

_KEPT = 16
"""Attempts on an account that are remembered: enough to reach the longest delay."""
_TRIES = 6

_seen: WeakKeyDictionary[ObjectStore, dict[str, Blob]] = WeakKeyDictionary()


class TooManyAttempts(LimitError):
    def __init__(self, what: str, retry_after_seconds: int) -> None:
        super().__init__(
            f"too many attempts {what}",
            code="too_many_attempts",
            hint=f"Wait {retry_after_seconds} seconds.",
            retry_after_seconds=retry_after_seconds,
        )
        self.retry_after_seconds = retry_after_seconds


def minute_of(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0)


def count_address(store: ObjectStore, route: str, ip: str, *, limit: int, now: datetime) -> None:
    """Count an attempt from `ip` in this minute. Raises TooManyAttempts above `limit`."""
    wait = 60 - (now - minute_of(now)).seconds

    def one_more(body: bytes | None) -> bytes:
        count = _noted(body, "count", 0)
        if count >= limit:
            raise TooManyAttempts("from this address", wait)
        return json.dumps({"count": count + 1}).encode()

    _change(store, _address_key(route, ip, now), one_more)


def forgive_address(store: ObjectStore, route: str, ip: str, *, now: datetime) -> None:
    """Take an attempt that was counted with the same `now` off again: it succeeded. Raises UnavailableError."""

    def one_less(body: bytes | None) -> bytes:
        return json.dumps({"count": max(_noted(body, "count", 0) - 1, 0)}).encode()

    _change(store, _address_key(route, ip, now), one_less)


def count_account(store: ObjectStore, email: str, *, now: datetime) -> None:
    """Count an attempt on the account. Raises TooManyAttempts while failures since the last success lock it.

    An attempt that is refused is not counted, or its owner could be kept out for ever.
    """

    def one_more(body: bytes | None) -> bytes:
        # A time that is still to come was written by a clock that was wrong, and would lock the account until then.
        noted: list[object] = _noted(body, "attempts", [])
        failures = [at for at in noted if isinstance(at, float) and at <= now.timestamp() + 60]
        wait = _delay(len(failures)) - (now.timestamp() - failures[-1]) if failures else 0
        if wait > 0:
            raise TooManyAttempts("on this account", ceil(wait))
        return json.dumps({"attempts": [*failures, now.timestamp()][-_KEPT:]}).encode()

    _change(store, _account_key(email, now), one_more, read_first=True)


def forgive_account(store: ObjectStore, email: str, *, now: datetime) -> None:
    """Forget the attempts up to one that was made at `now` and succeeded. Raises UnavailableError."""

    def none_before(body: bytes | None) -> bytes:
        noted: list[object] = _noted(body, "attempts", [])
        later = [at for at in noted if isinstance(at, float) and at > now.timestamp()]
        return json.dumps({"attempts": later}).encode()

    _change(store, _account_key(email, now), none_before)


def _address_key(route: str, ip: str, now: datetime) -> str:
    return f"{PREFIX}{now:%Y-%m-%d}/{route}/{_address(ip)}-{now:%H%M}.json"


def _account_key(email: str, now: datetime) -> str:
    digest = hashlib.sha256(email.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{PREFIX}{now:%Y-%m-%d}/account/{digest}.json"


def _noted(body: bytes | None, name: str, none: T) -> T:
    """A field of a counter; a damaged one counts from the beginning."""
    try:
        found = json.loads(body)[name] if body else none
        return found if isinstance(found, type(none)) else none
    except (ValueError, KeyError, TypeError, RecursionError):
        return none


def forget(store: ObjectStore, *, before: date, dry_run: bool = False) -> int:
    """Remove the counters of days before `before`; how many they are."""
    old = [entry.key for entry in store.list(PREFIX) if entry.key.split("/")[1] < before.isoformat()]
    if not dry_run:
        store.remove(old)
    return len(old)


def _delay(failures: int) -> float:
    if failures < FREE_FAILURES:
        return 0
    return min(FIRST_DELAY_SECONDS * 2.0 ** (failures - FREE_FAILURES), LONGEST_DELAY_SECONDS)


def _address(ip: str) -> str:
    """An address as a key's segment; of IPv6 the /64, since a single customer has all of it."""
    try:
        parsed = ipaddress.ip_address(ip)
    except ValueError:
        return "unknown"
    if parsed.version == 6:
        parsed = ipaddress.ip_network((parsed, 64), strict=False).network_address
    return str(parsed).replace(":", "_")


def _change(store: ObjectStore, key: str, change: Callable[[bytes | None], bytes], *, read_first: bool = False) -> None:
    seen = _seen.setdefault(store, {})
    if read_first:
        held = seen.get(key)
        change(_opened(key, held))  # refuses what is refused whatever was added since
        _look(store, key, seen, unless=held.version if held else None)
    for _ in range(_TRIES):
        held = seen.get(key)
        body = sealed.seal(key, change(_opened(key, held)))
        expect = Unchanged(held.version) if held else ABSENT
        try:
            version = store.write(key, body, expect=expect, content_type="application/json")
        except PreconditionFailed:
            _look(store, key, seen)
        except (TryAgain, OutcomeUnknown):
            continue  # counted twice at worst
        else:
            if len(seen) > 1000:
                seen.clear()
            seen[key] = Blob(body, version)
            return
    raise TooManyAttempts("at once", 1)


def _opened(key: str, held: Blob | None) -> bytes | None:
    """What a counter says; a damaged one counts from the beginning, and is written again."""
    try:
        return sealed.opened(key, held.body) if held else None
    except sealed.Unsealed:
        log.warning("%s is damaged; it counts from the beginning", key)
        return None


def _look(store: ObjectStore, key: str, seen: dict[str, Blob], *, unless: Version | None = None) -> None:
    found = store.read_if_changed(key, unless) if unless else store.read(key)
    if isinstance(found, Blob):
        seen[key] = found
    elif found is None:
        seen.pop(key, None)  # nobody wrote it, or an operator removed it
