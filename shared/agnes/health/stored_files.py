"""Stored files of plugins and of their pages that are damaged: whose they are, and what becomes of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from agnes.flea import service as flea
from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import State
from agnes.marketplace import service as marketplace
from agnes.trees import damage

NAMED = 5
"""Plugins that a line names."""


@dataclass(frozen=True)
class Damaged:
    plugins: Mapping[str, bool] = field(default_factory=dict)
    """Whether nothing can build it again, by name, or by the tree's id where no state file says whose it is."""
    shared: Collection[str] = ()
    """Those of them that colleagues shared."""
    pages: Collection[str] = ()
    """Plugins with a damaged cover or document."""

    @property
    def count(self) -> int:
        return len(self.plugins) + len(self.pages)

    @property
    def value(self) -> str:
        """One line of the health page."""
        values = []
        if self.plugins:
            left_out = "it" if len(self.plugins) == 1 else "them"
            values.append(f"damaged: {_some(self.plugins)}; feeds leave {left_out} out")
        if self.pages:
            values.append(f"damaged covers and documents: {_some(self.pages)}; the pages show the rest")
        return "; ".join(values)

    @property
    def advice(self) -> str:
        """What stores them again, and what an operator does about the others."""
        lost = {name for name, is_lost in self.plugins.items() if is_lost}
        due = self.plugins.keys() - lost
        said = []
        if lost:
            owner = ", or ask who shared it to do so again" if lost & set(self.shared) else ""
            said.append(f"Nothing has the files of {_some(lost)} any more: restore trees/ from a backup{owner}.")
        if self.pages or due - set(self.shared):
            said.append("The next sync stores them again; now: agnes admin marketplace sync --all.")
        if due & set(self.shared):
            said.append("What colleagues shared is rebuilt at night if it can be; now: agnes admin run feed.sweep.")
        return " ".join([*said, "Find out what damaged the store."])


def find(state: State, store: ObjectStore, unreadable: Collection[str]) -> Damaged:
    """What the notes of readers say; `unreadable` are state files that cannot be asked whose it is. Raises UnavailableError."""
    notes = damage.notes(store)
    holders: dict[str, list[str]] = {}
    shared: set[str] = set()
    for file, holders_of in (("marketplace", marketplace.damaged_plugins), ("flea", flea.holders)):
        if notes and file not in unreadable:
            with state.read(file) as db:
                for tree_id, names in holders_of(db, notes).items():
                    holders.setdefault(tree_id, []).extend(names)
                    shared |= set(names) if file == "flea" else set()
    plugins = {
        name: bool(note.lost)
        for tree_id, note in notes.items()
        for name in holders.get(tree_id, [f"tree {tree_id[:12]}"])
    }
    pages: Collection[str] = ()
    if "marketplace" not in unreadable:
        with state.read("marketplace") as db:
            pages = marketplace.damaged_pages(db, store)
    return Damaged(plugins, shared, pages)


def _some(names: Iterable[str]) -> str:
    every = sorted(names)
    return ", ".join(every[:NAMED]) + (" and more" if len(every) > NAMED else "")
