"""A store that takes as long as S3: each call waits before the one within answers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from agnes.kernel.ports import Blob, Entry, NotModified, ObjectStore, Version

GET_SECONDS = 0.020
PUT_SECONDS = 0.045


class SlowStore:
    """A GET, a page of a listing and a removal take `get_seconds`, a PUT `put_seconds`; presigning asks nobody."""

    def __init__(
        self, inner: ObjectStore, *, get_seconds: float = GET_SECONDS, put_seconds: float = PUT_SECONDS
    ) -> None:
        self.inner = inner
        self._get_seconds = get_seconds
        self._put_seconds = put_seconds

    def read(self, key: str) -> Blob | None:
        time.sleep(self._get_seconds)
        return self.inner.read(key)

    def read_if_changed(self, key: str, version: Version) -> Blob | NotModified | None:
        time.sleep(self._get_seconds)
        return self.inner.read_if_changed(key, version)

    def write(self, key: str, body: Any, **options: Any) -> Version:
        time.sleep(self._put_seconds)
        return self.inner.write(key, body, **options)

    def write_pieces(self, key: str, pieces: Iterable[bytes], **options: Any) -> int:
        time.sleep(self._put_seconds)
        return self.inner.write_pieces(key, pieces, **options)

    def download(self, key: str, path: Path) -> bool:
        time.sleep(self._get_seconds)
        return self.inner.download(key, path)

    def list(self, prefix: str, *, after: str = "") -> Iterator[Entry]:
        time.sleep(self._get_seconds)
        for number, entry in enumerate(self.inner.list(prefix, after=after)):
            if number and number % 1000 == 0:
                time.sleep(self._get_seconds)
            yield entry

    def remove(self, keys: Iterable[str]) -> None:
        time.sleep(self._get_seconds)
        self.inner.remove(keys)

    def presign_get(self, key: str, **options: Any) -> str:
        return self.inner.presign_get(key, **options)

    def presign_put(self, key: str, **options: Any) -> str:
        return self.inner.presign_put(key, **options)
