"""Function code and layers on disk: each archive is unzipped once and shared by all that use it.

    <root>/archives/<hash>/    one code or layer archive, unzipped
    <root>/opt/<hash>/         several layers laid over one another, as Lambda does in /opt; hard links

A folder appears by rename when it is complete, so that a reader never sees half of one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO


class Packages:
    def __init__(self, root: Path) -> None:
        self._root = root

    def unpack(self, digest: str, download: Callable[[IO[bytes]], None]) -> Path:
        """The folder of the archive with this digest (any text that names its bytes); downloads it when new."""

        def fill(folder: Path) -> None:
            with tempfile.TemporaryFile() as archive:
                download(archive)
                _extract(archive, folder)

        return self._once(self._root / "archives" / _key(digest), fill)

    def overlay(self, layers: Sequence[Path]) -> Path | None:
        """What /opt holds: the layers in order, later ones over earlier ones. None without layers."""
        if len(layers) < 2:
            return layers[0] if layers else None

        def fill(folder: Path) -> None:
            for layer in layers:
                _link_over(layer, folder)

        return self._once(self._root / "opt" / _key(*(layer.name for layer in layers)), fill)

    def _once(self, target: Path, fill: Callable[[Path], None]) -> Path:
        if target.exists():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=target.parent, prefix="new-"))
        try:
            fill(staging)
            staging.rename(target)
        except OSError:
            if not target.exists():  # otherwise another thread was quicker, with the same content
                raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return target


def _key(*digests: str) -> str:
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:32]


def _extract(archive: IO[bytes], folder: Path) -> None:
    with zipfile.ZipFile(archive) as bundle:
        for member in bundle.infolist():
            path = bundle.extract(member, folder)
            if mode := (member.external_attr >> 16) & 0o777:
                Path(path).chmod(mode | 0o600 | (0o100 if member.is_dir() else 0))


def _link_over(layer: Path, folder: Path) -> None:
    for here, _, files in os.walk(layer):
        there = folder / Path(here).relative_to(layer)
        there.mkdir(parents=True, exist_ok=True)
        for name in files:
            (there / name).unlink(missing_ok=True)
            os.link(Path(here) / name, there / name)
