"""The SQL of the `stack` state file, joined with what `people` and `marketplace` say.

A subscription counts from the registration of its marketplace on: one that was deleted and
registered anew under the same slug starts without anybody's.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import TypeVar

from agnes.kernel.state import Db, one_number
from agnes.marketplace import needs, renaming
from agnes.stack.model import Granted, StackPlugin

T = TypeVar("T")

_MINE = (
    "removed_at IS NULL AND NOT disabled AND (is_system"
    " OR list_contains($wanted, marketplace_id || '/' || name) OR list_contains($wanted, marketplace_id))"
)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""DuckDB's own way from TIMESTAMPTZ to Python costs more than the query."""


Since = int
"""Microseconds since the epoch: of many subscriptions few become times."""


@dataclass(frozen=True, slots=True)
class Registration:
    id: str
    name: str
    registered_at: datetime


def stack(db: Db, user_id: str, group_ids: Collection[str]) -> list[StackPlugin]:
    """Everything that a person may have: granted and system plugins, in the feed's order."""
    registered, moving, needed = registrations(db), renaming.pending(db), needs.needs(db)
    subscribed = moved(subscriptions(db, user_id), moving)
    mine = granted(db, group_ids)
    rows = db.execute(
        "SELECT marketplace_id, name, description, coalesce(version, upstream_version), category, author_name, is_system,"  # noqa: S608 (a condition of our own)
        " tree_id IS NOT NULL, coalesce(problem, withheld), coalesce(metadata ->> '$.display_name', declared ->> '$.display_name', name),"
        " declared FROM marketplace.plugins WHERE " + _MINE,
        {"wanted": sorted(mine)},
    ).fetchall()
    found = []
    for marketplace_id, name, *words, is_system, is_served, problem, display_name, declared in rows:
        registration = registered[marketplace_id]
        since = counting(subscribed.get(f"{marketplace_id}/{name}"), registration.registered_at)
        required = mine.requires(f"{marketplace_id}/{name}")
        enabled = is_system or required or since is not None
        line = StackPlugin(
            marketplace_id,
            registration.name,
            name,
            *words,
            enabled,
            is_system,
            required,
            is_served,
            problem,
            since,
            display_name=display_name,
            dependencies=needed.of(marketplace_id, json.loads(declared)) if declared else (),
        )
        found.append((registration.registered_at, marketplace_id, name, line))
    return [line for *_, line in sorted(found, key=lambda entry: entry[:3])]


def moved(of: Mapping[str, T], moving: Mapping[str, str]) -> Mapping[str, T]:
    """What is said of old resources said of the new ones, where the new ones have nothing of their own."""
    if not moving:
        return of
    found = {resource: value for resource, value in of.items() if resource not in moving}
    for old, new in moving.items():
        if old in of:
            found.setdefault(new, of[old])
    return found


def counting(since: Since | None, registered_at: datetime) -> datetime | None:
    """When somebody subscribed; None if it was to an earlier registration of the marketplace, or never."""
    if since is None:
        return None
    subscribed_at = time_of(since)
    return subscribed_at if subscribed_at >= registered_at else None


def registrations(db: Db) -> dict[str, Registration]:
    rows = db.execute("SELECT id, name, registered_at FROM marketplace.registries").fetchall()
    return {row[0]: Registration(*row) for row in rows}


def granted(db: Db, group_ids: Collection[str]) -> Granted:
    """What these groups were granted.

    Two plain queries: their join and grouping wake DuckDB's other threads, which costs more than it saves.
    """
    grants = db.execute(
        "SELECT id, resource_id FROM people.grants "
        "WHERE resource_type IN ('marketplace_plugin', 'marketplace') AND list_contains($groups, group_id)",
        {"groups": sorted(group_ids)},
    ).fetchall()
    return granted_of(grants, required_grants(db), renaming.pending(db))


def granted_of(grants: Iterable[tuple[str, str]], required: Collection[str], moving: Mapping[str, str]) -> Granted:
    """The same of (id, resource) of a person's grants, the ids of those that require, and what grants have yet to follow."""
    found = Granted()
    for grant_id, granted_resource in grants:
        resource = moving.get(granted_resource, granted_resource) if moving else granted_resource
        found[resource] = found.get(resource, False) or grant_id in required
    return found


