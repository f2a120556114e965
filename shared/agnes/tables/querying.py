"""SQL of people over the tables that they may read, in the locked child of `agnes.sql`.

A statement is not understood here: a table whose id it holds as a word is made ready for it, and the child refuses everything else
by the parsed statement. What is made ready are the objects that this person is served, so a query reads what a download would bring.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from agnes.kernel import audit
from agnes.kernel.errors import AgnesError, BadRequestError, ConflictError, TooLargeError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import DOWNLOAD_URL_SECONDS, Clock, ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, State
from agnes.sql import locked
from agnes.sql.locked import Engine, Readable, Scan, SqlFailed
from agnes.tables import rules, running, serving
from agnes.tables.internal import InternalTable
from agnes.tables.model import Strict
from agnes.tables.objects import LocalObjects, TableObject
from agnes.tables.workspace import name as quoted
from agnes.tables.workspace import read as parquet

SECONDS = 20.0
DEFAULT_ROWS = 1000
MAX_JSON_ROWS = 10_000
MAX_FILE_ROWS = 1_000_000
MAX_FILE_BYTES = 1_000_000_000
MAX_READ_BYTES = 4_000_000_000
"""Of all tables that a query names."""
INLINE_BYTES = 1_000_000
RESULTS = "tables/results/"
"""Large results."""
RESULTS_KEPT = timedelta(days=1)

FileFormat = Literal["csv", "ndjson", "arrow"]
CONTENT_TYPES: Mapping[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "arrow": "application/vnd.apache.arrow.stream",
}
_ENDINGS = {"csv": "csv", "ndjson": "ndjson", "arrow": "arrows"}
_FORMS: Mapping[str, locked.Form] = {"csv": "csv", "ndjson": "json", "arrow": "arrow"}
_WORDS = re.compile(r"[a-z0-9_]+")
_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


@dataclass(frozen=True, slots=True)
class Querying:
    """What queries work with."""

    state: State
    store: ObjectStore
    clock: Clock
    objects: LocalObjects
    engine: Callable[[], Engine]
    internal: Callable[[], tuple[InternalTable, ...]]


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The first rows of a query."""

    id: str
    columns: list[str]
    rows: list[list[Any]] = field(repr=False)
    row_count: int
    truncated: bool
    """There are more."""
    milliseconds: float


@dataclass(frozen=True, slots=True)
class ResultFile:
    """The rows of a query as a file: its bytes, or where a large one can be had."""

    id: str
    body: bytes | None = field(repr=False)
    url: str | None
    content_type: str
    filename: str
    row_count: int
    truncated: bool

    @property
    def status(self) -> int:
        return 200 if self.url is None else 303

    @property
    def headers(self) -> dict[str, str]:
        """What is known of the result, and where a large one is."""
        known = {
            "X-Agnes-Query": self.id,
            "X-Agnes-Rows": str(self.row_count),
            "X-Agnes-Truncated": "true" if self.truncated else "false",
        }
        if self.url is not None:
            return known | {"Location": self.url}
        return known | {"Content-Disposition": f'attachment; filename="{self.filename}"'}


class QueryRequest(Strict):
    """`format` `json` answers in the body; the others are files."""

    sql: str
    limit: int = DEFAULT_ROWS
    format: Literal["json", FileFormat] = "json"
    id: str | None = None


class InvalidQueryId(BadRequestError):
    code = "invalid_query_id"

    def __init__(self) -> None:
        super().__init__("`id` is 8 to 64 letters, digits, - and _", hint="Leave it out to have one chosen.")


class InvalidLimit(BadRequestError):
    code = "invalid_limit"

    def __init__(self, limit: int, most: int, form: str) -> None:
        super().__init__(
            f"limit is {limit:,}, and {form} has 1 to {most:,} rows",
            hint=f"Ask for csv, ndjson or arrow, which have up to {MAX_FILE_ROWS:,} rows." if form == "json" else None,
        )


class TableNotCollected(ConflictError):
    code = "table_not_collected"

    def __init__(self, table_id: str) -> None:
        super().__init__(
            f"{table_id} has not been collected yet, so there is nothing to read",
            hint="Wait for its first run; an admin can have it collected now.",
        )


class QueryReadsTooMuch(TooLargeError):
    code = "query_reads_too_much"

    def __init__(self, size_bytes: int, table_ids: Iterable[str]) -> None:
        super().__init__(
            f"the tables that the query names ({', '.join(table_ids)}) have {size_bytes / 1e9:.1f} GB together, and a query reads at most "
            f"{MAX_READ_BYTES / 1e9:.0f} GB",
            hint="Name fewer tables, or query a copy on your own computer.",
        )


@dataclass(frozen=True, slots=True)
class _Named:
    """What a statement may read."""

    ready: dict[str, tuple[TableObject, ...]]
    """Named tables that hold something."""
    others: dict[str, tuple[dict[str, str], ...]]
    """Columns of tables that the statement does not name, where it may ask what there is."""
    waiting: dict[str, AgnesError]
    """Named, and nothing is served of them; why."""
    known: frozenset[str]
    internal: tuple[InternalTable, ...]

    @property
    def size_bytes(self) -> int:
        return sum(each.size_bytes for content in self.ready.values() for each in content)


