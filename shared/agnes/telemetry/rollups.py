"""Rollups, in SQL over a Workbench.

`item_user_daily` is the base, one parquet file a day: (item, user) with invocations, errors and tokens. Daily and
window figures are made from it without touching events again. `kind` is skill, agent, command, mcp, or `plugin` for
the plugin as a whole, so that its distinct users are true ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from agnes.telemetry.batch import Workbench, Written

ITEM_USER_DAILY = "item_user_daily"
WINDOW_DAYS = 30
DAILY_DAYS = 31

_TOKENS = "input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens"
_NO_TOKENS = "0 AS input_tokens, 0 AS output_tokens, 0 AS cache_read_tokens, 0 AS cache_creation_tokens"
_SUMS = ", ".join(f"sum({name})::BIGINT AS {name}" for name in _TOKENS.split(", "))
_ITEM = "source, marketplace_id, plugin, kind, name"

# Copies of an event in several sessions (forks, resumed sessions) are one event: failed if any copy saw it fail,
# with the largest usage that any copy saw. What it counts for is said by the copy of the lowest session id.
_ONCE = """
CREATE OR REPLACE TABLE once AS
WITH live AS (
    SELECT * EXCLUDE day FROM new_events WHERE day = '{day}'
    {stored}
)
SELECT any_value(user_id) AS user_id, any_value(event_type) AS event_type, min(occurred_at) AS occurred_at,
    bool_or(is_error) AS is_error,
    arg_min({{'source': source, 'marketplace_id': marketplace_id, 'plugin': plugin, 'item_kind': item_kind,
        'item_name': item_name, 'agent_source': agent_source, 'agent_marketplace_id': agent_marketplace_id,
        'agent_plugin': agent_plugin, 'agent_name': agent_name}}, session_id) AS item,
    max(input_tokens) AS input_tokens, max(output_tokens) AS output_tokens,
    max(cache_read_tokens) AS cache_read_tokens, max(cache_creation_tokens) AS cache_creation_tokens
FROM live GROUP BY event_id
"""

_STORED = """
    UNION ALL BY NAME
    SELECT e.* FROM read_parquet({paths}, hive_partitioning = false) e
    SEMI JOIN live_generations USING (user_id, session_id, generation)
"""

_BASE = f"""
WITH counted AS (
    SELECT item.source, item.marketplace_id, item.plugin, unnest([item.item_kind, 'plugin']) AS kind,
        unnest([item.item_name, item.plugin]) AS name,
        user_id, 1 AS invocations, is_error::INT AS errors, {_NO_TOKENS}, occurred_at
    FROM once WHERE item.item_kind IS NOT NULL AND event_type <> 'message'
    UNION ALL
    SELECT item.source, item.marketplace_id, item.plugin, item.item_kind, item.item_name, user_id, 0, 0, {_TOKENS}, NULL
    FROM once WHERE event_type = 'message' AND item.item_kind IS NOT NULL
    UNION ALL
    SELECT item.source, item.marketplace_id, item.plugin, 'plugin', item.plugin, user_id, 0, 0, {_TOKENS}, NULL
    FROM once WHERE event_type = 'message' AND item.plugin IS NOT NULL
    UNION ALL
    SELECT item.agent_source, item.agent_marketplace_id, item.agent_plugin, 'agent', item.agent_name, user_id, 0, 0,
        {_TOKENS}, NULL
    FROM once WHERE event_type = 'message' AND item.agent_name IS NOT NULL
)
SELECT {_ITEM}, user_id, sum(invocations)::BIGINT AS invocations, sum(errors)::BIGINT AS errors, {_SUMS},
    max(occurred_at) AS last_at
FROM counted GROUP BY ALL ORDER BY ALL
"""  # noqa: S608 (fixed parts)

_DAILY = f"""
SELECT DATE '{{day}}' AS day, {_ITEM}, sum(invocations)::BIGINT AS invocations,
    count(DISTINCT user_id) FILTER (invocations > 0) AS distinct_users, sum(errors)::BIGINT AS errors, {_SUMS}
