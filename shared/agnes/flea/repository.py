"""The SQL of the `flea` state file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from agnes.flea.model import Entity, Submission
from agnes.kernel.state import Db, one_number, one_row
from agnes.marketplace.model import Item

_COLUMNS = ", ".join(Entity.__dataclass_fields__)
_SUBMISSION = ", ".join(f.name for f in fields(Submission))
_ENTITY_COLUMNS = frozenset(Entity.__dataclass_fields__) | {"archived_by"}
_SUBMISSION_COLUMNS = frozenset(f.name for f in fields(Submission))

InnerRow = tuple[str, str, str, str, str, str]
"""(kind, name, declared name or empty, description, relpath, detail or empty)."""


def entities(db: Db) -> list[Entity]:
    """Every entity, the oldest first."""
    rows = db.execute(f"SELECT {_COLUMNS} FROM flea.entities ORDER BY created_at, id").fetchall()  # noqa: S608
    return [Entity(*row) for row in rows]


def entities_of(db: Db, owner_id: str) -> list[Entity]:
    """One person's, the newest first."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM flea.entities WHERE owner_user_id = ? ORDER BY created_at DESC, id",  # noqa: S608
        [owner_id],
    ).fetchall()
    return [Entity(*row) for row in rows]


def find(db: Db, entity_id: str) -> Entity | None:
    row = db.execute(f"SELECT {_COLUMNS} FROM flea.entities WHERE id = ?", [entity_id]).fetchone()  # noqa: S608
    return Entity(*row) if row else None


def with_name(db: Db, *, owner_id: str = "", name: str = "", served_name: str = "") -> Entity | None:
    """The entity that has an owner's name, or a served name; archived ones leave theirs to others."""
    row = db.execute(
        f"""SELECT {_COLUMNS} FROM flea.entities
        WHERE status <> 'archived' AND (served_name = $served OR (owner_user_id = $owner AND name = $name))
        ORDER BY served_name = $served, created_at LIMIT 1""",  # noqa: S608
        {"owner": owner_id, "name": name, "served": served_name},
    ).fetchone()
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
    rows = db.execute(
        """SELECT tree_id FROM flea.entities WHERE tree_id IS NOT NULL
        UNION SELECT tree_id FROM flea.submissions WHERE tree_id IS NOT NULL"""
    ).fetchall()
    return {tree_id for (tree_id,) in rows}


def asset_hashes(db: Db) -> set[str]:
    """SHA-256 of every picture and document that a row names."""
    rows = db.execute(
        """SELECT s.photo ->> 'sha256' FROM flea.submissions s WHERE s.photo IS NOT NULL
        UNION SELECT d.value ->> 'sha256' FROM flea.submissions s, json_each(s.docs) d
        UNION SELECT e.photo ->> 'sha256' FROM flea.entities e WHERE e.photo IS NOT NULL
        UNION SELECT d.value ->> 'sha256' FROM flea.entities e, json_each(e.docs) d WHERE e.docs IS NOT NULL"""
    ).fetchall()
    return {row[0] for row in rows}


def insert_entity(db: Db, row: Mapping[str, Any]) -> None:
    _insert(db, "flea.entities", row, _ENTITY_COLUMNS)


def change_entity(db: Db, entity_id: str, changes: Mapping[str, Any]) -> None:
    _change(db, "flea.entities", entity_id, changes, _ENTITY_COLUMNS)


def remove_entity(db: Db, entity_id: str) -> None:
    for table, column in (("entities", "id"), ("items", "entity_id"), ("submissions", "entity_id"),
                          ("complaints", "entity_id"), ("notices", "entity_id")):  # fmt: skip
        db.execute(f"DELETE FROM flea.{table} WHERE {column} = ?", [entity_id])  # noqa: S608 (names of our own)


