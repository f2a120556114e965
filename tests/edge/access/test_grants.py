from __future__ import annotations

import pytest

from agnes.marketplace import granting
from agnes.stack.serving import may_have
from tests.builders.marketplaces import register
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


@pytest.fixture(autouse=True)
def acme(house) -> None:
    register(house, "acme", ("finops", "a", "b", "taken", "crm", "ledger"), removed=("old",))


def batch(house, admin, plugins, group_id="everyone"):
    body = {"group_id": group_id, "plugins": plugins}
    return house.post("/api/admin/grants/batch", token=admin.token, json_body=body)


def test_what_can_be_granted(house, admin):
    kinds = house.get("/api/admin/resource-types", token=admin.token).json()
    assert [(kind["key"], kind["id_format"]) for kind in kinds] == [
        ("marketplace_plugin", "<slug>/<plugin>"),
        ("marketplace", "<slug>"),
        ("table", "<id>"),
        ("memory_domain", "<domain>"),
    ]
    assert {frozenset(kind) for kind in kinds} == {frozenset({"key", "display_name", "description", "id_format"})}


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
        ({"resource_type": "marketplace"}, 400, "bad_resource_id"),
        ({"resource_type": "marketplace", "resource_id": "Acme"}, 400, "bad_resource_id"),
        ({"group_id": "none"}, 404, "group_not_found"),
        ({"group_id": "none", "resource_type": "marketplace", "resource_id": "acme"}, 404, "group_not_found"),
        ({"resource_type": "marketplace", "resource_id": "nowhere"}, 404, "marketplace_not_found"),
        ({"resource_id": "nowhere/finops"}, 404, "marketplace_not_found"),
        ({"resource_id": "acme/none"}, 404, "plugin_not_found"),
        ({"resource_id": "acme/Finops"}, 404, "plugin_not_found"),
        ({"resource_id": "acme/old"}, 404, "plugin_not_found"),
        ({"resource_id": "acme/taken"}, 409, "grant_exists"),
    ],
)
def test_grants_that_are_not_made(house, admin, wish, status, code):
    grant(house, admin, resource_id="acme/taken")
    answer = grant(house, admin, **wish)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert answer.json()["hint"]
    assert len(house.get("/api/admin/grants", token=admin.token).json()) == 1


@pytest.mark.parametrize(
    ("wish", "message", "hint"),
    [
        ({"resource_id": "acme/finop"}, "marketplace acme has no plugin finop", "Did you mean acme/finops?"),
        (
            {"resource_id": "acme/zzz"},
            "marketplace acme has no plugin zzz",
            "See `agnes admin marketplace plugins acme`.",
        ),
        (
            {"resource_id": "acme/old"},
            "acme/old was removed from its marketplace on 2026-11-23",
            "Grant it when a sync brings it back, or grant the whole marketplace.",
        ),
        ({"resource_id": "acne/finops"}, "there is no marketplace acne", "Did you mean acme?"),
        ({"group_id": "fin"}, "there is no group 'fin'", "List groups with `agnes admin group list`."),
    ],
)
def test_a_refusal_says_what_to_do(house, admin, wish, message, hint):
    answer = grant(house, admin, **wish).json()
    assert (answer["message"], answer["hint"]) == (message, hint)


def test_several_plugins_are_granted_at_once_or_not_at_all(house, admin):
    grant(house, admin, resource_id="acme/a")
    refused = batch(house, admin, ["acme/b", "acme/none", "acme/old"])
    assert (refused.status, refused.json()["code"]) == (404, "plugin_not_found")
    assert refused.json()["resource_ids"] == ["acme/none", "acme/old"]
    made = batch(house, admin, ["acme/b", "acme/a", "acme/crm", "acme/b"])
    assert made.status == 201
    assert (made.json()["group_name"], made.json()["already_granted"]) == ("Everyone", ["acme/a"])
    assert [each["resource_id"] for each in made.json()["created"]] == ["acme/b", "acme/crm"]
    listed = house.get("/api/admin/grants", token=admin.token).json()
    assert [each["resource_id"] for each in listed] == ["acme/a", "acme/b", "acme/crm"]
    assert [each for each in listed if each in made.json()["created"]] == made.json()["created"]
    assert [row[0] for row in audit(house)].count("resource_grant.created") == 3
    assert batch(house, admin, ["acme/a"]).json()["created"] == []


