"""Who is served what, as plain SQL over all state files: slow and obvious. What the rule (`agnes.stack.entitlement`) and the
indices over it are compared with. It knows no dependencies; `tests/unit/stack/test_resolution.py` has a reference for those."""

from __future__ import annotations

from typing import NamedTuple

from agnes.kernel.state import Db

_MEMBER = """
    SELECT id AS user_id, 'everyone' AS group_id FROM people.users WHERE active
    UNION
    SELECT m.user_id, m.group_id FROM people.memberships m JOIN people.users u ON u.id = m.user_id WHERE u.active
"""

_REACHING = f"""
    SELECT m.user_id, p.marketplace_id, p.name, bool_or(g.id IN (SELECT grant_id FROM stack.required_grants)) AS required,
        bool_or(g.resource_type = 'marketplace_plugin') AS direct,
        list_sort(list(DISTINCT g.group_id || ' ' || g.resource_id)) AS via
    FROM marketplace.plugins p
    JOIN people.grants g
        ON (g.resource_type = 'marketplace_plugin' AND g.resource_id = p.marketplace_id || '/' || p.name)
        OR (g.resource_type = 'marketplace' AND g.resource_id = p.marketplace_id)
    JOIN ({_MEMBER}) m ON m.group_id = g.group_id
    GROUP BY ALL
"""

_CURATED = f"""
    SELECT u.id AS user_id, 'curated' AS source, p.marketplace_id || '/' || p.name AS key, p.name,
        coalesce(reaching.via, []) AS via, p.is_system,
        coalesce(s.subscribed_at >= r.registered_at, false) AS asked,
        CASE WHEN early.id IS NOT NULL THEN early.tree_id ELSE p.tree_id END AS tree_id,
        CASE WHEN early.id IS NOT NULL THEN early.version ELSE p.version END AS version,
        CASE WHEN early.id IS NOT NULL THEN 'rollout_group' WHEN p.pinned_version IS NOT NULL THEN 'rollback'
            WHEN p.withheld IS NOT NULL THEN 'withheld' WHEN r.ref IS NOT NULL THEN 'pin' ELSE 'newest' END AS decided_by,
        CASE WHEN p.removed_at IS NOT NULL THEN 'removed_upstream' WHEN p.disabled THEN 'disabled'
            WHEN NOT p.is_system AND reaching.via IS NULL THEN 'not_granted'
            WHEN NOT (p.is_system OR reaching.required OR coalesce(s.subscribed_at >= r.registered_at, false))
                THEN 'not_added' END AS kept_from,
        r.registered_at AS place, p.marketplace_id AS origin,
        p.removed_at IS NULL OR coalesce(reaching.direct, false) OR s.user_id IS NOT NULL AS is_shown
    FROM people.users u CROSS JOIN marketplace.plugins p
    JOIN marketplace.registries r ON r.id = p.marketplace_id
    LEFT JOIN ({_REACHING}) reaching
        ON reaching.user_id = u.id AND reaching.marketplace_id = p.marketplace_id AND reaching.name = p.name
    LEFT JOIN stack.subscriptions s
        ON s.user_id = u.id AND s.marketplace_id = p.marketplace_id AND s.plugin_name = p.name
    LEFT JOIN marketplace.versions early
        ON early.marketplace_id = p.marketplace_id AND early.plugin_name = p.name AND early.id = p.rollout_version
        AND early.tree_id NOT IN (SELECT tree_id FROM marketplace.blocked_trees)
        AND EXISTS (SELECT 1 FROM ({_MEMBER}) m WHERE m.user_id = u.id AND m.group_id = p.rollout_group)
    WHERE u.active
"""

_FLEA = """
    SELECT i.user_id, 'flea' AS source, e.id AS key, e.served_name AS name, [] AS via, false AS is_system, true AS asked,
        e.tree_id, e.version, 'owner' AS decided_by,
        CASE WHEN e.tree_id IS NULL OR e.status NOT IN ('approved', 'archived') THEN 'not_approved' END AS kept_from,
        e.created_at AS place, e.id AS origin, true AS is_shown
    FROM stack.entity_installs i JOIN flea.entities e ON e.id = i.entity_id JOIN people.users u ON u.id = i.user_id
    WHERE u.active
"""

_VERDICTS = f"""
    WITH had AS (SELECT * FROM ({_CURATED}) WHERE is_shown UNION ALL {_FLEA}),
    judged AS (
        SELECT *, CASE WHEN kept_from IS NOT NULL THEN kept_from WHEN tree_id IS NULL THEN 'no_version'
            WHEN tree_id IN (SELECT tree_id FROM marketplace.blocked_trees) THEN 'blocked_version' END AS kind
        FROM had
    ),
    named AS (
        SELECT *, kind IS NULL AND row_number() OVER (
            PARTITION BY user_id, lower(name), kind IS NULL ORDER BY source, place, origin, name) > 1 AS is_taken
        FROM judged
    )
    SELECT user_id, key, via, CASE WHEN is_taken THEN 'name_conflict' ELSE coalesce(kind, 'served') END,
        CASE WHEN kind IS NULL AND NOT is_taken THEN version ELSE '' END,
        CASE WHEN kind IS NULL AND NOT is_taken THEN decided_by END
    FROM named ORDER BY user_id, source, place, origin, name
"""


class Verdict(NamedTuple):
    key: str
    via: tuple[str, ...]
    """Of each grant that reaches it: group and granted resource."""
    kind: str
    """`served`, or the kind of the reason."""
    version: str
    decided_by: str | None


def verdicts(db: Db) -> dict[str, list[Verdict]]:
    """Active user → every plugin that is listed, and what else they were granted by itself or added; in the feed's order."""
    found: dict[str, list[Verdict]] = {}
    for (user_id,) in db.execute("SELECT id FROM people.users WHERE active").fetchall():
        found[user_id] = []
    for user_id, key, via, *decided in db.execute(_VERDICTS).fetchall():
        found[user_id].append(Verdict(key, tuple(via), *decided))
    return found


def counts(db: Db) -> dict[tuple[str, str], int]:
    """(marketplace, plugin) → active people who hold it: by a grant and a subscription, by a grant that requires it, or
    because it is a system plugin. Of disabled plugins too."""
    rows = db.execute(
        f"""
        SELECT p.marketplace_id, p.name, count(u.id) FILTER (p.is_system OR reaching.required OR (reaching.via IS NOT NULL
            AND s.subscribed_at >= r.registered_at))
        FROM marketplace.plugins p JOIN marketplace.registries r ON r.id = p.marketplace_id CROSS JOIN people.users u
        LEFT JOIN ({_REACHING}) reaching
            ON reaching.user_id = u.id AND reaching.marketplace_id = p.marketplace_id AND reaching.name = p.name
        LEFT JOIN stack.subscriptions s
            ON s.user_id = u.id AND s.marketplace_id = p.marketplace_id AND s.plugin_name = p.name
        WHERE u.active AND p.removed_at IS NULL GROUP BY ALL
        """
    ).fetchall()
    return {(marketplace_id, name): people for marketplace_id, name, people in rows}
