"""Batch work in a DuckDB of its own: events into parquet, parquet into figures.

One `Workbench` a round: an in-memory database in UTC with a scratch folder that it may spill to, and nothing else. Two
threads may work in it, each by a connection of its own (`Workbench.beside`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any, BinaryIO

import duckdb
import msgspec

from agnes.telemetry.model import BILLED, Event

EVENT_COLUMNS = {
    **dict.fromkeys(("event_id", "user_id", "session_id", "generation", "event_type"), "VARCHAR"),
    "occurred_at": "TIMESTAMPTZ",
    **dict.fromkeys(("tool_name", "skill_name", "subagent_type", "command_name"), "VARCHAR"),
    "is_error": "BOOLEAN",
    **dict.fromkeys(("source", "marketplace_id", "plugin", "item_kind", "item_name"), "VARCHAR"),
    **dict.fromkeys(("agent_source", "agent_marketplace_id", "agent_plugin", "agent_name"), "VARCHAR"),
    **dict.fromkeys(("attribution_plugin", "attribution_skill", "attribution_agent"), "VARCHAR"),
    **dict.fromkeys(("attribution_mcp_server", "attribution_mcp_tool"), "VARCHAR"),
    "carried": "BOOLEAN",
    **dict.fromkeys(("model", "effort", "speed", "service_tier", "inference_geo"), "VARCHAR"),
    **dict.fromkeys(("listing", "loaded"), "VARCHAR"),
    "long_prompt": "BIGINT",
    **dict.fromkeys(BILLED, "BIGINT"),
    **dict.fromkeys(("cwd", "uuid", "parent_uuid"), "VARCHAR"),
    "is_sidechain": "BOOLEAN",
    "agent_id": "VARCHAR",
}
SESSION = {"user_id": "VARCHAR", "session_id": "VARCHAR", "generation": "VARCHAR"}
_LONGEST_LINE_BYTES = 1 << 20

# What is spooled leaves out what is usual, and says of an event what its id is made of, since hashing here costs less.
_FILLED = ", ".join(
    (
        "md5(user_id || '|' || event_id) AS event_id",
        "coalesce(source, 'builtin') AS source",
        *(f"coalesce({name}, false) AS {name}" for name in ("is_error", "is_sidechain", "carried")),
        *(f"coalesce({name}, 0) AS {name}" for name in ("long_prompt", *BILLED)),
    )
)
_NO_EVENTS = "SELECT " + ", ".join(f"NULL::{kind} AS {name}" for name, kind in EVENT_COLUMNS.items()) + " WHERE false"
# Files that were written before a column was have none, which is what is usual of it.
_LATER = ", ".join(
    ("coalesce(carried, false) AS carried", *(f"coalesce({name}, 0) AS {name}" for name in ("long_prompt", *BILLED)))
)

_encode = msgspec.json.Encoder().encode_lines
_ENCODED_AT_ONCE = 5000
"""Events, of half a kilobyte each but for who means harm."""


@dataclass(frozen=True, slots=True)
class Written:
    """A parquet file in the scratch folder."""

    path: Path
    rows: int


class Workbench:
    def __init__(self, folder: Path, db: duckdb.DuckDBPyConnection) -> None:
        self.folder = folder
        self.db = db
        # Of the connection, not of the database.
        self.db.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        self._spool_file: BinaryIO | None = None
        self._is_ordered = False
        self.spooled_bytes = 0

    def close(self) -> None:
        if self._spool_file is not None:
            self._spool_file.close()
        self.db.close()

    @contextmanager
    def beside(self) -> Iterator[Workbench]:
        """The same database and folder for another thread."""
        other = Workbench(self.folder, self.db.cursor())
        other._is_ordered = self._is_ordered
        try:
            yield other
        finally:
            other.close()

    @property
    def _spool(self) -> BinaryIO:
        if self._spool_file is None:
            self._spool_file = (self.folder / "events.ndjson").open("ab")
        return self._spool_file

    def spool(self, events: Sequence[Event], *, most_bytes: int) -> bool:
        """Keep events on disk until `load_events`, so that memory does not grow with the input. False, and none of them
        is kept, if they are more than `most_bytes`: names may be long, and there may be many."""
        begin = self._spool.tell()
        for start in range(0, len(events), _ENCODED_AT_ONCE):
            self._spool.write(_encode(events[start : start + _ENCODED_AT_ONCE]))
            if self._spool.tell() - begin > most_bytes:
                self._spool.truncate(begin)
                self._spool.seek(begin)
                return False
        self.spooled_bytes = self._spool.tell()
        return True

    def load_events(self) -> None:
        """Make the table `harvested` of what was spooled; it has a column `day` besides the events' own, and is
        ordered so that the events of a day, and in it of a session, lie together."""
        self._spool.flush()
        self.db.execute(
            f"""CREATE TABLE harvested AS SELECT * REPLACE ({_FILLED}), occurred_at::DATE AS day
            FROM read_json($path, format = 'newline_delimited', columns = {EVENT_COLUMNS},
                maximum_object_size = {_LONGEST_LINE_BYTES})
            ORDER BY day, user_id, session_id, occurred_at""",  # noqa: S608 (fixed parts)
            {"path": self._spool.name},
        )
        self._is_ordered = True

    def write_harvested(self) -> Path:
        """All of `harvested` in one file."""
        path = self.folder / "harvested.parquet"
        self.db.execute(f"COPY harvested TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
        return path

    def load_harvested(self, paths: Sequence[Path], accepted: Iterable[tuple[str, str, str]]) -> None:
        """Make `harvested` of such files: the events of `accepted` (user_id, session_id, generation)."""
        if not paths:
            self.load_events()
            return
        self.table("accepted", SESSION, accepted)
        self.db.execute(
            f"CREATE VIEW harvested AS SELECT h.* FROM read_parquet({[str(path) for path in paths]}, "  # noqa: S608
            "hive_partitioning = false) h SEMI JOIN accepted USING (user_id, session_id, generation)"
        )

    def harvested_by_day(self) -> dict[date, int]:
        """How many events of `harvested` each day has."""
        return dict(
            self.db.execute("SELECT day, count(*) FROM harvested WHERE day IS NOT NULL GROUP BY day").fetchall()
        )

    def take_days(self, days: Sequence[date]) -> None:
        """Make `new_events` of those of `harvested` that are of these days."""
        self.db.execute(f"CREATE OR REPLACE VIEW new_events AS {_of_days(days)}")

    def write_new_events(self, days: Sequence[date]) -> dict[date, Path]:
        """The events of `harvested` of each of these days in a file of its own. They are in memory all at once."""
        order = "" if self._is_ordered else " ORDER BY day, user_id, session_id, occurred_at"
        return self.write_by_day("events", f"{_of_days(days)}{order}", days)

    def write_events(self, day: date, merged: Sequence[Path] = ()) -> Written:
        """The day's events of `harvested` in one file, with those of `live_generations` in the stored files to be
        merged."""
        path = self.folder / f"events-{day}.parquet"
        rows = f"SELECT * EXCLUDE day FROM ({_of_days([day])})"  # noqa: S608 (fixed parts)
        if merged:
            rows = f"{rows} UNION ALL BY NAME {live_events(merged)}"
        order = "" if self._is_ordered and not merged else "ORDER BY user_id, session_id, occurred_at"
        (count,) = self.db.execute(
            f"COPY (SELECT * FROM ({rows}) {order}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"  # noqa: S608 (fixed parts)
        ).fetchone()
        return Written(path, count)

    def write_by_day(self, name: str, sql: str, days: Sequence[date]) -> dict[date, Path]:
        """The rows of `sql`, whose column `day` has no other days than these: a file for each of them, without that
        column. In one statement, which costs half of one for each, and keeps the rows' order (in one thread)."""
        folder = Path(mkdtemp(dir=self.folder, prefix=f"{name}-"))
        self.db.execute(f"COPY ({sql}) TO '{folder}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (day), OVERWRITE)")
        paths = {day: folder / f"day={day}" / "data_0.parquet" for day in days}
        for path in paths.values():
            if not path.exists():  # a day without rows
                path.parent.mkdir(parents=True, exist_ok=True)
                self.db.execute(
                    f"COPY (SELECT * EXCLUDE day FROM ({sql}) LIMIT 0) TO '{path}' (FORMAT parquet, COMPRESSION zstd)"  # noqa: S608
                )
        return paths

    def table(self, name: str, columns: dict[str, str], rows: Iterable[Sequence[Any]]) -> None:
        """A table of `rows`; by way of a file, since inserting one by one is slow."""
        path = self.folder / f"{name}.ndjson"
        with path.open("wb") as file:
            file.write(msgspec.json.Encoder().encode_lines([dict(zip(columns, row, strict=True)) for row in rows]))
        self.db.execute(f"DROP TABLE IF EXISTS {name}")
        self.db.execute(
            f"CREATE TABLE {name} AS SELECT * FROM read_json($path, format = 'newline_delimited', columns = {columns})",  # noqa: S608
            {"path": str(path)},
        )

    def rows(self, sql: str, parameters: Any = None) -> list[dict[str, Any]]:
        found = self.db.execute(sql, parameters)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _of_days(days: Sequence[date]) -> str:
    named = ", ".join(f"DATE '{day}'" for day in days) or "NULL"
    return f"SELECT * FROM harvested WHERE day IN ({named})"  # noqa: S608 (fixed parts)


def live_events(paths: Sequence[Path]) -> str:
    """SQL for the events of stored files that count: those of the table `live_generations`."""
    files = [str(path) for path in paths]
    return (
        f"SELECT * REPLACE ({_LATER}) FROM (FROM read_parquet({files}, hive_partitioning = false, union_by_name = true) "  # noqa: S608
        f"UNION ALL BY NAME {_NO_EVENTS}) SEMI JOIN live_generations USING (user_id, session_id, generation)"
    )


@contextmanager
def workbench(*, memory_limit: str = "150MB", threads: int = 1) -> Iterator[Workbench]:
    with TemporaryDirectory(prefix="agnes-telemetry-") as folder:
        db = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": memory_limit,
                "threads": threads,
                "temp_directory": str(Path(folder) / "spill"),
                "autoinstall_known_extensions": False,
            },
        )
        bench = Workbench(Path(folder), db)
        try:
            yield bench
        finally:
            bench.close()
