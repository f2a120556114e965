"""A person's own figures. Tokens are of the day and the model of each response, from the rollups; what is told by session is
of the day on which it began, UTC. Nothing but the person's own sessions and the rollups of their days is read.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db, State, one_number, one_row
from agnes.telemetry import keys
from agnes.telemetry.drill_down import sessions, viewing
from agnes.telemetry.drill_down.sessions import SessionRow
from agnes.telemetry.extraction.extract import SessionKey, extract
from agnes.telemetry.extraction.served import Served
from agnes.telemetry.extraction.summary import folder_numbers
from agnes.telemetry.lake import parts, rollups
from agnes.telemetry.lake.prices import ALL_TOKENS
from agnes.telemetry.model import FILE, TOKENS, Event, EventType, TranscriptFile
from agnes.telemetry.transcripts import packed, stored

TOP = 10
MODELS, DAY_MODELS = 50, 10
"""Models that are listed for a window, and for each of its days; one person can name any number."""
OTHER_MODELS = "(other models)"
READ_BYTES, READ_LINES, READ_SESSIONS = 24_000_000, 30_000, 50
"""Of transcripts that are read for one answer, plain."""
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
    models: int = 1
    """More than one: OTHER_MODELS, all beyond those that are listed."""


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
    """Of the window, the most tokens first, MODELS at most; of each day DAY_MODELS."""
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
    estimated_sessions: int
    """Sessions of the window's first day that are too large to be read for it: they are counted with the share of their
    prompts and tokens that their time within the window has of all their time."""


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
    with parts.tables(
        store, state, (rollups.USER_MODEL,), since=date.min, until=date.max, days=active, user_id=user_id
    ) as bench:
        of_day: dict[date, list[TokenModel]] = defaultdict(list)
        for day, *line in bench.db.execute(
            _RANKED.format(by="day", most=DAY_MODELS), {"since": since, "until": today}
        ).fetchall():
            of_day[day].append(_model(line))
        by_model = [
            _model(line)
            for _, *line in bench.db.execute(
                _RANKED.format(by="NULL::DATE", most=MODELS), {"since": since, "until": today}
            ).fetchall()
        ]
        lifetime = one_row(bench.db, f"SELECT {_SPENT} FROM user_model_daily")  # noqa: S608 (fixed parts)
    daily = [TokenDay(day, _sum(of_day[day]), tuple(of_day[day])) for day in _days(since, days)]
    return TokenStats(days, tuple(daily), tuple(by_model), tuple(row for row in rows if row), Tokens(*lifetime))


_SPENT = ", ".join(
    (
        *(f"coalesce(sum({name}), 0)::BIGINT AS {name}" for name in TOKENS),
        f"coalesce(sum({ALL_TOKENS}), 0)::BIGINT AS took",
        "fsum(cost_usd) AS cost_usd",
        "coalesce(sum(unpriced_tokens), 0)::BIGINT AS unpriced_tokens",
    )
)
_RANKED = f"""
WITH of_model AS (
    SELECT {{by}} AS span, nullif(model, '') AS model, sum(responses)::BIGINT AS responses, {_SPENT}
    FROM user_model_daily WHERE day BETWEEN $since AND $until GROUP BY ALL
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY span ORDER BY took DESC, model NULLS FIRST) AS place FROM of_model
)
SELECT span, CASE WHEN place <= {{most}} THEN model ELSE '{OTHER_MODELS}' END AS named, sum(responses)::BIGINT,
    {", ".join(f"sum({name})::BIGINT" for name in (*TOKENS, "took"))}, fsum(cost_usd), sum(unpriced_tokens)::BIGINT, count(*)
