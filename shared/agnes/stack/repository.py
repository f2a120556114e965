"""The SQL of the `stack` state file, joined with what `people` and `marketplace` say.

A subscription counts from the registration of its marketplace on: one that was deleted and
registered anew under the same slug starts without anybody's.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime

from agnes.kernel.state import Db
from agnes.stack.model import ServedPlugin, StackPlugin

_GRANTED = """
    (SELECT DISTINCT g.resource_id FROM people.grants g
     WHERE g.resource_type = 'marketplace_plugin' AND g.group_id IN (SELECT unnest($groups::VARCHAR[])))
"""
_SUBSCRIBED = """
    LEFT JOIN stack.subscriptions s ON s.user_id = $user AND s.marketplace_id = p.marketplace_id
        AND s.plugin_name = p.name AND s.subscribed_at >= r.registered_at
"""


def served(db: Db, user_id: str, group_ids: Collection[str]) -> list[ServedPlugin]:
    """Granted and subscribed, or system, of what can be served, in the feed's order."""
    rows = db.execute(
        f"""
        SELECT p.marketplace_id, p.name, p.name, p.version, p.tree_id, p.git_oid, p.description, p.raw, p.is_system,
               r.registered_at, p.released_at
        FROM marketplace.plugins p
        JOIN marketplace.registries r ON r.id = p.marketplace_id
        {_SUBSCRIBED}
        WHERE p.tree_id IS NOT NULL AND p.removed_at IS NULL AND NOT p.disabled
          AND (p.is_system OR (s.user_id IS NOT NULL AND p.marketplace_id || '/' || p.name IN {_GRANTED}))
        ORDER BY r.registered_at, r.id, p.name
        """,  # noqa: S608 (constants)
        {"user": user_id, "groups": sorted(group_ids)},
    ).fetchall()
    return [ServedPlugin(*row[:7], json.loads(row[7]), *row[8:]) for row in rows]


def stack(db: Db, user_id: str, group_ids: Collection[str]) -> list[StackPlugin]:
    """Everything that a person may have: granted and system plugins, in the feed's order."""
    rows = db.execute(
        f"""
        SELECT p.marketplace_id, r.name, p.name, p.description, coalesce(p.version, p.upstream_version), p.category,
               p.author_name, p.is_system OR s.user_id IS NOT NULL, p.is_system, p.tree_id IS NOT NULL, p.problem,
               s.subscribed_at
        FROM marketplace.plugins p
        JOIN marketplace.registries r ON r.id = p.marketplace_id
        {_SUBSCRIBED}
        WHERE p.removed_at IS NULL AND NOT p.disabled
          AND (p.is_system OR p.marketplace_id || '/' || p.name IN {_GRANTED})
        ORDER BY r.registered_at, r.id, p.name
        """,  # noqa: S608
        {"user": user_id, "groups": sorted(group_ids)},
    ).fetchall()
    return [StackPlugin(*row) for row in rows]


def counts(db: Db) -> dict[tuple[str, str], int]:
    """Active people who hold each plugin: by a grant and a subscription, or because it is a system plugin."""
    rows = db.execute(
        """
        WITH reach AS (
            SELECT DISTINCT g.resource_id, u.id AS user_id
            FROM people.grants g
            LEFT JOIN people.memberships m ON m.group_id = g.group_id
            JOIN people.users u ON u.active AND (u.id = m.user_id OR g.group_id = 'everyone')
            WHERE g.resource_type = 'marketplace_plugin'
        ), held AS (
            SELECT s.marketplace_id, s.plugin_name, count(*) AS people
            FROM stack.subscriptions s
            JOIN marketplace.registries r ON r.id = s.marketplace_id AND s.subscribed_at >= r.registered_at
            JOIN reach ON reach.user_id = s.user_id AND reach.resource_id = s.marketplace_id || '/' || s.plugin_name
            GROUP BY ALL
        )
        SELECT p.marketplace_id, p.name,
               CASE WHEN p.is_system THEN (SELECT count(*) FROM people.users WHERE active)
                    ELSE coalesce(held.people, 0) END
        FROM marketplace.plugins p
        LEFT JOIN held ON held.marketplace_id = p.marketplace_id AND held.plugin_name = p.name
        WHERE p.removed_at IS NULL
        """
    ).fetchall()
    return {(marketplace_id, name): people for marketplace_id, name, people in rows}


def is_subscribed(db: Db, user_id: str, marketplace_id: str, plugin: str, *, since: datetime) -> bool:
    """Whether there is a subscription that counts: one of this registration."""
    row = db.execute(
        "SELECT 1 FROM stack.subscriptions "
        "WHERE user_id = ? AND marketplace_id = ? AND plugin_name = ? AND subscribed_at >= ?",
        [user_id, marketplace_id, plugin, since],
    ).fetchone()
    return row is not None


def subscribe(db: Db, user_id: str, marketplace_id: str, plugin: str, *, at: datetime) -> None:
    db.execute("INSERT OR REPLACE INTO stack.subscriptions VALUES (?, ?, ?, ?)", [user_id, marketplace_id, plugin, at])


def unsubscribe(db: Db, user_id: str, marketplace_id: str, plugin: str) -> None:
    db.execute(
        "DELETE FROM stack.subscriptions WHERE user_id = ? AND marketplace_id = ? AND plugin_name = ?",
        [user_id, marketplace_id, plugin],
    )
