"""From the list of sessions to what was said in one: who may, what comes, and that it was audited before."""

from __future__ import annotations

import io
import json
import random
import zipfile
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from agnes.kernel.errors import NotFoundError
from agnes.kernel.principal import Principal
from agnes.telemetry.drill_down import downloads, viewing
from agnes.telemetry.keys import TranscriptId
from agnes.telemetry.transcripts import stored
from tests.builders.house import House
from tests.builders.people import add_person, seed_admin
from tests.builders.telemetry_house import run_usage, serve, upload
from tests.builders.transcripts import Transcript

pytestmark = pytest.mark.slow

A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
B = "77777777-0002-4f00-9a00-00000000bbbb"
C = "88888888-0003-4f00-9a00-00000000cccc"
D = "99999999-0004-4f00-9a00-00000000dddd"
LARGE = "bbbbbbbb-0005-4f00-9a00-00000000eeee"
UNKNOWN = "11111111-0004-4f00-9a00-00000000ffff"


def forecast() -> tuple[bytes, bytes]:
    """A session with a failed call, and that of its subagent, which worked between two of its lines."""
    main = Transcript(A, rng=random.Random(A))
    main.prompt("Forecast <b>Q3</b>")
    main.say([{"type": "thinking", "thinking": "Hm", "signature": "x"}], message_id="m1")
    call = main.use("Skill", skill="finops:forecast", message_id="m1")
    main.result(call, "no such table", is_error=True)
    main.use("Agent", subagent_type="finops:auditor", prompt="look")
    agent = Transcript(A, at=main.at, agent_id="a1", rng=random.Random("a1"))
    agent.prompt("look")
    agent.result(agent.use("Bash", command="ls -l"), [{"type": "text", "text": "ledger.csv"}])
    main.at = agent.at + timedelta(seconds=1)
    main.say([{"type": "text", "text": "Done"}], model="claude-opus-4-6")
    return main.body(), agent.body()


def plain(session: str, prompts: int = 1, *, days_ago: int = 0) -> bytes:
    t = Transcript(session, rng=random.Random(session))
    t.at -= timedelta(days=days_ago)
    for number in range(prompts):
        t.prompt(f"Question {number} of 100%")
        t.say([{"type": "text", "text": "Yes"}])
    return t.body()


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """Mira has A with a subagent and, not extracted yet, D; Noah, whose address has the same local part, B; C is old."""
    with House(tmp_path_factory.mktemp("house")) as house:
        serve(house, "finops")
        admin = seed_admin(house)
        mira = add_person(house, admin, "mira@example.com")
        noah = add_person(house, admin, "mira@example.org")
        main, agent = forecast()
        upload(house, mira, A, main)
        upload(house, mira, A, agent, agent_id="a1")
        upload(house, noah, B, plain(B, 3))
        upload(house, mira, C, plain(C, days_ago=20))
        run_usage(house, admin)
        upload(house, mira, D, plain(D))
        yield house, admin, mira, noah


def audited(house: House) -> list[tuple[str, str, dict]]:
    lines = [json.loads(house.store.read(entry.key).body) for entry in house.store.list("audit/session")]
    return [(line["action"], line["resource"], line["params"]) for line in sorted(lines, key=lambda line: line["id"])]


def listed(used, query: str = "") -> list[str]:
    house, admin, *_ = used
    answer = house.get(f"/api/admin/sessions/list?{query}", token=admin.token)
    assert answer.status == 200, answer.text
    return [row["session_id"] for row in answer.json()["sessions"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [A, B]),
        ("since_minutes=43200", [A, B, C]),
        ("since_minutes=43200&sort=started_at:asc", [C, A, B]),
        ("sort=user_messages:desc", [B, A]),
        ("sort=username", [B, A]),
        ("sort=nonsense:desc", [A, B]),
        ("username=mira@example.com", [A]),
        ("user=MIRA@example.org", [B]),
        ("username=mira", []),
        ("only_errors=1", [A]),
        ("only_errors=false&model=claude-opus-4-6", []),
        ("model=claude-sonnet-4-6", [A, B]),
        ("q=EXAMPLE.ORG", [B]),
        ("q=%25", []),
        ("q=_ira", []),
        ("q=%27%20OR%201=1", []),
        ("limit=1&offset=1", [B]),
    ],
)
def test_the_list_filters_and_sorts(used, query, expected):
    assert sorted(listed(used, query)) == sorted(expected)
    if "sort" in query or "limit" in query:
        assert listed(used, query) == expected


