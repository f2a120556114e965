"""Plugins that their catalog renamed: what a sync makes of `renames`, and what is known of it afterwards.

A sync moves the plugin's row, versions and flags in its own commit, and notes the rename. Grants and stacks are in other
state files: they follow in steps that may be repeated (`agnes.stack.following`). Until `moved_at` says that they have,
every reader takes a grant or a subscription of the old name for one of the new name, so nobody loses anything in between.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from agnes.claude_code import manifests, renames
from agnes.claude_code.dependencies import Dependency
from agnes.claude_code.renames import Removed, Renamed, Unresolved
from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import Db
from agnes.marketplace import versions
from agnes.marketplace.declared import Names
from agnes.marketplace.manifest import Catalog
from agnes.marketplace.model import Plugin, Renaming
from agnes.marketplace.settling import Outcome
from agnes.marketplace.versions import Version
from agnes.trees import packaging
from agnes.trees import service as trees
from agnes.trees.model import TreeFile

Resolved = dict[str, str | None]
"""Old name → the name in the catalog now, None for one that was removed."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A rename as it is stored."""

    marketplace_id: str
    old_name: str
    new_name: str | None


@dataclass(frozen=True, slots=True)
class Carried:
    """A version of a plugin under its new name, so that what an admin decided holds on."""

    old_id: str
    version: Version


def resolved(catalog: Catalog) -> tuple[Resolved, list[str]]:
    """(what the catalog's renames lead to, warnings about those that lead nowhere)."""
    listed = {one.entry.name for one in catalog.plugins} | {refused.plugin for refused in catalog.refused}
    found: Resolved = {}
    warnings = []
    for old in catalog.renames:
        match renames.resolve(old, catalog.renames, listed):
            case Renamed(to):
                found[old] = to
            case Removed():
                found[old] = None
            case Unresolved(reason):
                warnings.append(f"renames: {old}: {reason}, so nobody's {old} becomes another plugin")
    return found, warnings


def names(catalog: Catalog, own: Resolved, others: Mapping[str, Mapping[str, str]]) -> Names:
    """What dependencies are called now. `others` are the renames of other catalogs, by what those call themselves."""
    mine = {old: new for old, new in own.items() if new is not None}
    mark = hashlib.sha256(json.dumps([mine, others], sort_keys=True).encode()).hexdigest() if mine or others else ""

    def follow(dependency: Dependency) -> Dependency:
        of = mine if dependency.marketplace in (None, catalog.name) else others.get(dependency.marketplace, {})
        return replace(dependency, name=of.get(dependency.name, dependency.name))

    return Names(follow, mark)


def carried(store: ObjectStore, old: Plugin, new: str, history: Sequence[Version]) -> list[Carried]:
    """The versions of a plugin that something decided for, under its new name: served, rolled back to, rolled out.

    The content is the same but for the name in plugin.json, where that was the old one.
    """
    chosen = versions.choose(history, {}, old.pinned_version)
    wanted = {old.pinned_version, old.rollout_version, chosen.id if chosen else None} - {None}
    found = []
    for version in history:
        if version.id not in wanted and not (old.tree_id and version.tree_id == old.tree_id):
            continue
        try:
            own = version.raw.get("name", old.name)
            package = renamed_package(store, version.tree_id, new if own == old.name else own, version.raw)
        except (trees.TreeDamaged, packaging.ManifestInvalid):
            continue  # its content is gone or cannot be read again: the newest version is served
        tree = trees.put(store, package.files)
        row = replace(old, name=new, tree_id=tree.id, git_oid=tree.git_oid, version=package.version)
        row = replace(
            row,
            raw=version.raw | {"name": package.manifest["name"]},
            description=version.description,
            declared=version.declared,
        )
        row = replace(row, size_bytes=tree.size_bytes, file_count=len(tree.files))
        items = versions.items_of(version) or []
        moved = versions.of_row(row, items, commit=version.commit_sha or "", now=version.read_at, status=version.status)
        decided = replace(moved, decided_at=version.decided_at, decided_by=version.decided_by, reason=version.reason)
        found.append(Carried(version.id, decided))
    return found


