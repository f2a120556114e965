"""The last few values by key, in memory."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Any

from cachetools import LRUCache

Key = tuple[Hashable, ...]


class Recent:
    """The last few values by key, of one layer: when that is replaced, they go with it. Safe for several threads."""

    def __init__(self, size: int) -> None:
        self._held: LRUCache[Key, Any] = LRUCache(size)
        self._lock = Lock()

    def get(self, key: Key) -> Any | None:
        with self._lock:
            return self._held.get(key)

    def put(self, key: Key, value: Any) -> None:
        with self._lock:
            self._held[key] = value

    def part(self, name: object) -> Part:
        return Part(self, name)


@dataclass(frozen=True)
class Part:
    """The values of one owner among the last few of all."""

    recent: Recent
    owner: object

    def get(self, key: Key) -> Any | None:
        return self.recent.get((self.owner, key))

    def put(self, key: Key, value: Any) -> None:
        self.recent.put((self.owner, key), value)
