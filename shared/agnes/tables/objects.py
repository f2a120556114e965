"""Objects of tables: immutable parquet files under the digest of their bytes, and copies of them on this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ids import new_nonce
from agnes.kernel.ports import ANYTHING, ObjectStore

PREFIX = "tables/objects/"
CONTENT_TYPE = "application/vnd.apache.parquet"
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class TableObject:
    sha256: str
    size_bytes: int
    rows: int
    partition: str = ""
    """Such as `2026-11`; empty where a table has none."""


@dataclass(frozen=True, slots=True)
class LocalObject:
    """A parquet file that was written here."""

    path: Path
    rows: int
    partition: str = ""


def key_of(sha256: str) -> str:
    return f"{PREFIX}{sha256}.parquet"


def sha256_of_key(key: str) -> str:
    return key.removeprefix(PREFIX).removesuffix(".parquet")


def digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.hexdigest()


def put(store: ObjectStore, local: LocalObject) -> TableObject:
    """Store a file. Whoever writes the same bytes writes the same object, so it does not matter who was first."""
    sha256, size = digest(local.path), local.path.stat().st_size
    with local.path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
        store.write(key_of(sha256), mapped, expect=ANYTHING, content_type=CONTENT_TYPE)
    return TableObject(sha256, size, local.rows, local.partition)


def hash_of(objects: Sequence[TableObject]) -> str:
    """Of a table's content: changes when an object, or their order, does."""
    found = hashlib.sha256()
    for each in objects:
        found.update(f"{each.partition}\t{each.sha256}\n".encode())
    return found.hexdigest()


class ObjectDamaged(UnavailableError):
    code = "table_object_damaged"

    def __init__(self, sha256: str) -> None:
        super().__init__(
            f"{key_of(sha256)} is missing or damaged",
            hint="Collect the table again: POST /api/admin/tables/collect.",
        )


class LocalObjects:
    """Copies of objects in a folder, each verified when it is fetched, the longest unused ones removed beyond a size."""

    def __init__(self, folder: Path, store: ObjectStore, *, limit_bytes: int) -> None:
        self._folder = folder
        self._store = store
        self._limit_bytes = limit_bytes

    def paths(self, wanted: Iterable[TableObject]) -> list[Path]:
        """Of each object. Raises ObjectDamaged, UnavailableError."""
        found = [self._fetched(each) for each in wanted]
        self._make_room({path.name for path in found})
        return found

    def _fetched(self, each: TableObject) -> Path:
        path = self._folder / f"{each.sha256}.parquet"
        try:
            if path.stat().st_size == each.size_bytes:
                path.touch()
                return path
        except FileNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True)
        fetching = self._folder / f"{each.sha256}.{new_nonce()}.part"
        try:
            if not self._store.download(key_of(each.sha256), fetching) or digest(fetching) != each.sha256:
                raise ObjectDamaged(each.sha256)
            fetching.chmod(0o444)
            fetching.replace(path)
        finally:
            fetching.unlink(missing_ok=True)
        return path

    def _make_room(self, used: set[str]) -> None:
        kept = (
            sorted(
                ((path.stat().st_mtime, path.stat().st_size, path) for path in self._folder.glob("*.parquet")),
                key=lambda each: each[0],
            )
            if self._folder.exists()
            else []
        )
        total = sum(size for _, size, _ in kept)
        for _, size, path in kept:
            if total <= self._limit_bytes:
                return
            if path.name not in used:
                path.unlink(missing_ok=True)
                total -= size
