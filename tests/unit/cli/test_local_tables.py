"""Commands over the copies of tables: queries, samples, profiles and snapshots with the real DuckDB."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from agnes_cli import needs
from agnes_cli.failures import BadInput, Failure
from agnes_cli.tables import printing, remote, snapshots
from agnes_cli.tables.copies import TableCopies, TableObject, TableVersion
from agnes_cli.tables.database import LocalDatabase, QueryFailed


def put(copies: TableCopies, table_id: str, *parts: str) -> TableVersion:
    """A table of parquet files, each the rows of a query."""
    copies.make()
    folder = copies.folder_of(table_id)
    folder.mkdir(exist_ok=True)
    objects = []
    for sql in parts:
        made = folder / "new.parquet"
        with duckdb.connect() as db:
            rows = db.execute(f"COPY ({sql}) TO '{made}' (FORMAT parquet)").fetchone()[0]
        body = made.read_bytes()
        objects.append(TableObject(hashlib.sha256(body).hexdigest(), len(body), rows))
        made.replace(folder / objects[-1].name)
    version = TableVersion(
        table_id, table_id, "h", "2026-11-30T00:00:00Z", sum(each.rows for each in objects), tuple(objects)
    )
    copies.put(version)
    return version


ORDERS = "SELECT i AS id, 'c' || i % 3 AS country, i * 1.5::DECIMAL(10, 2) AS amount, DATE '2026-01-01' + i::INT AS day FROM range({}) r(i)"


@pytest.fixture
def here(tmp_path):
    copies = TableCopies(tmp_path / "ws")
    put(copies, "orders", ORDERS.format(6), ORDERS.format(4))
    put(copies, "people", "SELECT 1 AS id, 'Ann, \"A\"' AS name UNION ALL SELECT 2, NULL")
    return LocalDatabase(copies)


class Terminal:
    """`agnes` in a workspace without any server."""

    def __init__(self, here: LocalDatabase, home: Path) -> None:
        self._workspace, self._home = here.copies.root, home

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        from tests.builders.command_server import command_server

        home = {"HOME": str(self._home), "PATH": os.environ["PATH"], "AGNES_CONFIG_DIR": str(self._home / "config")}
        return command_server().run(arguments, cwd=self._workspace, env=home | environment, stdin=stdin, timeout=60)

    def json(self, *arguments: str) -> object:
        done = self(*arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def agnes(here, tmp_path):
    (tmp_path / "home").mkdir()
    return Terminal(here, tmp_path / "home")


def test_a_table_is_all_of_its_objects(here):
    assert here.run("SELECT count(*), sum(amount) FROM orders", 10).rows == [(10, Decimal("31.50"))]
    joined = here.run("SELECT p.name FROM orders o JOIN people p USING (id) ORDER BY 1 LIMIT 1", 10)
    assert (joined.columns, joined.rows) == (("name",), [('Ann, "A"',)])
    first = here.run("FROM orders", 3)
    assert (len(first.rows), first.truncated) == (3, True)


def test_what_a_person_made_stays_and_hides_a_table(here):
    assert here.refresh_views()
    with duckdb.connect(here.file) as db:
        db.execute("CREATE VIEW mine AS SELECT sum(amount) AS total FROM orders")
        db.execute("CREATE TABLE notes AS SELECT 'kept' AS text")
        db.execute("DROP VIEW people")
        db.execute("CREATE TABLE people AS SELECT 7 AS id")
    put(here.copies, "orders", ORDERS.format(3))
    assert here.run("FROM mine", 5).rows == [(Decimal("4.50"),)], "also before its view is refreshed"
    assert here.refresh_views()
    here.copies.remove("orders")
    put(here.copies, "other", "SELECT 1 AS x")
    assert here.refresh_views()
    with duckdb.connect(here.file, read_only=True) as db:
        assert db.execute("FROM notes").fetchall() == [("kept",)]
        assert db.execute("FROM people").fetchall() == [(7,)]
        assert db.execute("FROM other").fetchall() == [(1,)]
        names = {name for (name,) in db.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()}
    assert names == {"mine", "other"}
    assert here.run("FROM people", 5).rows == [(7,)]


READER = """
import sys, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as db:
    print(db.execute("SELECT count(*) FROM orders").fetchone()[0], flush=True)
    sys.stdin.readline()
    print(db.execute("SELECT count(*) FROM orders").fetchone()[0], flush=True)