def test_the_list_goes_on_behind_its_offset(used):
    house, admin, *_ = used
    first = house.get("/api/admin/sessions/list?since_minutes=43200&limit=2", token=admin.token).json()
    assert (first["total"], first["next_offset"]) == (3, 2)
    rest = house.get("/api/admin/sessions/list?since_minutes=43200&limit=2&offset=2", token=admin.token).json()
    assert (len(rest["sessions"]), rest["next_offset"]) == (1, None)


@pytest.mark.parametrize(
    "query", ["limit=201", "limit=0", "since_minutes=0", "since_minutes=525601", "offset=-1", "only_errors=7", "x=1"]
)
def test_wrong_input_is_refused(used, query):
    house, admin, *_ = used
    assert house.get(f"/api/admin/sessions/list?{query}", token=admin.token).status == 422


def test_figures_and_facets(used):
    house, admin, mira, noah = used
    found = house.get("/api/admin/sessions/kpis?since_minutes=43200", token=admin.token).json()
    assert (found["sessions"], found["users"], found["user_messages"]) == (3, 2, 5)
    assert (found["tool_errors"], found["invocations"], found["sessions_with_errors"]) == (1, 3, 1)
    assert found["error_rate"] == pytest.approx(1 / 3)
    assert found["total_tokens"] == sum(v for k, v in found.items() if k.endswith("_tokens") and k != "total_tokens")
    nothing = house.get("/api/admin/sessions/kpis?q=nobody", token=admin.token).json()
    assert (nothing["sessions"], nothing["error_rate"], nothing["total_tokens"]) == (0, None, 0)
    facets = house.get(f"/api/admin/sessions/facets?username={noah.id}&only_errors=1", token=admin.token).json()
    assert facets["users"] == [{"value": mira.id, "label": mira.email, "sessions": 1}]
    assert facets["models"] == []


def transcript(house, person, user_id: str, session: str, query: str = ""):
    return house.get(f"/api/admin/sessions/{user_id}/{session}/transcript?{query}", token=person.token)


def test_a_transcript_is_told_in_order_and_audited_first(used):
    house, admin, mira, _ = used
    before = len(audited(house))
    found = transcript(house, admin, mira.id, A).json()
    assert audited(house)[before:] == [("session.transcript_view", f"session:{mira.id}/{A}", {})]
    assert [(e["type"], e["role"], e["agent_id"]) for e in found["events"]] == [
        ("text", "user", None),
        ("thinking", "assistant", None),
        ("tool_use", "assistant", None),
        ("tool_result", "user", None),
        ("tool_use", "assistant", None),
        ("text", "user", "a1"),
        ("tool_use", "assistant", "a1"),
        ("tool_result", "user", "a1"),
        ("text", "assistant", None),
    ]
    said = found["events"]
    assert (said[0]["text"], said[3]["is_error"], said[3]["text"]) == ("Forecast <b>Q3</b>", True, "no such table")
    assert (said[2]["tool_name"], said[2]["title"]) == ("Skill", "finops:forecast")
    assert said[2]["tool_use_id"] == said[3]["tool_use_id"]
    assert (said[7]["text"], said[8]["model"]) == ("ledger.csv", "claude-opus-4-6")
    assert (found["summary"]["tool_errors"], found["summary"]["user_email"]) == (1, mira.email)
    assert [(f["file"], f["agent_id"]) for f in found["files"]] == [("main", None), ("a1", "a1")]
    assert found["next_cursor"] is None


def test_a_transcript_comes_in_parts_that_add_up(used):
    house, admin, mira, _ = used
    whole = transcript(house, admin, mira.id, A).json()["events"]
    found, cursor = [], ""
    while cursor is not None:
        answer = transcript(house, admin, mira.id, A, f"limit=2&cursor={cursor}").json()
        assert 1 <= len(answer["events"]) <= 2
        found, cursor = found + answer["events"], answer["next_cursor"]
    assert found == whole


def test_a_long_text_is_cut_and_can_be_had_whole(used):
    house, admin, mira, _ = used
    session = "aaaaaaaa-0004-4f00-9a00-00000000dddd"
    t = Transcript(session, rng=random.Random(session))
    text = "".join(f"{number:07d}\n" for number in range(40_000))
    t.prompt(text)
    upload(house, mira, session, t.body())
    (event,) = transcript(house, admin, mira.id, session).json()["events"]
    assert (event["chars"], event["is_truncated"], len(event["text"])) == (len(text), True, 20_000)
    at, read = f"/api/admin/sessions/{mira.id}/{session}/transcript/{event['id']}", ""
    start = 0
    while start is not None:
        answer = house.get(f"{at}?start={start}", token=admin.token)
        assert len(answer.body) < 4_500_000
        read, start = read + answer.json()["piece"]["text"], answer.json()["next_start"]
    assert read == text
    assert audited(house)[-1][2]["piece"] == event["id"]
    for wrong in ("main.1.0", "main.0.1", "main.99999999.0", "a9.0.0", "..%2Fmain.0.0", "main.0.0.0"):
        assert house.get(f"{at.rpartition('/')[0]}/{wrong}", token=admin.token).status == 404, wrong
    house.delete(f"/api/admin/usage/sessions/{mira.id}/{session}", token=admin.token)


