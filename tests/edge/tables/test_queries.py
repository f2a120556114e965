"""Queries over the API: what may be read, how it is answered, what is counted, and how a query is ended."""

from __future__ import annotations

import csv
import io
import json

import pyarrow as pa
import pytest

from agnes import wiring
from agnes.kernel.ports import ANYTHING
from agnes.tables import collecting, querying, running
from tests.builders.house import House
from tests.builders.people import add_person, seed_admin
from tests.builders.tables import add_source, register

ORDERS = "id,city,amount\n" + "".join(f"{n},{'Rome' if n % 3 else 'Oslo'},{n}.5\n" for n in range(1, 31))


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Ada, an admin; Bob, whose group has `orders` and `waiting`, which was never collected; `salaries` are granted to nobody."""
    with House(tmp_path_factory.mktemp("house")) as house:
        ada = seed_admin(house)
        group = house.post("/api/admin/groups", token=ada.token, json_body={"name": "Sales"}).json()["id"]
        bob = add_person(house, ada, "bob@example.com", groups=(group,))
        add_source(house, "files", "files", None, location="store:")
        house.store.write("tables/incoming/orders.csv", ORDERS.encode(), expect=ANYTHING)
        for name in ("Orders", "Salaries", "Waiting"):
            register(house, name, source_table="orders.csv")
        for table_id in ("orders", "salaries"):
            assert collecting.collect(wiring.collecting(), table_id, "ada@example.com").error is None
        for table_id in ("orders", "waiting"):
            sent = {"group_id": group, "resource_type": "table", "resource_id": table_id}
            assert house.post("/api/admin/grants", token=ada.token, json_body=sent).status == 201
        yield house, ada, bob
        house.state.close()


def ask(shop, sql, *, person=2, **more):
    return shop[0].post("/api/query", token=shop[person].token, json_body={"sql": sql} | more)


def test_rows_of_a_granted_table(shop):
    answer = ask(shop, "SELECT city, count(*) AS n, sum(amount) AS s FROM orders GROUP BY city ORDER BY city;")
    found = answer.json()
    assert answer.status == 200
    assert found["columns"] == ["city", "n", "s"]
    assert found["rows"] == [["Oslo", 10, 170.0], ["Rome", 20, 310.0]]
    assert (found["row_count"], found["truncated"]) == (2, False)


def test_the_limit_is_told(shop):
    found = ask(shop, "FROM orders ORDER BY id", limit=7).json()
    assert ([row[0] for row in found["rows"]], found["row_count"], found["truncated"]) == (list(range(1, 8)), 7, True)
    assert ask(shop, "FROM orders", limit=30).json()["truncated"] is False


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT * FROM salaries", "invalid_sql"),
        ("SELECT * FROM ordres", "invalid_sql"),
        ("SELECT * FROM read_parquet('/etc/passwd')", "invalid_sql"),
        ("SELECT * FROM './../x.csv'", "invalid_sql"),
        ("DROP TABLE orders", "invalid_sql"),
        ("SELECT 1; SELECT 2", "invalid_sql"),
        ("", "invalid_sql"),
        ("SELECT nothing FROM orders", "exec_failed"),
        ("SELEC 1", "exec_failed"),
    ],
)
def test_what_is_not_run(shop, sql, code):
    answer = ask(shop, sql)
    assert (answer.status, answer.json()["code"]) == (400, code)
    assert "Salaries" not in answer.text or "salaries" in sql


def test_words_that_another_server_refused(shop):
    """A closing semicolon, a column called last_update, the words secret and checkout in texts."""
    sql = "SELECT id AS last_update, '/checkout' AS p, 'a secret; drop ' AS s FROM orders WHERE id = 1;"
    assert ask(shop, sql).json()["rows"] == [[1, "/checkout", "a secret; drop "]]


def test_a_table_that_holds_nothing_yet(shop):
    answer = ask(shop, "SELECT count(*) FROM waiting")
    assert (answer.status, answer.json()["code"]) == (409, "table_not_collected")
    assert ask(shop, "SELECT 1 AS waiting").json()["rows"] == [[1]]


def test_what_there_is_can_be_asked(shop):
    found = ask(shop, "SELECT table_name, column_name FROM information_schema.columns ORDER BY ALL").json()
    assert found["rows"] == [["orders", "amount"], ["orders", "city"], ["orders", "id"]]


@pytest.mark.parametrize("form", ["csv", "ndjson", "arrow"])
def test_files(shop, form):
    answer = ask(shop, "SELECT id, city FROM orders ORDER BY id", format=form, limit=3)
    assert (answer.status, answer.headers["x-agnes-rows"], answer.headers["x-agnes-truncated"]) == (200, "3", "true")
    assert answer.headers["content-type"] == querying.CONTENT_TYPES[form]
    expected = [(1, "Rome"), (2, "Rome"), (3, "Oslo")]
    if form == "csv":
        rows = [(int(row["id"]), row["city"]) for row in csv.DictReader(io.StringIO(answer.text))]
    elif form == "ndjson":
        rows = [tuple(json.loads(line).values()) for line in answer.text.splitlines()]
    else:
        table = pa.ipc.open_stream(answer.body).read_all()
        rows = list(zip(table["id"].to_pylist(), table["city"].to_pylist(), strict=True))
    assert rows == expected


def test_a_large_file_is_fetched_elsewhere(shop):
    house = shop[0]
    answer = ask(shop, "SELECT a.id, b.city, repeat('x', 2000) AS t FROM orders a, orders b", format="csv", limit=900)
    assert (answer.status, answer.headers["x-agnes-rows"]) == (303, "900")
    [entry] = house.store.list("tables/results/")
    assert entry.key in answer.headers["location"]
    assert len(list(csv.reader(io.StringIO(house.store.read(entry.key).body.decode())))) == 901
    house.store.remove([entry.key])


def test_a_large_file_that_fails_leaves_nothing(shop):
    sql = "SELECT repeat('x', 2000) AS t, CASE WHEN a.id * b.id = 900 THEN 'x' ELSE '1' END::INT AS e FROM orders a, orders b"
    assert ask(shop, sql, format="csv", limit=5000).json()["code"] == "exec_failed"
    assert list(shop[0].store.list("tables/results/")) == []


def test_limits_are_told(shop):
    for sent in ({"limit": 0}, {"limit": 10_001}, {"limit": 1_000_001, "format": "csv"}):
        assert ask(shop, "SELECT 1", **sent).json()["code"] == "invalid_limit"
    assert ask(shop, "SELECT 1", id="short").json()["code"] == "invalid_query_id"


def test_a_person_has_five_places_and_a_day(shop):
    house, _, bob = shop
    me = house.get("/api/me", token=bob.token).json()["user_id"]
    key, now = f"{running.PREFIX}{me}.json", house.clock.now()
    before = house.get("/api/query", token=bob.token).json()["bytes_today"]
    line = {"started_at": now.isoformat(), "ends_at": now.replace(year=now.year + 1).isoformat(), "sql": "SELECT 1"}
    busy = {"day": now.date().isoformat(), "bytes": before, "running": {f"query-{n}": line for n in range(5)}}
    house.store.write(key, json.dumps(busy).encode(), expect=ANYTHING)
    refused = ask(shop, "SELECT 1")
    assert (refused.status, refused.json()["code"]) == (429, "too_many_queries")
    assert [each["id"] for each in house.get("/api/query", token=bob.token).json()["running"]] == [
        f"query-{n}" for n in range(5)
    ]
    assert ask(shop, "SELECT 1", person=1).status == 200, "another person's places are theirs"
    late = line | {"ends_at": now.isoformat()}
    busy |= {"running": {"query-0": late}, "bytes": running.BYTES_A_DAY}
    house.store.write(key, json.dumps(busy).encode(), expect=ANYTHING)
    assert ask(shop, "SELECT 1").status == 200, "what reads nothing is always answered, and a dead query holds no place"
    refused = ask(shop, "SELECT count(*) FROM orders")
    assert (refused.status, refused.json()["code"]) == (429, "query_quota_exceeded")
    assert 0 < refused.json()["retry_after_seconds"] <= 86_401
    busy |= {"day": "2020-01-01", "running": {}}
    house.store.write(key, json.dumps(busy).encode(), expect=ANYTHING)
    assert ask(shop, "SELECT count(*) FROM orders").status == 200, "a new day"
    used = house.get("/api/query", token=bob.token).json()
    assert (used["running"], used["bytes_today"] > 0, used["bytes_a_day"]) == ([], True, running.BYTES_A_DAY)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"running": []}',
        b'{"running": {"query-0": {}}}',
        b'{"bytes": "many", "running": {"query-0": null}}',
    ],
)
def test_damaged_notes_of_running_queries_stop_nobody(shop, body):
    house, _, bob = shop
    me = house.get("/api/me", token=bob.token).json()["user_id"]
    house.store.write(f"{running.PREFIX}{me}.json", body, expect=ANYTHING)
    assert house.get("/api/query", token=bob.token).json()["running"] == []
    assert ask(shop, "SELECT count(*) FROM orders").status == 200


def test_a_query_is_cancelled_by_another_request(shop):
    """The query looks whether it was cancelled while it runs: here its line is marked as soon as it is written."""
    house, _, bob = shop

    class Store:
        def __getattr__(self, name):
            return getattr(house.store, name)

        def write(self, key, body, **more):
            done = house.store.write(key, body, **more)
            if key.startswith(running.PREFIX) and b'"query-x1"' in body and b"cancelled" not in body:
                assert house.delete("/api/query/query-x1", token=bob.token).status == 204
            return done

    work = wiring.querying()
    slow = "SELECT count(*) FROM range(100000) a, range(1000000) b WHERE a.range % 7 = b.range % 11"
    who = principal(house, bob)
    work = querying.Querying(work.state, Store(), work.clock, work.objects, work.engine, work.internal)
    with pytest.raises(querying.locked.SqlCancelled):
        querying.rows(work, who, slow, id_="query-x1")
    assert house.get("/api/query", token=bob.token).json()["running"] == []
    assert house.delete("/api/query/query-x1", token=bob.token).json()["code"] == "query_not_running"


def principal(house, person):
    from agnes.kernel.principal import Principal

    me = house.get("/api/me", token=person.token).json()
    return Principal(me["user_id"], me["email"], me["email"], frozenset(), is_admin=False)


def test_queries_are_lines_of_the_audit(shop):
    house, ada, _ = shop
    ask(shop, "SELECT 42 AS answer FROM orders LIMIT 1", id="audited-1")
    ask(shop, "SELECT broken FROM orders", id="audited-2")
    lines = {
        line["resource"]: line
        for line in house.get("/api/admin/activity?action_prefix=query.run", token=ada.token).json()["rows"]
    }
    assert lines["query:audited-1"]["result"] == "ok"
    assert lines["query:audited-1"]["params"]["tables"] == ["orders"]
    assert lines["query:audited-2"]["result"] == "error.exec_failed"


def test_tables_about_yourself(shop):
    house, _, bob = shop
    sql = "SELECT DISTINCT email FROM agnes_audit WHERE email <> '' ORDER BY email"
    assert ask(shop, sql).json()["rows"] == [["bob@example.com"]]
    assert len(ask(shop, sql, person=1).json()["rows"]) > 1, "an admin reads everybody's"
    for table in ("agnes_sessions", "agnes_telemetry"):
        assert ask(shop, f"SELECT count(*) FROM {table}").json()["rows"] == [[0]]
    listed = house.get("/api/v2/catalog", token=bob.token).json()["tables"]
    assert [(each["id"], each["query_mode"]) for each in listed] == [
        ("orders", "local"), ("waiting", "local"),
        ("agnes_audit", "internal"), ("agnes_sessions", "internal"), ("agnes_telemetry", "internal"),
    ]  # fmt: skip
    assert all(each["columns"] for each in listed if each["query_mode"] == "internal")
    sample = house.get("/api/v2/sample/agnes_audit?n=1", token=bob.token).json()
    assert (sample["source"], len(sample["rows"])) == ("internal", 1)


def test_schema_and_sample(shop):
    house, _, bob = shop
    schema = house.get("/api/v2/schema/orders", token=bob.token).json()
    assert [(each["name"], each["type"]) for each in schema["columns"]] == [
        ("id", "BIGINT"), ("city", "VARCHAR"), ("amount", "DOUBLE"),
    ]  # fmt: skip
    assert schema["sql_flavor"] == "duckdb"
    sample = house.get("/api/v2/sample/orders?n=2", token=bob.token).json()
    assert (sample["columns"], sample["rows"]) == (["id", "city", "amount"], [[1, "Rome", 1.5], [2, "Rome", 2.5]])
    for path in ("schema", "sample"):
        assert house.get(f"/api/v2/{path}/salaries", token=bob.token).json()["code"] == "table_not_found"
    assert house.get("/api/v2/sample/waiting", token=bob.token).json()["code"] == "table_not_collected"
    assert house.get("/api/v2/sample/orders?n=101", token=bob.token).status == 422


def scan(shop, path="scan", **sent):
    return shop[0].post(f"/api/v2/{path}", token=shop[2].token, json_body={"table_id": "orders"} | sent)


def test_scans(shop):
    found = scan(
        shop, select=["city", "ID"], where="id > 20 AND lower(city) = 'oslo'", order_by=["id desc"], format="json"
    )
    assert found.json()["rows"] == [["Oslo", 30], ["Oslo", 27], ["Oslo", 24], ["Oslo", 21]]
    table = pa.ipc.open_stream(scan(shop, select=["id"], where="id BETWEEN 2 AND 3").body).read_all()
    assert table["id"].to_pylist() == [2, 3]
    estimate = scan(shop, "scan/estimate", select=["id"], where="id <= 10").json()
    assert (estimate["result_rows"], estimate["usd"]) == (10, 0)
    assert 0 < estimate["result_bytes"] < estimate["scan_bytes"]


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        ("id = ", "syntax"),
        ("1) FROM salaries WHERE (1", "syntax"),
        ("1) UNION SELECT (1", "syntax"),
        ("1), (2", "syntax"),
        ("id = ?", "syntax"),
        ("salary > 1", "unknown_column"),
        ("id IN (SELECT id FROM orders)", "subquery"),
        ("EXISTS (FROM salaries)", "subquery"),
        ("id = max(id)", "aggregate"),
        ("row_number() OVER () = 1", "window"),
        ("getenv('PATH') = ''", "function"),
        ("read_text('/etc/passwd') = ''", "function"),
    ],
)
def test_conditions_that_are_not_taken(shop, where, kind):
    for path in ("scan", "scan/estimate"):
        answer = scan(shop, path, where=where)
        assert (answer.status, answer.json()["code"], answer.json()["kind"]) == (400, "validator_rejected", kind)


def test_a_comment_hides_nothing(shop):
    assert len(scan(shop, where="id < 3 -- OR true", format="json").json()["rows"]) == 2
    assert scan(shop, select=["salary"]).json()["kind"] == "unknown_column"
    assert scan(shop, table_id="salaries").json()["code"] == "table_not_found"


def test_a_read_only_token_may_ask(shop):
    house, _, bob = shop
    made = house.post("/auth/tokens", token=bob.token, json_body={"name": "reader", "scope": "read"})
    answer = house.post("/api/query", token=made.json()["token"], json_body={"sql": "SELECT count(*) FROM orders"})
    assert answer.json()["rows"] == [[30]]


def test_a_query_that_reads_too_much(shop):
    house = shop[0]

    def resize(size):
        sql = "UPDATE tables.objects SET size_bytes = ? WHERE table_id = 'orders'"
        house.state.commit("tables", lambda tx: tx.db.execute(sql, [size]))

    with house.state.read("tables") as db:
        [(before,)] = db.execute("SELECT size_bytes FROM tables.objects WHERE table_id = 'orders'").fetchall()
    resize(querying.MAX_READ_BYTES + 1)
    try:
        answer = ask(shop, "SELECT count(*) FROM orders")
        assert (answer.status, answer.json()["code"]) == (413, "query_reads_too_much")
    finally:
        resize(before)
    assert ask(shop, "SELECT count(*) FROM orders").json()["rows"] == [[30]]
