"""Queries over the copies of a workspace, with DuckDB.

user/duckdb/analytics.duckdb   the person's own database: their views and tables, and a view for each table and snapshot
user/snapshots/<name>.parquet  snapshots

A query opens that database for reading and puts temporary views over it, which name the objects that the copies consist of now. So it
sees the newest copies also while somebody else has the database open, and disturbs nobody.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agnes_cli import needs
from agnes_cli.failures import BadInput, Failure
from agnes_cli.tables.copies import TableCopies

if TYPE_CHECKING:
    import duckdb

MARK = "agnes:"
"""How the comment of a view of Agnes begins; all others are the person's."""
SECONDS = 300


class QueryFailed(BadInput):
    """DuckDB refused a statement, or stopped it."""


@dataclass(frozen=True, slots=True)
class Result:
    """Rows of a query, at most as many as were asked for."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    truncated: bool
    """There are more rows."""


def load_duckdb(*, install: bool = True) -> Any:
    """The module. Raises NotInstalled."""
    return needs.load("duckdb", "duckdb", what="DuckDB (about 20 MB)", install=install)


class LocalDatabase:
    def __init__(self, copies: TableCopies) -> None:
        self.copies = copies
        self.file = copies.root / "user" / "duckdb" / "analytics.duckdb"
        self.snapshots = copies.root / "user" / "snapshots"

    def sources(self) -> dict[str, list[Path]]:
        """Tables and snapshots with their files; a table hides a snapshot of its name."""
        found = {path.stem: [path] for path in sorted(self.snapshots.glob("*.parquet"))}
        return found | {version.id: self.copies.paths(version) for version in self.copies.tables()}

    def run(self, sql: str, limit: int) -> Result:
        """Raises QueryFailed, NotInstalled."""
        for last in (False, True):
            try:
                with self._opened(sql) as db, _deadline(db):
                    cursor = db.execute(sql)
                    columns = tuple(each[0] for each in cursor.description or ())
                    rows = cursor.fetchmany(limit + 1) if columns else []
                    return Result(columns, rows[:limit], truncated=len(rows) > limit)
            except load_duckdb().Error as exc:
                if not last and "No files found" in str(exc):
                    continue  # a pull has just replaced them
                raise self._explained(exc) from exc
        raise AssertionError

    def write_parquet(self, sql: str, target: Path) -> int:
        """The rows of a query into a file, whole or not at all; how many. Raises QueryFailed."""
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        hide_from_git(target.parent)
        staging = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with self._opened(sql) as db, _deadline(db):
                row = db.execute(f"COPY ({sql}) TO {_text(staging)} (FORMAT parquet, COMPRESSION zstd)").fetchone()
            staging.replace(target)
            return int(row[0]) if row else 0
        except load_duckdb().Error as exc:
            raise self._explained(exc) from exc
        finally:
            staging.unlink(missing_ok=True)

    def refresh_views(self) -> bool:
        """Have the person's database show the copies as they are now; False while somebody else has it open.

        What the person made stays: a view or table of theirs hides ours. Raises NotInstalled.
        """
        duckdb = load_duckdb(install=False)
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        hide_from_git(self.file.parent)
        try:
            db = duckdb.connect(self.file)
        except duckdb.Error:
            return False
        with db:
            own, theirs = _views(db)
            sources = self.sources()
            for name in sorted(own - sources.keys()):
                db.execute(f"DROP VIEW IF EXISTS main.{_name(name)}")
            for name, paths in sources.items():
                if name not in theirs and paths:
                    with suppress(duckdb.Error):  # one damaged file hides no other table
                        db.execute(f"CREATE OR REPLACE VIEW main.{_name(name)} AS {_select(paths)}")
                        db.execute(f"COMMENT ON VIEW main.{_name(name)} IS '{MARK} refreshed by agnes pull'")
        return True

    @contextmanager
    def _opened(self, sql: str) -> Iterator[duckdb.DuckDBPyConnection]:
        duckdb = load_duckdb()
        db = duckdb.connect()
        if self.file.exists():
            try:
                db = duckdb.connect(self.file, read_only=True)
            except duckdb.Error:
                import click

                click.echo(
                    f"Note: {self.file} is open elsewhere for writing, so your own views are not here.", err=True
                )
        with db:
            theirs = _views(db)[1]
            named = sql + " ".join(_definitions(db))
            words = {word.casefold() for word in re.findall(r"\w+", named)}
            for name, paths in self.sources().items():
                if name.casefold() in words and name not in theirs and paths:
                    db.execute(f"CREATE TEMP VIEW {_name(name)} AS {_select(paths)}")
            yield db

    def _explained(self, exc: Exception) -> QueryFailed:
        message = str(exc).strip()
        if message.startswith("INTERRUPT"):
            return QueryFailed(
                f"the query was stopped after {_seconds():g} s",
                hint="AGNES_QUERY_TIMEOUT is how many seconds it may take.",
            )
        missing = re.search(r"Table with name (\S+) does not exist", message)
        if not missing:
            return QueryFailed(message.split("\n\n")[0][:2000])
        from difflib import get_close_matches

        near = get_close_matches(missing[1].casefold(), list(self.sources()), n=3, cutoff=0.6)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        return QueryFailed(
            f"there is no table {missing[1]} here",
            hint=f"{hint}`agnes catalog` lists what you may have, `agnes pull` brings it, `--remote` asks the server.",
        )


def hide_from_git(folder: Path) -> None:
    ignored = folder / ".gitignore"
    if not ignored.exists():
        ignored.write_text("*\n", encoding="utf-8")


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return _name(name)


def profile_sql(table: str, columns: Sequence[Mapping[str, Any]]) -> str:
    """One row: how many rows there are, and of each column the values, the distinct ones about, the least and the greatest."""
    parts = ["count(*) AS row_count"]
    for number, column in enumerate(columns):
        name = _name(str(column["name"]))
        parts += [
            f"count({name}) AS n{number}",
            f"approx_count_distinct({name}) AS d{number}",
            f"CAST(min({name}) AS VARCHAR) AS a{number}",
            f"CAST(max({name}) AS VARCHAR) AS z{number}",
        ]
    return f"SELECT {', '.join(parts)} FROM {_name(table)}"


def profile_of(columns: Sequence[Mapping[str, Any]], row: Sequence[Any]) -> list[dict[str, Any]]:
    """What the one row of `profile_sql` says of each column."""
    total = int(row[0])
    return [
        {
            "name": column["name"],
            "type": column["type"],
            "nulls": total - int(row[1 + 4 * number]),
            "distinct": int(row[2 + 4 * number]),
            "min": row[3 + 4 * number],
            "max": row[4 + 4 * number],
        }
        for number, column in enumerate(columns)
    ]


def columns_of(database: LocalDatabase, table: str) -> list[dict[str, str]]:
    """Names and types of a table or snapshot that is here."""
    found = database.run(f"DESCRIBE SELECT * FROM {_name(table)}", 10_000)
    return [{"name": str(row[0]), "type": str(row[1])} for row in found.rows]


def _views(db: duckdb.DuckDBPyConnection) -> tuple[set[str], set[str]]:
    """Names of (our views, everything else) in the schema `main`."""
    rows = db.execute(
        "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal AND NOT temporary AND schema_name = 'main' "
        "UNION ALL SELECT table_name, NULL FROM duckdb_tables() WHERE NOT internal AND NOT temporary AND schema_name = 'main'"
    ).fetchall()
    own = {name for name, comment in rows if str(comment or "").startswith(MARK)}
    return own, {name for name, _ in rows} - own


def _definitions(db: duckdb.DuckDBPyConnection) -> Iterable[str]:
    """What the person's own views are made of: a query that names one of them needs what it names."""
    rows = db.execute(
        "SELECT sql FROM duckdb_views() WHERE NOT internal AND NOT coalesce(starts_with(comment, ?), false)", [MARK]
    ).fetchall()
    return [str(row[0]) for row in rows]


@contextmanager
def _deadline(db: duckdb.DuckDBPyConnection) -> Iterator[None]:
    timer = threading.Timer(_seconds(), db.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    except KeyboardInterrupt:
        raise Failure("stopped") from None
    finally:
        timer.cancel()


def _seconds() -> float:
    given = os.environ.get("AGNES_QUERY_TIMEOUT", "")
    return float(given) if given.replace(".", "", 1).isdigit() else SECONDS


def _select(paths: Sequence[Path]) -> str:
    return f"SELECT * FROM read_parquet([{', '.join(map(_text, paths))}], union_by_name = true)"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
