"""Lines that are in no state file: single objects, and parquet files of what was moved away.

audit/<action>/day=YYYY-MM-DD/<ulid>.json              agnes.kernel.audit writes them
audit/archive/day=YYYY-MM-DD/<from>-<ulid>.parquet     agnes.audit.archive does, Hive layout; never changed
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from agnes.audit.model import COLUMNS, PLACE
from agnes.kernel.audit import PREFIX
from agnes.kernel.ids import time_of
from agnes.kernel.ports import ObjectStore

ARCHIVE = "archive"
_READS_AT_ONCE = 16

log = logging.getLogger("agnes.audit")

Row = dict[str, Any]
"""COLUMNS by name; `at` in UTC, `params` and `before` as text."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object under `audit/`, by its key alone."""

    key: str
    day: date
    minute: datetime | None
    """That of its line; None where the name says nothing."""

    @property
    def source(self) -> str:
        """Of an archived file: the state file that its lines are from, or `objects`."""
        return self.key.rpartition("/")[2].partition("-")[0]

    @property
    def ulid(self) -> str:
        """Of an archived file: when it was written."""
        return self.key.rpartition("-")[2].partition(".")[0]


def archive_key(day: date, source: str, ulid: str) -> str:
    return f"{PREFIX}{ARCHIVE}/day={day.isoformat()}/{source}-{ulid}.parquet"


def listed(store: ObjectStore, since: date | None, until: date) -> Iterator[Stored]:
    """Single objects of the days from `since` to `until`, both included, in no order."""
    for kind in _kinds(store):
        if kind != ARCHIVE:
            yield from _of_kind(store, kind, since, until)


def archived(store: ObjectStore, since: date | None, until: date) -> list[Stored]:
    """Parquet files of these days, oldest first."""
    return list(_of_kind(store, ARCHIVE, since, until))


def _kinds(store: ObjectStore) -> Iterator[str]:
    """Folders below `audit/`: a listing each that is left after its first key."""
    after = ""
    while first := next(iter(store.list(PREFIX, after=after)), None):
        kind = first.key.split("/")[1]
        yield kind
        after = f"{PREFIX}{kind}0"  # `0` is the next character after `/`


def _of_kind(store: ObjectStore, kind: str, since: date | None, until: date) -> Iterator[Stored]:
    folder = f"{PREFIX}{kind}/"
    for entry in store.list(folder, after=f"{folder}day={since.isoformat()}" if since else ""):
        day = _day(entry.key)
        if day is None:
            continue
        if day > until:
            return
        yield Stored(entry.key, day, _minute(entry.key))


def _day(key: str) -> date | None:
    try:
        return date.fromisoformat(key.split("/")[2].removeprefix("day="))
    except (ValueError, IndexError):
        return None


def _minute(key: str) -> datetime | None:
    try:
        return time_of(key.rpartition("/")[2].partition(".")[0]).replace(second=0, microsecond=0)
    except ValueError:
        return None


def read_lines(store: ObjectStore, objects: Sequence[Stored]) -> list[Row]:
    """What these objects say. One that is gone was moved to the archive meanwhile; one that says nothing is skipped."""
    return list(read_each(store, objects).values())


def read_each(store: ObjectStore, objects: Sequence[Stored]) -> dict[str, Row]:
    """As `read_lines`, by key."""
    if not objects:
        return {}
    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        blobs = list(pool.map(lambda stored: store.read(stored.key), objects))
    return {
        stored.key: row
        for stored, blob in zip(objects, blobs, strict=True)
        if blob is not None and (row := line(stored.key, blob.body)) is not None
    }


def line(key: str, body: bytes) -> Row | None:
    """A line's columns; None if it has no time or no id."""
    try:
        said = json.loads(body)
        at = datetime.fromisoformat(said["at"]).astimezone(UTC)
        row: Row = {name: _text(said.get(name)) for name, kind in COLUMNS.items() if kind == "VARCHAR"}
        row |= {name: json.dumps(said.get(name), ensure_ascii=False) for name in ("params", "before")}
        row |= {"at": at, "duration_ms": float(said.get("duration_ms") or 0)}
        if said.get("before") is None:
            row["before"] = None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        log.warning("an audit object says nothing that can be used", extra={"key": key})
        return None
    return row if row["id"] else None


def _text(value: Any) -> str:
    return "" if value is None else str(value)


