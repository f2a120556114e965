"""A folder of this machine, such as people's homes.

Whoever owns a folder below the pattern's fixed part may put a link into it at any moment, so every name below is opened
by itself, relative to its opened parent and without following links: nobody makes us read another one's transcripts as theirs.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from agnes.kernel.drops import DropFile, DropPattern, DropRefused, DropUnreachable, FileUnreadable
from agnes.outside.drops.walk import Kind, Named, walk

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class FolderDrop:
    def __init__(self, *, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._fixed: tuple[str, ...] = ()

    def files(self, pattern: DropPattern, *, limit: int) -> Iterator[DropFile]:
        if not pattern.is_absolute:
            raise DropRefused("a folder's pattern begins with /", code="invalid_pattern")
        self._fixed = pattern.fixed
        root = "/" + "/".join(pattern.fixed)
        if not os.path.isdir(root):  # noqa: PTH112 (system calls, as everything here)
            raise DropUnreachable(f"there is no folder {root}", hint="Check the pattern.", code="location_missing")
        return walk(pattern, lambda below: self._listed(below, limit), limit=limit)

    def read(self, file: DropFile) -> bytes | None:
        self._check_time()
        *folders, name = file.path.strip("/").split("/")[len(self._fixed) :]
        try:
            with self._opened(tuple(folders)) as folder:
                fd = os.open(name, _FILE, dir_fd=folder)
        except PermissionError as exc:
            raise FileUnreadable(f"{file.path}: {exc.strerror}") from exc
        except OSError:
            return None  # gone, or a link by now
        try:
            with os.fdopen(fd, "rb") as stream:
                if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                    return None
                return stream.read(file.size_bytes)
        except OSError as exc:
            raise FileUnreadable(f"{file.path}: {exc.strerror}") from exc

    def _listed(self, below: tuple[str, ...], limit: int) -> list[Named]:
        self._check_time()
        found: list[Named] = []
        try:
            with self._opened(below) as folder, os.scandir(folder) as entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):
                        found.append(_named(entry.name, entry.stat(follow_symlinks=False)))
                    if len(found) == limit:
                        break
        except (FileNotFoundError, PermissionError, NotADirectoryError):
            return []
        except OSError as exc:
            if below:
                return []  # a link, or a name too long: one person's folder
            raise DropUnreachable(f"the folder cannot be read: {exc.strerror}") from exc
        return found

    @contextlib.contextmanager
    def _opened(self, below: tuple[str, ...]) -> Iterator[int]:
        """Raises OSError."""
        fd = os.open("/" + "/".join(self._fixed), _FOLDER)
        try:
            for name in below:
                inner = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=fd)
                os.close(fd)
                fd = inner
            yield fd
        finally:
            os.close(fd)

    def _check_time(self) -> None:
        if time.monotonic() > self._until:
            raise DropUnreachable("the time for this location is over", code="location_slow")


def _named(name: str, found: os.stat_result) -> Named:
    if stat.S_ISREG(found.st_mode):
        kind: Kind = "file"
    elif stat.S_ISDIR(found.st_mode):
        kind = "folder"
    else:
        kind = "link" if stat.S_ISLNK(found.st_mode) else "other"
    return Named(
        name,
        kind,
        found.st_size,
        f"{found.st_size}-{found.st_mtime_ns}",
        datetime.fromtimestamp(found.st_mtime_ns / 1e9, UTC),
    )
