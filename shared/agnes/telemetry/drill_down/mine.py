"""A person's own figures. What is told by session is of the day on which the session began, UTC, and of its primary model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import State
from agnes.telemetry import keys
from agnes.telemetry.drill_down import sessions
from agnes.telemetry.drill_down.sessions import SessionRow
from agnes.telemetry.lake import event_table
from agnes.telemetry.model import FILE

TOP = 10
_WINDOWS = {"24h": timedelta(hours=24), "7d": timedelta(days=7)}
_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_creation_tokens")
_SUMS = ", ".join(f"coalesce(sum({name}), 0)::BIGINT" for name in (*_TOKENS, " + ".join(_TOKENS)))
_DAY = "coalesce(started_at, extracted_at)::DATE"


@dataclass(frozen=True, slots=True)
class Tokens:
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    total_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TokenDay:
    day: date
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class TokenModel:
    model: str | None
    """None: no model answered, or the client did not say which."""
    sessions: int
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class TokenStats:
    days: int
    daily: tuple[TokenDay, ...]
    """Every day of the window, oldest first, those without a session too."""
    by_model: tuple[TokenModel, ...]
    top_sessions: tuple[SessionRow, ...]
    """Of the window, the largest first."""
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


def token_stats(state: State, who: Principal, *, days: int, today: date) -> TokenStats:
    user_id = keys.user(who.user_id)
    since = today - timedelta(days=days - 1)
    given = {"user": user_id, "since": since, "today": today}
    window = f"user_id = $user AND {_DAY} BETWEEN $since AND $today"
    with state.read(FILE, "people") as db:
        by_day = {
            day: Tokens(*sums)
            for day, *sums in db.execute(
                f"SELECT {_DAY}, {_SUMS} FROM telemetry.sessions WHERE {window} GROUP BY 1",  # noqa: S608 (fixed parts)
                given,
            ).fetchall()
        }
        models = db.execute(
            f"SELECT primary_model, count(*), {_SUMS} FROM telemetry.sessions WHERE {window} "  # noqa: S608
            "GROUP BY 1 ORDER BY 7 DESC, 1",
            given,
        ).fetchall()
        top = db.execute(
            f"SELECT session_id FROM telemetry.sessions WHERE {window} AND {' + '.join(_TOKENS)} > 0 "  # noqa: S608
            f"ORDER BY {' + '.join(_TOKENS)} DESC, session_id LIMIT {TOP}",
            given,
        ).fetchall()
        rows = [sessions.find(db, user_id, session_id) for (session_id,) in top]
        lifetime = db.execute(
            f"SELECT {_SUMS} FROM telemetry.sessions WHERE user_id = $user",  # noqa: S608 (fixed parts)
            {"user": user_id},
        ).fetchone()
    return TokenStats(
        days,
        tuple(TokenDay(day, by_day.get(day, Tokens())) for day in _days(since, days)),
        tuple(TokenModel(model, count, Tokens(*sums)) for model, count, *sums in models),
        tuple(row for row in rows if row),
        Tokens(*lifetime),
    )


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
    """From the events of the window. Raises UnavailableError."""
    since = now - _WINDOWS[window]
    with event_table.events(store, state, since=since.date(), until=now.date()) as bench:
        found = bench.db.execute(
            f"""SELECT count(DISTINCT session_id), count(*) FILTER (event_type = 'prompt'),
                coalesce(sum({" + ".join(_TOKENS)}), 0)::BIGINT, count(DISTINCT cwd)
            FROM events WHERE user_id = $user AND occurred_at > $since AND occurred_at <= $now""",  # noqa: S608
            {"user": keys.user(who.user_id), "since": since, "now": now},
        ).fetchone()
    return HomeStats(window, *found)


def _days(since: date, count: int) -> list[date]:
    return [since + timedelta(days=number) for number in range(count)]
