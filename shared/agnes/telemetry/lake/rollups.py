"""Rollups, in SQL over a ScratchDatabase: two bases, each one parquet file a day, made in one pass over the day's events.

    item_user_daily   (item, user): invocations, errors, tokens
    use_daily         five tables in one file, told apart by its column `part`, so that a day is two objects and not five:
        item_model    (item, model, rate, carried): tokens        what an item costs
        user_model    (user, model, rate): responses, tokens      what a person, a model and everything costs
        user          user: prompts, sessions, calls by source, errors
        tool_user     (tool, source, user): invocations, errors, sessions
        plugin_session (plugin, session): invocations             what is used together
        listing       listing: its text                           what plugins put before the model
        listing_session (listing, user, session)                  in which sessions
        listing_model (listing, user, model): requests by kind    and what a token of it cost

Daily and window figures are made from them without touching events again; a base has one row a user, so distinct users of
any window are true ones. An item's `kind` is skill, agent, command, mcp, or `plugin` for the plugin as a whole.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from agnes.telemetry.lake import copies
from agnes.telemetry.lake.batch import ScratchDatabase, live_events
from agnes.telemetry.lake.prices import RATE
from agnes.telemetry.lake.renames import Renamed, renames_table
from agnes.telemetry.model import BILLED, CACHE_1H, WEB_SEARCHES

ITEM_USER_DAILY = "item_user_daily"
USE_DAILY = "use_daily"
ITEM_MODEL, USER_MODEL, USER, TOOL_USER = "item_model", "user_model", "user", "tool_user"
PLUGIN_SESSION = "plugin_session"
LISTING, LISTING_SESSION, LISTING_MODEL = "listing", "listing_session", "listing_model"
UNLISTED = ""
"""The listing of responses in sessions of clients that write none: what they had before the model is not known."""
DAYS_AT_ONCE = 32
"""A month: a statement costs milliseconds however few rows it has."""
EVENTS_AT_ONCE = 100_000
"""Unless one day has more. Three times as many took 70 MB more in a run over 1.5 GB."""
CALLS_A_DAY = 1000
"""Of one item by one person that figures of the item count, so that a script, or a forged transcript, cannot make
something popular by itself. Their own figures have all of them."""
DAILY_DAYS = 31
"""That daily and window figures are made of."""
_PART_FILE = "FORMAT parquet, COMPRESSION snappy"
"""Their columns are short: what another compression needs to begin takes longer than all of this one."""
ITEM = "source, marketplace_id, plugin, kind, name"

_TOKENS = ", ".join(BILLED)
_NO_TOKENS = ", ".join(f"0 AS {name}" for name in BILLED)
_SUMS = ", ".join(f"sum({name})::BIGINT AS {name}" for name in BILLED)
_TOOK = "event_type IN ('message', 'iteration')"
"""Events with tokens."""

_EVENTS_COPY = "day, event_id"
"""A copy whose time was clamped to another day counts on both."""
_ONCE = f"""
CREATE OR REPLACE TABLE once AS
SELECT day, user_id, event_type, occurred_at, session_id, tool_name, model, is_error, listing, loaded, is_sidechain,
    {{{{'source': source, 'marketplace_id': marketplace_id, 'plugin': plugin, 'item_kind': item_kind,
        'item_name': item_name, 'agent_source': agent_source, 'agent_marketplace_id': agent_marketplace_id,
        'agent_plugin': agent_plugin, 'agent_name': agent_name}}}} AS item, carried, {RATE} AS rate, {_TOKENS}
FROM {{events}}
"""  # noqa: S608 (fixed parts)

_STORED = """
    UNION ALL BY NAME
    SELECT *, occurred_at::DATE AS day FROM ({events})
"""

# What a response counts for: the skill in force, the agent in force, and their plugins. Carried is what the item's own work was not.
_SPENT_ON = f"""
SELECT day, item.source AS source, item.marketplace_id AS marketplace_id, item.plugin AS plugin, item.item_kind AS kind,
    item.item_name AS name, user_id, model, rate, carried, {_TOKENS}
FROM once WHERE {_TOOK} AND item.item_kind IS NOT NULL
UNION ALL
SELECT day, item.source, item.marketplace_id, item.plugin, 'plugin', item.plugin, user_id, model, rate,
    carried AND NOT (item.agent_plugin IS NOT DISTINCT FROM item.plugin
        AND item.agent_marketplace_id IS NOT DISTINCT FROM item.marketplace_id), {_TOKENS}
