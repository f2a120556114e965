"""A file system that takes `A` and `a` for one name and keeps the one that was given first, as APFS and NTFS do.

The kernels that tests run on mount none, so it stands between the folder store and `os`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


class CaseFolding:
    """The functions of `os` that take a path. Below `root` each part is looked up without regard to case."""

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root.resolve())

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def _there(self, path: str) -> str:
        if not path.startswith(self._root + os.sep):
            return path
        found = self._root
        for part in path.removeprefix(self._root + os.sep).split(os.sep):
            try:
                names = {name.casefold(): name for name in os.listdir(found)}
            except (FileNotFoundError, NotADirectoryError):
                names = {}
            found = os.path.join(found, names.get(part.casefold(), part))
        return found

    def stat(self, path: str, **options: Any) -> os.stat_result:
        return os.stat(self._there(path), **options)

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        return os.open(self._there(path), flags, mode)

    def unlink(self, path: str) -> None:
        os.unlink(self._there(path))

    def rename(self, old: str, new: str) -> None:
        there = self._there(new)
        # Renaming a file to its own name in other letters changes the letters.
        os.rename(self._there(old), new if there.casefold() == self._there(old).casefold() else there)

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        os.mkdir(self._there(path), mode)

    def rmdir(self, path: str) -> None:
        os.rmdir(self._there(path))

    def scandir(self, path: str) -> Any:
        return os.scandir(self._there(path))
