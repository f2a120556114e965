"""The objects of one commit, unpacked once into a temporary file and read by id."""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import IO

from dulwich.errors import FileFormatException
from dulwich.objects import Blob, Commit, ShaFile, Tag, Tree, parse_tree

from agnes.kernel.git import FOLDER, SUBMODULE, GitDamaged, GitEntry, GitTooLarge
from agnes.outside.git.limits import GitLimits

_SPOOL_BYTES = 16_000_000
_NAMES = {kind.type_num: kind.type_name for kind in (Commit, Tree, Blob, Tag)}

_Children = dict[str, tuple[int, str]]
"""Name → mode and id."""


class Spool(AbstractContextManager["Spool"]):
    """Raw objects by id, in one temporary file that goes when this is closed."""

    def __init__(self, limits: GitLimits) -> None:
        self.limits = limits
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES, prefix="agnes-git-")  # noqa: SIM115
        self._at: dict[str, tuple[int, int, int]] = {}
        self._end = 0

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __contains__(self, oid: str) -> bool:
        return oid in self._at

    def add(self, kind: int, raw: bytes) -> str:
        """The object's id, which follows from its content."""
        oid = hashlib.sha1(b"%s %d\0" % (_NAMES[kind], len(raw)) + raw, usedforsecurity=False).hexdigest()
        if oid in self._at:
            return oid
        if len(self._at) >= self.limits.objects:
            raise too_many_objects(self.limits.objects)
        if len(raw) > self.limits.object_bytes or self._end + len(raw) > self.limits.unpacked_bytes:
            raise too_large()
        self._file.seek(self._end)
        self._file.write(raw)
        self._at[oid] = (kind, self._end, len(raw))
        self._end += len(raw)
        return oid

    def kind(self, oid: str) -> int | None:
        """Git's number of the object's type, None if it is not here."""
        found = self._at.get(oid)
        return found[0] if found else None

    def size(self, oid: str) -> int | None:
        found = self._at.get(oid)
        return found[2] if found else None

    def raw(self, oid: str, kind: int) -> bytes:
        found = self._at.get(oid)
        if found is None:
            raise GitDamaged(f"the repository lacks its object {oid}")
        if found[0] != kind:
            raise GitDamaged(f"the repository's object {oid} is of another kind")
        _, offset, size = found
        self._file.seek(offset)
        return self._file.read(size)


def too_many_objects(limit: int) -> GitTooLarge:
    return GitTooLarge(f"the repository has more than {limit} objects in one commit", hint="Split it.")


def too_large() -> GitTooLarge:
    return GitTooLarge("the repository's files are larger than we take", hint="Remove large files from it.")


@dataclass
class SpooledSnapshot:
    """A `GitSnapshot` over a spool that holds everything below one commit."""

    commit: str
    spool: Spool
    root: str
    _met: dict[str, _Children] = field(default_factory=dict, repr=False)
    """Folders on the way to others, by id: the one that holds all plugins is asked for once a plugin."""
    _entries_met: int = 0
    _walked: int = 0

    @classmethod
    def of(cls, spool: Spool, oid: str) -> SpooledSnapshot:
        """`oid` names a commit, or a tag that leads to one."""
        try:
            for _ in range(8):  # a tag may name a tag
                if spool.kind(oid) != Tag.type_num:
                    break
                oid = Tag.from_string(spool.raw(oid, Tag.type_num)).object[1].decode()
            commit = Commit.from_string(spool.raw(oid, Commit.type_num))
            return cls(oid, spool, commit.tree.decode())
        except (ValueError, AttributeError, FileFormatException) as exc:
            raise GitDamaged(f"the repository's object {oid} is damaged") from exc

    def folder(self, path: str) -> str | None:
        oid = self.root
        for segment in filter(None, path.split("/")):
            mode, child = self._by_name(oid).get(segment, (0, ""))
            if mode != FOLDER:
                return None
            oid = child
        return oid

    def entry(self, path: str) -> GitEntry | None:
        folder, _, name = path.rpartition("/")
        tree = self.folder(folder)
        mode, oid = self._by_name(tree).get(name, (FOLDER, "")) if tree else (FOLDER, "")
        return None if mode == FOLDER else GitEntry(path, mode, oid, self._size(mode, oid))

    def walk(self, tree_id: str) -> Iterator[GitEntry]:
        todo: list[tuple[str, Iterator[tuple[str, int, str]]]] = [("", self._children(tree_id))]
        most = self.spool.limits.entries_walked
        enough = min(most, self._walked + most // 5)
        while todo:
            # Folders without a file in them yield nothing, and a few objects can name any number of them.
            self._walked += 1
            if self._walked > enough:
                raise GitDamaged(
                    f"its folders name more than {most // 5} files and folders, or all plugins more than {most}"
                )
            prefix, children = todo[-1]
            found = next(children, None)
            if found is None:
                todo.pop()
                continue
            name, mode, oid = found
            if mode == FOLDER:
                if len(todo) > 200:
                    raise GitDamaged("folders are nested more than 200 deep")
                todo.append((f"{prefix}{name}/", self._children(oid)))
            else:
                yield GitEntry(prefix + name, mode, oid, self._size(mode, oid))

    def read(self, oid: str) -> bytes:
        return self.spool.raw(oid, Blob.type_num)

    def _by_name(self, tree_id: str) -> _Children:
        found = self._met.get(tree_id)
        if found is None:
            found = {name: (mode, child) for name, mode, child in self._children(tree_id)}
            self._entries_met += len(found)
            if self._entries_met <= self.spool.limits.entries_met:
                self._met[tree_id] = found
        return found

    def _size(self, mode: int, oid: str) -> int:
        if mode == SUBMODULE:
            return 0
        size = self.spool.size(oid)
        if size is None:
            raise GitDamaged(f"the repository lacks its object {oid}")
        return size

    def _children(self, tree_id: str) -> Iterator[tuple[str, int, str]]:
        raw = self.spool.raw(tree_id, Tree.type_num)
        if len(raw) > self.spool.limits.folder_bytes:
            raise GitDamaged(f"the repository's folder {tree_id} has more entries than we take")
        try:
            for name, mode, oid in parse_tree(raw, 20):
                # A slash inside one name would read as folders that are not there.
                if b"/" in name or not name:
                    raise GitDamaged(f"the repository's folder {tree_id} holds an entry without a sound name")
                yield name.decode("utf-8", "surrogateescape"), mode, oid.decode()
        except (ValueError, FileFormatException) as exc:
            raise GitDamaged(f"the repository's folder {tree_id} is damaged") from exc


def copy_commit(load: Callable[[str], ShaFile], spool: Spool, oid: str) -> None:
    """Copy a commit and everything below it from a repository on disk, each object once."""
    todo = [(oid, 0)]
    while todo:
        if len(todo) > 10 * spool.limits.objects:
            raise too_many_objects(spool.limits.objects)
        wanted, mode = todo.pop()
        if wanted in spool or mode == SUBMODULE:
            continue
        try:
            item = load(wanted)
            spool.add(item.type_num, item.as_raw_string())
            if isinstance(item, Tag):
                todo.append((item.object[1].decode(), 0))
            elif isinstance(item, Commit):
                todo.append((item.tree.decode(), FOLDER))
            elif isinstance(item, Tree):
                todo.extend((child.decode(), mode) for _, mode, child in parse_tree(item.as_raw_string(), 20))
        except (KeyError, ValueError, FileFormatException, zlib.error):
            continue  # whoever reads what is missing will hear of it; the rest of the repository may be sound
