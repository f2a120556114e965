"""The copies of a workspace's tables, all below `<workspace>/server`.

manifest.json                  the last manifest: `{server, etag, tables}`
parquet/<id>/<sha256>.parquet  an object, put in place once its bytes were verified
parquet/<id>/<sha256>.part     an object that is being downloaded; the next pull goes on where it ends
parquet/<id>/table.json        the objects that the table consists of now; replaced in one step when all of them are there
pulled                         its time of change is when everything was last up to date
pull-failed                    why the last pull left something, in one line for the status line
pull.lock                      one pull at a time

A query reads `table.json` and the objects that it names, so it never sees half of two versions.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE_ID = re.compile(r"[a-z0-9_]{1,64}")
SHA256 = re.compile(r"[0-9a-f]{64}")
PULLED = "pulled"
FAILED = "pull-failed"


@dataclass(frozen=True, slots=True)
class TableObject:
    """A parquet file of a table; `size_bytes` and `sha256` are of its bytes."""

    sha256: str
    size_bytes: int
    rows: int

    @property
    def name(self) -> str:
        return f"{self.sha256}.parquet"


@dataclass(frozen=True, slots=True)
class TableVersion:
    """A table as a manifest describes it: together its objects, in this order, are the table."""

    id: str
    name: str
    hash: str
    changed_at: str
    rows: int
    objects: tuple[TableObject, ...]

    @property
    def size_bytes(self) -> int:
        return sum(each.size_bytes for each in self.objects)

    def as_json(self) -> dict[str, Any]:
        objects = [{"sha256": each.sha256, "size_bytes": each.size_bytes, "rows": each.rows} for each in self.objects]
        return {
            "id": self.id,
            "name": self.name,
            "hash": self.hash,
            "changed_at": self.changed_at,
            "rows": self.rows,
            "objects": objects,
        }

    @classmethod
    def parse(cls, said: Any) -> TableVersion:
        """Raises ValueError: ids and hashes become names of files, so nothing else is taken."""
        try:
            objects = tuple(
                TableObject(str(each["sha256"]), int(each["size_bytes"]), int(each["rows"])) for each in said["objects"]
            )
            version = cls(
                str(said["id"]),
                str(said["name"]),
                str(said["hash"]),
                str(said["changed_at"]),
                int(said["rows"]),
                objects,
            )
        except (KeyError, TypeError, AttributeError) as exc:
            raise ValueError(f"no description of a table: {type(exc).__name__}") from exc
        if not TABLE_ID.fullmatch(version.id):
            raise ValueError(f"{version.id[:80]!r} is no id of a table")
        for each in version.objects:
            if not SHA256.fullmatch(each.sha256) or each.size_bytes < 0:
                raise ValueError(f"{version.id} has an object that is named {each.sha256[:80]!r}")
        return version


class TableCopies:
    """`root` is the workspace."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "server"
        self.parquet = self.folder / "parquet"

    def folder_of(self, table_id: str) -> Path:
        return self.parquet / table_id

    def make(self) -> None:
        """Create the folder, hidden from git: the tables are granted to a person, not to a repository."""
        self.parquet.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignored = self.folder / ".gitignore"
        if not ignored.exists():
            ignored.write_text("*\n", encoding="utf-8")

    def exists(self) -> bool:
        return self.parquet.is_dir()

    def ids(self) -> list[str]:
        """Of the tables that have a folder, complete or not."""
        try:
            names = [entry.name for entry in os.scandir(self.parquet) if entry.is_dir()]
        except OSError:
            return []
        return sorted(name for name in names if TABLE_ID.fullmatch(name))

    def find(self, table_id: str) -> TableVersion | None:
        """What the copy of a table is now; None where there is none."""
        try:
            return TableVersion.parse(json.loads((self.folder_of(table_id) / "table.json").read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return None

    def tables(self) -> list[TableVersion]:
        found = (self.find(table_id) for table_id in self.ids())
        return [version for version in found if version is not None]

    def paths(self, version: TableVersion) -> list[Path]:
        """The objects of a table, in order."""
        return [self.folder_of(version.id) / each.name for each in version.objects]

    def missing(self, version: TableVersion) -> list[TableObject]:
        """Objects that are not there, each once, or that do not have their size."""
        try:
            sizes = {entry.name: entry.stat().st_size for entry in os.scandir(self.folder_of(version.id))}
        except OSError:
            sizes = {}
        needed = dict.fromkeys(version.objects)
        return [each for each in needed if sizes.get(each.name) != each.size_bytes]

    def put(self, version: TableVersion) -> None:
        """From now on queries see this version, whose objects must all be there."""
        folder = self.folder_of(version.id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_text(folder / "table.json", json.dumps(version.as_json()))

    def superseded(self, version: TableVersion) -> list[Path]:
        """Objects and parts of downloads in a table's folder that this version does not name."""
        kept = {name for each in version.objects for name in (each.name, f"{each.sha256}.part")} | {"table.json"}
        try:
            return [Path(entry.path) for entry in os.scandir(self.folder_of(version.id)) if entry.name not in kept]
        except OSError:
            return []

    def remove(self, table_id: str) -> None:
        """First what queries read, so that nobody reads a table in part."""
        folder = self.folder_of(table_id)
        (folder / "table.json").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)

    def manifest(self, server: str) -> tuple[str, list[TableVersion]] | None:
        """(ETag, tables) of the last manifest, if it was this server's."""
        try:
            said = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
            if said["server"] != server:
                return None
            return str(said["etag"]), [TableVersion.parse(each) for each in said["tables"]]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep_manifest(self, server: str, etag: str, tables: Sequence[TableVersion]) -> None:
        said = {"server": server, "etag": etag, "tables": [each.as_json() for each in tables]}
        replace_text(self.folder / "manifest.json", json.dumps(said))

    def note_outcome(self, failed: Mapping[str, str] | str) -> None:
        """What the status line shows: nothing while all is up to date. `failed`: table → reason, or why nothing was done."""
        if not failed:
            (self.folder / FAILED).unlink(missing_ok=True)
            replace_text(self.folder / PULLED, "")
            return
        text = failed if isinstance(failed, str) else f"{len(failed)} tables not updated"
        with suppress(OSError):  # a status line is not worth a failure
            replace_text(self.folder / FAILED, " ".join(text.split())[:120])


def remove_files(files: Collection[Path]) -> None:
    """What an open reader holds on to (on Windows) stays for the next time."""
    for file in files:
        with suppress(OSError):
            shutil.rmtree(file) if file.is_dir() and not file.is_symlink() else file.unlink(missing_ok=True)


def replace_text(path: Path, text: str) -> None:
    """Whole or not at all, also when the computer stops in between."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
