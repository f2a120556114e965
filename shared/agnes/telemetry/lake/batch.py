"""Batch work in a DuckDB of its own: events into parquet, parquet into figures.

One `ScratchDatabase` a round: an in-memory database in UTC with a scratch folder that it may spill to, and nothing else. Two
threads may work in it, each by a connection of its own (`ScratchDatabase.beside`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import duckdb
import msgspec

from agnes.kernel.state import one_number
from agnes.telemetry.lake.spool import Spool
from agnes.telemetry.model import BILLED

log = logging.getLogger("agnes.telemetry")

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
_ORDER_IN_DAY = "user_id, session_id, occurred_at"
_ORDER = f"day, {_ORDER_IN_DAY}"
_UNORDERED_BYTES = 40_000_000
"""Of spooled events: more are ordered as they are loaded, since each day has to be found among all of them."""
EVENT_FILE = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1"
"""Identifiers are most of an event, and level 3 takes longer to make them no smaller."""

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


@dataclass(frozen=True, slots=True)
class Written:
    """A parquet file in the scratch folder."""

    path: Path
    rows: int


class ScratchDatabase:
    def __init__(self, folder: Path, db: Roomy | duckdb.DuckDBPyConnection) -> None:
        self.folder = folder
        self.db = db
        # Of the connection, not of the database.
        self.db.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        self._spools: list[Spool] = []

    def close(self) -> None:
        for spool in self._spools:
            spool.close()
        self.db.close()

    @contextmanager
    def beside(self) -> Iterator[ScratchDatabase]:
        """The same database and folder for another thread."""
        other = ScratchDatabase(self.folder, self.db.cursor())
        try:
            yield other
        finally:
            other.close()

    def new_spool(self) -> Spool:
        """One more file of events for `load_events`."""
        spool = Spool(self.folder / f"events-{len(self._spools)}.ndjson")
        self._spools.append(spool)
        return spool

    @property
    def spooled_bytes(self) -> int:
        return sum(spool.size for spool in self._spools)

    def load_events(self) -> None:
        """Make `harvested` of what was spooled; it has a column `day` besides the events' own."""
        spools = [spool for spool in self._spools if spool.size] or [self.new_spool()]
        for spool in spools:
            spool.flush()
        if sum(spool.size for spool in spools) > _UNORDERED_BYTES:
            self._load("harvested", spools, order=f"ORDER BY {_ORDER}")
            return
        first, *others = [(f"spooled_{number}", [spool]) for number, spool in enumerate(spools)]
        with ThreadPoolExecutor(max(1, len(others))) as pool:
            loading = [pool.submit(self._load_beside, *other) for other in others]
            self._load(*first)
            for future in loading:
                future.result()
        tables = " UNION ALL ".join(f"SELECT * FROM {name}" for name, _ in (first, *others))  # noqa: S608 (fixed parts)
        self.db.execute(f"CREATE VIEW harvested AS {tables}")

    def _load_beside(self, table: str, spools: Sequence[Spool]) -> None:
        with self.beside() as other:
            other._load(table, spools)

    def _load(self, table: str, spools: Sequence[Spool], *, order: str = "") -> None:
        self.db.execute(
            f"""CREATE TABLE {table} AS SELECT * REPLACE ({_FILLED}), occurred_at::DATE AS day
            FROM read_json($paths, format = 'newline_delimited', columns = {EVENT_COLUMNS},
                maximum_object_size = {_LONGEST_LINE_BYTES}) {order}""",  # noqa: S608 (fixed parts)
            {"paths": [str(spool.path) for spool in spools]},
        )

    def write_harvested(self) -> Path:
        """All of `harvested` in one file."""
        path = self.folder / "harvested.parquet"
        self.db.execute(f"COPY (FROM harvested ORDER BY {_ORDER}) TO '{path}' ({EVENT_FILE})")
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
        """The events of `harvested` of each of these days in a file of its own, in the order in which they came: those of a session
        are together already, and sorting them makes files no smaller. They are in memory all at once."""
        return self.write_by_day("events", _of_days(days), days, EVENT_FILE)

    def write_events(self, day: date, merged: Sequence[Path] = ()) -> Written:
        """The day's events of `harvested` in one file, with those of `live_generations` in the stored files to be
        merged."""
        path = self.folder / f"events-{day}.parquet"
        rows = f"SELECT * EXCLUDE day FROM ({_of_days([day])})"  # noqa: S608 (fixed parts)
        if merged:
            rows = f"{rows} UNION ALL BY NAME {live_events(merged)}"
        count = one_number(
            self.db,
            f"COPY (SELECT * FROM ({rows}) ORDER BY {_ORDER_IN_DAY}) TO '{path}' ({EVENT_FILE})",  # noqa: S608 (fixed parts)
        )
        return Written(path, count)

    def write_by_day(self, name: str, sql: str, days: Sequence[date], options: str) -> dict[date, Path]:
        """The rows of `sql`, whose column `day` has no other days than these: a file for each of them, without that
        column. In one statement, which costs half of one for each, and keeps the rows' order (in one thread)."""
        folder = Path(mkdtemp(dir=self.folder, prefix=f"{name}-"))
        self.db.execute(f"COPY ({sql}) TO '{folder}' ({options}, PARTITION_BY (day), OVERWRITE)")
        paths = {day: folder / f"day={day}" / "data_0.parquet" for day in days}
        for path in paths.values():
            if not path.exists():  # a day without rows
                path.parent.mkdir(parents=True, exist_ok=True)
                self.db.execute(
                    f"COPY (SELECT * EXCLUDE day FROM ({sql}) LIMIT 0) TO '{path}' ({options})"  # noqa: S608
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


def generations_in(bench: ScratchDatabase, paths: Sequence[Path]) -> set[tuple[str, str, str]]:
    """(user_id, session_id, generation) of all events of stored files."""
    if not paths:
        return set()
    return set(
        bench.db.execute(
            "SELECT DISTINCT user_id, session_id, generation FROM read_parquet($paths, hive_partitioning = false)",
            {"paths": [str(path) for path in paths]},
        ).fetchall()
    )


LARGE_MEMORY = "600MB"
"""For a statement that failed with the usual memory: many long names at once, where one person has sent them. A function that runs
the extraction has 1,769 MB."""


class Roomy:
    """A connection that runs a statement again with LARGE_MEMORY if memory was too little, so that what one person has sent costs
    memory, and not everybody's figures."""

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self._db = db

    def execute(self, sql: str, parameters: Any = None) -> duckdb.DuckDBPyConnection:
        try:
            return self._db.execute(sql, parameters)
        except duckdb.OutOfMemoryException:
            log.warning("a statement of the extraction needs more than the usual memory")
            self._db.execute(f"SET memory_limit = '{LARGE_MEMORY}'")
            return self._db.execute(sql, parameters)

    def cursor(self) -> Roomy:
        return Roomy(self._db.cursor())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


@contextmanager
def workbench(*, memory_limit: str = "150MB", threads: int = 1, grows: bool = True) -> Iterator[ScratchDatabase]:
    """`grows`: whether a statement for which the limit is too little runs again with LARGE_MEMORY; otherwise it raises."""
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
        bench = ScratchDatabase(Path(folder), Roomy(db) if grows else db)
        try:
            yield bench
        finally:
            bench.close()
