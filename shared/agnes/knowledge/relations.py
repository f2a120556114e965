"""What two items are to one another, as judged, and what an admin makes of it. Rows of `knowledge.relations`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agnes.kernel.errors import BadRequestError, ConflictError, NotFoundError
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, Tx
from agnes.knowledge import changing, repository, scrubbing
from agnes.knowledge.context import Knowledge
from agnes.knowledge.model import FILE, MAX_CONTENT, Item
from agnes.knowledge.transitions import COMPARED, Event, allowed


class Kind(StrEnum):
    SAME = "same"
    CONTRADICTS = "contradicts"
    REFINES = "refines"
    UNRELATED = "unrelated"


class Resolution(StrEnum):
    KEEP_A = "keep_a"
    """The first one takes the second one's place."""
    KEEP_B = "keep_b"
    MERGE = "merge"
    """The first one gets the merged text and the second one's evidence, and takes its place."""
    BOTH = "both"
    """Both are true, of different things or times."""
    DISMISS = "dismiss"
    """The judgement is wrong."""


OPEN_KINDS = (Kind.CONTRADICTS, Kind.SAME, Kind.REFINES)
"""Kinds that somebody has to look at, the most urgent first."""


class RelationNotFound(NotFoundError):
    code = "relation_not_found"

    def __init__(self) -> None:
        super().__init__("these two items have no such relation", hint="Load the list again.")


@dataclass(frozen=True, slots=True)
class Relation:
    item_a: str
    item_b: str
    kind: str
    severity: str
    explanation: str
    suggestion: str
    merged: str
    revision_a: int
    revision_b: int
    resolution: str
    resolved_by: str
    resolved_at: datetime | None
    found_at: datetime


_COLUMNS = ", ".join(Relation.__slots__)


def find(db: Db, one: str, other: str) -> Relation | None:
    a, b = sorted((one, other))
    row = db.execute(
        f"SELECT {_COLUMNS} FROM knowledge.relations WHERE item_a = ? AND item_b = ?",  # noqa: S608 (constant)
        [a, b],
    ).fetchone()
    return Relation(*row) if row else None


def of_items(db: Db, ids: Sequence[str]) -> list[Relation]:
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM knowledge.relations WHERE list_contains($ids, item_a) OR list_contains($ids, item_b) "  # noqa: S608
        "ORDER BY item_a, item_b",
        {"ids": list(ids)},
    ).fetchall()
    return [Relation(*row) for row in rows]


def listed(db: Db, kinds: Collection[str], *, resolved: bool, limit: int, skip: int = 0) -> tuple[list[Relation], int]:
    """(relations of these kinds, hard ones first, how many there are)."""
    where = "list_contains($kinds, kind) AND (resolution <> '') = $resolved"
    given = {"kinds": list(kinds), "resolved": resolved}
    total = db.execute(f"SELECT count(*) FROM knowledge.relations WHERE {where}", given).fetchone()  # noqa: S608 (constant)
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM knowledge.relations WHERE {where} "  # noqa: S608 (constant)
        "ORDER BY severity = 'hard' DESC, found_at DESC, item_a, item_b LIMIT $limit OFFSET $skip",
        {**given, "limit": limit, "skip": skip},
    ).fetchall()
    return [Relation(*row) for row in rows], int(total[0]) if total else 0


def count_open(db: Db) -> dict[str, int]:
    """Kind → relations that nobody has resolved."""
    rows = db.execute("SELECT kind, count(*) FROM knowledge.relations WHERE resolution = '' GROUP BY kind").fetchall()
    return {kind: int(count) for kind, count in rows}


def put(tx: Tx, row: Relation) -> bool:
    """Write a judgement; one that an admin has resolved for these texts stays. Whether it was written."""
    known = find(tx.db, row.item_a, row.item_b)
    if known is not None:
        same_texts = (known.revision_a, known.revision_b) == (row.revision_a, row.revision_b)
        if same_texts and (known.resolution or known.kind == row.kind):
            return False
        tx.db.execute("DELETE FROM knowledge.relations WHERE item_a = ? AND item_b = ?", [row.item_a, row.item_b])
    marks = ", ".join("?" for _ in Relation.__slots__)
    tx.db.execute(
        f"INSERT INTO knowledge.relations ({_COLUMNS}) VALUES ({marks})",  # noqa: S608 (constant)
        [getattr(row, name) for name in Relation.__slots__],
    )
    return True


