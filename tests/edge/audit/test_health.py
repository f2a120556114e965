"""System health and its page, from what jobs and people have really left behind."""

from __future__ import annotations

import importlib
import json

import pytest

from agnes.edge.job import Tick, run_job
from agnes.health import installation
from agnes.kernel.errors import ConflictError, UnavailableError
from agnes.kernel.ports import ANYTHING
from agnes.ops import jobs
from agnes.outside.dead_letters import FolderDeadLetters
from infra import compose
from tests.builders.acme_team import code
from tests.builders.house import House
from tests.builders.people import add_person, seed_admin
from tests.builders.telemetry_house import upload_form

pytestmark = pytest.mark.slow

HEALTH = "/api/admin/activity/health"
SESSION = "5d2c8a10-0001-4f00-9a00-00000000aaaa"


@pytest.fixture(scope="module", autouse=True)
def built():
    compose.write_openapi(compose.compose())


@pytest.fixture
def house(tmp_path):
    with House(tmp_path) as house:
        yield house


def field(house: House, ada, key: str) -> dict:
    house.clock.sleep(31)
    found = house.get(HEALTH, token=ada.token).json()
    return next(each for each in found["fields"] if each["key"] == key)


def test_every_schedule_of_infra_has_a_field(house):
    ada = seed_admin(house)
    found = house.get(HEALTH, token=ada.token).json()
    keys = {each["key"] for each in found["fields"]}
    assert {f"schedule.{job.name}" for job in jobs.scheduled()} <= keys
    assert {"scheduler", "sync_24h", "active_users_today", "diagnose_warnings"} <= keys
    assert found["status"] == "yellow"
    assert all(set(each) == {"key", "label", "value", "raw", "color", "advice", "help_url"} for each in found["fields"])


def test_the_last_success_outlives_failures(house):
    ada, name = seed_admin(house), "telemetry.extract"

    def good(_tick):
        return {}

    def bad(_tick):
        raise UnavailableError("the bucket is gone")

    def busy(_tick):
        raise ConflictError("another run is at it")

    run_job(name, good, Tick(house.clock.now()))
    succeeded_at = house.clock.now()
    for run in (bad, bad, busy):
        house.clock.sleep(200)
        with pytest.raises((UnavailableError, ConflictError)):
            run_job(name, run, Tick(house.clock.now()))
    found = installation.runs(house.store, house.clock.now())
    assert (found.jobs[name].last_success_at, len(found.failed[name])) == (succeeded_at, 2)
    with pytest.raises(UnavailableError):
        run_job(name, bad, Tick(house.clock.now()))
    shown = field(house, ada, f"schedule.{name}")
    assert (shown["color"], shown["raw"]) == ("yellow", 631)
    assert "the bucket is gone" in shown["advice"]
    assert field(house, ada, "failed_runs_24h")["raw"] == 3
    with pytest.raises(UnavailableError):
        run_job(name, bad, Tick(house.clock.now(), dry_run=True))
    run_job(name, good, Tick(house.clock.now()))
    assert field(house, ada, f"schedule.{name}")["color"] == "green"
    assert field(house, ada, "failed_runs_24h")["raw"] == 3
    house.clock.sleep(15 * 86400)
    ran = importlib.import_module("functions.ops.cron_prune_state.app").run({}, None)
    assert ran["report"]["failed_runs"] == 3
    assert installation.runs(house.store, house.clock.now()).failed == {}


def test_what_waits_and_who_was_here(house):
    ada = seed_admin(house)
    bob = add_person(house, ada, "bob@example.com")
    assert upload_form(house, bob, SESSION, b'{"type":"user"}\n').status in (200, 201)
    house.clock.sleep(45 * 60)
    assert (field(house, ada, "inbox")["raw"], field(house, ada, "oldest_unprocessed")["color"]) == (1, "red")
    assert field(house, ada, "active_users_today")["raw"] == 2


def test_it_is_looked_at_once_in_thirty_seconds(house):
    ada = seed_admin(house)
    first = house.get(HEALTH, token=ada.token).json()
    house.clock.sleep(29)
    assert house.get(HEALTH, token=ada.token).json() == first
    house.clock.sleep(2)
    again = house.get(HEALTH, token=ada.token).json()
    assert again["at"] != first["at"]
    # What another process found is in the store.
    kept = json.loads(house.store.read("health/activity.json").body)
    assert kept | {"sha256": ""} == again | {"sha256": ""}


def test_dead_letters_are_counted(tmp_path):
    letters = FolderDeadLetters(tmp_path)
    assert letters.count(["q"]) == {"failed-runs": 0, "q": 0}
    for place in ("failed-runs/a.json", "failed-runs/b.json", "queues/q/failed/01.5"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("{}")
    assert letters.count(["q"]) == {"failed-runs": 2, "q": 1}


def test_only_admins_see_it(house):
    bob = add_person(house, seed_admin(house), "bob@example.com")
    assert code(house.get(HEALTH, token=bob.token), 403) == "admin_only"
    assert house.get("/admin/activity", token=bob.token).status == 403
    assert house.get("/admin/activity").status == 302


def test_the_page_shows_the_pulse_and_the_lines(house):
    ada = seed_admin(house)
    house.post("/api/admin/groups", token=ada.token, json_body={"name": "<b>Böb & Co</b>", "description": ""})
    text = house.get("/admin/activity", token=ada.token).text
    assert "Agnes is running, but something needs attention." in text
    assert "user_group.created" in text
    assert "&lt;b&gt;Böb &amp; Co&lt;/b&gt;" in text
    assert "<b>Böb" not in text
    blank = house.get(
        "/admin/activity?since_minutes=60&user_id=&action_prefix=&resource=&result_pattern=&q=", token=ada.token
    )
    assert blank.status == 200
    assert "Nothing fits these filters" in house.get("/admin/activity?q=nowhere", token=ada.token).text
    assert house.get("/admin/activity?since_minutes=0", token=ada.token).status == 422


def test_older_lines_follow_by_the_link(house):
    ada = seed_admin(house)
    for number in range(5):
        house.clock.sleep(1)
        house.post("/api/admin/groups", token=ada.token, json_body={"name": f"Group {number}", "description": ""})
    path, seen = "/admin/activity?limit=2&action_prefix=user_group.", []
    while path:
        text = house.get(path, token=ada.token).text
        seen += [number for number in range(5) if f"Group {number}&#34;" in text]
        links = [part.partition('"')[0] for part in text.split('rel="next" href="')[1:]]
        path = links[0].replace("&amp;", "&") if links else ""
    assert sorted(seen) == [0, 1, 2, 3, 4]


def test_damage_has_a_page_that_says_what_to_do(house):
    ada = seed_admin(house)
    mira = add_person(house, ada, "mira@example.com")
    house.store.write("damage/trees/%s.json" % ("0" * 64), b"{}", expect=ANYTHING)
    health = house.get(HEALTH, token=ada.token).json()
    (found,) = [field for field in health["fields"] if field["help_url"]]
    assert (found["key"], found["color"]) == ("plugin_files", "red")
    assert f'href="{found["help_url"]}"' in house.get("/admin/activity", cookie=ada.cookie).text
    page = house.get(found["help_url"], cookie=ada.cookie)
    assert page.status == 200
    assert "<table>" in page.text
    assert "agnes-local state check" in page.text
    assert house.get(found["help_url"], cookie=mira.cookie).status == 403
