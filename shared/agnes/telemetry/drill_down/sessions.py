"""Sessions by their summaries: lists with filters, figures over what passes, what there is to filter by.

Everything is keyed by the account's id; an e-mail address is looked up, never taken apart.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agnes.accounts import directory
from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import Db, State, one_number, one_row
from agnes.telemetry import keys
from agnes.telemetry.model import BILLED, CACHE_1H, FILE, TOKENS, WEB_SEARCHES
from agnes.telemetry.transcripts import stored

MAX_ROWS = 200
DEFAULT_SORT = "ended_at:desc"
FACETS = 100
"""Values of one facet, those with the most sessions."""

_ALL_TOKENS = " + ".join(f"s.{kind}" for kind in TOKENS)
SORTS = {
    "username": "lower(coalesce(u.email, s.user_id))",
    "model": "s.primary_model",
    "tokens": _ALL_TOKENS,
    **{
        name: f"s.{name}"
        for name in (
            *("started_at", "ended_at", "wall_seconds", "active_seconds", "user_messages", "assistant_messages"),
            *("tool_calls", "tool_errors", "skill_invocations", "subagent_dispatches", "mcp_calls", "slash_commands"),
            *("primary_model", *TOKENS, "list_cost_usd", "client_cost_usd"),
        )
    },
}
"""Name of a sort → SQL."""

_LAST = "coalesce(s.ended_at, s.extracted_at)"
_INVOCATIONS = "s.tool_calls + s.subagent_dispatches + s.mcp_calls + s.slash_commands"
_FROM = f"telemetry.sessions s LEFT JOIN {directory.RELATION} u ON u.id = s.user_id"


class SessionsFilter(BaseModel):
    """Which sessions. `username` (or `user`) is an e-mail address or an id; `q` is looked for as it is, in address,
    name, session id and model."""

    model_config = ConfigDict(extra="forbid")

    since_minutes: int = Field(10_080, ge=1, le=525_600)
    username: str = Field("", max_length=320)
    user: str = Field("", max_length=320)
    model: str = Field("", max_length=200)
    only_errors: bool = False
    q: str = Field("", max_length=200)

    @property
    def whose(self) -> str:
        return self.username or self.user


class SessionsQuery(SessionsFilter):
    """`sort` is `column:asc` or `column:desc`; an unknown one is `ended_at:desc`."""

    sort: str = Field(DEFAULT_SORT, max_length=60)
    limit: int = Field(50, ge=1, le=MAX_ROWS)
    offset: int = Field(0, ge=0, le=1_000_000)

    @property
    def ordering(self) -> tuple[str, bool]:
        """(name of the sort, whether descending)."""
        name, _, direction = self.sort.partition(":")
        if name in SORTS and direction in ("asc", "desc", ""):
            return name, direction != "asc"
        name, _, direction = DEFAULT_SORT.partition(":")
        return name, True


class PageOf(BaseModel):
    model_config = ConfigDict(extra="forbid")

    limit: int = Field(MAX_ROWS, ge=1, le=MAX_ROWS)
    offset: int = Field(0, ge=0, le=1_000_000)


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session's summary; of one that is not `processed` yet only its ids and when its file came (`started_at`)."""

    user_id: str
    session_id: str
    processed: bool
    started_at: datetime | None
    user_email: str | None = None
    """None: the account is gone."""
    user_name: str | None = None
    quarantine_reason: str | None = None
    ended_at: datetime | None = None
    wall_seconds: float | None = None
    active_seconds: float | None = None
    user_messages: int | None = None
    assistant_messages: int | None = None
    tool_calls: int | None = None
    tool_errors: int | None = None
    skill_invocations: int | None = None
    subagent_dispatches: int | None = None
    mcp_calls: int | None = None
    slash_commands: int | None = None
    distinct_tools: int | None = None
    distinct_skills: int | None = None
    primary_model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_creation_tokens: int | None = None
    total_tokens: int | None = None
    cache_creation_1h_tokens: int | None = None
    """Those of `cache_creation_tokens` that are kept for an hour."""
    web_searches: int | None = None
    list_cost_usd: float | None = None
    """By the price list; None: no model of it has a price."""
    unpriced_tokens: int | None = None
    client_cost_usd: float | None = None
    """By the client's own bill; None: it wrote none."""
    bill_status: str | None = None
    """How the two compare: equal, other_price, other_tokens, unpriced, forked, unfinished, client_unsure."""
    price_mismatches: list[str] | None = None
    """Models that have another price in the client's bill."""


@dataclass(frozen=True, slots=True)
class SessionList:
    sessions: tuple[SessionRow, ...]
    total: int
    next_offset: int | None


