"""Whether the data folder can be stood on: told before anything is begun in it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from agnes.kernel.errors import UnavailableError

NEEDED_BYTES = 100_000_000
"""Of the disk. An empty installation takes a tenth of it."""
ELSEWHERE = "Set AGNES_DATA_DIR to a folder of yours"


class FolderUnfit(UnavailableError):
    code = "folder_unfit"


def check(folder: Path, *, needed_bytes: int = NEEDED_BYTES) -> None:
    """Make the folder if it is not there. Raises FolderUnfit."""
    shown = folder.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        probe = folder / f".can-i-write.{os.getpid()}"
        probe.write_bytes(b"yes")
        probe.unlink()
    except OSError as exc:
        there = next(path for path in (shown, *shown.parents) if path.exists())
        if not there.is_dir():
            problem = f"the data folder {shown} cannot be made: {there} is a file"
            raise FolderUnfit(problem, hint=f"{ELSEWHERE}, or move that file away.") from exc
        raise FolderUnfit(
            f"nothing can be written to the data folder {shown}: {exc.strerror}",
            hint=f"{ELSEWHERE}, or see whose it is (ls -ld {there}): it belongs to whoever started Agnes first.",
        ) from exc
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise FolderUnfit(
            f"the disk of the data folder {shown} is full: {free // 1_000_000} MB are free, and Agnes needs "
            f"{needed_bytes // 1_000_000} to work",
            hint="Make room, or set AGNES_DATA_DIR to a folder on another disk.",
        )
