"""What an organisation or one person did in a span of days: what dashboards, the summary and costs are made of.

Everything comes from base rollups (agnes.telemetry.lake.rollups), so that a month costs the same whatever was written in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any

from agnes.accounts import directory
from agnes.kernel.ports import Clock, ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import State, one_number, one_row
from agnes.telemetry.lake import parts, rollups
from agnes.telemetry.lake.batch import ScratchDatabase
from agnes.telemetry.lake.prices import ALL_TOKENS
from agnes.telemetry.model import FILE
from agnes.telemetry.usage.model import (
    CostBy,
    CostLine,
    Costs,
    DayFigures,
    ItemLine,
    ModelLine,
    Overview,
    PersonLine,
    Span,
    Spent,
    ToolLine,
    Totals,
    Window,
    span_of,
)

TOP = 10
MODELS = 50
"""Told by name; a transcript may hold any number."""
DAU_DAYS = 30


def overview(state: State, store: ObjectStore, span: Span, *, user_id: str | None = None) -> Overview:
    """Of everybody, or of one person. The caller decides who may ask. Raises UnavailableError."""
    names = (rollups.ITEM_USER_DAILY, rollups.ITEM_MODEL, rollups.USER_MODEL, rollups.USER, rollups.TOOL_USER)
    with state.read(FILE, "people") as db:
        accounts = directory.named(db)
        sessions = one_number(
            db,
            "SELECT count(*) FROM telemetry.sessions WHERE (started_at AT TIME ZONE 'UTC')::DATE BETWEEN $since AND $until "
            "AND ($user::VARCHAR IS NULL OR user_id = $user)",
            {"since": span.since, "until": span.until, "user": user_id},
        )
    with parts.tables(store, state, names, since=span.since, until=span.until) as bench:
        if user_id is not None:
            _only(bench, user_id)
        days = _days(bench, span)
        return Overview(
            span=span,
            totals=_totals(bench, sessions),
            days=days,
            plugins=_items(bench, "kind = 'plugin'"),
            items=_items(bench, "kind <> 'plugin'"),
            tools=_tools(bench, "invocations DESC, tool_name, source"),
            failing=_tools(
                bench,
                "errors / invocations DESC, invocations DESC, tool_name, source",
                "invocations >= 5 AND errors > 0",
            ),
            people=_people(bench, accounts),
            models=_models(bench),
        )


def _only(bench: ScratchDatabase, user_id: str) -> None:
    for name in ("user_daily", "user_model_daily", "item_user_daily", "tool_user_daily"):
        bench.db.execute(f"CREATE TABLE mine AS SELECT * FROM {name} WHERE user_id = ?", [user_id])  # noqa: S608
        bench.db.execute(f"DROP VIEW {name}")
        bench.db.execute(f"ALTER TABLE mine RENAME TO {name}")


def _days(bench: ScratchDatabase, span: Span) -> tuple[DayFigures, ...]:
    rows = bench.db.execute(
        """
        WITH did AS (
            SELECT day, count(*) AS people, sum(prompts) AS prompts, sum(curated_calls) AS curated, sum(flea_calls) AS flea,
                sum(builtin_calls) AS builtin, sum(errors) AS errors
            FROM user_daily GROUP BY day
        ), took AS (
            SELECT day, sum(input_tokens) AS input, sum(output_tokens) AS output, sum(cache_read_tokens) AS cache_read,
                sum(cache_creation_tokens) AS cache_creation, sum(cost_usd) AS cost, sum(unpriced_tokens) AS unpriced,
                sum(cache_creation_1h_tokens) AS hour
            FROM user_model_daily GROUP BY day
        )
        SELECT day, coalesce(people, 0)::BIGINT, coalesce(prompts, 0)::BIGINT, coalesce(curated, 0)::BIGINT,
            coalesce(flea, 0)::BIGINT, coalesce(builtin, 0)::BIGINT, coalesce(errors, 0)::BIGINT,
            coalesce(input, 0)::BIGINT, coalesce(output, 0)::BIGINT, coalesce(cache_read, 0)::BIGINT,
            coalesce(cache_creation, 0)::BIGINT, cost, coalesce(unpriced, 0)::BIGINT, coalesce(hour, 0)::BIGINT
        FROM did FULL JOIN took USING (day)
        """
    ).fetchall()
    found = {row[0]: DayFigures(*row) for row in rows}
    begin = span.since if len(span.days) <= DAU_DAYS * 12 else min(found, default=span.until)
    return tuple(
        found.get(day) or DayFigures(day, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, None, 0) for day in Span(begin, span.until).days
    )


def _totals(bench: ScratchDatabase, sessions: int) -> Totals:
    people, prompts, calls, errors = one_row(
        bench.db,
        """SELECT count(DISTINCT user_id), coalesce(sum(prompts), 0)::BIGINT,
            coalesce(sum(curated_calls + flea_calls + builtin_calls), 0)::BIGINT, coalesce(sum(errors), 0)::BIGINT
        FROM user_daily""",
    )
    return Totals(people, sessions, prompts, calls, errors, _spent(bench), _unpriced(bench))


_SPENT = f"coalesce(sum({ALL_TOKENS}), 0)::BIGINT, sum(cost_usd), coalesce(sum(unpriced_tokens), 0)::BIGINT"


def _spent(bench: ScratchDatabase, table: str = "user_model_daily", where: str = "true") -> Spent:
    return Spent(*one_row(bench.db, f"SELECT {_SPENT} FROM {table} WHERE {where}"))  # noqa: S608 (fixed parts)


def _unpriced(bench: ScratchDatabase, table: str = "user_model_daily", where: str = "true") -> tuple[str, ...]:
    rows = bench.db.execute(
        f"SELECT DISTINCT model FROM {table} WHERE unpriced_tokens > 0 AND {where} ORDER BY model"  # noqa: S608 (fixed parts)
    ).fetchall()
    return tuple(model or "unknown" for (model,) in rows)


def _items(bench: ScratchDatabase, where: str) -> tuple[ItemLine, ...]:
    rows = bench.db.execute(
        f"""SELECT source, marketplace_id, plugin, kind, name, sum(invocations)::BIGINT AS calls,
            count(DISTINCT user_id) FILTER (invocations > 0), sum(errors)::BIGINT, sum({ALL_TOKENS})::BIGINT
        FROM item_user_daily WHERE {where} GROUP BY ALL HAVING calls > 0
        ORDER BY calls DESC, name, plugin, marketplace_id LIMIT {TOP}"""  # noqa: S608 (fixed parts)
    ).fetchall()
    return tuple(ItemLine(*row) for row in rows)


def _tools(bench: ScratchDatabase, order: str, having: str = "true") -> tuple[ToolLine, ...]:
    rows = bench.db.execute(
        f"""SELECT * FROM (SELECT tool_name, source, sum(invocations)::BIGINT AS invocations, sum(errors)::BIGINT AS errors,
            count(DISTINCT user_id) AS people, sum(sessions)::BIGINT AS sessions FROM tool_user_daily GROUP BY ALL)
        WHERE {having} ORDER BY {order} LIMIT {TOP}"""  # noqa: S608 (fixed parts)
    ).fetchall()
    return tuple(ToolLine(*row) for row in rows)


def _people(bench: ScratchDatabase, accounts: Mapping[str, tuple[str, str]]) -> tuple[PersonLine, ...]:
    rows = bench.db.execute(
        f"""
        WITH did AS (
            SELECT user_id, sum(sessions)::BIGINT AS sessions, sum(prompts)::BIGINT AS prompts,
                sum(curated_calls + flea_calls + builtin_calls)::BIGINT AS calls, sum(errors)::BIGINT AS errors
            FROM user_daily GROUP BY ALL
        ), took AS (
            SELECT user_id, {_SPENT.replace("sum(cost_usd)", "sum(cost_usd) AS cost_usd")} AS unpriced,
                sum({ALL_TOKENS})::BIGINT AS tokens
            FROM user_model_daily GROUP BY ALL
        )
        SELECT user_id, sessions, prompts, calls, errors, coalesce(tokens, 0)::BIGINT, cost_usd, coalesce(unpriced, 0)::BIGINT
        FROM did LEFT JOIN took USING (user_id) ORDER BY calls DESC, prompts DESC, user_id LIMIT {TOP}
        """  # noqa: S608 (fixed parts)
    ).fetchall()
    return tuple(
        PersonLine(user_id, email, name, sessions, prompts, calls, errors, Spent(*spent))
        for user_id, sessions, prompts, calls, errors, *spent in rows
        for email, name in [accounts.get(user_id, ("", ""))]
    )


def _models(bench: ScratchDatabase) -> tuple[ModelLine, ...]:
    rows = bench.db.execute(
        f"SELECT model, sum(responses)::BIGINT, {_SPENT} FROM user_model_daily GROUP BY model "  # noqa: S608 (fixed parts)
        f"ORDER BY sum(cost_usd) DESC NULLS LAST, sum({ALL_TOKENS}) DESC, model LIMIT {MODELS}"
    ).fetchall()
    return tuple(ModelLine(model or "unknown", responses, Spent(*spent)) for model, responses, *spent in rows)


def costs(state: State, store: ObjectStore, who: Principal, *, by: CostBy, span: Span) -> Costs:
    """Tokens and their cost by something. Of skills, agents and commands only what was in force while tokens were taken
    counts, of models, people and days everything. Raises DeniedError, UnavailableError."""
    who.require_admin()
    is_item = by not in ("model", "user", "day")
    part = rollups.ITEM_MODEL if is_item else rollups.USER_MODEL
    table = f"{part}_daily"
    where = f"kind = '{by}'" if is_item else "true"
    bucket = {"model": "coalesce(nullif(model, ''), 'unknown')", "user": "user_id", "day": "day::VARCHAR"}.get(
        by, "name"
    )
    of = "source, marketplace_id, plugin" if is_item else "'' AS source, '' AS marketplace_id, '' AS plugin"
    carries = "carried" if is_item else "false"
    own, carried = _spent_where(f"NOT {carries}"), _spent_where(carries)
    order = "bucket" if by == "day" else "cost_usd DESC NULLS LAST, tokens DESC, bucket, marketplace_id"
    with parts.tables(store, state, (part,), since=span.since, until=span.until) as bench:
        rows = bench.db.execute(
            f"""SELECT {bucket} AS bucket, {of}, sum({ALL_TOKENS})::BIGINT AS tokens, sum(input_tokens)::BIGINT,
                sum(output_tokens)::BIGINT, sum(cache_read_tokens)::BIGINT, sum(cache_creation_tokens)::BIGINT,
                sum(cost_usd) AS cost_usd, sum(unpriced_tokens)::BIGINT, sum(cache_creation_1h_tokens)::BIGINT,
                sum(web_searches)::BIGINT, {own}, {carried}
            FROM {table} WHERE {where} GROUP BY ALL ORDER BY {order} LIMIT 5000"""  # noqa: S608 (fixed parts)
        ).fetchall()
        total, unpriced = _spent(bench, table, where), _unpriced(bench, table, where)
    if by == "user":
        with state.read("people") as db:
            emails = {user_id: named.email for user_id, named in directory.named(db).items()}
        rows = [(emails.get(user_id, user_id), *rest) for user_id, *rest in rows]
    return Costs(by, span.since, span.until, "USD", tuple(CostLine(*row) for row in rows), total, unpriced)


def _spent_where(condition: str) -> str:
    return ", ".join(
        (
            f"coalesce(sum({ALL_TOKENS}) FILTER ({condition}), 0)::BIGINT",
            f"sum(cost_usd) FILTER ({condition})",
            f"coalesce(sum(unpriced_tokens) FILTER ({condition}), 0)::BIGINT",
        )
    )


def _active(state: State, store: ObjectStore, span: Span) -> dict[date, int]:
    """How many people did anything, by day."""
    with parts.tables(store, state, (rollups.USER,), since=span.since, until=span.until) as bench:
        return dict(bench.db.execute("SELECT day, count(*) FROM user_daily GROUP BY day").fetchall())


def summary(state: State, store: ObjectStore, who: Principal, window: Window, *, clock: Clock) -> dict[str, Any]:
    """The answer of `/api/admin/usage/summary`. Raises DeniedError, UnavailableError."""
    who.require_admin()
    today = clock.now().date()
    found = overview(state, store, span_of(window, today))
    month = span_of("30d", today)
    active = {figures.day: figures.people for figures in found.days} if window != "7d" else _active(state, store, month)
    series = [{"day": day, "users": active.get(day, 0)} for day in month.days]
    return {
        "window": window,
        "since": datetime.combine(found.days[0].day, time.min, UTC),
        "until": clock.now(),
        "totals": found.totals,
        "top_tools": found.tools,
        "top_users": [
            {"user_id": p.user_id, "username": p.email or p.user_id, "invocations": p.calls, "sessions": p.sessions,
             "errors": p.errors, "tokens": p.spent.tokens, "cost_usd": p.spent.cost_usd,
             "unpriced_tokens": p.spent.unpriced_tokens}
            for p in found.people
        ],
        "top_plugins": found.plugins,
        "top_items": found.items,
        "error_rate": [
            {"tool_name": t.tool_name, "source": t.source, "invocations": t.invocations, "errors": t.errors,
             "error_rate": t.error_rate}
            for t in found.failing
        ],
        "models": found.models,
        "dau_series": series,
        "dau_avg": round(sum(active.get(day, 0) for day in month.days) / len(series), 2),
    }  # fmt: skip
