"""Rollups, in SQL over a Workbench: two bases, each one parquet file a day, made in one pass over the day's events.

    item_user_daily   (item, user): invocations, errors, tokens
    use_daily         five tables in one file, told apart by its column `part`, so that a day is two objects and not five:
        item_model    (item, model): tokens                       what an item costs
        user_model    (user, model): responses, tokens            what a person, a model and everything costs
        user          user: prompts, sessions, calls by source, errors
        tool_user     (tool, source, user): invocations, errors, sessions
        plugin_session (plugin, session): invocations             what is used together

Daily and window figures are made from them without touching events again; a base has one row a user, so distinct users of
any window are true ones. An item's `kind` is skill, agent, command, mcp, or `plugin` for the plugin as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from agnes.telemetry.lake import copies
from agnes.telemetry.lake.batch import Workbench, Written, live_events
from agnes.telemetry.lake.prices import ALL_TOKENS, COST, PriceList
from agnes.telemetry.model import TOKENS

ITEM_USER_DAILY = "item_user_daily"
USE_DAILY = "use_daily"
ITEM_MODEL, USER_MODEL, USER, TOOL_USER = "item_model", "user_model", "user", "tool_user"
PLUGIN_SESSION = "plugin_session"
DAYS_AT_ONCE = 8
EVENTS_AT_ONCE = 500_000
"""That memory is for: a table of so many events once is about 100 MB."""
CALLS_A_DAY = 1000
"""Of one item by one person that figures of the item count, so that a script, or a forged transcript, cannot make
something popular by itself (spec/04 section 17.5). Their own figures have all of them."""
WINDOW_DAYS = 30
DAILY_DAYS = 31
PLUGINS_OF_A_SESSION = 50
"""Those that a session used most: it has at most so many squared pairs."""
MOST_PAIRS = 1_000_000
"""In all sessions of 30 days; what has the most plugins is left out first."""
TOGETHER_FROM = 3
"""Sessions; two that happened to coincide say nothing."""
TOGETHER_AT_MOST = 12
"""Of one plugin. Pages show four, of those that the person may see."""

_TOKENS = ", ".join(TOKENS)
_NO_TOKENS = ", ".join(f"0 AS {name}" for name in TOKENS)
_SUMS = ", ".join(f"sum({name})::BIGINT AS {name}" for name in TOKENS)
_ITEM = "source, marketplace_id, plugin, kind, name"

_EVENTS_COPY = "day, event_id"
"""A copy whose time was clamped to another day counts on both."""
_ONCE = f"""
CREATE OR REPLACE TABLE once AS
SELECT day, user_id, event_type, occurred_at, session_id, tool_name, model, is_error,
    {{'source': source, 'marketplace_id': marketplace_id, 'plugin': plugin, 'item_kind': item_kind,
        'item_name': item_name, 'agent_source': agent_source, 'agent_marketplace_id': agent_marketplace_id,
        'agent_plugin': agent_plugin, 'agent_name': agent_name}} AS item, {_TOKENS}
FROM ({copies.once("live", key=_EVENTS_COPY)})
"""  # noqa: S608 (fixed parts)

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
SELECT day, {_ITEM}, user_id, least(sum(invocations), {CALLS_A_DAY})::BIGINT AS invocations,
    (sum(errors) * {CALLS_A_DAY} // greatest(sum(invocations), {CALLS_A_DAY}))::BIGINT AS errors, {_SUMS}, max(occurred_at) AS last_at
FROM counted GROUP BY ALL ORDER BY ALL
"""  # noqa: S608 (fixed parts)

# The same for tokens, by model in place of user: what a window of an item costs follows from it.
_ITEM_MODEL = f"""
WITH counted AS (
    SELECT day, item.source, item.marketplace_id, item.plugin, item.item_kind AS kind, item.item_name AS name, model,
        {_TOKENS}
    FROM once WHERE event_type = 'message' AND item.item_kind IS NOT NULL
    UNION ALL
    SELECT day, item.source, item.marketplace_id, item.plugin, 'plugin', item.plugin, model, {_TOKENS}
    FROM once WHERE event_type = 'message' AND item.plugin IS NOT NULL
    UNION ALL
    SELECT day, item.agent_source, item.agent_marketplace_id, item.agent_plugin, 'agent', item.agent_name, model, {_TOKENS}
    FROM once WHERE event_type = 'message' AND item.agent_name IS NOT NULL
)
SELECT day, {_ITEM}, coalesce(model, '') AS model, {_SUMS} FROM counted GROUP BY ALL ORDER BY ALL
"""  # noqa: S608 (fixed parts)

_USER_MODEL = f"""
SELECT day, user_id, coalesce(model, '') AS model, count(*) AS responses, {_SUMS}
FROM once WHERE event_type = 'message' GROUP BY ALL ORDER BY ALL
"""  # noqa: S608 (fixed parts)

