from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from agnes.accounts import repository
from tests.builders.people import ADMIN_EMAIL, PASSWORD, add_person, audit, set_password, sign_in

pytestmark = pytest.mark.slow


def test_an_account_is_made_shown_and_listed(house, admin):
    made = house.post("/api/users", token=admin.token, json_body={"email": "Bob@Example.com", "name": " Bob B. "})
    assert made.status == 201
    bob = made.json()
    assert {**bob, "id": "", "created_at": ""} == {
        "id": "",
        "email": "bob@example.com",
        "name": "Bob B.",
        "role": "user",
        "is_admin": False,
        "is_sso_user": False,
        "groups": [{"id": "everyone", "name": "Everyone", "is_system": True, "origin": "system"}],
        "active": True,
        "created_at": "",
        "deactivated_at": None,
        "invite_url": None,
        "invite_email_sent": None,
    }
    del bob["invite_url"], bob["invite_email_sent"]
    assert house.get(f"/api/users/{bob['id']}", token=admin.token).json() == bob
    listed = house.get("/api/users", token=admin.token).json()
    assert [user["email"] for user in listed] == [ADMIN_EMAIL, "bob@example.com"]


def test_a_blank_name_is_the_local_part(house, admin):
    made = house.post("/api/users", token=admin.token, json_body={"email": "bob.b@example.com"})
    assert made.json()["name"] == "bob.b"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"email": "nonsense"}, 400, "invalid_email"),
        ({"email": "bob@example.com", "name": "a\u202eb"}, 400, "bad_name"),
        ({"email": ADMIN_EMAIL.upper()}, 409, "email_taken"),
        ({}, 422, "invalid_input"),
        ({"email": "bob@example.com", "role": "admin"}, 422, "invalid_input"),
    ],
)
def test_accounts_that_are_not_made(house, admin, body, status, code):
    answer = house.post("/api/users", token=admin.token, json_body=body)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert len(house.get("/api/users", token=admin.token).json()) == 1


