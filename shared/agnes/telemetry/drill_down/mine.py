"""A person's own figures. Tokens are of the day and the model of each response, from the rollups; what is told by session is
of the day on which it began, UTC. Nothing but the person's own sessions and the rollups of their days is read.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db, State
from agnes.telemetry import keys
from agnes.telemetry.drill_down import sessions
from agnes.telemetry.drill_down.sessions import SessionRow
from agnes.telemetry.extraction.extract import SessionKey, extract
from agnes.telemetry.extraction.served import Served
from agnes.telemetry.extraction.summary import folder_numbers
from agnes.telemetry.lake import parts, rollups
from agnes.telemetry.lake.prices import ALL_TOKENS
from agnes.telemetry.model import FILE, TOKENS, Event, EventType
from agnes.telemetry.transcripts import stored

TOP = 10
_WINDOWS = {"24h": timedelta(hours=24), "7d": timedelta(days=7)}
_DAY = "coalesce(started_at, extracted_at)::DATE"


@dataclass(frozen=True, slots=True)
class Tokens:
    """`cost_usd` is of those whose model has a price, None if none has; the others are `unpriced_tokens`."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    total_tokens: int = 0
    cost_usd: float | None = None
    unpriced_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TokenModel:
    model: str | None
    """None: no model answered, or the client did not say which."""
    responses: int
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class TokenDay:
    day: date
    tokens: Tokens
    by_model: tuple[TokenModel, ...]


@dataclass(frozen=True, slots=True)
class TokenStats:
    days: int
    daily: tuple[TokenDay, ...]
    """Every day of the window, oldest first, those without a response too."""
    by_model: tuple[TokenModel, ...]
    """Of the window, the most tokens first."""
    top_sessions: tuple[SessionRow, ...]
    """Begun in the window, the largest first, with all that each of them took."""
    lifetime: Tokens


@dataclass(frozen=True, slots=True)
class SessionDay:
    day: date
    sessions: int = 0
    user_messages: int = 0
    tool_calls: int = 0
    tool_errors: int = 0
    active_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SessionStats:
    days: int
    daily: tuple[SessionDay, ...]
    lifetime_sessions: int
    lifetime_user_messages: int
    lifetime_active_seconds: float
    first_session_at: datetime | None
    last_session_at: datetime | None


@dataclass(frozen=True, slots=True)
class HomeStats:
    """Of the window exactly: a session counts with what it did in it."""

    window: str
    sessions: int
    prompts: int
    tokens: int
    folders: int
    """Distinct working folders."""


def token_stats(state: State, store: ObjectStore, who: Principal, *, days: int, today: date) -> TokenStats:
    """A response that several sessions have a copy of is counted once. Raises UnavailableError."""
    user_id = keys.user(who.user_id)
    since = today - timedelta(days=days - 1)
    with state.read(FILE, "people") as db:
        active = _active_days(db, user_id)
        top = db.execute(
            f"SELECT session_id FROM telemetry.sessions WHERE user_id = $user AND {_DAY} BETWEEN $since AND $today "  # noqa: S608
            f"AND {ALL_TOKENS} > 0 ORDER BY {ALL_TOKENS} DESC, session_id LIMIT {TOP}",
            {"user": user_id, "since": since, "today": today},
        ).fetchall()
        rows = [sessions.find(db, user_id, session_id) for (session_id,) in top]
    with parts.tables(store, state, (rollups.USER_MODEL,), since=date.min, until=date.max, days=active) as bench:
        found = [
            (day, TokenModel(model, responses, Tokens(*spent)))
            for day, model, responses, *spent in bench.db.execute(
                f"""SELECT day, nullif(model, ''), responses, {", ".join(TOKENS)}, {ALL_TOKENS}, cost_usd, unpriced_tokens
                FROM user_model_daily WHERE user_id = $user ORDER BY day""",  # noqa: S608 (fixed parts)
                {"user": user_id},
            ).fetchall()
        ]
    of_day: dict[date, list[TokenModel]] = defaultdict(list)
    for day, line in found:
        of_day[day].append(line)
    daily = [TokenDay(day, _sum(of_day[day]), _by_model(of_day[day])) for day in _days(since, days)]
    return TokenStats(
        days,
        tuple(daily),
        _by_model([line for day in daily for line in day.by_model]),
        tuple(row for row in rows if row),
        _sum([line for _, line in found]),
    )


def _by_model(lines: Sequence[TokenModel]) -> tuple[TokenModel, ...]:
    of_model: dict[str | None, list[TokenModel]] = defaultdict(list)
    for line in lines:
        of_model[line.model].append(line)
    summed = [TokenModel(model, sum(line.responses for line in of), _sum(of)) for model, of in of_model.items()]
    return tuple(sorted(summed, key=lambda line: (-line.tokens.total_tokens, line.model or "")))


