"""The object store in a folder: the embedded default. Several processes may share it.

    <root>/objects/…      one plain file per object, under its own name where possible
    <root>/tmp/…          files being written; a crash may leave some, which the next start removes
    <root>/locks/00…3f    lock files, one per stripe of keys
    <root>/names          there if names have no capital letters (letter_case), since the file system would mix them up

*Killed at any moment*: an object is the old one or the new one, whole; a write that returned is there.
*Power loss*: the same, on a file system that keeps its promises: the file is fsynced before it is
renamed into place, and its folder before the write returns.

A version is the file's modification time and size. The time is ours: set to the nanosecond before
the file appears, and greater than that of the file that it replaces, so versions of a key never repeat.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import re
import secrets
import shutil
import time
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from mmap import mmap
from pathlib import Path
from typing import Any, BinaryIO

from agnes.kernel.clock import SystemClock
from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import (
    ANYTHING,
    Absent,
    Anything,
    Blob,
    Clock,
    Entry,
    Expect,
    NotModified,
    OutcomeUnknown,
    PreconditionFailed,
    StoreUnfit,
    TryAgain,
    Unchanged,
    Version,
)
from agnes.kernel.signing import Signing
from agnes.outside.object_store import letter_case
from agnes.outside.object_store.keys import check_key, check_prefix, is_segment
from agnes.outside.object_store.mapped import PIECE_BYTES, Pieces
from agnes.outside.object_store.presigned import BodyCheck, PresignedPut, SelfSigned, Signer

STRIPES = 64
LOCK_SECONDS = 10.0
"""How long a write waits for the lock of its key; a holder only checks and renames."""
LEFTOVER_SECONDS = 3600
RENAMES = 100

_HAS_EXTENSION = re.compile(r"\.[a-z][a-z0-9]{0,8}\Z")
_MARK = "~"  # not a character of keys


class FolderStore(SelfSigned):
    """`base_url` is the address of the gateway that serves the presigned URLs, without a final slash."""

    def __init__(
        self,
        root: Path | str,
        *,
        secret: Signing,
        base_url: str,
        clock: Clock | None = None,
        lock_seconds: float = LOCK_SECONDS,
        system: Any = os,
    ) -> None:
        """`system` has the functions of `os` that touch files."""
        self._os = system
        self._clock: Clock = clock or SystemClock()
        self._signer = Signer(secret, base_url)
        self._lock_seconds = lock_seconds
        self._root = Path(root).resolve()
        self._objects = os.fspath(self._root / "objects")
        self._tmp = os.fspath(self._root / "tmp")
        self._locks = os.fspath(self._root / "locks")
        for folder in (self._objects, self._tmp, self._locks):
            self._make_folders(folder)
        self._remove_leftovers()
        self._check_file_system()
        self._without_capitals = self._settle_names()

    def read(self, key: str) -> Blob | None:
        path = self._path(key)
        with _available(key), open(path, "rb", buffering=0, opener=self._os.open) as file:
            return Blob(file.readall(), _version(os.fstat(file.fileno())))
        return None

    def read_if_changed(self, key: str, version: Version) -> Blob | NotModified | None:
        with _available(key):
            if _version(self._os.stat(self._path(key))) == version:
                return NotModified()
            return self.read(key)
        return None

    def open_file(self, key: str) -> BinaryIO | None:
        """The object as an open file, to be served piece by piece; what is open does not change."""
        with _available(key):
            return open(self._path(key), "rb", opener=self._os.open)
        return None

    def write(
        self, key: str, body: bytes | mmap, *, expect: Expect, content_type: str = "application/octet-stream"
    ) -> Version:
        del content_type  # a presigned GET says which type it serves
        return self._publish(key, [body], expect)

    def write_pieces(self, key: str, pieces: Iterable[bytes], *, content_type: str = "application/octet-stream") -> int:
        del content_type
        size, raised = 0, None

        def counted() -> Iterator[bytes]:
            nonlocal size, raised
            try:
                for piece in pieces:
                    size += len(piece)
                    yield piece
            except OSError as error:  # of whoever makes the pieces, and not of this folder
                raised = error
                raise

        try:
            self._publish(key, counted(), ANYTHING)
        except TryAgain:
            if raised is not None:
                raise raised from None
            raise
        return size

    def download(self, key: str, path: Path) -> bool:
        with _available(key):
            source = open(self._path(key), "rb", opener=self._os.open)  # noqa: SIM115 (closed below; only this may be missing)
            with source, path.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            return True
        return False

    def take_presigned(self, put: PresignedPut, chunks: Iterable[bytes], *, content_type: str | None) -> Version:
        """Store the body of an upload if it is the declared one. Raises UploadMismatch, then nothing is stored."""
        check = BodyCheck(put, content_type=content_type)

        def checked() -> Iterator[bytes]:
            yield from map(check.take, chunks)
            check.finish()

        return self._publish(put.key, checked(), ANYTHING)

    def list(self, prefix: str, *, after: str = "") -> Iterator[Entry]:
        folder = check_prefix(prefix).rpartition("/")[0]
        path = self._objects if not folder else os.path.join(self._objects, *map(self._folder_name, folder.split("/")))
        yield from self._walk(path, folder + "/" if folder else "", prefix, after)

    def remove(self, keys: Iterable[str]) -> None:
        folders = set()
        for key in keys:
            path = self._path(key)
            with _available(key), self._locked(key):
                self._os.unlink(path)
                folders.add(os.path.dirname(path))
        for folder in folders:
            with _available(folder):  # or another process removed the last object, and it
                self._sync_folder(folder)
            self._remove_empty(folder)

    def _path(self, key: str) -> str:
        *folders, leaf = check_key(key).split("/")
        return os.path.join(self._objects, *map(self._folder_name, folders), self._file_name(leaf))

    def _publish(self, key: str, chunks: Iterable[bytes | mmap], expect: Expect) -> Version:
        path = self._path(key)
        temporary = os.path.join(self._tmp, secrets.token_hex(16))
        try:
            self._check(key, path, expect)  # spares the loser its fsync
            with open(temporary, "xb", buffering=0, opener=self._private) as file:
                for chunk in chunks:
                    _write_all(file, chunk)
                os.utime(file.fileno(), ns=(stamp := time.time_ns(), stamp))
                os.fsync(file.fileno())
            with self._locked(key):
                self._check(key, path, expect)
                version = self._rename(temporary, path)
        except OSError as error:
            raise TryAgain(key, error.strerror or "the folder failed") from error
        finally:
            with contextlib.suppress(FileNotFoundError):
                self._os.unlink(temporary)
        try:
            self._sync_folder(os.path.dirname(path))
        except FileNotFoundError:
            pass  # already removed again, and its folder with it
        except OSError as error:
            raise OutcomeUnknown(key, error.strerror or "the folder failed") from error
        return version

    def _check(self, key: str, path: str, expect: Expect) -> None:
        if isinstance(expect, Anything):
            return
        current = self._stat(path)
        if isinstance(expect, Absent) and current is not None:
            raise PreconditionFailed(key)
        if isinstance(expect, Unchanged) and (current is None or _version(current) != expect.version):
            raise PreconditionFailed(key)

    def _rename(self, temporary: str, path: str) -> Version:
        """Under the key's lock: put the file into place, newer than what it replaces."""
        ours, current = self._os.stat(temporary), self._stat(path)
        if current is not None and ours.st_mtime_ns <= current.st_mtime_ns:
            # The clock was put back, or we waited for the lock while others wrote.
            fd = self._os.open(temporary, os.O_RDWR)
            try:
                os.utime(fd, ns=(current.st_mtime_ns + 1,) * 2)
                os.fsync(fd)
                ours = os.fstat(fd)
            finally:
                os.close(fd)
        for _ in range(RENAMES):
            with contextlib.suppress(FileNotFoundError):
                self._os.rename(temporary, path)
                return _version(ours)
            # It is the first object of its folder, or a remover just took the empty folder away.
            self._make_folders(os.path.dirname(path))
        raise FileNotFoundError(errno.ENOENT, "the file being written was taken away")

    @contextlib.contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Hold the stripe's lock. The kernel frees it when its holder dies.

        The lock file is opened anew each time: a descriptor kept open would be shared with threads
        and forked workers, and so exclude none of them.
        """
        name = os.path.join(self._locks, f"{zlib.crc32(key.encode()) % STRIPES:02x}")
        fd = self._os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._lock(fd, key)
            yield
        finally:
            os.close(fd)

    def _lock(self, fd: int, key: str) -> None:
        until = time.monotonic() + self._lock_seconds
        while True:
            try:
                return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:  # its holder was stopped, not killed
                    raise TryAgain(key, "its lock is held by a process that does not go on") from None
                time.sleep(random.uniform(0.0001, 0.0006))  # noqa: S311 - spreads waiters, guards nothing

    def _remove_empty(self, folder: str) -> None:
        while folder != self._objects:
            try:
                self._os.rmdir(folder)
            except OSError:
                return  # not empty, or somebody else did it
            folder = os.path.dirname(folder)

    def _remove_leftovers(self) -> None:
        for entry in self._os.scandir(self._tmp):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - entry.stat().st_mtime > LEFTOVER_SECONDS:
                    self._os.unlink(entry.path)

    def _check_file_system(self) -> None:
        """Versions need times to the nanosecond."""
        path = os.path.join(self._tmp, secrets.token_hex(16))
        stamp = time.time_ns() // 1000 * 1000 + 1
        with open(path, "xb", opener=self._private) as file:
            os.utime(file.fileno(), ns=(stamp, stamp))
            kept = os.fstat(file.fileno()).st_mtime_ns
        self._os.unlink(path)
        if kept != stamp:
            raise StoreUnfit(
                f"the file system of {self._root} does not keep file times to the nanosecond",
                hint="Put the data folder on another file system, such as ext4, xfs, btrfs or APFS.",
            )

    def _settle_names(self) -> bool:
        """Whether names are written without capital letters. Converts a folder that came from another file system."""
        marker = os.fspath(self._root / "names")
        if self._stat(marker) is not None:
            return True
        if not self._ignores_case():
            return False
        with self._locked("names"):
            self._encode_below(self._objects)
            fd = self._os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.fsync(fd)
            os.close(fd)
        self._sync_folder(os.fspath(self._root))
        return True

    def _ignores_case(self) -> bool:
        path = os.path.join(self._tmp, "case-" + secrets.token_hex(16))
        os.close(self._os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            return self._stat(os.path.join(self._tmp, os.path.basename(path).upper())) is not None
        finally:
            self._os.unlink(path)

    def _encode_below(self, folder: str) -> None:
        """Rename what has capital letters; run again after a crash, it goes on."""
        with self._os.scandir(folder) as entries:
            found = list(entries)
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                self._encode_below(entry.path)
            segment, mark = entry.name.removesuffix(_MARK), entry.name[-1:] if entry.name.endswith(_MARK) else ""
            if is_segment(segment) and (name := letter_case.encode(segment) + mark) != entry.name:
                self._os.rename(entry.path, os.path.join(folder, name))
        self._sync_folder(folder)

    def _file_name(self, segment: str) -> str:
        """`head.json` keeps its name and `README` becomes `README~`; folders do the opposite, so that the
        keys `a` and `a/b`, or `x.zip` and `x.zip/y`, never want one name for a file and for a folder."""
        return self._written(segment) + ("" if _HAS_EXTENSION.search(segment) else _MARK)

    def _folder_name(self, segment: str) -> str:
        return self._written(segment) + (_MARK if _HAS_EXTENSION.search(segment) else "")

    def _written(self, segment: str) -> str:
        return letter_case.encode(segment) if self._without_capitals else segment

    def _decoded(self, entry: os.DirEntry[str]) -> str | None:
        """The segment that a directory entry stands for, a folder's with its slash; None if it is no name of an object.

        With the slash it sorts as its keys do: `a-b` < `a/c` < `a0`.
        """
        segment, folder = entry.name.removesuffix(_MARK), entry.is_dir(follow_symlinks=False)
        if self._without_capitals:
            segment = letter_case.decode(segment)
        if not is_segment(segment) or entry.name != (self._folder_name if folder else self._file_name)(segment):
            return None
        return segment + "/" if folder else segment

    def _walk(self, path: str, key: str, prefix: str, after: str) -> Iterator[Entry]:
        """Entries under the folder `path`, whose keys begin with `key` ("" or ending in a slash), in key order."""
        found: list[tuple[str, str]] = []
        with _available(key), self._os.scandir(path) as entries:
            found = sorted((key + name, entry.path) for entry in entries if (name := self._decoded(entry)))
        for name, child in found:
            if name.endswith("/"):
                in_prefix = name.startswith(prefix) or prefix.startswith(name)
                if in_prefix and (name > after or after.startswith(name)):
                    yield from self._walk(child, name, prefix, after)
            elif name.startswith(prefix) and name > after:
                stat = self._stat(child)
                if stat is not None:
                    yield Entry(name, stat.st_size, _version(stat), datetime.fromtimestamp(stat.st_mtime, UTC))

    def _stat(self, path: str) -> os.stat_result | None:
        try:
            found: os.stat_result = self._os.stat(path)
            return found
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _private(self, path: str, flags: int) -> int:
        opened: int = self._os.open(path, flags, 0o600)
        return opened

    def _make_folders(self, path: str) -> None:
        """Make a folder and those above it, durably."""
        try:
            self._os.mkdir(path, 0o700)
        except FileExistsError:
            pass
        except FileNotFoundError:
            self._make_folders(os.path.dirname(path))
            self._make_folders(path)
        else:
            self._sync_folder(os.path.dirname(path))

    def _sync_folder(self, path: str) -> None:
        fd = self._os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


@contextlib.contextmanager
def _available(what: str) -> Iterator[None]:
    """A missing file ends the block quietly; whatever else the system refuses is UnavailableError."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise UnavailableError(f"the folder does not give {what}: {error.strerror}") from error


def _version(stat: os.stat_result) -> Version:
    return Version(f"{stat.st_mtime_ns:x}-{stat.st_size:x}")


def _write_all(file: BinaryIO, chunk: bytes | mmap) -> None:
    if isinstance(chunk, mmap):
        pieces = Pieces(chunk)
        while piece := pieces.read(PIECE_BYTES):
            _write_all(file, piece)
        return
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]
