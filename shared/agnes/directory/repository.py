"""SQL over what directories keep by SCIM."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agnes.kernel.state import Db


@dataclass(frozen=True, slots=True)
class UserRow:
    """An account as SCIM shows it. Accounts that no directory made have no `resource`."""

    id: str
    email: str
    name: str
    active: bool
    resource: dict[str, Any] | None
    external_id: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class GroupRow:
    id: str
    display_name: str
    external_id: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Pair:
    """Whoever is in a group: the other one's id and what it is called."""

    of: str
    id: str
    label: str


_USERS = """SELECT u.id, u.email, u.name, u.active, s.resource, s.external_id, u.created_at,
        greatest(u.updated_at, coalesce(s.updated_at, u.updated_at))
    FROM people.users u LEFT JOIN people.scim_users s ON s.user_id = u.id"""
_GROUPS = "SELECT group_id, display_name, external_id, created_at, updated_at FROM people.scim_groups"


def users(db: Db, *, offset: int = 0, limit: int | None = None) -> list[UserRow]:
    """By id; a `limit` of None is all of them."""
    part = "" if limit is None else f" LIMIT {int(limit)} OFFSET {int(offset)}"
    return [_user(row) for row in db.execute(f"{_USERS} ORDER BY u.id{part}").fetchall()]


def count_users(db: Db) -> int:
    return int(db.execute("SELECT count(*) FROM people.users").fetchall()[0][0])


def users_with(db: Db, attribute: str, value: str) -> list[UserRow]:
    """Those whose `id`, `userName`, `externalId` or `emails` may be this; the caller compares."""
    where = {
        "id": "u.id = $value",
        "userName": "s.user_name = lower($value) OR (s.user_id IS NULL AND u.email = lower($value))",
        "externalId": "s.external_id = $value",
        "emails": "u.email = lower($value) OR contains(lower(s.resource), lower($value))",
    }[attribute]
    return [_user(row) for row in db.execute(f"{_USERS} WHERE {where} ORDER BY u.id", {"value": value}).fetchall()]


def find_user(db: Db, user_id: str) -> UserRow | None:
    found = db.execute(f"{_USERS} WHERE u.id = ?", [user_id]).fetchall()
    return _user(found[0]) if found else None


def is_user_name_taken(db: Db, user_name: str, *, but_by: str) -> bool:
    sql = "SELECT 1 FROM people.scim_users WHERE user_name = lower(?) AND user_id <> ?"
    return bool(db.execute(sql, [user_name, but_by]).fetchall())


def put_users(db: Db, rows: Sequence[tuple[str, str, str | None, dict[str, Any]]], now: datetime) -> None:
    """(account, user name, external id, resource) of each; in one statement, since DuckDB inserts row by row at less than a
    hundred rows a second."""
    given = [
        {
            "user_id": user_id,
            "user_name": user_name.lower(),
            "external_id": external_id,
            "resource": json.dumps(resource),
        }
        for user_id, user_name, external_id, resource in rows
    ]
    db.execute(
        """INSERT INTO people.scim_users (user_id, user_name, external_id, resource, created_at, updated_at)
        SELECT r.user_id, r.user_name, r.external_id, r.resource, $now, $now FROM (SELECT unnest($rows) AS r)
        ON CONFLICT (user_id) DO UPDATE SET user_name = excluded.user_name, external_id = excluded.external_id,
            resource = excluded.resource, updated_at = excluded.updated_at""",
        {"rows": given, "now": now},
    )


def remove_user(db: Db, user_id: str) -> None:
    db.execute("DELETE FROM people.scim_users WHERE user_id = ?", [user_id])


def groups_of_users(db: Db, user_ids: Sequence[str]) -> list[Pair]:
    """(user, group, the group's name) of every membership but the derived ones."""
    rows = db.execute(
        """SELECT m.user_id, g.id, coalesce(s.display_name, g.name) FROM people.memberships m
        JOIN people.groups g ON g.id = m.group_id LEFT JOIN people.scim_groups s ON s.group_id = g.id
        WHERE list_contains($ids, m.user_id) ORDER BY g.id""",
        {"ids": list(user_ids)},
    ).fetchall()
    return [Pair(*row) for row in rows]


def groups(db: Db) -> list[GroupRow]:
    return [GroupRow(*row) for row in db.execute(f"{_GROUPS} ORDER BY group_id").fetchall()]


def find_group(db: Db, group_id: str) -> GroupRow | None:
    found = db.execute(f"{_GROUPS} WHERE group_id = ?", [group_id]).fetchall()
    return GroupRow(*found[0]) if found else None


def is_group_name_taken(db: Db, display_name: str, *, but_by: str) -> bool:
    sql = "SELECT 1 FROM people.scim_groups WHERE lower(display_name) = lower(?) AND group_id <> ?"
    return bool(db.execute(sql, [display_name, but_by]).fetchall())


def put_group(db: Db, group_id: str, *, display_name: str, external_id: str | None, now: datetime) -> None:
    db.execute(
        """INSERT INTO people.scim_groups (group_id, display_name, external_id, created_at, updated_at)
        VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (group_id) DO UPDATE SET display_name = excluded.display_name, external_id = excluded.external_id,
            updated_at = excluded.updated_at""",
        [group_id, display_name, external_id, now, now],
    )


def remove_group(db: Db, group_id: str) -> None:
    db.execute("DELETE FROM people.scim_groups WHERE group_id = ?", [group_id])


def members_of_groups(db: Db, group_ids: Sequence[str]) -> list[Pair]:
    """(group, user, the user's name) of the memberships that the directory made."""
    rows = db.execute(
        """SELECT m.group_id, u.id, u.name FROM people.memberships m JOIN people.users u ON u.id = m.user_id
        WHERE m.source = 'scim' AND list_contains($ids, m.group_id) ORDER BY u.id""",
        {"ids": list(group_ids)},
    ).fetchall()
    return [Pair(*row) for row in rows]


def existing(db: Db, user_ids: Sequence[str]) -> set[str]:
    rows = db.execute("SELECT id FROM people.users WHERE list_contains(?, id)", [list(user_ids)]).fetchall()
    return {row[0] for row in rows}


def _user(row: Sequence[Any]) -> UserRow:
    user_id, email, name, active, resource, external_id, created_at, updated_at = row
    stored = json.loads(resource) if resource else None
    return UserRow(user_id, email, name, active, stored, external_id, created_at, updated_at)