_CALL = "event_type NOT IN ('prompt', 'message')"
# A typed command and the call that it became are one invocation: the typed one has no item (docs/telemetry.md).
_USER = f"""
SELECT day, user_id, count_if(event_type = 'prompt') AS prompts, count(DISTINCT session_id) AS sessions,
    count_if({_CALL} AND item.source = 'curated' AND item.item_kind IS NOT NULL) AS curated_calls,
    count_if({_CALL} AND item.source = 'flea' AND item.item_kind IS NOT NULL) AS flea_calls,
    count_if({_CALL} AND item.source = 'builtin') AS builtin_calls,
    count_if({_CALL} AND is_error) AS errors
FROM once GROUP BY ALL ORDER BY ALL
"""  # noqa: S608 (fixed parts)

_TOOL_USER = f"""
SELECT day, tool_name, item.source AS source, user_id, count(*) AS invocations, count_if(is_error) AS errors,
    count(DISTINCT session_id) AS sessions
FROM once WHERE {_CALL} AND tool_name IS NOT NULL GROUP BY ALL ORDER BY ALL
"""  # noqa: S608 (fixed parts)

# A session is told by a number of its own, the same on every day: whose it is, and which, nobody needs to know here.
_PLUGIN_SESSION = """
SELECT day, source, marketplace_id, plugin, md5_number_lower(user_id || '|' || session_id)::UBIGINT AS session, invocations
FROM (
    SELECT day, item.source AS source, item.marketplace_id AS marketplace_id, item.plugin AS plugin, user_id, session_id,
        count(*) AS invocations
    FROM once WHERE event_type <> 'message' AND item.item_kind IS NOT NULL AND item.plugin IS NOT NULL GROUP BY ALL
) ORDER BY ALL
"""

BASES = (ITEM_USER_DAILY, USE_DAILY)
_PARTS = {
    ITEM_MODEL: _ITEM_MODEL,
    USER_MODEL: _USER_MODEL,
    USER: _USER,
    TOOL_USER: _TOOL_USER,
    PLUGIN_SESSION: _PLUGIN_SESSION,
}
_USE = " UNION ALL BY NAME ".join(f"SELECT '{part}' AS part, * FROM ({sql})" for part, sql in _PARTS.items())  # noqa: S608

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
SELECT figures.* EXCLUDE (recent, prior, last_age),
    input_tokens_30d + output_tokens_30d + cache_read_tokens_30d + cache_creation_tokens_30d AS tokens_30d,
    CASE WHEN prior >= 3 THEN (recent - prior) * 100.0 / prior END AS trend_pct,
    DATE '{{today}}' - last_age AS last_used_day, spent.cost_usd_30d, spent.unpriced_tokens_30d
FROM figures LEFT JOIN spent USING ({_ITEM}) ORDER BY ALL
"""  # noqa: S608 (fixed parts)

_SPENT = f"""
CREATE OR REPLACE TABLE spent AS
SELECT {_ITEM}, sum({COST}) AS cost_usd_30d,
    coalesce(sum({ALL_TOKENS}) FILTER (p.model IS NULL), 0)::BIGINT AS unpriced_tokens_30d
FROM spending LEFT JOIN priced p USING (model, day) GROUP BY ALL
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


def groups_of_days(events: Mapping[date, int]) -> list[list[date]]:
    """Days to be rolled up at once, in order, by how many events each has: many small ones, or one that is large."""
    groups: list[list[date]] = []
    held = 0
    for day, count in sorted(events.items()):
        if not groups or len(groups[-1]) == DAYS_AT_ONCE or held + count > EVENTS_AT_ONCE:
            groups.append([])
            held = 0
        groups[-1].append(day)
        held += count
    return groups


def bases_of_days(bench: Workbench, days: Sequence[date], batches: Sequence[Path]) -> dict[str, list[Written]]:
    """Each base rollup's file of each of `days`: of `new_events`, and of those in the stored `batches` that are of
    `live_generations`. `batches` are all that these days have, and hold no other days."""
    stored = _STORED.format(events=live_events(batches)) if batches else ""
    bench.db.execute(f"CREATE OR REPLACE VIEW live AS SELECT * FROM new_events {stored}")  # noqa: S608 (fixed parts)
    copies.mark(bench, "live", key=_EVENTS_COPY)
    bench.db.execute(_ONCE)
    bench.db.execute(f"CREATE OR REPLACE TABLE bases AS {_BASE}")
    bench.db.execute(f"CREATE OR REPLACE TABLE use AS {_USE}")
    return {
        ITEM_USER_DAILY: _written(bench, ITEM_USER_DAILY, "bases", days),
        USE_DAILY: _written(bench, USE_DAILY, "use", days),
    }


def _written(bench: Workbench, rollup: str, table: str, days: Sequence[date]) -> list[Written]:
    files = []
    for day in days:
        path = bench.folder / f"{rollup}-{day}.parquet"
        (rows,) = bench.db.execute(
            f"COPY (SELECT * EXCLUDE day FROM {table} WHERE day = '{day}') TO '{path}' (FORMAT parquet, COMPRESSION zstd)"  # noqa: S608
        ).fetchone()
        files.append(Written(day, path, rows))
    return files