ADMIN_ROUTES = [
    ("GET", "/api/users", None),
    ("GET", "/api/users/{id}", None),
    ("POST", "/api/users", {"email": "x@example.com"}),
    ("PATCH", "/api/users/{id}", {"name": "x"}),
    ("DELETE", "/api/users/{id}", None),
    ("POST", "/api/users/{id}/set-password", {"password": PASSWORD}),
    ("POST", "/api/users/{id}/activate", None),
    ("POST", "/api/users/{id}/deactivate", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ADMIN_ROUTES)
def test_admins_only(house, admin, method, path, body):
    bob = add_person(house, admin, "bob@example.com")
    path = path.format(id=bob.id)
    assert house.call(method, path, json_body=body).status == 401
    assert house.call(method, path, token=bob.token, json_body=body).status == 403


@pytest.mark.parametrize(("method", "path", "body"), [route for route in ADMIN_ROUTES if "{id}" in route[1]])
def test_unknown_accounts_are_not_found(house, admin, method, path, body):
    answer = house.call(method, path.format(id="nobody"), token=admin.token, json_body=body)
    assert (answer.status, answer.json()["code"]) == (404, "user_not_found")


def test_a_new_password_ends_all_sessions_but_no_token(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    token = house.post("/auth/tokens", token=bob.token, json_body={"name": "laptop"}).json()["token"]
    second = sign_in(house, bob.email)
    house.clock.sleep(1)
    body = {"password": "another long one"}
    reset = house.post(f"/api/users/{bob.id}/set-password", token=admin.token, json_body=body).json()
    assert (reset["revoked_tokens"], [(t["name"], t["prefix"]) for t in reset["tokens"]]) == (
        0,
        [("laptop", token[:10])],
    )
    assert house.get("/api/me", token=bob.token).json()["code"] == "session_revoked"
    assert house.get("/api/me", cookie=second.cookie).json()["code"] == "session_revoked"
    assert house.get("/api/me", token=token).status == 200
    assert house.post("/auth/token", json_body={"email": bob.email, "password": PASSWORD}).status == 401
    assert sign_in(house, bob.email, "another long one").id == bob.id


def test_a_new_password_ends_the_tokens_too_if_asked(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    tokens = [
        house.post("/auth/tokens", token=bob.token, json_body={"name": name}).json()["token"] for name in ("a", "b")
    ]
    body = {"password": "another long one", "revoke_tokens": True}
    reset = house.post(f"/api/users/{bob.id}/set-password", token=admin.token, json_body=body)
    assert (reset.status, reset.json()) == (200, {"revoked_tokens": 2, "tokens": []})
    for token in tokens:
        assert house.get("/api/me", token=token).json()["code"] == "token_revoked"


@pytest.mark.parametrize(
    ("password", "advice"),
    [
        pytest.param("password123!", "commonly used", id="common"),
        pytest.param("qwertyuiop12", "commonly used", id="keyboard"),
        pytest.param("aaaaaaaaaaaaaaaa", "Repeats", id="repeated"),
        pytest.param("bob@example.com", "your name or address", id="own-address"),
        pytest.param("Bobby Tables 1", "your name or address", id="own-name"),
    ],
)
def test_passwords_that_are_easy_to_guess_are_refused_with_the_reason(house, admin, password, advice):
    bob = add_person(house, admin, "bob@example.com", name="Bobby Tables")
    body = {"password": password}
    answer = house.post(f"/api/users/{bob.id}/set-password", token=admin.token, json_body=body)
    assert (answer.status, answer.json()["code"]) == (400, "weak_password")
    assert advice in answer.text
    assert password not in answer.text


@pytest.mark.parametrize("password", ["", "12345678901", "x" * 1025])
def test_passwords_too_short_or_too_long_are_refused_and_not_repeated(house, admin, password):
    body = {"password": password}
    answer = house.post(f"/api/users/{admin.id}/set-password", token=admin.token, json_body=body)
    assert (answer.status, answer.json()["code"]) == (400, "bad_password")
    assert not password or password not in answer.text
    assert sign_in(house, ADMIN_EMAIL).id == admin.id


def test_deactivation_counts_from_the_next_request_and_can_be_undone(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    token = house.post("/auth/tokens", token=bob.token, json_body={"name": "laptop"}).json()["token"]
    answer = house.post(f"/api/users/{bob.id}/deactivate", token=admin.token).json()
    assert (answer["active"], answer["deactivated_at"], answer["groups"]) == (False, "2026-11-23T09:00:00Z", [])
    assert house.get("/api/me", token=token).json()["code"] == "account_deactivated"
    assert house.get("/api/me", token=bob.token).json()["code"] == "session_revoked"
    answer = house.post(f"/api/users/{bob.id}/activate", token=admin.token).json()
    assert (answer["active"], answer["deactivated_at"]) == (True, None)
    assert house.get("/api/me", token=token).status == 200
    assert house.get("/api/me", token=bob.token).status == 401


def test_patch_changes_what_it_names(house, admin):
    bob = add_person(house, admin, "bob@example.com")

    def patch(body):
        return house.call("PATCH", f"/api/users/{bob.id}", token=admin.token, json_body=body).json()

    assert patch({"name": "Robert"})["name"] == "Robert"
    assert patch({"active": False})["active"] is False
    before = len(audit(house))
    assert (patch({})["name"], patch({"active": False})["active"]) == ("Robert", False)
    assert len(audit(house)) == before


def test_nobody_locks_themselves_out(house, admin):
    add_person(house, admin, "eve@example.com", groups=("admin",))
    answer = house.post(f"/api/users/{admin.id}/deactivate", token=admin.token)
    assert (answer.status, answer.json()["code"]) == (409, "cannot_deactivate_self")
    answer = house.delete(f"/api/users/{admin.id}", token=admin.token)
    assert (answer.status, answer.json()["code"]) == (409, "cannot_delete_self")


def test_the_last_admin_who_can_sign_in_stays(house, admin):
    eve = add_person(house, admin, "eve@example.com", groups=("admin",))
    house.post("/api/users", token=admin.token, json_body={"email": "never-signed-in@example.com"})
    member = {"email": "never-signed-in@example.com"}
    house.post("/api/admin/groups/admin/members", token=admin.token, json_body=member)
    assert house.delete(f"/api/admin/groups/admin/members/{admin.id}", token=eve.token).status == 204
    answer = house.delete(f"/api/admin/groups/admin/members/{eve.id}", token=eve.token)
    assert (answer.status, answer.json()["code"]) == (409, "last_admin")
    assert house.get("/api/users", token=eve.token).status == 200


def test_two_admins_who_remove_each_other_at_once_leave_one(house, admin):
    eve = add_person(house, admin, "eve@example.com", groups=("admin",))
    with ThreadPoolExecutor(2) as pool:
        pairs = [(admin, eve), (eve, admin)]
        answers = list(pool.map(lambda pair: house.delete(f"/api/users/{pair[1].id}", token=pair[0].token), pairs))
    assert sorted(answer.status for answer in answers) in ([204, 401], [204, 409])
    with house.state.read("people") as db:
        assert len(repository.admins_who_can_sign_in(db)) == 1


def test_a_deleted_account_is_gone_with_its_sessions_and_tokens_and_its_address_is_free(house, admin):
    bob = add_person(house, admin, "bob@example.com", groups=("admin",))
    token = house.post("/auth/tokens", token=bob.token, json_body={"name": "laptop"}).json()["token"]
    assert house.delete(f"/api/users/{bob.id}", token=admin.token).status == 204
    assert house.get("/api/me", token=bob.token).json()["code"] == "token_unknown"
    assert house.get("/api/me", token=token).json()["code"] == "token_revoked"
    members = house.get("/api/admin/groups/admin/members", token=admin.token).json()
    assert [member["email"] for member in members] == [ADMIN_EMAIL]
    again = house.post("/api/users", token=admin.token, json_body={"email": "bob@example.com"})
    assert again.status == 201
    assert again.json()["id"] != bob.id
    (listed,) = house.get("/auth/admin/tokens", token=admin.token).json()
    assert listed["user_email"] == ""


def test_every_change_is_in_the_audit_with_its_author(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    set_password(house, admin, bob)
    house.call("PATCH", f"/api/users/{bob.id}", token=admin.token, json_body={"name": "Robert"})
    house.post(f"/api/users/{bob.id}/deactivate", token=admin.token)
    house.delete(f"/api/users/{bob.id}", token=admin.token)
    rows = [row for row in audit(house) if row[0].startswith("user.")]
    assert rows == [
        (f"user.{action}", f"user:{bob.id}", ADMIN_EMAIL)
        for action in ("create", "set_password", "update", "update", "delete")
    ]