@dataclass(frozen=True, slots=True)
class Kpis:
    """`error_rate` is errors by invocations, `session_error_rate` the share of sessions with any; None without. `cost_usd` is by the
    list of prices, as every session's; None if nothing of it has a price."""

    sessions: int
    users: int
    user_messages: int
    assistant_messages: int
    invocations: int
    tool_errors: int
    sessions_with_errors: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    cache_creation_1h_tokens: int
    """Those of `cache_creation_tokens` that are kept for an hour."""
    web_searches: int
    total_tokens: int
    unpriced_tokens: int
    cost_usd: float | None
    active_seconds: float
    error_rate: float | None
    session_error_rate: float | None


@dataclass(frozen=True, slots=True)
class Facet:
    value: str
    label: str
    sessions: int


@dataclass(frozen=True, slots=True)
class Facets:
    """What the filters may be set to, each with how many sessions it would leave under the other filters."""

    users: tuple[Facet, ...]
    models: tuple[Facet, ...]
    with_errors: int


_COLUMNS = (
    *("ended_at", "wall_seconds", "active_seconds", "user_messages", "assistant_messages", "tool_calls", "tool_errors"),
    *("skill_invocations", "subagent_dispatches", "mcp_calls", "slash_commands", "distinct_tools", "distinct_skills"),
    *("primary_model", *TOKENS),
)
_BILL = (
    *(CACHE_1H, WEB_SEARCHES, "list_cost_usd", "unpriced_tokens", "client_cost_usd", "bill_status", "price_mismatches"),
)
_ROW = (
    "s.user_id, s.session_id, true, s.started_at, u.email, u.name, NULL, "
    f"{', '.join(f's.{name}' for name in _COLUMNS)}, {_ALL_TOKENS}, {', '.join(f's.{name}' for name in _BILL)}"
)


def listed(state: State, query: SessionsQuery, *, now: datetime) -> SessionList:
    """The summaries that pass, a page of them."""
    where, parameters = _where(query, now)
    name, descending = query.ordering
    order = f"{SORTS[name]} {'DESC' if descending else 'ASC'} NULLS LAST, s.session_id, s.user_id"
    with state.read(FILE, "people") as db:
        total = one_number(db, f"SELECT count(*) FROM {_FROM} WHERE {where}", parameters)  # noqa: S608
        rows = db.execute(
            f"SELECT {_ROW} FROM {_FROM} WHERE {where} ORDER BY {order} LIMIT $limit OFFSET $offset",  # noqa: S608
            {**parameters, "limit": query.limit, "offset": query.offset},
        ).fetchall()
    end = query.offset + len(rows)
    return SessionList(tuple(SessionRow(*row) for row in rows), total, end if end < total else None)


def kpis(state: State, query: SessionsFilter, *, now: datetime) -> Kpis:
    """Figures over all sessions that pass."""
    where, parameters = _where(query, now)
    sums = ("user_messages", "assistant_messages")

    def total(sql: str) -> str:
        return f"coalesce(sum({sql}), 0)::BIGINT"

    with state.read(FILE, "people") as db:
        *found, active = one_row(
            db,
            f"""SELECT count(*), count(DISTINCT s.user_id), {", ".join(total(f"s.{name}") for name in sums)},
                {total(_INVOCATIONS)}, {total("s.tool_errors")}, count(*) FILTER (s.tool_errors > 0),
                {", ".join(total(f"s.{name}") for name in BILLED)}, {total(_ALL_TOKENS)}, {total("s.unpriced_tokens")},
                sum(s.list_cost_usd), coalesce(sum(s.active_seconds), 0)
            FROM {_FROM} WHERE {where}""",  # noqa: S608 (fixed parts)
            parameters,
        )
    count, invocations, errors, failed = found[0], found[4], found[5], found[6]
    rate = errors / invocations if invocations else None
    return Kpis(*(*found, active, rate, failed / count if count else None))


