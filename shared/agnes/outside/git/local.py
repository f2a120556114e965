"""Repositories on this machine's disk (`file://`, where an operator allows it): nothing in them that is opened may wait."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from agnes.kernel.git import GitRefused, GitTooLarge

MAX_FILES = 500_000
MAX_TEXT_BYTES = 1_000_000
"""Of the files that are read as text: config and the names of other places."""
_MAX_PLACES = 8
"""Folders of objects that one repository borrows from others."""


def require_plain_files(path: Path) -> None:
    """Refuse what would hang whoever opens it: pipes, sockets and devices, by a link too, in the folders that git reads.

    Raises GitRefused, GitTooLarge. A folder that is missing or none is for the caller to name.
    """
    todo, seen, files = [path / ".git" if (path / ".git").exists() else path], set[tuple[int, int]](), 0
    places = 1
    while todo:
        folder = todo.pop()
        try:
            if not _is_folder(folder):
                continue
            known = (found := folder.stat()).st_dev, found.st_ino
            if known in seen:  # a link that leads back
                continue
            seen.add(known)
            with os.scandir(folder) as entries:
                for entry in entries:
                    files += 1
                    if files > MAX_FILES:
                        raise GitTooLarge(f"the repository has more than {MAX_FILES} files", hint="Run `git gc` in it.")
                    if _is_folder(Path(entry.path)):
                        todo.append(Path(entry.path))
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        if (borrowed := folder / "alternates").is_file() and folder.name == "info":
            named = [line for line in _text(borrowed).splitlines() if line and not line.startswith("#")]
            places += len(named)
            if places > _MAX_PLACES:
                raise GitTooLarge("the repository borrows objects from too many others", hint="Clone it whole.")
            todo += [folder.parent / line for line in named]
        if (config := folder / "config").is_file() and "[include" in _text(config).lower():
            raise GitRefused("the repository's config includes other files", hint="Clone it to a folder of its own.")


def _is_folder(path: Path) -> bool:
    """Whether it is one, and not a plain file. Raises GitRefused for anything else."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False
    except OSError as exc:  # links that lead to one another
        raise GitRefused(f"{path.name} in the repository leads nowhere ({exc.strerror})") from exc
    if stat.S_ISDIR(mode):
        return True
    if not stat.S_ISREG(mode):
        raise GitRefused(f"{path.name} in the repository is a pipe, a socket or a device", hint="Remove it.")
    return False


def _text(path: Path) -> str:
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise GitTooLarge(f"{path.name} in the repository is larger than {MAX_TEXT_BYTES} bytes")
    return path.read_text(errors="replace")
