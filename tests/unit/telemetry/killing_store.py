"""A store whose process dies at its n-th call, before the store acts or after: then nothing works until it is revived.

A death leaves nothing but what the store holds, so what every death of a run would leave can also be noted while it runs
once: `moments`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from threading import RLock
from typing import Any

CHANGES = ("write", "remove")


class Killed(BaseException):
    """SIGKILL: no handler of the product may catch it."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What the memory store holds between two calls, if the second one never comes; reads leave what was there."""

    after: str
    at: datetime
    held: dict[str, Any] = field(repr=False)
    """Objects are immutable, so a copy of the names is one of everything."""


class KillingStore:
    """`kill_at` counts calls from 0; `calls` is how many there were, `log` what they were."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._dead = False
        self._lock = RLock()
        self.kill_at: int | None = None
        self.after = False
        self.log: list[tuple[str, str]] = []
        self.moments: list[Moment] = []

    def arm(self, kill_at: int | None, *, after: bool = False) -> None:
        self.kill_at, self.after, self._dead, self.log = kill_at, after, False, []
        self.moments = [self._moment("nothing")]

    def read(self, key: str) -> Any:
        return self._call("read", key, lambda: self._inner.read(key))

    def read_if_changed(self, key: str, version: Any) -> Any:
        return self._call("read", key, lambda: self._inner.read_if_changed(key, version))

    def write(self, key: str, body: bytes, **kwargs: Any) -> Any:
        return self._call("write", key, lambda: self._inner.write(key, body, **kwargs))

    def list(self, prefix: str, **kwargs: Any) -> Any:
        return self._call("list", prefix, lambda: iter(list(self._inner.list(prefix, **kwargs))))

    def remove(self, keys: Any) -> None:
        keys = list(keys)
        # One by one, since a process may die in the middle.
        for key in keys:
            self._call("remove", key, lambda key=key: self._inner.remove([key]))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _call(self, verb: str, key: str, act: Callable[[], Any]) -> Any:
        """One call at a time, so that each of several threads' calls has a number of its own."""
        with self._lock:
            return self._numbered(verb, key, act)

    def _numbered(self, verb: str, key: str, act: Callable[[], Any]) -> Any:
        if self._dead:
            raise Killed
        number = len(self.log)
        self.log.append((verb, key))
        if number != self.kill_at:
            done = act()
            if verb in CHANGES:
                self.moments.append(self._moment(f"{verb} {key}"))
            return done
        self._dead = True
        if self.after:
            act()
        raise Killed

    def _moment(self, after: str) -> Moment:
        return Moment(after, self._inner._clock.now(), dict(self._inner._held))
