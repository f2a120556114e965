"""Sources and tables as the API shows and takes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from agnes.access.model import TABLE
from agnes.kernel.errors import InvalidError, NotFoundError

FILE = "tables"
"""The state file."""
RESOURCE_TYPE = TABLE
"""Of grants; a resource's id is a table's id."""


class SourceType(StrEnum):
    POSTGRESQL = "postgresql"
    SQLITE = "sqlite"
    FLIGHTSQL = "flightsql"
    SNOWFLAKE = "snowflake"
    BIGQUERY = "bigquery"
    KEBOOLA = "keboola"
    FILES = "files"
    CUSTOM = "custom"


SQL_SOURCES = frozenset(
    {SourceType.POSTGRESQL, SourceType.SQLITE, SourceType.FLIGHTSQL, SourceType.SNOWFLAKE, SourceType.BIGQUERY}
)
"""Sources that are asked in SQL."""

QueryMode = Literal["local", "materialized", "remote"]
SyncStrategy = Literal["full_refresh", "incremental", "partitioned"]
Granularity = Literal["day", "month", "year"]
Operator = Literal["eq", "ne", "gt", "ge", "lt", "le"]

TableName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]
Upstream = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.$-]{0,128}$")]
"""A name in the source."""
Column = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Scalar = str | int | float | bool


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WhereFilter(Strict):
    """`column operator value`, for several values any of them (of `ne`: none of them)."""

    column: Column
    operator: Operator
    values: Annotated[list[Scalar], Field(min_length=1, max_length=1000)]


class SourceCreate(Strict):
    """`options` depend on the type (docs/tables.md); `secret` is a password, a token or a key file's content."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
    type: SourceType
    description: Annotated[str, StringConstraints(max_length=500)] = ""
    options: dict[str, str] = {}
    secret: str | None = None


class SourceUpdate(Strict):
    """What is left out stays; an empty `secret` removes it."""

    description: Annotated[str, StringConstraints(max_length=500)] | None = None
    options: dict[str, str] | None = None
    secret: str | None = None


class TableCreate(Strict):
    """`id` is made of the name if it is left out. `source` may be left out where only one has the `source_type`."""

    name: TableName
    id: str | None = None
    description: Annotated[str, StringConstraints(max_length=4000)] = ""
    folder: Annotated[str, StringConstraints(max_length=128)] = ""
    source: str | None = None
    source_type: SourceType | None = None
    bucket: Upstream = ""
    source_table: Annotated[str, StringConstraints(max_length=1000)] = ""
    source_query: Annotated[str, StringConstraints(max_length=100_000)] | None = None
    query_mode: QueryMode = "local"
    sync_strategy: SyncStrategy = "full_refresh"
    sync_schedule: str | None = None
    primary_key: list[Column] | Column = []
    incremental_column: Column | None = None
    incremental_window_days: Annotated[int, Field(ge=0, le=3650)] = 7
    max_history_days: Annotated[int, Field(ge=1, le=36500)] | None = None
    where_filters: Annotated[list[WhereFilter], Field(max_length=50)] = []
    partition_by: Column | None = None
    partition_granularity: Granularity = "month"
    initial_load_chunk_days: Annotated[int, Field(ge=1, le=3650)] = 30


class TableUpdate(Strict):
    """What is left out stays as it is; null sets the default. The id and the source stay."""

    name: TableName | None = None
    description: Annotated[str, StringConstraints(max_length=4000)] | None = None
    folder: Annotated[str, StringConstraints(max_length=128)] | None = None
    bucket: Upstream | None = None
    source_table: Annotated[str, StringConstraints(max_length=1000)] | None = None
    source_query: Annotated[str, StringConstraints(max_length=100_000)] | None = None
    query_mode: QueryMode | None = None
    sync_strategy: SyncStrategy | None = None
    sync_schedule: str | None = None
    primary_key: list[Column] | Column | None = None
    incremental_column: Column | None = None
    incremental_window_days: Annotated[int, Field(ge=0, le=3650)] | None = None
    max_history_days: Annotated[int, Field(ge=1, le=36500)] | None = None
    where_filters: Annotated[list[WhereFilter], Field(max_length=50)] | None = None
    partition_by: Column | None = None
    partition_granularity: Granularity | None = None
    initial_load_chunk_days: Annotated[int, Field(ge=1, le=3650)] | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where tables come from. Its secret is never shown."""

    id: str
    type: str
    description: str
    options: dict[str, str]
    has_secret: bool
    created_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class StoredSource:
    """A source, and the name of its secret."""

    source: Source
    secret_name: str | None


@dataclass(frozen=True, slots=True)
class Filter:
    column: str
    operator: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A registered table."""

    id: str
    name: str
    description: str
    folder: str
    source_id: str
    source_type: str
    bucket: str
    source_table: str
    source_query: str | None
    query_mode: str
    sync_strategy: str
    sync_schedule: str | None
    primary_key: tuple[str, ...]
    incremental_column: str | None
    incremental_window_days: int
    max_history_days: int | None
    where_filters: tuple[Filter, ...]
    partition_by: str | None
    partition_granularity: str
    initial_load_chunk_days: int
    registered_by: str
    registered_at: datetime
    updated_at: datetime

    @property
    def is_collected(self) -> bool:
        """Whether it has objects of its own; a remote table is asked where it is."""
        return self.query_mode != "remote"


@dataclass(frozen=True, slots=True)
class Precheck:
    """What registering would do: nothing is written. `problems` is empty where it would be taken."""

    id: str
    source: str
    problems: tuple[str, ...]
    columns: tuple[dict[str, Any], ...] = ()
    """Name, type and whether it may be NULL, where the source was asked."""
    rows: int | None = None


class TableNotFound(NotFoundError):
    code = "table_not_found"
    hint = "GET /api/tables/catalog lists yours."

    def __init__(self, table_id: str) -> None:
        super().__init__(f"there is no table {table_id[:64]!r}")


class SourceNotFound(NotFoundError):
    code = "source_not_found"
    hint = "GET /api/admin/tables/sources lists them."

    def __init__(self, source_id: str) -> None:
        super().__init__(f"there is no source {source_id[:64]!r}")


class TableInvalid(InvalidError):
    """A rule of registration is broken (422)."""

    code = "invalid_table"

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(problems[0], problems=list(problems), hint="See docs/tables.md, *What may be registered*.")
        self.problems = problems