"""


def test_an_open_reader_breaks_nothing_and_is_not_broken(here):
    here.refresh_views()
    reader = [sys.executable, "-c", READER, str(here.file)]
    with subprocess.Popen(reader, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "10\n"
        put(here.copies, "orders", ORDERS.format(3))
        assert here.refresh_views() is False, "it is open elsewhere"
        assert here.run("SELECT count(*) FROM orders", 1).rows == [(3,)], "a query sees the newest all the same"
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "10\n", "what the reader had is still there"
    assert here.refresh_views()


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC 1", "syntax error"),
        ("FROM ordres", "there is no table ordres here"),
        ("SELECT nothing FROM orders", "nothing"),
        ("CREATE TABLE x AS SELECT 1", "read-only"),
    ],
)
def test_what_cannot_run_says_why(here, sql, said):
    here.refresh_views()
    with pytest.raises(QueryFailed, match=re.escape(said)) as raised:
        here.run(sql, 1)
    if sql == "FROM ordres":
        assert raised.value.hint.startswith("Did you mean orders?")


def test_a_query_ends_when_its_time_is_over(here, monkeypatch):
    monkeypatch.setenv("AGNES_QUERY_TIMEOUT", "0.05")
    with pytest.raises(QueryFailed, match=r"stopped after 0\.05 s"):
        here.run("SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b", 1)


def test_formats_hold_what_the_table_holds(agnes):
    sql = "SELECT id, name, DATE '2026-01-02' AS day, 12345678901234567890::HUGEINT AS big, [1, 2] AS list FROM people ORDER BY id"
    done = agnes("query", sql, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert rows[0] == {
        "id": "1", "name": 'Ann, "A"', "day": "2026-01-02", "big": "12345678901234567890", "list": "[1, 2]",
    }  # fmt: skip
    assert rows[1]["name"] == ""
    found = agnes.json("query", "--json", "--sql", f"{sql};")
    assert found[1] == {"id": 2, "name": None, "day": "2026-01-02", "big": "12345678901234567890", "list": [1, 2]}
    assert agnes("query", "SELECT 1 AS a").stdout == "a\n1\n"
    piped = agnes("query", "--stdin", "--json", stdin='{"sql": "SELECT 5 AS a"}')
    assert json.loads(piped.stdout) == [{"a": 5}]
    more = agnes("query", "FROM orders", "--limit", "2", "--json")
    assert (len(json.loads(more.stdout)), "more than 2 rows" in more.stderr) == (2, True)
    assert agnes("query", "SELECT 1", "--sql", "SELECT 2").returncode == 2
    assert agnes("query", " ; ").returncode == 2
    assert agnes("query", "FROM nothing").returncode == 2


def test_numbers_that_json_cannot_hold_are_texts():
    assert printing.records(["a"], [[float("nan")], [1 << 60], [Decimal("1.10")], [b"\x01"]]) == [
        {"a": None}, {"a": str(1 << 60)}, {"a": "1.10"}, {"a": "01"},
    ]  # fmt: skip


def test_a_copy_is_looked_at_without_a_server(agnes):
    assert [row["id"] for row in agnes.json("sample", "people", "--json", "-n", "1")] == [1]
    found = agnes.json("explore", "orders", "--json")
    assert (found["row_count"], found["source"]) == (10, "copy")
    amount = next(column for column in found["columns"] if column["name"] == "amount")
    assert amount == {
        "name": "amount",
        "type": "DECIMAL(29,2)",
        "nulls": 0,
        "distinct": 6,
        "min": "0.00",
        "max": "7.50",
    }
    schema = agnes("schema", "orders", "--json")
    assert [column["name"] for column in json.loads(schema.stdout)["columns"]] == ["id", "country", "amount", "day"]
    assert "server was not asked" in schema.stderr
    assert [row["id"] for row in json.loads(agnes("catalog", "--json").stdout)] == ["orders", "people"]
    assert agnes("catalog", "people").stdout.count("\n") == 2
    described = agnes.json("describe", "people", "--json", "-n", "2")
    assert [row["name"] for row in described["sample"]] == ['Ann, "A"', None]
    assert agnes("sample", "nothing").returncode == 2, "without a server there is no other place to look"
    info = agnes.json("disk-info", "--json")
    assert (info["table_count"], info["snapshot_count"], info["quota_gb"]) == (2, 0, 10.0)


def test_a_snapshot_stays_as_it_is_until_it_is_renewed(agnes, here):
    create = ("snapshot", "create", "orders", "--where", "amount > 1", "--select", "id,amount", "--as", "big_ones")
    assert agnes("snapshot", "create", "orders", "--estimate").stdout == "10 rows; the server reads 0 B for it.\n"
    made = agnes.json(*create, "--json", "--order-by", "amount desc", "--limit", "3")
    assert (made["rows"], made["source"], made["table_id"]) == (3, "copy", "orders")
    assert here.run("FROM big_ones", 9).columns == ("id", "amount")
    assert agnes(*create).returncode == 6
    assert agnes("snapshot", "create", "orders", "--as", "people").returncode == 2, "a table has this name"
    assert agnes("snapshot", "create", "orders", "--as", "../x").returncode == 2
    put(here.copies, "orders", ORDERS.format(2))
    here.refresh_views()
    assert len(here.run("FROM big_ones", 9).rows) == 3
    assert agnes.json("snapshot", "refresh", "big_ones", "--json", "--where", "amount >= 0")["rows"] == 2
    bad = agnes("snapshot", "refresh", "big_ones", "--where", "nothing > 1")
    assert (bad.returncode, len(here.run("FROM big_ones", 9).rows)) == (2, 2), "the former one stays"
    listed = agnes.json("snapshot", "list", "--json")
    assert [(each["name"], each["where"], each["select"]) for each in listed] == [
        ("big_ones", "amount >= 0", ["id", "amount"])
    ]
    assert agnes("snapshot", "prune", "--older-than", "1d").stdout == ""
    assert agnes("snapshot", "prune").returncode == 2
    assert agnes("snapshot", "prune", "--larger-than", "1", "--dry-run").stdout.startswith("would drop big_ones")
    assert agnes("snapshot", "drop", "big_ones").returncode == 0
    assert agnes("snapshot", "drop", "big_ones").returncode == 2
    assert not list(here.snapshots.glob("*.*[nt]"))


@pytest.mark.parametrize(("text", "size"), [("500MB", 500_000_000), ("1.5g", 1_500_000_000), ("7", 7)])
def test_sizes(text, size):
    assert snapshots.size_bytes(text) == size
    with pytest.raises(BadInput):
        snapshots.size_bytes(f"x{text}")
    with pytest.raises(BadInput):
        snapshots.age(text)


class Given:
    """A server that answers queries as docs/tables.md says."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, object]] = []

    def post(self, path: str, body: object) -> dict[str, object]:
        self.asked.append((path, body))
        return {"id": "q", "columns": ["a"], "rows": [[1], [2]], "row_count": 2, "truncated": True, "milliseconds": 3}

    def get(self, path: str, **query: object) -> dict[str, object]:
        self.asked.append((path, query))
        return {"table_id": "orders", "columns": ["a"], "rows": [[1]], "source": "copy"}


