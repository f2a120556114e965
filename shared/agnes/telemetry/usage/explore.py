"""Questions about single events: facets, key figures, and rows or groups of them, over the lake."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from agnes.accounts import directory
from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import State, one_number, one_row
from agnes.telemetry.lake import event_table, prices
from agnes.telemetry.lake.batch import ScratchDatabase
from agnes.telemetry.lake.prices import ALL_TOKENS, COST, RATE
from agnes.telemetry.model import BILLED, FILE

FACET_VALUES = 50
# As the rollups count: a typed command and the call that it became are one, and the typed one has no item.
_CALL = "event_type NOT IN ('prompt', 'message', 'iteration') AND (source = 'builtin' OR item_kind IS NOT NULL)"
_NAMES = ("tool_name", "skill_name", "subagent_type", "command_name", "coalesce(plugin || ':' || item_name, '')")
"""As they were written, and an item by the name that its plugin has now."""
_CHOICES = {
    "username": "(user_id = $username OR lower(username) = lower($username))",
    "tool_name": "tool_name = $tool_name",
    "source": "source = $source",
    "event_type": "event_type = $event_type",
}
"""Filters that are set to one of a facet's values → SQL over `found`."""

GroupBy = Literal["day", "username", "tool_name", "source", "ref_id", "model", "item"]
_BUCKETS = {
    "day": "occurred_at::DATE::VARCHAR",
    "username": "username",
    "tool_name": "coalesce(tool_name, '')",
    "source": "source",
    "ref_id": "coalesce(plugin, '')",
    "model": "coalesce(model, '')",
    "item": "coalesce(plugin || ':' || item_name, '')",
}
ROW_SORTS = ("occurred_at", "username", "tool_name", "source", "event_type", "plugin", "model")
GROUP_SORTS = ("bucket", "invocations", "distinct_users", "distinct_sessions", "errors", "tokens", "cost_usd")
_ROW = (
    "occurred_at, user_id, username, session_id, event_type, tool_name, skill_name, subagent_type, command_name, is_error, "
    "source, marketplace_id, plugin AS ref_id, written_plugin, item_kind, item_name, model, cwd"
)


class EventsFilter(BaseModel):
    model_config = ConfigDict(extra="forbid")

    since_minutes: int = Field(10_080, ge=1, le=525_600)
    username: str = Field("", max_length=320, description="An account's id or e-mail address.")
    tool_name: str = Field("", max_length=500)
    source: Literal["", "curated", "flea", "builtin"] = ""
    event_type: Literal["", "tool_use", "subagent", "mcp_call", "slash_command", "prompt", "message", "iteration"] = ""
    only_errors: bool = False
    q: str = Field(
        "",
        max_length=200,
        description="Part of a tool's, skill's, agent's or command's name, taken literally; a renamed plugin is found by both names.",
    )

    @field_validator("username", "q")
    @classmethod
    def _stripped(cls, value: str) -> str:
        return value.strip()


class EventsQuery(EventsFilter):
    group_by: GroupBy | None = None
    sort: str = Field("", max_length=40, description="column:asc or column:desc; an unknown one is the usual order.")
    limit: int = Field(100, ge=1, le=500)
    offset: int = Field(0, ge=0, le=50_000)

    @property
    def order(self) -> str:
        """SQL. The usual order is the newest first, of groups the most called first, of days the days."""
        known = GROUP_SORTS if self.group_by else ROW_SORTS
        column, _, direction = self.sort.partition(":")
        if column in known and direction in ("asc", "desc", ""):
            first = f"{column} {'ASC' if direction == 'asc' else 'DESC'} NULLS LAST"
        elif self.group_by == "day":
            first = "bucket ASC"
        else:
            first = "invocations DESC" if self.group_by else "occurred_at DESC"
        return f"{first}, bucket" if self.group_by else f"{first}, event_id"


@dataclass(frozen=True, slots=True)
class Page:
    """`rows` are events, or groups with bucket, invocations, distinct_users, distinct_sessions, errors, tokens, cost_usd
    (None where no model of theirs has a price) and unpriced_tokens."""

    rows: list[dict[str, Any]]
    total: int
    next_offset: int | None
    group_by: str | None
    since: datetime


@dataclass(frozen=True, slots=True)
class Kpis:
    invocations: int
    errors: int
    error_rate: float
    distinct_users: int
    distinct_sessions: int
    distinct_tools: int
    prompts: int
    responses: int
    tokens: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    cache_creation_1h_tokens: int
    """Those of `cache_creation_tokens` that are kept for an hour."""
    web_searches: int
    cost_usd: float | None
    unpriced_tokens: int
    unpriced_models: list[str]


@dataclass(frozen=True, slots=True)
class Facet:
    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Facets:
    """The 50 most frequent values of each, with how many events they have among those that pass the other filters."""

    username: list[Facet]
    tool_name: list[Facet]
    source: list[Facet]
    event_type: list[Facet]
    model: list[Facet]
    ref_id: list[Facet]


