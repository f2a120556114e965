"""`agnes pull`: whatever interrupts it, queries read a whole version, and the next pull ends equal to the server."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from threading import Event

import httpx
import pytest

from agnes.kernel.ports import ANYTHING
from agnes.tables import collecting
from agnes_cli.failures import Failure
from agnes_cli.tables.copies import TableCopies, TableObject, TableVersion
from agnes_cli.tables.fetching import DownloadFailed, Fetcher
from tests.builders.object_server import ObjectServer
from tests.builders.tables import add_source, register

BODY = random.Random(5).randbytes(5_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
WANTED = TableObject(SHA256, len(BODY), 1)


@pytest.fixture
def fetch(tmp_path):
    """Fetch the object of a server into a folder; how many bytes came is in `fetch.got`."""

    def run(server: ObjectServer, wanted: TableObject = WANTED) -> Path:
        run.got = 0

        def got(_table: str, count: int) -> None:
            run.got += count

        with httpx.Client(trust_env=False) as client:
            fetcher = Fetcher(
                client, lambda _table, _sha: server.url("a"), got, stop=Event(), delays=(0, 0), sleep=lambda _: None
            )
            fetcher.fetch("orders", wanted, tmp_path)
        return tmp_path / wanted.name

    return run


def test_a_connection_that_ends_at_any_byte_is_gone_on_with(fetch):
    rng = random.Random(11)
    with ObjectServer({"a": BODY}) as server:
        server.cut_after = lambda: rng.choice([0, 1, 7, 100, 900])
        try:
            path = fetch(server)
        except DownloadFailed:  # three times in a row without a byte
            server.cut_after = lambda: None
            path = fetch(server)
        assert path.read_bytes() == BODY
        assert server.served_bytes == len(BODY), "nothing came twice"
        assert fetch.got == len(BODY)
        conditions = {condition for _, asked, condition in server.asked if asked}
        assert conditions <= {'"a"', None}
        assert not list(path.parent.glob("*.part"))


@pytest.mark.parametrize("there", [0, 1, 2_500, 4_999, 5_000])
def test_what_an_earlier_process_left_is_gone_on_with(fetch, tmp_path, there):
    (tmp_path / f"{SHA256}.part").write_bytes(BODY[:there])
    with ObjectServer({"a": BODY}) as server:
        assert fetch(server).read_bytes() == BODY
        assert server.served_bytes == len(BODY) - there


@pytest.mark.parametrize("left", [b"x" * 700, b"x" * 5_000, b"x" * 6_000])
def test_what_is_left_of_something_else_is_thrown_away(fetch, tmp_path, left):
    (tmp_path / f"{SHA256}.part").write_bytes(left)
    with ObjectServer({"a": BODY}) as server:
        assert fetch(server).read_bytes() == BODY


def test_a_store_without_ranges_sends_all_of_it_again(fetch, tmp_path):
    (tmp_path / f"{SHA256}.part").write_bytes(BODY[:100])
    with ObjectServer({"a": BODY}, ranges=False) as server:
        assert fetch(server).read_bytes() == BODY


def test_an_address_that_has_expired_and_a_busy_store_are_asked_again(fetch):
    with ObjectServer({"a": BODY}) as server:
        server.statuses = [403, 503]
        assert fetch(server).read_bytes() == BODY
        server.statuses = [503] * 3
        other = hashlib.sha256(b"other").hexdigest()
        with pytest.raises(DownloadFailed, match="HTTP 503"):
            fetch(server, TableObject(other, 5, 1))


@pytest.mark.parametrize("body", [BODY[::-1], BODY + b"more"])
def test_other_bytes_are_not_put_in_place(fetch, tmp_path, body):
    with ObjectServer({"a": body}) as server, pytest.raises(DownloadFailed):
        fetch(server)
    assert not list(tmp_path.glob("*.parquet"))
    assert all(path.stat().st_size == 0 for path in tmp_path.glob("*.part"))


@pytest.mark.slow
def test_killed_at_any_line_the_next_pull_ends_equal(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.builders.killed_pull", str(tmp_path), "11"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 300, "it was killed at too few lines to prove much"


@pytest.mark.parametrize("said", ["../x", "CON/..", "", "a" * 65, "Orders", None])
def test_names_from_outside_become_no_paths(said):
    table = {"id": said, "name": "x", "hash": "h", "changed_at": "", "rows": 0, "objects": []}
    with pytest.raises(ValueError, match="id"):
        TableVersion.parse(table)
    one = {"sha256": f"../{SHA256[3:]}", "size_bytes": 1, "rows": 1}
    with pytest.raises(ValueError, match="object"):
        TableVersion.parse(table | {"id": "orders", "objects": [one]})


def put(office, name, body):
    office.house.store.write(f"tables/incoming/{name}.csv", body, expect=ANYTHING)


def collect(office, *names):
    from agnes import wiring

    for name in names:
        assert collecting.collect(wiring.collecting(), name, "ada@example.com").error is None


@pytest.fixture
def shop(signed_in):
    """Mira was granted `orders` and `people`, and has a laptop; `salaries` is there too."""
    office = signed_in
    house, token = office.house, office.admin.token
    group = house.post("/api/admin/groups", token=token, json_body={"name": "Sales"}).json()["id"]
    house.post(f"/api/admin/groups/{group}/members", token=token, json_body={"email": office.mira.email})
    add_source(house, "files", "files", None, location="store:")
    office.grants = {}
    for name, last in (("orders", 9), ("people", 10), ("salaries", 11)):
        put(office, name, b"id,amount\n1,2.5\n2,3\n3,%d\n" % last)
        register(house, name.title(), source_table=f"{name}.csv")
        if name != "salaries":
            sent = {"group_id": group, "resource_type": "table", "resource_id": name}
            office.grants[name] = house.post("/api/admin/grants", token=token, json_body=sent).json()["id"]
    collect(office, "orders", "people", "salaries")
    office.copies = TableCopies(office.laptop.workspace)
    return office


def pulled(office, *arguments, code=0, **environment):
    done = office.laptop.agnes("pull", "--json", *arguments, **environment)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def requests(office):
    return [path for _, path in office.server.seen]


@pytest.mark.slow
def test_from_nothing_to_a_copy_that_follows_the_server(shop):
    planned = pulled(shop, "--dry-run")
    assert [row["table"] for row in planned["would_update"]] == ["orders", "people"]
    assert not (shop.laptop.workspace / "server").exists(), "a dry run writes nothing"
    done = pulled(shop)
    assert (done["tables_updated"], done["tables_total"], done["errors"]) == (["orders", "people"], 2, [])
    for version in shop.copies.tables():
        for each, path in zip(version.objects, shop.copies.paths(version), strict=True):
            assert hashlib.sha256(path.read_bytes()).hexdigest() == each.sha256
            stored = shop.house.store.read(f"tables/objects/{each.sha256}.parquet").body
            assert path.read_bytes() == stored
    assert (shop.copies.folder / ".gitignore").read_text() == "*\n"

    shop.server.seen.clear()
    assert pulled(shop)["tables_updated"] == []
    assert requests(shop) == ["/api/knowledge/bundle", "/api/tables/manifest"], "an unchanged pull is two requests"

    put(shop, "orders", b"id,amount\n7,7\n")
    collect(shop, "orders")
    assert pulled(shop)["tables_updated"] == ["orders"]
    assert shop.copies.find("orders").rows == 1
    assert len(list(shop.copies.folder_of("orders").glob("*.parquet"))) == 1, "the former object is gone"

    shop.house.delete(f"/api/admin/grants/{shop.grants['people']}", token=shop.admin.token)
    done = pulled(shop)
    assert (done["tables_removed"], done["tables_total"]) == (["people"], 1)
    assert shop.copies.ids() == ["orders"], "what was taken back is not kept"

    file = shop.copies.paths(shop.copies.find("orders"))[0]
    file.unlink()
    assert pulled(shop)["tables_updated"] == ["orders"], "a file that somebody deleted comes back"
    assert file.exists()


@pytest.mark.slow
def test_a_table_that_changes_between_manifest_and_download_keeps_its_last_copy(shop):
    pulled(shop)
    [before] = [path.read_bytes() for path in shop.copies.paths(shop.copies.find("orders"))]
    put(shop, "orders", b"id,amount\n1,1\n")
    collect(shop, "orders")

    def refresh(_method: str, path: str):
        """Whoever asks for an object finds that the table has just been collected again; then the network is gone."""
        if "/objects/" not in path:
            return
        shop.server.refuse = lambda _method, path: (503, {}) if "/api/tables/" in path else None
        put(shop, "orders", b"id,amount\n2,2\n3,3\n")
        collect(shop, "orders")
        return

    shop.server.refuse = refresh
    done = shop.laptop.agnes("pull")
    assert done.returncode == 1
    assert [path.read_bytes() for path in shop.copies.paths(shop.copies.find("orders"))] == [before]
    status = shop.laptop.agnes("statusline", stdin="{}")
    assert status.stdout.startswith("Tables not up to date ("), status.stdout

    def refresh_once(_method: str, path: str):
        if "/objects/" in path:
            shop.server.refuse = lambda _method, _path: None
            put(shop, "orders", b"id,amount\n4,4\n5,5\n6,6\n")
            collect(shop, "orders")

    shop.server.refuse = refresh_once
    assert pulled(shop)["tables_updated"] == ["orders"], "the manifest is fetched again"
    assert shop.copies.find("orders").rows == 3
    assert shop.laptop.agnes("statusline", stdin="{}").stdout == ""


@pytest.mark.slow
def test_one_table_that_fails_stops_no_other(shop):
    [bad] = [each["sha256"] for each in manifest_of(shop, "orders")["objects"]]
    shop.server.refuse = lambda _method, path: (
        (500, {"code": "broken", "message": "It broke."}) if bad in path and path.startswith("/api/") else None
    )
    done = pulled(shop, code=1)
    assert (done["tables_updated"], [each["table"] for each in done["errors"]]) == (["people"], ["orders"])
    shop.server.refuse = lambda _method, _path: None
    assert pulled(shop)["tables_updated"] == ["orders"]
    lines = shop.laptop.agnes("pull").stdout
    assert lines == "0 of 2 tables updated. 0 knowledge items.\n"


def manifest_of(office, table_id):
    tables = office.house.get("/api/tables/manifest", token=office.mira.token).json()["tables"]
    return next(table for table in tables if table["id"] == table_id)


@pytest.mark.slow
def test_in_the_background_a_session_waits_for_nothing(shop):
    done = shop.laptop.agnes("pull", "--background")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    until = time.monotonic() + 60
    while not (shop.copies.folder / "pulled").exists():
        assert time.monotonic() < until, "no pull was started"
        time.sleep(0.05)
    assert [version.id for version in shop.copies.tables()] == ["orders", "people"]
    shop.laptop.agnes("logout")
    assert shop.laptop.agnes("pull", "--background").returncode == 0, "a hook does not fail"
    assert shop.laptop.agnes("pull", "--quiet").returncode == 3


def test_the_status_line_says_how_old_tables_are(tmp_path, office):
    laptop = office.laptop
    assert laptop.agnes("statusline", stdin="{}").stdout == ""
    copies = TableCopies(laptop.workspace)
    copies.make()
    copies.note_outcome({})
    assert laptop.agnes("statusline", stdin="{}").stdout == ""
    then = time.time() - 3 * 86400 - 60
    os.utime(copies.folder / "pulled", (then, then))
    assert laptop.agnes("statusline", stdin="{}").stdout == "Tables 3 d old: agnes pull\n"
    copies.note_outcome("you are not signed in")
    assert laptop.agnes("statusline", stdin="{}").stdout == "Tables 3 d old (you are not signed in): agnes pull\n"


def test_what_is_no_list_of_tables_changes_nothing(tmp_path):
    from agnes_cli.tables import pulling

    class Odd:
        url = "https://agnes.example.com"

        def get_if_changed(self, _path: str, *, etag: str):
            return etag, {"tables": [{"id": "../x"}]}

    with pytest.raises(Failure, match="list of tables"):
        pulling.fetch_manifest(Odd(), TableCopies(tmp_path))


@pytest.mark.slow
def test_the_server_is_asked_where_there_is_no_copy(shop):
    laptop = shop.laptop

    def agnes(*words, code=0):
        done = laptop.agnes(*words, "--json")
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if not code else json.loads(done.stderr)["error"]

    assert agnes("query", "--remote", "SELECT sum(id) AS total, count(*) AS n FROM orders")[0]["n"] == 3
    assert agnes("query", "--remote", "FROM salaries", code=1)["code"] == "invalid_sql"
    assert len(agnes("sample", "orders", "-n", "2")) == 2
    assert [column["name"] for column in agnes("schema", "orders")["columns"]] == ["id", "amount"]
    found = agnes("explore", "orders")
    assert (found["row_count"], found["source"]) == (3, "server")
    made = agnes("snapshot", "create", "orders", "--where", "amount > 2.6", "--as", "part")
    assert (made["rows"], made["source"], made["table_id"]) == (2, "server", "orders")
    assert agnes("query", "SELECT amount FROM part ORDER BY 1") == [{"amount": 3.0}, {"amount": 9.0}]
    assert (
        agnes("snapshot", "create", "orders", "--where", "nothing > 1", "--as", "x", code=1)["code"]
        == "validator_rejected"
    )
    listed = {table["id"] for table in agnes("catalog")}
    assert {"orders", "people"} <= listed
    assert "salaries" not in listed
