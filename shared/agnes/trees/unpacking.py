"""A stored pack read back: its objects, and the files that they are; whether it is the pack of a tree."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agnes.trees import building
from agnes.trees import git_objects as git
from agnes.trees.model import Tree, TreeFile
from agnes.trees.rules import MAX_FILES, MAX_TREE_BYTES

_PIECE_BYTES = 4096
_MODES = {git.MODE_FILE.encode(): False, git.MODE_EXECUTABLE.encode(): True}


class _NoPack(Exception):
    """These bytes are not a pack that Agnes stored."""


@dataclass(frozen=True, slots=True)
class _Object:
    kind: int
    content: bytes

    @property
    def oid(self) -> str:
        return git.object_id(self.kind, self.content)


def files_of(pack: bytes) -> list[TreeFile] | None:
    """The files of the one folder that no other object of the pack is in; None if it is no whole pack."""
    try:
        return _files(pack)
    except (_NoPack, zlib.error, UnicodeDecodeError, ValueError):
        return None


def is_consistent(tree: Tree) -> bool:
    """Whether the index of a tree agrees with itself: paths, modes and ids with the id that git gives the whole."""
    known = {one.oid for one in tree.objects}
    try:
        root = building.add_folders(tree.files, git.object_id)
    except ValueError:
        return False
    ends = 0
    for one in tree.objects:
        if one.offset != ends or one.length <= 0:
            return False
        ends += one.length
    return root == tree.git_oid and root in known and all(file.oid in known for file in tree.files)


def is_pack_of(pack: bytes, tree: Tree) -> bool:
    """Whether each object of a consistent tree is in the pack at its place, and each file's stream too."""
    view = memoryview(pack)
    try:
        for one in tree.objects:
            if _object(view[one.offset : one.offset + one.length])[0].oid != one.oid:
                return False
        contents: dict[tuple[int, int], bytes] = {}
        for file in tree.files:
            place = (file.offset, file.length)
            if place not in contents:
                contents[place] = zlib.decompress(view[file.offset : file.offset + file.length])
            found = contents[place]
            if (len(found), zlib.crc32(found)) != (file.size_bytes, file.crc32):
                return False
    except (_NoPack, zlib.error):
        return False
    return True


def are_objects(entries: Iterable[tuple[str, bytes]]) -> bool:
    """Whether each (id, pack entry) is what the id names."""
    try:
        return all(_object(memoryview(entry))[0].oid == oid for oid, entry in entries)
    except (_NoPack, zlib.error, IndexError):
        return False


def _files(pack: bytes) -> list[TreeFile]:
    objects = {found.oid: found for found in _objects(pack)}
    folders = {oid: list(_lines(found.content)) for oid, found in objects.items() if found.kind == git.TREE}
    roots = folders.keys() - {oid for lines in folders.values() for _, _, oid in lines}
    if len(roots) != 1:
        raise _NoPack
    files: list[TreeFile] = []
    waiting = [("", next(iter(roots)))]
    while waiting:
        folder, oid = waiting.pop()
        for mode, name, inner in folders.get(oid, ()):
            if mode == git.MODE_TREE.encode():
                waiting.append((f"{folder}{name}/", inner))
            elif mode not in _MODES or inner not in objects or len(files) >= MAX_FILES:
                raise _NoPack
            else:
                files.append(TreeFile(f"{folder}{name}", objects[inner].content, _MODES[mode]))
    return files


def _lines(content: bytes) -> Iterator[tuple[bytes, str, str]]:
    """(mode, name, id) of each entry of a git tree."""
    at = 0
    while at < len(content):
        end = content.index(b"\0", at)
        mode, _, name = content[at:end].partition(b" ")
        yield mode, name.decode(), content[end + 1 : end + 21].hex()
        at = end + 21


def _objects(pack: bytes) -> Iterator[_Object]:
    view, size = memoryview(pack), 0
    while view:
        found, length = _object(view)
        size += len(found.content)
        if size > 2 * MAX_TREE_BYTES:
            raise _NoPack
        yield found
        view = view[length:]


def _object(view: memoryview) -> tuple[_Object, int]:
    """The object at the beginning, and how many bytes it takes."""
    kind, size, at = view[0] >> 4 & 7, view[0] & 15, 1
    while view[at - 1] & 0x80:
        if at >= min(len(view), 10):
            raise _NoPack
        size |= (view[at] & 0x7F) << (4 + 7 * (at - 1))
        at += 1
    if kind not in (git.COMMIT, git.TREE, git.BLOB) or size > MAX_TREE_BYTES:
        raise _NoPack
    inflate, out = zlib.decompressobj(), bytearray()
    while not inflate.eof and at < len(view):
        piece = view[at : at + _PIECE_BYTES]
        out += inflate.decompress(piece, size + 1 - len(out))
        if inflate.unconsumed_tail or len(out) > size:  # more than it declares
            raise _NoPack
        at += len(piece)
    if not inflate.eof or len(out) != size:
        raise _NoPack
    return _Object(kind, bytes(out)), at - len(inflate.unused_data)
