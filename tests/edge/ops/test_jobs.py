"""Listing the scheduled jobs, and having one run now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from agnes import wiring
from agnes.kernel.ports import ANYTHING
from agnes.telemetry import keys
from agnes.telemetry.claim import claimed
from infra import compose
from tests.builders.house import House
from tests.builders.people import add_person, seed_admin

OPERATOR = "o" * 32
RUN = "/api/admin/run"


@pytest.fixture(scope="module", autouse=True)
def built() -> list[str]:
    composition = compose.compose()
    compose.write_openapi(composition)
    return [job["name"] for job in composition.jobs]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    environ = {"SCHEDULER_API_TOKEN": OPERATOR, "SCHEDULER_USAGE_PROCESSOR_INTERVAL": "rate(20 minutes)"}
    with House(tmp_path, environ=environ) as house:
        yield house


def listed(house: House) -> dict[str, dict]:
    return {job["name"]: job for job in house.get(RUN, token=OPERATOR).json()}


def test_every_job_is_listed_with_its_schedule_and_runs_when_asked(house, built):
    before = listed(house)
    assert list(before) == built
    extract = before["telemetry.extract"]
    assert (extract["every_seconds"], extract["setting"]) == (1200, "SCHEDULER_USAGE_PROCESSOR_INTERVAL")
    assert (extract["last"], extract["next_due"]) == (None, house.clock.now().isoformat().replace("+00:00", "Z"))
    assert before["ops.prune_state"]["next_due"].startswith("2026-11-24T03:30:00")
    seed_admin(house)
    for name in built:
        for dry_run in (True, False):
            started = house.post(f"{RUN}/{name}?dry_run={str(dry_run).lower()}", token=OPERATOR)
            assert started.status == 202, started.text
            run = house.get(f"{RUN}/{name}?run_id={started.json()['run_id']}", token=OPERATOR).json()
            assert (run["status"], run["dry_run"], run["error"]) == ("done", dry_run, None), (name, run)
    after = listed(house)
    assert all(job["last"]["ok"] for job in after.values())
    assert after["telemetry.extract"]["next_due"] > (house.clock.now() + timedelta(minutes=19)).isoformat()


def test_a_dry_run_is_no_heartbeat(house):
    started = house.post(f"{RUN}/telemetry.collect?dry_run=true", token=OPERATOR).json()
    assert listed(house)["telemetry.collect"]["last"] is None
    assert house.get(f"{RUN}/telemetry.collect", token=OPERATOR).json()["status"] == "pending"
    assert house.get(f"{RUN}/telemetry.collect?run_id={started['run_id']}", token=OPERATOR).json()["dry_run"] is True
    assert house.get(f"{RUN}/telemetry.collect?run_id=other", token=OPERATOR).json()["status"] == "pending"


def test_an_unknown_job_names_those_that_exist(house, built):
    for method in ("GET", "POST"):
        answer = house.call(method, f"{RUN}/telemetry.nonsense", token=OPERATOR)
        assert (answer.status, answer.json()["code"], answer.json()["jobs"]) == (404, "unknown_job", built)


def test_who_may(house):
    mira = add_person(house, seed_admin(house), "mira@example.com")
    for method, path in (("GET", RUN), ("GET", f"{RUN}/telemetry.collect"), ("POST", f"{RUN}/telemetry.collect")):
        assert house.call(method, path, token=mira.token).status == 403
        assert house.call(method, path).status == 401


def test_a_job_that_fails_says_so(house):
    admin = seed_admin(house)
    house.store.write("inbox/01.json", b"{}", expect=ANYTHING)
    with claimed(house.store, keys.CLAIM, house.clock):
        run_id = house.post(f"{RUN}/telemetry.extract", token=admin.token).json()["run_id"]
    run = house.get(f"{RUN}/telemetry.extract?run_id={run_id}", token=admin.token).json()
    assert (run["status"], "has the inbox (held by " in run["error"]) == ("failed", True)
    assert listed(house)["telemetry.extract"]["last"]["ok"] is False
    (line,) = ran(house, "job_ran")
    assert (line["user_id"], line["resource"], line["result"]) == (
        admin.id,
        "job:telemetry.extract",
        "error.extraction_busy",
    )
    assert (line["params"]["run_id"], line["params"]["dry_run"]) == (run_id, False)
    assert "has the inbox" in line["params"]["error"]
    again = house.post("/api/admin/run-session-processor?processor=usage", token=admin.token)
    assert again.status == 200, again.text
    house.post("/api/admin/run-session-collector?dry_run=true", token=admin.token)
    line = next(line for line in ran(house, "job_ran") if line["resource"] == "job:telemetry.collect")
    assert (line["email"], line["result"], line["params"]["dry_run"]) == (admin.email, "ok", True)
    assert line["params"]["stats"]["failed"] == 0
    (line,) = ran(house, "run_session_processor_usage")
    assert (line["user_id"], line["result"], line["params"]["stats"]["sessions"]) == (admin.id, "ok", 0)


def ran(house: House, action: str) -> list[dict]:
    return [json.loads(house.store.read(entry.key).body) for entry in house.store.list(f"audit/{action}/")]


def test_a_schedule_is_no_line_of_the_audit_and_an_operator_is(house):
    wiring.jobs().start("telemetry-cron_extract_usage", {})
    assert ran(house, "job_ran") == []
    started = house.post(f"{RUN}/telemetry.extract?dry_run=true", token=OPERATOR).json()
    (line,) = ran(house, "job_ran")
    assert (line["params"]["run_id"], line["params"]["dry_run"], line["result"]) == (started["run_id"], True, "ok")
    assert line["client_kind"] == "scheduler"
