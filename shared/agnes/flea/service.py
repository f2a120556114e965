"""What other rooms ask of the flea market."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from agnes.flea import repository
from agnes.flea.model import Entity
from agnes.flea.repository import InnerRow
from agnes.kernel.errors import NotFoundError
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db

FILES = ("flea",)


class EntityNotFound(NotFoundError):
    """Also for what the person may not see, so that existence is not told."""

    code = "entity_not_found"

    def __init__(self, entity_id: str) -> None:
        super().__init__(f"there is no {entity_id[:64]!r} in the flea market", hint="Its owner may have taken it away.")


def entities(db: Db) -> list[Entity]:
    """Every entity, the oldest first, whatever its status."""
    return repository.entities(db)


def items(db: Db) -> dict[str, list[InnerRow]]:
    """Entity id → what is inside its live version."""
    return repository.items(db)


def components(db: Db) -> dict[str, list[tuple[str, int]]]:
    """Entity id → (kind, characters that it puts before the model) of what is inside its live version."""
    return repository.components(db)


@dataclass(frozen=True, slots=True)
class Release:
    """A version that was offered to everybody, or is."""

    n: int
    version: str
    at: datetime
    changes: str
    """What is new in it, in its owner's words; empty if they said nothing."""


def releases(db: Db, entity_id: str, *, limit: int) -> list[Release]:
    """The versions of an entity that went live, the newest first."""
    offered = repository.submissions_of(db, entity_id)
    return [Release(one.n, one.version, one.went_live_at, one.changes) for one in offered if one.went_live_at][:limit]


def tree_ids(db: Db) -> set[str]:
    """Every tree that a row names: none of them may be removed."""
    return repository.tree_ids(db)


def asset_hashes(db: Db) -> set[str]:
    """SHA-256 of every picture and document that a row names: none of them may be removed."""
    return repository.asset_hashes(db)


def holders(db: Db, tree_ids: Iterable[str]) -> dict[str, list[str]]:
    """Tree → served names of the entities whose live version it is."""
    wanted = set(tree_ids)
    found: dict[str, list[str]] = {}
    for entity in repository.entities(db) if wanted else ():
        if entity.tree_id in wanted:
            found.setdefault(entity.tree_id, []).append(entity.served_name)
    return found


def get_entity(db: Db, who: Principal, entity_id: str) -> Entity:
    """Raises EntityNotFound for what is not there or not for this person."""
    found = repository.find(db, entity_id)
    if found is None or not found.is_visible_to(who):
        raise EntityNotFound(entity_id)
    return found
