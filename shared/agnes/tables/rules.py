"""What may be registered. Everything here is pure: from what was sent to a table, or to the list of what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from agnes.tables import schedules
from agnes.tables.model import (
    SQL_SOURCES,
    Filter,
    Scalar,
    SourceType,
    Table,
    TableCreate,
    TableInvalid,
    TableUpdate,
    WhereFilter,
)

TABLE_ID = re.compile(r"[a-z_][a-z0-9_]{0,63}")
INTERNAL = frozenset({"agnes_sessions", "agnes_telemetry", "agnes_audit"})
"""Tables that every installation has, each filtered to who asks."""
RESERVED = INTERNAL | {"main", "pg_catalog", "sqlite_master", "temp", "usage"}

DEFAULTS: dict[str, Any] = {
    name: field.get_default() for name, field in TableCreate.model_fields.items() if name not in ("name", "id")
}
"""What null sets."""

OPTIONS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    SourceType.POSTGRESQL: (frozenset({"host", "database", "user"}), frozenset({"port", "sslmode"})),
    SourceType.SQLITE: (frozenset({"location"}), frozenset()),
    SourceType.FLIGHTSQL: (frozenset({"uri"}), frozenset({"user"})),
    SourceType.SNOWFLAKE: (
        frozenset({"account", "user", "database"}),
        frozenset({"warehouse", "schema", "role"}),
    ),
    SourceType.BIGQUERY: (frozenset({"project"}), frozenset({"dataset", "location", "endpoint", "max_scan_bytes"})),
    SourceType.KEBOOLA: (frozenset({"url"}), frozenset({"branch"})),
    SourceType.FILES: (frozenset({"location"}), frozenset({"format"})),
    SourceType.CUSTOM: (frozenset({"connector"}), frozenset()),
}
"""Source type → options that it must have, and those that it may have beside."""

COLLECTED = frozenset({SourceType.POSTGRESQL, SourceType.SQLITE, SourceType.FILES})
"""Types whose sources can be asked; the others' options and rules are known, and no source of them is taken yet."""

PLACEHOLDERS = (
    "today", "last_week", "last_month", "last_2_months", "last_3_months", "last_6_months", "last_year", "last_2_years",
    "start_of_3_months_ago",
)  # fmt: skip
_PLACEHOLDER = re.compile(r"\{\{(\w*)\}\}")


def table_id(name: str) -> str:
    """The id that a name gives: lower case, `_` for blanks, dots and dashes."""
    return re.sub(r"[\s.-]+", "_", name.strip().lower())


def check(table: Table) -> tuple[str, ...]:
    """What is wrong with a table, in sentences; nothing if it may be registered."""
    return tuple(_problems(table))


def _problems(table: Table) -> Iterator[str]:
    if not TABLE_ID.fullmatch(table.id):
        yield f"{table.id[:64]!r} is no id of a table: 1 to 64 of a-z, 0-9 and _, not beginning with a digit"
    elif table.id in RESERVED:
        yield f"{table.id} is a name that Agnes uses itself"
    if table.query_mode == "remote":
        yield "query_mode remote is not built yet: tables are copied, so choose local or materialized"
    yield from _of_content(table)
    yield from _of_strategy(table)
    if table.sync_schedule is not None:
        if table.query_mode == "remote":
            yield "a remote table is never collected, so it has no sync_schedule"
        try:
            schedules.parse(table.sync_schedule)
        except TableInvalid as invalid:
            yield invalid.message
    for each in table.where_filters:
        for value in each.values:
            if unknown := unknown_placeholder(value):
                yield f"where_filters: {{{{{unknown}}}}} is no placeholder; there are {', '.join(PLACEHOLDERS)}"


def _of_content(table: Table) -> Iterator[str]:
    type_, mode = SourceType(table.source_type), table.query_mode
    if table.source_query is not None and mode != "materialized":
        yield "source_query needs query_mode materialized"
    if mode == "materialized":
        if type_ in SQL_SOURCES:
            if table.source_query is None and not table.source_table:
                yield "a materialized table needs source_query, or a source_table to take whole"
        elif type_ is SourceType.KEBOOLA:
            if not table.source_table:
                yield "a table of Keboola needs source_table"
            if table.source_query is not None:
                yield from _keboola_filter(table.source_query)
        else:
            yield f"tables of {type_} are local: only SQL sources and Keboola have materialized ones"
    elif not table.source_table:
        yield "source_table is missing: the table, file or name in the source"
    if mode == "remote" and type_ not in SQL_SOURCES:
        yield f"tables of {type_} cannot be remote: only a source that is asked in SQL can"


