"""SQL over groups, memberships and grants."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from agnes.access.model import Grant, Group, Member, Membership
from agnes.accounts.model import EVERYONE, GOOGLE_SYNC, origin_of
from agnes.kernel.state import Db, one_number, one_row

_GROUPS = f"""
    SELECT g.id, g.name, g.description, g.is_system, g.created_at, g.created_by,
        CASE WHEN g.id = '{EVERYONE}' THEN (SELECT count(*) FROM people.users WHERE active)
             ELSE (SELECT count(*) FROM people.memberships m WHERE m.group_id = g.id) END,
        (SELECT count(*) FROM people.grants r WHERE r.group_id = g.id)
    FROM people.groups g"""  # noqa: S608 (constant)


def groups(db: Db) -> list[Group]:
    """System groups first, then by name."""
    rows = db.execute(f"{_GROUPS} ORDER BY g.is_system DESC, lower(g.name)").fetchall()
    return [_group(row) for row in rows]


def find_groups(db: Db, q: str, *, offset: int, limit: int) -> tuple[list[Group], int]:
    """Groups of one page whose name or description holds `q`, and how many there are on all pages."""
    where = "WHERE $q = '' OR contains(lower(g.name || ' ' || g.description), $q)"
    total = one_number(db, f"SELECT count(*) FROM people.groups g {where}", {"q": q})  # noqa: S608 (constant)
    rows = db.execute(
        f"{_GROUPS} {where} ORDER BY g.is_system DESC, lower(g.name) LIMIT $limit OFFSET $offset",
        {"q": q, "limit": limit, "offset": offset},
    ).fetchall()
    return [_group(row) for row in rows], total


def group_names(db: Db) -> list[tuple[str, str]]:
    """(id, name), in the order of `groups`; without counting what is in them."""
    return db.execute("SELECT id, name FROM people.groups ORDER BY is_system DESC, lower(name)").fetchall()


def find_group(db: Db, group_id: str) -> Group | None:
    row = db.execute(f"{_GROUPS} WHERE g.id = ?", [group_id]).fetchone()
    return _group(row) if row else None


def is_name_taken(db: Db, name: str, *, but_by: str = "") -> bool:
    """Names are told apart without regard to case."""
    sql = "SELECT 1 FROM people.groups WHERE lower(name) = lower(?) AND id <> ?"
    return db.execute(sql, [name, but_by]).fetchone() is not None


def add_group(
    db: Db, id: str, *, name: str, description: str, by: str, now: datetime, external_id: str | None = None
) -> None:
    db.execute(
        """INSERT INTO people.groups (id, name, description, is_system, created_at, created_by, external_id)
        VALUES (?, ?, ?, false, ?, ?, ?)""",
        [id, name, description, now, by, external_id],
    )


def set_group(db: Db, group_id: str, *, name: str, description: str) -> None:
    db.execute("UPDATE people.groups SET name = ?, description = ? WHERE id = ?", [name, description, group_id])


def remove_group(db: Db, group_id: str) -> None:
    """With its memberships and grants."""
    for table, column in (("memberships", "group_id"), ("grants", "group_id"), ("groups", "id")):
        db.execute(f"DELETE FROM people.{table} WHERE {column} = ?", [group_id])  # noqa: S608 (constants)


def members(db: Db, group_id: str, *, offset: int = 0, limit: int | None = None) -> list[Member]:
    """By e-mail; of Everyone, all active accounts. A `limit` of None is all of them."""
    part = "" if limit is None else f" LIMIT {int(limit)} OFFSET {int(offset)}"
    if group_id == EVERYONE:
        rows = db.execute(
            f"""SELECT id, email, name, active, 'derived', created_at, NULL
            FROM people.users WHERE active ORDER BY email{part}"""  # noqa: S608 (numbers)
        ).fetchall()
    else:
        rows = db.execute(
            f"""SELECT u.id, u.email, u.name, u.active, m.source, m.added_at, m.added_by
            FROM people.memberships m JOIN people.users u ON u.id = m.user_id
            WHERE m.group_id = ? ORDER BY u.email{part}""",  # noqa: S608 (numbers)
            [group_id],
        ).fetchall()
    return [Member(*row) for row in rows]


def memberships(db: Db, user_id: str) -> list[Membership]:
    """Rows of a person, and the derived one in Everyone, system groups first."""
    rows = db.execute(
        """SELECT g.id, g.name, g.is_system, g.created_by, m.source, m.added_at, m.added_by
        FROM people.memberships m JOIN people.groups g ON g.id = m.group_id WHERE m.user_id = ?
        UNION ALL
        SELECT g.id, g.name, g.is_system, g.created_by, 'derived', u.created_at, NULL
        FROM people.users u JOIN people.groups g ON g.id = ? WHERE u.id = ? AND u.active
        ORDER BY 3 DESC, 2""",
        [user_id, EVERYONE, user_id],
    ).fetchall()
    return [
        Membership(group_id, name, is_system, origin_of(is_system=is_system, created_by=by), source, added_at, added_by)
        for group_id, name, is_system, by, source, added_at, added_by in rows
    ]


def groups_by_user(db: Db) -> dict[str, frozenset[str]]:
    """Of active accounts."""
    found: dict[str, set[str]] = {
        user_id: {EVERYONE} for (user_id,) in db.execute("SELECT id FROM people.users WHERE active").fetchall()
    }
    for user_id, group_id in db.execute("SELECT user_id, group_id FROM people.memberships").fetchall():
        if user_id in found:
            found[user_id].add(group_id)
    return {user_id: frozenset(groups) for user_id, groups in found.items()}


def fingerprint(db: Db) -> tuple[int | None, ...]:
    """Changes with active accounts, groups, memberships and grants; not with sign-ins."""
    return one_row(
        db,
        """SELECT (SELECT bit_xor(hash(id)) FROM people.users WHERE active),
            (SELECT bit_xor(hash(user_id, group_id)) FROM people.memberships),
            (SELECT bit_xor(hash(id, name)) FROM people.groups),
            (SELECT bit_xor(hash(group_id, resource_type, resource_id, id)) FROM people.grants)""",
    )


def find_source(db: Db, user_id: str, group_id: str) -> str | None:
    """Where a membership comes from; None if there is none."""
    sql = "SELECT source FROM people.memberships WHERE user_id = ? AND group_id = ?"
    row = db.execute(sql, [user_id, group_id]).fetchone()
    return row[0] if row else None


def add_member(db: Db, user_id: str, group_id: str, *, source: str, by: str, now: datetime) -> None:
    db.execute(
        "INSERT INTO people.memberships (user_id, group_id, source, added_at, added_by) VALUES (?, ?, ?, ?, ?)",
        [user_id, group_id, source, now, by],
    )


def remove_member(db: Db, user_id: str, group_id: str) -> None:
    db.execute("DELETE FROM people.memberships WHERE user_id = ? AND group_id = ?", [user_id, group_id])


def synced_groups(db: Db, creator: str) -> dict[str, str]:
    """Name in the directory → id, of the groups that a directory made."""
    sql = "SELECT external_id, id FROM people.groups WHERE created_by = ? AND external_id IS NOT NULL"
    return dict(db.execute(sql, [creator]).fetchall())


def group_ids_of(db: Db, user_id: str) -> dict[str, str]:
    """Group → source of the membership."""
    return dict(db.execute("SELECT group_id, source FROM people.memberships WHERE user_id = ?", [user_id]).fetchall())


def sources_of_members(db: Db, group_id: str) -> dict[str, str]:
    """Account → source of its membership."""
    return dict(db.execute("SELECT user_id, source FROM people.memberships WHERE group_id = ?", [group_id]).fetchall())


def add_members(db: Db, group_id: str, user_ids: Sequence[str], *, source: str, by: str, now: datetime) -> None:
    """In one statement."""
    if user_ids:
        db.execute(
            """INSERT INTO people.memberships (user_id, group_id, source, added_at, added_by)
            SELECT unnest($ids), $group, $source, $now, $by""",
            {"ids": list(user_ids), "group": group_id, "source": source, "now": now, "by": by},
        )


def remove_members(db: Db, group_id: str, user_ids: Sequence[str]) -> None:
    if user_ids:
        sql = "DELETE FROM people.memberships WHERE group_id = ? AND list_contains(?, user_id)"
        db.execute(sql, [group_id, list(user_ids)])


def grants(db: Db, *, resource_type: str | None = None, group_id: str | None = None) -> list[Grant]:
    """By resource, then group."""
    rows = db.execute(
        """SELECT r.id, r.group_id, g.name, r.resource_type, r.resource_id, r.assigned_at, r.assigned_by
        FROM people.grants r JOIN people.groups g ON g.id = r.group_id
        WHERE ($type IS NULL OR r.resource_type = $type) AND ($group IS NULL OR r.group_id = $group)
        ORDER BY r.resource_type, r.resource_id, lower(g.name)""",
        {"type": resource_type, "group": group_id},
    ).fetchall()
    return [Grant(*row) for row in rows]


def grants_by_group(
    db: Db,
    resource_types: Collection[str],
    group_ids: Collection[str] | None = None,
    resources: Collection[str] | None = None,
    grant_ids: Collection[str] | None = None,
) -> dict[str, list[tuple[str, str]]]:
    """Group → (id, resource) of its grants of these types; of all groups, resources and ids, or of some.

    One plain query: a join or a grouping wakes DuckDB's other threads, which costs more than it saves.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    rows = db.execute(
        """SELECT group_id, id, resource_id FROM people.grants
        WHERE list_contains($types, resource_type) AND ($groups IS NULL OR list_contains($groups, group_id))
            AND ($resources IS NULL OR list_contains($resources, resource_id))
            AND ($ids IS NULL OR id IN (SELECT unnest($ids::VARCHAR[])))""",
        {
            "types": list(resource_types),
            "groups": None if group_ids is None else sorted(group_ids),
            "resources": None if resources is None else sorted(resources),
            "ids": None if grant_ids is None else sorted(grant_ids),
        },
    ).fetchall()
    for group_id, grant_id, resource_id in rows:
        found.setdefault(group_id, []).append((grant_id, resource_id))
    return found


