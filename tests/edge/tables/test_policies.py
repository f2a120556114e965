"""Policies over the whole way: manifest, downloads, queries, scans, samples and catalog show the same selection and nothing else."""

from __future__ import annotations

from itertools import combinations

import duckdb
import pytest

from agnes import wiring
from agnes.kernel.ports import ANYTHING
from agnes.tables import collecting, restricting
from tests.builders.beginnings import begun
from tests.builders.house import House
from tests.builders.people import add_person, seed_admin
from tests.builders.tables import add_source, register

ROWS = "SELECT n AS id, CASE WHEN n % 3 = 0 THEN 'Oslo' WHEN n % 5 <> 0 THEN 'Rome' END AS city, n * 1.5 AS amount, 's' || n AS secret FROM range(1, 41) t(n)"
POLICIES = {
    "north": ("city = 'Oslo'", ["id", "city", "amount"]),
    "small": ("amount < 30", ["id", "amount"]),
    "whole": ("", ["id", "city"]),
}
COMBINATIONS = [groups for count in (1, 2, 3) for groups in combinations(POLICIES, count)]


def plain(groups, rows=ROWS):
    """The same in plain SQL, a cell at a time."""
    shown = [name for name in ("id", "city", "amount", "secret") if any(name in POLICIES[group][1] for group in groups)]
    cells = []
    for name in shown:
        giving = [f"coalesce({POLICIES[group][0] or 'true'}, false)" for group in groups if name in POLICIES[group][1]]
        cells.append(f"CASE WHEN {' OR '.join(giving)} THEN {name} END AS {name}")
    kept = " OR ".join(f"coalesce({POLICIES[group][0] or 'true'}, false)" for group in groups)
    with duckdb.connect() as db:
        found = db.execute(f"SELECT {', '.join(cells)} FROM ({rows}) WHERE {kept} ORDER BY id")
        return shown, [tuple(row) for row in found.fetchall()]


class SentMessages:
    """A queue that keeps what is sent until a test lets it be worked through."""

    def __init__(self):
        self.messages = []

    def send(self, messages):
        self.messages += messages


def settle(house):
    """Ada, groups with policies and one without, somebody of each combination of groups; everything is made."""
    ada = seed_admin(house)
    add_source(house, "files", "files", None, location="store:")
    put(house, ROWS)
    register(house, "Orders", source_table="orders.csv")
    collect()
    groups, people = {}, {}
    for name in (*POLICIES, "free"):
        made = house.post("/api/admin/groups", token=ada.token, json_body={"name": name})
        groups[name] = made.json()["id"]
        sent = {"group_id": groups[name], "resource_type": "table", "resource_id": "orders"}
        assert house.post("/api/admin/grants", token=ada.token, json_body=sent).status == 201
    for name, (filter_, columns) in POLICIES.items():
        path, body = f"/api/tables/orders/policies/{groups[name]}", {"filter": filter_, "columns": columns}
        answer = house.call("PUT", path, token=ada.token, json_body=body)
        assert answer.status == 200, answer.text
    for held in (*COMBINATIONS, ("north", "free")):
        email = f"{'-'.join(held)}@example.com"
        people[held] = add_person(house, ada, email, groups=[groups[name] for name in held])
    restricting.make(wiring.collecting(), "orders")
    return ada, groups, people


def put(house, rows, columns="id,city,amount,secret"):
    named = ", ".join(f"coalesce({name}::VARCHAR, '')" for name in columns.split(","))
    with duckdb.connect() as db:
        lines = db.execute(f"SELECT concat_ws(',', {named}) FROM ({rows}) ORDER BY id").fetchall()
    body = "\n".join([columns, *(line for (line,) in lines), ""])
    house.store.write("tables/incoming/orders.csv", body.encode(), expect=ANYTHING)


def collect():
    run = collecting.collect(wiring.collecting(), "orders", "ada@example.com")
    assert run.error is None
    return run.status


