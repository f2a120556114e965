"""Figures of the last days, in SQL over base rollups: the windows of items, and what is used together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from agnes.kernel.state import one_number
from agnes.telemetry.lake.batch import ScratchDatabase
from agnes.telemetry.lake.prices import ALL_TOKENS, COST, PriceList
from agnes.telemetry.lake.renames import Renamed
from agnes.telemetry.lake.rollups import (
    DAILY_DAYS,
    ITEM,
    ITEM_MODEL,
    ITEM_USER_DAILY,
    PLUGIN_SESSION,
    table_of,
)
from agnes.telemetry.model import BILLED

WINDOW_DAYS = 30
PLUGINS_OF_A_SESSION = 50
"""Those that a session used most: it has at most so many squared pairs."""
MOST_PAIRS = 1_000_000
"""In all sessions of 30 days; what has the most plugins is left out first."""
TOGETHER_FROM = 3
"""Sessions; two that happened to coincide say nothing."""
TOGETHER_AT_MOST = 12
"""Of one plugin. Pages show four, of those that the person may see."""

_TOKENS_OF_USER = ", ".join(f"sum(CASE WHEN age < 30 THEN {name} ELSE 0 END) AS {name}_30d" for name in BILLED)
_TOKENS_30D = ", ".join(f"sum({name}_30d)::BIGINT AS {name}_30d" for name in BILLED)

# A window of N days is today and the N-1 complete days before it, so the 30 entries of a daily series sum to it.
# The trend compares complete days only: the 7 before today with the 7 before those. By user first and then by item:
# that counts distinct users by counting rows. Active days are the bits of a number.
_WINDOWS = f"""
WITH by_user AS (
    SELECT {ITEM},
        sum(CASE WHEN age < 7 THEN invocations ELSE 0 END) AS invocations_7d,
        sum(CASE WHEN age < 7 THEN errors ELSE 0 END) AS errors_7d,
        sum(CASE WHEN age < 30 THEN invocations ELSE 0 END) AS invocations_30d,
        sum(CASE WHEN age < 30 THEN errors ELSE 0 END) AS errors_30d,
        bit_or(CASE WHEN age < 30 AND invocations > 0 THEN 1::BIGINT << age ELSE 0 END) AS days,
        {_TOKENS_OF_USER},
        sum(CASE WHEN age BETWEEN 1 AND 7 THEN invocations ELSE 0 END) AS recent,
        sum(CASE WHEN age BETWEEN 8 AND 14 THEN invocations ELSE 0 END) AS prior,
        min(CASE WHEN invocations > 0 THEN age END) AS last_age
    FROM ({{days}}) GROUP BY {ITEM}, user_id
), figures AS (
    SELECT {ITEM},
        sum(invocations_7d)::BIGINT AS invocations_7d, count_if(invocations_7d > 0) AS distinct_users_7d,
        sum(errors_7d)::BIGINT AS errors_7d,
        sum(invocations_30d)::BIGINT AS invocations_30d, count_if(invocations_30d > 0) AS distinct_users_30d,
        sum(errors_30d)::BIGINT AS errors_30d, bit_count(bit_or(days))::BIGINT AS active_days_30d,
        {_TOKENS_30D},
        sum(recent)::BIGINT AS recent, sum(prior)::BIGINT AS prior, min(last_age) AS last_age
    FROM by_user GROUP BY ALL
)
SELECT figures.* EXCLUDE (recent, prior, last_age),
    input_tokens_30d + output_tokens_30d + cache_read_tokens_30d + cache_creation_tokens_30d AS tokens_30d,
    CASE WHEN prior >= 3 THEN (recent - prior) * 100.0 / prior END AS trend_pct,
    DATE '{{today}}' - last_age AS last_used_day, spent.* EXCLUDE ({ITEM})
FROM figures LEFT JOIN spent USING ({ITEM}) ORDER BY ALL
"""  # noqa: S608 (fixed parts)

_SPENT = f"""
CREATE OR REPLACE TABLE spent AS
SELECT {ITEM}, sum({COST}) AS cost_usd_30d,
    coalesce(sum({ALL_TOKENS}) FILTER (p.model IS NULL), 0)::BIGINT AS unpriced_tokens_30d,
    coalesce(sum({ALL_TOKENS}) FILTER (carried), 0)::BIGINT AS carried_tokens_30d,
    sum({COST}) FILTER (carried) AS carried_cost_usd_30d,
    coalesce(sum({ALL_TOKENS}) FILTER (carried AND p.model IS NULL), 0)::BIGINT AS carried_unpriced_tokens_30d
