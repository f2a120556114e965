from __future__ import annotations

import importlib
import json

import pytest

from agnes.telemetry import keys
from agnes.telemetry.claim import claimed
from tests.builders.house import House
from tests.builders.people import add_person, seed_admin
from tests.builders.telemetry_house import run_usage, upload

pytestmark = pytest.mark.slow

PATH = "/api/admin/run-session-processor"
OPERATOR = "o" * 32
SESSION = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
BODY = b'{"type":"user","uuid":"u1","message":{"role":"user","content":"Hello"}}\n'


@pytest.fixture
def house(tmp_path):
    with House(tmp_path, environ={"SCHEDULER_API_TOKEN": OPERATOR}) as house:
        yield house


def test_who_may_run_it(house):
    admin = seed_admin(house)
    mira = add_person(house, admin, "mira@example.com")
    assert house.post(f"{PATH}?processor=usage").status == 401
    assert house.post(f"{PATH}?processor=usage", token=mira.token).status == 403
    for token in (admin.token, OPERATOR):
        answer = house.post(f"{PATH}?processor=usage", token=token)
        assert (answer.status, answer.json()["ok"]) == (200, True)


def test_an_unknown_processor(house):
    answer = house.post(f"{PATH}?processor=nonsense", token=OPERATOR)
    assert (answer.status, answer.json()["code"]) == (400, "unknown_processor")
    assert house.post(PATH, token=OPERATOR).status == 422


def test_while_another_run_is_busy(house):
    admin = seed_admin(house)
    upload(house, admin, SESSION, BODY)
    with claimed(house.store, keys.CLAIM, house.clock):
        answer = house.post(f"{PATH}?processor=usage", token=OPERATOR)
        assert (answer.status, answer.json()["code"]) == (409, "extraction_busy")
    assert run_usage(house, admin)["sessions"] == 1


def test_the_schedule_does_the_same_and_leaves_its_heartbeat(house):
    admin = seed_admin(house)
    upload(house, admin, SESSION, BODY)
    run = importlib.import_module("functions.telemetry.cron_extract_usage.app").run
    assert run({"dry_run": True}, None)["report"]["left"] == 1
    assert len(list(house.store.list("inbox/"))) == 1
    assert run({}, None)["report"]["sessions"] == 1
    beat = json.loads(house.store.read("jobs/telemetry.extract/last.json").body)
    assert (beat["ok"], beat["report"]["files"]) == (True, 1)
