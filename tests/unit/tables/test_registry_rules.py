"""What may be registered, and when a table is due."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from agnes.tables import rules, schedules
from agnes.tables.model import Filter, Table, TableCreate, TableInvalid, TableUpdate

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
PLAIN = Table(
    id="orders",
    name="Orders",
    description="",
    folder="",
    source_id="warehouse",
    source_type="postgresql",
    bucket="public",
    source_table="orders",
    source_query=None,
    query_mode="local",
    sync_strategy="full_refresh",
    sync_schedule=None,
    primary_key=(),
    incremental_column=None,
    incremental_window_days=7,
    max_history_days=None,
    where_filters=(),
    partition_by=None,
    partition_granularity="month",
    initial_load_chunk_days=30,
    registered_by="ada@example.com",
    registered_at=NOW,
    updated_at=NOW,
)
FILTER = Filter("day", "ge", ("{{last_month}}",))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"query_mode": "materialized", "source_query": "SELECT 1", "source_table": ""},
        {"query_mode": "materialized"},
        {"source_type": "keboola", "query_mode": "materialized"},
        {"source_type": "keboola", "query_mode": "materialized", "source_query": '{"columns": ["a"]}'},
        {"sync_strategy": "incremental", "incremental_column": "changed_at", "primary_key": ("id",)},
        {"source_type": "keboola", "sync_strategy": "incremental"},
        {"sync_strategy": "partitioned", "partition_by": "day"},
        {"where_filters": (FILTER,)},
        {"sync_schedule": "daily 05:00,17:30"},
        {"sync_schedule": "every 0m"},
    ],
    ids=str,
)
def test_takes(changes):
    assert rules.check(replace(PLAIN, **changes)) == ()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"id": "2024_orders"}, "no id of a table"),
        ({"id": "agnes_audit"}, "uses itself"),
        ({"query_mode": "remote"}, "not built yet"),
        ({"source_query": "SELECT 1"}, "needs query_mode materialized"),
        ({"source_table": ""}, "source_table is missing"),
        ({"query_mode": "materialized", "source_table": ""}, "needs source_query"),
        ({"source_type": "files", "query_mode": "materialized"}, "files are local"),
        ({"source_type": "keboola", "query_mode": "remote"}, "cannot be remote"),
        ({"source_type": "keboola", "query_mode": "materialized", "source_query": "SELECT 1"}, "JSON object"),
        ({"sync_strategy": "partitioned"}, "needs partition_by"),
        ({"sync_strategy": "partitioned", "partition_by": "day", "query_mode": "remote"}, "cannot be partitioned"),
        ({"partition_by": "day"}, "needs sync_strategy partitioned"),
        ({"sync_strategy": "incremental"}, "needs incremental_column"),
        ({"source_type": "custom", "sync_strategy": "incremental", "incremental_column": "x"}, "taken whole"),
        ({"sync_strategy": "incremental", "incremental_column": "x", "where_filters": (FILTER,)}, "where_filters need"),
        ({"sync_strategy": "partitioned", "partition_by": "x", "where_filters": (FILTER,)}, "where_filters need"),
        ({"query_mode": "remote", "where_filters": (FILTER,)}, "where_filters need"),
        ({"where_filters": (Filter("day", "ge", ("{{tomorrow}}",)),)}, "{{tomorrow}} is no placeholder"),
        ({"query_mode": "remote", "sync_schedule": "every 1h"}, "never collected"),
        ({"sync_schedule": "0 5 * * *"}, "is none"),
        ({"sync_schedule": "daily 5:00"}, "is none"),
        ({"sync_schedule": "daily 24:00"}, "is none"),
        ({"sync_schedule": "every 5s"}, "is none"),
        ({"sync_schedule": "daily 05:00, 06:00"}, "is none"),
    ],
    ids=str,
)
def test_refuses(changes, problem):
    assert any(problem in each for each in rules.check(replace(PLAIN, **changes)))


@pytest.mark.parametrize(
    ("name", "id_"),
    [("Orders", "orders"), (" Web  Orders ", "web_orders"), ("in.c-crm.contacts", "in_c_crm_contacts"), ("Ö", "ö")],
)
def test_a_name_gives_the_id(name, id_):
    assert rules.table_id(name) == id_


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{{today}}", "2026-03-31"),
        ("{{last_week}}", "2026-03-24"),
        ("{{last_month}}", "2026-02-28"),
        ("{{last_2_months}}", "2026-01-31"),
        ("{{last_6_months}}", "2025-09-30"),
        ("{{last_year}}", "2025-03-31"),
        ("{{last_2_years}}", "2024-03-31"),
        ("{{start_of_3_months_ago}}", "2025-12-01"),
        ("from {{today}} on", "from 2026-03-31 on"),
        (7, 7),
    ],
)
def test_placeholders_are_dates(value, expected):
    assert rules.resolved(value, date(2026, 3, 31)) == expected


def test_a_leap_day_a_year_before():
    assert rules.resolved("{{last_year}}", date(2028, 2, 29)) == "2027-02-28"


def test_an_unknown_placeholder_fails():
    with pytest.raises(TableInvalid, match="yesterday"):
        rules.resolved("{{yesterday}}", date(2026, 3, 31))


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "last", "now", "due"),
    [
        ("every 15m", None, at(30, 9), True),
        ("every 15m", at(30, 8, 45), at(30, 9), True),
        ("every 15m", at(30, 8, 46), at(30, 9), False),
        ("every 0m", at(30, 9), at(30, 9), True),
        ("daily 05:00", at(29, 5, 1), at(30, 4, 59), False),
        ("daily 05:00", at(29, 5, 1), at(30, 5, 0), True),
        ("daily 05:00", at(30, 5, 0), at(30, 23), False),
        # Nothing ran from 23:50 to 00:10: the slot of yesterday is made up for, once.
        ("daily 23:55", at(28, 23, 56), at(30, 0, 10), True),
        ("daily 23:55", at(30, 0, 10), at(30, 0, 25), False),
        ("daily 05:00,17:30", at(30, 5, 1), at(30, 17, 29), False),
        ("daily 05:00,17:30", at(30, 5, 1), at(30, 17, 30), True),
        # Several slots that were missed are one run.
        ("daily 05:00,17:30", at(27, 5, 1), at(30, 6), True),
        ("daily 05:00,17:30", at(30, 6), at(30, 6, 15), False),
    ],
)
def test_due(text, last, now, due):
    assert schedules.parse(text).is_due(last, now) is due


@pytest.mark.parametrize(
    ("text", "last", "now", "then"),
    [
        ("every 2h", at(30, 8), at(30, 9), at(30, 10)),
        ("every 2h", None, at(30, 9), at(30, 9)),
        ("daily 05:00", at(30, 5), at(30, 9), datetime(2026, 12, 1, 5, tzinfo=UTC)),
        ("daily 17:30,05:00", at(30, 5), at(30, 9), at(30, 17, 30)),
    ],
)
def test_next_run(text, last, now, then):
    assert schedules.parse(text).next_after(last, now) == then


def test_failures_wait_longer_each_time():
    waits = [schedules.retry_at(NOW, failures) - NOW for failures in range(1, 10)]
    assert waits[:3] == [timedelta(minutes=5), timedelta(minutes=10), timedelta(minutes=20)]
    assert waits[-1] == timedelta(hours=6) == schedules.retry_at(NOW, 10_000) - NOW


def test_null_is_the_default_and_what_is_left_out_stays():
    assert rules.values_of(TableUpdate(incremental_window_days=None)) == {"incremental_window_days": 7}
    assert rules.values_of(TableUpdate()) == {}
    assert rules.values_of(TableUpdate(primary_key="id")) == {"primary_key": ("id",)}
    assert rules.values_of(TableCreate(name="x", description="a\\nb\\'s"))["description"] == "a\nb's"
    with pytest.raises(TableInvalid):
        rules.values_of(TableUpdate(name=None))
