"""Replace the key that signs, without refusing anybody what was signed before."""

from __future__ import annotations

import secrets as random_secrets
from datetime import datetime

from agnes.kernel.ports import Secret, Secrets
from agnes.kernel.signing import Key, KeyRing, SigningKeysDamaged
from agnes.kernel.state import Change, State

NAME = "signing"


def rotate(vault: Secrets, state: State, now: datetime, *, at_once: bool = False) -> KeyRing:
    """The keys from now on. The new one signs from half an hour later; `at_once` makes it the only one, from now.

    Raises SigningKeysDamaged unless `at_once`.
    """
    fresh = Secret(random_secrets.token_hex(32))
    held = vault.get(NAME)
    ring = KeyRing((Key(fresh),)) if at_once or held is None else KeyRing.decode(held.value).rotated(fresh, now)
    vault.put(NAME, Secret(ring.encode()))
    told = {"keys": len(ring.keys), "at_once": at_once}
    state.commit("people", lambda tx: tx.record(Change("secrets.rotate_signing", f"secret:{NAME}", told)))
    return ring


def described(vault: Secrets, now: datetime) -> list[str]:
    """A line a key, oldest first, without its value."""
    held = vault.get(NAME)
    if held is None:
        return ["no key yet: it is made at the first start"]
    try:
        ring = KeyRing.decode(held.value)
    except SigningKeysDamaged as damaged:
        return [f"{damaged.message}. {damaged.hint}"]
    signing = ring.signing(now)
    return [f"{number}. {_what(key, signing, now)}" for number, key in enumerate(ring.keys, 1)]


def _what(key: Key, signing: Key, now: datetime) -> str:
    ends = f", accepted until {key.until:%Y-%m-%d %H:%M} UTC" if key.until else ""
    if key is signing:
        return f"signs{ends}"
    if key.until is not None and key.until <= now:
        return f"ended at {key.until:%Y-%m-%d %H:%M} UTC"
    if key.signs_from is not None and key.signs_from > now:
        return f"signs from {key.signs_from:%Y-%m-%d %H:%M} UTC on{ends}"
    return f"signed before{ends}"