class Parquet:
    """A scratch DuckDB for archived files, with a folder that it may spill to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.db = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": "300MB",
                "threads": 1,
                "temp_directory": str(folder / "spill"),
                "autoinstall_known_extensions": False,
            },
        )
        self.db.execute("SET TimeZone = 'UTC'")
        self._fetched = 0

    def fetch(self, store: ObjectStore, files: Sequence[Stored]) -> list[Path]:
        if not files:
            return []
        with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
            blobs = list(pool.map(lambda stored: store.read(stored.key), files))
        paths = []
        for stored, blob in zip(files, blobs, strict=True):
            if blob is not None:
                self._fetched += 1
                path = self.folder / f"{self._fetched}.parquet"
                path.write_bytes(blob.body)
                if self._is_readable(path):
                    paths.append(path)
                else:
                    log.error(
                        "%s is damaged: its lines of the audit are left out", stored.key, extra={"key": stored.key}
                    )
        return paths

    def _is_readable(self, path: Path) -> bool:
        """Whether DuckDB reads every value: a page may be damaged behind a footer that is whole."""
        sql = f"SELECT sum(hash(f)) FROM (SELECT {names()} FROM read_parquet('{path}', hive_partitioning = false)) f"  # noqa: S608
        try:
            self.db.execute(sql).fetchall()
        except duckdb.Error:
            return False
        return True

    def rows(self, paths: Sequence[Path], where: str, parameters: dict[str, Any]) -> list[Row]:
        """Lines of these files, newest first, each id once."""
        if not paths:
            return []
        files = [str(path) for path in paths]
        found = self.db.execute(
            f"""SELECT {names()} FROM read_parquet({files}, hive_partitioning = false) WHERE {where}
            QUALIFY row_number() OVER (PARTITION BY id) = 1 ORDER BY "at" DESC, id DESC""",  # noqa: S608 (fixed parts)
            parameters,
        ).fetchall()
        return [dict(zip(COLUMNS, row, strict=True)) for row in found]

    def known(self, paths: Sequence[Path]) -> dict[str, tuple[str, int, str]]:
        """Chain, seq and digest of the lines of these files by id; `("", 0, "")` of one without a place."""
        if not paths:
            return {}
        found = self.db.execute(
            f"SELECT id, coalesce(chain, ''), coalesce(seq, 0), coalesce(digest, '') FROM {self.whole(paths)}"  # noqa: S608
        ).fetchall()
        return {id: (chain, seq, digest) for id, chain, seq, digest in found}  # noqa: A001

    def whole(self, paths: Sequence[Path]) -> str:
        """These files as a table with all columns: files of before there were chains lack those of PLACE."""
        empty = self.folder / "columns.parquet"
        if not empty.exists():
            self._write(empty, [])
        return (
            f"read_parquet({[str(path) for path in (empty, *paths)]}, hive_partitioning = false, union_by_name = true)"
        )

    def written(self, rows: Iterable[Row]) -> bytes:
        """These lines as a parquet file, oldest first. A line without a place may lack it."""
        path = self.folder / "out.parquet"
        self._write(path, rows)
        return path.read_bytes()

    def write_rows(self, path: Path, rows: Iterable[Row]) -> None:
        """These lines as a parquet file of COLUMNS, oldest first."""
        self.db.execute(
            f"COPY (SELECT {names()} FROM {relation()} ORDER BY \"at\", id) TO '{path}' (FORMAT parquet)",  # noqa: S608
            {"rows": encoded(rows)},
        )

    def _write(self, path: Path, rows: Iterable[Row]) -> None:
        stored = COLUMNS | PLACE
        columns = ", ".join(f'"{name}"' for name in stored)
        self.db.execute(
            f"COPY (SELECT {columns} FROM {relation(stored)} ORDER BY \"at\", id) TO '{path}' (FORMAT parquet, COMPRESSION zstd)",  # noqa: S608
            {"rows": encoded(rows)},
        )


@contextmanager
def parquet() -> Iterator[Parquet]:
    with TemporaryDirectory(prefix="agnes-audit-") as folder:
        found = Parquet(Path(folder))
        try:
            yield found
        finally:
            found.db.close()


def names() -> str:
    return ", ".join(f'"{name}"' for name in COLUMNS)


def relation(columns: Mapping[str, str] = COLUMNS) -> str:
    """The parameter $rows, made by `encoded`, as a table."""
    return f"(SELECT unnest(from_json($rows, '{json.dumps([dict(columns)])}'), max_depth := 2))"


def encoded(rows: Iterable[Row]) -> str:
    return json.dumps(list(rows), default=datetime.isoformat)