def between(item: Item, other: Item, kind: Kind, *, explanation: str, suggestion: str, at: datetime) -> Relation:
    """A relation of these two, in the order of their ids; `suggestion` may be keep_new, which is the first of them."""
    a, b = sorted((item, other), key=lambda one: one.id)
    if suggestion == "keep_new":
        suggestion = Resolution.KEEP_A if a.id == item.id else Resolution.KEEP_B
    severity = "soft" if kind == Kind.CONTRADICTS else ""
    return Relation(a.id, b.id, kind, severity, explanation, suggestion, "", a.revision, b.revision, "", "", None, at)


def resolve(k: Knowledge, who: Principal, one: str, other: str, resolution: str, *, merged: str = "") -> Relation:
    """Do what an admin decides about two items: the relation, both items and their evidence change in one commit.

    `keep_a` and `keep_b` mean the items in the order given. Raises DeniedError, RelationNotFound, ItemNotFound, EventRefused,
    ConflictError `relation_resolved`, BadRequestError, HoldsSecret.
    """
    who.require_admin()
    if resolution not in set(Resolution):
        raise BadRequestError(
            f"{resolution[:40]!r} is no resolution", code="unknown_resolution", hint=f"One of: {', '.join(Resolution)}."
        )
    text = merged.strip()
    if resolution == Resolution.MERGE:
        if not 0 < len(text) <= MAX_CONTENT:
            raise BadRequestError(f"the merged text has to have 1 to {MAX_CONTENT} characters", code="merged_required")
        scrubbing.refuse_secrets(k.scanners, merged=text)
    at = k.clock.now()

    def change(tx: Tx) -> Relation:
        found = find(tx.db, one, other)
        if found is None:
            raise RelationNotFound
        if found.resolution:
            raise ConflictError("this was resolved already", code="relation_resolved", hint="Load the list again.")
        first, second = changing.require(tx, one), changing.require(tx, other)
        if resolution in (Resolution.KEEP_A, Resolution.KEEP_B):
            kept, closed = (first, second) if resolution == Resolution.KEEP_A else (second, first)
            _take_place(tx, kept, closed, who, at=at, found=found)
        elif resolution == Resolution.MERGE:
            kept = changing.change(
                tx, first, {"content": text}, event="edit", user_id=who.user_id, at=at, reason="merged"
            )
            _take_place(tx, kept, second, who, at=at, found=found, merges=True)
        tx.db.execute(
            """UPDATE knowledge.relations SET resolution = ?, resolved_by = ?, resolved_at = ?
            WHERE item_a = ? AND item_b = ?""",
            [resolution, who.user_id, at, found.item_a, found.item_b],
        )
        tx.record(
            Change(
                "knowledge.resolve", f"knowledge:{one}", {"other": other, "kind": found.kind, "resolution": resolution}
            )
        )
        done = find(tx.db, one, other)
        if done is None:
            raise RelationNotFound
        return done

    return k.state.commit(FILE, change)


def _take_place(
    tx: Tx, kept: Item, closed: Item, who: Principal, *, at: datetime, found: Relation, merges: bool = False
) -> None:
    """One item takes another's place. Of two that say the same the evidence goes over too."""
    if kept.status not in COMPARED:
        raise ConflictError("the item that would be kept is closed", code="kept_is_closed", hint="Approve it first.")
    if Event.SUPERSEDE in allowed(closed.status):
        changing.supersede(tx, closed, kept, user_id=who.user_id, at=at, reason=f"in favour of “{kept.title}”")
    if merges or found.kind == Kind.SAME:
        repository.move_evidence(tx.db, closed.id, kept.id)