class Town:
    def __init__(self, house):
        self.house, self.queue = house, SentMessages()
        self.ada, self.groups, self.people = begun(house, settle)
        house.wiring.queue = self.queue

    def admin(self, method, path, body=None):
        return self.house.call(method, f"/api/{path}", token=self.ada.token, json_body=body)

    def set_policy(self, group, filter_, columns):
        return self.admin(
            "PUT", f"tables/orders/policies/{self.groups[group]}", {"filter": filter_, "columns": columns}
        )

    def work(self):
        """What the queue's consumer would do: each message once."""
        sent, self.queue.messages = self.queue.messages, []
        for message in sent:
            collecting.collect(wiring.collecting(), message.body["table_id"], message.body["reason"])

    def manifest(self, person):
        return self.house.get("/api/tables/manifest", token=person.token).json()["tables"]

    def downloaded(self, person, tmp_path):
        """Rows of the table as a client puts them together."""
        [table] = self.manifest(person)
        paths = []
        for number, part in enumerate(table["objects"]):
            assert self.house.get(f"/api/tables/orders/objects/{part['sha256']}", token=person.token).status == 302
            path = tmp_path / f"{number}.parquet"
            path.write_bytes(self.house.store.read(f"tables/objects/{part['sha256']}.parquet").body)
            paths.append(str(path))
        with duckdb.connect() as db:
            found = db.execute("SELECT * FROM read_parquet(?) ORDER BY id", [paths])
            return [column[0] for column in found.description], found.fetchall()

    def ask(self, person, sql="SELECT * FROM orders ORDER BY id"):
        return self.house.post("/api/query", token=person.token, json_body={"sql": sql})


@pytest.fixture
def town(tmp_path):
    with House(tmp_path) as house:
        yield Town(house)
        house.state.close()


def test_every_way_to_the_table_shows_the_same(town, tmp_path):
    for groups in COMBINATIONS:
        person, (shown, rows) = town.people[groups], plain(groups)
        assert town.downloaded(person, tmp_path) == (shown, rows)
        found = town.ask(person).json()
        assert (found["columns"], [tuple(row) for row in found["rows"]]) == (shown, rows)
        scanned = {"table_id": "orders", "format": "json", "order_by": ["id"]}
        answer = town.house.post("/api/v2/scan", token=person.token, json_body=scanned).json()
        assert [tuple(row) for row in answer["rows"]] == rows
        [table] = town.manifest(person)
        assert table["rows"] == len(rows)
        listed = town.house.get("/api/tables/catalog/orders", token=person.token).json()
        assert ([each["name"] for each in listed["columns"]], listed["rows"]) == (shown, len(rows))
        sample = town.house.get("/api/v2/sample/orders?n=100", token=person.token).json()
        assert sorted(map(tuple, sample["rows"])) == sorted(rows)
        assert town.ask(person, "SELECT secret FROM orders").json()["code"] == "exec_failed"
    whole = town.people["north", "free"]
    assert len(town.ask(whole).json()["rows"]) == 40, "a group without a policy reads everything"
    assert len(town.ask(town.ada, "SELECT secret FROM orders").json()["rows"]) == 40


def test_objects_of_others_are_not_there(town):
    [mine], [whole] = town.manifest(town.people["north",]), town.manifest(town.people["north", "free"])
    for part in whole["objects"]:
        answer = town.house.get(f"/api/tables/orders/objects/{part['sha256']}", token=town.people["north",].token)
        assert (answer.status, answer.json()["code"]) == (410, "object_replaced")
    assert mine["hash"] != whole["hash"]


def test_a_policy_that_becomes_narrower_ends_at_once(town):
    person = town.people["north",]
    [before] = town.manifest(person)
    town.set_policy("north", "id = 3", ["id"])
    assert town.manifest(person) == []
    assert (
        town.house.get(f"/api/tables/orders/objects/{before['objects'][0]['sha256']}", token=person.token).status == 410
    )
    town.work()
    assert town.ask(person).json()["rows"] == [[3]]
    assert town.admin("DELETE", f"tables/orders/policies/{town.groups['north']}").status == 204
    assert len(town.ask(person).json()["rows"]) == 40
    assert town.admin("DELETE", f"tables/orders/policies/{town.groups['north']}").json()["code"] == "policy_not_found"


