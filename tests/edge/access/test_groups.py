from __future__ import annotations

import pytest

from tests.builders.marketplaces import register
from tests.builders.people import ADMIN_EMAIL, add_person, audit, sign_in

pytestmark = pytest.mark.slow


def make(house, admin, name="Finance", **more):
    return house.post("/api/admin/groups", token=admin.token, json_body={"name": name, **more})


def emails(house, admin, group_id):
    members = house.get(f"/api/admin/groups/{group_id}/members", token=admin.token).json()
    return [member["email"] for member in members]


def test_there_are_two_system_groups_and_everybody_is_in_one(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    listed = house.get("/api/admin/groups", token=admin.token).json()
    assert [(group["id"], group["origin"], group["member_count"]) for group in listed] == [
        ("admin", "system", 1),
        ("everyone", "system", 2),
    ]
    assert emails(house, admin, "everyone") == [ADMIN_EMAIL, "bob@example.com"]
    house.post(f"/api/users/{bob.id}/deactivate", token=admin.token)
    assert emails(house, admin, "everyone") == [ADMIN_EMAIL]


def test_a_group_is_made_and_shown(house, admin):
    made = make(house, admin, name=" Finance ", description="Closes the books.")
    assert made.status == 201
    group = made.json()
    assert {**group, "id": "", "created_at": ""} == {
        "id": "",
        "name": "Finance",
        "description": "Closes the books.",
        "is_system": False,
        "created_at": "",
        "created_by": ADMIN_EMAIL,
        "origin": "custom",
        "member_count": 0,
        "grant_count": 0,
        "is_google_managed": False,
        "mapped_email": None,
    }
    assert house.get(f"/api/admin/groups/{group['id']}", token=admin.token).json() == group


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": " "}, 400, "blank_name"),
        ({"name": "a\u202eb"}, 400, "bad_name"),
        ({"name": "x", "description": "x" * 2001}, 400, "bad_description"),
        ({"name": "FINANCE"}, 409, "group_name_taken"),
        ({"name": "admin"}, 409, "group_name_taken"),
        ({}, 422, "invalid_input"),
    ],
)
def test_groups_that_are_not_made(house, admin, body, status, code):
    make(house, admin)
    answer = house.post("/api/admin/groups", token=admin.token, json_body=body)
    assert (answer.status, answer.json()["code"]) == (status, code)


def test_a_group_is_renamed_but_not_to_a_name_that_is_taken(house, admin):
    first, other = make(house, admin).json(), make(house, admin, name="Sales").json()

    def patch(group, body):
        return house.call("PATCH", f"/api/admin/groups/{group['id']}", token=admin.token, json_body=body)

    assert patch(first, {"name": "finance"}).json()["name"] == "finance"
    assert patch(first, {"description": "Books."}).json()["description"] == "Books."
    answer = patch(other, {"name": "Finance"})
    assert (answer.status, answer.json()["code"]) == (409, "group_name_taken")
    assert patch(first, {"name": ""}).status == 400


@pytest.mark.parametrize("group_id", ["admin", "everyone"])
def test_system_groups_keep_their_names_and_stay(house, admin, group_id):
    path = f"/api/admin/groups/{group_id}"
    assert house.call("PATCH", path, token=admin.token, json_body={"name": "Root"}).json()["code"] == "system_group"
    assert house.delete(path, token=admin.token).status == 409
    described = house.call("PATCH", path, token=admin.token, json_body={"description": "Ours."})
    assert described.json()["description"] == "Ours."