def renamed_package(store: ObjectStore, tree_id: str, name: str, entry: Mapping[str, Any]) -> packaging.Package:
    """A stored tree as it would be served with this name in plugin.json; `entry` is its catalog's, as served.

    Raises TreeDamaged, ManifestInvalid.
    """
    tree = trees.get(store, tree_id)
    files = [TreeFile(f.path, trees.read_file(store, tree_id, f.path) or b"", f.executable) for f in tree.files]
    components = {kind: entry[kind] for kind in manifests.BESIDE if kind in entry}
    return packaging.package(name=name, files=files, entry=components, keep_own_name=False)


def blocked_as(
    store: ObjectStore, tree_id: str, old: str, entry: Mapping[str, Any], blocked: Mapping[str, str]
) -> str | None:
    """Why content is blocked that came under another name before; None if it is not."""
    if not blocked:
        return None
    try:
        return blocked.get(trees.tree_id(renamed_package(store, tree_id, old, entry).files))
    except (trees.TreeDamaged, packaging.ManifestInvalid):
        return None


@dataclass(frozen=True, slots=True)
class Move:
    """A plugin that was known under its old name when the sync began."""

    old: str
    new: str
    carried: tuple[Carried, ...] = ()


def moves(own: Resolved, known: Mapping[str, Plugin]) -> list[tuple[str, str]]:
    """(old, new) of known plugins, those that are in the catalog until now first."""
    found = [(old, new) for old, new in own.items() if new is not None and old in known]
    return sorted(found, key=lambda pair: (known[pair[0]].removed_at is not None, pair[0]))


def begin(existing: dict[str, Plugin], histories: dict[str, list[Version]], moved: Iterable[Move]) -> dict[str, str]:
    """Let the new names begin as what the old ones were, in place; new name → old name of those that do.

    A plugin that had the new name already stays itself: only that everybody has it follows.
    """
    begun: dict[str, str] = {}
    for move in moved:
        old, before = existing[move.old], existing.get(move.new)
        if before is not None and (before.removed_at is None or old.removed_at is not None or move.new in begun):
            if old.removed_at is None and old.is_system and not before.disabled:
                existing[move.new] = replace(before, is_system=True)
            continue
        ids = {one.old_id: one.version.id for one in move.carried}
        row = replace(
            old,
            name=move.new,
            fingerprint=None,
            removed_at=None,
            tree_id=None,
            git_oid=None,
            version=None,
            pinned_version=ids.get(old.pinned_version or ""),
            rollout_version=ids.get(old.rollout_version or ""),
            rollout_group=old.rollout_group if old.rollout_version in ids else None,
        )
        history = sorted((one.version for one in move.carried), key=lambda v: v.read_at, reverse=True)
        existing[move.new] = versions.serve(row, history, {}, now=old.updated_at) if history else row
        histories[move.new] = history + [v for v in histories.get(move.new, []) if v.id not in ids.values()]
        begun[move.new] = move.old
    return begun


def finish(outcome: Outcome, moved: Sequence[Move], begun: Mapping[str, str], existing: Mapping[str, Plugin]) -> None:
    """Say of a settled sync that plugins were renamed, in place, rather than removed and added."""
    gone = {move.old for move in moved}
    outcome.removed = [name for name in outcome.removed if name not in gone]
    outcome.added = [name for name in outcome.added if name not in begun]
    outcome.updated = [name for name in outcome.updated if name not in begun]
    outcome.changes = [
        replace(change, change="renamed", text=f"{begun[change.plugin]} renamed to {change.text}")
        if change.plugin in begun
        else change
        for change in outcome.changes
        if not (change.plugin in gone and change.change == "removed")
    ]
    # Who had decided about the old name has decided about the new one: a plugin that takes the old one begins anew.
    outcome.rows = [
        replace(row, is_system=False, pinned_version=None, rollout_version=None, rollout_group=None)
        if row.name in gone and row.removed_at
        else row
        for row in outcome.rows
    ]
    written = {name for name, _ in outcome.items}
    for move in moved:
        if move.new not in begun or begun[move.new] != move.old:
            continue
        outcome.versions += [one.version for one in move.carried if one.version not in outcome.versions]
        served = next((row for row in outcome.rows if row.name == move.new), existing[move.new])
        shown = next((one.version for one in move.carried if one.version.tree_id == served.tree_id), None)
        if move.new not in written and shown is not None:
            outcome.items.append((move.new, versions.items_of(shown) or []))


