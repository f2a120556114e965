from __future__ import annotations

import pytest

from agnes.access import service
from tests.builders.people import ADMIN_EMAIL, add_person, audit


def grant(house, admin, group_id="everyone", resource_id="acme/finops", resource_type="marketplace_plugin"):
    body = {"group_id": group_id, "resource_type": resource_type, "resource_id": resource_id}
    return house.post("/api/admin/grants", token=admin.token, json_body=body)


def group(house, admin, name, *emails):
    made = house.post("/api/admin/groups", token=admin.token, json_body={"name": name}).json()
    for email in emails:
        path = f"/api/admin/groups/{made['id']}/members"
        assert house.post(path, token=admin.token, json_body={"email": email}).status == 201
    return made["id"]


def test_what_can_be_granted(house, admin):
    (kind,) = house.get("/api/admin/resource-types", token=admin.token).json()
    assert (kind["key"], kind["id_format"]) == ("marketplace_plugin", "<slug>/<plugin>")
    assert set(kind) == {"key", "display_name", "description", "id_format"}


def test_a_grant_is_made_listed_and_taken_back(house, admin):
    made = grant(house, admin, resource_id=" acme/finops ")
    assert made.status == 201
    assert {**made.json(), "id": "", "assigned_at": ""} == {
        "id": "",
        "group_id": "everyone",
        "group_name": "Everyone",
        "resource_type": "marketplace_plugin",
        "resource_id": "acme/finops",
        "assigned_at": "",
        "assigned_by": ADMIN_EMAIL,
    }
    assert house.get("/api/admin/grants", token=admin.token).json() == [made.json()]
    path = f"/api/admin/grants/{made.json()['id']}"
    assert house.delete(path, token=admin.token).status == 204
    assert house.delete(path, token=admin.token).json()["code"] == "grant_not_found"
    assert house.get("/api/admin/grants", token=admin.token).json() == []
    assert [row[0] for row in audit(house)][-2:] == ["resource_grant.created", "resource_grant.deleted"]


def test_grants_are_listed_by_type_and_group(house, admin):
    other = group(house, admin, "Finance")
    grant(house, admin, resource_id="acme/a")
    grant(house, admin, group_id=other, resource_id="acme/b")

    def listed(query):
        return [g["resource_id"] for g in house.get(f"/api/admin/grants{query}", token=admin.token).json()]

    assert listed("") == ["acme/a", "acme/b"]
    assert listed(f"?group_id={other}") == ["acme/b"]
    assert listed("?resource_type=marketplace_plugin&group_id=everyone") == ["acme/a"]
    assert listed("?resource_type=table") == []
    assert house.get("/api/admin/grants?kind=x", token=admin.token).status == 422


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({"resource_type": "spaceship"}, 400, "unknown_resource_type"),
        ({"resource_id": ""}, 400, "bad_resource_id"),
        ({"resource_id": "finops"}, 400, "bad_resource_id"),
        ({"resource_id": "acme/../etc"}, 400, "bad_resource_id"),
        ({"resource_id": "acme/.."}, 400, "bad_resource_id"),
        ({"resource_id": "Acme/finops"}, 400, "bad_resource_id"),
        ({"resource_id": "acme/fin\u202eops"}, 400, "bad_resource_id"),
        ({"resource_id": "acme/" + "x" * 129}, 400, "bad_resource_id"),
        ({"group_id": "none"}, 404, "group_not_found"),
        ({"resource_id": "acme/taken"}, 409, "grant_exists"),
    ],
)
def test_grants_that_are_not_made(house, admin, wish, status, code):
    grant(house, admin, resource_id="acme/taken")
    answer = grant(house, admin, **wish)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert len(house.get("/api/admin/grants", token=admin.token).json()) == 1


def test_effective_access_names_the_groups_it_comes_through(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    finance, sales = group(house, admin, "Finance", bob.email), group(house, admin, "Sales", ADMIN_EMAIL)
    grant(house, admin, group_id=finance)
    grant(house, admin)
    grant(house, admin, group_id=sales, resource_id="acme/crm")
    mine = house.get("/api/me/effective-access", token=bob.token).json()
    assert mine == {
        "is_admin": False,
        "items": [
            {
                "resource_type": "marketplace_plugin",
                "resource_id": "acme/finops",
                "via_groups": [{"id": "everyone", "name": "Everyone"}, {"id": finance, "name": "Finance"}],
            }
        ],
    }
    assert house.get(f"/api/admin/users/{bob.id}/effective-access", token=admin.token).json() == mine
    assert house.get("/api/admin/users/none/effective-access", token=admin.token).status == 404
    house.post(f"/api/users/{bob.id}/deactivate", token=admin.token)
    assert house.get(f"/api/admin/users/{bob.id}/effective-access", token=admin.token).json()["items"] == []


def test_domains_ask_what_groups_were_granted_and_admins_get_no_more(house, admin):
    finance = group(house, admin, "Finance")
    grant(house, admin)
    grant(house, admin, group_id=finance, resource_id="acme/ledger")
    with house.state.read("people") as db:
        kind = "marketplace_plugin"
        assert service.granted_resources(db, frozenset({"everyone", "admin"}), kind) == {"acme/finops"}
        assert service.granted_resources(db, {"everyone", finance}, kind) == {"acme/finops", "acme/ledger"}
        assert service.granted_resources(db, set(), kind) == set()
        assert service.granted_resources(db, {"everyone"}, "table") == set()
        assert service.has_grant(db, {finance}, kind, "acme/ledger")
        assert not service.has_grant(db, {"admin", "everyone"}, kind, "acme/ledger")
