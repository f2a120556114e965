"""Adapters that count what they ask for, as the service that is paid counts it (`agnes.kernel.metering`).

Any store is counted as S3 would be: a listing costs a request for each thousand keys, an object above 16 MiB one for each part
and two more, and a request that is answered with 304 or 412 costs as much as any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from mmap import mmap
from operator import attrgetter
from pathlib import Path
from typing import Any

from agnes.kernel.metering import count
from agnes.kernel.ports import (
    Anything,
    Blob,
    Entry,
    Expect,
    Message,
    NotModified,
    ObjectStore,
    Queue,
    Secret,
    Secrets,
    Version,
)
from agnes.outside.traced import TracedStore

PART_BYTES = 16 * 1024 * 1024
"""As `agnes.outside.object_store.s3` sends them."""
PAGE_SIZE = 1000
BATCH = 10


class MeteredStore:
    """`page_size` and `part_bytes` as the store's adapter has them."""

    def __init__(self, inner: ObjectStore, *, page_size: int = PAGE_SIZE, part_bytes: int = PART_BYTES) -> None:
        self.inner = inner
        self._page_size = page_size
        self._part_bytes = part_bytes

    def read(self, key: str) -> Blob | None:
        count("gets")
        found = self.inner.read(key)
        if found is not None:
            count("bytes_read", len(found.body))
        return found

    def read_if_changed(self, key: str, version: Version) -> Blob | NotModified | None:
        count("gets")
        found = self.inner.read_if_changed(key, version)
        if isinstance(found, Blob):
            count("bytes_read", len(found.body))
        return found

    def write(
        self, key: str, body: bytes | mmap, *, expect: Expect, content_type: str = "application/octet-stream"
    ) -> Version:
        in_parts = isinstance(body, mmap) and isinstance(expect, Anything)
        count("puts", self._requests(len(body)) if in_parts else 1)
        count("bytes_written", len(body))
        return self.inner.write(key, body, expect=expect, content_type=content_type)

    def write_pieces(self, key: str, pieces: Iterable[bytes], *, content_type: str = "application/octet-stream") -> int:
        size = self.inner.write_pieces(key, pieces, content_type=content_type)
        # Whatever fills its first part is sent in parts, the last of which may be empty and is then left out.
        count("puts", self._requests(size) if size != self._part_bytes else 3)
        count("bytes_written", size)
        return size

    def download(self, key: str, path: Path) -> bool:
        count("gets")
        found = self.inner.download(key, path)
        if found:
            count("bytes_read", path.stat().st_size)
        return found

    def list(self, prefix: str, *, after: str = "") -> Iterator[Entry]:
        count("lists")
        for number, entry in enumerate(self.inner.list(prefix, after=after)):
            if number and number % self._page_size == 0:
                count("lists")
            yield entry

    def remove(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        count("removals", -(-len(keys) // self._page_size))
        self.inner.remove(keys)

    def presign_get(
        self, key: str, *, seconds: int, filename: str | None = None, content_type: str | None = None
    ) -> str:
        count("handed_gets")
        return self.inner.presign_get(key, seconds=seconds, filename=filename, content_type=content_type)

    def presign_put(self, key: str, *, seconds: int, size_bytes: int, sha256_hex: str, content_type: str) -> str:
        count("handed_puts")
        return self.inner.presign_put(
            key, seconds=seconds, size_bytes=size_bytes, sha256_hex=sha256_hex, content_type=content_type
        )

    def _requests(self, size: int) -> int:
        parts = -(-size // self._part_bytes)
        return 1 if parts <= 1 else parts + 2


def unmetered(store: ObjectStore) -> ObjectStore:
    """The store itself, for what only its own adapter can do."""
    store = store.inner if isinstance(store, MeteredStore) else store
    return store.inner if isinstance(store, TracedStore) else store


class MeteredQueue:
    def __init__(self, inner: Queue) -> None:
        self.inner = inner

    def send(self, messages: Iterable[Message]) -> None:
        waiting = sorted(messages, key=attrgetter("queue"))
        for _, members in groupby(waiting, key=attrgetter("queue")):
            count("messages", -(-len(list(members)) // BATCH))
        self.inner.send(waiting)

    def again(self, record: Mapping[str, Any]) -> None:
        count("messages")
        self.inner.again(record)


class MeteredSecrets:
    """A secret that is written may be looked for first; that is counted as one request all the same."""

    def __init__(self, inner: Secrets) -> None:
        self.inner = inner

    def get(self, name: str) -> Secret | None:
        count("secrets")
        return self.inner.get(name)

    def put(self, name: str, secret: Secret) -> None:
        count("secrets")
        self.inner.put(name, secret)

    def add(self, name: str, secret: Secret) -> Secret:
        count("secrets")
        return self.inner.add(name, secret)

    def remove(self, name: str) -> None:
        count("secrets")
        self.inner.remove(name)

    def names(self) -> tuple[str, ...]:
        count("secrets")
        return self.inner.names()
