"""How a table's rows come from its source: whole, only what changed, or by partitions of time."""

# ruff: noqa: S608 (names and texts are quoted)

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from agnes.kernel.table_sources import Place
from agnes.tables import source_sql
from agnes.tables.collection_repository import CollectionState
from agnes.tables.model import SQL_SOURCES, Table
from agnes.tables.objects import LocalObject, LocalObjects, TableObject
from agnes.tables.source_sql import dialect_of
from agnes.tables.workspace import CollectionFailed, Workspace, name, read, read_files, text

if TYPE_CHECKING:
    from agnes.tables.collecting import Collected, Collecting

MAX_EMPTY_STEPS = 2
"""Of a first load without a stated end: after so many steps without a row there is nothing older."""
MAX_STEPS = 120
STEPS_SECONDS = 300.0
"""After so long a run publishes what it has loaded, and another goes on."""
MAX_APPENDED = 64
"""Objects of a table whose rows are only added, before they are made one."""


def of(  # noqa: PLR0917
    table: Table,
    place: Place,
    before: CollectionState | None,
    kept: Sequence[TableObject],
    collecting: Collecting,
    workspace: Workspace,
) -> Collected:
    """What a run of this table has found. Raises SourceFailed, SourceUnreachable, CollectionFailed, UnavailableError."""
    rows = Rows(table, place, collecting, workspace)
    if table.sync_strategy == "incremental":
        return _incremental(rows, before, kept)
    if table.sync_strategy == "partitioned":
        return _partitioned(rows, before)
    return _whole(rows)


class Rows:
    """Rows of a table in its source, as a SELECT for the workspace."""

    def __init__(self, table: Table, place: Place, collecting: Collecting, workspace: Workspace) -> None:
        self.table, self.place, self.collecting, self.workspace = table, place, collecting, workspace
        self.today = collecting.clock.now().date()
        self._streams = 0

    @contextmanager
    def select(self, where: Sequence[str] = ()) -> Iterator[str]:
        """All rows that the table's filters and these conditions let through."""
        from agnes.tables.collecting import SECONDS

        wanted = [*source_sql.conditions(self.table, self.today), *where]
        if self.place.type not in SQL_SOURCES:
            fetched = self.collecting.sources.fetch(
                self.place, self.table.source_table, self.workspace.folder, seconds=SECONDS
            )
            found = read_files(fetched.files, fetched.form)
            yield f"SELECT * FROM ({found}) q WHERE {' AND '.join(wanted)}" if wanted else found
            return
        sql = source_sql.select(self.table, wanted)
        with self.collecting.sources.query(self.place, sql, seconds=SECONDS) as extract:
            self._streams += 1
            stream = f"rows_{self._streams}"
            self.workspace.register(stream, extract.stream)
            casts = ", ".join(
                f"CAST({name(column)} AS {type_}) AS {name(column)}" for column, type_ in extract.casts.items()
            )
            yield f"SELECT * {f'REPLACE ({casts}) ' if casts else ''}FROM {stream}"


def _whole(rows: Rows) -> Collected:
    from agnes.tables.collecting import Collected

    with rows.select() as select:
        written = rows.workspace.write(select)
    return Collected((written,), tuple(rows.workspace.columns(read([written.path]))))


