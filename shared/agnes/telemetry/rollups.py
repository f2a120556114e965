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

from agnes.telemetry.batch import Workbench, Written, live_events

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
    SELECT * FROM new_events
    {stored}
)
SELECT day, any_value(user_id) AS user_id, any_value(event_type) AS event_type, min(occurred_at) AS occurred_at,
    bool_or(is_error) AS is_error,
    arg_min({{'source': source, 'marketplace_id': marketplace_id, 'plugin': plugin, 'item_kind': item_kind,
        'item_name': item_name, 'agent_source': agent_source, 'agent_marketplace_id': agent_marketplace_id,
        'agent_plugin': agent_plugin, 'agent_name': agent_name}}, session_id) AS item,
    max(input_tokens) AS input_tokens, max(output_tokens) AS output_tokens,
    max(cache_read_tokens) AS cache_read_tokens, max(cache_creation_tokens) AS cache_creation_tokens
FROM live GROUP BY day, event_id
"""

_STORED = """
    UNION ALL BY NAME
    SELECT *, occurred_at::DATE AS day FROM ({events})
"""

_BASE = f"""
WITH counted AS (
    SELECT day, item.source, item.marketplace_id, item.plugin, unnest([item.item_kind, 'plugin']) AS kind,
        unnest([item.item_name, item.plugin]) AS name,
        user_id, 1 AS invocations, is_error::INT AS errors, {_NO_TOKENS}, occurred_at
    FROM once WHERE item.item_kind IS NOT NULL AND event_type <> 'message'
    UNION ALL
    SELECT day, item.source, item.marketplace_id, item.plugin, item.item_kind, item.item_name, user_id, 0, 0,
        {_TOKENS}, NULL
    FROM once WHERE event_type = 'message' AND item.item_kind IS NOT NULL
    UNION ALL
    SELECT day, item.source, item.marketplace_id, item.plugin, 'plugin', item.plugin, user_id, 0, 0, {_TOKENS}, NULL
    FROM once WHERE event_type = 'message' AND item.plugin IS NOT NULL
    UNION ALL
    SELECT day, item.agent_source, item.agent_marketplace_id, item.agent_plugin, 'agent', item.agent_name, user_id, 0, 0,
        {_TOKENS}, NULL
    FROM once WHERE event_type = 'message' AND item.agent_name IS NOT NULL
)
SELECT day, {_ITEM}, user_id, sum(invocations)::BIGINT AS invocations, sum(errors)::BIGINT AS errors, {_SUMS},
    max(occurred_at) AS last_at
FROM counted GROUP BY ALL ORDER BY ALL
"""  # noqa: S608 (fixed parts)

# The base has one row a user, so its rows with invocations are the distinct users.
_DAILY = f"""
SELECT day, {_ITEM}, sum(invocations)::BIGINT AS invocations, count_if(invocations > 0) AS distinct_users,
    sum(errors)::BIGINT AS errors, {_SUMS}
