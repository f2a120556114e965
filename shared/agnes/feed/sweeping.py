"""Removing trees and assets that nothing names any more.

In use is what a row of a state file names, and what a view that is still kept holds. What is not is
condemned first, in `feed/condemned.json`, and removed when it has been so for GRACE: a state that is
restored from a recent generation finds its trees, and so does whoever is reading one just now.

A sync may store a tree again that was condemned. So its objects are written anew (`trees.service.put`)
unless a row names it, young ones are never removed, and syncs stand still while this removes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from agnes.feed import service, verifying
from agnes.feed.limits import GRACE, SWEEP_SECONDS
from agnes.flea import service as flea
from agnes.kernel import sealed
from agnes.kernel.ports import ANYTHING, Entry
from agnes.marketplace import assets, browsing, claims
from agnes.marketplace.service import marketplaces
from agnes.trees import service as trees

if TYPE_CHECKING:
    from agnes.kernel.ports import Clock, ObjectStore
    from agnes.kernel.state import Db, State

TREES_OF: Mapping[str, Callable[[Db], set[str]]] = {"flea": flea.tree_ids, "marketplace": browsing.tree_ids}
"""State file of every domain that stores trees → the trees that its rows name."""
FILES = tuple(TREES_OF)
CONDEMNED = "feed/condemned.json"
BATCH = 500


class Condemned(msgspec.Struct, frozen=True):
    """Since when nothing names an object, by its name below its prefix."""

    trees: dict[str, datetime] = {}
    assets: dict[str, datetime] = {}


def sweep(
    state: State, store: ObjectStore, *, clock: Clock, now: datetime, dry_run: bool = False
) -> dict[str, int | str]:
    """Condemn and remove; how many of each, or who stood in the way.

    Started again after it died, it goes on: what is removed is condemned still, or not listed any more.
    """
    old = {prefix: _old(store, prefix, now) for prefix in (trees.PREFIX, assets.PREFIX)}
    kept = _condemned(store)
    with state.read(*FILES) as db:
        condemned = Condemned(
            _still(kept.trees, old[trees.PREFIX], trees_in_use(db, store), now),
            _still(kept.assets, old[assets.PREFIX], assets_in_use(db), now),
        )
        ids = [m.id for m in marketplaces(db)]
        used, files = trees_of_rows(db), assets_in_use(db)
    verified = verifying.verify(state, store, used, files, clock=clock, now=now) if not dry_run else {}
    due = {
        trees.PREFIX: {name for name, since in condemned.trees.items() if since <= now - GRACE},
        assets.PREFIX: {name for name, since in condemned.assets.items() if since <= now - GRACE},
    }
    report: dict[str, int | str] = {
        "trees_removed": len(due[trees.PREFIX]),
        "assets_removed": len(due[assets.PREFIX]),
        "condemned": len(condemned.trees) + len(condemned.assets) - sum(map(len, due.values())),
    }
    report |= verified
    if dry_run:
        return report
    if condemned != kept:
        body = sealed.seal(CONDEMNED, msgspec.json.encode(condemned))
        store.write(CONDEMNED, body, expect=ANYTHING, content_type="application/json")
    if not any(due.values()):
        return report
    try:
        with ExitStack() as standing_still:
            for marketplace_id in ids:
                standing_still.enter_context(claims.claimed(store, marketplace_id, clock=clock, seconds=SWEEP_SECONDS))
            with state.read(*FILES) as db:  # what a sync has committed until now
                in_use = {trees.PREFIX: trees_in_use(db, store), assets.PREFIX: assets_in_use(db)}
            for prefix, names in due.items():
                _remove(store, prefix, names - in_use[prefix], now)
    except claims.SyncRunning as running:
        return report | {"trees_removed": 0, "assets_removed": 0, "postponed": running.message}
    return report


def trees_in_use(db: Db, store: ObjectStore) -> set[str]:
    """What any row names, and what any view holds that is still kept."""
    found = trees_of_rows(db)
    for entry in store.list(service.VIEWS):
        blob = store.read(entry.key)
        if blob is not None:
            view = service.decoded_view(entry.key, blob.body)
            if view is not None:  # of a damaged one what a row names is kept, the rest has a week
                found |= {plugin.tree_id for plugin in view.plugins}
    return found


def trees_of_rows(db: Db) -> set[str]:
    """What any row names."""
    return set().union(*(tree_ids(db) for tree_ids in TREES_OF.values()))


def assets_in_use(db: Db) -> set[str]:
    """What a page shows, and every good copy of the mirror."""
    return browsing.asset_hashes(db) | flea.asset_hashes(db)


def _old(store: ObjectStore, prefix: str, now: datetime) -> set[str]:
    """Names of the objects below a prefix that are not young; a tree's pack and index are one."""
    young: set[str] = set()
    found: set[str] = set()
    for entry in store.list(prefix):
        name = entry.key.removeprefix(prefix).partition(".")[0]
        (found if _is_old(entry, now) else young).add(name)
    return found - young


def _is_old(entry: Entry, now: datetime) -> bool:
    return entry.modified_at < now - GRACE


def _condemned(store: ObjectStore) -> Condemned:
    blob = store.read(CONDEMNED)
    try:
        said = sealed.opened(CONDEMNED, blob.body) if blob is not None else b"{}"
        return msgspec.json.decode(said, type=Condemned)
    except (msgspec.DecodeError, sealed.Unsealed):
        return Condemned()  # damaged: each is condemned anew, a week later


def _still(kept: Mapping[str, datetime], old: set[str], used: set[str], now: datetime) -> dict[str, datetime]:
    return {name: kept.get(name, now) for name in sorted(old - used)}


def _remove(store: ObjectStore, prefix: str, names: Iterable[str], now: datetime) -> None:
    """Look once more at each; a tree's index goes before its pack, so that a tree that can be read is whole."""
    for start in range(0, len(ordered := sorted(names)), BATCH):
        batch = ordered[start : start + BATCH]
        listed = {name: list(store.list(f"{prefix}{name}")) for name in batch}
        still = [name for name in batch if all(_is_old(entry, now) for entry in listed[name])]
        for suffix in (".json", ".pack", ""):
            keys = [e.key for name in still for e in listed[name] if e.key == f"{prefix}{name}{suffix}"]
            store.remove(keys)
