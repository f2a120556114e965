"""What people are served of the tables: as granted, whole, and never half of two versions."""

from __future__ import annotations

import hashlib
from urllib.parse import unquote

import pytest

from agnes.kernel.ports import ANYTHING
from agnes.tables import collecting as work
from tests.builders.house import House
from tests.builders.people import add_person, seed_admin
from tests.builders.tables import add_source, register


@pytest.fixture
def house(tmp_path):
    with House(tmp_path) as made:
        yield made
        made.state.close()


def put(house, body):
    house.store.write("tables/incoming/orders.csv", body, expect=ANYTHING)


def collect(house, table_id="orders"):
    from agnes import wiring

    run = work.collect(wiring.collecting(), table_id, "ada@example.com")
    assert run.error is None
    return run


@pytest.fixture
def people(house):
    """Ada, an admin; Bob, whose group has `orders`; Eve, who has nothing."""
    admin = seed_admin(house)
    group = house.post("/api/admin/groups", token=admin.token, json_body={"name": "Sales"}).json()["id"]
    bob, eve = add_person(house, admin, "bob@example.com", groups=(group,)), add_person(house, admin, "eve@example.com")
    add_source(house, "files", "files", None, location="store:")
    put(house, b"id,amount\n1,2.5\n2,3\n")
    for name in ("Orders", "Salaries", "Waiting"):
        register(house, name, source_table="orders.csv", description=f"About {name}")
    collect(house)
    collect(house, "salaries")
    sent = {"group_id": group, "resource_type": "table"}
    for table_id in ("orders", "waiting"):
        made = house.post("/api/admin/grants", token=admin.token, json_body=sent | {"resource_id": table_id})
        assert made.status == 201, made.text
    return {"ada": admin, "bob": bob, "eve": eve, "grant": made.json()["id"], "group": group}


def manifest(house, person, **headers):
    return house.get("/api/tables/manifest", token=person.token, headers=headers)


def test_each_sees_what_was_granted(house, people):
    ids = {
        name: [table["id"] for table in manifest(house, people[name]).json()["tables"]]
        for name in ("ada", "bob", "eve")
    }
    assert ids == {"ada": ["orders", "salaries"], "bob": ["orders"], "eve": []}
    names = {
        name: [table["name"] for table in house.get("/api/tables/catalog", token=people[name].token).json()]
        for name in ("ada", "bob", "eve")
    }
    assert names == {"ada": ["Orders", "Salaries", "Waiting"], "bob": ["Orders", "Waiting"], "eve": []}


def test_a_table_is_its_objects(house, people):
    [table] = manifest(house, people["bob"]).json()["tables"]
    assert (table["rows"], table["name"]) == (2, "Orders")
    [part] = table["objects"]
    answer = house.get(f"/api/tables/orders/objects/{part['sha256']}", token=people["bob"].token)
    assert answer.status == 302
    assert part["sha256"] in unquote(answer.headers["location"])
    body = house.store.read(f"tables/objects/{part['sha256']}.parquet").body
    assert (hashlib.sha256(body).hexdigest(), len(body)) == (part["sha256"], part["size_bytes"])