def _keboola_filter(text: str) -> Iterator[str]:
    """Keboola is not asked in SQL: its `source_query` is the body of an export."""
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict) or not given.keys() <= {"columns", "whereFilters", "changedSince", "limit"}:
        yield "source_query of Keboola is a JSON object of columns, whereFilters, changedSince and limit"


def _of_strategy(table: Table) -> Iterator[str]:
    strategy, mode, type_ = table.sync_strategy, table.query_mode, SourceType(table.source_type)
    if strategy == "partitioned":
        if not table.partition_by:
            yield "sync_strategy partitioned needs partition_by, the column with the date"
        if mode == "remote":
            yield "a remote table is never collected, so it cannot be partitioned"
    elif table.partition_by:
        yield "partition_by needs sync_strategy partitioned"
    if strategy == "incremental":
        if mode != "local":
            yield f"sync_strategy incremental needs query_mode local, not {mode}"
        if type_ in SQL_SOURCES and not table.incremental_column:
            yield "sync_strategy incremental needs incremental_column, the column with the time of the last change"
        if type_ in (SourceType.FILES, SourceType.CUSTOM):
            yield f"tables of {type_} are taken whole: only SQL sources and Keboola can be asked for what changed"
    if table.where_filters and (strategy != "full_refresh" or mode != "local"):
        yield "where_filters need query_mode local and sync_strategy full_refresh"


def unknown_placeholder(value: Scalar) -> str | None:
    """A word in double braces that no placeholder is called."""
    found = _PLACEHOLDER.findall(value) if isinstance(value, str) else []
    return next((word or "empty" for word in found if word not in PLACEHOLDERS), None)


def resolved(value: Scalar, today: date) -> Scalar:
    """A value with its placeholders as dates. Raises TableInvalid for an unknown one."""
    if unknown := unknown_placeholder(value):
        raise TableInvalid((f"where_filters: {{{{{unknown}}}}} is no placeholder",))
    if not isinstance(value, str):
        return value
    dates = {
        "today": today,
        "last_week": today - timedelta(days=7),
        "last_month": _months_before(today, 1),
        "last_2_months": _months_before(today, 2),
        "last_3_months": _months_before(today, 3),
        "last_6_months": _months_before(today, 6),
        "last_year": _months_before(today, 12),
        "last_2_years": _months_before(today, 24),
        "start_of_3_months_ago": _months_before(today, 3).replace(day=1),
    }
    return _PLACEHOLDER.sub(lambda found: dates[found[1]].isoformat(), value)


def _months_before(day: date, months: int) -> date:
    """The same day of an earlier month, or that month's last day."""
    index = day.year * 12 + day.month - 1 - months
    year, month = index // 12, index % 12 + 1
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month, min(day.day, last))
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def check_options(type_: str, options: Mapping[str, str]) -> tuple[str, ...]:
    """What is wrong with the options of a source, in sentences."""
    if type_ not in COLLECTED:
        return (f"tables of {type_} cannot be collected by this version; there are {', '.join(sorted(COLLECTED))}",)
    needed, allowed = OPTIONS[type_]
    problems = [f"a source of type {type_} needs the option {name}" for name in sorted(needed - options.keys())]
    problems += [
        f"a source of type {type_} has no option {name[:64]}; it has {', '.join(sorted(needed | allowed))}"
        for name in sorted(options.keys() - needed - allowed)
    ]
    for name, value in options.items():
        if name in needed and not value.strip():
            problems.append(f"the option {name} is empty")
        if len(value) > 1000 or any(ord(letter) < 32 for letter in value):
            problems.append(f"the option {name[:64]} must be one line of at most 1,000 characters")
    return tuple(problems)


def filters_of(given: list[WhereFilter]) -> tuple[Filter, ...]:
    return tuple(Filter(each.column, each.operator, tuple(each.values)) for each in given)


def keys_of(given: list[str] | str | None) -> tuple[str, ...]:
    """A primary key of one column may be sent bare."""
    return (given,) if isinstance(given, str) else tuple(given or ())


def values_of(given: TableCreate | TableUpdate) -> dict[str, Any]:
    """Fields that were sent, as a table has them; null is the default."""
    sent = {name: getattr(given, name) for name in given.model_fields_set}
    if isinstance(given, TableCreate):
        sent = {name: getattr(given, name) for name in TableCreate.model_fields}
    for name, value in sent.items():
        if value is None and name in DEFAULTS:
            sent[name] = DEFAULTS[name]
    if "where_filters" in sent:
        sent["where_filters"] = filters_of(sent["where_filters"])
    if "primary_key" in sent:
        sent["primary_key"] = keys_of(sent["primary_key"])
    if "description" in sent:
        sent["description"] = sent["description"].replace("\\n", "\n").replace("\\'", "'")
    if not sent.get("name", "x"):
        raise TableInvalid(("name: must not be empty",))
    return sent
