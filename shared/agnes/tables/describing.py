"""Tables as the routes of version 2 describe them, and scans of one table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agnes.kernel.principal import Principal
from agnes.sql.locked import Scan
from agnes.tables import querying as queries
from agnes.tables import rules, serving
from agnes.tables.internal import InternalTable
from agnes.tables.model import Column
from agnes.tables.querying import FileFormat, Querying, QueryResult, ResultFile
from agnes.tables.serving import CatalogColumn, CatalogTable

DIALECT = "duckdb"


@dataclass(frozen=True, slots=True)
class Catalog:
    tables: tuple[CatalogTable, ...]
    server_time: datetime


@dataclass(frozen=True, slots=True)
class SchemaColumn:
    name: str
    type: str
    nullable: bool
    """True: parquet files promise no value."""
    description: str


@dataclass(frozen=True, slots=True)
class TableSchema:
    table_id: str
    name: str
    description: str
    sql_flavor: str
    columns: tuple[SchemaColumn, ...]
    primary_key: tuple[str, ...]
    partition_by: str | None


@dataclass(frozen=True, slots=True)
class Sample:
    """`source` is `collected`, or `internal` for a table about yourself."""

    table_id: str
    columns: list[str]
    rows: list[list[Any]]
    source: str


class ScanRequest(BaseModel):
    """Rows of one table; columns of `order_by` may end with ` desc`."""

    model_config = ConfigDict(extra="forbid")

    table_id: Annotated[str, StringConstraints(max_length=64)]
    select: Annotated[list[Column], Field(max_length=2000)] = []
    where: Annotated[str, StringConstraints(max_length=20_000)] = ""
    order_by: Annotated[list[Annotated[str, StringConstraints(max_length=140)]], Field(max_length=50)] = []


class ScanAnswered(ScanRequest):
    """A scan and the form of its answer."""

    limit: int = queries.DEFAULT_ROWS
    format: Literal["json", FileFormat] = "arrow"
    id: str | None = None


class SampleQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    n: Annotated[int, Field(ge=1, le=100)] = 5


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a scan would read and answer; bytes of the result are a guess from the table's average."""

    table_id: str
    scan_bytes: int
    result_rows: int
    result_bytes: int
    usd: float


def catalog(querying: Querying, who: Principal) -> Catalog:
    """With the tables about whoever asks, at the end."""
    with querying.state.read(*serving.FILES) as db:
        found = serving.catalog(db, who)
    return Catalog((*found, *map(_of_internal, querying.internal())), querying.clock.now())


def schema(querying: Querying, who: Principal, table_id: str) -> TableSchema:
    """Raises TableNotFound."""
    table = _catalogued(querying, who, table_id)
    columns = tuple(SchemaColumn(each.name, each.type, True, each.description) for each in table.columns)
    return TableSchema(table.id, table.name, table.description, DIALECT, columns, table.primary_key, table.partition_by)


def sample(querying: Querying, who: Principal, table_id: str, count: int) -> Sample:
    """Raises TableNotFound, TableNotCollected."""
    found = queries.sample(querying, who, table_id, count)
    return Sample(table_id, found.columns, found.rows, "internal" if table_id in rules.INTERNAL else "collected")


def scan(
    querying: Querying, who: Principal, given: ScanRequest, form: FileFormat, *, limit: int, id_: str | None
) -> ResultFile:
    """Raises TableNotFound, TableNotCollected, ScanRejected."""
    return queries.file(querying, who, _scan(querying, who, given), form, limit=limit, id_=id_)


def scan_rows(querying: Querying, who: Principal, given: ScanRequest, *, limit: int, id_: str | None) -> QueryResult:
    """Raises TableNotFound, TableNotCollected, ScanRejected."""
    return queries.rows(querying, who, _scan(querying, who, given), limit=limit, id_=id_)


def estimate(querying: Querying, who: Principal, given: ScanRequest) -> Estimate:
    """Counts the rows, which costs less than reading them. Raises TableNotFound, TableNotCollected, ScanRejected."""
    table = _catalogued(querying, who, given.table_id)
    found = queries.rows(querying, who, replace(_scan_of(querying, who, table, given), count=True), limit=1)
    rows = int(found.rows[0][0])
    share = len(given.select) / len(table.columns) if given.select and table.columns else 1.0
    average = table.size_bytes / table.rows if table.rows else 0.0
    return Estimate(table.id, table.size_bytes, rows, round(rows * average * min(share, 1.0)), 0.0)


def _scan(querying: Querying, who: Principal, given: ScanRequest) -> Scan:
    return _scan_of(querying, who, _catalogued(querying, who, given.table_id), given)


def _scan_of(querying: Querying, who: Principal, table: CatalogTable, given: ScanRequest) -> Scan:
    if not table.columns:
        queries.require_served(querying, who, table.id)
    ordered = tuple(_ordered(each) for each in given.order_by)
    names = tuple(each.name for each in table.columns)
    return Scan(table.id, names, tuple(given.select), given.where, ordered)


def _ordered(given: str) -> tuple[str, bool]:
    column, _, way = given.rpartition(" ")
    if column and way.lower() in ("asc", "desc"):
        return column.strip(), way.lower() == "desc"
    return given.strip(), False


def _catalogued(querying: Querying, who: Principal, table_id: str) -> CatalogTable:
    for each in queries.internal_of(querying, table_id):
        return _of_internal(each)
    with querying.state.read(*serving.FILES) as db:
        return serving.get_catalogued(db, who, table_id)


def _of_internal(each: InternalTable) -> CatalogTable:
    return CatalogTable(
        each.id, each.id, each.description, "Agnes", "internal", "internal", 0, 0, None, "fresh", (), None,
        tuple(CatalogColumn(column.name, column.type, column.description) for column in each.columns),
    )  # fmt: skip