def query(state: State, store: ObjectStore, who: Principal, wish: EventsQuery, *, now: datetime) -> Page:
    """Raises DeniedError, UnavailableError."""
    who.require_admin()
    since = now - timedelta(minutes=wish.since_minutes)
    with _found(state, store, wish, since) as bench:
        if wish.group_by is None:
            # Without an event type these are the calls; prompts and responses are asked for by name.
            where = "true" if wish.event_type else _CALL
            sql = f"SELECT {_ROW}, event_id FROM found WHERE {where}"  # noqa: S608 (fixed parts)
        else:
            bucket = _BUCKETS[wish.group_by]
            sql = f"""SELECT {bucket} AS bucket, count_if({_CALL}) AS invocations, count(DISTINCT user_id) AS distinct_users,
                count(DISTINCT session_id) AS distinct_sessions, count_if({_CALL} AND is_error) AS errors,
                sum({ALL_TOKENS})::BIGINT AS tokens, sum(cost_usd) AS cost_usd, sum(unpriced_tokens)::BIGINT AS unpriced_tokens
            FROM found GROUP BY bucket"""  # noqa: S608 (fixed parts)
        total = one_number(bench.db, f"SELECT count(*) FROM ({sql})")  # noqa: S608
        rows = bench.rows(f"{sql} ORDER BY {wish.order} LIMIT {wish.limit} OFFSET {wish.offset}")
    for row in rows:
        row.pop("event_id", None)
    after = wish.offset + len(rows)
    return Page(rows, total, after if after < total and after <= 50_000 else None, wish.group_by, since)


def kpis(state: State, store: ObjectStore, who: Principal, wish: EventsFilter, *, now: datetime) -> Kpis:
    """Raises DeniedError, UnavailableError."""
    who.require_admin()
    with _found(state, store, wish, now - timedelta(minutes=wish.since_minutes)) as bench:
        calls, errors, *rest = one_row(
            bench.db,
            f"""SELECT count(*) FILTER ({_CALL}), count(*) FILTER ({_CALL} AND is_error),
                count(DISTINCT user_id), count(DISTINCT session_id), count(DISTINCT tool_name),
                count(*) FILTER (event_type = 'prompt'), count(*) FILTER (event_type = 'message'),
                coalesce(sum({ALL_TOKENS}), 0)::BIGINT,
                {", ".join(f"coalesce(sum({name}), 0)::BIGINT" for name in BILLED)}, sum(cost_usd), coalesce(sum(unpriced_tokens), 0)::BIGINT
            FROM found""",  # noqa: S608 (fixed parts)
        )
        unpriced = bench.db.execute(
            "SELECT DISTINCT coalesce(nullif(model, ''), 'unknown') FROM found WHERE unpriced_tokens > 0 ORDER BY 1"
        ).fetchall()
    rate = errors / calls if calls else 0.0
    return Kpis(*(calls, errors, rate, *rest, [model for (model,) in unpriced]))


def facets(state: State, store: ObjectStore, who: Principal, wish: EventsFilter, *, now: datetime) -> Facets:
    """Raises DeniedError, UnavailableError."""
    who.require_admin()
    others = wish.model_copy(update=dict.fromkeys(_CHOICES, ""))
    chosen = {name: value for name in _CHOICES if (value := getattr(wish, name))}
    with _found(state, store, others, now - timedelta(minutes=wish.since_minutes)) as bench:

        def values(column: str) -> list[Facet]:
            given = {name: value for name, value in chosen.items() if name != column}
            where = " AND ".join([f"coalesce({column}, '') <> ''", *(_CHOICES[name] for name in given)])
            rows = bench.db.execute(
                f"SELECT {column} AS value, count(*) AS n FROM found WHERE {where} GROUP BY value "  # noqa: S608 (fixed parts)
                f"ORDER BY n DESC, value LIMIT {FACET_VALUES}",
                given,
            ).fetchall()
            return [Facet(*row) for row in rows]

        columns = ("username", "tool_name", "source", "event_type", "model", "plugin")
        return Facets(*(values(column) for column in columns))


@contextmanager
def _found(state: State, store: ObjectStore, wish: EventsFilter, since: datetime) -> Iterator[ScratchDatabase]:
    """A workbench with the view `found`: the events that pass, with `username`, `cost_usd` and `unpriced_tokens`."""
    with state.read("people", FILE) as db:
        people = [(user_id, named.email) for user_id, named in directory.named(db).items()]
        price_list = prices.price_list(db)
    tests = _CHOICES | {
        "q": "(" + " OR ".join(f"contains(lower({name}), lower($q))" for name in _NAMES) + ")",
    }
    given = {name: value for name in tests if (value := getattr(wish, name))}
    where = ["occurred_at >= $since", *(tests[name] for name in given), *(["is_error"] if wish.only_errors else [])]
    with event_table.events(store, state, since=since.date(), partial=True) as bench:
        bench.table("people", {"user_id": "VARCHAR", "email": "VARCHAR"}, people)
        bench.db.execute(
            f"""CREATE TABLE passed AS FROM (
                SELECT e.*, coalesce(people.email, e.user_id) AS username FROM events e LEFT JOIN people USING (user_id)
            ) WHERE {" AND ".join(where)}""",  # noqa: S608 (fixed parts)
            {"since": since, **given},
        )
        used = bench.db.execute(
            f"SELECT DISTINCT coalesce(model, ''), {RATE}, occurred_at::DATE FROM passed "  # noqa: S608 (fixed parts)
            "WHERE event_type IN ('message', 'iteration')"
        ).fetchall()
        price_list.into(bench, used)
        bench.db.execute(
            f"""CREATE VIEW found AS SELECT e.*, {COST} AS cost_usd,
                CASE WHEN p.model IS NULL THEN {ALL_TOKENS} ELSE 0 END AS unpriced_tokens
            FROM passed e LEFT JOIN priced p
                ON p.model = coalesce(e.model, '') AND p.rate = {RATE} AND p.day = e.occurred_at::DATE"""  # noqa: S608
        )
        yield bench