@pytest.mark.parametrize(
    ("user", "session", "status"),
    [
        ("{mira}", UNKNOWN, 404),
        ("{noah}", A, 404),
        ("nobody", A, 404),
        ("{mira}", "..", 400),
        ("{mira}", "main", 400),
        ("{mira}", A + "%00", 400),
        ("{mira}", "%2e%2e%2f" + A, 400),
        ("..", A, 400),
        ("%2e%2e%2fsessions", A, 400),
        ("mira@example.com", A, 400),
    ],
)
def test_hostile_ids(used, user, session, status):
    house, admin, mira, noah = used
    user = user.format(mira=mira.id, noah=noah.id)
    before = len(audited(house))
    for what in ("transcript", "download"):
        answer = house.get(f"/api/admin/sessions/{user}/{session}/{what}", token=admin.token)
        assert answer.status == status, answer.text
        assert "hint" in answer.json()
    assert len(audited(house)) == before


@pytest.mark.parametrize("cursor", ["x", "1.main.0", "1.main.0.0.0", "1.../x.0.0", "-1.main.0.0", "9" * 300])
def test_a_wrong_cursor_is_refused(used, cursor):
    house, admin, mira, _ = used
    assert transcript(house, admin, mira.id, A, f"cursor={cursor}").status in (400, 422)


def test_nobody_else_may_look(used):
    house, _, mira, noah = used
    for path in (
        *("/api/admin/sessions/list", "/api/admin/sessions/kpis", "/api/admin/sessions/facets"),
        *(f"/api/admin/sessions/{mira.id}/{A}/{what}" for what in ("transcript", "transcript/main.0.0", "download")),
        *(f"/api/admin/users/{mira.id}/sessions{rest}" for rest in ("", "/download-all", f"/{A}/download")),
    ):
        assert house.get(path).status == 401, path
        for person in (mira, noah):
            assert house.get(path, token=person.token).status == 403, path


def test_sessions_of_a_person(used):
    house, admin, mira, noah = used
    found = house.get(f"/api/admin/users/{mira.id}/sessions", token=admin.token).json()
    assert [(row["session_id"], row["processed"]) for row in found["sessions"]] == [(A, True), (C, True), (D, False)]
    assert found["sessions"][2]["started_at"] is not None
    second = house.get(f"/api/admin/users/{mira.id}/sessions?limit=2&offset=1", token=admin.token).json()
    assert ([row["session_id"] for row in second["sessions"]], second["next_offset"]) == ([C, D], None)
    mine = house.get("/api/me/sessions?limit=1", token=mira.token).json()
    assert ([row["session_id"] for row in mine["sessions"]], mine["total"], mine["next_offset"]) == ([A], 3, 1)
    assert [r["session_id"] for r in house.get("/api/me/sessions", token=noah.token).json()["sessions"]] == [B]
    assert house.get("/api/admin/users/nobody/sessions", token=admin.token).json()["code"] == "user_not_found"
    assert house.get(f"/api/admin/users/{mira.id}/sessions?limit=201", token=admin.token).status == 422


def test_downloads(used):
    house, admin, mira, _ = used
    main, agent = forecast()
    for path in (f"/api/admin/sessions/{mira.id}/{A}/download", f"/api/admin/users/{mira.id}/sessions/{A}/download"):
        answer = house.get(path, token=admin.token)
        assert (answer.status, answer.body) == (200, main)
        assert answer.headers["content-disposition"] == f'attachment; filename="{A}.jsonl"'
        assert audited(house)[-1] == (
            "session_download",
            f"session:{mira.id}/{A}",
            {"file": "main", "bytes": len(main)},
        )
    answer = house.get(f"{path}?agent_id=a1", token=admin.token)
    assert (answer.body, answer.headers["content-disposition"]) == (agent, 'attachment; filename="agent-a1.jsonl"')
    assert house.get(f"{path}?agent_id=a2", token=admin.token).status == 404
    assert house.get(f"{path}?agent_id=..%2Fmain", token=admin.token).status == 400


