"""Storing trees and reading them back; what is stored never changes.

trees/<id>.pack    the git objects of the tree, encoded as pack entries, one after the other
trees/<id>.json    the Tree: what is where in the pack, and the pack's SHA-256; with a digest of its own

Whoever reads one compares the digests. An earlier release stored none: such an index is compared with the ids that git gives
its folders, and such a pack with the ids of its objects.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from time import perf_counter

import msgspec

from agnes.kernel import sealed
from agnes.kernel.errors import UnavailableError
from agnes.kernel.immutable import ImmutableCache
from agnes.kernel.ports import ANYTHING, ObjectStore
from agnes.trees import building, damage, unpacking
from agnes.trees.building import build, tree_id
from agnes.trees.damage import TreeDamaged
from agnes.trees.model import Tree, TreeFile
from agnes.trees.rules import check_files

__all__ = ["TreeDamaged", "build", "tree_id"]

PREFIX = "trees/"
AT_ONCE = 8
WORTH_A_THREAD_SECONDS = 0.002
"""A folder answers in less; object storage takes ten times as long."""


def put(store: ObjectStore, files: Sequence[TreeFile], *, known: str | None = None) -> Tree:
    """Store `files`. Raises UnsafePath before anything is written.

    Written even if they are there: nothing may have named them for long, and what is young is never collected as garbage. `known` is the
    id of a tree that a row names, which is there and is not collected either: it alone is not written again.
    """
    check_files(files)
    tree, pack = build(files)
    if tree.id == known:
        return tree
    # The pack first: a tree that can be read is whole. Both hold the same bytes whoever writes them.
    store.write(pack_key(tree.id), pack, expect=ANYTHING)
    store.write(index_key(tree.id), _encoded(tree), expect=ANYTHING, content_type="application/json")
    return tree


def index_key(tree_id: str) -> str:
    return f"{PREFIX}{tree_id}.json"


def pack_key(tree_id: str) -> str:
    return f"{PREFIX}{tree_id}.pack"


def get(store: ObjectStore, tree_id: str) -> Tree:
    """Raises TreeDamaged, also for a tree that is missing, and leaves a note of it."""
    tree = _trees.get(store, tree_id)
    if tree is None:
        tree = _read_index(store, tree_id)
        if isinstance(tree, str):
            raise damage.report(store, tree_id, tree)
        _keep(store, tree)
    return tree


def _keep(store: ObjectStore, tree: Tree) -> None:
    _trees.put(store, tree.id, tree, 200 * len(tree.files) + 200)


def get_all(store: ObjectStore, tree_ids: Iterable[str]) -> list[Tree]:
    """The same for several, in order; a TreeDamaged names all that are damaged.

    What is not in memory is read side by side, if the first read shows that the store is waited for.
    """
    wanted = list(tree_ids)
    fetch(store, wanted)
    found: list[Tree] = []
    damaged: dict[str, str] = {}
    for one in wanted:
        try:
            found.append(get(store, one))
        except TreeDamaged as exc:
            damaged |= exc.found
    if damaged:
        raise TreeDamaged(damaged)
    return found


def fetch(store: ObjectStore, tree_ids: Iterable[str]) -> None:
    """Bring the indexes of these into memory; of what is damaged nothing is said here. Raises UnavailableError."""
    missing = [one for one in dict.fromkeys(tree_ids) if _trees.get(store, one) is None]
    if len(missing) < 3:
        return
    began = perf_counter()
    _into_memory(store, missing[0])
    if perf_counter() - began < WORTH_A_THREAD_SECONDS:
        return
    with ThreadPoolExecutor(min(AT_ONCE, len(missing) - 1), thread_name_prefix="agnes-trees") as pool:
        for one in missing[1:]:
            pool.submit(copy_context().run, _try_into_memory, store, one)


def _try_into_memory(store: ObjectStore, tree_id: str) -> None:
    with suppress(UnavailableError):
        _into_memory(store, tree_id)


def _into_memory(store: ObjectStore, tree_id: str) -> None:
    tree = _read_index(store, tree_id)
    if not isinstance(tree, str):
        _keep(store, tree)


def read_pack(store: ObjectStore, tree_id: str) -> bytes:
    """The pack entries of a tree, to be sliced by its `objects` and `files`. Raises TreeDamaged, and leaves a note of it."""
    body = _packs.get(store, tree_id)
    if body is None:
        body = _read_pack(store, get(store, tree_id))
        if isinstance(body, str):
            raise damage.report(store, tree_id, body)
        _packs.put(store, tree_id, body, len(body))
    return body


def read_file(store: ObjectStore, tree_id: str, path: str) -> bytes | None:
    """The content of one file, None if the tree has no such file. Raises TreeDamaged."""
    for entry in get(store, tree_id).files:
        if entry.path == path:
            pack = read_pack(store, tree_id)
            return zlib.decompress(pack[entry.offset : entry.offset + entry.length])
    return None


def problem(store: ObjectStore, tree_id: str) -> str | None:
    """Why the stored tree is damaged, read anew from the store whatever is in memory; None: it is whole."""
    tree = _read_index(store, tree_id)
    if isinstance(tree, str):
        return tree
    body = _read_pack(store, tree)
    return body if isinstance(body, str) else None


def mend_index(store: ObjectStore, tree_id: str) -> bool:
    """Write a tree again from its pack alone, if that is whole: its objects say what the files were."""
    blob = store.read(pack_key(tree_id))
    files = unpacking.files_of(blob.body) if blob is not None else None
    if files is None or building.tree_id(files) != tree_id:
        return False
    put(store, files)
    return True


def put_away(store: ObjectStore, tree_id: str) -> None:
    """Move what is there of a damaged tree below `damaged/`."""
    for key in (index_key(tree_id), pack_key(tree_id)):
        blob = store.read(key)
        if blob is not None:
            sealed.put_away(store, key, blob.body)


def _encoded(tree: Tree) -> bytes:
    return sealed.seal(index_key(tree.id), msgspec.json.encode(tree))


def _read_index(store: ObjectStore, tree_id: str) -> Tree | str:
    """The tree, or why its index is damaged."""
    blob = store.read(index_key(tree_id))
    if blob is None:
        return damage.MISSING
    if not blob.body:
        return damage.EMPTY
    try:
        tree = msgspec.json.decode(sealed.opened(index_key(tree_id), blob.body), type=Tree)
    except (msgspec.DecodeError, sealed.Unsealed):
        return damage.CHANGED
    is_whole = tree.id == tree_id and (sealed.is_sealed(blob.body) or unpacking.is_consistent(tree))
    return tree if is_whole else damage.CHANGED


def _read_pack(store: ObjectStore, tree: Tree) -> bytes | str:
    """The pack, or why it is damaged."""
    blob = store.read(pack_key(tree.id))
    if blob is None:
        return damage.MISSING
    size = max((one.offset + one.length for one in tree.objects), default=0)
    if len(blob.body) != size:
        return damage.EMPTY if not blob.body else damage.TRUNCATED if len(blob.body) < size else damage.CHANGED
    if tree.pack_sha256:
        is_same = hashlib.sha256(blob.body).hexdigest() == tree.pack_sha256
    else:
        is_same = unpacking.is_pack_of(blob.body, tree)
    return blob.body if is_same else damage.CHANGED


_trees = ImmutableCache(20_000_000)
_packs = ImmutableCache(60_000_000)