def _incremental(rows: Rows, before: CollectionState | None, kept: Sequence[TableObject]) -> Collected:
    """What changed since the greatest value that is stored, with keys a window earlier; the newest row of a key stays."""
    from agnes.tables.collecting import Collected

    table, workspace = rows.table, rows.workspace
    assert table.incremental_column is not None
    with rows.select(_since(rows, before)) as select:
        delta = workspace.write(select)
    columns = tuple(workspace.columns(read([delta.path])))
    watermark = _watermark(rows, delta_select=read([delta.path])) or (before.watermark if before else None)
    if not kept or before is None or before.watermark is None:
        if not table.primary_key:
            return Collected((delta,), columns, watermark=watermark)
        return Collected((workspace.write(_newest(table, read([delta.path]))),), columns, watermark=watermark)
    if delta.rows == 0:
        return Collected((), before.columns, kept=tuple(kept), watermark=watermark)
    if not table.primary_key and len(kept) < MAX_APPENDED:
        return Collected((delta,), columns, kept=tuple(kept), watermark=watermark)
    here = LocalObjects(workspace.folder / "kept", rows.collecting.store, limit_bytes=1 << 40).paths(kept)
    old = read(here)
    if not table.primary_key:
        merged = workspace.write(f"{old} UNION ALL BY NAME {read([delta.path])}")
        return Collected((merged,), columns, watermark=watermark)
    same_key = " AND ".join(f"o.{name(each)} IS NOT DISTINCT FROM d.{name(each)}" for each in table.primary_key)
    newest = _newest(table, read([delta.path]))
    if tuple(before.columns) == columns:  # the window hands out again what is stored already
        own, theirs = (", ".join(f"{side}.{name(each['name'])}" for each in columns) for side in "do")
        newest = (
            f"SELECT d.* FROM ({newest}) d WHERE NOT EXISTS "
            f"(SELECT 1 FROM ({old}) o WHERE {same_key} AND ROW({own}) IS NOT DISTINCT FROM ROW({theirs}))"
        )
    changed = workspace.write(newest)
    if changed.rows == 0:
        return Collected((), before.columns, kept=tuple(kept), watermark=watermark)
    new = read([changed.path])
    merged = workspace.write(
        f"SELECT o.* FROM ({old}) o WHERE NOT EXISTS (SELECT 1 FROM ({new}) d WHERE {same_key}) UNION ALL BY NAME {new}"
    )
    return Collected((merged,), tuple(workspace.columns(read([merged.path]))), watermark=watermark)


def _since(rows: Rows, before: CollectionState | None) -> list[str]:
    """The condition on the column with the time of the last change; none for the first run without `max_history_days`."""
    table, dialect = rows.table, dialect_of(rows.place.type)
    assert table.incremental_column is not None
    column = dialect.name(table.incremental_column)
    if before is None or before.watermark is None:
        if table.max_history_days is None:
            return []
        since = rows.today - timedelta(days=table.max_history_days)
        return [f"{column} >= {dialect.literal(since.isoformat())}"]
    kind, _, value = before.watermark.partition(":")
    if kind == "number":
        return [f"{column} {'>=' if table.primary_key else '>'} {value}"]
    if kind == "text" or not table.primary_key:
        return [f"{column} {'>=' if table.primary_key else '>'} {dialect.literal(value)}"]
    window = datetime.fromisoformat(value) - timedelta(days=table.incremental_window_days)
    first = window.date().isoformat() if kind == "day" else window.isoformat(sep=" ")
    return [f"{column} >= {dialect.literal(first)}"]


def _watermark(rows: Rows, delta_select: str) -> str | None:
    """The greatest value of the column with its kind (number, day, time, text); None without a row."""
    column = name(rows.table.incremental_column or "")
    [(greatest, type_)] = rows.workspace.rows(
        f"SELECT max({column})::VARCHAR, typeof(max({column})) FROM ({delta_select}) q"
    )
    if greatest is None:
        return None
    if type_ == "DATE":
        return f"day:{greatest}"
    if type_.startswith("TIMESTAMP"):
        return f"time:{greatest.removesuffix('+00')}{'+00:00' if type_.endswith('ZONE') else ''}"
    if "INT" in type_ or type_.startswith(("DECIMAL", "DOUBLE", "FLOAT")):
        return f"number:{greatest}"
    return f"text:{greatest}"


def _newest(table: Table, select: str) -> str:
    """Of the rows of one key that with the greatest value of the incremental column."""
    keys = ", ".join(name(each) for each in table.primary_key)
    order = f"ORDER BY {name(table.incremental_column)} DESC NULLS LAST" if table.incremental_column else ""
    return f"SELECT * FROM ({select}) q QUALIFY row_number() OVER (PARTITION BY {keys} {order}) = 1"


