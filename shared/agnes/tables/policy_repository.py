"""SQL over policies, and over what people of some policies read."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from agnes.kernel.state import Db
from agnes.tables import collection_repository
from agnes.tables.objects import TableObject


@dataclass(frozen=True, slots=True)
class Policy:
    """`columns` None: all of them, later ones too."""

    table_id: str
    group_id: str
    filter: str
    written: str
    columns: tuple[str, ...] | None
    updated_by: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Restricted:
    """What people of some policies read of a table; nothing, if there is an `error`."""

    table_id: str
    policy_id: str
    made_of: str
    made_at: datetime
    changed_at: datetime
    error: str | None
    hash: str
    rows: int
    size_bytes: int
    columns: tuple[dict[str, str], ...]


@dataclass(frozen=True, slots=True)
class MadeObject:
    """An object, and the digest of the table's own object that it was made of."""

    object: TableObject
    made_of: str


_POLICY = ", ".join(field.name for field in fields(Policy))
_RESTRICTED = ", ".join(field.name for field in fields(Restricted))


def policies(db: Db) -> dict[str, dict[str, Policy]]:
    """Table → group → policy."""
    found: dict[str, dict[str, Policy]] = {}
    for row in db.execute(f"SELECT {_POLICY} FROM tables.policies ORDER BY ALL").fetchall():  # noqa: S608 (constant)
        values = dict(zip((field.name for field in fields(Policy)), row, strict=True))
        values["columns"] = None if values["columns"] is None else tuple(values["columns"])
        policy = Policy(**values)
        found.setdefault(policy.table_id, {})[policy.group_id] = policy
    return found


def put_policy(db: Db, policy: Policy) -> None:
    """Add a policy, or replace it."""
    delete_policy(db, policy.table_id, policy.group_id)
    db.execute(
        """INSERT INTO tables.policies (table_id, group_id, filter, written, columns, updated_by, updated_at)
        VALUES (?, ?, ?, ?, ?, ?, ?)""",
        [
            policy.table_id,
            policy.group_id,
            policy.filter,
            policy.written,
            None if policy.columns is None else list(policy.columns),
            policy.updated_by,
            policy.updated_at,
        ],
    )


def delete_policy(db: Db, table_id: str, group_id: str) -> None:
    db.execute("DELETE FROM tables.policies WHERE table_id = ? AND group_id = ?", [table_id, group_id])


def restricted(db: Db) -> dict[tuple[str, str], Restricted]:
    """By table and digest of policies."""
    found = {}
    for row in db.execute(f"SELECT {_RESTRICTED} FROM tables.restricted").fetchall():  # noqa: S608 (constant)
        values = dict(zip((field.name for field in fields(Restricted)), row, strict=True))
        values["columns"] = tuple(json.loads(values["columns"]))
        each = Restricted(**values)
        found[each.table_id, each.policy_id] = each
    return found


def made_objects(db: Db, wanted: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[MadeObject]]:
    """Of tables and digests of policies, in order."""
    found: dict[tuple[str, str], list[MadeObject]] = {}
    keys = sorted({f"{table_id} {policy_id}" for table_id, policy_id in wanted})
    if not keys:
        return found
    for table_id, policy_id, sha256, size_bytes, rows, partition, made_of in db.execute(
        """SELECT table_id, policy_id, sha256, size_bytes, rows, partition, made_of FROM tables.restricted_objects
        WHERE list_contains($keys, table_id || ' ' || policy_id) ORDER BY table_id, policy_id, position""",
        {"keys": keys},
    ).fetchall():
        made = MadeObject(TableObject(sha256, size_bytes, rows, partition), made_of)
        found.setdefault((table_id, policy_id), []).append(made)
    return found


def put_restricted(db: Db, each: Restricted, made: Iterable[MadeObject], now: datetime) -> None:
    """Add, or replace; objects that nothing names any more are retired."""
    delete_restricted(db, [(each.table_id, each.policy_id)], now)
    db.execute(
        f"INSERT INTO tables.restricted ({_RESTRICTED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 (constant)
        [
            *(getattr(each, field.name) for field in fields(Restricted)[:-1]),
            json.dumps(list(each.columns)),
        ],
    )
    rows: list[dict[str, Any]] = [
        {
            "position": position,
            "partition": one.object.partition,
            "sha256": one.object.sha256,
            "size_bytes": one.object.size_bytes,
            "rows": one.object.rows,
            "made_of": one.made_of,
        }
        for position, one in enumerate(made)
    ]
    if rows:
        db.execute(
            """INSERT INTO tables.restricted_objects
                (table_id, policy_id, position, partition, sha256, size_bytes, rows, made_of)
            SELECT $table, $policy, r.position, r.partition, r.sha256, r.size_bytes, r."rows", r.made_of
            FROM (SELECT unnest($rows) AS r)""",
            {"table": each.table_id, "policy": each.policy_id, "rows": rows},
        )
        collection_repository.retire(db, [row["sha256"] for row in rows], now)


def delete_restricted(db: Db, wanted: Collection[tuple[str, str]], now: datetime) -> None:
    before: list[str] = [one.object.sha256 for made in made_objects(db, wanted).values() for one in made]
    for table_id, policy_id in wanted:
        for table in ("restricted", "restricted_objects"):
            db.execute(
                f"DELETE FROM tables.{table} WHERE table_id = ? AND policy_id = ?",  # noqa: S608 (constant)
                [table_id, policy_id],
            )
    collection_repository.retire(db, before, now)


def forget(db: Db, table_id: str, now: datetime) -> None:
    """Everything of a table that is removed."""
    delete_restricted(db, [key for key in restricted(db) if key[0] == table_id], now)
    db.execute("DELETE FROM tables.policies WHERE table_id = ?", [table_id])
