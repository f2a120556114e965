"""The object store in memory: for tests, and the model that the other adapters are compared with."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from agnes.kernel.clock import SystemClock
from agnes.kernel.ports import (
    Absent,
    Blob,
    Clock,
    Entry,
    Expect,
    NotModified,
    PreconditionFailed,
    Secret,
    Unchanged,
    Version,
)
from agnes.outside.object_store.keys import check_key, check_prefix
from agnes.outside.object_store.presigned import PresignedGet, PresignedPut, Signer


@dataclass(frozen=True, slots=True)
class _Held:
    body: bytes
    version: Version
    content_type: str
    modified_at: datetime


class MemoryStore:
    """Thread-safe. A version is the MD5 of the bytes, as on S3: A, B, A gives the first one back."""

    def __init__(self, *, clock: Clock | None = None, secret: Secret | None = None) -> None:
        self._clock: Clock = clock or SystemClock()
        self._signer = Signer(secret or Secret("memory"), "memory:")
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}

    def read(self, key: str, *, unless: Version | None = None) -> Blob | NotModified | None:
        held = self._held.get(check_key(key))
        if held is None:
            return None
        return NotModified() if held.version == unless else Blob(held.body, held.version)

    def write(
        self, key: str, body: bytes, *, expect: Expect, content_type: str = "application/octet-stream"
    ) -> Version:
        check_key(key)
        body = bytes(body)
        version = Version(hashlib.md5(body, usedforsecurity=False).hexdigest())
        with self._lock:
            held = self._held.get(key)
            if isinstance(expect, Absent) and held is not None:
                raise PreconditionFailed(key)
            if isinstance(expect, Unchanged) and (held is None or held.version != expect.version):
                raise PreconditionFailed(key)
            self._held[key] = _Held(body, version, content_type, self._clock.now())
        return version

    def list(self, prefix: str, *, after: str = "") -> Iterator[Entry]:
        check_prefix(prefix)
        with self._lock:
            found = sorted((k, held) for k, held in self._held.items() if k.startswith(prefix) and k > after)
        for key, held in found:
            yield Entry(key, len(held.body), held.version, held.modified_at)

    def remove(self, keys: Iterable[str]) -> None:
        for key in keys:
            check_key(key)
            with self._lock:
                self._held.pop(key, None)

    def presign_get(
        self, key: str, *, seconds: int, filename: str | None = None, content_type: str | None = None
    ) -> str:
        expires = int(self._clock.now().timestamp()) + seconds
        return self._signer.get(check_key(key), expires=expires, filename=filename, content_type=content_type)

    def presign_put(self, key: str, *, seconds: int, size_bytes: int, sha256_hex: str, content_type: str) -> str:
        return self._signer.put(
            check_key(key),
            expires=int(self._clock.now().timestamp()) + seconds,
            size_bytes=size_bytes,
            sha256_hex=sha256_hex,
            content_type=content_type,
        )

    def open_presigned(
        self, method: str, key: str, query: Mapping[str, str], now: datetime
    ) -> PresignedGet | PresignedPut:
        return self._signer.open(method, key, query, now)

    def open_presigned_url(self, method: str, url: str) -> PresignedGet | PresignedPut:
        """What a `memory:` URL allows now. Raises PresignRefused."""
        return self._signer.open_url(method, url, self._clock.now())