def test_what_is_collected_anew_is_restricted_anew(town, tmp_path):
    person = town.people["north",]
    more = ROWS.replace("range(1, 41)", "range(1, 61)")
    put(town.house, more)
    assert collect() == "ok"
    assert town.downloaded(person, tmp_path) == plain(("north",), more)
    [before] = town.manifest(person)
    put(town.house, more.replace("'s' || n", "'other' || n"))
    assert collect() == "ok"
    [after] = town.manifest(person)
    assert after["hash"] == before["hash"], "what this person does not read has changed, so nothing is downloaded again"


def test_somebody_who_comes_to_a_group_is_prepared_by_the_next_tick(town):
    eve = add_person(town.house, town.ada, "eve@example.com", groups=[town.groups["small"], town.groups["north"]])
    assert town.ask(eve).status == 200, "somebody else has these groups"
    town.set_policy("small", "amount < 3", None)
    town.queue.messages.clear()  # as if the message had been lost
    assert town.ask(eve).json()["code"] == "table_being_prepared"
    assert collecting.send_due(wiring.collecting()) == []
    town.work()
    assert town.ask(eve).status == 200


def test_what_cannot_be_applied_serves_nothing(town):
    person = town.people["north",]
    put(town.house, ROWS, "id,amount")
    assert collect() == "ok"
    assert town.manifest(person) == []
    assert town.ask(person).json()["code"] == "table_policy_failed"
    shown = {each["group"]: each for each in town.admin("GET", "tables/orders/policies").json()}
    assert (shown["north"]["state"], "city" in shown["north"]["error"]) == ("failed", True)
    assert shown["small"]["state"] == "ready"
    assert len(town.ask(town.people["small",]).json()["rows"]) == 19


@pytest.mark.parametrize(
    ("filter_", "columns", "code"),
    [
        ("salary > 1", None, "validator_rejected"),
        ("id IN (SELECT 1)", None, "validator_rejected"),
        ("random() > 0.5", None, "validator_rejected"),
        ("id = 1) FROM x WHERE (true", None, "validator_rejected"),
        ("read_text('/etc/passwd') = ''", None, "validator_rejected"),
        ("city::INT = 1", None, "exec_failed"),
        ("", ["nothing"], "invalid_table"),
    ],
)
def test_policies_that_are_refused(town, filter_, columns, code):
    before = town.admin("GET", "tables/orders/policies").json()
    for answer in (
        town.set_policy("north", filter_, columns),
        town.admin("POST", "tables/orders/policies/preview", {"filter": filter_, "columns": columns}),
    ):
        assert answer.json()["code"] == code
    assert town.admin("GET", "tables/orders/policies").json() == before


def test_a_preview_shows_before_and_after(town):
    found = town.admin(
        "POST", "tables/orders/policies/preview", {"filter": "city='Oslo' and ID<7", "columns": ["AMOUNT", "id"]}
    ).json()
    assert (found["rows_before"], found["rows_after"]) == (40, 2)
    assert (found["columns_before"], found["columns_after"]) == (["id", "city", "amount", "secret"], ["id", "amount"])
    assert found["sample_after"] == [[3, 4.5], [6, 9]]
    assert found["sample_before"][0] == [1, "Rome", 1.5, "s1"]


def test_a_table_that_is_removed_takes_its_policies_along(town):
    assert town.admin("DELETE", "admin/tables/registry/orders").status == 204
    with town.house.state.read("tables") as db:
        for table in ("policies", "restricted", "restricted_objects"):
            assert db.execute(f"SELECT count(*) FROM tables.{table}").fetchone() == (0,)
    town.house.clock.sleep(2 * 86400)
    assert collecting.sweep(wiring.collecting()) > 0
    assert list(town.house.store.list("tables/objects/")) == []
