"""What a redaction removes, who may ask for it, and that it stays."""

from __future__ import annotations

import codecs
import io
import json
import random
import zipfile

import pytest

from tests.builders.house import House
from tests.builders.people import add_person, seed_admin
from tests.builders.telemetry_house import (
    complete,
    declare,
    figures,
    put,
    run_usage,
    serve,
    tables,
    upload,
    upload_form,
)
from tests.builders.transcripts import Transcript

pytestmark = pytest.mark.slow

A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
B = "77777777-0002-4f00-9a00-00000000bbbb"
C = "88888888-0003-4f00-9a00-00000000cccc"


def work(session: str) -> bytes:
    t = Transcript(session, rng=random.Random(session))  # a session of its own, no fork
    t.prompt("Forecast")
    t.result(t.use("Skill", skill="finops:forecast"), "Launching")
    return t.body()


@pytest.fixture
def house(tmp_path):
    with House(tmp_path) as house:
        serve(house, "finops")
        yield house


@pytest.fixture
def admin(house):
    return seed_admin(house)


@pytest.fixture
def mira(house, admin):
    return add_person(house, admin, "mira@example.com")


def audited(house) -> list[tuple[str, str]]:
    with house.state.read("telemetry") as db:
        return db.execute("SELECT action, resource FROM telemetry.audit ORDER BY ALL").fetchall()


def invocations(house) -> int:
    return figures(house).get(("finops", "plugin", "finops"), {}).get("invocations_30d", 0)


def stored(house, session: str) -> list[str]:
    return [entry.key for entry in house.store.list("") if session in entry.key]


def test_agents_of_workflows_are_counted_handed_out_and_redacted(house, admin, mira):
    """Two of the same name in two folders; nothing of them stays."""
    upload(house, mira, A, codecs.BOM_UTF8 + work(A))
    agents = {}
    for number, folder in enumerate(("wf_1", "wf_2"), 1):
        t = Transcript(A, agent_id="w1", rng=random.Random(number))
        t.use("Bash", command="ls", tokens=(1000 * number, 1, 0, 0))
        agents[f"workflows.{folder}.w1"] = t.body()
    for agent_id, body in agents.items():
        upload(house, mira, A, body, agent_id=agent_id)
    run_usage(house, admin)
    with house.state.read("telemetry") as db:
        [tokens] = db.execute("SELECT input_tokens FROM telemetry.sessions WHERE session_id = ?", [A]).fetchone()
    assert tokens == 3000 + 10  # that of the main file's one call
    download = f"/api/admin/sessions/{mira.id}/{A}/download"
    for agent_id, body in agents.items():
        answer = house.get(f"{download}?agent_id={agent_id}", token=admin.token)
        assert (answer.body, answer.headers["content-disposition"]) == (body, 'attachment; filename="agent-w1.jsonl"')
    assert house.get(f"{download}?agent_id=workflows..w1", token=admin.token).status == 400
    archive = house.get(f"/api/admin/users/{mira.id}/sessions/download-all", token=admin.token)
    with zipfile.ZipFile(io.BytesIO(archive.body)) as members:
        below = f"{A}/subagents/workflows"
        assert sorted(members.namelist()) == [
            f"{A}.jsonl",
            f"{below}/wf_1/agent-w1.jsonl",
            f"{below}/wf_2/agent-w1.jsonl",
        ]
    page = house.get(f"/api/admin/sessions/{mira.id}/{A}/transcript?limit=2", token=admin.token).json()
    shown = page["events"]
    while page["next_cursor"]:
        path = f"/api/admin/sessions/{mira.id}/{A}/transcript?limit=2&cursor={page['next_cursor']}"
        page = house.get(path, token=admin.token).json()
        shown += page["events"]
    assert {event["agent_id"] for event in shown} == {None, *agents}
    answer = house.delete(f"/api/admin/usage/sessions/{mira.id}/{A}", token=admin.token)
    assert (answer.status, stored(house, A)) == (200, [])


