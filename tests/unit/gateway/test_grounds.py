"""A data folder that cannot be used is told before anything is begun, with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from agnes_local import grounds
from agnes_local.grounds import FolderUnfit


def test_a_new_folder_is_made_for_its_owner_alone_and_left_empty(tmp_path: Path) -> None:
    grounds.check(tmp_path / "a" / ".agnes")
    assert list((tmp_path / "a" / ".agnes").iterdir()) == []
    assert (tmp_path / "a" / ".agnes").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("below", ["", "/x/.agnes"])
def test_a_file_in_its_place_is_named(tmp_path: Path, below: str) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(FolderUnfit, match=f"{tmp_path}/taken is a file") as told:
        grounds.check(Path(f"{tmp_path}/taken{below}"))
    assert "AGNES_DATA_DIR" in told.value.hint


def test_a_folder_that_takes_nothing_is_named_with_the_reason() -> None:
    """Not even from root."""
    with pytest.raises(FolderUnfit, match="nothing can be written to the data folder /proc/agnes: ") as told:
        grounds.check(Path("/proc/agnes"))
    assert "ls -ld /proc)" in told.value.hint


def test_a_full_disk_is_told_with_what_is_free(tmp_path: Path) -> None:
    with pytest.raises(FolderUnfit, match=r"is full: \d+ MB are free, and Agnes needs 1000000000000 to work"):
        grounds.check(tmp_path, needed_bytes=10**18)