def _partitioned(rows: Rows, before: CollectionState | None) -> Collected:
    """The partitions of the window, and then, step by step, what is older."""
    from agnes.tables.collecting import Collected

    table = rows.table
    if rows.place.type not in SQL_SOURCES:
        with rows.select() as select:
            whole = rows.workspace.write(select)
        files, columns = _split(rows, read([whole.path]))
        progress = replace(_progress(table, before, rows), backfill_done=True)
        return Collected(files, columns, progress=progress)
    progress, columns = _progress(table, before, rows), before.columns if before else ()
    loaded: list[LocalObject] = []
    partitions: set[str] = set()
    end = _start_of(rows.today + timedelta(days=1), table.partition_granularity, 1)
    begin = _start_of(rows.today - timedelta(days=table.incremental_window_days), table.partition_granularity)
    steps, ends = [(begin, end)], time.monotonic() + STEPS_SECONDS
    taken = 0
    while steps:
        begin, end = steps.pop()
        assert table.partition_by is not None
        with rows.select(source_sql.between(table, table.partition_by, begin, end)) as select:
            step = rows.workspace.write(select)
        found, shape = _split(rows, read([step.path]))
        columns = shape if step.rows or not columns else columns
        loaded += found
        partitions |= {each.partition for each in found} | set(_partitions(begin, end, table.partition_granularity))
        if taken or before is None or before.backfilled_to is None:
            seen = bool(loaded) or progress.rows > 0
            progress = _after_step(table, progress, begin, rows, is_empty=seen and step.rows == 0)
        taken += 1
        if not progress.backfill_done and time.monotonic() < ends:
            assert progress.backfilled_to is not None
            steps.append(_older(table, progress.backfilled_to))
    is_first = before is None or before.backfilled_to is None
    replaced = None if is_first else frozenset(partitions)
    return Collected(tuple(loaded), columns, replaced, progress=progress, more=not progress.backfill_done)


def _progress(table: Table, before: CollectionState | None, rows: Rows) -> CollectionState:
    now = rows.collecting.clock.now()
    return before or CollectionState(table.id, now, now)


def _older(table: Table, end: date) -> tuple[date, date]:
    """The step before a day that begins a partition: whole partitions, with `initial_load_chunk_days` or more."""
    return _start_of(end - timedelta(days=table.initial_load_chunk_days), table.partition_granularity), end


def _after_step(table: Table, progress: CollectionState, begin: date, rows: Rows, *, is_empty: bool) -> CollectionState:
    empty = progress.backfill_empty + 1 if is_empty else 0
    if table.max_history_days is not None:
        done = begin <= rows.today - timedelta(days=table.max_history_days)
    else:
        oldest = rows.today - timedelta(days=table.initial_load_chunk_days * MAX_STEPS)
        done = empty >= MAX_EMPTY_STEPS or begin <= oldest or begin.year <= 1900
    return replace(progress, backfilled_to=begin, backfill_empty=empty, backfill_done=done)


def _split(rows: Rows, select: str) -> tuple[tuple[LocalObject, ...], tuple[dict[str, str], ...]]:
    """A file for each partition; rows whose value is no date are left out."""
    table, workspace = rows.table, rows.workspace
    moment = f"TRY_CAST({name(table.partition_by or '')} AS TIMESTAMP)"
    form = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}[table.partition_granularity]
    partition = f"strftime({moment}, {text(form)})"
    found = workspace.rows(f"SELECT DISTINCT {partition} FROM ({select}) q WHERE {moment} IS NOT NULL ORDER BY 1")
    if len(found) > 20_000:
        raise CollectionFailed(f"{table.partition_by} has {len(found):,} partitions: choose a longer granularity")
    files = tuple(
        workspace.write(f"SELECT * FROM ({select}) q WHERE {partition} = {text(each)}", each) for (each,) in found
    )
    return files, tuple(workspace.columns(select))


def _start_of(day: date, granularity: str, forward: int = 0) -> date:
    """The first day of the partition that holds a day, or of the next one."""
    if granularity == "day":
        return day
    if granularity == "year":
        return date(day.year + forward, 1, 1)
    month = day.year * 12 + day.month - 1 + forward
    return date(month // 12, month % 12 + 1, 1)


def _partitions(begin: date, end: date, granularity: str) -> Iterator[str]:
    """Names of the partitions from a day on that begins one, and before another."""
    form = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}[granularity]
    while begin < end:
        yield begin.strftime(form)
        begin = begin + timedelta(days=1) if granularity == "day" else _start_of(begin, granularity, 1)
