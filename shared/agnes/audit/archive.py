"""Moving the audit to where it costs nothing: old lines of the state files, and single objects, become parquet by day.

Lines are written as parquet first and removed afterwards: from a state file in one commit, by their ids; objects one by
one. Killed in between, a run leaves lines in two places, which readers take for one (`agnes.audit.service`), and the
next run finds their ids in the archive, writes nothing again and removes them.

Objects get their place in the chain `objects` here: behind the newest archived line of it. The file `people` keeps that head too,
moved in a commit of its own between the parquet file and the removal, so its own chain says how long the other one was.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from agnes.audit import objects
from agnes.audit.model import COLUMNS
from agnes.audit.objects import Parquet, Row, Stored
from agnes.kernel import chain
from agnes.kernel.chain import OBJECTS, ChainHead
from agnes.kernel.errors import ConflictError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import ABSENT, Clock, ObjectStore
from agnes.kernel.state import Change, Db, State, Tx, one_number

LINES_AT_ONCE = 20_000
FOLD_AFTER = timedelta(hours=1)
"""Single objects are left alone for so long; nobody writes one of an earlier minute then."""
MARGIN_DAYS = 3
"""Between what is archived and what is removed; lines of one chain are of different days where clocks differ."""
KEEPER = "people"
"""The state file that keeps the head of the chain of objects, and the audit of what was pruned."""

log = logging.getLogger("agnes.audit")


class ChainMoved(ConflictError):
    """Another run archives the same objects."""

    code = "audit_chain_moved"

    def __init__(self) -> None:
        super().__init__("another run has archived audit objects meanwhile", hint="The next run goes on from there.")


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
    pruned_files: int = 0
    """Archived files that were removed for good, where a retention is set."""


def archive(
    state: State,
    store: ObjectStore,
    *,
    clock: Clock,
    after_days: int,
    retention_days: int = 0,
    dry_run: bool = False,
    lines_at_once: int = LINES_AT_ONCE,
) -> Archived:
    """Move lines that are `after_days` days old out of the state files, and single objects that are an hour old together. Then
    remove archived days that are older than `retention_days`, if that is not 0.

    Raises UnavailableError, ChainMoved; then what was moved is moved, and the rest is moved by the next run.
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
    _fold_objects(state, store, report, now=now, dry_run=dry_run, at_most=lines_at_once)
    if retention_days:
        before = now.astimezone(UTC).date() - timedelta(days=max(retention_days, after_days + MARGIN_DAYS))
        report.pruned_files = _prune(state, store, before, dry_run=dry_run)
    return report


def _count(state: State, file: str, before: date) -> int:
    with state.read(file) as db:
        sql = f'SELECT count(*) FROM {file}.audit WHERE "at" < $before'  # noqa: S608 (our own names)
        return one_number(db, sql, {"before": midnight(before)})


def lines_of(db: Db, file: str, before: datetime, at_most: int) -> list[Row]:
    """The oldest lines of a state file, with their places."""
    found = db.execute(
        f"""SELECT {columns_of(file)} FROM {file}.audit
        WHERE "at" < $before ORDER BY "at", id LIMIT {at_most}""",  # noqa: S608 (our own names)
        {"before": before},
    ).fetchall()
    return [dict(zip((*COLUMNS, "chain", "seq", "previous", "digest"), row, strict=True)) for row in found]


def columns_of(file: str) -> str:
    """Those of COLUMNS and PLACE, of a state file's table."""
    columns = ", ".join(f'"{name}"::{kind}' for name, kind in COLUMNS.items())
    return f"{columns}, if(seq IS NULL, NULL, '{file}'), seq, previous, digest"


def _move_lines(state: State, store: ObjectStore, file: str, report: Archived, *, now: datetime, at_most: int) -> int:
    """The oldest lines of a state file; how many are gone from it now."""
    with state.read(file) as db:
        rows = lines_of(db, file, midnight(report.before), at_most)
    if not rows:
        return 0
    for day, of_day in _by_day(rows).items():
        with objects.parquet() as bench:
            known = _known(store, bench, day)
            report.files += _put(store, bench, day, file, [row for row in of_day if row["id"] not in known], now=now)

    def remove(tx: Tx) -> int:
        ids = {"ids": [row["id"] for row in rows]}
        end = end_of(tx.db, file)
        gone = one_number(tx.db, f"DELETE FROM {file}.audit WHERE id IN (SELECT unnest($ids))", ids)  # noqa: S608
        if gone:
            _note_head(tx.db, file, file, end)
            tx.record(Change("audit.archive", f"state:{file}", {"lines": gone, "before": report.before.isoformat()}))
        return gone

    return state.commit(file, remove)


def _fold_objects(
    state: State, store: ObjectStore, report: Archived, *, now: datetime, dry_run: bool, at_most: int
) -> None:
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
                report.files += _fold(state, store, day, list(lines.values()), now=now)
                store.remove(lines)