def groups_by_resource(db: Db, marketplace_id: str, *, but: str, names: int) -> dict[str, tuple[int, list[str]]]:
    """Resource of a marketplace → (groups that it is granted to, the first of their names), one group left out."""
    rows = db.execute(
        """SELECT r.resource_id, count(*), list(g.name ORDER BY lower(g.name))[:$names]
        FROM people.grants r JOIN people.groups g ON g.id = r.group_id
        WHERE r.group_id <> $but AND (r.resource_id = $id OR starts_with(r.resource_id, $id || '/'))
        GROUP BY 1""",
        {"id": marketplace_id, "but": but, "names": names},
    ).fetchall()
    return {resource: (count, found) for resource, count, found in rows}


def find_grant(db: Db, grant_id: str) -> Grant | None:
    row = db.execute(
        """SELECT r.id, r.group_id, g.name, r.resource_type, r.resource_id, r.assigned_at, r.assigned_by
        FROM people.grants r JOIN people.groups g ON g.id = r.group_id WHERE r.id = ?""",
        [grant_id],
    ).fetchone()
    return Grant(*row) if row else None


def add_grants(db: Db, grants: Sequence[Grant]) -> None:
    """In one statement: DuckDB inserts row by row at less than a hundred rows a second."""
    if grants:
        rows = [
            {
                "id": grant.id,
                "group_id": grant.group_id,
                "resource_type": grant.resource_type,
                "resource_id": grant.resource_id,
                "by": grant.assigned_by,
            }
            for grant in grants
        ]
        db.execute(
            """INSERT INTO people.grants (id, group_id, resource_type, resource_id, assigned_at, assigned_by)
            SELECT r.id, r.group_id, r.resource_type, r.resource_id, $at, r."by" FROM (SELECT unnest($rows) AS r)""",
            {"rows": rows, "at": grants[0].assigned_at},
        )