# SQL ------------------------------------------------------------------------------------------


def write(db: Db, marketplace_id: str, own: Resolved, known: Mapping[str, Plugin], *, now: datetime) -> list[Renaming]:
    """Note the renames of plugins that were known; those that are new."""
    before = dict(_stored(db, marketplace_id))
    found = []
    for old, new in own.items():
        if old not in known or (old in before and before[old] == new):
            continue
        db.execute(
            "INSERT OR REPLACE INTO marketplace.renames (marketplace_id, old_name, new_name, found_at, moved_at) "
            "VALUES (?, ?, ?, ?, ?)",
            [marketplace_id, old, new, now, None if new is not None else now],
        )
        if new is not None:
            found.append(Renaming(old, new))
    over = [old for old in before if old not in own]
    if over:
        db.execute(
            """INSERT INTO marketplace.past_renames (marketplace_id, old_name, new_name, until)
            SELECT marketplace_id, old_name, new_name, ? FROM marketplace.renames
            WHERE marketplace_id = ? AND new_name IS NOT NULL AND old_name IN (SELECT unnest(?::VARCHAR[]))""",
            [now, marketplace_id, over],
        )
        db.execute(
            "DELETE FROM marketplace.renames WHERE marketplace_id = ? AND old_name IN (SELECT unnest(?::VARCHAR[]))",
            [marketplace_id, over],
        )
    return found


def reread_dependents(db: Db, marketplace_id: str, catalog_name: str | None, renamed: Sequence[Renaming]) -> None:
    """Have the next sync of other marketplaces read their plugins again that need one under its old name."""
    if catalog_name is None or not renamed:
        return
    db.execute(
        """UPDATE marketplace.registries SET reading_format = 0 WHERE id <> $id AND id IN (
            SELECT p.marketplace_id FROM marketplace.plugins p,
                unnest(from_json(p.declared -> '$.dependencies', '[{"name": "VARCHAR", "marketplace": "VARCHAR"}]')) AS d(need)
            WHERE p.removed_at IS NULL AND p.declared IS NOT NULL AND need.marketplace = $catalog
                AND list_contains($old, need.name))""",
        {"id": marketplace_id, "catalog": catalog_name, "old": [one.old for one in renamed]},
    )


def of_other_catalogs(db: Db, marketplace_id: str) -> dict[str, dict[str, str]]:
    """Name of a catalog → old name → new name, of the other marketplaces."""
    rows = db.execute(
        """SELECT r.catalog_name, n.old_name, n.new_name
        FROM marketplace.renames n JOIN marketplace.registries r ON r.id = n.marketplace_id
        WHERE n.new_name IS NOT NULL AND r.catalog_name IS NOT NULL AND n.marketplace_id <> ?
        ORDER BY r.registered_at DESC, r.id DESC""",
        [marketplace_id],
    ).fetchall()
    found: dict[str, dict[str, str]] = {}
    for catalog, old, new in rows:
        found.setdefault(catalog, {})[old] = new
    return found


def _stored(db: Db, marketplace_id: str) -> list[tuple[str, str | None]]:
    return db.execute(
        "SELECT old_name, new_name FROM marketplace.renames WHERE marketplace_id = ?", [marketplace_id]
    ).fetchall()
