"""Batch work in a DuckDB of its own: events into parquet, parquet into figures.

One `Workbench` a round: an in-memory database in UTC with a scratch folder that it may spill to, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import msgspec

from agnes.telemetry.model import TOKENS, Event

EVENT_COLUMNS = {
    **dict.fromkeys(("event_id", "user_id", "session_id", "generation", "event_type"), "VARCHAR"),
    "occurred_at": "TIMESTAMPTZ",
    **dict.fromkeys(("tool_name", "skill_name", "subagent_type", "command_name"), "VARCHAR"),
    "is_error": "BOOLEAN",
    **dict.fromkeys(("source", "marketplace_id", "plugin", "item_kind", "item_name"), "VARCHAR"),
    **dict.fromkeys(("agent_source", "agent_marketplace_id", "agent_plugin", "agent_name"), "VARCHAR"),
    **dict.fromkeys(("attribution_plugin", "attribution_skill", "attribution_agent", "model"), "VARCHAR"),
    **dict.fromkeys(TOKENS, "BIGINT"),
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
        *(f"coalesce({name}, false) AS {name}" for name in ("is_error", "is_sidechain")),
        *(f"coalesce({name}, 0) AS {name}" for name in TOKENS),
    )
)

_encode = msgspec.json.Encoder().encode_lines
_ENCODED_AT_ONCE = 5000
"""Events, of half a kilobyte each but for who means harm."""


@dataclass(frozen=True, slots=True)
class Written:
    """A parquet file of one day, in the scratch folder."""

    day: date
    path: Path
    rows: int


class Workbench:
    def __init__(self, folder: Path, *, memory_limit: str, threads: int) -> None:
        self.folder = folder
        self.db = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": memory_limit,
                "threads": threads,
                "temp_directory": str(folder / "spill"),
                "autoinstall_known_extensions": False,
            },
        )
        self.db.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
        self._spool = (folder / "events.ndjson").open("ab")
        self.spooled_bytes = 0

    def close(self) -> None:
        self._spool.close()
        self.db.close()

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
        named = ", ".join(f"DATE '{day}'" for day in days) or "NULL"
        self.db.execute(f"CREATE OR REPLACE VIEW new_events AS SELECT * FROM harvested WHERE day IN ({named})")  # noqa: S608

    def new_days(self) -> list[date]:
        return [day for (day,) in self.db.execute("SELECT DISTINCT day FROM new_events ORDER BY day").fetchall()]

    def write_events(self, day: date, merged: Sequence[Path] = ()) -> Written:
        """The day's `new_events` in one file, with those of `live_generations` in the stored files to be merged."""
        path = self.folder / f"events-{day}.parquet"
        rows = f"SELECT * EXCLUDE day FROM new_events WHERE day = '{day}'"  # noqa: S608 (fixed parts)
        if merged:
            rows = f"{rows} UNION ALL BY NAME {live_events(merged)}"
        (count,) = self.db.execute(
            f"COPY (SELECT * FROM ({rows}) ORDER BY user_id, session_id, occurred_at) "  # noqa: S608 (fixed parts)
            f"TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
        ).fetchone()
        return Written(day, path, count)

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


def live_events(paths: Sequence[Path]) -> str:
    """SQL for the events of stored files that count: those of the table `live_generations`."""
    files = [str(path) for path in paths]
    return (
        f"SELECT e.* FROM read_parquet({files}, hive_partitioning = false) e "  # noqa: S608 (fixed parts)
        "SEMI JOIN live_generations USING (user_id, session_id, generation)"
    )


@contextmanager
def workbench(*, memory_limit: str = "150MB", threads: int = 1) -> Iterator[Workbench]:
    with TemporaryDirectory(prefix="agnes-telemetry-") as folder:
        bench = Workbench(Path(folder), memory_limit=memory_limit, threads=threads)
        try:
            yield bench
        finally:
            bench.close()
