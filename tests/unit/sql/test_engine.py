"""The engine over parquet files: what a statement may read, the forms of an answer, limits, cancelling.

That it holds hostile SQL is proved with the corpus of questions (`tests.unit.sql.test_locked.py`) and below.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sys

import duckdb
import pyarrow as pa
import pytest

from agnes.sql import locked
from agnes.sql.locked import Engine, Readable, SqlCancelled, SqlFailed, SqlRejected
from tests.builders import locked_many
from tests.builders.asking import samples
from tests.builders.patience import PATIENCE_SECONDS

ROWS = 5_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("objects")
    with duckdb.connect() as db:
        for name, first in (("a", 0), ("b", ROWS)):
            db.execute(
                f"""COPY (SELECT i AS n, i % 7 AS k, 'row ' || i AS said, i::DECIMAL(9, 2) / 3 AS price
                FROM range({first}, {first + ROWS}) t(i)) TO '{made}/{name}.parquet'"""
            )
        db.execute(f"COPY (SELECT 'hidden' AS word) TO '{made}/secret.parquet'")
    return made


@pytest.fixture(scope="module")
def readable(folder):
    paths = (folder / "a.parquet", folder / "b.parquet")
    files = ", ".join(f"'{path}'" for path in paths)
    views = {"orders": f"SELECT * FROM read_parquet([{files}])", "Käufe 'x'": "SELECT 1 AS n"}
    return Readable(frozenset({"orders", "käufe 'x'"}), views=views, files=paths)


@pytest.fixture(scope="module")
def engine():
    made = Engine(ahead=True)
    yield made
    made.close()


def stream(engine, readable, sql, form, **limits):
    found = engine.stream(sql, readable, form, **({"seconds": 20, "most_rows": 100_000, "most_bytes": 10**8} | limits))
    return found, b"".join(found)


def test_several_files_are_one_table(engine, readable):
    some = [n for n in range(2 * ROWS) if n % 7 == 3]
    found = engine.rows("SELECT count(*) AS c, max(n) AS m FROM orders WHERE k = 3", readable, seconds=PATIENCE_SECONDS)
    assert (found.columns, found.rows, found.cut) == (
        ["c", "m"],
        [[len(some), max(some)]],
        False,
    )


def test_names_are_taken_as_they_are(engine, readable):
    assert engine.rows("""SELECT n FROM "Käufe 'x'" """, readable, seconds=PATIENCE_SECONDS).rows == [[1]]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_parquet('{folder}/secret.parquet')",
        "SELECT * FROM '{folder}/secret.parquet'",
        "SELECT * FROM '{folder}/a.parquet'",
        "SELECT * FROM parquet_metadata('{folder}/a.parquet')",
        "SELECT * FROM duckdb_views()",
        "SELECT * FROM information_schema.views",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM pg_catalog.pg_views",
        "SELECT sql FROM memory.main.duckdb_views",
        "FROM glob('{folder}/*')",
        "SELECT getenv('PATH')",
        "COPY orders TO '{folder}/a.parquet'",
        "SELECT 1; SELECT 2",
    ],
)
def test_nothing_else_is_read(engine, readable, folder, sql):
    before = digests(folder)
    with pytest.raises(SqlRejected):
        engine.rows(sql.replace("{folder}", str(folder)), readable, seconds=PATIENCE_SECONDS)
    assert digests(folder) == before


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.slow
def test_the_hostile_corpus_meets_the_same_judge(readable, folder, tmp_path):
    """Every sample that is refused over a database file is refused, or fails, over parquet files; nothing is changed."""
    before = digests(folder)
    corpus = [sample for sample in samples("hostile") if sample.expected[0] == "rejected"]
    request = {
        "path": [entry for entry in sys.path if entry],
        "functions": str(locked.FUNCTIONS),
        "database": None,
        "views": readable.views,
        "files": [str(file) for file in readable.files],
        "tables": sorted(readable.tables),
        "sqls": [
            sample.sql.replace("{out}", str(tmp_path)).replace("{port}", "9").replace("usage_users", "orders")
            for sample in corpus
        ],
        "judged": True,
    }
    outcomes = locked_many.run(request, tmp_path)["outcomes"]
    assert [sample.name for sample, (outcome, _) in zip(corpus, outcomes, strict=True) if outcome == "ran"] == []
    assert len(corpus) > 60
    assert list(tmp_path.iterdir()) == []
    assert digests(folder) == before
    assert list(tmp_path.iterdir()) == []


def test_what_is_catalogued_is_what_may_be_read(engine, readable):
    found = engine.rows(
        "SELECT table_name FROM information_schema.tables ORDER BY 1", readable, seconds=PATIENCE_SECONDS
    )
    assert found.rows == [["Käufe 'x'"], ["orders"]]


@pytest.mark.parametrize("form", ["csv", "json", "arrow"])
def test_each_form_has_the_same_rows(engine, readable, form):
    sql = "SELECT n, said, price, NULL AS nothing, n = 1 AS yes FROM orders WHERE n < 3 ORDER BY n"
    found, body = stream(engine, readable, sql, form)
    assert (found.columns, found.row_count, found.cut) == (["n", "said", "price", "nothing", "yes"], 3, False)
    if form == "csv":
        rows = list(csv.reader(io.StringIO(body.decode())))
        assert rows[0] == found.columns
        assert [[row[0], row[1], row[3], row[4]] for row in rows[1:]] == [
            ["0", "row 0", "", "false"], ["1", "row 1", "", "true"], ["2", "row 2", "", "false"],
        ]  # fmt: skip
    elif form == "json":
        assert [json.loads(line)["said"] for line in body.splitlines()] == ["row 0", "row 1", "row 2"]
    else:
        table = pa.ipc.open_stream(body).read_all()
        assert table.column("n").to_pylist() == [0, 1, 2]


def test_csv_quotes_what_a_reader_would_take_apart(engine, readable):
    sql = (
        """SELECT 'a,"b"' AS "x,y", '' AS e, 'two' || chr(13) || chr(10) || 'lines' AS l, [1, 2] AS li, ' x' AS blank"""
    )
    _, body = stream(engine, readable, sql, "csv")
    assert list(csv.reader(io.StringIO(body.decode(), newline=""))) == [
        ["x,y", "e", "l", "li", "blank"],
        ['a,"b"', "", "two\r\nlines", "[1, 2]", " x"],
    ]


@pytest.mark.parametrize("form", ["csv", "json", "arrow"])
@pytest.mark.parametrize("limits", [{"most_rows": 1200}, {"most_bytes": 40_000}], ids=["rows", "bytes"])
def test_a_large_result_is_cut_where_it_was_asked_to_be(engine, readable, form, limits):
    found, body = stream(engine, readable, "SELECT n, said FROM orders ORDER BY n", form, **limits)
    assert found.cut
    assert found.row_count <= limits.get("most_rows", ROWS)
    assert len(body) <= 60_000
    if "most_rows" in limits:
        assert found.row_count == 1200


@pytest.mark.parametrize("form", ["csv", "arrow"])
def test_an_error_of_the_data_comes_after_the_pieces(engine, readable, form):
    with pytest.raises(SqlFailed, match="Could not convert"):
        stream(engine, readable, "SELECT CASE WHEN n > 9000 THEN said ELSE '1' END::INT AS x FROM orders", form)


def test_a_refusal_is_the_same_in_each_form(engine, readable):
    for form in ("csv", "json", "arrow"):
        with pytest.raises(SqlRejected, match="no table"):
            stream(engine, readable, "SELECT * FROM nothing", form)


def test_too_long_is_killed(engine, readable):
    endless = "SELECT count(*) FROM range(1000000) a(i), range(1000000) b(j) WHERE i * j % 7 = 3"
    with pytest.raises(SqlFailed, match=r"longer than the 0\.5 seconds"):
        engine.rows(endless, readable, seconds=0.5)
    with pytest.raises(SqlFailed, match=r"longer than the 0\.5 seconds"):
        stream(engine, readable, endless, "csv", seconds=0.5)


def test_a_query_can_be_cancelled(engine, readable):
    endless = "SELECT count(*) FROM range(1000000) a(i), range(1000000) b(j) WHERE i * j % 7 = 3"
    asked = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 1

    with pytest.raises(SqlCancelled):
        engine.rows(endless, readable, seconds=PATIENCE_SECONDS, cancelled=cancelled)
    with pytest.raises(SqlCancelled):
        stream(engine, readable, endless, "csv", seconds=PATIENCE_SECONDS, cancelled=cancelled)


def test_a_damaged_object_is_told_as_such(engine, tmp_path):
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1 and nothing more")
    broken = Readable(frozenset({"x"}), views={"x": f"SELECT * FROM read_parquet(['{path}'])"}, files=(path,))
    with pytest.raises(SqlFailed, match="the table x cannot be read"):
        engine.rows("SELECT * FROM x", broken, seconds=PATIENCE_SECONDS)


def test_a_child_that_waits_ends_with_its_engine(readable):
    engine = Engine(ahead=True)
    engine.rows("SELECT 1", readable, seconds=PATIENCE_SECONDS)
    assert engine._waiting is not None
    process = engine._waiting._process
    engine.close()
    assert process.returncode is not None
    assert engine.rows("SELECT 1", readable, seconds=PATIENCE_SECONDS).rows == [[1]]
    engine.close()


def test_each_statement_has_a_child_of_its_own(engine, readable):
    engine.rows("SELECT 1", readable, seconds=PATIENCE_SECONDS)
    one = engine._waiting._process.pid
    engine.rows("SELECT 1", readable, seconds=PATIENCE_SECONDS)
    assert engine._waiting._process.pid != one


def test_limits_of_a_request(engine, readable):
    with pytest.raises(SqlRejected, match="there is none"):
        engine.rows("  ", readable)
    with pytest.raises(SqlRejected, match="20000 characters"):
        engine.rows("SELECT 1 " + " " * locked.MAX_SQL, readable)
    assert engine.rows("SELECT n FROM orders", readable, seconds=PATIENCE_SECONDS, most_rows=10).cut
