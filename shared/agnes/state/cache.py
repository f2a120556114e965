"""The local cache: snapshots that several processes share, and a folder of its own for each process.

    <root>/snapshots/<file>/<generation>-<nonce>.duckdb    whole or absent (renamed into place), checked by sha256
    <root>/work/<name>/ and <name>.lock                    working copies and attached generations; gone with the process

Nothing here is ever the only copy of anything.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from agnes.state.head import Snapshot


class LocalCache:
    """`name` of the private folder must be new for every start of a process."""

    def __init__(self, root: Path, name: str, *, limit_bytes: int) -> None:
        self._snapshots = root / "snapshots"
        self._limit_bytes = limit_bytes
        self._numbers = itertools.count()
        self._verified: dict[Path, tuple[int, int, int]] = {}
        (root / "work").mkdir(parents=True, exist_ok=True)
        self._lock = _locked(root / "work" / f"{name}.lock")
        self.work = root / "work" / name
        self.work.mkdir()
        _sweep(root / "work")

    def snapshot(self, snapshot: Snapshot, fetch: Callable[[], bytes]) -> Path:
        """Path of the snapshot's bytes, verified; `fetch` is asked when they are missing or damaged."""
        path = self._path(snapshot)
        if not self._is_sound(path, snapshot):
            self.keep(snapshot, fetch())
        _touch(path)
        return path

    def keep(self, snapshot: Snapshot, body: bytes) -> None:
        """Store bytes that the caller has verified or made."""
        path = self._path(snapshot)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.work / f"incoming-{next(self._numbers)}"  # two threads may fetch the same
        temporary.write_bytes(body)
        temporary.replace(path)
        _touch(path)
        self._verified[path] = _identity(path)
        self._evict(but=path)

    def forget(self, snapshot: Snapshot) -> None:
        """Called when the file could not be opened: whatever it is, it is fetched again."""
        self._verified.pop(self._path(snapshot), None)
        self._path(snapshot).unlink(missing_ok=True)

    def close(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        os.close(self._lock)

    def _path(self, snapshot: Snapshot) -> Path:
        _, file, name = snapshot.key.split("/")
        return self._snapshots / file / name

    def _is_sound(self, path: Path, snapshot: Snapshot) -> bool:
        try:
            identity = _identity(path)
            if self._verified.get(path) == identity:
                return True
            with path.open("rb") as opened:
                sound = hashlib.file_digest(opened, "sha256").hexdigest() == snapshot.sha256
        except FileNotFoundError:
            return False
        if sound:
            self._verified[path] = identity
        return sound

    def _evict(self, *, but: Path) -> None:
        """Remove the longest unused snapshots until the limit holds. One that another process has open
        stays readable there, and is fetched again if it is needed again."""
        found = []
        for path in self._snapshots.glob("*/*.duckdb"):
            with contextlib.suppress(FileNotFoundError):
                stat = path.stat()
                found.append((stat.st_atime_ns, stat.st_size, path))
        used = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if used <= self._limit_bytes:
                break
            if path != but:
                path.unlink(missing_ok=True)
                self._verified.pop(path, None)
                used -= size


def _identity(path: Path) -> tuple[int, int, int]:
    """Changes when the bytes do, so that a file is hashed once a process and not once a generation."""
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _touch(path: Path) -> None:
    """Note the last use, for eviction, in the access time alone."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))


def _locked(path: Path) -> int:
    """An open descriptor that holds the lock on `path` until the process ends."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)  # a sweep took the name away between the two calls


def _sweep(work: Path) -> None:
    """Remove the folders of processes that are gone."""
    for path in work.glob("*.lock"):
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            else:
                shutil.rmtree(path.with_suffix(""), ignore_errors=True)
                path.unlink(missing_ok=True)
            finally:
                os.close(descriptor)
