"""Keys that this installation signs with what it hands out and takes back, and how one follows another.

A rotation adds a key that signs from half an hour later on. Processes look for new keys every ten minutes, so all of them know
it before the first signature by it arrives. What the key before has signed is accepted for a week more.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from agnes.kernel.errors import AgnesError
from agnes.kernel.ports import Clock, Secret

LOOK_AGAIN = timedelta(minutes=10)
SETTLE = timedelta(minutes=30)
"""Three times LOOK_AGAIN: a process that misses a look still knows the key in time."""
ACCEPT = timedelta(days=7)
"""Longer than anything lives that is signed: uploads are collected after two days."""


class Signing(Protocol):
    """What signs, and judges signatures. A single `Secret` is one, too."""

    def sign(self, text: str) -> str:
        """A signature in hexadecimal digits."""
        ...

    def holds(self, text: str, signature: str) -> bool:
        """Whether it is a signature of this text, compared in constant time."""
        ...


class SigningKeysDamaged(AgnesError):
    """The secret is neither one key nor a ring of keys: somebody edited it by hand."""

    code = "signing_keys_damaged"

    def __init__(self) -> None:
        super().__init__(
            "the secret `signing` cannot be read",
            hint="Restore it, or replace it: agnes-local signing-keys rotate --at-once.",
        )


@dataclass(frozen=True, slots=True)
class Key:
    value: Secret
    signs_from: datetime | None = None
    """None: since ever."""
    until: datetime | None = None
    """When its signatures end to be accepted; None: they do not end."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Oldest first. The newest one signs whose time has come."""

    keys: tuple[Key, ...]

    def accepted(self, now: datetime) -> list[Key]:
        return [key for key in self.keys if key.until is None or key.until > now]

    def signing(self, now: datetime) -> Key:
        ready = [key for key in self.keys if key.signs_from is None or key.signs_from <= now]
        return (ready or list(self.keys))[-1]

    def rotated(self, fresh: Secret, now: datetime) -> KeyRing:
        """With a new key that takes over after SETTLE. Keys that have ended are left out."""
        takes_over = now + SETTLE
        ends = takes_over + ACCEPT
        kept = [
            key if key.until is not None and key.until < ends else replace(key, until=ends)
            for key in self.accepted(now)
        ]
        return KeyRing((*kept, Key(fresh, signs_from=takes_over)))

    def encode(self) -> str:
        """One key that signs since ever is its own value, as it always was."""
        if len(self.keys) == 1 and self.keys[0].signs_from is None and self.keys[0].until is None:
            return self.keys[0].value.value
        return json.dumps(
            {
                "keys": [
                    {"value": k.value.value, "from": _text(k.signs_from), "until": _text(k.until)} for k in self.keys
                ]
            }
        )

    @classmethod
    def decode(cls, text: str) -> KeyRing:
        """Raises SigningKeysDamaged."""
        if not text.startswith("{"):
            return cls((Key(Secret(text)),))
        try:
            raw = json.loads(text)["keys"]
            keys = tuple(Key(Secret(str(k["value"])), _time(k["from"]), _time(k["until"])) for k in raw)
        except (ValueError, KeyError, TypeError):
            raise SigningKeysDamaged from None
        if not keys or not all(key.value.value for key in keys):
            raise SigningKeysDamaged
        return cls(keys)


class SigningKeys:
    """The keys that `load` reads, looked at again every ten minutes. Safe for several threads."""

    def __init__(self, load: Callable[[], str], clock: Clock) -> None:
        self._load = load
        self._clock = clock
        self._lock = threading.Lock()
        self._ring = KeyRing.decode(load())
        self._loaded = clock.now()

    def sign(self, text: str) -> str:
        return self._current().signing(self._clock.now()).value.sign(text)

    def holds(self, text: str, signature: str) -> bool:
        found = False
        for key in self._current().accepted(self._clock.now()):
            found |= key.value.holds(text, signature)
        return found

    def _current(self) -> KeyRing:
        now = self._clock.now()
        if not timedelta(0) <= now - self._loaded < LOOK_AGAIN:
            with self._lock:
                if not timedelta(0) <= now - self._loaded < LOOK_AGAIN:
                    self._loaded = now
                    with suppress(AgnesError):  # what is known is good until the next look; a rotation leaves time
                        self._ring = KeyRing.decode(self._load())
        return self._ring


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
