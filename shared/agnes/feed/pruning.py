"""Removing views and zips that nobody has any more.

Kept is what is somebody's view now, and what is younger than KEEP. That a removed one is asked for
again is no harm: a view is composed anew from what its person may have, to the same commit, and
a zip that is handed out is looked up, and written again when it is old (`zips.url`).
"""

from __future__ import annotations

from datetime import datetime

from agnes.access import service as access
from agnes.feed import service, zips
from agnes.feed.limits import KEEP
from agnes.kernel.ports import Entry, ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db, State
from agnes.stack.serving import serving_index
from agnes.trees import damage
from agnes.trees.damage import TreeDamaged

BATCH = 500


def prune(state: State, store: ObjectStore, *, now: datetime, dry_run: bool = False) -> dict[str, int]:
    """Remove what is neither current nor young; how many of each kind, and how many stay."""
    old = {prefix: [e for e in store.list(prefix) if _is_old(e, now)] for prefix in (service.VIEWS, zips.ZIPS)}
    report = {"views_removed": 0, "zips_removed": 0, "kept": 0}
    # The people's views after the listing: who changed since then has an object that is young, or none.
    current = current_views(state, store) if any(old.values()) else set()
    for prefix, entries in old.items():
        stale = [e.key for e in entries if e.key.removeprefix(prefix).partition(".")[0] not in current]
        report["kept"] += len(_counted(prefix, [e.key for e in entries])) - len(_counted(prefix, stale))
        report["views_removed" if prefix == service.VIEWS else "zips_removed"] += len(_counted(prefix, stale))
        if not dry_run:
            _remove(store, stale, now)
    return report


def _counted(prefix: str, keys: list[str]) -> list[str]:
    """A zip and its receipt are one."""
    return [key for key in keys if prefix == service.VIEWS or key.endswith(".zip")]


def current_views(state: State, store: ObjectStore) -> set[str]:
    """The commits that active people are served now."""
    commits = set()
    damaged = damage.notes(store)
    with state.read(*service.STATE_FILES) as db:
        on = serving_index(db)
        for who in _people(db):
            found = service.offered(db, who, on, damaged)
            try:
                commits.add(service.composed(store, found.offers, found.renames).commit)
            except TreeDamaged:  # noted; their next request leaves it out, and here is nothing to keep for them
                continue
    return commits


def _people(db: Db) -> list[Principal]:
    return [Principal(user_id, "", "", groups) for user_id, groups in sorted(access.groups_by_user(db).items())]


def _is_old(entry: Entry, now: datetime) -> bool:
    return entry.modified_at < now - KEEP


def _remove(store: ObjectStore, keys: list[str], now: datetime) -> None:
    """Look once more at each: a zip that was just handed out has been written anew."""
    for start in range(0, len(keys), BATCH):
        store.remove(
            [
                key
                for key in keys[start : start + BATCH]
                if any(entry.key == key and _is_old(entry, now) for entry in store.list(key))
            ]
        )
