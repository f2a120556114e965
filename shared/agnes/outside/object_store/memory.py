"""The object store in memory: for tests, and the model that the other adapters are compared with."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from mmap import mmap
from pathlib import Path

from agnes.kernel.clock import SystemClock
from agnes.kernel.ports import (
    ANYTHING,
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
from agnes.outside.object_store.presigned import BodyCheck, PresignedPut, SelfSigned, Signer


@dataclass(frozen=True, slots=True)
class _Held:
    body: bytes
    version: Version
    content_type: str
    modified_at: datetime


class MemoryStore(SelfSigned):
    """Thread-safe. A version is the MD5 of the bytes, as on S3: A, B, A gives the first one back."""

    def __init__(self, *, clock: Clock | None = None, secret: Secret | None = None) -> None:
        self._clock: Clock = clock or SystemClock()
        self._signer = Signer(secret or Secret("memory"), "memory:")
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}

    def read(self, key: str) -> Blob | None:
        held = self._held.get(check_key(key))
        return Blob(held.body, held.version) if held else None

    def read_if_changed(self, key: str, version: Version) -> Blob | NotModified | None:
        found = self.read(key)
        return NotModified() if found and found.version == version else found

    def write(
        self, key: str, body: bytes | mmap, *, expect: Expect, content_type: str = "application/octet-stream"
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

    def write_pieces(self, key: str, pieces: Iterable[bytes], *, content_type: str = "application/octet-stream") -> int:
        body = b"".join(pieces)
        self.write(key, body, expect=ANYTHING, content_type=content_type)
        return len(body)

    def download(self, key: str, path: Path) -> bool:
        held = self._held.get(check_key(key))
        if held is not None:
            path.write_bytes(held.body)
        return held is not None

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

    def take_presigned(self, put: PresignedPut, chunks: Iterable[bytes], *, content_type: str | None) -> Version:
        """Store the body of an upload if it is the declared one. Raises UploadMismatch."""
        check = BodyCheck(put, content_type=content_type)
        body = b"".join(check.take(chunk) for chunk in chunks)
        check.finish()
        return self.write(put.key, body, expect=ANYTHING, content_type=put.content_type)