def replace_items(db: Db, entity_id: str, found: Sequence[Item]) -> None:
    db.execute("DELETE FROM flea.items WHERE entity_id = ?", [entity_id])
    rows = {(item.kind, item.name): item for item in found}
    if rows:
        db.executemany(
            """INSERT INTO flea.items (entity_id, kind, name, declared_name, description, relpath, detail, always_on)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
            [[entity_id, *asdict(item).values()] for item in rows.values()],
        )


def handle_of(db: Db, user_id: str) -> str | None:
    row = db.execute("SELECT handle FROM flea.handles WHERE user_id = ?", [user_id]).fetchone()
    return row[0] if row else None


def handles(db: Db, *, but: str) -> set[str]:
    """Handles of everybody else: given, or in the names of what an earlier release stored."""
    rows = db.execute(
        """SELECT handle FROM flea.handles WHERE user_id <> $who
        UNION SELECT owner_username FROM flea.entities WHERE owner_user_id <> $who""",
        {"who": but},
    ).fetchall()
    return {row[0] for row in rows}


def insert_handle(db: Db, user_id: str, handle: str, *, at: datetime) -> None:
    db.execute("INSERT INTO flea.handles (user_id, handle, since) VALUES (?, ?, ?)", [user_id, handle, at])


# Submissions.


def submission(db: Db, submission_id: str) -> Submission | None:
    row = db.execute(f"SELECT {_SUBMISSION} FROM flea.submissions WHERE id = ?", [submission_id]).fetchone()  # noqa: S608
    return Submission(*row) if row else None


def submissions_of(db: Db, entity_id: str) -> list[Submission]:
    """Of one entity, the newest first."""
    return _submissions(db, "entity_id = $id ORDER BY n DESC, id DESC", {"id": entity_id})


def submissions_by(db: Db, user_id: str, *, limit: int) -> list[Submission]:
    """What one person offered, the newest first."""
    return _submissions(db, "submitter_id = $id ORDER BY created_at DESC, id DESC LIMIT $limit",
                        {"id": user_id, "limit": limit})  # fmt: skip


def submissions_in(db: Db, statuses: Sequence[str]) -> list[Submission]:
    """In one of these states, the oldest first."""
    return _submissions(db, "list_contains($statuses, status) ORDER BY created_at, id", {"statuses": list(statuses)})


def insert_submission(db: Db, row: Mapping[str, Any]) -> None:
    _insert(db, "flea.submissions", row, _SUBMISSION_COLUMNS)


def change_submission(db: Db, submission_id: str, changes: Mapping[str, Any]) -> None:
    _change(db, "flea.submissions", submission_id, changes, _SUBMISSION_COLUMNS)


def last_number(db: Db, entity_id: str) -> int:
    return one_number(db, "SELECT coalesce(max(n), 0) FROM flea.submissions WHERE entity_id = ?", [entity_id])


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one person's submissions."""

    open: int
    """That wait."""
    today: int
    """In 24 hours."""
    strikes: int
    """Of those: blocked or rejected."""
    entities: int
    """That the person owns."""


def counts(db: Db, user_id: str, *, since: datetime, open_: Sequence[str], strikes: Sequence[str]) -> Counts:
    row = one_row(
        db,
        """SELECT count(*) FILTER (list_contains($open, status)), count(*) FILTER (created_at > $since),
            count(*) FILTER (created_at > $since AND list_contains($strikes, status)),
            (SELECT count(*) FROM flea.entities WHERE owner_user_id = $who)
        FROM flea.submissions WHERE submitter_id = $who""",
        {"who": user_id, "since": since, "open": list(open_), "strikes": list(strikes)},
    )
    return Counts(*map(int, row))


@dataclass(frozen=True, slots=True)
class SubmissionFilter:
    """What the queue shows."""

    statuses: Sequence[str] = ()
    """All if empty."""
    submitter: str = ""
    """Id, or a part of an address."""
    type: str = ""
    text: str = ""
    """Part of a name, a served name or a description."""
    version: str = ""
    archived: bool | None = None
    """Of archived entities alone, or of the others alone."""
    sort: str = "risk"
    descending: bool = True
    limit: int = 50
    skip: int = 0


_RISKS = ("none", "low", "medium", "high", "critical")
_RISK = f"list_position({list(_RISKS)!r}, s.risk)"
SORTS = {
    "risk": f"{_RISK} DESC, len(s.gained) DESC, s.created_at",
    "created_at": "s.created_at",
    "file_size": "s.size_bytes",
    "status": "s.status",
    "name": "lower(s.served_name)",
}


def queue(db: Db, wanted: SubmissionFilter) -> tuple[list[tuple[Submission, str, int]], int]:
    """((submission, status of its entity, open complaints), …) and how many there are altogether."""
    where = """(len($statuses) = 0 OR list_contains($statuses, s.status))
        AND ($submitter = '' OR s.submitter_id = $submitter OR contains(lower(s.submitter_email), lower($submitter)))
        AND ($type = '' OR s.type = $type)
        AND ($version = '' OR starts_with(s.version, $version) OR starts_with(s.sha256, $version))
        AND ($text = '' OR contains(lower(s.served_name || ' ' || s.description), lower($text)))
        AND ($archived IS NULL OR ($archived = (coalesce(e.status, '') = 'archived')))"""
    given = {
        "statuses": list(wanted.statuses),
        "submitter": wanted.submitter,
        "type": wanted.type,
        "text": wanted.text,
        "version": wanted.version,
        "archived": wanted.archived,
    }
    order = SORTS[wanted.sort]
    if wanted.sort != "risk":
        order += " DESC" if wanted.descending else " ASC"
    tables = "flea.submissions s LEFT JOIN flea.entities e ON e.id = s.entity_id"
    columns = ", ".join(f"s.{f.name}" for f in fields(Submission))
    total = one_number(db, f"SELECT count(*) FROM {tables} WHERE {where}", given)  # noqa: S608 (constant)
    rows = db.execute(
        f"""SELECT {columns}, coalesce(e.status, ''),
            (SELECT count(*) FROM flea.complaints c WHERE c.entity_id = s.entity_id AND c.closed_at IS NULL)
        FROM {tables} WHERE {where} ORDER BY {order}, s.id DESC LIMIT $limit OFFSET $skip""",  # noqa: S608 (constant)
        {**given, "limit": wanted.limit, "skip": wanted.skip},
    ).fetchall()
    return [(Submission(*row[:-2]), row[-2], int(row[-1])) for row in rows], total


def count_by_status(db: Db) -> dict[str, int]:
    rows = db.execute("SELECT status, count(*) FROM flea.submissions GROUP BY status").fetchall()
    return {status: int(count) for status, count in rows}


def _submissions(db: Db, rest: str, given: Mapping[str, Any]) -> list[Submission]:
    rows = db.execute(f"SELECT {_SUBMISSION} FROM flea.submissions WHERE {rest}", dict(given)).fetchall()  # noqa: S608 (constants)
    return [Submission(*row) for row in rows]


def _insert(db: Db, table: str, row: Mapping[str, Any], known: frozenset[str]) -> None:
    _check(row, known)
    marks = ", ".join("?" for _ in row)
    db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))  # noqa: S608 (checked)


def _change(db: Db, table: str, id: str, changes: Mapping[str, Any], known: frozenset[str]) -> None:
    _check(changes, known)
    written = ", ".join(f"{name} = ?" for name in changes)
    db.execute(f"UPDATE {table} SET {written} WHERE id = ?", [*changes.values(), id])  # noqa: S608 (checked)


def _check(row: Mapping[str, Any], known: frozenset[str]) -> None:
    if unknown := row.keys() - known:
        raise KeyError(f"no column is named {sorted(unknown)}")
