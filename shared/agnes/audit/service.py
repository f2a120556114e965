"""Reading the audit: the tables of all state files, single objects and archived days, as one list.

What moves from the first to the last of them is written there before it is removed here, and they are looked at in
the same order. So a line is met once at least; its id makes it one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from agnes.accounts import directory
from agnes.audit import objects
from agnes.audit.model import COLUMNS, Activity, ActivityQuery, Cursor, Facet, Facets, Kpis, Line
from agnes.audit.objects import Row, Stored
from agnes.kernel import audit
from agnes.kernel.errors import AgnesError
from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import Change, Db, State, one_row
from agnes.marketplace import service as marketplace
from agnes.marketplace.model import RecentSync

MAX_OBJECTS = 2000
"""Single objects that one answer reads; a page ends before what was not read."""
MAX_ARCHIVED = 100_000
"""Archived lines that facets and figures count."""
TOP = 50
_SKEW = timedelta(minutes=5)
_DAYS_AT_ONCE = 5
_KINDS = ("user_id", "action", "result", "resource", "client_kind")


def activity(
    state: State, store: ObjectStore, query: ActivityQuery, *, now: datetime, max_objects: int = MAX_OBJECTS
) -> Activity:
    """A page of the audit. Reading is audited too, once in 60 seconds for the same reader and filter.

    Raises UnavailableError.
    """
    found = _page(state, store, query, now=now, max_objects=max_objects)
    # Before the answer, but after the look: a search would always find itself.
    audit.record_once(store, Change("activity.read", "audit:", query.filter), now=now)
    return found


def activity_of_user(
    state: State,
    store: ObjectStore,
    user_id: str,
    query: ActivityQuery,
    *,
    now: datetime,
    max_objects: int = MAX_OBJECTS,
) -> Activity:
    """A page of what one person did. Each reading is audited. Raises UnavailableError."""
    query = query.model_copy(update={"user_id": user_id})
    audit.record(store, Change("admin.user_activity_read", f"user:{user_id}", query.filter), now=now)
    return _page(state, store, query, now=now, max_objects=max_objects)


def _page(state: State, store: ObjectStore, query: ActivityQuery, *, now: datetime, max_objects: int) -> Activity:
    span = _Span(query.since(now), query.cursor_ts or now + _SKEW, *_where(query, now))
    limit = query.limit
    with _reading(state) as (db, names):
        found = _newest(db, names, span, limit + 1)
        if len(found) > limit:
            span = replace(span, since=found[limit]["at"])
        elsewhere = _elsewhere(store, span, max_objects, known=found, wanted=limit + 1)
        if elsewhere.rows:
            found = _newest(db, names, span, limit + 1, elsewhere.rows)
        people = _people(db, found)
    horizon = elsewhere.horizon
    found = [row for row in found if horizon is None or row["at"] >= horizon]
    rows = [_line(row, people) for row in found[:limit]]
    if len(found) > limit:
        following: Cursor | None = Cursor(rows[-1].ts, rows[-1].id)
    else:
        following = None if horizon is None else Cursor(horizon, "")
    return Activity(rows, following, query.filter)


def newest_lines(
    state: State, store: ObjectStore, user_id: str | None, *, since: datetime, now: datetime, limit: int
) -> list[Row]:
    """The newest lines since then of what one person did, or everybody, newest first. Raises UnavailableError."""
    where, parameters = '"at" >= $since', dict[str, Any](since=since)
    if user_id is not None:
        where, parameters = f"{where} AND user_id = $user", {**parameters, "user": user_id}
    span = _Span(since, now + _SKEW, where, parameters)
    with _reading(state) as (db, names):
        found = _newest(db, names, span, limit)
        elsewhere = _elsewhere(store, span, MAX_OBJECTS, known=found, wanted=limit)
        return _newest(db, names, span, limit, elsewhere.rows) if elsewhere.rows else found


def overview(
    state: State, store: ObjectStore, *, since: datetime, now: datetime, max_objects: int = MAX_OBJECTS
) -> tuple[Facets, Kpis]:
    """What there is to filter by, and the figures, of all since then. Raises UnavailableError."""
    span = _Span(since, now + _SKEW, '"at" >= $since', {"since": since})
    with _reading(state) as (db, names):
        elsewhere = _elsewhere(store, span, max_objects, known=[], wanted=None)
        lines, parameters = _lines(names, elsewhere.rows), _parameters(span, elsewhere.rows)
        facets: dict[str, list[Facet]] = defaultdict(list)
        kinds = ", ".join(_KINDS)
        for which, value, label, count in db.execute(
            f"""SELECT grouping({kinds}), coalesce({kinds}), arg_max(email, "at"), count(*) FROM {lines}
            WHERE {span.where} GROUP BY GROUPING SETS ({", ".join(f"({kind})" for kind in _KINDS)})
            ORDER BY 4 DESC, 2""",  # noqa: S608 (fixed parts)
            parameters,
        ).fetchall():
            # The bits of `grouping` are set for what a row is not grouped by; the last column has the lowest.
            kind = next(kind for bit, kind in enumerate(reversed(_KINDS)) if not which >> bit & 1)
            if value and len(facets[kind]) < TOP:
                facets[kind].append(Facet(value, count, (label or "") if kind == "user_id" else ""))
        events, people, errors, p95 = one_row(
            db,
            f"""SELECT count(*), count(DISTINCT user_id) FILTER (user_id <> ''),
                count(*) FILTER (starts_with(result, 'error')), quantile_cont(duration_ms, 0.95) FILTER (duration_ms > 0)
            FROM {lines} WHERE {span.where}""",  # noqa: S608 (fixed parts)
            parameters,
        )
    complete = elsewhere.horizon is None and not elsewhere.cut and len(names) == len(state.names)
    return (
        Facets(
            users=facets["user_id"],
            actions=facets["action"],
            results=facets["result"],
            resources=facets["resource"],
            sources=facets["client_kind"],
            complete=complete,
        ),
        Kpis(events, people, errors, errors / events if events else 0.0, p95, complete),
    )


def syncs(state: State, *, before: str | None, limit: int, spare: Collection[str] = ()) -> list[RecentSync]:
    """The sync history of all marketplaces, newest first; none where its state file may be spared and is damaged.

    Raises UnavailableError.
    """
    with state.read("marketplace", spare=spare) as db:
        return marketplace.recent_syncs(db, before=before, limit=limit)


@contextmanager
def _reading(state: State) -> Iterator[tuple[Db, tuple[str, ...]]]:
    """All state files, without those that are damaged: their lines are left out, and health names them."""
    names = tuple(state.names)
    with ExitStack() as stack:
        try:
            db = stack.enter_context(state.read(*names))
        except AgnesError as exc:
            names = tuple(name for name in names if is_readable(state, name))
            if exc.code != "state_damaged" or not names:
                raise
            db = stack.enter_context(state.read(*names))
        yield db, names


def is_readable(state: State, file: str) -> bool:
    """Whether a state file is not damaged."""
    try:
        with state.read(file):
            return True
    except AgnesError as exc:
        return exc.code != "state_damaged"


@dataclass(frozen=True, slots=True)
class _Span:
    """What is looked for: in time, and by everything that was asked."""

    since: datetime
    until: datetime
    where: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """Lines that are in no state file."""

    rows: list[Row]
    horizon: datetime | None
    """Older ones were not all read; None if they were."""
    cut: bool
    """Whether archived lines were left out."""


def _where(query: ActivityQuery, now: datetime) -> tuple[str, dict[str, Any]]:
    tests = {
        "user": (query.user_id, "(user_id = $user OR email = lower($user))"),
        "action": (query.action_prefix, "starts_with(action, $action)"),
        "resource": (query.resource, "resource = $resource"),
        "result": (query.result_pattern, "result LIKE $result"),
    }
    parts = ['"at" >= $since']
    parameters: dict[str, Any] = {"since": query.since(now)}
    for name, (given, test) in tests.items():
        if given is not None:
            parts.append(test)
            parameters[name] = given
    if query.q is not None:
        # The text of the params is JSON: what is not ASCII may be escaped in it, and quotes are.
        words = (query.q, query.q.lower(), query.q.upper())
        texts = sorted({query.q.lower(), *(json.dumps(word)[1:-1].lower() for word in words)})
        parameters |= {f"q{number}": text for number, text in enumerate(texts)}
        parts.append(f"({' OR '.join(f'contains(lower(params), $q{number})' for number in range(len(texts)))})")
    if query.cursor is not None:
        parameters |= {"ts": query.cursor.ts, "id": query.cursor.id}
        parts.append('("at" < $ts OR ("at" = $ts AND id < $id))')
    return " AND ".join(parts), parameters


def _lines(files: Iterable[str], elsewhere: list[Row]) -> str:
    """All lines as a table, each once; those that are elsewhere are the parameter $rows."""
    columns = ", ".join(f'"{name}"::{kind} AS "{name}"' for name, kind in COLUMNS.items())
    tables = " UNION ALL ".join(f"SELECT {columns} FROM {file}.audit" for file in files)  # noqa: S608 (fixed parts)
    if not elsewhere:
        return f"({tables})"
    return (
        f"(WITH held AS ({tables}), stored AS (SELECT * FROM {objects.relation()}) "  # noqa: S608 (fixed parts)
        f"SELECT {objects.names()} FROM held UNION ALL SELECT {objects.names()} FROM stored ANTI JOIN held USING (id))"
    )


def _parameters(span: _Span, elsewhere: list[Row]) -> dict[str, Any]:
    return span.parameters | ({"rows": objects.encoded(elsewhere)} if elsewhere else {})


def _newest(db: Db, files: Iterable[str], span: _Span, limit: int, elsewhere: list[Row] | tuple[()] = ()) -> list[Row]:
    found = db.execute(
        f"""SELECT {objects.names()} FROM {_lines(files, list(elsewhere))} WHERE {span.where}
        ORDER BY "at" DESC, id DESC LIMIT {limit}""",  # noqa: S608 (fixed parts)
        _parameters(span, list(elsewhere)),
    ).fetchall()
    return [dict(zip(COLUMNS, row, strict=True)) for row in found]


def _elsewhere(
    store: ObjectStore, span: _Span, max_objects: int, *, known: list[Row], wanted: int | None
) -> _Elsewhere:
    """Lines of the span, single ones as they are and archived ones that pass. With `wanted`, archived days are read
    from the newest until so many are together with the `known` ones of the state files."""
    single, horizon = _single(store, span, max_objects)
    rows = objects.read_lines(store, single)
    since = max(span.since, horizon) if horizon else span.since
    files = objects.archived(store, since.astimezone(UTC).date(), span.until.astimezone(UTC).date())
    found: dict[str, Row] = {}
    with objects.parquet() as bench:
        for some in _by_days(files):
            for row in bench.rows(bench.fetch(store, some), span.where, span.parameters):
                found.setdefault(row["id"], row)
            begins = datetime.combine(some[0].day, datetime.min.time(), UTC)
            passed = found.keys() | {row["id"] for row in known if row["at"] >= begins}
            if wanted is not None and len(passed) >= wanted:
                break
            if len(found) > MAX_ARCHIVED:
                return _Elsewhere([*rows, *found.values()], horizon, cut=True)
    once = {row["id"]: row for row in (*rows, *found.values())}
    return _Elsewhere(list(once.values()), horizon, cut=False)


def _single(store: ObjectStore, span: _Span, at_most: int) -> tuple[list[Stored], datetime | None]:
    """Objects of the span, the newest if they are too many: then whole minutes of them, and since when."""
    since, until = span.since.astimezone(UTC), span.until.astimezone(UTC)
    minute = since.replace(second=0, microsecond=0)
    found = [
        stored
        for stored in objects.listed(store, since.date(), until.date())
        if stored.minute is None or minute <= stored.minute <= until
    ]
    if len(found) <= at_most:
        return found, None
    latest = datetime.max.replace(tzinfo=UTC)
    found.sort(key=lambda stored: stored.minute or latest, reverse=True)
    last = found[at_most - 1].minute
    whole = [stored for stored in found if stored.minute is None or last is None or stored.minute >= last]
    return whole, last if len(whole) < len(found) else None


def _by_days(files: list[Stored]) -> Iterable[list[Stored]]:
    """The newest days first, a few at a time; each group begins with its oldest."""
    days = sorted({file.day for file in files}, reverse=True)
    for start in range(0, len(days), _DAYS_AT_ONCE):
        some = set(days[start : start + _DAYS_AT_ONCE])
        yield [file for file in files if file.day in some]


def _people(db: Db, rows: list[Row]) -> dict[str, tuple[str, str]]:
    """E-mail address and name by id."""
    ids = sorted({row["user_id"] for row in rows} - {""})
    return dict(directory.named(db, ids))


def _line(row: Row, people: dict[str, tuple[str, str]]) -> Line:
    email, name = people.get(row["user_id"], ("", ""))
    return Line(
        id=row["id"],
        ts=row["at"].astimezone(UTC),
        user_id=row["user_id"],
        user_email=row["email"] or email,
        user_name=name,
        action=row["action"],
        resource=row["resource"],
        params=_said(row["params"]),
        before=_said(row["before"]),
        result=row["result"],
        duration_ms=round(row["duration_ms"], 1),
        client_ip=row["client_ip"],
        client_kind=row["client_kind"],
        request_id=row["request_id"],
    )


def _said(text: str | None) -> Any:
    return None if text is None else json.loads(text)
