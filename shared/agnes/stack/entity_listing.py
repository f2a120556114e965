"""The store's own API: entities of the Flea market as rows, with how many people have each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from agnes.flea import listing, service, trees_of
from agnes.flea.model import APPROVED, CATEGORIES, TYPES, Entity
from agnes.kernel.errors import BadRequestError
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db, State
from agnes.stack import holdings

FILES = ("flea", "stack", "people")
SPARED = ("stack",)
"""Without it nobody knows how many people have something; the rest is told."""


class EntitiesQuery(BaseModel):
    """What is listed, and how much of it."""

    model_config = ConfigDict(extra="forbid")

    skip: int = Field(0, ge=0, le=1_000_000)
    limit: int = Field(24, ge=1, le=100)
    type: str = ""
    category: str = ""
    search: str = Field("", max_length=200)
    owner: str = ""
    """A user's id; one's own shows archived ones, too."""


@dataclass(frozen=True, slots=True)
class EntityLine:
    """An entity in answers of the API."""

    id: str
    owner_user_id: str
    owner_username: str
    owner_display_name: str
    type: str
    name: str
    invocation_name: str
    """The served name: the word before the colon of an invocation."""
    description: str
    category: str
    version: str
    version_no: int
    photo_url: str | None
    video_url: str | None
    doc_names: list[str]
    file_size: int
    install_count: int | None
    """How many people have it; None while their stacks cannot be read."""
    visibility_status: str
    audience: str
    audience_groups: list[str]
    created_at: datetime
    updated_at: datetime
    submission_id: str | None
    """Of the live version."""


@dataclass(frozen=True, slots=True)
class EntityPage:
    items: list[EntityLine]
    total: int
    skip: int
    limit: int


def entities(state: State, who: Principal, query: EntitiesQuery) -> EntityPage:
    """What this person may see, the newest first. Raises BadRequestError `invalid_type`, `invalid_category`."""
    if query.type and query.type not in TYPES:
        raise BadRequestError(
            f"{query.type[:40]!r} is no type", code="invalid_type", hint=f"One of {', '.join(TYPES)}."
        )
    if query.category and query.category not in CATEGORIES:
        raise BadRequestError(
            f"{query.category[:60]!r} is no category", code="invalid_category", hint=f"One of {', '.join(CATEGORIES)}."
        )
    owner = who.user_id if query.owner == "me" else query.owner
    with state.read(*FILES, spare=SPARED) as db:
        found = [one for one in reversed(service.entities(db)) if _is_listed(one, who, query, owner)]
        shown = found[query.skip : query.skip + query.limit]
        return EntityPage(lines(db, shown, state.spared), len(found), query.skip, query.limit)


def described(state: State, who: Principal, entity_id: str) -> EntityLine:
    """Raises EntityNotFound."""
    with state.read(*FILES, spare=SPARED) as db:
        return lines(db, [service.get_entity(db, who, entity_id)], state.spared)[0]


def visible(db: Db, who: Principal, query: EntitiesQuery) -> list[Entity]:
    """The same, all of them, as rows: what an export takes."""
    owner = who.user_id if query.owner == "me" else query.owner
    return [one for one in service.entities(db) if _is_listed(one, who, query, owner)]


def line_of(state: State, entity: Entity) -> EntityLine:
    """One entity, read from state files of its own."""
    with state.read(*FILES, spare=SPARED) as db:
        return lines(db, [entity], state.spared)[0]


def lines(db: Db, found: list[Entity], without: Collection[str] = ()) -> list[EntityLine]:
    """`without` are state files that could not be read."""
    people = listing.names_of(db, {one.owner_user_id for one in found})
    installs = holdings.count_installs(db, [one.id for one in found])
    return [
        EntityLine(
            id=one.id,
            owner_user_id=one.owner_user_id,
            owner_username=one.owner_username,
            owner_display_name=people.get(one.owner_user_id, one.owner_username),
            type=one.type,
            name=one.name,
            invocation_name=one.served_name,
            description=one.description,
            category=one.category,
            version=one.version,
            version_no=one.version_no,
            photo_url=listing.photo_url(one),
            video_url=one.video_url,
            doc_names=[asset.filename for asset in trees_of.assets_of(one.docs)],
            file_size=one.size_bytes,
            install_count=None if "stack" in without else installs.get(one.id, 0),
            visibility_status=one.status,
            audience=one.audience,
            audience_groups=list(one.audience_groups),
            created_at=one.created_at,
            updated_at=one.updated_at,
            submission_id=one.submission_id,
        )
        for one in found
    ]


def _is_listed(one: Entity, who: Principal, query: EntitiesQuery, owner: str) -> bool:
    is_own = one.owner_user_id == who.user_id
    if not who.is_admin and not is_own and not (one.status == APPROVED and one.may_have(who.user_id, who.group_ids)):
        return False
    if one.status == "archived" and not who.is_admin and not (is_own and owner == who.user_id):
        return False
    words = query.search.lower()
    return (
        (not owner or one.owner_user_id == owner)
        and (not query.type or one.type == query.type)
        and (not query.category or (one.category.strip() or "Other") == query.category)
        and (not words or words in f"{one.name} {one.served_name} {one.description}".lower())
    )
