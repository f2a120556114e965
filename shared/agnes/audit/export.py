"""The audit as files: all lines of a span of time, oldest first, each once, with their places in the chains.

An answer holds so many lines as fit into it, and says where the next begins; `agnes admin audit export` asks for one after another.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from agnes.audit import objects
from agnes.audit.archive import columns_of
from agnes.audit.model import COLUMNS, PLACE, Cursor
from agnes.audit.objects import Parquet, Row, Stored
from agnes.kernel import audit
from agnes.kernel.errors import BadRequestError
from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import Change, State

MAX_LINES = 20_000
MAX_BYTES = 3_500_000
"""A function's answer may have 4.5 MB."""
MAX_OBJECTS = 2_000
"""Single objects that one answer reads."""
MAX_DAYS = 31
"""That one answer looks through."""
EARLIEST = date(2000, 1, 1)
FIELDS = tuple(COLUMNS | PLACE)
CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/x-ndjson"}
Day = Annotated[date, Field(ge=EARLIEST, le=date(9000, 1, 1))]


class ExportQuery(BaseModel):
    """`since` and `until` are days (UTC), both included. `after_at` and `after_id` are those of the answer before."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["csv", "json"] = "csv"
    since: Day
    until: Day
    after_at: AwareDatetime | None = None
    after_id: Annotated[str, StringConstraints(max_length=40, pattern=r"^[0-9A-Za-z]*$")] = ""


@dataclass(frozen=True, slots=True)
class AuditFile:
    """Some lines as text, and where the next file begins; None after the last line."""

    filename: str
    content_type: str
    body: bytes
    lines: int
    following: Cursor | None


class InvalidDays(BadRequestError):
    code = "invalid_days"

    def __init__(self) -> None:
        super().__init__("`until` is a day before `since`", hint="Both days are included.")


def export(
    state: State,
    store: ObjectStore,
    query: ExportQuery,
    *,
    now: datetime,
    max_lines: int = MAX_LINES,
    max_objects: int = MAX_OBJECTS,
) -> AuditFile:
    """Audited before anything is answered. Raises InvalidDays, UnavailableError."""
    if query.until < query.since:
        raise InvalidDays
    said = query.model_dump(mode="json", exclude={"after_at", "after_id"})
    audit.record_once(store, Change("audit.export", "audit:", said), now=now)
    begin = _midnight(query.since)
    after = Cursor(max(begin, query.after_at.astimezone(UTC)), query.after_id) if query.after_at else Cursor(begin, "")
    until = min(query.until, now.astimezone(UTC).date() + timedelta(days=1))
    day = max(after.ts.date(), query.since)
    if query.after_at is None and day <= until:
        day = max(day, min(_first_day(store), until))
    written = _Written(query.format, with_header=query.after_at is None)
    following: Cursor | None = None
    looked = 0
    while day <= until:
        if looked == MAX_DAYS:
            following = Cursor(_midnight(day), "")
            break
        rows, is_whole = _of_day(state, store, after, day, (max_lines - written.lines, max_objects))
        for row in rows:
            if written.is_full:
                is_whole = False
                break
            written.add(row)
            after = Cursor(row["at"], row["id"])
        if not is_whole:
            following = after
            break
        looked, day = looked + 1, day + timedelta(days=1)
        after = Cursor(_midnight(day), "")
        if day <= until and written.lines >= max_lines:
            following = after
            break
    name = f"audit-{query.since.isoformat()}-{query.until.isoformat()}.{'csv' if query.format == 'csv' else 'jsonl'}"
    return AuditFile(name, CONTENT_TYPES[query.format], written.body(), written.lines, following)


def _first_day(store: ObjectStore) -> date:
    """Of anything that is archived or an object: before it there are at most lines of state files, which are of the last days."""
    first = next(iter(objects.archived(store, None, date.max)), None)
    single = min((stored.day for stored in objects.listed(store, None, date.max)), default=date.max)
    return min(first.day if first else date.max, single)


def _of_day(
    state: State, store: ObjectStore, after: Cursor, day: date, at_most_each: tuple[int, int]
) -> tuple[list[Row], bool]:
    """So many lines, read from so many objects, of a day behind a place, oldest first, and whether these are all. State files first, as readers do: what moves to
    the archive meanwhile is met twice."""
    at_most, max_objects = at_most_each
    end = _midnight(day + timedelta(days=1))
    where = '"at" < $end AND ("at" > $ts OR ("at" = $ts AND id > $id))'
    given = {"end": end, "ts": after.ts, "id": after.id}
    found: dict[str, Row] = {}
    with state.read(*state.names) as db:
        for file in state.names:
            for row in db.execute(
                f'SELECT {columns_of(file)} FROM {file}.audit WHERE {where} ORDER BY "at", id LIMIT {at_most + 1}',  # noqa: S608
                given,
            ).fetchall():
                line = dict(zip(FIELDS, row, strict=True))
                found[line["id"]] = line
    single, horizon = _single(store, day, after, max_objects)
    for line in objects.read_lines(store, single):
        if (line["at"], line["id"]) > (after.ts, after.id) and line["at"] < end:
            found.setdefault(line["id"], line | dict.fromkeys(PLACE))
    with objects.parquet() as bench:
        for line in _archived(store, bench, day, (where, given), at_most):
            found.setdefault(line["id"], line)
    rows = sorted(found.values(), key=lambda row: (row["at"], row["id"]))
    if horizon is not None:
        rows = [row for row in rows if row["at"] < horizon]
        return rows[:at_most], False
    return rows[:at_most], len(rows) <= at_most


def _archived(
    store: ObjectStore, bench: Parquet, day: date, condition: tuple[str, dict[str, Any]], at_most: int
) -> list[Row]:
    where, given = condition
    paths = bench.fetch(store, objects.archived(store, day, day))
    if not paths:
        return []
    names = ", ".join(f'"{name}"' for name in FIELDS)
    found = bench.db.execute(
        f'SELECT {names} FROM {bench.whole(paths)} WHERE {where} ORDER BY "at", id LIMIT {at_most + 1}',  # noqa: S608
        given,
    ).fetchall()
    return [dict(zip(FIELDS, row, strict=True)) for row in found]


def _single(store: ObjectStore, day: date, after: Cursor, at_most: int) -> tuple[list[Stored], datetime | None]:
    """Objects of a day whose minute is not over at `after`: the oldest, in whole minutes, and the minute of the first that is not
    among them."""
    minute = after.ts.replace(second=0, microsecond=0)
    found = sorted(
        (stored for stored in objects.listed(store, day, day) if stored.minute is None or stored.minute >= minute),
        key=lambda stored: stored.minute or minute,
    )
    if len(found) <= at_most:
        return found, None
    last = found[at_most - 1].minute or minute
    whole = [stored for stored in found if (stored.minute or minute) <= last]
    left = found[len(whole) :]
    return whole, left[0].minute if left else None


class _Written:
    """Lines as text. In csv, values that a spreadsheet would take for a formula have an apostrophe before them."""

    def __init__(self, kind: str, *, with_header: bool) -> None:
        self.lines = 0
        self._kind = kind
        self._text = io.StringIO()
        self._csv = csv.writer(self._text, lineterminator="\r\n")
        if kind == "csv" and with_header:
            self._csv.writerow(FIELDS)

    @property
    def is_full(self) -> bool:
        return self._text.tell() > MAX_BYTES

    def add(self, row: Row) -> None:
        self.lines += 1
        shown = row | {"at": row["at"].astimezone(UTC).isoformat()}
        if self._kind == "csv":
            self._csv.writerow([_safe(shown[name]) for name in FIELDS])
        else:
            said = {name: shown[name] for name in FIELDS}
            self._text.write(json.dumps(said, ensure_ascii=False) + "\n")

    def body(self) -> bytes:
        return self._text.getvalue().encode("utf-8", "replace")


def _safe(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
