"""Damaged trees, covers and documents of a marketplace: found by the notes that readers left, and stored again from its repository.

looked at    each noted tree of its plugins and their versions; an index alone is written again from its pack; each noted file
             that its pages show
moved        what is left of the others, below `damaged/`
read again   plugins that have or had one, whatever the sync would have skipped; and older versions from their own commits
settled      a whole tree's note goes; of another one it says why, and the version before it is served meanwhile
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import Db
from agnes.marketplace import assets
from agnes.marketplace.model import Plugin
from agnes.marketplace.versions import Version
from agnes.trees import damage
from agnes.trees import service as trees
from agnes.trees.damage import Note

log = logging.getLogger("agnes.marketplace")

MAX_COMMITS = 5
"""Older commits that one sync fetches for it."""
LOST = "its stored files were damaged, and its source does not have them any more"


@dataclass(slots=True)
class Rebuilding:
    """What one sync does about damage; empty, mostly."""

    store: ObjectStore
    rows: Mapping[str, Plugin]
    histories: Mapping[str, list[Version]]
    damaged: dict[str, Note] = field(default_factory=dict)
    """By tree."""
    healed: dict[str, Note] = field(default_factory=dict)
    """That are whole: somebody restored them, or they were written again from what was left."""
    lost: dict[str, str] = field(default_factory=dict)
    """Tree → why it is not served."""
    files: dict[str, str] = field(default_factory=dict)
    """Digest → name of covers and documents that are stored again."""

    def look(self) -> None:
        """Raises UnavailableError."""
        named = {p.tree_id for p in self.rows.values()} | {v.tree_id for h in self.histories.values() for v in h}
        for tree_id, note in damage.notes(self.store).items():
            if tree_id not in named:
                continue
            if trees.problem(self.store, tree_id) is None or trees.mend_index(self.store, tree_id):
                self.healed[tree_id] = note
                damage.close(self.store, tree_id)
            else:
                trees.put_away(self.store, tree_id)
                self.damaged[tree_id] = note
        shown = assets.named(plugin.metadata for plugin in self.rows.values())
        for sha256 in sorted(assets.noted(self.store) & shown.keys()):
            if assets.problem(self.store, sha256) is None:
                assets.close(self.store, [sha256])
            else:
                assets.put_away(self.store, sha256)
                self.files[sha256] = shown[sha256]

    @property
    def is_due(self) -> bool:
        return bool(self.damaged or self.healed or self.files)

    @property
    def names(self) -> set[str]:
        """Plugins that are read again whatever is known of them."""
        due = self.damaged.keys() | self.healed.keys()
        found = {name for name, plugin in self.rows.items() if plugin.tree_id in due}
        return found | {name for name, history in self.histories.items() if any(v.tree_id in due for v in history)}

    def unknown(self, rows: Mapping[str, Plugin]) -> dict[str, Plugin]:
        """The rows, as if nothing was read of these plugins yet."""
        names = self.names
        return {
            name: replace(plugin, fingerprint=None, tree_id=None) if name in names else plugin
            for name, plugin in rows.items()
        }

    def commits(self) -> dict[str, set[str]]:
        """Commit → plugins, of older versions whose trees are still damaged; the newest commits first."""
        still = {tree_id for tree_id in self.damaged if trees.problem(self.store, tree_id) is not None}
        versions = [
            v for history in self.histories.values() for v in history if v.tree_id in still and v.commit_sha is not None
        ]
        found: dict[str, set[str]] = {}
        for version in sorted(versions, key=lambda v: v.read_at, reverse=True):
            found.setdefault(version.commit_sha or "", set()).add(version.plugin_name)
        return dict(list(found.items())[:MAX_COMMITS])

    def settle(self) -> list[str]:
        """Close the notes of what is whole; a line for each tree. Raises UnavailableError."""
        lines = [f"{self._called(tree_id)}: its stored files are whole again" for tree_id in sorted(self.healed)]
        for tree_id, note in sorted(self.damaged.items()):
            called = self._called(tree_id)
            if trees.problem(self.store, tree_id) is None:
                damage.close(self.store, tree_id)
                log.warning("%s was damaged (tree %s: %s) and is stored again", called, tree_id, note.reason)
                lines.append(f"{called}: its stored files were damaged and are stored again")
            else:
                self.lost[tree_id] = LOST
                damage.update(self.store, msgspec.structs.replace(note, lost=LOST))
                log.error("%s is lost (tree %s): %s", called, tree_id, LOST)
                lines.append(f"{called}: {LOST}")
        for sha256, filename in self.files.items():
            if assets.problem(self.store, sha256) is None:
                assets.close(self.store, [sha256])
                lines.append(f"{filename}: the stored copy was damaged and is stored again")
            else:
                lines.append(f"{filename}: the stored copy was damaged, and its source did not give it again")
        return lines

    def _called(self, tree_id: str) -> str:
        names = [f"{v.plugin_name} {v.version}" for h in self.histories.values() for v in h if v.tree_id == tree_id]
        names += [f"{p.name} {p.version}" for p in self.rows.values() if p.tree_id == tree_id]
        return next(iter(names), tree_id)


def holders(db: Db, tree_ids: Iterable[str]) -> dict[str, list[str]]:
    """Tree → `<marketplace>/<plugin>` of every plugin that has or had it."""
    found: dict[str, list[str]] = {}
    for tree_id, name in db.execute(
        """SELECT DISTINCT tree_id, marketplace_id || '/' || plugin_name AS name FROM marketplace.versions
        WHERE list_contains($ids, tree_id)
        UNION SELECT tree_id, marketplace_id || '/' || name FROM marketplace.plugins WHERE list_contains($ids, tree_id)
        ORDER BY ALL""",
        {"ids": sorted(tree_ids)},
    ).fetchall():
        found.setdefault(tree_id, []).append(name)
    return found