def test_an_unchanged_manifest_is_one_request_without_a_body(house, people):
    first = manifest(house, people["bob"])
    again = manifest(house, people["bob"], **{"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    house.clock.sleep(900)
    collect(house)
    assert manifest(house, people["bob"]).headers["etag"] == first.headers["etag"], "the same content"
    put(house, b"id,amount\n9,9\n")
    collect(house)
    changed = manifest(house, people["bob"], **{"If-None-Match": first.headers["etag"]})
    assert (changed.status, changed.json()["tables"][0]["rows"]) == (200, 1)


def test_what_was_replaced_is_told_as_such_and_never_as_the_new(house, people):
    [before] = manifest(house, people["bob"]).json()["tables"]
    put(house, b"id,amount\n9,9\n")
    collect(house)
    path = f"/api/tables/orders/objects/{before['objects'][0]['sha256']}"
    answer = house.get(path, token=people["bob"].token)
    assert (answer.status, answer.json()["code"]) == (410, "object_replaced")


@pytest.mark.parametrize("path", ["/api/tables/catalog/{id}", "/api/tables/{id}/objects/{sha}"])
def test_what_was_not_granted_is_not_there(house, people, path):
    """Salaries hold the same bytes as Orders: having one table opens no object under the other's name."""
    [orders] = manifest(house, people["bob"]).json()["tables"]
    for id_ in ("salaries", "nothing"):
        asked = path.format(id=id_, sha=orders["objects"][0]["sha256"])
        answer = house.get(asked, token=people["bob"].token)
        assert (answer.status, answer.json()["code"]) == (404, "table_not_found")
        assert house.get(asked, token=people["eve"].token).status == 404
    assert house.get(path.format(id="orders", sha="ab" * 32), token=people["bob"].token).status in (200, 410)


def test_a_grant_that_is_taken_back_ends_at_once(house, people):
    sent = [
        grant
        for grant in house.get("/api/admin/grants", token=people["ada"].token).json()
        if grant["resource_id"] == "orders"
    ]
    assert house.delete(f"/api/admin/grants/{sent[0]['id']}", token=people["ada"].token).status == 204
    assert manifest(house, people["bob"]).json()["tables"] == []
    assert house.get("/api/tables/catalog/orders", token=people["bob"].token).status == 404


def test_the_catalog_describes_columns(house, people):
    token = people["ada"].token
    path = "/api/admin/tables/registry/orders/columns"
    assert house.call("PUT", path, token=token, json_body={"columns": {"amount": "in euros"}}).status == 200
    shown = house.get("/api/tables/catalog/orders", token=people["bob"].token).json()
    assert shown["columns"] == [
        {"name": "id", "type": "BIGINT", "description": ""},
        {"name": "amount", "type": "DOUBLE", "description": "in euros"},
    ]
    assert (shown["freshness"], shown["description"]) == ("fresh", "About Orders")
    waiting = house.get("/api/tables/catalog/waiting", token=people["bob"].token).json()
    assert (waiting["freshness"], waiting["columns"]) == ("never_collected", [])


def test_a_failed_run_serves_what_was_there_and_says_so(house, people):
    from agnes import wiring

    before = manifest(house, people["bob"])
    house.store.remove(["tables/incoming/orders.csv"])
    assert work.collect(wiring.collecting(), "orders", "ada@example.com").status == "failed"
    assert manifest(house, people["bob"]).headers["etag"] == before.headers["etag"]
    assert house.get("/api/tables/catalog/orders", token=people["bob"].token).json()["freshness"] == "stale"


def test_a_download_is_a_line_of_the_audit_once_a_minute(house, people):
    [table] = manifest(house, people["bob"]).json()["tables"]
    for _ in range(3):
        house.get(f"/api/tables/orders/objects/{table['objects'][0]['sha256']}", token=people["bob"].token)
    assert len(list(house.store.list("audit/table_download/"))) == 1


def test_admin_routes_are_for_admins(house, people):
    for method, path in (
        ("GET", "/api/admin/tables/registry"),
        ("POST", "/api/admin/tables/registry"),
        ("GET", "/api/admin/tables/sources"),
        ("POST", "/api/admin/tables/collect"),
    ):
        assert (
            house.call(method, path, token=people["bob"].token, json_body={} if method == "POST" else None).status
            == 403
        )


def test_the_registry_shows_the_last_and_the_next_run(house, people):
    rows = house.get("/api/admin/tables/registry", token=people["ada"].token).json()
    assert [row["table"]["id"] for row in rows] == ["orders", "salaries", "waiting"]
    assert rows[0]["collection"]["rows"] == 2
    assert rows[0]["next_run_at"] > rows[0]["collection"]["started_at"]
    assert rows[2]["collection"] is None
    answer = house.post("/api/admin/tables/collect", token=people["ada"].token, json_body={"tables": ["nothing"]})
    assert (answer.status, answer.json()["code"]) == (404, "table_not_found")