@pytest.mark.parametrize("prefix", ["usage", "telemetry"])
def test_an_admin_redacts_a_session_from_everything(house, admin, mira, prefix):
    upload(house, mira, A, work(A))
    upload(house, mira, A, work(A), agent_id="a1")
    upload(house, mira, B, work(B))
    run_usage(house, admin)
    assert invocations(house) == 2
    answer = house.delete(f"/api/admin/{prefix}/sessions/{mira.id}/{A}", token=admin.token)
    assert answer.status == 200, answer.text
    assert answer.json() == {"user_id": mira.id, "sessions": [A], "objects_removed": 2, "derived": "removed"}
    assert invocations(house) == 1
    assert stored(house, A) == []
    assert A not in json.dumps(tables(house))
    assert ("session.redact", f"session:{mira.id}/{A}") in audited(house)


def test_a_late_or_repeated_upload_is_refused_for_ever(house, admin, mira):
    import zstandard

    body = zstandard.compress(work(A))
    late = declare(house, mira, A, body).json()
    put(house, late, body)
    house.delete(f"/api/me/sessions/{A}", token=mira.token)
    put(house, late, body)  # the URL that was given before is still good
    for answer in (
        complete(house, mira, late["upload_id"]),
        declare(house, mira, A, body),
        upload_form(house, mira, A, work(A)),
    ):
        assert (answer.status, answer.json()["code"]) == (410, "session_redacted")
        assert A in answer.json()["message"]
    run_usage(house, admin)
    assert stored(house, A) == []
    assert invocations(house) == 0


def test_another_persons_session_of_the_same_id_stays(house, admin, mira):
    upload(house, admin, A, work(A))
    upload(house, mira, A, work(A))
    run_usage(house, admin)
    assert house.delete(f"/api/me/sessions/{A}", token=mira.token).status == 200
    assert invocations(house) == 1
    assert stored(house, A) == [f"sessions/{admin.id}/{A}/main.jsonl.zst"]


def test_all_of_a_person(house, admin, mira):
    for session in (A, B, C):
        upload(house, mira, session, work(session))
    upload(house, admin, A, work(A))
    run_usage(house, admin)
    upload(house, mira, A, work(A) + work(A))  # not extracted yet
    answer = house.delete(f"/api/admin/usage/sessions/{mira.id}", token=admin.token).json()
    assert (answer["sessions"], answer["objects_removed"], answer["derived"]) == ([A, B, C], 3, "removed")
    run_usage(house, admin)
    assert invocations(house) == 1
    assert not list(house.store.list(f"sessions/{mira.id}/"))
    # One that was never sent, but began before: refused. One that begins now: taken.
    old = upload_form(house, mira, "99999999-0004-4f00-9a00-00000000dddd", work(A))
    assert (old.status, old.json()["code"]) == (410, "session_redacted")
    new = work(A).replace(b'"timestamp":"20', b'"timestamp":"21')
    assert upload_form(house, mira, "99999999-0005-4f00-9a00-00000000eeee", new).status == 200
    assert ("user.redact_sessions", f"user:{mira.id}") in audited(house)


def test_who_may(house, admin, mira):
    upload(house, admin, A, work(A))
    for path in (f"/api/admin/usage/sessions/{admin.id}/{A}", f"/api/admin/usage/sessions/{admin.id}"):
        assert house.delete(path, token=mira.token).status == 403
        assert house.delete(path).status == 401
    assert house.delete(f"/api/me/sessions/{A}").status == 401
    assert house.delete(f"/api/me/sessions/{A}", token=mira.token).status == 200  # hers, of which there is none
    assert stored(house, A) == [f"sessions/{admin.id}/{A}/main.jsonl.zst"]


def test_ids_that_are_none(house, admin):
    for path in ("/api/me/sessions/x", f"/api/admin/usage/sessions/..%2F..%2Fx/{A}"):
        assert house.delete(path, token=admin.token).status in (400, 404)
