"""A store whose process dies at its n-th call, before the store acts or after: then nothing works until it is revived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Killed(BaseException):
    """SIGKILL: no handler of the product may catch it."""


class KillingStore:
    """`kill_at` counts calls from 0; `calls` is how many there were, `log` what they were."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.kill_at: int | None = None
        self.after = False
        self.log: list[tuple[str, str]] = []
        self._dead = False

    def arm(self, kill_at: int | None, *, after: bool = False) -> None:
        self.kill_at, self.after, self._dead, self.log = kill_at, after, False, []

    def read(self, key: str, **kwargs: Any) -> Any:
        return self._call("read", key, lambda: self._inner.read(key, **kwargs))

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
        if self._dead:
            raise Killed
        number = len(self.log)
        self.log.append((verb, key))
        if number != self.kill_at:
            return act()
        self._dead = True
        if self.after:
            act()
        raise Killed
