"""An operator has a scheduled job run, dry and in earnest, in a process or function of its own; the audit says who and what became of it."""

from __future__ import annotations

import time

from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.target import Target

JOB = "/api/admin/run/telemetry.sweep"


def ended(house: Target, run_id: str) -> dict:
    until = time.monotonic() + PATIENCE_SECONDS
    while (run := house.admin().get(f"{JOB}?run_id={run_id}", expect=200).json())["status"] == "pending":
        assert time.monotonic() < until, run
        time.sleep(0.3)
    return run


def run_twice(house: Target) -> dict[str, bool]:
    asked = {}
    for dry_run in (True, False):
        started = house.admin().post(f"{JOB}?dry_run={str(dry_run).lower()}", expect=202).json()
        run = ended(house, started["run_id"])
        assert (run["status"], run["dry_run"], run["error"]) == ("done", dry_run, None)
        asked[started["run_id"]] = dry_run
    return asked


def test_a_job_runs_when_asked(house: Target):
    assert len(run_twice(house)) == 2


def test_the_audit_has_who_asked_and_what_became_of_it(house: Target):
    asked = run_twice(house)
    found = house.admin().get("/api/admin/activity?action_prefix=job.ran&since_minutes=10", expect=200).json()["rows"]
    told = {row["params"]["run_id"]: row for row in found if row["params"]["run_id"] in asked}
    assert {run_id: row["params"]["dry_run"] for run_id, row in told.items()} == asked
    assert {(row["user_email"], row["resource"], row["result"]) for row in told.values()} == {
        (house.admin_email, "job:telemetry.sweep", "ok")
    }