FROM bases WHERE day > $since GROUP BY ALL ORDER BY ALL
"""  # noqa: S608 (fixed parts)

# A window of N days is today and the N-1 complete days before it, so the 30 entries of a daily series sum to it.
# The trend compares complete days only: the 7 before today with the 7 before those. By user first and then by item:
# that counts distinct users by counting rows. Active days are the bits of a number.
_WINDOWS = f"""
WITH by_user AS (
    SELECT {_ITEM},
        sum(CASE WHEN age < 7 THEN invocations ELSE 0 END) AS invocations_7d,
        sum(CASE WHEN age < 7 THEN errors ELSE 0 END) AS errors_7d,
        sum(CASE WHEN age < 30 THEN invocations ELSE 0 END) AS invocations_30d,
        sum(CASE WHEN age < 30 THEN errors ELSE 0 END) AS errors_30d,
        bit_or(CASE WHEN age < 30 AND invocations > 0 THEN 1::BIGINT << age ELSE 0 END) AS days,
        sum(CASE WHEN age < 30 THEN input_tokens ELSE 0 END) AS input_tokens_30d,
        sum(CASE WHEN age < 30 THEN output_tokens ELSE 0 END) AS output_tokens_30d,
        sum(CASE WHEN age < 30 THEN cache_read_tokens ELSE 0 END) AS cache_read_tokens_30d,
        sum(CASE WHEN age < 30 THEN cache_creation_tokens ELSE 0 END) AS cache_creation_tokens_30d,
        sum(CASE WHEN age BETWEEN 1 AND 7 THEN invocations ELSE 0 END) AS recent,
        sum(CASE WHEN age BETWEEN 8 AND 14 THEN invocations ELSE 0 END) AS prior,
        min(CASE WHEN invocations > 0 THEN age END) AS last_age
    FROM ({{days}}) GROUP BY {_ITEM}, user_id
), figures AS (
    SELECT {_ITEM},
        sum(invocations_7d)::BIGINT AS invocations_7d, count_if(invocations_7d > 0) AS distinct_users_7d,
        sum(errors_7d)::BIGINT AS errors_7d,
        sum(invocations_30d)::BIGINT AS invocations_30d, count_if(invocations_30d > 0) AS distinct_users_30d,
        sum(errors_30d)::BIGINT AS errors_30d, bit_count(bit_or(days))::BIGINT AS active_days_30d,
        sum(input_tokens_30d)::BIGINT AS input_tokens_30d, sum(output_tokens_30d)::BIGINT AS output_tokens_30d,
        sum(cache_read_tokens_30d)::BIGINT AS cache_read_tokens_30d,
        sum(cache_creation_tokens_30d)::BIGINT AS cache_creation_tokens_30d,
        sum(recent)::BIGINT AS recent, sum(prior)::BIGINT AS prior, min(last_age) AS last_age
    FROM by_user GROUP BY ALL
)
SELECT * EXCLUDE (recent, prior, last_age),
    input_tokens_30d + output_tokens_30d + cache_read_tokens_30d + cache_creation_tokens_30d AS tokens_30d,
    CASE WHEN prior >= 3 THEN (recent - prior) * 100.0 / prior END AS trend_pct,
    DATE '{{today}}' - last_age AS last_used_day
FROM figures ORDER BY ALL
"""  # noqa: S608 (fixed parts)


def bases_of_days(bench: Workbench, days: Sequence[date], batches: Sequence[Path]) -> list[Written]:
    """The base rollup of each of `days`: of `new_events`, and of those in the stored `batches` that are of
    `live_generations`. `batches` are all that these days have, and hold no other days."""
    stored = _STORED.format(events=live_events(batches)) if batches else ""
    bench.db.execute(_ONCE.format(stored=stored))
    bench.db.execute(f"CREATE OR REPLACE TABLE bases AS {_BASE}")
    written = []
    for day in days:
        path = bench.folder / f"{ITEM_USER_DAILY}-{day}.parquet"
        (rows,) = bench.db.execute(
            f"COPY (SELECT * EXCLUDE day FROM bases WHERE day = '{day}') TO '{path}' (FORMAT parquet, COMPRESSION zstd)"  # noqa: S608
        ).fetchone()
        written.append(Written(day, path, rows))
    return written


def daily(bench: Workbench, since: date) -> list[dict[str, Any]]:
    """Rows of usage_marketplace_item_daily after `since`, of the days whose base was just made."""
    return bench.rows(_DAILY, {"since": since})


def windows(bench: Workbench, bases: dict[date, Path], *, today: date) -> list[dict[str, Any]]:
    """Rows of usage_marketplace_item_window, from the base rollups of the last days."""
    used = {day: path for day, path in bases.items() if today - timedelta(days=DAILY_DAYS) < day <= today}
    if not used:
        return []
    days = " UNION ALL ".join(
        f"SELECT {(today - day).days} AS age, * FROM read_parquet('{path}', hive_partitioning = false)"  # noqa: S608
        for day, path in sorted(used.items())
    )
    return bench.rows(_WINDOWS.format(days=days, today=today))