def remove_grants(db: Db, grant_ids: Sequence[str]) -> None:
    if grant_ids:
        db.execute("DELETE FROM people.grants WHERE list_contains($ids, id)", {"ids": list(grant_ids)})


def set_resource(db: Db, grant_id: str, resource_id: str) -> None:
    db.execute("UPDATE people.grants SET resource_id = ? WHERE id = ?", [resource_id, grant_id])


def granted(db: Db, group_id: str, resource_type: str) -> set[str]:
    """Ids of what a group was granted."""
    rows = db.execute(
        "SELECT resource_id FROM people.grants WHERE group_id = ? AND resource_type = ?", [group_id, resource_type]
    ).fetchall()
    return {row[0] for row in rows}


def accesses(db: Db, user_id: str) -> list[tuple[str, str, str, str]]:
    """(resource type, resource id, group id, group name) of every grant that reaches an active person."""
    return db.execute(
        """SELECT r.resource_type, r.resource_id, g.id, g.name
        FROM people.users u
        JOIN people.grants r ON r.group_id = ?
            OR EXISTS (SELECT 1 FROM people.memberships m WHERE m.user_id = u.id AND m.group_id = r.group_id)
        JOIN people.groups g ON g.id = r.group_id
        WHERE u.id = ? AND u.active
        ORDER BY r.resource_type, r.resource_id, g.is_system DESC, lower(g.name)""",
        [EVERYONE, user_id],
    ).fetchall()


def _group(row: tuple[Any, ...]) -> Group:
    id, name, description, is_system, created_at, created_by, member_count, grant_count = row  # noqa: A001
    origin = origin_of(is_system=is_system, created_by=created_by)
    return Group(
        id,
        name,
        description,
        is_system,
        created_at,
        created_by,
        origin,
        member_count,
        grant_count,
        is_google_managed=origin == GOOGLE_SYNC,
        mapped_email=None,
    )
