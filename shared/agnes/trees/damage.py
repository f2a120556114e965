"""Trees that are not what was stored: noted by whoever meets one, left out of feeds, and built again by the next sync.

damage/trees/<tree id>.json    {tree_id, reason, found_at, asked_at, lost}, with a digest; gone when the tree is whole again

A note is small and there is mostly none, so that a process lists them at most once in SECONDS.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

import msgspec

from agnes.kernel import sealed
from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import ABSENT, ANYTHING, Clock, Expect, ObjectStore, PreconditionFailed

log = logging.getLogger("agnes.trees")

NOTES = "damage/trees/"
SECONDS = 10.0
"""How long a process goes by the notes that it has listed."""
MISSING, EMPTY, TRUNCATED, CHANGED = "absent", "empty", "truncated", "changed"


class TreeDamaged(UnavailableError):
    """`found` says of each tree why: `absent`, `empty`, `truncated` or `changed`."""

    code = "tree_damaged"

    def __init__(self, found: Mapping[str, str]) -> None:
        named = ", ".join(f"{tree_id[:12]} is {reason}" for tree_id, reason in sorted(found.items())[:5])
        super().__init__(
            f"the stored files of a plugin are damaged (tree {named})",
            hint="The next sync of its marketplace stores them again; an admin can sync it now. What a colleague shared is rebuilt "
            "every night if it can be; see damaged-data.md.",
        )
        self.found = dict(found)


class Note(msgspec.Struct, frozen=True):
    tree_id: str
    reason: str
    found_at: datetime | None = None
    """As the store has it, where the note does not say."""
    asked_at: datetime | None = None
    """When a sync was asked for because of it."""
    lost: str = ""
    """Why the last sync could not build it again; empty: none has tried."""


@dataclass(slots=True)
class _Listed:
    until: float
    found: dict[str, str]
    unwritten: dict[str, str]
    """Found by this process, which could not leave a note."""


_listed: WeakKeyDictionary[ObjectStore, _Listed] = WeakKeyDictionary()


def key(tree_id: str) -> str:
    return f"{NOTES}{tree_id}.json"


def report(store: ObjectStore, tree_id: str, reason: str) -> TreeDamaged:
    """Leave a note, so that feeds leave the tree out and the next sync builds it again. Returns the error to raise."""
    held = _listed.setdefault(store, _Listed(-1.0, {}, {}))
    with suppress(PreconditionFailed):  # there is a note already
        try:
            _write(store, Note(tree_id, reason), expect=ABSENT)
        except UnavailableError:
            held.unwritten[tree_id] = reason
        log.error("tree %s is damaged: %s", tree_id, reason, extra={"key": f"trees/{tree_id}"})
    held.found[tree_id] = reason
    return TreeDamaged({tree_id: reason})


def known(store: ObjectStore, clock: Clock) -> dict[str, str]:
    """Tree → reason where this process knows it, of what is noted. Nothing new where the notes cannot be listed."""
    held, now = _listed.setdefault(store, _Listed(-1.0, {}, {})), clock.monotonic()
    if not 0 <= held.until - now <= SECONDS:
        held.until = now + SECONDS
        with suppress(UnavailableError):
            listed = [entry.key.removeprefix(NOTES).removesuffix(".json") for entry in store.list(NOTES)]
            held.found = {tree_id: held.found.get(tree_id, CHANGED) for tree_id in listed}
    return {**held.unwritten, **held.found}


def notes(store: ObjectStore) -> dict[str, Note]:
    """All of them, by tree; of one that is itself damaged only that it is there. Raises UnavailableError."""
    found = {}
    for entry in store.list(NOTES):
        tree_id = entry.key.removeprefix(NOTES).removesuffix(".json")
        found[tree_id] = Note(tree_id, CHANGED, entry.modified_at)
        blob = store.read(entry.key)
        with suppress(msgspec.DecodeError, sealed.Unsealed):
            if blob is not None:
                said = msgspec.json.decode(sealed.opened(entry.key, blob.body), type=Note)
                if said.tree_id == tree_id:
                    found[tree_id] = (
                        said if said.found_at else msgspec.structs.replace(said, found_at=entry.modified_at)
                    )
    return found


def update(store: ObjectStore, note: Note) -> None:
    """Raises UnavailableError."""
    _write(store, note, expect=ANYTHING)


def close(store: ObjectStore, tree_id: str) -> None:
    """The tree is whole again, or nothing names it. Raises UnavailableError."""
    store.remove([key(tree_id)])
    held = _listed.get(store)
    if held is not None:
        held.found.pop(tree_id, None)
        held.unwritten.pop(tree_id, None)


def _write(store: ObjectStore, note: Note, *, expect: Expect) -> None:
    body = sealed.seal(key(note.tree_id), msgspec.json.encode(note))
    store.write(key(note.tree_id), body, expect=expect, content_type="application/json")
