"""Runs SQL in the locked child process, and kills it when its time is over."""

from __future__ import annotations

import atexit
import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock, Timer
from typing import IO, Any, Literal

from agnes.kernel.errors import BadRequestError

log = logging.getLogger("agnes.sql")

SECONDS = 5.0
"""Of the whole life of the child, its start (0.3 s) included."""
MAX_SQL = 20_000
MAX_ROWS = 10_000
MAX_BYTES = 4_000_000
"""Of rows that are answered; what is streamed states its own."""
CHILD = Path(__file__).with_name("child.py")
FUNCTIONS = Path(__file__).with_name("functions.txt")
LOOK_SECONDS = 0.5
"""How often it is asked whether the query was cancelled."""

_LISTS = re.compile(r"\b(information_schema|show|describe|summarize)\b")

Form = Literal["csv", "json", "arrow"]
Cancelled = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Rows:
    columns: list[str]
    rows: list[list[Any]] = field(repr=False)
    cut: bool
    """There were more: 10,000 rows or 4 MB are the most that is fetched."""
    milliseconds: float
    condition: str = ""
    """Of a scan, as it was written anew."""


@dataclass(frozen=True, slots=True)
class Readable:
    """What a statement may read: a DuckDB file and the tables in it that may be named, or views over parquet files."""

    tables: frozenset[str]
    database: Path | None = None
    views: Mapping[str, str] = field(default_factory=dict)
    """Name → the SELECT that it stands for, which is ours and not judged."""
    files: tuple[Path, ...] = ()
    """Parquet files that the views read."""


@dataclass(frozen=True, slots=True)
class Scan:
    """Rows of one table: its condition is SQL of whoever asks, and is taken apart and written anew by the child."""

    table: str
    columns: tuple[str, ...]
    """All that the table has."""
    select: tuple[str, ...] = ()
    """All, if there are none."""
    where: str = ""
    order_by: tuple[tuple[str, bool], ...] = ()
    """Columns, and whether they descend."""
    count: bool = False
    """How many rows there are, instead of them."""
    is_fixed: bool = False
    """The condition may have no function whose result changes by itself."""


class SqlRejected(BadRequestError):
    """It was not run."""

    code = "invalid_sql"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the SQL is not run: {reason}")
        self.reason = reason


class ScanRejected(SqlRejected):
    """The condition, or a column, of a scan is not taken; `kind` says what is wrong with it."""

    code = "validator_rejected"

    def __init__(self, reason: str, kind: str) -> None:
        super().__init__(reason)
        self.message = reason
        self.kind = kind
        self.facts = {"kind": kind}


class SqlFailed(BadRequestError):
    """It was run, and failed: DuckDB's message."""

    code = "exec_failed"
    hint = "Put the question differently, or more narrowly."

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SqlCancelled(BadRequestError):
    """Somebody ended it."""

    code = "query_cancelled"

    def __init__(self) -> None:
        super().__init__("the query was cancelled")


def run(sql: str, database: Path, tables: frozenset[str], *, seconds: float = SECONDS) -> Rows:
    """The rows that one SELECT over the tables of a database file has. Raises SqlRejected, SqlFailed."""
    return Engine().rows(sql, Readable(tables, database), seconds=seconds)


class Engine:
    """Starts a child a statement. With `ahead` the next child is started when one is taken, and waits for its statement: then a
    caller does not wait for its start. A process has one such engine, and it costs 60 MB of memory."""

    def __init__(self, *, ahead: bool = False) -> None:
        self._ahead = ahead
        self._waiting: _Child | None = None
        self._lock = Lock()
        if ahead:
            atexit.register(self.close)

    def close(self) -> None:
        """End the child that waits."""
        with self._lock:
            waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.end()

    def rows(
        self,
        sql: str | Scan,
        readable: Readable,
        *,
        seconds: float = SECONDS,
        most_rows: int = MAX_ROWS,
        cancelled: Cancelled | None = None,
    ) -> Rows:
        """Rows of one SELECT. Raises SqlRejected, SqlFailed, SqlCancelled."""
        request = _request(sql, readable, "rows", most_rows, MAX_BYTES)
        started = time.monotonic()
        with self._child() as child:
            answer = child.answer(request, seconds, cancelled)
        found = _outcome(answer, child.status, seconds)
        took = (time.monotonic() - started) * 1000
        return Rows(found["columns"], found["rows"], found["cut"], took, found["condition"])

    def stream(
        self,
        sql: str | Scan,
        readable: Readable,
        form: Form,
        *,
        seconds: float,
        most_rows: int,
        most_bytes: int,
        cancelled: Cancelled | None = None,
    ) -> Stream:
        """The rows written in a form, piece by piece. Raises SqlRejected."""
        return Stream(self, _request(sql, readable, form, most_rows, most_bytes), seconds, cancelled)

    @contextmanager
    def _child(self) -> Iterator[_Child]:
        with self._lock:
            child, self._waiting = self._waiting, None
        child = child or _Child()
        try:
            yield child
        finally:
            child.end()
            if self._ahead:
                with self._lock:
                    self._waiting = self._waiting or _Child()


@cache
def shared_engine() -> Engine:
    """The engine of this process, with a child ahead."""
    return Engine(ahead=True)


def may_list_tables(sql: str) -> bool:
    """Whether SQL may ask which tables there are: a word in it is enough, since nothing of it is understood here."""
    return _LISTS.search(sql.lower()) is not None


