"""The listing as SQL over attached state files: visible first, then search, sort and page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agnes.kernel.state import Db

FILES = ("people", "marketplace", "stack", "telemetry")
"""State files that every listing reads."""

# What a person may see: granted to one of their groups, or a system plugin; admins are no exception.
_VISIBLE = """
WITH installs AS (
    SELECT s.marketplace_id, s.plugin_name, count(DISTINCT s.user_id) AS users
    FROM stack.subscriptions s JOIN people.users u ON u.id = s.user_id AND u.active
    GROUP BY ALL
), mine AS (
    SELECT marketplace_id, plugin_name FROM stack.subscriptions WHERE user_id = $user
), granted AS (
    SELECT DISTINCT resource_id FROM people.grants
    WHERE resource_type = 'marketplace_plugin' AND list_contains($groups, group_id)
), visible AS (
    SELECT
        p.marketplace_id, p.name, p.description, p.version, p.upstream_version, p.is_system, p.created_at,
        p.updated_at, p.released_at, p.homepage, p.author_name, p.size_bytes, p.tree_id, p.keywords, p.problem,
        coalesce(nullif(trim(p.category), ''), 'Other') AS category,
        r.name AS marketplace_name, r.curator_name, r.curator_email, r.registered_at,
        p.is_system OR m.plugin_name IS NOT NULL AS installed,
        CASE WHEN p.is_system THEN (SELECT count(*) FROM people.users WHERE active)
             ELSE coalesce(i.users, 0) END AS stack_count,
        coalesce(w.invocations_30d, 0) AS invocations_30d,
        coalesce(w.distinct_users_30d, 0) AS distinct_users_30d,
        coalesce(w.invocations_7d, 0) AS invocations_7d,
        coalesce(w.distinct_users_7d, 0) AS distinct_users_7d,
        coalesce(w.tokens_30d, 0) AS tokens_30d,
        w.trend_pct
    FROM marketplace.plugins p
    JOIN marketplace.registries r ON r.id = p.marketplace_id
    LEFT JOIN granted g ON g.resource_id = p.marketplace_id || '/' || p.name
    LEFT JOIN mine m ON m.marketplace_id = p.marketplace_id AND m.plugin_name = p.name
    LEFT JOIN installs i ON i.marketplace_id = p.marketplace_id AND i.plugin_name = p.name
    LEFT JOIN telemetry.item_windows w ON w.source = 'curated' AND w.kind = 'plugin'
        AND w.marketplace_id = p.marketplace_id AND w.plugin = p.name
    WHERE p.tree_id IS NOT NULL AND NOT p.disabled AND p.removed_at IS NULL
        AND (g.resource_id IS NOT NULL OR p.is_system)
)
"""

_ORDER = {
    "recent": "created_at DESC NULLS LAST, lower(name), marketplace_id",
    "most_used": "invocations_30d DESC, lower(name), marketplace_id",
    "most_adopted": "distinct_users_30d DESC, lower(name), marketplace_id",
    "trending": "trend_pct DESC, lower(name), marketplace_id",
}

SORTS = tuple(_ORDER)


@dataclass(frozen=True, slots=True)
class Filter:
    """What of the visible plugins is asked for."""

    tab: str = "curated"
    q: str = ""
    category: str = ""
    sort: str = "recent"


def page(
    db: Db, *, user_id: str, groups: Sequence[str], which: Filter, limit: int, offset: int
) -> tuple[list[dict[str, Any]], int]:
    """The rows of one page, and how many rows there are in all."""
    where, parameters = _where(which)
    sql = f"{_VISIBLE} SELECT *, count(*) OVER () AS total FROM visible WHERE {where} ORDER BY {_ORDER[which.sort]} LIMIT $limit OFFSET $offset"  # noqa: S608 (fixed parts)
    rows = _rows(db, sql, {**parameters, "user": user_id, "groups": list(groups), "limit": limit, "offset": offset})
    if rows or offset == 0:
        return rows, rows[0]["total"] if rows else 0
    # Past the end there is no row to carry the total.
    counted = _rows(
        db,
        f"{_VISIBLE} SELECT count(*) AS total FROM visible WHERE {where}",  # noqa: S608
        {**parameters, "user": user_id, "groups": list(groups)},
    )
    return [], counted[0]["total"]


def facets(db: Db, *, user_id: str, groups: Sequence[str], which: Filter) -> tuple[dict[str, int], int, int, bool]:
    """Categories with their counts in the tab, totals of the curated and the my tab, whether anything has a trend."""
    rows = _rows(
        db,
        f"""{_VISIBLE} SELECT category, count(*) AS curated, count(*) FILTER (installed) AS my,
            count(trend_pct) AS curated_trends, count(trend_pct) FILTER (installed) AS my_trends
            FROM visible GROUP BY category ORDER BY category""",  # noqa: S608
        {"user": user_id, "groups": list(groups)},
    )
    tab = "my" if which.tab == "my" else "curated"
    categories = {row["category"]: row[tab] for row in rows if row[tab]}
    has_trend = any(row[f"{tab}_trends"] for row in rows)
    return categories, sum(row["curated"] for row in rows), sum(row["my"] for row in rows), has_trend


def one(db: Db, *, user_id: str, groups: Sequence[str], marketplace_id: str, name: str) -> dict[str, Any] | None:
    """A visible plugin."""
    rows = _rows(
        db,
        f"{_VISIBLE} SELECT * FROM visible WHERE marketplace_id = $marketplace AND name = $name",  # noqa: S608
        {"user": user_id, "groups": list(groups), "marketplace": marketplace_id, "name": name},
    )
    return rows[0] if rows else None


def inner_items(db: Db, marketplace_id: str, plugin: str) -> list[dict[str, Any]]:
    """What is inside a plugin, each with its own figures."""
    return _rows(
        db,
        """SELECT i.kind, i.name, i.description, i.detail,
            coalesce(w.invocations_30d, 0) AS invocations_30d,
            coalesce(w.distinct_users_30d, 0) AS distinct_users_30d,
            coalesce(w.invocations_7d, 0) AS invocations_7d,
            coalesce(w.distinct_users_7d, 0) AS distinct_users_7d, w.trend_pct
        FROM marketplace.items i
        LEFT JOIN telemetry.item_windows w ON w.source = 'curated' AND w.marketplace_id = i.marketplace_id
            AND w.plugin = i.plugin_name AND w.kind = i.kind AND w.name = i.name
        WHERE i.marketplace_id = $marketplace AND i.plugin_name = $plugin ORDER BY i.kind, lower(i.name)""",
        {"marketplace": marketplace_id, "plugin": plugin},
    )


def daily(db: Db, marketplace_id: str, plugin: str) -> dict[Any, int]:
    """Calls of a plugin by day, over the days that are kept."""
    rows = _rows(
        db,
        """SELECT day, sum(invocations) AS invocations FROM telemetry.item_daily
        WHERE source = 'curated' AND kind = 'plugin' AND marketplace_id = $marketplace AND plugin = $plugin
        GROUP BY day""",
        {"marketplace": marketplace_id, "plugin": plugin},
    )
    return {row["day"]: int(row["invocations"]) for row in rows}


def _where(which: Filter) -> tuple[str, dict[str, Any]]:
    conditions, parameters = ["true"], {}
    if which.tab == "my":
        conditions.append("installed")
    if which.category:
        conditions.append("category = $category")
        parameters["category"] = which.category
    if which.sort == "trending":
        conditions.append("trend_pct IS NOT NULL")
    if which.q:
        conditions.append(
            """(contains(lower(name || ' ' || coalesce(description, '') || ' ' || category || ' '
                || coalesce(author_name, '') || ' ' || array_to_string(coalesce(keywords, []), ' ')), $q)
            OR EXISTS (SELECT 1 FROM marketplace.items i WHERE i.marketplace_id = visible.marketplace_id
                AND i.plugin_name = visible.name AND i.kind IN ('skill', 'agent', 'command')
                AND contains(lower(i.name || ' ' || coalesce(i.description, '')), $q)))"""
        )
        parameters["q"] = which.q.lower()
    return " AND ".join(conditions), parameters


def _rows(db: Db, sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    result = db.execute(sql, parameters)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
