"""Old transcripts go, what was counted of them stays, and nothing brings them back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders.drop_places import folder_place
from tests.builders.house import House
from tests.builders.people import seed_admin
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
B = "5d2c8a10-0001-4f00-9a00-00000000bbbb"
C = "5d2c8a10-0001-4f00-9a00-00000000cccc"
DAY = 86400
OPERATOR = "o" * 32


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    environ = {
        "USAGE_TRANSCRIPTS_RETENTION_DAYS": "30",
        "SCHEDULER_API_TOKEN": OPERATOR,
        "AGNES_COLLECT_ALLOW": "folder",
    }
    with House(tmp_path, environ=environ) as house:
        serve(house, "finops")
        yield house


def body(session: str, uses: int = 1) -> bytes:
    transcript = Transcript(session)
    for _ in range(uses):
        transcript.use("Skill", skill="finops:forecast")
    return transcript.body()


def prune(house: House, *, dry_run: bool = False) -> dict[str, Any]:
    answer = house.post(f"/api/admin/usage/prune?dry_run={str(dry_run).lower()}", token=OPERATOR)
    assert answer.status == 200, answer.text
    return answer.json()["transcripts"]


def stored(house: House) -> list[str]:
    return [entry.key for prefix in ("sessions/", "quarantine/") for entry in house.store.list(prefix)]


def test_the_text_goes_and_the_figures_stay(house):
    admin = seed_admin(house)
    upload(house, admin, A, body(A))
    upload(house, admin, A, body(A), agent_id="abc")
    upload(house, admin, B, b"{\n")  # quarantined
    run_usage(house, admin)
    before, counted = tables(house), figures(house)
    assert len(stored(house)) == 4
    assert prune(house)["sessions"] == 0
    house.clock.sleep(31 * DAY)
    admin = _again(house)
    planned = prune(house, dry_run=True)
    assert (planned["status"], planned["sessions"], planned["objects"], len(stored(house))) == ("pruned", 2, 4, 4)
    assert prune(house) == planned
    assert stored(house) == []
    assert prune(house)["objects"] == 0
    run_usage(house, admin)
    assert tables(house)["sessions"] == before["sessions"]
    # Everything is extracted again: what has no transcript is left as it was.
    assert house.post("/api/admin/usage/reprocess", token=admin.token).status == 200
    house.clock.sleep(1)
    report = run_usage(house, admin)
    assert (report["kept"], report["sessions"]) == (2, 0)
    assert tables(house)["sessions"] == before["sessions"]
    assert counted
    with house.state.read("telemetry") as db:
        assert db.execute("SELECT sum(events) FROM telemetry.batches").fetchone()[0] > 0
        assert db.execute(
            "SELECT count(*) FROM telemetry.audit WHERE action = 'usage.prune_transcripts'"
        ).fetchone() == (1,)


def _again(house: House) -> Any:
    """The admin with a session that has not expired."""
    from tests.builders.people import PASSWORD, Person

    token = house.login("ada@example.com", PASSWORD)
    return Person(house.get("/api/me", token=token).json()["user_id"], "ada@example.com", token)


def test_nothing_brings_them_back(house, tmp_path):
    admin = seed_admin(house)
    import zstandard

    drop = folder_place(tmp_path / "homes")
    drop.put(f"{admin.email}/{A}.jsonl", body(A))
    wish = drop.wish("homes", "{user}/*.jsonl")
    assert house.post("/api/admin/usage/locations", token=admin.token, json_body=wish).status == 201
    house.post("/api/admin/run-session-collector", token=OPERATOR)
    run_usage(house, admin)
    packed = zstandard.compress(body(A, 2))
    wished = declare(house, admin, A, packed).json()
    put(house, wished, packed)
    house.clock.sleep(31 * DAY)
    admin = _again(house)
    before = tables(house)["sessions"]
    assert prune(house)["sessions"] == 1
    for grown in (1, 2, 3):
        answer = upload_form(house, admin, A, body(A, grown))
        assert (answer.status, answer.json()["code"]) == (410, "session_pruned")
        answer = declare(house, admin, A, zstandard.compress(body(A, grown)))
        assert (answer.status, answer.json()["code"]) == (410, "session_pruned")
        drop.put(f"{admin.email}/{A}.jsonl", body(A, grown + 1))
        details = house.post("/api/admin/run-session-collector", token=OPERATOR).json()["details"]
        assert details["locations"]["homes"]["refused"] == {"session_pruned": 1}
    assert complete(house, admin, wished["upload_id"]).json()["code"] == "session_pruned"
    # A note that was late says nothing, either.
    note = f'{{"user_id":"{admin.id}","session_id":"{A}","file":"main"}}'.encode()
    from agnes.kernel.ports import ANYTHING

    house.store.write("inbox/01hzzzzzzzzzzzzzzzzzzzzzzz.json", note, expect=ANYTHING)
    run_usage(house, admin)
    assert list(house.store.list("inbox/")) == []
    assert tables(house)["sessions"] == before
    assert stored(house) == []


def test_what_is_not_extracted_yet_waits(house):
    admin = seed_admin(house)
    upload(house, admin, A, body(A))
    house.clock.sleep(31 * DAY)
    assert (prune(house)["sessions"], len(stored(house))) == (0, 1)
    admin = _again(house)
    assert run_usage(house, admin)["sessions"] == 1
    assert (prune(house)["sessions"], stored(house)) == (1, [])


def test_a_redacted_session_is_still_a_redacted_one(house):
    admin = seed_admin(house)
    upload(house, admin, A, body(A))
    run_usage(house, admin)
    house.clock.sleep(31 * DAY)
    admin = _again(house)
    assert prune(house)["sessions"] == 1
    house.delete(f"/api/admin/usage/sessions/{admin.id}/{A}", token=admin.token)
    assert tables(house)["sessions"] == []
    assert upload_form(house, admin, A, body(A)).json()["code"] == "session_redacted"
    assert upload_form(house, admin, C, body(C)).status == 200