def _sum(lines: Sequence[TokenModel]) -> Tokens:
    counts = [sum(getattr(line.tokens, name) for line in lines) for name in (*TOKENS, "total_tokens")]
    costs = [line.tokens.cost_usd for line in lines if line.tokens.cost_usd is not None]
    return Tokens(*counts, math.fsum(costs) if costs else None, sum(line.tokens.unpriced_tokens for line in lines))


def session_stats(state: State, who: Principal, *, days: int, today: date) -> SessionStats:
    user_id = keys.user(who.user_id)
    since = today - timedelta(days=days - 1)
    with state.read(FILE) as db:
        daily = {
            day: SessionDay(day, *sums)
            for day, *sums in db.execute(
                f"""SELECT {_DAY}, count(*), sum(user_messages)::BIGINT, sum(tool_calls)::BIGINT,
                    sum(tool_errors)::BIGINT, sum(active_seconds)
                FROM telemetry.sessions WHERE user_id = $user AND {_DAY} BETWEEN $since AND $today GROUP BY 1""",  # noqa: S608
                {"user": user_id, "since": since, "today": today},
            ).fetchall()
        }
        lifetime = db.execute(
            """SELECT count(*), coalesce(sum(user_messages), 0)::BIGINT, coalesce(sum(active_seconds), 0),
                min(started_at), max(ended_at)
            FROM telemetry.sessions WHERE user_id = $user""",
            {"user": user_id},
        ).fetchone()
    return SessionStats(days, tuple(daily.get(day, SessionDay(day)) for day in _days(since, days)), *lifetime)


def home_stats(state: State, store: ObjectStore, who: Principal, window: str, *, now: datetime) -> HomeStats:
    """Of the window exactly. Its whole days come from the rollups; of the day on which it begins the person's own
    transcripts are read. Raises UnavailableError."""
    user_id = keys.user(who.user_id)
    since = now - _WINDOWS[window]
    first, whole = since.date(), [day for day in _days(since.date(), 8) if since.date() < day <= now.date()]
    with state.read(FILE) as db:
        found = db.execute(
            """SELECT session_id, list_contains(days, $first), list_has_any(days, $whole::DATE[]), folders
            FROM telemetry.sessions WHERE user_id = $user AND list_has_any(days, list_append($whole::DATE[], $first))""",
            {"user": user_id, "first": first, "whole": whole},
        ).fetchall()
    early = _events_behind(store, user_id, [session for session, on_first, *_ in found if on_first], since)
    did = {session for session, _, on_whole, _ in found if on_whole} | {event.session_id for event in early}
    folders = {folder for _, _, on_whole, of in found if on_whole for folder in of or ()}
    folders.update(folder_numbers(event.cwd for event in early))
    prompts = {event.event_id for event in early if event.event_type == EventType.PROMPT}
    tokens: dict[str, list[int]] = {}
    for event in early:
        took = [getattr(event, name) for name in TOKENS]
        tokens[event.event_id] = list(map(max, took, tokens.get(event.event_id, took)))
    with parts.tables(
        store, state, (rollups.USER, rollups.USER_MODEL), since=first, until=now.date(), days=whole
    ) as bench:
        (prompted,) = bench.db.execute(
            "SELECT coalesce(sum(prompts), 0)::BIGINT FROM user_daily WHERE user_id = ?", [user_id]
        ).fetchone()
        (took,) = bench.db.execute(
            f"SELECT coalesce(sum({ALL_TOKENS}), 0)::BIGINT FROM user_model_daily WHERE user_id = ?",  # noqa: S608 (fixed parts)
            [user_id],
        ).fetchone()
    return HomeStats(window, len(did), prompted + len(prompts), took + sum(map(sum, tokens.values())), len(folders))


def _events_behind(store: ObjectStore, user_id: str, of: Iterable[str], since: datetime) -> list[Event]:
    """What one did in these sessions from `since` to the end of that day, UTC."""
    found: list[Event] = []
    for session_id in of:
        files = stored.transcripts(store, stored.files(store, user_id, session_id))
        events = extract(files, SessionKey(user_id, session_id, ""), Served()).events
        found += [e for e in events if e.occurred_at and e.occurred_at > since and e.occurred_at.date() == since.date()]
    return found


def _active_days(db: Db, user_id: str) -> set[date]:
    """UTC days on which one did anything."""
    rows = db.execute("SELECT DISTINCT unnest(days) FROM telemetry.sessions WHERE user_id = $user", {"user": user_id})
    return {day for (day,) in rows.fetchall()}


def _days(since: date, count: int) -> list[date]:
    return [since + timedelta(days=number) for number in range(count)]