def rows(
    querying: Querying, who: Principal, sql: str | Scan, *, limit: int = DEFAULT_ROWS, id_: str | None = None
) -> QueryResult:
    """Raises SqlRejected, SqlFailed, SqlCancelled, TableNotCollected, QueryReadsTooMuch, InvalidLimit, what `running.counted` raises,
    and for a Scan ScanRejected."""
    _check_limit(limit, MAX_JSON_ROWS, "json")
    with _prepared(querying, who, sql, id_, "json") as run:
        found = run.engine.rows(sql, run.readable, seconds=SECONDS, most_rows=limit, cancelled=run.cancelled)
        run.row_count = len(found.rows)
        return QueryResult(run.id, found.columns, found.rows, len(found.rows), found.cut, round(found.milliseconds, 1))


def file(
    querying: Querying,
    who: Principal,
    sql: str | Scan,
    form: FileFormat,
    *,
    limit: int = DEFAULT_ROWS,
    id_: str | None = None,
) -> ResultFile:
    """A result as a file. Raises as `rows`."""
    _check_limit(limit, MAX_FILE_ROWS, form)
    with _prepared(querying, who, sql, id_, form) as run:
        stream = run.engine.stream(
            sql,
            run.readable,
            _FORMS[form],
            seconds=SECONDS,
            most_rows=limit,
            most_bytes=MAX_FILE_BYTES,
            cancelled=run.cancelled,
        )
        filename, content_type = f"{run.id}.{_ENDINGS[form]}", CONTENT_TYPES[form]
        body, url = _kept(querying.store, stream, run.ulid, filename, content_type)
        run.row_count = stream.row_count
        return ResultFile(run.id, body, url, content_type, filename, stream.row_count, stream.cut)


def sample(querying: Querying, who: Principal, table_id: str, count: int) -> locked.Rows:
    """Some rows of a table, of its first object that has any. Raises TableNotFound, TableNotCollected."""
    internal = internal_of(querying, table_id)
    content = () if internal else _content_of(querying, who, table_id)
    first = tuple([each for each in content if each.rows] or content)[:1]
    ready = {} if internal else {table_id: first}
    named = _Named(ready, {}, {}, frozenset({table_id}), tuple(internal))
    with _made(querying, who, named) as readable:
        sql = f"SELECT * FROM {quoted(table_id)} LIMIT {count}"  # noqa: S608 (quoted)
        return querying.engine().rows(sql, readable, seconds=SECONDS, most_rows=count)


def unrecorded(querying: Querying, who: Principal, table_id: str, scan: Scan, count: int) -> locked.Rows:
    """Rows of a scan for pages and prechecks: no line of the audit, and not counted. Raises as `rows`."""
    ready = {table_id: _content_of(querying, who, table_id)}
    with _made(querying, who, _Named(ready, {}, {}, frozenset({table_id}), ())) as readable:
        return querying.engine().rows(scan, readable, seconds=SECONDS, most_rows=count)


def internal_of(querying: Querying, table_id: str) -> list[InternalTable]:
    """The table about whoever asks that is called so, if one is; of another id nothing is read."""
    return [each for each in querying.internal() if each.id == table_id] if table_id in rules.INTERNAL else []


def sweep(store: ObjectStore, now: datetime, *, dry_run: bool = False) -> int:
    """Delete results of a day ago; how many."""
    old = [entry.key for entry in store.list(RESULTS) if entry.modified_at < now - RESULTS_KEPT]
    if old and not dry_run:
        store.remove(old)
    return len(old)


def use(querying: Querying, who: Principal) -> running.QueryUse:
    return running.use(querying.store, who.user_id, querying.clock.now())


def cancel(querying: Querying, who: Principal, query_id: str) -> None:
    """Raises QueryNotRunning."""
    running.cancel(querying.store, who.user_id, query_id, querying.clock.now())


class _Run:
    """One query while it runs."""

    def __init__(self, id_: str, ulid: str, engine: Engine, readable: Readable, cancelled: Callable[[], bool]) -> None:
        self.id, self.ulid, self.engine, self.readable, self.cancelled = id_, ulid, engine, readable, cancelled
        self.row_count = 0


