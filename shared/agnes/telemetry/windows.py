"""Figures of items and of plugins that are used together, as the last rollup left them in `telemetry`, for pages."""

from __future__ import annotations

from typing import Any

from agnes.kernel.state import Db

PluginKey = tuple[str, str, str]
"""(source, marketplace id, plugin)."""
WINDOW_COLUMNS = (
    "source", "marketplace_id", "plugin", "kind", "name", "invocations_30d", "distinct_users_30d", "invocations_7d",
    "distinct_users_7d", "trend_pct", "input_tokens_30d", "output_tokens_30d", "cache_read_tokens_30d",
    "cache_creation_tokens_30d", "cost_usd_30d", "unpriced_tokens_30d", "cache_creation_1h_tokens_30d",
    "carried_tokens_30d", "carried_cost_usd_30d", "carried_unpriced_tokens_30d",
)  # fmt: skip
"""Of a row of `item_figures`, in this order."""
_ZERO_IF_UNKNOWN = frozenset(
    {
        "unpriced_tokens_30d",
        "cache_creation_1h_tokens_30d",
        "carried_tokens_30d",
        "carried_unpriced_tokens_30d",
    }
)


def item_figures(db: Db) -> list[tuple[Any, ...]]:
    """A row of WINDOW_COLUMNS for each item that was used in the last 31 days."""
    columns = ", ".join(f"coalesce({name}, 0)" if name in _ZERO_IF_UNKNOWN else name for name in WINDOW_COLUMNS)
    return db.execute(f"SELECT {columns} FROM telemetry.item_windows").fetchall()  # noqa: S608 (our own names)


def used_together(db: Db) -> list[tuple[PluginKey, PluginKey, int]]:
    """(plugin, other, sessions of the last 30 days that used both), the likest first."""
    return db.execute(
        """SELECT (source, marketplace_id, plugin), (with_source, with_marketplace_id, with_plugin), sessions_30d
        FROM telemetry.used_together
        ORDER BY likeness DESC, sessions_30d DESC, with_plugin, with_marketplace_id, with_source"""
    ).fetchall()
