"""What each scope of a token opens, at every route of every function. `tests/attack` asks the same of a running server."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from agnes.edge import Needs
from infra import discovery
from tests.attack.installation import FEED, PUSH, READ, routes, scope_verdict
from tests.builders.people import add_person
from tests.edge.accounts.test_tokens import make

NARROW = ("read", "feed", "push", "bootstrap-analyst", "scim")


def path_of(route: discovery.Route) -> str:
    return re.sub(r"{\w+}", "none", route.path)


@pytest.mark.parametrize("scope", NARROW)
def test_a_route_that_a_scope_does_not_hold_is_closed(house, admin, scope):
    token = make(house, admin, scope=scope).json()["token"]
    wrong = []
    closed = [route for route in routes() if scope_verdict(route, scope) == 403]
    for route in closed:
        sent = {} if route.method == "GET" else {"json_body": {}}
        answer = house.call(route.method, path_of(route), token=token, **sent)
        told = answer.text.lower()
        assert "scim" not in route.path or route.contract.needs is Needs.DIRECTORY
        expected = "access token may not" if route.contract.needs is Needs.PERSON else "scope of this token"
        if answer.status != 403 or expected not in told:
            wrong.append(f"{route.method} {route.path}: {answer.status} {told[:80]}")
    assert wrong == []
    assert len(closed) > 50


@pytest.mark.parametrize("scope", NARROW)
def test_no_scope_opens_a_cookie_wider(house, admin, scope):
    token = make(house, admin, scope=scope).json()["token"]
    answer = house.post("/api/users", cookie=f"access_token={token}", json_body={"email": "eve@example.com"})
    assert (answer.status, answer.json()["code"]) == (403, "token_scope")


def test_paths_of_the_narrow_scopes_exist():
    assert {route.path for route in routes()} >= FEED | PUSH | READ


def test_a_read_token_of_an_admin_reads_and_changes_nothing(house, admin):
    token = make(house, admin, scope="read").json()["token"]
    assert house.get("/api/users", token=token).status == 200
    assert house.get("/api/me", token=token).status == 200
    assert house.get("/marketplace/info", token=token).status == 200
    answer = house.post("/api/users", token=token, json_body={"email": "eve@example.com"})
    assert (answer.status, answer.json()["code"], answer.json()["scope"]) == (403, "token_scope", "read")


def test_a_feed_token_opens_the_feed_alone(house, admin):
    token = make(house, admin, scope="feed").json()["token"]
    assert house.get("/marketplace/info", token=token).status == 200
    assert house.get("/marketplace.git/info/refs?service=git-upload-pack", token=token).status == 200
    for path in ("/api/me", "/auth/tokens", "/api/marketplace/items", "/api/my-stack"):
        assert house.get(path, token=token).json()["code"] == "token_scope"


def test_a_push_token_sends_and_reads_nothing(house, admin):
    token = make(house, admin, scope="push").json()["token"]
    asked = {"session_id": "0b1f5e7c-9d00-4000-8000-000000000000", "size_bytes": 10, "sha256": "0" * 64}
    assert house.post("/api/upload/sessions/presign", token=token, json_body=asked).status == 200
    assert house.get("/api/me/sessions", token=token).status == 403
    assert house.get("/marketplace/info", token=token).status == 403


def test_a_bootstrap_token_of_an_admin_is_a_persons_for_an_hour(house, admin):
    token = make(house, admin, scope="bootstrap-analyst").json()["token"]
    assert house.get("/api/my-stack", token=token).status == 200
    assert house.get("/api/users", token=token).json()["code"] == "token_scope"
    house.clock.sleep(3600)
    assert house.get("/api/my-stack", token=token).json()["code"] == "token_expired"


def test_older_tokens_keep_what_they_could_and_unknown_scopes_open_nothing(house, admin):
    for stored, status in (("general", 200), ("of-a-later-version", 403)):
        made = make(house, admin).json()

        def change(tx, made=made, stored=stored):
            tx.db.execute("UPDATE people.tokens SET scope = ? WHERE id = ?", [stored, made["id"]])

        house.state.commit("people", change)
        assert house.get("/api/users", token=made["token"]).status == status
        shown = {"general": "full"}.get(stored, stored)
        assert house.get(f"/auth/tokens/{made['id']}", token=admin.token).json()["scope"] == shown


def test_an_analysts_token_never_is_an_admins(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    assert make(house, bob, scope="scim").json()["code"] == "admin_only"
    for scope in ("full", *NARROW[:-1]):
        token = make(house, bob, scope=scope).json()["token"]
        assert house.get("/api/users", token=token).status == 403


def test_a_token_that_ends_soon_says_so(house, admin):
    token = make(house, admin, expires_in_days=30).json()["token"]
    assert "x-agnes-token-expires" not in house.get("/api/me", token=token).headers
    house.clock.sleep(timedelta(days=16).total_seconds())
    assert house.get("/api/me", token=token).headers["x-agnes-token-expires"].startswith("2026-12-23")
    assert "Ends soon" in house.get("/me/profile", token=token).text


def test_a_new_place_is_recorded_once(house, admin):
    from agnes.accounts import service
    from agnes.kernel.principal import Principal, Via

    token = make(house, admin).json()
    service._noted.clear()
    house.get("/api/me", token=token["token"])
    places = ["198.51.100.7", "192.0.2.7", "198.51.100.7"]
    now = house.clock.now()
    told = [service.note_use(house.store, token["id"], ip=ip, now=now) for ip in places]
    assert told == [True, False, False]
    who = Principal(admin.id, admin.email, "Ada", via=Via.TOKEN, credential_id=token["id"])
    service.record_new_place(house.store, who, ip=places[0], now=now)
    assert [entry.key for entry in house.store.list("audit/token_first_use_new_ip/")]