FROM spending LEFT JOIN priced p USING (model, rate, day) GROUP BY ALL
"""  # noqa: S608 (fixed parts)

# Plugins by number, so that pairs are cheap to make and to count. Sessions of few plugins come first where there are too
# many pairs: they say most. What is not counted for pairs is not counted for its plugins either.
_USED_IN = f"""
CREATE OR REPLACE TABLE used_plugins AS
SELECT *, (row_number() OVER (ORDER BY plugin, marketplace_id, source))::INTEGER AS id
FROM (SELECT DISTINCT source, marketplace_id, plugin FROM plugin_sessions);
CREATE OR REPLACE TABLE used AS
SELECT session, id, sum(invocations)::BIGINT AS calls
FROM plugin_sessions JOIN used_plugins USING (source, marketplace_id, plugin) GROUP BY ALL;
CREATE OR REPLACE TABLE kept AS
SELECT session, plugins, least(plugins, {PLUGINS_OF_A_SESSION}) AS counted
FROM (SELECT session, count(*) AS plugins FROM used GROUP BY session)
QUALIFY sum(counted * (counted - 1) // 2) OVER (ORDER BY plugins, session ROWS UNBOUNDED PRECEDING) <= {{most_pairs}};
CREATE OR REPLACE TABLE used_in AS
SELECT session, id, plugins > 1 AS several FROM used JOIN kept USING (session) WHERE plugins <= {PLUGINS_OF_A_SESSION}
UNION ALL
SELECT session, id, true FROM used JOIN kept USING (session) WHERE plugins > {PLUGINS_OF_A_SESSION}
QUALIFY row_number() OVER (PARTITION BY session ORDER BY calls DESC, id) <= {PLUGINS_OF_A_SESSION}
"""  # noqa: S608 (fixed parts)

_FIRST_PLUGINS = """
SELECT count(*) FROM (SELECT DISTINCT source, marketplace_id, plugin FROM plugin_sessions LIMIT 2)
"""

_TOGETHER = f"""
WITH mixed AS (SELECT session, id FROM used_in WHERE several),
pairs AS (
    SELECT a.id AS one, b.id AS other, count(*) AS sessions
    FROM mixed a JOIN mixed b ON a.session = b.session AND a.id < b.id
    GROUP BY ALL HAVING sessions >= {TOGETHER_FROM}
),
sides AS (SELECT one, other, sessions FROM pairs UNION ALL SELECT other, one, sessions FROM pairs),
alone AS (SELECT id, count(*) AS sessions FROM used_in GROUP BY id),
alike AS (
    SELECT one, other, s.sessions, s.sessions / (a.sessions + b.sessions - s.sessions) AS likeness
    FROM sides s JOIN alone a ON a.id = one JOIN alone b ON b.id = other
    QUALIFY row_number() OVER (PARTITION BY one ORDER BY likeness DESC, s.sessions DESC, other) <= {TOGETHER_AT_MOST}
)
SELECT p.source, p.marketplace_id, p.plugin, w.source AS with_source, w.marketplace_id AS with_marketplace_id,
    w.plugin AS with_plugin, sessions AS sessions_30d, likeness
FROM alike JOIN used_plugins p ON p.id = one JOIN used_plugins w ON w.id = other ORDER BY ALL
"""  # noqa: S608 (fixed parts)


def of_items(
    bench: ScratchDatabase,
    bases: Mapping[date, Path],
    spending: Mapping[date, Path],
    prices: PriceList,
    *,
    today: date,
    renamed: Renamed = (),
    held: Collection[date] = (),
) -> list[dict[str, Any]]:
    """Rows of usage_marketplace_item_window, from the last days of `item_user_daily` and `use_daily`; `held` as in `table_of`."""
    used = {day: path for day, path in bases.items() if today - timedelta(days=DAILY_DAYS) < day <= today}
    if not used:
        return []
    month = {day: path for day, path in spending.items() if today - timedelta(days=WINDOW_DAYS) < day <= today}
    table_of(bench, ITEM_MODEL, "spending", month, renamed, held=held)
    prices.into(bench, bench.db.execute("SELECT DISTINCT model, rate, day FROM spending").fetchall())
    bench.db.execute(_SPENT)
    table_of(bench, ITEM_USER_DAILY, "used_daily", used, renamed, held=held)
    days = f"SELECT (DATE '{today}' - day)::INTEGER AS age, * EXCLUDE day FROM used_daily"  # noqa: S608 (fixed parts)
    return bench.rows(_WINDOWS.format(days=days, today=today))


def together(
    bench: ScratchDatabase,
    use: Mapping[date, Path],
    *,
    today: date,
    most_pairs: int = MOST_PAIRS,
    renamed: Renamed = (),
    held: Collection[date] = (),
) -> list[dict[str, Any]]:
    """Rows of used_together: of each plugin those that were used in the same sessions of the last 30 days. From the
    last days of `use_daily`, `held` as in `table_of`; days that were made before it had its part `plugin_session` say nothing."""
    month = {day: path for day, path in use.items() if today - timedelta(days=WINDOW_DAYS) < day <= today}
    table_of(bench, PLUGIN_SESSION, "plugin_sessions", month, renamed, held=held)
    plugins = one_number(bench.db, _FIRST_PLUGINS)
    if plugins < 2:
        return []
    bench.db.execute(_USED_IN.format(most_pairs=most_pairs))
    return bench.rows(_TOGETHER)