FROM once WHERE {_TOOK} AND item.plugin IS NOT NULL
UNION ALL
SELECT day, item.agent_source, item.agent_marketplace_id, item.agent_plugin, 'plugin', item.agent_plugin, user_id, model, rate,
    false, {_TOKENS}
FROM once WHERE {_TOOK} AND item.agent_plugin IS NOT NULL AND (item.agent_plugin IS DISTINCT FROM item.plugin
    OR item.agent_marketplace_id IS DISTINCT FROM item.marketplace_id)
UNION ALL
SELECT day, item.agent_source, item.agent_marketplace_id, item.agent_plugin, 'agent', item.agent_name, user_id, model, rate,
    false, {_TOKENS}
FROM once WHERE {_TOOK} AND item.agent_name IS NOT NULL
"""  # noqa: S608 (fixed parts)

_BASE = f"""
WITH counted AS (
    SELECT day, item.source, item.marketplace_id, item.plugin, unnest([item.item_kind, 'plugin']) AS kind,
        unnest([item.item_name, item.plugin]) AS name,
        user_id, 1 AS invocations, is_error::INT AS errors, {_NO_TOKENS}, occurred_at
    FROM once WHERE item.item_kind IS NOT NULL AND NOT {_TOOK}
    UNION ALL
    SELECT day, source, marketplace_id, plugin, kind, name, user_id, 0, 0, {_TOKENS}, NULL FROM took
)
SELECT day, {ITEM}, user_id, least(sum(invocations), {CALLS_A_DAY})::BIGINT AS invocations,
    (sum(errors) * {CALLS_A_DAY} // greatest(sum(invocations), {CALLS_A_DAY}))::BIGINT AS errors, {_SUMS}, max(occurred_at) AS last_at
FROM counted GROUP BY ALL ORDER BY ALL
"""  # noqa: S608 (fixed parts)

# The same for tokens, by model and rate in place of user: what a window of an item costs follows from it.
_ITEM_MODEL = f"""
SELECT day, {ITEM}, coalesce(model, '') AS model, rate, carried, {_SUMS} FROM took GROUP BY ALL ORDER BY ALL
"""  # noqa: S608 (fixed parts)

_USER_MODEL = f"""
SELECT day, user_id, coalesce(model, '') AS model, rate, count_if(event_type = 'message') AS responses, {_SUMS}
FROM once WHERE {_TOOK} GROUP BY ALL ORDER BY ALL
"""  # noqa: S608 (fixed parts)

_CALL = "event_type NOT IN ('prompt', 'message', 'iteration')"
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
    FROM once WHERE event_type NOT IN ('message', 'iteration') AND item.item_kind IS NOT NULL AND item.plugin IS NOT NULL GROUP BY ALL
) ORDER BY ALL
"""

_LISTING = """
SELECT DISTINCT day, listing, loaded FROM once WHERE loaded IS NOT NULL ORDER BY ALL
"""

# Of sessions without listings only the conversation of the session itself: subagents may be told of nothing.
_LISTED = f"""
SELECT day, user_id, session_id, coalesce(model, '') AS model, rate,
    CASE WHEN cache_creation_1h_tokens * 2 > cache_creation_tokens THEN 'write_1h' WHEN cache_creation_tokens > 0 THEN 'write'
        ELSE 'input' END AS written_as,
    cache_read_tokens > 0 AS has_read,
    CASE WHEN listing IS NULL OR listing = 'first' THEN '{UNLISTED}' ELSE listing END AS listing,
    coalesce(listing <> 'first', true) AS has_held, coalesce(listing = 'first' OR listing LIKE '+%', false) AS has_new
FROM once WHERE event_type = 'message' AND coalesce(listing <> 'none', true)
    AND (coalesce(listing <> 'first', false) OR NOT is_sidechain)
"""  # noqa: S608 (fixed parts)

_LISTING_SESSION = f"""
SELECT DISTINCT day, listing, user_id, md5_number_lower(user_id || '|' || session_id)::UBIGINT AS session
FROM (SELECT DISTINCT day, listing, user_id, session_id FROM ({_LISTED})) ORDER BY ALL
"""  # noqa: S608 (fixed parts)

# Columns of tokens count requests here, by how they paid for a token of the listing: `cost_usd` of a row is what one token that
# was in all of these requests cost. What the context held before is read from the cache where anything is; what is new is written.
_LISTING_MODEL = f"""
WITH paid AS (
    SELECT *, false AS is_new, CASE WHEN has_read THEN 'read' ELSE written_as END AS paid_as FROM ({_LISTED}) WHERE has_held
    UNION ALL
    SELECT *, true, written_as FROM ({_LISTED}) WHERE has_new
)
SELECT day, listing, user_id, model, rate, is_new, count_if(paid_as = 'input') AS input_tokens, 0 AS output_tokens,
    count_if(paid_as = 'read') AS cache_read_tokens, count_if(paid_as IN ('write', 'write_1h')) AS cache_creation_tokens,
    count_if(paid_as = 'write_1h') AS {CACHE_1H}, 0 AS {WEB_SEARCHES}
FROM paid GROUP BY ALL ORDER BY ALL
"""  # noqa: S608 (fixed parts)

BASES = (ITEM_USER_DAILY, USE_DAILY)
_PARTS = {
    ITEM_MODEL: _ITEM_MODEL,
    USER_MODEL: _USER_MODEL,
    USER: _USER,
    TOOL_USER: _TOOL_USER,
    PLUGIN_SESSION: _PLUGIN_SESSION,
    LISTING: _LISTING,
    LISTING_SESSION: _LISTING_SESSION,
    LISTING_MODEL: _LISTING_MODEL,
}
_USE = " UNION ALL BY NAME ".join(f"SELECT '{part}' AS part, * FROM ({sql})" for part, sql in _PARTS.items())  # noqa: S608

# The base has one row a user, so its rows with invocations are the distinct users.
_DAILY = f"""
SELECT day, {ITEM}, sum(invocations)::BIGINT AS invocations, count_if(invocations > 0) AS distinct_users,
    sum(errors)::BIGINT AS errors, {_SUMS}
FROM bases WHERE day > $since GROUP BY ALL ORDER BY ALL
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


def bases_of_days(bench: ScratchDatabase, days: Sequence[date], batches: Sequence[Path]) -> dict[str, dict[date, Path]]:
    """Each base rollup's file of each of `days`: of `new_events`, and of those in the stored `batches` that are of
    `live_generations`. `batches` are all that these days have, and hold no other days. The rows stay in the tables `HELD_IN`
    until the next days are made."""
    stored = _STORED.format(events=live_events(batches)) if batches else ""
    bench.db.execute(f"CREATE OR REPLACE VIEW live AS SELECT * FROM new_events {stored}")  # noqa: S608 (fixed parts)
    has_copies = copies.mark(bench, "live", key=_EVENTS_COPY)
    bench.db.execute(_ONCE.format(events=f"({copies.once('live', key=_EVENTS_COPY)})" if has_copies else "live"))
    bench.db.execute(f"CREATE OR REPLACE VIEW took AS {_SPENT_ON}")
    bench.db.execute(f"CREATE OR REPLACE TABLE bases AS {_BASE}")
    bench.db.execute(f"CREATE OR REPLACE TABLE use AS {_USE}")
    return {
        ITEM_USER_DAILY: bench.write_by_day(ITEM_USER_DAILY, "SELECT * FROM bases", days, _PART_FILE),
        USE_DAILY: bench.write_by_day(USE_DAILY, "SELECT * FROM use", days, _PART_FILE),
    }


HELD_IN = {ITEM_USER_DAILY: "bases", USE_DAILY: "use"}
"""By base the table with the rows of the days that were made last."""


def daily(bench: ScratchDatabase, since: date) -> list[dict[str, Any]]:
    """Rows of usage_marketplace_item_daily after `since`, of the days whose base was just made."""
    return bench.rows(_DAILY, {"since": since})


_COUNTS = dict.fromkeys(BILLED, "BIGINT")
_TEXTS = ITEM.split(", ")
COLUMNS = {
    ITEM_USER_DAILY: {
        **dict.fromkeys((*_TEXTS, "user_id"), "VARCHAR"),
        **dict.fromkeys(("invocations", "errors"), "BIGINT"),
        **_COUNTS,
        "last_at": "TIMESTAMPTZ",
    },
    ITEM_MODEL: {**dict.fromkeys((*_TEXTS, "model", "rate"), "VARCHAR"), "carried": "BOOLEAN", **_COUNTS},
    USER_MODEL: {**dict.fromkeys(("user_id", "model", "rate"), "VARCHAR"), "responses": "BIGINT", **_COUNTS},
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
    LISTING: dict.fromkeys(("listing", "loaded"), "VARCHAR"),
    LISTING_SESSION: {**dict.fromkeys(("listing", "user_id"), "VARCHAR"), "session": "UBIGINT"},
    LISTING_MODEL: {
        **dict.fromkeys(("listing", "user_id", "model", "rate"), "VARCHAR"),
        "is_new": "BOOLEAN",
        **_COUNTS,
    },
}
"""Of each table; the day is in the path of its file (Hive layout)."""


_USUAL = {CACHE_1H: "0", WEB_SEARCHES: "0", "rate": "''", "carried": "false"}
"""Of columns that came later than their table: what rows that were made before have in them."""


def base_of(table: str) -> str:
    """The base whose files hold a table."""
    return ITEM_USER_DAILY if table == ITEM_USER_DAILY else USE_DAILY


def table_of(
    bench: ScratchDatabase,
    table: str,
    name: str,
    files: Mapping[date, Path],
    renamed: Renamed = (),
    *,
    held: Collection[date] = (),
) -> None:
    """The view `name`: the rows of a table in its base's files, with their `day`; none where there are no files. Plugins have
    the names that they have now: what a renamed one was counted as before is its own. The days `held` were made last, and are
    not read from their files."""
    columns = COLUMNS[table]
    names = ", ".join(columns)
    fields = ", ".join(f"NULL::{kind} AS {column}" for column, kind in columns.items())
    if files:
        part = "" if base_of(table) == table else f" WHERE part = '{table}'"
        # Where all files were made before a column was, it is missing.
        rows = [f"SELECT {fields} WHERE false"]
        if made := [day for day in files if day in held]:
            days = ", ".join(f"DATE '{day}'" for day in made)
            rows.append(f"SELECT * FROM {HELD_IN[base_of(table)]} WHERE day IN ({days})")  # noqa: S608 (fixed parts)
        if read := {day: path for day, path in files.items() if day not in held}:
            rows.append(f"FROM {of_days(read)}")
        named = f"SELECT * FROM ({' UNION ALL BY NAME '.join(rows)}){part}"  # noqa: S608
        usual = [f"coalesce({column}, {value}) AS {column}" for column, value in _USUAL.items() if column in columns]
        replaced = f"REPLACE ({', '.join(usual)})" if usual else ""
        days = f"SELECT day, {names} FROM (SELECT * {replaced} FROM ({named}))"  # noqa: S608 (fixed parts)
        if renamed and "plugin" in columns:
            days = _followed(days, renamed, has_kind="kind" in columns)
    else:
        days = f"SELECT NULL::DATE AS day, {fields} LIMIT 0"
    bench.db.execute(f"CREATE OR REPLACE VIEW {name} AS {days}")


def _followed(days: str, renamed: Renamed, *, has_kind: bool) -> str:
    """The rows of `days` under today's names. Files are never written again for a rename, there may be years of them."""
    name = "CASE WHEN kind = 'plugin' THEN coalesce(n.new_name, name) ELSE name END AS name, " if has_kind else ""
    return (
        f"SELECT d.* REPLACE ({name}coalesce(n.new_name, d.plugin) AS plugin) FROM ({days}) d "  # noqa: S608 (fixed parts)
        f"LEFT JOIN {renames_table(renamed)} n ON d.source = 'curated' AND n.marketplace_id = d.marketplace_id "
        "AND n.old_name = d.plugin AND (n.since IS NULL OR d.day >= n.since) AND (n.until IS NULL OR d.day < n.until)"
    )


def of_days(files: Mapping[date, Path]) -> str:
    """SQL for the rows of files of a day each, with their `day`: one scan, since binding one for each file takes longer
    than reading it. Files made before a column was have NULL in it."""
    paths = {str(path): day for day, path in sorted(files.items())}
    days = ", ".join(f"'{path}': DATE '{day}'" for path, day in paths.items())
    return (
        f"(SELECT MAP {{{days}}}[filename] AS day, * EXCLUDE filename FROM read_parquet({list(paths)}, "  # noqa: S608
        "filename = true, union_by_name = true, hive_partitioning = false))"
    )