FROM read_parquet('{{path}}', hive_partitioning = false) GROUP BY ALL ORDER BY ALL
"""  # noqa: S608 (fixed parts)

# A window of N days is today and the N-1 complete days before it, so the 30 entries of a daily series sum to it.
# The trend compares complete days only: the 7 before today with the 7 before those.
_WINDOWS = f"""
WITH base AS (SELECT * FROM item_user_days WHERE day > $today - {DAILY_DAYS} AND day <= $today), figures AS (
    SELECT {_ITEM},
        coalesce(sum(invocations) FILTER (day > $today - 7), 0)::BIGINT AS invocations_7d,
        count(DISTINCT user_id) FILTER (day > $today - 7 AND invocations > 0) AS distinct_users_7d,
        coalesce(sum(errors) FILTER (day > $today - 7), 0)::BIGINT AS errors_7d,
        coalesce(sum(invocations) FILTER (day > $today - 30), 0)::BIGINT AS invocations_30d,
        count(DISTINCT user_id) FILTER (day > $today - 30 AND invocations > 0) AS distinct_users_30d,
        coalesce(sum(errors) FILTER (day > $today - 30), 0)::BIGINT AS errors_30d,
        count(DISTINCT day) FILTER (day > $today - 30 AND invocations > 0) AS active_days_30d,
        coalesce(sum(input_tokens) FILTER (day > $today - 30), 0)::BIGINT AS input_tokens_30d,
        coalesce(sum(output_tokens) FILTER (day > $today - 30), 0)::BIGINT AS output_tokens_30d,
        coalesce(sum(cache_read_tokens) FILTER (day > $today - 30), 0)::BIGINT AS cache_read_tokens_30d,
        coalesce(sum(cache_creation_tokens) FILTER (day > $today - 30), 0)::BIGINT AS cache_creation_tokens_30d,
        coalesce(sum(invocations) FILTER (day BETWEEN $today - 7 AND $today - 1), 0)::BIGINT AS recent,
        coalesce(sum(invocations) FILTER (day BETWEEN $today - 14 AND $today - 8), 0)::BIGINT AS prior,
        max(day) FILTER (invocations > 0) AS last_used_day
    FROM base GROUP BY ALL
)
SELECT * EXCLUDE (recent, prior),
    input_tokens_30d + output_tokens_30d + cache_read_tokens_30d + cache_creation_tokens_30d AS tokens_30d,
    CASE WHEN prior >= 3 THEN (recent - prior) * 100.0 / prior END AS trend_pct
FROM figures ORDER BY ALL
"""  # noqa: S608 (fixed parts)


def base_of_day(bench: Workbench, day: date, batches: Sequence[Path]) -> Written:
    """The base rollup of one day: the round's `new_events` and the stored `batches`, of `live_generations` only."""
    stored = _STORED.format(paths=[str(path) for path in batches]) if batches else ""
    bench.db.execute(_ONCE.format(day=day, stored=stored))
    path = bench.folder / f"{ITEM_USER_DAILY}-{day}.parquet"
    bench.db.execute(f"COPY ({_BASE}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
    (rows,) = bench.db.execute("SELECT count(*) FROM read_parquet($path)", {"path": str(path)}).fetchone()
    return Written(day, path, rows)


def daily(bench: Workbench, base: Written) -> list[dict[str, Any]]:
    """Rows of usage_marketplace_item_daily of one day."""
    return bench.rows(_DAILY.format(day=base.day, path=base.path))


def windows(bench: Workbench, bases: dict[date, Path], *, today: date) -> list[dict[str, Any]]:
    """Rows of usage_marketplace_item_window, from the base rollups of the last days."""
    bench.db.execute("DROP TABLE IF EXISTS item_user_days")
    used = {day: path for day, path in bases.items() if today - timedelta(days=DAILY_DAYS) < day <= today}
    if not used:
        return []
    union = " UNION ALL ".join(
        f"SELECT DATE '{day}' AS day, * FROM read_parquet('{path}', hive_partitioning = false)"  # noqa: S608
        for day, path in sorted(used.items())
    )
    bench.db.execute(f"CREATE TABLE item_user_days AS {union}")
    return bench.rows(_WINDOWS, {"today": today})