def test_the_server_is_asked_as_its_contract_says():
    given = Given()
    found = remote.run(given, "FROM orders", 50_000)  # type: ignore[arg-type]
    assert (found.columns, found.rows, found.truncated) == (("a",), [(1,), (2,)], True)
    assert given.asked == [("/api/query", {"sql": "FROM orders", "limit": 10_000, "format": "json"})]
    assert remote.sample(given, "orders", 3).rows == [(1,)]  # type: ignore[arg-type]


def wheel(folder: Path, name: str = "agnes_sample_need") -> Path:
    """A distribution of one module."""
    about = f"{name}-1.0.dist-info"
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}.py", "ANSWER = 42\n")
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    return path


@pytest.mark.slow
def test_what_a_command_needs_is_installed_once_by_its_hash(tmp_path, monkeypatch, capsys):
    made = wheel(tmp_path)
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    for name, value in (("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", str(tmp_path)), ("AGNES_CONFIG_DIR", str(tmp_path / "c")),
                        ("UV_NO_INDEX", "1"), ("UV_FIND_LINKS", str(tmp_path))):  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(tmp_path))  # what is put on the path meanwhile is taken off again at the end
    wrong, right = tmp_path / "wrong.txt", tmp_path / "right.txt"
    wrong.write_text(f"agnes_sample_need==1.0 --hash=sha256:{'0' * 64}\n")
    right.write_text(f"agnes_sample_need==1.0 --hash=sha256:{digest}\n")

    def load(requirements: Path, **more: bool):
        return needs.load("sample", "agnes_sample_need", what="A sample", requirements=requirements, **more)

    with pytest.raises(Failure, match="could not be installed"):
        load(wrong)
    with pytest.raises(Failure, match="not installed"):
        load(right, install=False)
    assert load(right).ANSWER == 42
    assert capsys.readouterr().err.count("A sample is installed.") == 1
    sys.modules.pop("agnes_sample_need")
    made.unlink()
    assert load(right).ANSWER == 42, "from the folder of the first time"
    assert list((tmp_path / "c" / "lib").glob(".*")) == []


def test_needs_are_the_checkouts_pins():
    """`make pins` writes both."""
    from agnes_local import pins

    pinned = {(pin.name, pin.version): pin.hashes for pin in pins.read(pins.CONSTRAINTS)}
    files = sorted(needs.FOLDER.glob("*.txt"))
    assert [file.stem for file in files] == sorted(file.stem for file in needs.FOLDER.glob("*.in"))
    for file in files:
        for pin in pins.read(file):
            assert pinned[pin.name, pin.version] == pin.hashes, (file.name, pin.name)
