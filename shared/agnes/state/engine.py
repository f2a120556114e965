"""DuckDB, as the state files use it: one database instance a process, each generation attached to it.

A fresh instance costs 20 ms, attaching a file 2 ms. So generations are attached READ_ONLY, and working
copies writable, to one instance, each under an alias of its own. The tables of the file `people` stand in
a *schema* `people`; a connection's search path names the aliases, and `people.users` finds its generation.

A file and the log beside it are attached, the log is replayed into memory, and both names are removed at
once: the open file is enough. A working copy keeps its names, DuckDB goes on writing its log.
"""

from __future__ import annotations

import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol, TypeVar

import duckdb

from agnes.kernel.state import Db

T = TypeVar("T")

NEVER = "1TB"
BLOCK_SIZE = 16384
"""A file of 35 tables takes 0.2 to 0.5 MB with it rather than 2.8 MB."""


class CopySpoiled(Exception):
    """A working copy may hold half a change: `cause` is the error to tell, the copy must be thrown away."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class ReadCopy(Protocol):
    """One generation, attached for reading."""

    @property
    def schema(self) -> str:
        """Where its tables are, for a connection's search path."""
        ...

    def close(self) -> None: ...


class WorkingCopy(Protocol):
    """The newest generation, open for one writer, and what it has changed since."""

    def run(self, change: Callable[[Db], T]) -> T:
        """One local transaction. An error of `change` rolls back and is raised; raises CopySpoiled."""
        ...

    def run_together(self, changes: Sequence[Callable[[Db], T]]) -> list[T] | int:
        """All of them in one local transaction: their values, or the index of the first that failed, and then nothing
        was changed. Raises CopySpoiled."""
        ...

    def migrate(self, statements: Sequence[str]) -> None:
        """All in one transaction."""
        ...

    def log(self) -> bytes:
        """All that was committed since the snapshot."""
        ...

    def log_size(self) -> int: ...

    def must_fold(self) -> bool:
        """Whether the log alone does not say all that was changed."""
        ...

    def fold(self) -> bytes:
        """Bring everything into one snapshot and return its bytes; the log is empty afterwards."""
        ...

    def close(self) -> None: ...


class Engine(Protocol):
    """The seam of the simulation, which also runs with a toy database (tests/simulation)."""

    broken: bool
    """Nothing works any more; begin again with a new one."""

    def attach(self, file: str, snapshot: Path, log: bytes) -> ReadCopy:
        """Raises DatabaseUnreadable."""
        ...

    def attach_migrated(self, file: str, snapshot: Path, log: bytes, statements: Sequence[str]) -> ReadCopy:
        """A private copy with these migrations made, which nobody publishes. Raises DatabaseUnreadable."""
        ...

    def reading(self, copies: Sequence[ReadCopy]) -> AbstractContextManager[Db]:
        """A connection that sees these generations."""
        ...

    def open(self, file: str, snapshot: Path | None, log: bytes) -> WorkingCopy:
        """Raises DatabaseUnreadable."""
        ...

    def close(self) -> None: ...


class DatabaseUnreadable(Exception):
    """The bytes are not what DuckDB can open, or another process evicted them from the shared cache."""