@contextmanager
def _prepared(querying: Querying, who: Principal, sql: str | Scan, id_: str | None, form: str) -> Iterator[_Run]:
    """Count a query, make ready what it names, and write its line of the audit at the end, before anybody has the answer."""
    clock = querying.clock
    ulid = new_ulid(clock.now())
    if id_ is not None and not _ID.fullmatch(id_):
        raise InvalidQueryId
    query_id = id_ or ulid
    text = sql if isinstance(sql, str) else _told(sql)
    named = _named(querying, who, text)
    tables = sorted({*named.ready, *(each.id for each in named.internal)})
    if named.size_bytes > MAX_READ_BYTES:
        raise QueryReadsTooMuch(named.size_bytes, named.ready)
    told = {"sql": text[: locked.MAX_SQL], "tables": tables, "format": form, "bytes": named.size_bytes}
    change = Change("query.run", f"query:{query_id}", told)
    began, result = clock.monotonic(), "error.internal_error"
    with running.counted(
        querying.store, who.user_id, query_id, text, named.size_bytes, SECONDS + 15, clock
    ) as cancelled:
        try:
            with _made(querying, who, named) as readable:
                run = _Run(query_id, ulid, querying.engine(), readable, cancelled)
                yield run
                result, told["rows"] = "ok", run.row_count
        except SqlFailed as failed:
            result = f"error.{failed.code}"
            for table_id, why in named.waiting.items():
                if table_id in failed.reason.lower():
                    raise why from failed
            raise
        except AgnesError as error:
            result = f"error.{error.code}"
            raise
        finally:
            took = (clock.monotonic() - began) * 1000
            audit.record(querying.store, change, now=clock.now(), result=result, duration_ms=round(took, 1))


def _named(querying: Querying, who: Principal, sql: str) -> _Named:
    low = sql.lower()
    words, asks = set(_WORDS.findall(low)), locked.may_list_tables(sql)
    internal = querying.internal() if asks or words & rules.INTERNAL else ()
    with querying.state.read(*serving.FILES) as db:
        reader = serving.Reader(db, who)
        tables = [table.id for table in reader.visible()]
        wanted = [table_id for table_id in tables if table_id in words]
        served = reader.served(tables if asks else wanted)
        waiting = {
            table_id: reader.waits_because(table_id) or TableNotCollected(table_id)
            for table_id in wanted
            if table_id not in served
        }
    return _Named(
        {table_id: served[table_id].objects for table_id in wanted if table_id in served},
        {table_id: each.columns for table_id, each in served.items() if table_id not in words},
        waiting,
        frozenset({*tables, *(each.id for each in internal)}),
        tuple(each for each in internal if each.id in words),
    )


def require_served(querying: Querying, who: Principal, table_id: str) -> None:
    """Raises TableNotFound, TableNotCollected, TableBeingPrepared, TablePolicyFailed."""
    _content_of(querying, who, table_id)


def _content_of(querying: Querying, who: Principal, table_id: str) -> tuple[TableObject, ...]:
    """Raises TableNotFound, TableNotCollected, TableBeingPrepared, TablePolicyFailed."""
    with querying.state.read(*serving.FILES) as db:
        reader = serving.Reader(db, who)
        reader.get_visible(table_id)
        served = reader.served([table_id]).get(table_id)
        if served is None:
            raise reader.waits_because(table_id) or TableNotCollected(table_id)
    return served.objects


@contextmanager
def _made(querying: Querying, who: Principal, named: _Named) -> Iterator[Readable]:
    """Files in a folder of this query: what makes room in the cache takes nothing from a query that runs."""
    with TemporaryDirectory(prefix="agnes-query-") as folder:
        views, files = {}, list[Path]()
        for number, (table_id, content) in enumerate(named.ready.items()):
            own = []
            for position, path in enumerate(querying.objects.paths(content)):
                linked = Path(folder) / f"{number}-{position}.parquet"
                _link(path, linked)
                own.append(linked)
            views[table_id] = parquet(own)
            files += own
        for each in named.internal:
            path = Path(folder) / f"{each.id}.parquet"
            each.write(who, path)
            views[each.id] = parquet([path])
            files.append(path)
        for table_id, columns in named.others.items():
            typed = ", ".join(f"NULL::{column['type']} AS {quoted(column['name'])}" for column in columns)
            views[table_id] = f"SELECT {typed} WHERE false"
        yield Readable(named.known, views=views, files=tuple(files))


def _link(path: Path, linked: Path) -> None:
    """The same bytes under another name; a folder on another disk has them copied."""
    import shutil

    try:
        linked.hardlink_to(path)
    except OSError:
        shutil.copyfile(path, linked)


def _kept(
    store: ObjectStore, pieces: Iterable[bytes], ulid: str, filename: str, content_type: str
) -> tuple[bytes | None, str | None]:
    """A small result as bytes; the URL of a large one, which was never whole in memory."""
    waiting, size, iterator = list[bytes](), 0, iter(pieces)
    for piece in iterator:
        waiting.append(piece)
        size += len(piece)
        if size > INLINE_BYTES:
            break
    else:
        return b"".join(waiting), None
    key = f"{RESULTS}{ulid}/{filename}"
    store.write_pieces(key, chain(waiting, iterator), content_type=content_type)
    url = store.presign_get(key, seconds=DOWNLOAD_URL_SECONDS, filename=filename, content_type=content_type)
    return None, url


def _check_limit(limit: int, most: int, form: str) -> None:
    if not 1 <= limit <= most:
        raise InvalidLimit(limit, most, form)


def _told(scan: Scan) -> str:
    """A scan as the audit and the list of running queries have it."""
    what = "count(*)" if scan.count else ", ".join(scan.select) or "*"
    return f"SCAN {what} FROM {scan.table}" + (f" WHERE {scan.where}" if scan.where else "")
