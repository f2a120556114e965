"""What a process remembers of objects that never change."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from agnes.kernel.ports import ObjectStore


class ImmutableCache:
    """Least recently used values by store and key, up to a sum of sizes for each store.

    What it holds never changes, so nothing has to be taken out early. Sizes are the caller's: bytes, or 1 a value.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._of_store: WeakKeyDictionary[ObjectStore, _Held] = WeakKeyDictionary()
        self._lock = Lock()

    def get(self, store: ObjectStore, key: str) -> Any | None:
        with self._lock:
            held = self._of_store.get(store)
            if held is None or key not in held.values:
                return None
            held.values.move_to_end(key)
            return held.values[key][0]

    def put(self, store: ObjectStore, key: str, value: Any, size: int = 1) -> None:
        with self._lock:
            held = self._of_store.setdefault(store, _Held())
            if key in held.values or size > self._max_size:
                return
            held.values[key] = (value, size)
            held.size += size
            while held.size > self._max_size:
                _, (_, freed) = held.values.popitem(last=False)
                held.size -= freed


class _Held:
    def __init__(self) -> None:
        self.values: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self.size = 0
