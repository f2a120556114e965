"""Material: the snapshots and logs of one store, fetched, verified, cached."""

from __future__ import annotations

import hashlib
from pathlib import Path

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import ObjectStore
from agnes.state.cache import LocalCache
from agnes.state.head import Head, Log, Snapshot, StateDamaged, head_key

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
        self._stored_logs: dict[str, tuple[str, bytes]] = {}

    def of(self, head: Head) -> tuple[Path, bytes]:
        """Snapshot and log (empty if there is none) of a generation. Raises MaterialGone, StateDamaged."""
        return self.snapshot(head.snapshot), self.log(head)

    def snapshot(self, snapshot: Snapshot) -> Path:
        return self._cache.snapshot(snapshot, lambda: self._fetch(snapshot))

    def log(self, head: Head) -> bytes:
        """Everything since the snapshot, cut to what was there at the generation of `head`."""
        if head.log is None:
            return b""
        try:
            body = (self._stored(head.log) if head.log.key else b"") + head.log.tail
        except ValueError as error:
            raise StateDamaged(_head_of(head), f"the log in it cannot be unpacked ({error})") from error
        line = head.history[-1] if head.history else None
        if line is None or line.sha256 == head.log.sha256:  # a stored object is verified as it is fetched
            return body
        body = body[: line.size]
        if hashlib.sha256(body).hexdigest() != line.sha256:
            raise StateDamaged(_head_of(head), "the log in it is not what its sha256 says")
        return body

    def keep_snapshot(self, snapshot: Snapshot, body: bytes) -> None:
        """What this process has just published need not be fetched."""
        self._cache.keep(snapshot, body)

    def keep_log(self, key: str, body: bytes) -> None:
        self._stored_logs[key.split("/")[1]] = (key, body)

    def _stored(self, log: Log) -> bytes:
        key, body = self._stored_logs.get(log.key.split("/")[1], ("", b""))
        if key != log.key:
            body = self._fetch(log)
            self.keep_log(log.key, body)
        return body

    def forget(self, head: Head) -> None:
        self._cache.forget(head.snapshot)

    def _fetch(self, part: Snapshot | Log) -> bytes:
        for _ in range(FETCHES):  # a body may arrive cut
            found = self._store.read(part.key)
            if found is None:
                raise MaterialGone(part.key)
            if hashlib.sha256(found.body).hexdigest() == part.sha256:
                return found.body
        raise StateDamaged(part.key, "its sha256 is not the one in the head")


def _head_of(head: Head) -> str:
    return head_key(head.snapshot.key.split("/")[1])
