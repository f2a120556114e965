"""Renamed plugins: stored rows keep the name that was written, and whoever reads them sees the one that the plugin has now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

Renamed = Sequence[tuple[str, str, str, date | None, date | None]]
"""As `ledger.renamed` gives them."""
WRITTEN = "written_plugin"
"""Column of an event: its `plugin` as it was extracted."""


def renames_table(renamed: Renamed) -> str:
    """The renames as a relation of SQL; there may be none."""
    nothing: list[Sequence[str | date | None]] = [(None,) * 5]
    rows = ", ".join(f"({', '.join(_literal(value) for value in row)})" for row in renamed or nothing)
    return (
        f"(SELECT m::VARCHAR AS marketplace_id, o::VARCHAR AS old_name, n::VARCHAR AS new_name, s::DATE AS since, "  # noqa: S608
        f"u::DATE AS until FROM (VALUES {rows}) AS r(m, o, n, s, u))"
    )


def followed_events(events: str, renamed: Renamed) -> str:
    """SQL for the rows of `events` (SQL) with the names that plugins have now in `plugin`, `agent_plugin` and `item_name`, and
    with `written_plugin`."""
    if not renamed:
        return f"SELECT *, plugin AS {WRITTEN} FROM ({events})"  # noqa: S608 (fixed parts)

    def joined(name: str, prefix: str) -> str:
        return (
            f"LEFT JOIN {renames_table(renamed)} {name} ON e.{prefix}source = 'curated' "
            f"AND {name}.marketplace_id = e.{prefix}marketplace_id AND {name}.old_name = e.{prefix}plugin "
            f"AND ({name}.since IS NULL OR e.occurred_at::DATE >= {name}.since) "
            f"AND ({name}.until IS NULL OR e.occurred_at::DATE < {name}.until)"
        )

    return (
        "SELECT e.* REPLACE (coalesce(n.new_name, e.plugin) AS plugin, coalesce(a.new_name, e.agent_plugin) AS agent_plugin, "  # noqa: S608
        "CASE WHEN e.item_kind = 'plugin' THEN coalesce(n.new_name, e.item_name) ELSE e.item_name END AS item_name), "
        f"e.plugin AS {WRITTEN} FROM ({events}) e {joined('n', '')} {joined('a', 'agent_')}"
    )


def _literal(value: str | date | None) -> str:
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"