def test_one_s_own_file_and_nothing_else(used):
    house, admin, mira, noah = used
    before = len(audited(house))
    main, agent = forecast()
    assert house.get(f"/profile/sessions/{A}", token=mira.token).body == main
    assert house.get(f"/profile/sessions/{A}.jsonl", token=mira.token).body == main
    assert house.get(f"/profile/sessions/{A}?agent_id=a1", token=mira.token).body == agent
    assert len(audited(house)) == before
    for person, rest in (
        *((noah, A), (admin, A), (mira, B), (mira, UNKNOWN), (mira, "x"), (mira, f"..%2F{A}"), (mira, f"{A}%00")),
        *((mira, f"{A}?agent_id=a2"), (mira, f"{A}?agent_id=.."), (mira, f"{A}?user_id={mira.id}")),
        *((mira, f"%2e%2e%2f{noah.id}%2f{B}"), (mira, f"{A}.jsonl.zst")),
    ):
        answer = house.get(f"/profile/sessions/{rest}", token=person.token)
        assert answer.status == 404, rest
    assert house.get(f"/profile/sessions/{A}").status == 401


def members(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        return {info.filename: archive.read(info) for info in archive.infolist()}


def test_all_of_a_person_as_an_archive(used):
    house, admin, mira, _ = used
    main, agent = forecast()
    answer = house.get(f"/api/admin/users/{mira.id}/sessions/download-all", token=admin.token)
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="mira-sessions-2026-11-23.zip"'
    found = members(answer.body)
    assert found.keys() == {f"{A}.jsonl", f"{A}/subagents/agent-a1.jsonl", f"{C}.jsonl", f"{D}.jsonl"}
    assert (found[f"{A}.jsonl"], found[f"{A}/subagents/agent-a1.jsonl"]) == (main, agent)
    action, resource, said = audited(house)[-1]
    assert (action, resource) == ("session_bulk_download", f"user:{mira.id}")
    assert said == {"file_count": 4, "total_bytes": sum(map(len, found.values()))}
    nothing = house.get(f"/api/admin/users/{admin.id}/sessions/download-all", token=admin.token)
    assert members(nothing.body) == {}
    assert house.get("/api/admin/users/nobody/sessions/download-all", token=admin.token).status == 404


def test_what_is_large_comes_by_a_url_and_goes_with_a_redaction(used):
    house, admin, mira, _ = used
    t = Transcript(LARGE, rng=random.Random(LARGE))
    t.prompt("x" * 4_000_000)
    upload(house, mira, LARGE, t.body())
    for path, person in (
        (f"/api/admin/sessions/{mira.id}/{LARGE}/download", admin),
        (f"/profile/sessions/{LARGE}", mira),
    ):
        answer = house.get(path, token=person.token)
        assert (answer.status, answer.body) == (302, b"")
        assert fetched(house, answer.headers["location"]) == (t.body(), f"{LARGE}.jsonl")
    kept = [entry.key for entry in house.store.list("downloads/")]
    assert len(kept) == 2
    assert all(key.startswith(f"downloads/{mira.id}/") for key in kept)
    house.delete(f"/api/admin/usage/sessions/{mira.id}/{LARGE}", token=admin.token)
    assert not list(house.store.list("downloads/"))
    assert house.get(f"/profile/sessions/{LARGE}", token=mira.token).status == 404


def test_a_large_stock_comes_in_several_archives(used):
    house, admin, mira, _ = used
    who = Principal(admin.id, admin.email, "Ada", is_admin=True)

    def archive(part: int | None):
        limits = downloads.Limits(inline_bytes=100, archive_files=3)
        whose = {"user_id": mira.id, "email": "Ma'ra \u00fc@example.com", "part": part, "clock": house.clock}
        return downloads.archive(house.state, house.store, viewing.Viewer(who), **whose, limits=limits)

    with pytest.raises(downloads.ArchiveInParts) as refused:
        archive(None)
    assert refused.value.facts == {"parts": 2}
    found = {}
    for part in (1, 2):
        taken = archive(part)
        assert (taken.body, taken.filename) == (None, f"Ma_ra_-sessions-2026-11-23-part{part}.zip")
        found |= members(fetched(house, taken.url)[0])
    assert len(found) == 4
    with pytest.raises(NotFoundError):
        archive(3)
    assert downloads.remove_old(house.store, now=datetime.now(UTC)) == 0
    assert downloads.remove_old(house.store, now=datetime.now(UTC) + timedelta(days=2)) == 2
    assert not list(house.store.list("downloads/"))


def test_archives_are_cut_by_what_they_hold():
    files = [stored.StoredFile(TranscriptId("u", f"s{n}"), 10, datetime.now(UTC)) for n in range(5)]
    limits = downloads.Limits(archive_plain_bytes=170)
    sizes = {files[0].which: 1000}  # the others are thought to have 80
    assert [len(part) for part in downloads.parts_of(files, sizes, limits)] == [1, 2, 2]
    assert downloads.parts_of([], {}) == [[]]


def fetched(house: House, url: str) -> tuple[bytes, str]:
    allowed = house.store.open_presigned_url("GET", url)
    return house.store.read(allowed.key).body, allowed.filename


def test_my_figures(used):
    house, _, mira, noah = used
    found = house.get("/api/me/stats/tokens?days=30", token=mira.token).json()
    assert len(found["daily"]) == 30
    assert sum(day["tokens"]["total_tokens"] for day in found["daily"]) == found["lifetime"]["total_tokens"] > 0
    assert {row["session_id"] for row in found["top_sessions"]} == {A, C}
    assert sum(model["responses"] for model in found["by_model"]) == 5
    week = house.get("/api/me/stats/tokens?days=7", token=mira.token).json()
    assert [row["session_id"] for row in week["top_sessions"]] == [A]
    mine = house.get("/api/me/stats/sessions", token=mira.token).json()
    assert (mine["lifetime_sessions"], sum(day["sessions"] for day in mine["daily"])) == (2, 2)
    assert house.get("/api/me/stats/sessions", token=noah.token).json()["lifetime_user_messages"] == 3
    for days in (0, 366, "x"):
        assert house.get(f"/api/me/stats/tokens?days={days}", token=mira.token).status == 422


def test_my_home_figures(used):
    house, _, mira, noah = used
    found = house.get("/api/me/home-stats?window=7d", token=noah.token).json()
    assert found == {
        "window": "7d",
        "sessions": 1,
        "prompts": 3,
        "tokens": 3 * 370,
        "folders": 1,
        "estimated_sessions": 0,
    }
    day = house.get("/api/me/home-stats", token=mira.token).json()
    assert (day["window"], day["sessions"]) == ("24h", 0)
    assert house.get("/api/me/home-stats?window=1y", token=mira.token).status == 422


def test_what_a_person_did_is_read_and_that_is_told(used):
    house, admin, mira, _ = used
    path = f"/api/admin/users/{admin.id}/activity?since_minutes=43200&action_prefix=user.&limit=1"
    found = house.get(path, token=admin.token)
    assert found.status == 200, found.text
    assert [(row["action"], row["user_id"]) for row in found.json()["rows"]] == [("user.create", admin.id)]
    assert found.json()["next_cursor"]
    told = [json.loads(house.store.read(e.key).body) for e in house.store.list("audit/admin_user_activity_read/")]
    assert [(line["resource"], line["user_id"]) for line in told] == [(f"user:{admin.id}", admin.id)]
    assert not list(house.store.list("audit/activity_read/"))
    # Whatever else the query says, it stays that person.
    other = house.get(f"/api/admin/users/{mira.id}/activity?user_id={admin.id}&since_minutes=43200", token=admin.token)
    assert {row["user_id"] for row in other.json()["rows"]} <= {mira.id}
    assert house.get(path, token=mira.token).status == 403
    assert house.get("/api/admin/users/nobody/activity", token=admin.token).status == 404


def test_an_archive_unpacks_no_more_than_it_may(tmp_path):
    """Of what was not extracted yet nothing says how large it is, and two kilobytes may be fifty megabytes."""
    with House(tmp_path) as house:
        admin = seed_admin(house)
        mira = add_person(house, admin, "mira@example.com")
        body = b'{"type":"mode"}\n' + b"\n" * 50_000_000
        ids = [str(UUID(int=number * 16**20)) for number in (1, 2, 3)]
        for session_id in ids:
            upload(house, mira, session_id, body)
        limits = downloads.Limits(archive_plain_bytes=60_000_000)
        whose = {"user_id": mira.id, "email": mira.email, "part": None, "clock": house.clock}
        taken = downloads.archive(
            house.state,
            house.store,
            viewing.Viewer(Principal(mira.id, mira.email, "Mira"), as_owner=True),
            **whose,
            limits=limits,
        )
        assert sorted(members(taken.body)) == [f"{ids[0]}.jsonl", *(f"{each}.jsonl.zst" for each in ids[1:])]
