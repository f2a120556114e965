"""The SQL of the `flea` state file."""

from __future__ import annotations

from collections import defaultdict

from agnes.flea.model import Entity
from agnes.kernel.state import Db

_COLUMNS = ", ".join(Entity.__dataclass_fields__)

InnerRow = tuple[str, str, str, str, str, str]
"""(kind, name, declared name or empty, description, relpath, detail or empty)."""


def entities(db: Db) -> list[Entity]:
    """Every entity, the oldest first."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM flea.entities ORDER BY created_at, id").fetchall()  # noqa: S608
    return [Entity(*row) for row in rows]


def find(db: Db, entity_id: str) -> Entity | None:
    row = db.execute(f"SELECT {_COLUMNS} FROM flea.entities WHERE id = ?", [entity_id]).fetchone()  # noqa: S608
    return Entity(*row) if row else None


def items(db: Db) -> dict[str, list[InnerRow]]:
    """Entity id → what is inside its live version, in the order of pages."""
    found: dict[str, list[InnerRow]] = defaultdict(list)
    for entity_id, *item in db.execute(
        """SELECT entity_id, kind, name, coalesce(declared_name, ''), description, relpath, coalesce(detail, '')
        FROM flea.items ORDER BY entity_id, kind, lower(name), name"""
    ).fetchall():
        found[entity_id].append(tuple(item))
    return found


def components(db: Db) -> dict[str, list[tuple[str, int]]]:
    """Entity id → (kind, characters that it puts before the model) of what is inside its live version."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for entity_id, kind, always_on in db.execute(
        "SELECT entity_id, kind, coalesce(always_on, 0) FROM flea.items"
    ).fetchall():
        found[entity_id].append((kind, always_on))
    return found


def tree_ids(db: Db) -> set[str]:
    """Every tree that a row names."""
    rows = db.execute("SELECT DISTINCT tree_id FROM flea.entities WHERE tree_id IS NOT NULL").fetchall()
    return {tree_id for (tree_id,) in rows}
