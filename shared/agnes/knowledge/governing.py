"""What admins look at beside single items: relations, the detector, exports, and changes of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from agnes.kernel.errors import AgnesError, BadRequestError
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Tx
from agnes.knowledge import index, listing, noting, readings, relations, repository, service, spending
from agnes.knowledge.context import Knowledge
from agnes.knowledge.listing import ItemLine
from agnes.knowledge.model import FILE
from agnes.knowledge.readings import Reading
from agnes.knowledge.relations import OPEN_KINDS, Relation
from agnes.knowledge.service import MAX_BATCH, BatchResult
from agnes.knowledge.transitions import OF_ADMINS, Event

EXPORTED = (
    "id", "title", "content", "status", "domain", "category", "tags", "entities", "source", "audience", "audience_groups", "confidence",
    "upvotes", "downvotes", "verifiers", "reason", "valid_from", "valid_until", "review_at", "superseded_by", "created_at", "updated_at",
)  # fmt: skip
"""Columns of an export, in their order."""


@dataclass(frozen=True, slots=True)
class RelationLine:
    """A relation with both items; one that is gone or personal is missing."""

    relation: Relation
    a: ItemLine | None
    b: ItemLine | None


@dataclass(frozen=True, slots=True)
class RelationsPage:
    items: list[RelationLine]
    total: int
    skip: int
    limit: int


@dataclass(frozen=True, slots=True)
class DetectorState:
    counts: dict[str, int]
    """Sessions by waiting, read, failed, forgotten."""
    failed: list[Reading]
    spent_usd: float
    """In the last 24 hours, by all jobs."""
    notes: dict[str, int]
    """Notes by waiting, read, failed."""


def relations_page(k: Knowledge, who: Principal, kind: str, *, resolved: bool, skip: int, limit: int) -> RelationsPage:
    who.require_admin()
    known, now = index.current(k.state), k.clock.now()
    with k.state.read(FILE) as db:
        found, total = relations.listed(
            db, [kind] if kind else list(OPEN_KINDS), resolved=resolved, limit=limit, skip=skip
        )

    def shown(item_id: str) -> ItemLine | None:
        item = known.find(item_id)
        if item is None or (item.is_personal and item.author_id != who.user_id):
            return None
        return listing.line(known, item, who, now=now)

    lines = [RelationLine(one, shown(one.item_a), shown(one.item_b)) for one in found]
    return RelationsPage(lines, total, skip, limit)


def detector_state(k: Knowledge, who: Principal) -> DetectorState:
    who.require_admin()
    with k.state.read(FILE) as db:
        usd = spending.spent(db, since=k.clock.now() - spending.DAY)
        return DetectorState(readings.counts(db), readings.failed(db), usd, noting.counts(db))


def retry(k: Knowledge, who: Principal, user_id: str, session_id: str) -> bool:
    """Whether it waits now: only what failed is read again."""
    who.require_admin()
    at = k.clock.now()

    def change(tx: Tx) -> bool:
        found = readings.find(tx.db, user_id, session_id)
        if found is None or found.status != readings.FAILED:
            return False
        readings.end(tx, user_id, session_id, status=readings.WAITING, at=at)
        tx.record(Change("knowledge.retry", f"session:{user_id}/{session_id}", {}))
        return True

    return k.state.commit(FILE, change)


def export(k: Knowledge, who: Principal) -> list[dict[str, Any]]:
    """Every item that the admin may see, by id."""
    who.require_admin()
    known, now = index.current(k.state), k.clock.now()
    seen = [item for item in known.items if not item.is_personal or item.author_id == who.user_id]
    rows = [asdict(listing.line(known, item, who, now=now)) for item in seen]
    return [{name: row[name] for name in EXPORTED} for row in rows]


def csv_row(row: Mapping[str, Any]) -> dict[str, str]:
    """As a spreadsheet takes it: lists with semicolons, times in ISO 8601, and no cell that begins a formula."""
    return {name: _cell(value) for name, value in row.items()}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        text = "; ".join(map(str, value))
    else:
        text = value.isoformat() if isinstance(value, datetime) else str(value)
    return f"'{text}" if text[:1] in "=+-@\t\r" and isinstance(value, str | list) else text


def event_of(name: str) -> Event:
    """Raises BadRequestError `unknown_decision`."""
    if name not in {str(event) for event in OF_ADMINS}:
        raise BadRequestError(
            f"{name[:40]!r} is no decision", code="unknown_decision", hint=f"One of: {', '.join(sorted(OF_ADMINS))}."
        )
    return Event(name)


def change_all(
    k: Knowledge,
    who: Principal,
    item_ids: Sequence[str],
    *,
    changes: Mapping[str, Any],
    tags_add: Sequence[str] = (),
    tags_remove: Sequence[str] = (),
) -> BatchResult:
    """Change fields of several items, one after another: what is wrong with one stops no other."""
    who.require_admin()
    wanted = list(dict.fromkeys(item_ids))
    if not 0 < len(wanted) <= MAX_BATCH:
        raise BadRequestError(f"name 1 to {MAX_BATCH} items", code="batch_size")
    result = BatchResult()
    with k.state.read(FILE) as db:
        known = {item.id: item for item in repository.items(db, wanted)}
    for item_id in wanted:
        given = dict(changes)
        if (tags_add or tags_remove) and item_id in known:
            tags = [tag for tag in known[item_id].tags if tag not in tags_remove]
            given["tags"] = [*tags, *(tag for tag in tags_add if tag not in tags)]
        try:
            service.edit(k, who, item_id, given)
            result.done.append(item_id)
        except AgnesError as error:
            result.failed.append({"id": item_id, "code": error.code, "message": error.message})
    return result
