"""What is shown of entities beside their rows: their owners, their files, their pictures and documents."""

from __future__ import annotations

from dataclasses import dataclass

from agnes.accounts import directory
from agnes.flea import repository, trees_of
from agnes.flea.model import APPROVED, Entity
from agnes.flea.service import get_entity
from agnes.kernel.errors import NotFoundError
from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db
from agnes.marketplace import assets
from agnes.marketplace.assets import Asset
from agnes.trees import service as trees

FILES = ("flea", "people")


@dataclass(frozen=True, slots=True)
class OwnerLine:
    user_id: str
    display_name: str
    entity_count: int


@dataclass(frozen=True, slots=True)
class StoredFile:
    path: str
    size: int


class PhotoNotFound(NotFoundError):
    code = "photo_not_found"

    def __init__(self) -> None:
        super().__init__("it has no photo")


class DocNotFound(NotFoundError):
    code = "doc_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"it has no document {name[:80]!r}")


def photo_url(entity: Entity) -> str | None:
    """Changes with the picture, so that browsers may keep it."""
    photo = next(iter(trees_of.assets_of(entity.photo)), None)
    return f"/api/store/entities/{entity.id}/photo?v={photo.sha256[:12]}" if photo else None


def owners(db: Db, who: Principal) -> list[OwnerLine]:
    """Who shares something that this person may see, by name."""
    counts: dict[str, int] = {}
    for one in repository.entities(db):
        if who.is_admin or (one.status == APPROVED and one.may_have(who.user_id, who.group_ids)):
            counts[one.owner_user_id] = counts.get(one.owner_user_id, 0) + 1
    names = names_of(db, set(counts))
    found = [OwnerLine(user_id, names.get(user_id, user_id), count) for user_id, count in counts.items()]
    return sorted(found, key=lambda one: (one.display_name.lower(), one.user_id))


def files(db: Db, store: ObjectStore, who: Principal, entity_id: str) -> list[StoredFile]:
    """Of the live version. Raises EntityNotFound, TreeDamaged."""
    entity = get_entity(db, who, entity_id)
    if entity.tree_id is None:
        return []
    return [StoredFile(one.path, one.size_bytes) for one in trees.get(store, entity.tree_id).files]


def photo(db: Db, store: ObjectStore, who: Principal, entity_id: str) -> Asset:
    """With its bytes. Raises EntityNotFound, PhotoNotFound."""
    entity = get_entity(db, who, entity_id)
    found = next(iter(trees_of.assets_of(entity.photo)), None)
    if found is None:
        raise PhotoNotFound
    return _with_bytes(store, found)


def document(db: Db, store: ObjectStore, who: Principal, entity_id: str, name: str) -> Asset | None:
    """A document that its owner added, with its bytes; None if there is none of that name. Raises EntityNotFound."""
    entity = get_entity(db, who, entity_id)
    found = next((one for one in trees_of.assets_of(entity.docs) if one.filename == name), None)
    return _with_bytes(store, found) if found else None


def names_of(db: Db, users: set[str]) -> dict[str, str]:
    """User id → what a person is called."""
    if not users:
        return {}
    return {user_id: one.name.strip() or one.email for user_id, one in directory.named(db, users).items()}


def _with_bytes(store: ObjectStore, asset: Asset) -> Asset:
    body = assets.read(store, asset)
    return Asset(asset.key, asset.content_type, asset.filename, asset.sha256, asset.size_bytes, body)