def facets(state: State, query: SessionsFilter, *, now: datetime) -> Facets:
    """Users and models of the sessions that pass the other filters."""
    with state.read(FILE, "people") as db:
        where, parameters = _where(query.model_copy(update={"username": "", "user": ""}), now)
        users = db.execute(
            f"""SELECT s.user_id, coalesce(any_value(u.email), s.user_id) AS label, count(*) AS n
            FROM {_FROM} WHERE {where} GROUP BY s.user_id ORDER BY n DESC, label LIMIT {FACETS}""",  # noqa: S608
            parameters,
        ).fetchall()
        where, parameters = _where(query.model_copy(update={"model": ""}), now)
        models = db.execute(
            f"""SELECT s.primary_model, s.primary_model, count(*) AS n FROM {_FROM}
            WHERE {where} AND s.primary_model IS NOT NULL GROUP BY ALL ORDER BY n DESC, 1 LIMIT {FACETS}""",  # noqa: S608
            parameters,
        ).fetchall()
        where, parameters = _where(query.model_copy(update={"only_errors": True}), now)
        failed = one_number(db, f"SELECT count(*) FROM {_FROM} WHERE {where}", parameters)  # noqa: S608
    return Facets(tuple(Facet(*row) for row in users), tuple(Facet(*row) for row in models), failed)


def of_user(
    state: State, store: ObjectStore, user_id: str, page: PageOf, *, spare: Collection[str] = ()
) -> SessionList:
    """All sessions of a person: those with a summary, newest first, then those whose files wait for extraction.
    Without summaries, where the state file may be spared and is damaged.

    Raises BadRequestError, UnavailableError.
    """
    user_id = keys.user(user_id)
    arrived: dict[str, datetime] = {}
    for file in stored.files(store, user_id):
        held = arrived.get(file.which.session_id)
        arrived[file.which.session_id] = max(file.modified_at, held) if held else file.modified_at
    with state.read(FILE, "people", spare=spare) as db:
        known = _session_ids(db, user_id)
        waiting = sorted(
            (sid for sid in arrived if sid not in known), key=lambda sid: (arrived[sid], sid), reverse=True
        )
        rows = db.execute(
            f"SELECT {_ROW} FROM {_FROM} WHERE s.user_id = $user "  # noqa: S608 (fixed parts)
            "ORDER BY coalesce(s.started_at, s.extracted_at) DESC, s.session_id LIMIT $limit OFFSET $offset",
            {"user": user_id, "limit": page.limit, "offset": page.offset},
        ).fetchall()
        found = [SessionRow(*row) for row in rows]
        start = max(0, page.offset - len(known))
        which = waiting[start : start + page.limit - len(found)]
        found += _unprocessed(db, user_id, [(sid, arrived[sid]) for sid in which])
    total, end = len(known) + len(waiting), page.offset + len(found)
    return SessionList(tuple(found), total, end if end < total else None)


def find(db: Db, user_id: str, session_id: str) -> SessionRow | None:
    """One summary; `db` has `telemetry` and `people`."""
    row = db.execute(
        f"SELECT {_ROW} FROM {_FROM} WHERE s.user_id = $user AND s.session_id = $session",  # noqa: S608 (fixed parts)
        {"user": user_id, "session": session_id},
    ).fetchone()
    return SessionRow(*row) if row else None


def unprocessed(db: Db, user_id: str, session_id: str, arrived: datetime) -> SessionRow:
    """What can be said of a session that only its files know; `db` has `telemetry` and `people`."""
    return _unprocessed(db, user_id, [(session_id, arrived)])[0]


def _session_ids(db: Db, user_id: str) -> set[str]:
    rows = db.execute("SELECT session_id FROM telemetry.sessions WHERE user_id = $user", {"user": user_id}).fetchall()
    return {session for (session,) in rows}


def _unprocessed(db: Db, user_id: str, which: Sequence[tuple[str, datetime]]) -> list[SessionRow]:
    if not which:
        return []
    email, name = directory.named(db, [user_id]).get(user_id, (None, None))
    reasons: Mapping[str, str] = dict(
        db.execute(
            "SELECT session_id, any_value(quarantine_reason) FROM telemetry.transcripts "
            "WHERE user_id = $user AND quarantine_reason IS NOT NULL GROUP BY session_id",
            {"user": user_id},
        ).fetchall()
    )
    return [SessionRow(user_id, sid, False, arrived, email, name, reasons.get(sid)) for sid, arrived in which]


def _where(query: SessionsFilter, now: datetime) -> tuple[str, dict[str, Any]]:
    parts = [f"{_LAST} >= $since"]
    parameters: dict[str, Any] = {"since": now - timedelta(minutes=query.since_minutes)}
    if query.whose:
        parts.append("(s.user_id = $whose OR u.email = lower(trim($whose)))")
        parameters["whose"] = query.whose
    if query.model:
        parts.append("s.primary_model = $model")
        parameters["model"] = query.model
    if query.only_errors:
        parts.append("s.tool_errors > 0")
    if query.q.strip():
        parts.append("contains(lower(concat_ws(' ', u.email, u.name, s.session_id, s.primary_model)), lower($q))")
        parameters["q"] = query.q.strip()
    return " AND ".join(parts), parameters