def required_grants(db: Db) -> frozenset[str]:
    return frozenset(grant_id for (grant_id,) in db.execute("SELECT grant_id FROM stack.required_grants").fetchall())


def subscriptions(db: Db, user_id: str) -> dict[str, Since]:
    """By `<slug>/<plugin>`."""
    return dict(
        db.execute(
            "SELECT marketplace_id || '/' || plugin_name, epoch_us(subscribed_at) FROM stack.subscriptions WHERE user_id = ?",
            [user_id],
        ).fetchall()
    )


def subscriptions_by_user(db: Db) -> dict[str, dict[str, Since]]:
    """User id → as `subscriptions`."""
    found: dict[str, dict[str, Since]] = {}
    for user_id, resource, since in db.execute(
        "SELECT user_id, marketplace_id || '/' || plugin_name, epoch_us(subscribed_at) FROM stack.subscriptions"
    ).fetchall():
        found.setdefault(user_id, {})[resource] = since
    return found


def entities_by_user(db: Db) -> dict[str, dict[str, tuple[str, Since]]]:
    """User id → entity id → (served name, when they added it), of flea entities."""
    found: dict[str, dict[str, tuple[str, Since]]] = {}
    for user_id, entity_id, name, since in db.execute(
        "SELECT i.user_id, e.id, e.served_name, epoch_us(i.installed_at) "
        "FROM stack.entity_installs i JOIN flea.entities e ON e.id = i.entity_id"
    ).fetchall():
        found.setdefault(user_id, {})[entity_id] = name, since
    return found


def time_of(since: Since) -> datetime:
    return _EPOCH + timedelta(microseconds=since)


def counts(db: Db) -> dict[tuple[str, str], int]:
    """Active people who hold each plugin: by a grant and a subscription, or because it is a system plugin."""
    rows = db.execute(
        """
        WITH given AS (
            SELECT id, group_id, resource_id FROM people.grants WHERE resource_type = 'marketplace_plugin'
            UNION ALL
            SELECT g.id, g.group_id, p.marketplace_id || '/' || p.name
            FROM people.grants g JOIN marketplace.plugins p ON p.marketplace_id = g.resource_id
            WHERE g.resource_type = 'marketplace'
        ), reach AS (
            SELECT g.resource_id, u.id AS user_id,
                   bool_or(g.id IN (SELECT grant_id FROM stack.required_grants)) AS required
            FROM given g
            LEFT JOIN people.memberships m ON m.group_id = g.group_id
            JOIN people.users u ON u.active AND (u.id = m.user_id OR g.group_id = 'everyone')
            GROUP BY ALL
        ), asked AS (
            SELECT s.user_id, s.marketplace_id || '/' || s.plugin_name AS resource_id
            FROM stack.subscriptions s
            JOIN marketplace.registries r ON r.id = s.marketplace_id AND s.subscribed_at >= r.registered_at
        ), held AS (
            SELECT reach.resource_id, count(*) AS people
            FROM reach
            LEFT JOIN asked ON asked.user_id = reach.user_id AND asked.resource_id = reach.resource_id
            WHERE reach.required OR asked.user_id IS NOT NULL
            GROUP BY ALL
        )
        SELECT p.marketplace_id, p.name,
               CASE WHEN p.is_system THEN (SELECT count(*) FROM people.users WHERE active)
                    ELSE coalesce(held.people, 0) END
        FROM marketplace.plugins p
        LEFT JOIN held ON held.resource_id = p.marketplace_id || '/' || p.name
        WHERE p.removed_at IS NULL
        """
    ).fetchall()
    return {(marketplace_id, name): people for marketplace_id, name, people in rows}


def is_subscribed(db: Db, user_id: str, marketplace_id: str, plugin: str, *, since: datetime) -> bool:
    """Whether there is a subscription that counts: one of this registration. Of `db` it reads `stack` alone."""
    row = db.execute(
        "SELECT 1 FROM stack.subscriptions "
        "WHERE user_id = ? AND marketplace_id = ? AND plugin_name = ? AND subscribed_at >= ?",
        [user_id, marketplace_id, plugin, since],
    ).fetchone()
    return row is not None


