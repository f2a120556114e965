"""Reading what is stored of plugins, so that damage is found before somebody needs it: trees, covers and documents that rows
name, and zips.

In another order each night and for VERIFY_SECONDS, so that all of a large installation is read in a few nights. Of a damaged tree
or file of a page a note is left for the next sync (`agnes.marketplace.rebuilding`); a damaged zip is removed, and made again by who asks for it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from hashlib import sha256

import msgspec

from agnes.feed import zips
from agnes.feed.limits import VERIFY_SECONDS
from agnes.flea import service as flea
from agnes.kernel.ports import Clock, ObjectStore
from agnes.kernel.state import State
from agnes.marketplace import assets, rebuilding
from agnes.trees import damage
from agnes.trees import service as trees

log = logging.getLogger("agnes.feed")

LOST = "its stored files were damaged; its owner uploads it again, or an operator restores them from a backup"


def verify(
    state: State,
    store: ObjectStore,
    used: Collection[str],
    files: Collection[str] = (),
    *,
    clock: Clock,
    now: datetime,
) -> dict[str, int]:
    """Read the trees `used`, the `files` of pages (by digest) and the zips.

    Returns how many objects were read, and how many of them are damaged. Raises UnavailableError."""
    began, verified, damaged = clock.monotonic(), 0, 0
    _close_notes(state, store, used)
    assets.close(store, assets.noted(store) - set(files))
    are_whole = {"tree": _is_whole_tree, "zip": _is_whole_zip, "file": _is_whole_file}
    for kind, name in _in_turn({"tree": used, "zip": _stored_zips(store), "file": files}, now):
        if clock.monotonic() - began > VERIFY_SECONDS:
            break
        verified += 1
        damaged += not are_whole[kind](store, name)
    return {"verified": verified, "damaged": damaged}


def _close_notes(state: State, store: ObjectStore, used: Collection[str]) -> None:
    """Notes of what nothing names go. What the flea market alone has is built again from its pack, or is named as lost."""
    notes = damage.notes(store)
    if not notes:
        return
    with state.read("marketplace", "flea") as db:
        of_marketplaces, of_people = rebuilding.holders(db, notes), flea.holders(db, notes)
    for tree_id, note in notes.items():
        if tree_id not in used:
            damage.close(store, tree_id)
        elif tree_id in of_marketplaces:
            continue  # its sync does it
        elif trees.problem(store, tree_id) is None or trees.mend_index(store, tree_id):
            damage.close(store, tree_id)
        elif not note.lost:
            log.error("%s is lost (tree %s): %s", ", ".join(of_people.get(tree_id, ())), tree_id, LOST)
            damage.update(store, msgspec.structs.replace(note, lost=LOST))


def _stored_zips(store: ObjectStore) -> list[str]:
    return [e.key.removeprefix(zips.ZIPS)[:-4] for e in store.list(zips.ZIPS) if e.key.endswith(".zip")]


def _in_turn(kinds: Mapping[str, Collection[str]], now: datetime) -> Iterator[tuple[str, str]]:
    found = [(kind, name) for kind, names in kinds.items() for name in names]
    yield from sorted(found, key=lambda one: sha256(f"{now:%Y-%m-%d} {one}".encode()).digest())


def _is_whole_file(store: ObjectStore, digest: str) -> bool:
    reason = assets.problem(store, digest)
    if reason is not None:
        assets.report(store, digest, reason)
    return reason is None


def _is_whole_tree(store: ObjectStore, tree_id: str) -> bool:
    reason = trees.problem(store, tree_id)
    if reason is not None:
        damage.report(store, tree_id, reason)
    return reason is None


def _is_whole_zip(store: ObjectStore, commit: str) -> bool:
    receipt = zips.receipt_of(store, commit)
    blob = store.read(f"{zips.ZIPS}{commit}.zip")
    if receipt is None or blob is None or sha256(blob.body).hexdigest() == receipt.sha256:
        return True  # without a receipt it is made again by who asks for it
    log.error("%s%s.zip is damaged; it is made again by who asks for it", zips.ZIPS, commit)
    store.remove([f"{zips.ZIPS}{commit}.json"])
    return False
