"""What a process remembers of objects that never change."""

from __future__ import annotations

from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from cachetools import LRUCache

from agnes.kernel.ports import ObjectStore


class ImmutableCache:
    """Least recently used values by store and key, up to a sum of sizes for each store. Safe for several threads.

    What it holds never changes, so nothing has to be taken out early. Sizes are the caller's: bytes, or 1 a value.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._of_store: WeakKeyDictionary[ObjectStore, LRUCache[str, tuple[Any, int]]] = WeakKeyDictionary()
        self._lock = Lock()

    def get(self, store: ObjectStore, key: str) -> Any | None:
        with self._lock:
            held = self._of_store.get(store)
            found = held.get(key) if held is not None else None
            return found[0] if found is not None else None

    def put(self, store: ObjectStore, key: str, value: Any, size: int = 1) -> None:
        """What is larger than all that may be held is not."""
        with self._lock:
            held = self._of_store.get(store)
            if held is None:
                held = self._of_store[store] = LRUCache(self._max_size, getsizeof=_size)
            if size <= self._max_size and key not in held:
                held[key] = (value, size)


def _size(held: tuple[Any, int]) -> int:
    return held[1]
