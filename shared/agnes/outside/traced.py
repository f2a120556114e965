"""A store whose requests are parts of a trace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from mmap import mmap
from pathlib import Path

from agnes.kernel.ports import Blob, Entry, Expect, NotModified, ObjectStore, Version
from agnes.kernel.tracing import Span, Tracer


class TracedStore:
    """Each request that waits for the store is a span: the verb, the key, the bytes."""

    def __init__(self, inner: ObjectStore, tracer: Tracer) -> None:
        self.inner = inner
        self._tracer = tracer

    def read(self, key: str) -> Blob | None:
        with self._span("read", key) as span:
            found = self.inner.read(key)
            span.set("agnes.store.bytes", len(found.body) if found is not None else 0)
            return found

    def read_if_changed(self, key: str, version: Version) -> Blob | NotModified | None:
        with self._span("read_if_changed", key) as span:
            found = self.inner.read_if_changed(key, version)
            span.set("agnes.store.bytes", len(found.body) if isinstance(found, Blob) else 0)
            return found

    def write(
        self, key: str, body: bytes | mmap, *, expect: Expect, content_type: str = "application/octet-stream"
    ) -> Version:
        with self._span("write", key) as span:
            span.set("agnes.store.bytes", len(body))
            return self.inner.write(key, body, expect=expect, content_type=content_type)

    def write_pieces(self, key: str, pieces: Iterable[bytes], *, content_type: str = "application/octet-stream") -> int:
        with self._span("write_pieces", key) as span:
            size = self.inner.write_pieces(key, pieces, content_type=content_type)
            span.set("agnes.store.bytes", size)
            return size

    def download(self, key: str, path: Path) -> bool:
        with self._span("download", key):
            return self.inner.download(key, path)

    def list(self, prefix: str, *, after: str = "") -> Iterator[Entry]:
        """Not a span: what the caller does between two entries is no time of the store."""
        return self.inner.list(prefix, after=after)

    def remove(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        with self._span("remove", keys[0] if keys else "") as span:
            span.set("agnes.store.keys", len(keys))
            self.inner.remove(keys)

    def presign_get(
        self, key: str, *, seconds: int, filename: str | None = None, content_type: str | None = None
    ) -> str:
        return self.inner.presign_get(key, seconds=seconds, filename=filename, content_type=content_type)

    def presign_put(self, key: str, *, seconds: int, size_bytes: int, sha256_hex: str, content_type: str) -> str:
        return self.inner.presign_put(
            key, seconds=seconds, size_bytes=size_bytes, sha256_hex=sha256_hex, content_type=content_type
        )

    def _span(self, verb: str, key: str) -> AbstractContextManager[Span]:
        return self._tracer.part(f"store {verb}", {"agnes.store.verb": verb, "agnes.store.key": key})
