"""Download one object: in ranges, going on where an earlier download ended, and verified before it is put in place."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Protocol

import httpx

from agnes_cli.failures import Failure
from agnes_cli.tables.copies import TableObject

DELAYS_SECONDS = (0.3, 1.0, 3.0)
"""Between attempts that brought nothing; one that brought something is followed by another at once."""
READ_SECONDS = 30.0
EXPIRED = frozenset({400, 401, 403})
"""What stores answer to an address whose 45 seconds are over."""


class Stopped(Exception):
    """The pull ends early; what was downloaded is kept."""


class DownloadFailed(Failure):
    """What is there of the object is kept for the next time."""


class Addresses(Protocol):
    def __call__(self, table_id: str, sha256: str) -> str:
        """A new address of an object, good for 45 seconds. Raises Refused, ServerUnreachable."""


class Fetcher:
    """Many threads may use one. `client` sees presigned addresses only, never a token; `got` hears how many bytes came."""

    def __init__(
        self,
        client: httpx.Client,
        address: Addresses,
        got: Callable[[str, int], None],
        *,
        stop: Event,
        delays: tuple[float, ...] = DELAYS_SECONDS,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._client = client
        self._address = address
        self._got = got
        self._stop = stop
        self._delays = delays
        self._sleep = sleep

    def fetch(self, table_id: str, wanted: TableObject, folder: Path) -> None:
        """Put an object into `folder`. Raises DownloadFailed, Refused, ServerUnreachable, Stopped, OSError."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = folder / f"{wanted.sha256}.part"
        for attempt in (1, 2):
            with part.open("ab+") as file:
                found = _Download(self, table_id, wanted, file.fileno()).complete()
                os.fsync(file.fileno())
            if found == wanted.sha256:
                part.replace(folder / wanted.name)
                return
            part.unlink()
            if attempt == 2:
                raise DownloadFailed(
                    f"what came for {table_id} is not what its manifest describes ({wanted.sha256[:12]})",
                    hint="It was thrown away; the copy that was there stays. Something between you and the server changes downloads.",
                )


class _Download:
    """One object into one open file, which grows."""

    def __init__(self, fetcher: Fetcher, table_id: str, wanted: TableObject, fd: int) -> None:
        self._with = fetcher
        self._table_id = table_id
        self._wanted = wanted
        self._fd = fd
        self._etag = ""
        self._size = os.fstat(fd).st_size
        self._digest = hashlib.sha256()

    def complete(self) -> str:
        """The SHA-256 of what is in the file now, as long as the object."""
        if self._size > self._wanted.size_bytes:
            self._begin_again()
        elif self._size:
            self._read_part()
            self._with._got(self._table_id, self._size)
        idle = 0
        while self._size < self._wanted.size_bytes:
            before = self._size
            try:
                self._attempt()
                reason = "the answer ended early"
            except httpx.TransportError as exc:
                reason = type(exc).__name__
            except _StoreFailed as exc:
                reason = f"HTTP {exc.status}"
            if self._size > before:
                idle = 0
                continue
            if self._size == self._wanted.size_bytes:
                break
            if idle == len(self._with._delays):
                raise DownloadFailed(
                    f"{self._table_id} could not be downloaded: {reason}", hint="`agnes pull` goes on where it stopped."
                )
            self._with._sleep(self._with._delays[idle])
            idle += 1
        return self._digest.hexdigest()

    def _attempt(self) -> None:
        if self._with._stop.is_set():
            raise Stopped
        address = self._with._address(self._table_id, self._wanted.sha256)
        headers = {"Accept-Encoding": "identity"}
        if self._size:
            headers["Range"] = f"bytes={self._size}-"
            if self._etag:  # of an earlier process it is not known; the digest decides then
                headers["If-Range"] = self._etag
        with self._with._client.stream("GET", address, headers=headers) as answer:
            self._take(answer)

    def _take(self, answer: httpx.Response) -> None:
        if answer.status_code == 416:
            self._begin_again()
            return
        if answer.status_code not in (200, 206):
            if answer.status_code >= 500 or answer.status_code in EXPIRED:
                raise _StoreFailed(answer.status_code)
            raise DownloadFailed(f"{self._table_id} could not be downloaded: HTTP {answer.status_code}")
        begins = answer.headers.get("content-range", "") if answer.status_code == 206 else ""
        if self._size and not begins.startswith(f"bytes {self._size}-"):
            self._begin_again()
            if answer.status_code == 206:
                return
        etag = answer.headers.get("etag", "")
        self._etag = etag if etag.startswith('"') else ""
        for piece in answer.iter_raw():
            if self._with._stop.is_set():
                raise Stopped
            self._write(piece)

    def _write(self, piece: bytes) -> None:
        if self._size + len(piece) > self._wanted.size_bytes:
            self._begin_again()
            raise DownloadFailed(f"more came for {self._table_id} than its manifest describes")
        left = memoryview(piece)
        while left:
            left = left[os.write(self._fd, left) :]
        self._digest.update(piece)
        self._size += len(piece)
        self._with._got(self._table_id, len(piece))

    def _begin_again(self) -> None:
        os.ftruncate(self._fd, 0)
        self._with._got(self._table_id, -min(self._size, self._wanted.size_bytes))
        self._size = 0
        self._digest = hashlib.sha256()
        self._etag = ""

    def _read_part(self) -> None:
        os.lseek(self._fd, 0, os.SEEK_SET)
        while piece := os.read(self._fd, 1 << 20):
            self._digest.update(piece)


class _StoreFailed(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