def test_members_come_by_their_address_and_go(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    group = make(house, admin).json()
    path = f"/api/admin/groups/{group['id']}/members"
    added = house.post(path, token=admin.token, json_body={"email": " BOB@example.com "})
    assert added.status == 201
    assert {**added.json(), "added_at": ""} == {
        "user_id": bob.id,
        "email": "bob@example.com",
        "name": "bob",
        "active": True,
        "source": "admin",
        "added_at": "",
        "added_by": ADMIN_EMAIL,
    }
    assert (
        house.post(path, token=admin.token, json_body={"email": "bob@example.com"}).json()["code"] == "already_member"
    )
    assert house.post(path, token=admin.token, json_body={"email": "x@example.com"}).json()["code"] == "user_not_found"
    assert house.delete(f"{path}/{bob.id}", token=admin.token).status == 204
    assert house.delete(f"{path}/{bob.id}", token=admin.token).status == 404
    assert emails(house, admin, group["id"]) == []


def test_nobody_is_put_into_everyone_or_taken_out(house, admin):
    path = "/api/admin/groups/everyone/members"
    assert house.post(path, token=admin.token, json_body={"email": ADMIN_EMAIL}).json()["code"] == "system_group"
    assert house.delete(f"{path}/{admin.id}", token=admin.token).json()["code"] == "system_group"


def test_who_leaves_admin_is_signed_out_and_their_tokens_are_no_admins_from_the_next_request(house, admin):
    eve = add_person(house, admin, "eve@example.com", groups=("admin",))
    token = house.post("/auth/tokens", token=eve.token, json_body={"name": "laptop"}).json()["token"]
    assert house.get("/api/users", token=eve.token).status == 200
    house.delete(f"/api/admin/groups/admin/members/{eve.id}", token=admin.token)
    assert house.get("/api/users", token=eve.token).json()["code"] == "session_revoked"
    assert house.get("/api/users", token=token).status == 403
    assert house.get("/api/me", token=sign_in(house, eve.email).token).json()["is_admin"] is False


def test_memberships_from_the_persons_side(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    group = make(house, admin).json()
    path = f"/api/admin/users/{bob.id}/memberships"
    added = house.post(path, token=admin.token, json_body={"group_id": group["id"]})
    assert added.status == 201
    assert (added.json()["name"], added.json()["source"]) == ("Finance", "admin")
    listed = house.get(path, token=admin.token).json()
    assert [(held["name"], held["source"]) for held in listed] == [("Everyone", "derived"), ("Finance", "admin")]
    assert house.post(path, token=admin.token, json_body={"group_id": group["id"]}).status == 409
    assert house.post(path, token=admin.token, json_body={"group_id": "none"}).json()["code"] == "group_not_found"
    assert house.delete(f"{path}/{group['id']}", token=admin.token).status == 204
    assert house.delete(f"{path}/{group['id']}", token=admin.token).status == 404
    assert house.get("/api/admin/users/none/memberships", token=admin.token).status == 404


def test_a_deleted_group_takes_its_members_and_grants_with_it(house, admin):
    register(house, "acme", ["finops"])
    bob = add_person(house, admin, "bob@example.com")
    group = make(house, admin).json()
    house.post(f"/api/admin/groups/{group['id']}/members", token=admin.token, json_body={"email": bob.email})
    grant = {"group_id": group["id"], "resource_type": "marketplace_plugin", "resource_id": "acme/finops"}
    house.post("/api/admin/grants", token=admin.token, json_body=grant)
    shown = house.get(f"/api/admin/groups/{group['id']}", token=admin.token).json()
    assert (shown["member_count"], shown["grant_count"]) == (1, 1)
    assert house.delete(f"/api/admin/groups/{group['id']}", token=admin.token).status == 204
    assert house.get(f"/api/admin/groups/{group['id']}", token=admin.token).status == 404
    assert house.get("/api/admin/grants", token=admin.token).json() == []
    assert house.get("/api/me/effective-access", token=bob.token).json()["items"] == []
    actions = [(action, email) for action, _, email in audit(house) if action.startswith("user_group")]
    assert actions == [
        ("user_group.created", ADMIN_EMAIL),
        ("user_group.member_added", ADMIN_EMAIL),
        ("user_group.deleted", ADMIN_EMAIL),
    ]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/admin/groups", None),
        ("GET", "/api/admin/groups/admin", None),
        ("POST", "/api/admin/groups", {"name": "x"}),
        ("PATCH", "/api/admin/groups/admin", {"description": "x"}),
        ("DELETE", "/api/admin/groups/admin", None),
        ("GET", "/api/admin/groups/admin/members", None),
        ("POST", "/api/admin/groups/admin/members", {"email": "bob@example.com"}),
        ("DELETE", "/api/admin/groups/admin/members/x", None),
        ("GET", "/api/admin/users/x/memberships", None),
        ("POST", "/api/admin/users/x/memberships", {"group_id": "admin"}),
        ("DELETE", "/api/admin/users/x/memberships/admin", None),
        ("GET", "/api/admin/users/x/effective-access", None),
        ("GET", "/api/admin/resource-types", None),
        ("GET", "/api/admin/grants", None),
        ("POST", "/api/admin/grants", {"group_id": "x", "resource_type": "x", "resource_id": "x"}),
        ("DELETE", "/api/admin/grants/x", None),
    ],
)
def test_admins_only(house, admin, method, path, body):
    bob = add_person(house, admin, "bob@example.com")
    assert house.call(method, path, json_body=body).status == 401
    assert house.call(method, path, token=bob.token, json_body=body).status == 403
