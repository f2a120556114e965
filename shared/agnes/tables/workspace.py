"""A DuckDB that writes parquet within bounds: so much memory, the rest spilled into a folder, and an end in time."""

# ruff: noqa: S608 (names and texts are quoted)

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

import duckdb

from agnes.kernel.errors import AgnesError
from agnes.kernel.table_sources import SourceUnreachable
from agnes.tables.objects import LocalObject

MEMORY_MB = 256
ROW_GROUP = 122_880
"""Rows: DuckDB's own, which readers skip by the least and greatest value of a column."""


class CollectionFailed(AgnesError):
    """What a source handed out cannot be stored."""

    status = 502
    code = "collection_failed"


class Workspace:
    """One connection in a folder that is removed by whoever made it."""

    def __init__(self, folder: Path, *, threads: int, memory_mb: int = MEMORY_MB) -> None:
        self.folder = folder
        self._count = 0
        self._db: duckdb.DuckDBPyConnection = duckdb.connect(
            config={
                "threads": threads,
                "memory_limit": f"{memory_mb}MB",
                "temp_directory": str(folder / "spill"),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "allow_community_extensions": False,
            }
        )
        self._db.execute("SET TimeZone = 'UTC'")

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def ends_after(self, seconds: float) -> Iterator[None]:
        """Statements inside are interrupted then. Raises SourceUnreachable."""
        ended: list[bool] = []

        def end() -> None:
            ended.append(True)
            self._db.interrupt()

        timer = Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (AgnesError, duckdb.Error) as error:
            if ended:
                raise SourceUnreachable(
                    f"collecting took longer than {seconds:,.0f} seconds",
                    hint="Narrow the table by filters, or make it incremental or partitioned.",
                ) from error
            raise
        finally:
            timer.cancel()

    def register(self, name: str, stream: object) -> None:
        self._db.register(name, stream)

    def write(self, select: str, partition: str = "") -> LocalObject:
        """The rows of a SELECT as a parquet file. Raises CollectionFailed."""
        self._count += 1
        path = self.folder / f"{self._count:05d}.parquet"
        try:
            done = self._db.execute(
                f"COPY ({select}) TO {text(str(path))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})"
            ).fetchone()
        except duckdb.Error as error:
            raise CollectionFailed(" ".join(str(error).split())[:1000]) from error
        return LocalObject(path, int(done[0]) if done else 0, partition)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Raises CollectionFailed."""
        try:
            found: list[tuple[Any, ...]] = self._db.execute(sql).fetchall()
        except duckdb.Error as error:
            raise CollectionFailed(" ".join(str(error).split())[:1000]) from error
        return found

    def columns(self, select: str) -> list[dict[str, str]]:
        """{name, type} of each column. Raises CollectionFailed."""
        return [{"name": name, "type": type_} for name, type_, *_ in self.rows(f"DESCRIBE {select}")]


def read(paths: Sequence[Path]) -> str:
    """A SELECT over parquet files."""
    return f"SELECT * FROM read_parquet([{', '.join(text(str(path)) for path in paths)}], union_by_name = true)"


def read_files(paths: Sequence[Path], form: str) -> str:
    """A SELECT over what a source handed out; types are guessed from all rows."""
    files = f"[{', '.join(text(str(path)) for path in paths)}]"
    if form == "parquet":
        return read(paths)
    if form == "json":
        return f"SELECT * FROM read_json({files}, union_by_name = true, sample_size = -1)"
    return f"SELECT * FROM read_csv({files}, union_by_name = true, sample_size = -1)"


def text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
