"""Upload, tick, figures: the path that everything else of telemetry hangs on."""

from __future__ import annotations

import pytest

from tests.builders.house import House
from tests.builders.people import add_person, seed_admin
from tests.builders.telemetry_house import figures, run_usage, serve, tables, upload, upload_form
from tests.builders.transcripts import Transcript

pytestmark = pytest.mark.slow

SESSION = "5d2c8a10-0001-4f00-9a00-00000000aaaa"


@pytest.fixture
def house(tmp_path):
    with House(tmp_path) as house:
        yield house


def day_of_work() -> Transcript:
    t = Transcript(SESSION)
    t.prompt("Forecast Q3")
    t.result(t.use("Skill", skill="finops:forecast"), "Launching skill: finops:forecast")
    under = {"attributionSkill": "finops:forecast", "attributionPlugin": "finops"}
    t.result(t.use("Bash", command="false", attribution=under, tokens=(1, 2, 3, 4)), "Exit code 1", is_error=True)
    t.result(t.use("Agent", subagent_type="finops:auditor", tokens=(5, 6, 7, 8)), "Fine")
    return t


def test_a_pushed_session_reaches_the_figures(house):
    admin = seed_admin(house)
    mira = add_person(house, admin, "mira@example.com")
    serve(house, "finops", items=(("finops", "skill", "forecast"), ("finops", "agent", "auditor")))
    done = upload(house, mira, SESSION, day_of_work().body())
    assert done == {"status": "stored", "session_id": SESSION, "agent_id": None, "size": len(day_of_work().body())}
    report = run_usage(house, admin)
    assert (report["sessions"], report["skipped_lines"], report["left"]) == (1, 0, 0)
    found = figures(house)
    plugin = found["finops", "plugin", "finops"]
    assert (plugin["source"], plugin["marketplace_id"]) == ("curated", "acme")
    assert (plugin["invocations_30d"], plugin["distinct_users_30d"], plugin["errors_30d"]) == (2, 1, 0)
    assert plugin["tokens_30d"] == 1 + 2 + 3 + 4
    assert found["finops", "skill", "forecast"]["invocations_30d"] == 1
    assert found["finops", "agent", "auditor"]["invocations_30d"] == 1
    assert plugin["trend_pct"] is None


def test_the_same_upload_again_changes_nothing(house):
    admin = seed_admin(house)
    serve(house, "finops")
    body = day_of_work().body()
    assert upload(house, admin, SESSION, body)["status"] == "stored"
    run_usage(house, admin)
    before = tables(house)
    assert upload(house, admin, SESSION, body)["status"] == "unchanged"
    assert upload_form(house, admin, SESSION, body).json()["status"] == "unchanged"
    report = run_usage(house, admin)
    assert (report["notes"], report["sessions"], report["unchanged"]) == (2, 0, 1)
    assert tables(house) == before
