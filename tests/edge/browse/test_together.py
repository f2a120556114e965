"""Used together: from uploaded sessions to the page, and what the page does not say."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from agnes.trees import service as trees
from agnes.trees.model import TreeFile
from tests.builders.house import House
from tests.builders.people import Person, add_person, seed_admin
from tests.builders.telemetry_house import run_usage, serve, upload
from tests.builders.transcripts import Transcript

pytestmark = pytest.mark.slow

PLUGINS = ("finops", "chartkit", "deploys", "secret")
SESSIONS = [
    *[("finops", "chartkit")] * 4,
    *[("finops", "deploys", "secret")] * 3,
    *[("finops",)] * 1,
    *[("chartkit", "deploys")] * 2,
]
"""Finops: chartkit 4 of 10 that used either, secret 3 of 8, deploys 3 of 10."""


def name(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


@dataclass
class Used:
    house: House
    admin: Person
    mira: Person
    everyone: dict[str, str]

    def together(self, plugin: str, who: Person | None = None) -> list[tuple[str, int]]:
        answer = self.house.get(f"/api/marketplace/curated/acme/{plugin}", token=(who or self.mira).token)
        assert answer.status == 200, answer.text
        return [(other["name"], other["sessions_30d"]) for other in answer.json()["used_together_with"]]


def grant(house: House, admin: Person, plugin: str, group: str) -> None:
    wish = {"group_id": group, "resource_type": "marketplace_plugin", "resource_id": f"acme/{plugin}"}
    answer = house.post("/api/admin/grants", token=admin.token, json_body=wish)
    assert answer.status in (200, 201), answer.text


@pytest.fixture
def used(tmp_path):
    with House(tmp_path) as house:
        serve(house, *PLUGINS, items=tuple((plugin, "skill", "go") for plugin in PLUGINS))
        tree = trees.put(house.store, [TreeFile("README.md", b"# Small", executable=False)])
        house.state.commit(
            "marketplace", lambda tx: tx.db.execute("UPDATE marketplace.plugins SET tree_id = ?", [tree.id])
        )
        admin = seed_admin(house)
        mira = add_person(house, admin, "mira@example.com")
        with house.state.read("people") as db:
            groups = dict(db.execute("SELECT name, id FROM people.groups").fetchall())
        for plugin in PLUGINS[:3]:
            grant(house, admin, plugin, groups["Everyone"])
        for number, plugins in enumerate(SESSIONS):
            t = Transcript(name(number), at=datetime(2026, 11, 20, 8, tzinfo=UTC), rng=random.Random(number))
            t.prompt("Go")
            for plugin in plugins:
                t.result(t.use("Skill", skill=f"{plugin}:go"), "ok")
            upload(house, mira, name(number), t.body())
        run_usage(house, admin)
        yield Used(house, admin, mira, groups)
        house.state.close()


def test_the_likest_first_and_only_what_the_person_may_see(used):
    assert used.together("finops") == [("chartkit", 4), ("deploys", 3)]
    assert used.together("chartkit") == [("finops", 4)]  # with deploys in two sessions only
    grant(used.house, used.admin, "secret", used.everyone["Everyone"])
    assert used.together("finops") == [("chartkit", 4), ("secret", 3), ("deploys", 3)]
    page = used.house.get("/marketplace/curated/acme/finops", cookie=f"access_token={used.mira.token}").text
    assert "Used together with" in page
    assert "In 4 sessions of the last 30 days" in page
    assert "Often in the same stack" not in page


def test_a_redacted_session_leaves(used):
    for number in (0, 1):
        gone = used.house.delete(f"/api/admin/usage/sessions/{used.mira.id}/{name(number)}", token=used.admin.token)
        assert gone.status == 200, gone.text
    run_usage(used.house, used.admin)
    assert used.together("finops") == [("deploys", 3)]
    assert used.together("chartkit") == []
    page = used.house.get("/marketplace/curated/acme/chartkit", cookie=f"access_token={used.mira.token}").text
    assert "Used together with" not in page


def test_rollups_name_no_session(used):
    bodies = [used.house.store.read(e.key).body for e in used.house.store.list("telemetry/rollups/use_daily/")]
    assert bodies
    assert not any(name(number).encode() in body for body in bodies for number in range(len(SESSIONS)))
