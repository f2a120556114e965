"""Quotas as people and admins meet them."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID

import zstandard

from agnes.kernel.ports import ANYTHING
from tests.builders.house import START, House
from tests.builders.people import add_person, seed_admin, sign_in
from tests.builders.telemetry_house import complete, declare, put, upload, upload_form
from tests.builders.transcripts import Transcript

IDS = [str(UUID(int=number * 16**20)) for number in range(1, 9)]


def talk(session_id: str) -> bytes:
    t = Transcript(session_id)
    t.prompt("Forecast Q3")
    return t.body()


def test_a_day_over_its_limit_says_until_when_and_what_to_do(tmp_path):
    with House(tmp_path, environ={"QUOTA_DAY_SESSIONS": "2"}) as house:
        admin = seed_admin(house)
        mira, noah = (add_person(house, admin, f"{name}@example.com") for name in ("mira", "noah"))
        packed = zstandard.compress(talk(IDS[2]))
        presigned = declare(house, mira, IDS[2], packed).json()
        for session_id in IDS[:2]:
            upload(house, mira, session_id, talk(session_id))
        assert declare(house, mira, IDS[5], packed).status == 429, "before the bytes travel"
        assert declare(house, mira, IDS[1], packed).status == 200, "what is there may grow"
        put(house, presigned, packed)
        refused = complete(house, mira, presigned["upload_id"])
        assert refused.status == 429
        assert refused.json()["code"] == "day_quota_reached"
        assert int(refused.headers["retry-after"]) == 15 * 3600, "it is 09:00"
        assert "agnes push" in refused.json()["hint"]
        assert upload_form(house, mira, IDS[3], talk(IDS[3])).status == 429
        assert not list(house.store.list(f"uploads/{mira.id}/")), "what was sent in vain is not kept"
        upload(house, noah, IDS[4], talk(IDS[4]))  # nobody else is concerned
        held = house.get("/api/me/storage", token=mira.token).json()
        assert (held["sessions"], held["today_sessions"], held["limit_today_sessions"]) == (2, 2, 2)
        assert "Limit reached" in house.get("/me/sessions", cookie=mira.cookie).text
        assert "Limit reached" not in house.get("/me/sessions", cookie=noah.cookie).text
        house.clock.sleep(timedelta(days=1).total_seconds())
        upload(house, sign_in(house, mira.email), IDS[2], talk(IDS[2]))


def test_a_full_storage_has_room_again_when_something_is_removed(tmp_path):
    with House(tmp_path, environ={"QUOTA_TOTAL_BYTES": "600"}) as house:
        admin = seed_admin(house)
        mira = add_person(house, admin, "mira@example.com")
        upload(house, mira, IDS[0], talk(IDS[0]))
        refused = upload_form(house, mira, IDS[1], talk(IDS[1]) * 20 + talk(IDS[1]).swapcase())
        assert (refused.status, refused.json()["code"]) == (413, "storage_full")
        assert "My sessions" in refused.json()["hint"]
        assert house.delete(f"/api/me/sessions/{IDS[0]}", token=mira.token).status == 200
        held = house.get("/api/me/storage", token=mira.token).json()
        assert (held["stored_bytes"], held["sessions"]) == (0, 0)
        upload(house, mira, IDS[2], talk(IDS[2]))


def test_admins_see_everybody(tmp_path):
    with House(tmp_path) as house:
        admin = seed_admin(house)
        mira = add_person(house, admin, "mira@example.com")
        upload(house, mira, IDS[0], talk(IDS[0]))
        listed = house.get("/api/admin/sessions/storage", token=admin.token).json()
        assert listed["total"] == 2
        of = {one["user_email"]: one["storage"] for one in listed["people"]}
        assert of["mira@example.com"]["sessions"] == 1
        assert of["mira@example.com"]["limit_sessions"] == 50_000
        one = house.get(f"/api/admin/users/{mira.id}/storage", token=admin.token).json()
        assert one == of["mira@example.com"]
        shown = house.get(f"/admin/users/{mira.id}", cookie=admin.cookie).text
        assert "Sessions stored" in shown
        assert "of 50,000" in shown
        for path in ("/api/admin/sessions/storage", f"/api/admin/users/{mira.id}/storage"):
            assert house.get(path, token=mira.token).status == 403


def test_deletions_of_what_never_was_are_bounded_and_start_nothing(tmp_path):
    with House(tmp_path) as house:
        admin = seed_admin(house)
        mira = add_person(house, admin, "mira@example.com")
        key = f"tombstones/{mira.id}.json"
        said = {"sessions": {str(UUID(int=number)): START.isoformat() for number in range(199)}, "before": None}
        house.store.write(key, json.dumps(said).encode(), expect=ANYTHING)
        removed = house.delete(f"/api/me/sessions/{IDS[0]}", token=mira.token)
        assert (removed.status, removed.json()["derived"]) == (200, "removed")
        assert not list(house.store.list("inbox/")), "there is nothing for a run to do"
        before = house.store.read(key).body
        assert house.delete(f"/api/me/sessions/{IDS[0]}", token=mira.token).status == 200, "the same again"
        refused = house.delete(f"/api/me/sessions/{IDS[1]}", token=mira.token)
        assert (refused.status, refused.json()["code"]) == (429, "too_many_tombstones")
        assert int(refused.headers["retry-after"]) == 15 * 3600
        assert house.store.read(key).body == before
        assert upload_form(house, mira, IDS[0], talk(IDS[0])).status == 410, "and what was removed ahead stays out"
        upload(house, mira, IDS[2], talk(IDS[2]))
        assert house.delete(f"/api/me/sessions/{IDS[2]}", token=mira.token).status == 200, (
            "what is there can be removed"
        )
