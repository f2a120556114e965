"""Material: the snapshots and logs of one store, fetched, verified, cached."""

from __future__ import annotations

import hashlib
from pathlib import Path

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import Blob, ObjectStore
from agnes.state.cache import LocalCache
from agnes.state.head import Head, Log, Snapshot, StateDamaged

FETCHES = 4


class MaterialGone(UnavailableError):
    """A snapshot or log that a head named was pruned meanwhile: read the head again."""

    code = "generation_pruned"

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} was pruned", hint="Try again.")
        self.key = key


class Material:
    """Safe for several threads: the worst that can happen is that both fetch."""

    def __init__(self, store: ObjectStore, cache: LocalCache) -> None:
        self._store = store
        self._cache = cache
        self._own_logs: dict[str, tuple[str, bytes]] = {}

    def of(self, head: Head) -> tuple[Path, bytes]:
        """Snapshot and log (empty if there is none) of a generation. Raises MaterialGone, StateDamaged."""
        return self.snapshot(head.snapshot), self.log(head.log) if head.log else b""

    def snapshot(self, snapshot: Snapshot) -> Path:
        return self._cache.snapshot(snapshot, lambda: self._fetch(snapshot))

    def log(self, log: Log) -> bytes:
        key, body = self._own_logs.get(log.key.split("/")[1], ("", b""))
        return body if key == log.key else self._fetch(log)

    def keep(self, head: Head, body: bytes) -> None:
        """What this process has just published need not be fetched."""
        if head.log is None:
            self._cache.keep(head.snapshot, body)
        else:
            self._own_logs[head.log.key.split("/")[1]] = (head.log.key, body)

    def forget(self, head: Head) -> None:
        self._cache.forget(head.snapshot)

    def _fetch(self, part: Snapshot | Log) -> bytes:
        for _ in range(FETCHES):  # a body may arrive cut
            found = self._store.read(part.key)
            if not isinstance(found, Blob):
                raise MaterialGone(part.key)
            if hashlib.sha256(found.body).hexdigest() == part.sha256:
                return found.body
        raise StateDamaged(part.key, "its sha256 is not the one in the head")