def _fold(state: State, store: ObjectStore, day: date, lines: list[Row], *, now: datetime) -> int:
    """Put lines of a day behind those of the chain of objects that are archived already; how many files that took."""
    with state.read(KEEPER) as db:
        head = head_of(db, OBJECTS)
    with objects.parquet() as bench:
        known = _known(store, bench, day)
        # A run may have been killed before it moved the head, and `people` restored to an older generation.
        end = max(head, _archived_head(store, bench), key=_seq)
        new = sorted((row for row in lines if row["id"] not in known), key=lambda row: (row["at"], row["id"]))
        links, end = chain.chained(OBJECTS, end, new)
        placed = [row | {"chain": OBJECTS} | asdict(link) for row, link in zip(new, links, strict=True)]
        files = _put(store, bench, day, OBJECTS, placed, now=now)
    if end == head:
        return files

    def move(tx: Tx) -> None:
        if head_of(tx.db, OBJECTS) != head:
            raise ChainMoved
        _note_head(tx.db, KEEPER, OBJECTS, end)
        said = {"day": day.isoformat(), "lines": end.seq - head.seq, "through": end.seq, "digest": end.digest}
        tx.record(Change("audit.archive", "audit:objects", said))

    state.commit(KEEPER, move)
    return files


def _archived_head(store: ObjectStore, bench: Parquet) -> ChainHead:
    """The last line of the chain of objects in the file of it that was written last."""
    files = [stored for stored in objects.archived(store, None, date.max) if stored.source == OBJECTS]
    newest = max(files, key=lambda stored: stored.ulid, default=None)
    if newest is None:
        return ChainHead()
    places = bench.known(bench.fetch(store, [newest])).values()
    return max(
        (ChainHead(seq, digest) for name, seq, digest in places if name == OBJECTS), default=ChainHead(), key=_seq
    )


def _seq(head: ChainHead) -> int:
    return head.seq


def _prune(state: State, store: ObjectStore, before: date, *, dry_run: bool) -> int:
    """Remove the archived days before `before`, if each chain goes on behind them; how many files that are.

    A line `audit.prune` says first where each chain begins from then on. Killed after it, the next run removes the files."""
    old = objects.archived(store, None, before - timedelta(days=1))
    if not old:
        return 0
    with objects.parquet() as bench:
        kept = objects.archived(store, before, before + timedelta(days=MARGIN_DAYS))
        least = {name: seq for name, (seq, _, _) in _bounds(store, bench, kept).items()}
        while old:
            ends = _bounds(store, bench, old)
            if all(last < least.get(name, last + 1) for name, (_, last, _) in ends.items()):
                break
            old = [file for file in old if file.day < old[-1].day]  # its lines were numbered after some of a later day
        if old and not dry_run:
            chains = {name: [last, digest] for name, (_, last, digest) in ends.items()}
            said = {"before": before.isoformat(), "files": len(old), "chains": chains}
            state.commit(KEEPER, lambda tx: tx.record(Change("audit.prune", "audit:archive", said)))
            store.remove([file.key for file in old])
    return len(old)


def _bounds(store: ObjectStore, bench: Parquet, files: list[Stored]) -> dict[str, tuple[int, int, str]]:
    """By chain: first and last seq in these files, and the last digest."""
    found: dict[str, tuple[int, int, str]] = {}
    for file in files:
        for name, seq, digest in bench.known(bench.fetch(store, [file])).values():
            first, last, end = found.get(name, (seq, 0, ""))
            if name:
                found[name] = (min(first, seq), *max((last, end), (seq, digest)))
    return found


def head_of(db: Db, name: str, file: str = KEEPER) -> ChainHead:
    """Where a chain ended when it was last noted in a state file."""
    found = db.execute(f"SELECT seq, digest FROM {file}.audit_heads WHERE chain = ?", [name]).fetchone()  # noqa: S608
    return ChainHead(*found) if found else ChainHead()


def end_of(db: Db, file: str) -> ChainHead:
    """Where the chain of a state file ends."""
    found = db.execute(
        f"SELECT seq, digest FROM {file}.audit WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1"  # noqa: S608 (our own names)
    ).fetchone()
    return max(head_of(db, file, file), ChainHead(*found) if found else ChainHead(), key=_seq)


def _note_head(db: Db, file: str, name: str, head: ChainHead) -> None:
    db.execute(f"DELETE FROM {file}.audit_heads WHERE chain = ?", [name])  # noqa: S608 (our own names)
    if head.seq:
        db.execute(
            f"INSERT INTO {file}.audit_heads (chain, seq, digest) VALUES (?, ?, ?)",  # noqa: S608 (our own names)
            [name, head.seq, head.digest],
        )


def _put(store: ObjectStore, bench: Parquet, day: date, source: str, rows: list[Row], *, now: datetime) -> int:
    """How many files that took, one or none."""
    if not rows:
        return 0
    key = objects.archive_key(day, source, new_ulid(now))
    store.write(key, bench.written(rows), expect=ABSENT, content_type="application/octet-stream")
    log.info("archived %d lines", len(rows), extra={"key": key})
    return 1


def _known(store: ObjectStore, bench: Parquet, day: date) -> dict[str, tuple[str, int, str]]:
    return bench.known(bench.fetch(store, objects.archived(store, day, day)))


def _by_day(rows: Iterable[Row]) -> dict[date, list[Row]]:
    days: dict[date, list[Row]] = {}
    for row in rows:
        days.setdefault(row["at"].astimezone(UTC).date(), []).append(row)
    return days


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