class DuckDb:
    """`directory` is private to the process and the only place that SQL can read or write."""

    def __init__(self, directory: Path, *, memory_limit: str = "512MB", threads: int = 1) -> None:
        self._directory = directory
        self._memory_limit = memory_limit
        self._threads = threads
        self._instance: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self.broken = False

    def attach(self, file: str, snapshot: Path, log: bytes) -> _Attached:
        alias = f"r{next(self._numbers)}"
        path = self._directory / f"{alias}.duckdb"
        wal = _wal(path)
        try:
            os.link(snapshot, path)
            if log:
                wal.write_bytes(log)
            with self._administer() as db:
                db.execute(f"ATTACH '{path}' AS {alias} (READ_ONLY)")
        except (duckdb.Error, FileNotFoundError) as error:
            self.suspect(error)
            raise DatabaseUnreadable(str(error)) from error
        finally:
            path.unlink(missing_ok=True)
            wal.unlink(missing_ok=True)
        return _Attached(self, file, alias)

    def attach_migrated(self, file: str, snapshot: Path, log: bytes, statements: Sequence[str]) -> _Attached:
        copy = self.open(file, snapshot, log)
        migrated = self._directory / f"m{next(self._numbers)}.duckdb"
        try:
            copy.migrate(statements)
            copy.fold()
            os.link(copy._path, migrated)
        except (duckdb.IOException, duckdb.SerializationException) as error:  # what a migration reads may be damaged
            raise DatabaseUnreadable(str(error)) from error
        finally:
            copy.close()
        try:
            return self.attach(file, migrated, b"")
        finally:
            migrated.unlink(missing_ok=True)

    @contextmanager
    def reading(self, copies: Sequence[ReadCopy]) -> Iterator[duckdb.DuckDBPyConnection]:
        db = self._connect()
        try:
            db.execute(f"SET search_path='{','.join(copy.schema for copy in copies)}'")
            yield db
        except duckdb.Error as error:
            self.suspect(error)
            raise
        finally:
            db.close()

    def open(self, file: str, snapshot: Path | None, log: bytes) -> _Opened:
        alias = f"w{next(self._numbers)}"
        path = self._directory / f"{alias}.duckdb"
        if snapshot is not None:
            try:
                shutil.copyfile(snapshot, path)
            except FileNotFoundError as error:  # another process evicted it from the shared cache
                raise DatabaseUnreadable(str(error)) from error
        if log:
            _wal(path).write_bytes(log)
        db = self._connect()
        try:
            db.execute(f"ATTACH '{path}' AS {alias} (BLOCK_SIZE {BLOCK_SIZE})")
            if snapshot is None:
                db.execute(f"CREATE SCHEMA {alias}.{file}")
            db.execute(f"SET search_path='{alias}.{file}'")
        except duckdb.Error as error:
            db.close()
            _remove(path)
            self.suspect(error)
            raise DatabaseUnreadable(str(error)) from error
        return _Opened(self, db, alias, path, folded=snapshot is not None)

    def suspect(self, error: BaseException) -> bool:
        """Note an error after which DuckDB refuses to go on with the whole instance."""
        fatal = isinstance(error, duckdb.FatalException | duckdb.InternalException)
        self.broken = self.broken or fatal
        return fatal

    def detach(self, alias: str) -> None:
        with self._administer() as db, suppress(duckdb.Error):
            db.execute(f"DETACH {alias}")

    def close(self) -> None:
        with self._lock:
            if self._instance is not None:
                self._instance.close()
                self._instance = None

    @contextmanager
    def _administer(self) -> Iterator[duckdb.DuckDBPyConnection]:
        db = self._connect()
        try:
            yield db
        finally:
            db.close()

    def _connect(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._instance is None:
                self._instance = self._start()
            return self._instance.cursor()

    def _start(self) -> duckdb.DuckDBPyConnection:
        instance = duckdb.connect(
            ":memory:",
            config={
                "threads": self._threads,
                "async_threads": 0,
                "memory_limit": self._memory_limit,
                "temp_directory": str(self._directory / "spill"),
                "max_temp_directory_size": "256MB",
                "autoload_known_extensions": False,
                "autoinstall_known_extensions": False,
                "allow_community_extensions": False,
                "allow_persistent_secrets": False,
                # Only `fold` checkpoints, and a log stays whole until then.
                "checkpoint_threshold": NEVER,
                "auto_checkpoint_skip_wal_threshold": 2**50,
                "checkpoint_on_detach": "DISABLED",
                # The store is durable, a working copy need not be.
                "fsync_mode": "NONE",
            },
        )
        instance.execute("PRAGMA disable_checkpoint_on_shutdown")
        instance.execute("SET GLOBAL TimeZone='UTC'")
        instance.execute(f"SET allowed_directories=['{self._directory}']")
        instance.execute("SET enable_external_access=false")
        instance.execute("SET lock_configuration=true")
        return instance


class _Attached:
    def __init__(self, engine: DuckDb, file: str, alias: str) -> None:
        self._engine = engine
        self._alias = alias
        self.schema = f"{alias}.{file}"

    def close(self) -> None:
        self._engine.detach(self._alias)


class _Opened:
    def __init__(self, engine: DuckDb, db: duckdb.DuckDBPyConnection, alias: str, path: Path, *, folded: bool) -> None:
        self._engine = engine
        self._db = db
        self._alias = alias
        self._path = path
        self._folded = folded
        self._log = bytearray()
        _mark(path)

    def run(self, change: Callable[[Db], T]) -> T:
        try:
            self._db.execute("BEGIN")
        except duckdb.Error as error:
            raise CopySpoiled(error) from error
        try:
            value = change(self._db)
        except BaseException as error:
            try:
                self._db.execute("ROLLBACK")
            except duckdb.Error:
                raise CopySpoiled(error) from error
            if self._engine.suspect(error) or not isinstance(error, Exception):
                raise CopySpoiled(error) from error
            raise
        try:
            self._db.execute("COMMIT")
        except duckdb.Error as error:
            raise CopySpoiled(error) from error
        return value

    def run_together(self, changes: Sequence[Callable[[Db], T]]) -> list[T] | int:
        values: list[T] = []

        def all_of_them(db: Db) -> None:
            for change in changes:
                values.append(change(db))  # noqa: PERF401 (how many there are tells which one failed)

        try:
            self.run(all_of_them)
        except CopySpoiled:
            raise
        except Exception:
            return len(values)
        return values

    def migrate(self, statements: Sequence[str]) -> None:
        self._folded = False

        def apply(db: Db) -> None:
            for statement in statements:
                db.execute(statement)

        self.run(apply)

    def log(self) -> bytes:
        if self.log_size():  # there is no file before the first change
            with _wal(self._path).open("rb") as wal:
                wal.seek(len(self._log))
                self._log += wal.read()
        return bytes(self._log)

    def log_size(self) -> int:
        try:
            return _wal(self._path).stat().st_size
        except FileNotFoundError:
            return 0

    def must_fold(self) -> bool:
        """A large insert goes straight into the blocks of the file and the log only points there (seen with
        2.0.0 from about one row group, 122,880 rows). Any write to the file moves its time away from our mark."""
        return not self._folded or self._path.stat().st_mtime_ns != 0

    def fold(self) -> bytes:
        self._db.execute(f"CHECKPOINT {self._alias}")
        if self.log_size():
            raise CopySpoiled(RuntimeError("the log is not empty after a checkpoint"))
        self._log.clear()
        self._folded = True
        body = self._path.read_bytes()
        _mark(self._path)
        return body

    def close(self) -> None:
        self._db.close()
        self._engine.detach(self._alias)
        _remove(self._path)


def _mark(path: Path) -> None:
    os.utime(path, ns=(0, 0))


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _wal(path).unlink(missing_ok=True)
