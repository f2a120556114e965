"""Storing trees and reading them back; what is stored never changes.

trees/<id>.pack    the git objects of the tree, encoded as pack entries, one after the other
trees/<id>.json    the Tree: what stands where in the pack
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence

import msgspec

from agnes.kernel.errors import NotFoundError, UnavailableError
from agnes.kernel.immutable import ImmutableCache
from agnes.kernel.ports import ANYTHING, ObjectStore
from agnes.trees import git_objects as git
from agnes.trees.model import FileEntry, PackedObject, Tree, TreeFile
from agnes.trees.rules import check_files

PREFIX = "trees/"


class TreeMissing(NotFoundError):
    code = "tree_missing"

    def __init__(self, tree_id: str) -> None:
        super().__init__(f"tree {tree_id} is not stored", hint="Sync the marketplace again.")


class TreeDamaged(UnavailableError):
    code = "tree_damaged"

    def __init__(self, tree_id: str) -> None:
        super().__init__(
            f"the stored files of a plugin are damaged (tree {tree_id})",
            hint="An operator restores trees/<id>.json and .pack, or registers the marketplace anew: runbook damaged-data.md.",
        )


def tree_id(files: Sequence[TreeFile]) -> str:
    """The id of a set of files: the same files, bytes and modes have the same id, in any order."""
    digest = hashlib.sha256(b"agnes tree 1\n")
    for file in sorted(files, key=lambda f: f.path):
        mode = b"x" if file.executable else b"-"
        digest.update(b"%s %s %s\n" % (mode, hashlib.sha256(file.body).hexdigest().encode(), file.path.encode()))
    return digest.hexdigest()


def put(store: ObjectStore, files: Sequence[TreeFile], *, known: str | None = None) -> Tree:
    """Store `files`. Raises UnsafePath before anything is written.

    Written even if they are there: nothing may have named them for long, and what is young is never swept. `known` is the
    id of a tree that a row names, which is there and is not swept either: it alone is not written again.
    """
    check_files(files)
    tree, pack = build(files)
    if tree.id == known:
        return tree
    # The pack first: a tree that can be read is whole. Both hold the same bytes whoever writes them.
    store.write(f"{PREFIX}{tree.id}.pack", pack, expect=ANYTHING)
    store.write(f"{PREFIX}{tree.id}.json", msgspec.json.encode(tree), expect=ANYTHING, content_type="application/json")
    return tree


def get(store: ObjectStore, tree_id: str) -> Tree:
    """Raises TreeMissing."""
    found = _read(store, tree_id)
    if found is None:
        raise TreeMissing(tree_id)
    return found


def read_pack(store: ObjectStore, tree_id: str) -> bytes:
    """The pack entries of a tree, to be sliced by its `objects` and `files`. Raises TreeMissing."""
    body = _packs.get(store, tree_id)
    if body is None:
        blob = store.read(f"{PREFIX}{tree_id}.pack")
        if blob is None:
            raise TreeMissing(tree_id)
        body = blob.body
        if len(body) != max((one.offset + one.length for one in get(store, tree_id).objects), default=0):
            raise TreeDamaged(tree_id)
        _packs.put(store, tree_id, body, len(body))
    return body


def read_file(store: ObjectStore, tree_id: str, path: str) -> bytes | None:
    """The content of one file, None if the tree has no such file. Raises TreeMissing."""
    for entry in get(store, tree_id).files:
        if entry.path == path:
            pack = read_pack(store, tree_id)
            return zlib.decompress(pack[entry.offset : entry.offset + entry.length])
    return None


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
    root = _add_folders(entries, add)
    size = sum(entry.size_bytes for entry in entries)
    return Tree(tree_id(files), root, tuple(entries), tuple(objects.values()), size), bytes(pack)


def _add_folders(entries: Sequence[FileEntry], add: object) -> str:
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


def _read(store: ObjectStore, tree_id: str) -> Tree | None:
    tree = _trees.get(store, tree_id)
    if tree is None:
        blob = store.read(f"{PREFIX}{tree_id}.json")
        if blob is None:
            return None
        try:
            tree = msgspec.json.decode(blob.body, type=Tree)
        except msgspec.DecodeError:
            raise TreeDamaged(tree_id) from None
        if tree.id != tree_id:
            raise TreeDamaged(tree_id)
        _trees.put(store, tree_id, tree, 200 * len(tree.files) + 200)
    return tree


_trees = ImmutableCache(20_000_000)
_packs = ImmutableCache(60_000_000)