FROM ranked GROUP BY span, named, least(place, {{most}} + 1) ORDER BY span, min(place)
"""  # noqa: S608 (fixed parts)


def _model(line: Sequence[Any]) -> TokenModel:
    model, responses, *spent, models = line
    return TokenModel(model, responses, Tokens(*spent), models)


def _sum(lines: Sequence[TokenModel]) -> Tokens:
    counts = [sum(getattr(line.tokens, name) for line in lines) for name in (*TOKENS, "total_tokens")]
    costs = [line.tokens.cost_usd for line in lines if line.tokens.cost_usd is not None]
    cost, unpriced = math.fsum(costs) if costs else None, sum(line.tokens.unpriced_tokens for line in lines)
    return Tokens(*(*counts, cost, unpriced))


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
        lifetime = one_row(
            db,
            """SELECT count(*), coalesce(sum(user_messages), 0)::BIGINT, coalesce(sum(active_seconds), 0),
                min(started_at), max(ended_at)
            FROM telemetry.sessions WHERE user_id = $user""",
            {"user": user_id},
        )
    shown = tuple(daily.get(day, SessionDay(day)) for day in _days(since, days))
    return SessionStats(days, shown, *lifetime)


def home_stats(state: State, store: ObjectStore, who: Principal, window: str, *, now: datetime) -> HomeStats:
    """Of the window exactly. Its whole days come from the rollups; of the day on which it begins the person's own
    transcripts are read. Raises UnavailableError."""
    user_id = keys.user(who.user_id)
    since = now - _WINDOWS[window]
    first, whole = since.date(), [day for day in _days(since.date(), 8) if since.date() < day <= now.date()]
    with state.read(FILE) as db:
        found = db.execute(
            """SELECT session_id, list_has_any(days, $whole::DATE[]), folders
            FROM telemetry.sessions WHERE user_id = $user AND list_has_any(days, $whole::DATE[])""",
            {"user": user_id, "whole": whole},
        ).fetchall()
        straddling = db.execute(_STRADDLING, {"user": user_id, "first": first, "since": since}).fetchall()
    did = {session for session, *_ in found}
    folders = {folder for _, _, of in found for folder in of or ()}
    early, estimated = _events_behind(store, user_id, straddling, since)
    did |= {event.session_id for event in early}
    folders.update(folder_numbers(event.cwd for event in early))
    prompts = len({event.event_id for event in early if event.event_type == EventType.PROMPT})
    tokens: dict[str, list[int]] = {}
    for event in early:
        took = [getattr(event, name) for name in TOKENS]
        tokens[event.event_id] = list(map(max, took, tokens.get(event.event_id, took)))
    spent = sum(map(sum, tokens.values()))
    for one in estimated:
        share = _share(one, since)
        did.add(one.session_id)
        folders.update(one.folders or ())
        prompts, spent = prompts + round(one.prompts * share), spent + round(one.tokens * share)
    with parts.tables(
        store,
        state,
        (rollups.USER, rollups.USER_MODEL),
        since=first,
        until=now.date(),
        days=whole,
        user_id=user_id,
        with_cost=False,
    ) as bench:
        prompted = one_number(bench.db, "SELECT coalesce(sum(prompts), 0)::BIGINT FROM user_daily")
        used = one_number(bench.db, f"SELECT coalesce(sum({ALL_TOKENS}), 0)::BIGINT FROM user_model_daily")  # noqa: S608
    return HomeStats(window, len(did), prompted + prompts, used + spent, len(folders), len(estimated))


class _Straddling(NamedTuple):
    """A session that did something on the window's first day, and ended after the window began."""

    session_id: str
    started_at: datetime | None
    ended_at: datetime | None
    prompts: int
    tokens: int
    folders: list[int] | None


_STRADDLING = f"""
SELECT s.session_id, s.started_at, s.ended_at, s.user_messages, {ALL_TOKENS}, s.folders
FROM telemetry.sessions s LEFT JOIN (
    SELECT session_id, sum(plain_bytes) AS plain_bytes FROM telemetry.transcripts WHERE user_id = $user GROUP BY session_id
) t USING (session_id)
WHERE s.user_id = $user AND list_contains(s.days, $first) AND (s.ended_at IS NULL OR s.ended_at > $since)
ORDER BY t.plain_bytes, s.session_id
"""  # noqa: S608 (fixed parts)


def _share(of: _Straddling, since: datetime) -> float:
    """How much of a session's time is between `since` and the end of that day, UTC."""
    if of.started_at is None or of.ended_at is None or of.ended_at <= of.started_at:
        return 1.0
    midnight = datetime.combine(since.date() + timedelta(days=1), time.min, UTC)
    within = min(of.ended_at, midnight) - max(of.started_at, since)
    return max(0.0, within / (of.ended_at - of.started_at))


def _events_behind(
    store: ObjectStore, user_id: str, rows: Sequence[Sequence[Any]], since: datetime
) -> tuple[list[Event], list[_Straddling]]:
    """What one did in these sessions, the smallest first, from `since` to the end of that day, UTC; and which of them are more
    than may be read."""
    found: list[Event] = []
    left_bytes, left_lines = READ_BYTES, READ_LINES
    estimated = [_Straddling(*row) for row in rows[READ_SESSIONS:]]
    for one in (_Straddling(*row) for row in rows[:READ_SESSIONS]):
        listed = stored.files(store, user_id, one.session_id)
        files: list[TranscriptFile] = []
        is_too_much = sum(file.size_bytes for file in listed) > left_bytes or len(listed) > viewing.MAX_FILES
        if not is_too_much:
            for file, body in stored.packed_bodies(store, listed):
                left_bytes -= packed.stated_bytes(body)
                plain = stored.transcript_of(file, body) if left_bytes >= 0 else None
                left_lines -= plain.body.count(b"\n") if plain else 0
                is_too_much = left_bytes < 0 or left_lines < 0
                if is_too_much:
                    break
                if plain is not None:
                    files.append(plain)
        if is_too_much:
            estimated.append(one)
            continue
        events = extract(files, SessionKey(user_id, one.session_id, ""), Served()).events
        found += [e for e in events if e.occurred_at and e.occurred_at > since and e.occurred_at.date() == since.date()]
    return found, estimated


def _active_days(db: Db, user_id: str) -> set[date]:
    """UTC days on which one did anything."""
    rows = db.execute("SELECT DISTINCT unnest(days) FROM telemetry.sessions WHERE user_id = $user", {"user": user_id})
    return {day for (day,) in rows.fetchall()}


def _days(since: date, count: int) -> list[date]:
    return [since + timedelta(days=number) for number in range(count)]
