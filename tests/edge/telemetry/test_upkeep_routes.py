"""The doors of pruning and reprocessing."""

from __future__ import annotations

import pytest

from tests.builders.house import House
from tests.builders.people import add_person, seed_admin
from tests.builders.telemetry_house import figures, run_usage, serve, upload
from tests.builders.transcripts import Transcript

pytestmark = pytest.mark.slow

A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"


@pytest.mark.parametrize("prefix", ["usage", "telemetry"])
def test_prune_and_reprocess(tmp_path, prefix):
    with House(tmp_path, environ={"USAGE_EVENTS_RETENTION_DAYS": "2"}) as house:
        serve(house, "finops")
        admin = seed_admin(house)
        t = Transcript(A)
        t.use("Skill", skill="finops:forecast")
        upload(house, admin, A, t.body())
        run_usage(house, admin)
        before = figures(house)
        answer = house.post(f"/api/admin/{prefix}/prune", token=admin.token)
        assert answer.status == 200, answer.text
        said = answer.json()
        assert said.pop("transcripts")["status"] == "skipped"
        assert said == {"status": "pruned", "retention_days": 2, "deleted": 2, "remaining": 0, "reason": None}
        house.clock.sleep(1)
        answer = house.post(f"/api/admin/{prefix}/reprocess", token=admin.token)
        assert answer.json() == {"status": "started", "sessions": 1}
        assert run_usage(house, admin)["sessions"] == 1
        assert figures(house) == before
        answer = house.post(f"/api/admin/{prefix}/backfill", token=admin.token)
        assert answer.json() == {"status": "started", "days": 0, "oldest": None}
        mira = add_person(house, admin, "mira@example.com")
        for path in ("prune", "reprocess", "backfill"):
            assert house.post(f"/api/admin/{prefix}/{path}", token=mira.token).status == 403
            assert house.post(f"/api/admin/{prefix}/{path}").status == 401


def test_for_ever_is_the_default(tmp_path):
    with House(tmp_path) as house:
        admin = seed_admin(house)
        answer = house.post("/api/admin/usage/prune", token=admin.token).json()
        assert (answer["status"], answer["reason"][:28]) == ("skipped", "USAGE_EVENTS_RETENTION_DAYS ")
        assert (answer["deleted"], answer["remaining"]) == (0, 0)
        t = Transcript(A)
        t.prompt("Forecast")
        upload(house, admin, A, t.body())
        run_usage(house, admin)
        assert house.post("/api/admin/usage/prune", token=admin.token).json()["remaining"] == 1