def daily(bench: Workbench, since: date) -> list[dict[str, Any]]:
    """Rows of usage_marketplace_item_daily after `since`, of the days whose base was just made."""
    return bench.rows(_DAILY, {"since": since})


def windows(
    bench: Workbench, bases: Mapping[date, Path], spending: Mapping[date, Path], prices: PriceList, *, today: date
) -> list[dict[str, Any]]:
    """Rows of usage_marketplace_item_window, from the last days of `item_user_daily` and `use_daily`."""
    used = {day: path for day, path in bases.items() if today - timedelta(days=DAILY_DAYS) < day <= today}
    if not used:
        return []
    month = {day: path for day, path in spending.items() if today - timedelta(days=WINDOW_DAYS) < day <= today}
    table_of(bench, ITEM_MODEL, "spending", month)
    prices.into(bench, bench.db.execute("SELECT DISTINCT model, day FROM spending").fetchall())
    bench.db.execute(_SPENT)
    days = f"SELECT (DATE '{today}' - day)::INTEGER AS age, * EXCLUDE day FROM {of_days(used)}"  # noqa: S608 (fixed parts)
    return bench.rows(_WINDOWS.format(days=days, today=today))


def together(
    bench: Workbench, use: Mapping[date, Path], *, today: date, most_pairs: int = MOST_PAIRS
) -> list[dict[str, Any]]:
    """Rows of used_together: of each plugin those that were used in the same sessions of the last 30 days. From the
    last days of `use_daily`; days that were made before it had its part `plugin_session` say nothing."""
    month = {day: path for day, path in use.items() if today - timedelta(days=WINDOW_DAYS) < day <= today}
    table_of(bench, PLUGIN_SESSION, "plugin_sessions", month)
    bench.db.execute(_USED_IN.format(most_pairs=most_pairs))
    return bench.rows(_TOGETHER)


_COUNTS = dict.fromkeys(TOKENS, "BIGINT")
_TEXTS = _ITEM.split(", ")
COLUMNS = {
    ITEM_USER_DAILY: {
        **dict.fromkeys((*_TEXTS, "user_id"), "VARCHAR"),
        **dict.fromkeys(("invocations", "errors"), "BIGINT"),
        **_COUNTS,
        "last_at": "TIMESTAMPTZ",
    },
    ITEM_MODEL: {**dict.fromkeys((*_TEXTS, "model"), "VARCHAR"), **_COUNTS},
    USER_MODEL: {"user_id": "VARCHAR", "model": "VARCHAR", "responses": "BIGINT", **_COUNTS},
    USER: {
        "user_id": "VARCHAR",
        **dict.fromkeys(("prompts", "sessions", "curated_calls", "flea_calls", "builtin_calls", "errors"), "BIGINT"),
    },
    TOOL_USER: {
        **dict.fromkeys(("tool_name", "source", "user_id"), "VARCHAR"),
        **dict.fromkeys(("invocations", "errors", "sessions"), "BIGINT"),
    },
    PLUGIN_SESSION: {
        **dict.fromkeys(("source", "marketplace_id", "plugin"), "VARCHAR"),
        "session": "UBIGINT",
        "invocations": "BIGINT",
    },
}
"""Of each table; the day is in the path of its file (Hive layout)."""


def base_of(table: str) -> str:
    """The base whose files hold a table."""
    return ITEM_USER_DAILY if table == ITEM_USER_DAILY else USE_DAILY


def table_of(bench: Workbench, table: str, name: str, files: Mapping[date, Path]) -> None:
    """The view `name`: the rows of a table in its base's files, with their `day`; none where there are no files."""
    columns = COLUMNS[table]
    names = ", ".join(columns)
    if files:
        part = "" if base_of(table) == table else f" WHERE part = '{table}'"
        # Where all files were made before this column was, it is missing.
        later = " UNION ALL BY NAME SELECT NULL::UBIGINT AS session WHERE false" if table == PLUGIN_SESSION else ""
        days = f"SELECT day, {names} FROM (FROM {of_days(files)}{later}){part}"  # noqa: S608 (fixed parts)
    else:
        fields = ", ".join(f"NULL::{kind} AS {column}" for column, kind in columns.items())
        days = f"SELECT NULL::DATE AS day, {fields} LIMIT 0"
    bench.db.execute(f"CREATE OR REPLACE VIEW {name} AS {days}")


def of_days(files: Mapping[date, Path]) -> str:
    """SQL for the rows of files of a day each, with their `day`: one scan, since binding one for each file takes longer
    than reading it. Files made before a column was have NULL in it."""
    paths = {str(path): day for day, path in sorted(files.items())}
    days = ", ".join(f"'{path}': DATE '{day}'" for path, day in paths.items())
    return (
        f"(SELECT MAP {{{days}}}[filename] AS day, * EXCLUDE filename FROM read_parquet({list(paths)}, "  # noqa: S608
        "filename = true, union_by_name = true, hive_partitioning = false))"
    )