@pytest.mark.parametrize(
    ("plugins", "status", "code"),
    [
        ([], 400, "bad_batch"),
        (["acme/a"] * 1001, 400, "bad_batch"),
        (["acme"], 400, "bad_resource_id"),
        ("acme/a", 422, "invalid_input"),
    ],
)
def test_batches_that_are_refused(house, admin, plugins, status, code):
    answer = batch(house, admin, plugins)
    assert (answer.status, answer.json()["code"]) == (status, code)


def test_who_may_grant(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    assert batch(house, bob, ["acme/a"]).status == 403
    assert grant(house, bob, resource_type="marketplace", resource_id="acme").status == 403


def test_a_whole_marketplace_is_one_grant_and_shown_with_the_plugins_that_it_reaches(house, admin):
    finance = group(house, admin, "Finance", ADMIN_EMAIL)
    grant(house, admin, resource_id="acme/crm")
    made = grant(house, admin, group_id=finance, resource_type="marketplace", resource_id="acme")
    assert made.status == 201
    assert grant(house, admin, group_id=finance, resource_type="marketplace", resource_id="acme").status == 409
    assert len(house.get("/api/admin/grants", token=admin.token).json()) == 2
    items = house.get("/api/me/effective-access", token=admin.token).json()["items"]
    via = {"id": finance, "name": "Finance", "granted": "acme"}
    plugins = ["a", "b", "crm", "finops", "ledger", "taken"]
    assert [(item["resource_type"], item["resource_id"]) for item in items] == [
        ("marketplace", "acme"),
        *(("marketplace_plugin", f"acme/{name}") for name in plugins),
    ]
    assert {item["resource_id"]: item["via_groups"] for item in items} == {
        "acme": [via],
        **{f"acme/{name}": [via] for name in plugins},
        "acme/crm": [{"id": "everyone", "name": "Everyone", "granted": "acme/crm"}, via],
    }


def test_effective_access_names_the_groups_it_comes_through(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    finance, sales = group(house, admin, "Finance", bob.email), group(house, admin, "Sales", ADMIN_EMAIL)
    grant(house, admin, group_id=finance)
    grant(house, admin)
    grant(house, admin, group_id=sales, resource_id="acme/crm")
    mine = house.get("/api/me/effective-access", token=bob.token).json()
    assert (mine["is_admin"], mine["notices"]) == (False, [])
    assert mine["items"] == [
        {
            "resource_type": "marketplace_plugin",
            "resource_id": "acme/finops",
            "via_groups": [
                {"id": "everyone", "name": "Everyone", "granted": "acme/finops"},
                {"id": finance, "name": "Finance", "granted": "acme/finops"},
            ],
        }
    ]
    assert {line["resource_id"]: line["reason"]["code"] for line in mine["entitlements"]}["acme/finops"] == "not_added"
    assert house.get(f"/api/admin/users/{bob.id}/effective-access", token=admin.token).json() == mine
    assert house.get("/api/admin/users/none/effective-access", token=admin.token).status == 404
    house.post(f"/api/users/{bob.id}/deactivate", token=admin.token)
    assert house.get(f"/api/admin/users/{bob.id}/effective-access", token=admin.token).json()["items"] == []


def test_domains_ask_what_groups_were_granted_and_admins_get_no_more(house, admin):
    finance = group(house, admin, "Finance")
    grant(house, admin)
    grant(house, admin, group_id=finance, resource_id="acme/ledger")
    with house.state.read(*granting.FILES) as db:
        assert may_have(db, {finance}, "acme", "ledger")
        assert not may_have(db, {"admin", "everyone"}, "acme", "ledger")
        assert may_have(db, frozenset({"everyone", "admin"}), "acme", "finops")
        assert not may_have(db, set(), "acme", "finops")
    grant(house, admin, resource_type="marketplace", resource_id="acme")
    with house.state.read(*granting.FILES) as db:
        assert may_have(db, {"everyone"}, "acme", "ledger")
        assert not may_have(db, {"everyone"}, "acm", "ledger")
        assert not may_have(db, {"everyone"}, "acme2", "ledger")
