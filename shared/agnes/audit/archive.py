"""Moving the audit to where it costs nothing: old lines of the state files, and single objects, become parquet by day.

Lines are written as parquet first and removed afterwards: from a state file in one commit, by their ids; objects one by
one. Killed in between, a run leaves lines in two places, which readers take for one (`agnes.audit.service`), and the
next run finds their ids in the archive, writes nothing again and removes them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from agnes.audit import objects
from agnes.audit.model import COLUMNS
from agnes.audit.objects import Parquet, Row, Stored
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import ABSENT, Clock, ObjectStore
from agnes.kernel.state import Change, State, Tx, one_number

LINES_AT_ONCE = 20_000
FOLD_AFTER = timedelta(hours=1)
"""Single objects are left alone for so long; nobody writes one of an earlier minute then."""

log = logging.getLogger("agnes.audit")


@dataclass(slots=True)
class Archived:
    """Of a dry run: what would be moved."""

    before: date
    """Lines of state files of earlier days are moved."""
    lines: dict[str, int] = field(default_factory=dict)
    """By state file."""
    objects: int = 0
    unreadable: int = 0
    """Objects that say nothing; they stay where they are."""
    files: int = 0
    """Parquet files that were written."""


def archive(
    state: State,
    store: ObjectStore,
    *,
    clock: Clock,
    after_days: int,
    dry_run: bool = False,
    lines_at_once: int = LINES_AT_ONCE,
) -> Archived:
    """Move lines that are `after_days` days old out of the state files, and single objects that are an hour old together.

    Raises UnavailableError; then what was moved is moved, and the rest is moved by the next run.
    """
    now = clock.now()
    report = Archived(now.astimezone(UTC).date() - timedelta(days=after_days))
    for file in state.names:
        if dry_run:
            report.lines[file] = _count(state, file, report.before)
        else:
            report.lines[file] = 0
            while moved := _move_lines(state, store, file, report, now=now, at_most=lines_at_once):
                report.lines[file] += moved
    _fold_objects(store, report, now=now, dry_run=dry_run, at_most=lines_at_once)
    return report


def _count(state: State, file: str, before: date) -> int:
    with state.read(file) as db:
        sql = f'SELECT count(*) FROM {file}.audit WHERE "at" < $before'  # noqa: S608 (our own names)
        return one_number(db, sql, {"before": _midnight(before)})


def _move_lines(state: State, store: ObjectStore, file: str, report: Archived, *, now: datetime, at_most: int) -> int:
    """The oldest lines of a state file; how many are gone from it now."""
    columns = ", ".join(f'"{name}"::{kind}' for name, kind in COLUMNS.items())
    with state.read(file) as db:
        found = db.execute(
            f'SELECT {columns} FROM {file}.audit WHERE "at" < $before ORDER BY "at", id LIMIT {at_most}',  # noqa: S608
            {"before": _midnight(report.before)},
        ).fetchall()
    if not found:
        return 0
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in found]
    for day, of_day in _by_day(rows).items():
        report.files += _put(store, day, file, of_day, now=now)

    def remove(tx: Tx) -> int:
        ids = {"ids": [row["id"] for row in rows]}
        gone = one_number(tx.db, f"DELETE FROM {file}.audit WHERE id IN (SELECT unnest($ids))", ids)  # noqa: S608
        if gone:
            tx.record(Change("audit.archive", f"state:{file}", {"lines": gone, "before": report.before.isoformat()}))
        return gone

    return state.commit(file, remove)


def _fold_objects(store: ObjectStore, report: Archived, *, now: datetime, dry_run: bool, at_most: int) -> None:
    latest = now.astimezone(UTC) - FOLD_AFTER
    days: dict[date, list[Stored]] = {}
    for stored in objects.listed(store, None, latest.date()):
        if stored.minute < latest if stored.minute else stored.day < latest.date():
            days.setdefault(stored.day, []).append(stored)
    for day, of_day in sorted(days.items()):
        for start in range(0, len(of_day), at_most):
            some = of_day[start : start + at_most]
            lines = objects.read_each(store, some)
            report.objects += len(lines)
            report.unreadable += len(some) - len(lines)
            if lines and not dry_run:
                report.files += _put(store, day, "objects", lines.values(), now=now)
                store.remove(lines)


def _put(store: ObjectStore, day: date, source: str, rows: Iterable[Row], *, now: datetime) -> int:
    """Write those lines of a day that are not archived yet; how many files that took, one or none."""
    with objects.parquet() as bench:
        known = _known(store, bench, day)
        new = {row["id"]: row for row in rows if row["id"] not in known}
        if not new:
            return 0
        body = bench.written(new.values())
        key = objects.archive_key(day, source, new_ulid(now))
        store.write(key, body, expect=ABSENT, content_type="application/octet-stream")
        log.info("archived %d lines", len(new), extra={"key": key})
        return 1


def _known(store: ObjectStore, bench: Parquet, day: date) -> set[str]:
    return bench.ids(bench.fetch(store, objects.archived(store, day, day)))


def _by_day(rows: list[Row]) -> dict[date, list[Row]]:
    days: dict[date, list[Row]] = {}
    for row in rows:
        days.setdefault(row["at"].astimezone(UTC).date(), []).append(row)
    return days


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
