"""Every route that reads what a person sent, after that person has sent the worst of it: little work and a small answer each.

Work is CPU time of this process. A busy machine makes the same work take two or three times as long, so what takes too long is
asked again, and is then counted in seconds of a machine that does the reference work in `REFERENCE_SECONDS`, measured beside it.
Decision 72 has the bounds themselves.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple
from uuid import UUID

import duckdb
import pytest
import zstandard

from tests.builders.hostile_sessions import shapes
from tests.builders.house import START, Answer, House, routes
from tests.builders.people import Person, add_person, seed_admin
from tests.builders.telemetry_house import complete, declare, put, run_usage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MOST_BYTES = 4_000_000
MOST_SECONDS = 1.0
MOST_SECONDS_OF_ALL = 2.0
"""Of what looks at every day of the whole organisation: `window=all`."""
SECONDS_AN_EVENT = 12e-6
"""Of questions about single events, beside that: all of a span are looked at."""

TIMES_ASKED = 4
MOST_AT_FIRST = 5
"""How many times its bound the first answer may take, which no repetition excuses."""
REFERENCE_SECONDS = 0.10

OF_EVENTS = ("/kpis", "/facets", "/query", "/export")

QUERIES = {
    "/api/me/home-stats": ("window=24h", "window=7d"),
    "/api/me/stats/tokens": ("days=365",),
    "/api/me/stats/sessions": ("days=365",),
    "/api/me/sessions": ("limit=200",),
    "/me/usage": ("window=all",),
    "/admin/usage": ("window=all",),
    "/admin/sessions": ("since_minutes=525600&limit=200",),
    "/api/admin/sessions/list": ("since_minutes=525600&limit=200",),
    "/api/admin/sessions/kpis": ("since_minutes=525600",),
    "/api/admin/sessions/facets": ("since_minutes=525600",),
    "/api/admin/usage/summary": ("window=all",),
    "/api/admin/usage/kpis": ("since_minutes=525600",),
    "/api/admin/usage/facets": ("since_minutes=525600",),
    "/api/admin/usage/query": (
        "since_minutes=525600&limit=500",
        *(f"since_minutes=525600&limit=500&group_by={by}" for by in ("username", "tool_name", "model", "item")),
    ),
    "/api/admin/usage/cost": tuple(f"since=2026-01-01&by={by}" for by in ("plugin", "skill", "model", "user", "day")),
    "/api/admin/usage/export": ("since=7d&format=csv", "since=7d&format=parquet"),
    "/api/admin/activity": ("limit=200",),
}
"""The widest of each path."""

NOT_SENT = {
    "/marketplace/curated/": "what admins register, bounded when it is synced",
    "/api/marketplace/curated/": "what admins register, bounded when it is synced",
    "/api/marketplaces/{": "what admins register, bounded when it is synced",
    "/admin/marketplaces/{": "what admins register, bounded when it is synced",
    "/marketplace/flea/": "entities: archives are bounded before anything of them is stored (flea.limits)",
    "/api/marketplace/flea/": "as above",
    "/api/store/entities/": "as above",
    "/api/store/mine/{": "as above",
    "/api/tables/": "as below",
    "/api/v2/": "as below, and 100 rows of a sample",
    "/api/admin/tables/": "what admins register: at most 5,000 tables, each field bounded (tables.model)",
    "/store/mine/{": "as above",
    "/store/report/{": "as above: the form to report an entity",
    "/admin/store/submissions/{": "as above; findings, lines and patches that are shown have numbers of their own (flea.queue)",
    "/api/admin/store/submissions/{": "as above",
    "/marketplace.git/": "the feed, made of what was synced",
    "/static/": "our own files",
    "/cli/": "our own command",
    "/api/knowledge/{": "items of knowledge: bounded when they are proposed or detected (knowledge.model)",
    "/knowledge/{": "as above",
    "/admin/knowledge/{": "as above",
    "/api/admin/groups/{": "made by admins",
    "/admin/groups/{": "made by admins",
    "/api/admin/run/{": "jobs",
    "/api/admin/telemetry/exports/{": "an export's state, and an address of its file",
    "/api/admin/usage/exports/{": "as above",
    "/auth/tokens/{": "one token",
    "/auth/{provider}/": "a redirect to an identity provider, or what came back from it",
    "/scim/v2/": "what a directory sends, bounded by page and by request (agnes.directory)",
    "/auth/logout": "ends the sign-in",
}
"""Routes with parameters that hold nothing of transcripts, by the beginning of their path."""


class Sent(NamedTuple):
    house: House
    admin: Person
    mira: Person
    sessions: dict[str, str]
    slow: dict[str, float]
    """Completions, in seconds of CPU time of the machine of the reference, by shape."""
    report: dict
    run_seconds: float


def reference_seconds() -> float:
    """CPU time that this machine takes at this moment for a fixed amount of Python's and of DuckDB's work."""
    began = time.process_time()
    lines = [json.dumps({"number": number, "text": "x" * (number % 50)}) for number in range(12_000)]
    assert sum(json.loads(line)["number"] for line in lines) == 71_994_000
    with duckdb.connect() as db:
        db.execute("SELECT count(DISTINCT md5(i::VARCHAR)) FROM range(150_000) AS numbers(i)").fetchall()
    return time.process_time() - began


def as_of_the_reference(seconds: float) -> float:
    """What it would have taken on the machine of the reference, which is never faster than this one is now."""
    return seconds * min(1.0, REFERENCE_SECONDS / reference_seconds())


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    with House(tmp_path_factory.mktemp("house")) as house:
        admin = seed_admin(house)
        mira = add_person(house, admin, "mira@example.com")
        sessions, slow = {}, {}
        for number, (name, make) in enumerate(shapes(START).items(), 1):
            session_id = sessions[name] = str(UUID(int=number * 16**20))
            packed = zstandard.compress(make(), 1)
            presigned = declare(house, mira, session_id, packed)
            assert presigned.status == 200, presigned.text
            put(house, presigned.json(), packed)
            began = time.process_time()
            done = complete(house, mira, presigned.json()["upload_id"])
            took = time.process_time() - began
            slow[name] = took if took <= MOST_SECONDS else as_of_the_reference(took)
            assert done.status == 200, (name, done.text)
        began = time.process_time()
        report = run_usage(house, admin)
        yield Sent(house, admin, mira, sessions, slow, report, as_of_the_reference(time.process_time() - began))
        house.state.close()


def asked(sent: Sent, path: str) -> tuple[Answer, float]:
    """The answer, and the seconds of CPU time that it took."""
    is_page = not path.startswith(("/api/", "/auth/", "/marketplace", "/profile/"))
    who = sent.admin if "/admin" in path or path.startswith(("/api/users", "/api/activity")) else sent.mira
    began = time.process_time()
    answer = sent.house.get(path, token=None if is_page else who.token, cookie=who.cookie if is_page else None)
    return answer, time.process_time() - began


def is_slow(again: Callable[[], float], first: float, allowed: float) -> bool:
    """Whether the work takes more than `allowed` seconds however often it is done, or much more at first."""
    if first <= allowed:
        return False
    if as_of_the_reference(first) > allowed * MOST_AT_FIRST:
        return True
    return all(as_of_the_reference(again()) > allowed for _ in range(TIMES_ASKED))


def problems_of(sent: Sent, path: str, events: int) -> tuple[Answer, list[str]]:
    """The answer of `path`, and what is wrong with it: an error, its size, its time."""
    answer, seconds = asked(sent, path)
    name = path.replace("/telemetry/", "/usage/")
    allowed = MOST_SECONDS_OF_ALL if "window=all" in name and "/me/" not in name else MOST_SECONDS
    if "/usage/" in name and name.partition("?")[0].endswith(OF_EVENTS):
        allowed += events * SECONDS_AN_EVENT
    found = []
    if answer.status >= 500:
        found.append(f"{path}: {answer.status} {answer.text[:200]}")
    if len(answer.body) > MOST_BYTES:
        found.append(f"{path}: {len(answer.body):,} bytes")
    if is_slow(lambda: asked(sent, path)[1], seconds, allowed):
        found.append(f"{path}: {seconds:.2f} s at first, and more than {allowed:.2f} s each time")
    return answer, found


def test_slow_work_is_told_from_a_slow_machine() -> None:
    assert is_slow(lambda: 30.0, 30.0, 1.0)
    assert not is_slow(lambda: 30.0, 0.9, 1.0)
    assert not is_slow(iter([1.0 + REFERENCE_SECONDS * 1_000, 0.2]).__next__, 1.2, 1.0)


def test_taking_them_in_is_bounded(sent: Sent) -> None:
    assert {name: seconds for name, seconds in sent.slow.items() if seconds > MOST_SECONDS} == {}


def test_the_extraction_is_bounded_and_says_what_it_left_out(sent: Sent) -> None:
    assert sent.report["sessions"] == len(sent.sessions)
    assert sent.run_seconds < 3 * len(sent.sessions)
    reasons = {line.rpartition(" ")[2] for line in sent.report["quarantined"]}
    assert reasons == {"too_many_lines", "too_many_events"}
    with sent.house.state.read("telemetry") as db:
        (names,) = db.execute("SELECT max(distinct_tools) FROM telemetry.sessions").fetchone()
    assert 1_000 < names <= 2_001


def test_every_route_is_walked(sent: Sent) -> None:
    problems, walked, views = [], 0, set()
    for rule in routes().iter_rules():
        if "GET" not in (rule.methods or ()):
            continue
        app, pattern = rule.endpoint
        view = app.routes[pattern]["GET"].view_function
        if view in views:
            continue  # the same view under an older path
        views.add(view)
        path = rule.rule.replace("<", "{").replace(">", "}")
        if path.startswith(tuple(NOT_SENT)):
            continue
        pieces = path.count("{piece_id}")
        if "{session_id}" in path:
            assert not pieces or path.endswith("{piece_id}")
            continue  # each shape by itself, below
        filled = path.replace("{user_id}", sent.mira.id)
        assert "{" not in filled, f"{path}: say in NOT_SENT why nothing of it was sent by a person, or walk it"
        for query in QUERIES.get(path.replace("/telemetry/", "/usage/"), ("",)):
            whole = f"{filled}?{query}" if query else filled
            answer, found = problems_of(sent, whole, sent.report["events"])
            walked += 1
            problems += found
            if query:
                assert answer.status in (200, 302) or answer.json()["code"] == "export_too_large", (
                    whole,
                    answer.text[:300],
                )
    assert walked > 70
    assert problems == []


OF_A_SESSION = {
    "/api/admin/sessions/{user_id}/{session_id}/transcript": "limit=500",
    "/admin/sessions/{user_id}/{session_id}": "limit=500",
    "/me/sessions/{session_id}": "limit=500",
    "/api/admin/sessions/{user_id}/{session_id}/download": "",
    "/api/admin/users/{user_id}/sessions/{session_id}/download": "",
    "/profile/sessions/{session_id}": "",
    "/admin/sessions/{user_id}/{session_id}/redact": "",
    "/me/sessions/{session_id}/redact": "",
    "/api/admin/sessions/{user_id}/{session_id}/transcript/{piece_id}": "",
    "/admin/sessions/{user_id}/{session_id}/pieces/{piece_id}": "",
    "/me/sessions/{session_id}/pieces/{piece_id}": "",
}


def test_the_routes_of_a_session_are_these() -> None:
    found = {rule.rule.replace("<", "{").replace(">", "}") for rule in routes().iter_rules() if "GET" in rule.methods}
    assert {path for path in found if "{session_id}" in path} == set(OF_A_SESSION)


@pytest.mark.parametrize("name", list(shapes(START)))
def test_each_shape_costs_its_readers_little(sent: Sent, name: str) -> None:
    """Its first parts, the last piece of each, and everything else that shows the session."""
    session_id, problems, piece_ids, cursor = sent.sessions[name], [], [], ""
    api = f"/api/admin/sessions/{sent.mira.id}/{session_id}/transcript?limit=500"
    for _ in range(3):
        answer, found = problems_of(sent, f"{api}&cursor={cursor}", 0)
        problems += found
        part = answer.json()
        piece_ids += [piece["id"] for piece in part["events"][-1:]]
        following = part["next_cursor"]
        if following is None:
            break
        assert following != cursor, "it goes on"
        cursor = following
    for path, query in OF_A_SESSION.items():
        filled = path.replace("{user_id}", sent.mira.id).replace("{session_id}", session_id)
        for piece_id in piece_ids[-1:] if "{piece_id}" in filled else [""]:
            whole = filled.replace("{piece_id}", piece_id) + (f"?{query}" if query else "")
            answer, found = problems_of(sent, whole, 0)
            problems += found
            assert answer.status in (200, 302), (whole, answer.text[:300])
    assert problems == []
