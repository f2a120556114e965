"""The words of the audit: a line, a place in it, what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

COLUMNS = {
    "at": "TIMESTAMPTZ",
    **dict.fromkeys(("id", "user_id", "email", "action", "resource", "params", "before", "result"), "VARCHAR"),
    "duration_ms": "DOUBLE",
    **dict.fromkeys(("client_ip", "client_kind", "request_id"), "VARCHAR"),
}
"""Of the audit tables, of audit objects and of archived parquet files alike; `params` and `before` are JSON."""

PLACE = {"chain": "VARCHAR", "seq": "BIGINT", "previous": "VARCHAR", "digest": "VARCHAR"}
"""Of a line in its chain (agnes.kernel.chain), in archived files; the tables of the state files have no `chain`, since that is the
file's name. NULL in lines of before there were chains."""

MAX_MINUTES = 43200
MAX_LIMIT = 200
MAX_WILDCARDS = 4
"""In a LIKE pattern; many of them take exponential time."""
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


class ActivityQuery(BaseModel):
    """`user_id`: an id or an e-mail address; `result_pattern`: SQL's LIKE; `q`: text of the params, taken literally.
    `cursor_ts` and `cursor_id` are `next_cursor` of the page before."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since_minutes: int = Field(1440, ge=1, le=MAX_MINUTES)
    user_id: str | None = Field(None, max_length=254)
    action_prefix: str | None = Field(None, max_length=100)
    resource: str | None = Field(None, max_length=400)
    result_pattern: str | None = Field(None, max_length=60)
    q: str | None = Field(None, max_length=200)
    cursor_ts: AwareDatetime | None = None
    cursor_id: str | None = Field(None, max_length=40)
    limit: int = Field(50, ge=1, le=MAX_LIMIT)

    @field_validator("user_id", "action_prefix", "resource", "result_pattern", "q", "cursor_ts", mode="before")
    @classmethod
    def _blank_is_none(cls, value: object) -> object:
        """A form sends every field."""
        return (value.strip() or None) if isinstance(value, str) else value

    @field_validator("user_id", "action_prefix", "resource", "result_pattern", "q", "cursor_id")
    @classmethod
    def _is_text(cls, value: str | None) -> str | None:
        if value is not None and ("\0" in value or not value.isprintable()):
            raise ValueError("must be printable text")
        return value

    @field_validator("result_pattern")
    @classmethod
    def _few_wildcards(cls, value: str | None) -> str | None:
        if value is not None and value.count("%") > MAX_WILDCARDS:
            raise ValueError(f"may have {MAX_WILDCARDS} wildcards (%) at most")
        return value

    @field_validator("cursor_ts")
    @classmethod
    def _in_this_age(cls, value: datetime | None) -> datetime | None:
        if value is not None and not _EARLIEST <= value <= _LATEST:
            raise ValueError("must be a time between the years 2000 and 9000")
        return value

    @model_validator(mode="after")
    def _whole_cursor(self) -> Self:
        if (self.cursor_ts is None) != (self.cursor_id is None):
            raise ValueError("cursor_ts and cursor_id belong together")
        return self

    @property
    def cursor(self) -> Cursor | None:
        return None if self.cursor_ts is None or self.cursor_id is None else Cursor(self.cursor_ts, self.cursor_id)

    @property
    def filter(self) -> dict[str, Any]:
        """What is asked for, without the place in it: those that are given."""
        return self.model_dump(exclude={"cursor_ts", "cursor_id", "limit"}, exclude_none=True)

    def since(self, now: datetime) -> datetime:
        return now - timedelta(minutes=self.since_minutes)


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place between two lines: everything older than (ts, id) follows."""

    ts: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the audit. `user_email` is what it was then, `user_name` what it is now."""

    id: str
    ts: datetime
    user_id: str
    user_email: str
    user_name: str
    action: str
    resource: str
    params: Any
    before: Any
    result: str
    duration_ms: float
    client_ip: str
    client_kind: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Activity:
    """Newest first. `next_cursor` is None where nothing older is within the span; a page may be short before that."""

    rows: list[Line]
    next_cursor: Cursor | None
    filter: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Facet:
    value: str
    count: int
    label: str = ""
    """Of a user: name or e-mail address."""


@dataclass(frozen=True, slots=True)
class Facets:
    """The 50 most frequent of each."""

    users: list[Facet]
    actions: list[Facet]
    results: list[Facet]
    resources: list[Facet]
    sources: list[Facet]
    """Kinds of clients."""
    complete: bool
    """False: there was so much that only the newest of it was counted."""


@dataclass(frozen=True, slots=True)
class Kpis:
    events: int
    active_users: int
    errors: int
    error_rate: float
    """0 to 1; 0 where there is nothing."""
    p95_ms: float | None
    complete: bool
