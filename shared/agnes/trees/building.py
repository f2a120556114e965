"""From files to what is stored of them: the Tree and the git objects of its pack. Pure."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Sequence

from agnes.trees import git_objects as git
from agnes.trees.model import FileEntry, PackedObject, Tree, TreeFile


def tree_id(files: Sequence[TreeFile]) -> str:
    """The id of a set of files: the same files, bytes and modes have the same id, in any order."""
    digest = hashlib.sha256(b"agnes tree 1\n")
    for file in sorted(files, key=lambda f: f.path):
        mode = b"x" if file.executable else b"-"
        digest.update(b"%s %s %s\n" % (mode, hashlib.sha256(file.body).hexdigest().encode(), file.path.encode()))
    return digest.hexdigest()


def build(files: Sequence[TreeFile]) -> tuple[Tree, bytes]:
    """The Tree of `files` and its pack entries."""
    pack = bytearray()
    objects: dict[str, PackedObject] = {}
    streams: dict[str, tuple[int, int]] = {}

    def add(kind: int, content: bytes) -> str:
        oid = git.object_id(kind, content)
        if oid not in objects:
            entry = git.pack_entry(kind, content)
            header = len(git.entry_header(kind, len(content)))
            objects[oid] = PackedObject(oid, len(pack), len(entry))
            streams[oid] = (len(pack) + header, len(entry) - header)
            pack.extend(entry)
        return oid

    entries = []
    for file in sorted(files, key=lambda f: f.path):
        oid = add(git.BLOB, file.body)
        offset, length = streams[oid]
        entries.append(
            FileEntry(file.path, len(file.body), file.executable, oid, zlib.crc32(file.body), offset, length)
        )
    root = add_folders(entries, add)
    size = sum(entry.size_bytes for entry in entries)
    body = bytes(pack)
    digest = hashlib.sha256(body).hexdigest()
    return Tree(tree_id(files), root, tuple(entries), tuple(objects.values()), size, digest), body


def add_folders(entries: Sequence[FileEntry], add: Callable[[int, bytes], str]) -> str:
    """Add the git trees of every folder, the deepest first, and return the root's id."""
    folders: dict[str, list[tuple[str, str, str]]] = {"": []}
    for entry in entries:
        folder, _, name = entry.path.rpartition("/")
        while folder not in folders:
            folders[folder] = []
            folder = folder.rpartition("/")[0]
        mode = git.MODE_EXECUTABLE if entry.executable else git.MODE_FILE
        folders[entry.path.rpartition("/")[0]].append((mode, name, entry.oid))
    for folder in sorted((f for f in folders if f), key=lambda f: f.count("/"), reverse=True):
        oid = add(git.TREE, git.tree_content(folders[folder]))
        parent, _, name = folder.rpartition("/")
        folders[parent].append((git.MODE_TREE, name, oid))
    return add(git.TREE, git.tree_content(folders[""]))