def require(db: Db, grant_id: str, *, required: bool, at: datetime, by: str) -> bool:
    """Set or clear the mark of a grant; whether that changed anything."""
    known = db.execute("SELECT 1 FROM stack.required_grants WHERE grant_id = ?", [grant_id]).fetchone() is not None
    if known == required:
        return False
    if required:
        db.execute("INSERT INTO stack.required_grants VALUES (?, ?, ?)", [grant_id, at, by])
    else:
        db.execute("DELETE FROM stack.required_grants WHERE grant_id = ?", [grant_id])
    return True


def subscribe(db: Db, user_id: str, marketplace_id: str, plugin: str, *, at: datetime) -> None:
    db.execute("INSERT OR REPLACE INTO stack.subscriptions VALUES (?, ?, ?, ?)", [user_id, marketplace_id, plugin, at])


def unsubscribe(db: Db, user_id: str, marketplace_id: str, plugin: str) -> None:
    db.execute(
        "DELETE FROM stack.subscriptions WHERE user_id = ? AND marketplace_id = ? AND plugin_name = ?",
        [user_id, marketplace_id, plugin],
    )


def entity_installs(db: Db, user_id: str) -> dict[str, datetime]:
    """Entity id → since when; the newest first."""
    rows = db.execute(
        "SELECT entity_id, installed_at FROM stack.entity_installs WHERE user_id = ?", [user_id]
    ).fetchall()
    return dict(sorted(sorted(rows), key=itemgetter(1), reverse=True))


def added_entities(db: Db, user_id: str) -> set[str]:
    """Their ids alone: when each was added costs more to read than all the rest."""
    rows = db.execute("SELECT entity_id FROM stack.entity_installs WHERE user_id = ?", [user_id]).fetchall()
    return {entity_id for (entity_id,) in rows}


def follow(db: Db, moving: Mapping[str, str], required: Mapping[str, str]) -> dict[str, int]:
    """Move subscriptions from old plugins to new ones, old resource → new one, and the marks of grants, old id → new id.

    Who had both keeps the earlier date. Repeating it changes nothing. Old resource → how many moved.
    """
    found = {}
    for old, new in moving.items():
        (marketplace_id, _, old_name), new_name = old.partition("/"), new.partition("/")[2]
        found[old] = one_number(
            db,
            "SELECT count(*) FROM stack.subscriptions WHERE marketplace_id = ? AND plugin_name = ?",
            [marketplace_id, old_name],
        )
        if not found[old]:
            continue
        db.execute(
            """INSERT OR REPLACE INTO stack.subscriptions
            SELECT user_id, marketplace_id, $new, min(subscribed_at) FROM stack.subscriptions
            WHERE marketplace_id = $id AND plugin_name IN ($old, $new)
            GROUP BY user_id, marketplace_id HAVING bool_or(plugin_name = $old)""",
            {"id": marketplace_id, "old": old_name, "new": new_name},
        )
        db.execute(
            "DELETE FROM stack.subscriptions WHERE marketplace_id = ? AND plugin_name = ?", [marketplace_id, old_name]
        )
    for old_grant, new_grant in required.items():
        db.execute(
            """INSERT OR IGNORE INTO stack.required_grants
            SELECT ?, set_at, set_by FROM stack.required_grants WHERE grant_id = ?""",
            [new_grant, old_grant],
        )
    return found


def has_entity(db: Db, user_id: str, entity_id: str) -> bool:
    row = db.execute(
        "SELECT 1 FROM stack.entity_installs WHERE user_id = ? AND entity_id = ?", [user_id, entity_id]
    ).fetchone()
    return row is not None


def add_entity(db: Db, user_id: str, entity_id: str, *, at: datetime) -> None:
    db.execute("INSERT INTO stack.entity_installs VALUES (?, ?, ?)", [user_id, entity_id, at])


def remove_entity(db: Db, user_id: str, entity_id: str) -> None:
    db.execute("DELETE FROM stack.entity_installs WHERE user_id = ? AND entity_id = ?", [user_id, entity_id])
