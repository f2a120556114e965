from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from agnes.accounts import service
from agnes.kernel.ports import ANYTHING, TryAgain
from agnes.outside.object_store.memory import MemoryStore
from tests.builders.people import add_person, audit
from tests.unit.state.bank import CountingStore


def make(house, who, **wish):
    return house.post("/auth/tokens", token=who.token, json_body={"name": "laptop", **wish})


def test_a_token_is_shown_once_and_opens_what_its_owner_may_open(house, admin):
    answer = make(house, admin)
    assert answer.status == 201
    made = answer.json()
    assert set(made) == {"id", "name", "prefix", "token", "expires_at", "created_at"}
    assert made["token"].startswith(made["prefix"])
    lifetime = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
    assert lifetime == timedelta(days=90)
    assert house.get("/api/users", token=made["token"]).status == 200
    assert house.get("/api/me", token=made["token"]).json()["via"] == "token"
    listed = house.get(f"/auth/tokens/{made['id']}", token=admin.token)
    assert made["token"] not in listed.text
    assert house.get("/auth/tokens", token=admin.token).json() == [listed.json()]


def test_a_token_without_an_end_never_ends(house, admin):
    made = make(house, admin, expires_in_days=None).json()
    assert made["expires_at"] is None
    house.clock.sleep(timedelta(days=5000).total_seconds())
    assert house.get("/api/me", token=made["token"]).status == 200


def test_a_token_ends_when_it_said(house, admin):
    made = make(house, admin, ttl_seconds=60).json()
    house.clock.sleep(60)
    assert house.get("/api/me", token=made["token"]).json()["code"] == "token_expired"


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"name": "  "}, 400),
        ({"expires_in_days": 0}, 400),
        ({"ttl_seconds": -1}, 400),
        ({"scope": "read-only"}, 422),
        ({"expires": 1}, 422),
        ({"expires_in_days": "soon"}, 422),
    ],
)
def test_wishes_that_make_no_token(house, admin, wish, status):
    assert make(house, admin, **wish).status == status
    assert house.get("/auth/tokens", token=admin.token).json() == []


def test_a_token_makes_no_tokens(house, admin):
    made = make(house, admin).json()
    answer = house.post("/auth/tokens", token=made["token"], json_body={"name": "child"})
    assert (answer.status, answer.json()["code"]) == (403, "interactive_login_required")


def test_a_person_sees_and_revokes_only_their_own(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    theirs = make(house, admin).json()
    assert house.get("/auth/tokens", token=bob.token).json() == []
    assert house.get(f"/auth/tokens/{theirs['id']}", token=bob.token).status == 404
    assert house.delete(f"/auth/tokens/{theirs['id']}", token=bob.token).status == 404
    assert house.get("/api/me", token=theirs["token"]).status == 200


def test_a_revoked_token_is_refused_at_once(house, admin):
    made = make(house, admin).json()
    assert house.delete(f"/auth/tokens/{made['id']}", token=made["token"]).status == 204
    assert house.get("/api/me", token=made["token"]).json()["code"] == "token_revoked"
    assert house.delete(f"/auth/tokens/{made['id']}", token=admin.token).status == 204
    assert house.delete("/auth/tokens/none", token=admin.token).status == 404
    assert [action for action, _, _ in audit(house)][-2:] == ["token.create", "token.revoke"]


def test_admins_see_and_revoke_everybodys(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    made = make(house, bob).json()
    house.get("/api/me", token=made["token"])
    assert house.get("/auth/admin/tokens", token=bob.token).status == 403
    assert house.delete(f"/auth/admin/tokens/{made['id']}", token=bob.token).status == 403
    (listed,) = house.get("/auth/admin/tokens", token=admin.token).json()
    assert (listed["user_id"], listed["user_email"], listed["last_used_ip"]) == (bob.id, bob.email, "192.0.2.7")
    assert house.delete(f"/auth/admin/tokens/{made['id']}", token=admin.token).status == 204
    assert house.get("/api/me", token=made["token"]).json()["code"] == "token_revoked"
    assert audit(house)[-1][0] == "token.admin_revoke"


def test_the_last_use_is_told_without_a_commit_and_at_most_every_five_minutes(house, admin):
    made = make(house, admin).json()
    generation = house.state.generation("people")

    def last_used():
        return house.get(f"/auth/tokens/{made['id']}", token=admin.token).json()["last_used_at"]

    assert last_used() is None
    house.get("/api/me", token=made["token"])
    assert last_used() == "2026-11-23T09:00:00Z"
    house.clock.sleep(3599)
    house.get("/api/me", token=made["token"])
    assert last_used() == "2026-11-23T09:00:00Z"
    house.clock.sleep(1)
    house.get("/api/me", token=made["token"])
    assert last_used() == "2026-11-23T10:00:00Z"
    assert house.state.generation("people") == generation


def test_a_process_that_is_new_looks_at_the_note_before_it_writes_one(house):
    store, key = CountingStore(MemoryStore()), f"{service.USED_PREFIX}01many.json"
    now = house.clock.now()
    for minutes, writes in ((0, 1), (1, 1), (59, 1), (60, 2), (61, 2)):
        service._noted.clear()  # as a new process has it
        service.note_use(store, "01many", ip="192.0.2.7", now=now + timedelta(minutes=minutes))
        assert store.count("write") == writes
    store.write(key, b"damaged", expect=ANYTHING)
    service._noted.clear()
    service.note_use(store, "01many", ip="192.0.2.7", now=now + timedelta(minutes=62))
    assert store.count("write") == 4


def test_a_store_that_is_busy_fails_no_request(house):
    class BusyStore(MemoryStore):
        def write(self, key, *_args, **_kwargs):
            raise TryAgain(key, "busy")

    service.note_use(BusyStore(), "01busy", ip="192.0.2.7", now=house.clock.now())


def test_nobody_keeps_more_than_a_hundred_live_tokens(house, admin):
    with house.state.read("people") as db:
        user_id = db.execute("SELECT id FROM people.users").fetchone()[0]
    now = house.clock.now()

    def fill(tx):
        rows = [[f"t{number}", user_id, "n", f"h{number}", "p", "general", now] for number in range(99)]
        tx.db.executemany("INSERT INTO people.tokens VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)", rows)

    house.state.commit("people", fill)
    hundredth = make(house, admin)
    assert hundredth.status == 201
    assert make(house, admin).json()["code"] == "too_many_tokens"
    house.delete(f"/auth/tokens/{hundredth.json()['id']}", token=admin.token)
    assert make(house, admin).status == 201