class Stream:
    """Pieces of a result, once; `columns`, `row_count` and `cut` are known when they were all read."""

    def __init__(self, engine: Engine, request: bytes, seconds: float, cancelled: Cancelled | None) -> None:
        self._engine, self._request, self._seconds, self._cancelled = engine, request, seconds, cancelled
        self.columns: list[str] = []
        self.row_count = 0
        self.cut = False

    def __iter__(self) -> Iterator[bytes]:
        """Raises SqlRejected, SqlFailed, SqlCancelled."""
        with self._engine._child() as child:
            killed = child.send(self._request, self._seconds, self._cancelled)
            while piece := child.frame():
                yield piece
            answer = None if killed.is_set else child.rest()
        if killed.was_cancelled:
            raise SqlCancelled
        found = _outcome(answer, child.status, self._seconds)
        self.columns, self.row_count, self.cut = found["columns"], found["row_count"], found["cut"]


class _Killed:
    """Ends a child when its time is over or the query was cancelled."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float, cancelled: Cancelled | None) -> None:
        self.is_set = self.was_cancelled = False
        self._process, self._cancelled = process, cancelled
        self._ends = time.monotonic() + seconds
        self._timer: Timer | None = None
        self._lock = Lock()
        self._done = False
        self._wait()

    def _wait(self) -> None:
        left = max(0.0, self._ends - time.monotonic())
        with self._lock:
            if self._done:
                return
            self._timer = Timer(left if self._cancelled is None else min(left, LOOK_SECONDS), self._look)
            self._timer.daemon = True
            self._timer.start()

    def _look(self) -> None:
        if self._cancelled is not None and time.monotonic() < self._ends:
            try:
                self.was_cancelled = self._cancelled()
            except Exception:
                log.warning("it could not be seen whether a query was cancelled", exc_info=True)
            if not self.was_cancelled:
                self._wait()
                return
        with self._lock:
            if not self._done:
                self.is_set = True
                self._process.kill()

    def stop(self) -> None:
        with self._lock:
            self._done = True
            if self._timer is not None:
                self._timer.cancel()


class _Child:
    """A child that makes itself ready and waits for its request."""

    def __init__(self) -> None:
        self.status = 0
        self._folder = TemporaryDirectory(prefix="agnes-ask-")
        self._killed: _Killed | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", str(CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._folder.name,
            # No module of Agnes; Lambda's interpreter would not find its own library without the first.
            env={"LD_LIBRARY_PATH": f"{sys.base_prefix}/lib", "ARROW_DEFAULT_MEMORY_POOL": "system"},
            start_new_session=True,
        )
        start = {"path": [entry for entry in sys.path if entry], "functions": str(FUNCTIONS)}
        self._write(json.dumps(start).encode() + b"\n")

    def answer(self, request: bytes, seconds: float, cancelled: Cancelled | None) -> bytes | None:
        """All that it writes; None if it was killed for its time. Raises SqlCancelled."""
        killed = self.send(request, seconds, cancelled)
        answer = self.rest()
        if killed.was_cancelled:
            raise SqlCancelled
        return None if killed.is_set else answer

    def send(self, request: bytes, seconds: float, cancelled: Cancelled | None) -> _Killed:
        self._killed = _Killed(self._process, seconds, cancelled)
        self._write(request + b"\n")
        return self._killed

    def frame(self) -> bytes:
        """The next frame; nothing at the end, also where the child has died."""
        length = int.from_bytes(self._out.read(4), "big")
        return self._out.read(length) if length else b""

    def rest(self) -> bytes:
        answer = self._out.read()
        self._process.wait()
        self.status = self._process.returncode
        if self.status != 0:
            said = self._process.stderr.read() if self._process.stderr else b""
            log.warning("the child of a query ended with %s: %s", self.status, said[-500:].decode("utf-8", "replace"))
        return answer

    def end(self) -> None:
        if self._killed is not None:
            self._killed.stop()
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        self._process.wait()
        self._folder.cleanup()

    @property
    def _out(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has died, which its answer tells
            self._process.stdin.write(line)
            self._process.stdin.flush()


def _request(sql: str | Scan, readable: Readable, form: str, most_rows: int, most_bytes: int) -> bytes:
    """Raises SqlRejected."""
    text = sql.where if isinstance(sql, Scan) else sql
    if not isinstance(sql, Scan) and not text.strip():
        raise SqlRejected("there is none")
    if len(text) > MAX_SQL:
        raise SqlRejected(f"it has more than {MAX_SQL} characters")
    request = {
        "sql": "" if isinstance(sql, Scan) else sql,
        "scan": asdict(sql) if isinstance(sql, Scan) else None,
        "tables": sorted(readable.tables),
        "database": str(readable.database) if readable.database else "",
        "views": dict(readable.views),
        "files": [str(path) for path in readable.files],
        "form": form,
        "most_rows": most_rows,
        "most_bytes": most_bytes,
    }
    return json.dumps(request).encode()


def _outcome(answer: bytes | None, status: int, seconds: float) -> dict[str, Any]:
    """Raises SqlRejected, SqlFailed."""
    if answer is None:
        raise SqlFailed(f"the query took longer than the {seconds:g} seconds that it may take")
    try:
        found: dict[str, Any] = json.loads(answer)
    except ValueError:
        raise SqlFailed(
            f"the query needed more memory or time than it may have (the process ended with {status})"
        ) from None
    if found.get("kind"):
        raise ScanRejected(found["rejected"], found["kind"])
    if "rejected" in found:
        raise SqlRejected(found["rejected"])
    if "error" in found:
        raise SqlFailed(found["error"])
    return found
