"""The flea source: what analysts uploaded, as entries of the catalogue. Who may see which is the catalogue's (`VisibilityIndex`)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Literal
from urllib.parse import quote

from agnes.accounts import directory
from agnes.browse.model import OTHER, Document, Entry, Inner, Source, Words
from agnes.flea import listing, trees_of
from agnes.flea import service as flea
from agnes.kernel.state import Db
from agnes.marketplace import versions
from agnes.stack import holdings as stack
from agnes.stack.model import blocked_reason
from agnes.telemetry.model import ItemKey

SOURCE: Source = "flea"
FILES = (*flea.FILES, "marketplace")
MARKET = "Flea market"

_SHOWN: dict[str, Literal["approved", "pending", "quarantined", "archived"]] = {
    "approved": "approved",
    "pending": "pending",
    "hidden": "quarantined",
    "archived": "archived",
}


def entries(db: Db) -> list[Entry]:
    """Every entity, whatever its status, with what is inside it."""
    inside = flea.items(db)
    found = flea.entities(db)
    blocked = versions.blocked_trees(db) if found else {}
    people = authors(db, {entity.owner_user_id for entity in found})
    return [
        Entry(
            id=f"{SOURCE}-{entity.id}",
            source=SOURCE,
            name=entity.served_name,
            type=entity.type,
            category=entity.category.strip() or OTHER,
            description=entity.description,
            owner=entity.owner_username,
            version=entity.version,
            added=entity.created_at,
            updated=entity.updated_at,
            released=entity.released_at,
            marketplace_id=entity.id,
            marketplace_name=MARKET,
            detail_url=f"/marketplace/flea/{entity.id}",
            item_key=ItemKey(SOURCE, entity.id, entity.served_name, "plugin", entity.served_name),
            status=_SHOWN[entity.status],
            owner_id=entity.owner_user_id,
            audience=None if entity.audience == "everyone" else frozenset(entity.audience_groups),
            author_name=people.get(entity.owner_user_id, ""),
            size_bytes=entity.size_bytes,
            tree_id=entity.tree_id or "",
            blocked=blocked_reason(entity.version, blocked[entity.tree_id]) if entity.tree_id in blocked else "",
            words=Words(
                display_name=entity.name,
                video_url=entity.video_url,
                cover_url=listing.photo_url(entity),
                documents=tuple(
                    Document(
                        one.filename, f"/api/store/entities/{entity.id}/docs/{quote(one.filename)}", one.size_bytes
                    )
                    for one in trees_of.assets_of(entity.docs)
                ),
            ),
            inner=tuple(Inner(*row) for row in inside.get(entity.id, ())),
        )
        for entity in found
    ]


def authors(db: Db, owners: Collection[str]) -> dict[str, str]:
    """User id → what an owner is called on pages."""
    if not owners:
        return {}
    return {user_id: named.name.strip() or named.email for user_id, named in directory.named(db, owners).items()}


def marks(db: Db) -> list[tuple[str, int]]:
    """(user id, what changes when something that they added does)."""
    return stack.install_marks(db)


def holdings(db: Db, users: list[str] | None = None) -> list[tuple[str, str, datetime]]:
    """(user id, entry id, since when) of everything that somebody added."""
    return [(user_id, f"{SOURCE}-{entity_id}", at) for user_id, entity_id, at in stack.installs(db, users)]
