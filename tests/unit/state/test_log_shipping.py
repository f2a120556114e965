"""DuckDB's log can be shipped: any generation, read as snapshot and log, equals the same changes made to a plain database."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from agnes.outside.object_store.memory import MemoryStore
from agnes.state import Migration
from agnes.state.publish import Publisher
from tests.unit.state.bank import COMMON, state_files

pytestmark = pytest.mark.slow

SCHEMA = """
    CREATE SEQUENCE shop.numbers;
    CREATE TABLE shop.groups (id INTEGER PRIMARY KEY, name VARCHAR UNIQUE NOT NULL);
    CREATE TABLE shop.people (
        id INTEGER PRIMARY KEY, group_id INTEGER REFERENCES shop.groups (id), mail VARCHAR, note JSON,
        number BIGINT DEFAULT nextval('shop.numbers'), at TIMESTAMPTZ, tags VARCHAR[], CHECK (id >= 0)
    );
    CREATE INDEX people_by_mail ON shop.people (mail);
    CREATE VIEW shop.members AS SELECT p.id, g.name FROM shop.people p JOIN shop.groups g ON g.id = p.group_id;
    CREATE TABLE shop.plain (n BIGINT, word VARCHAR);
""".replace(" at TIMESTAMPTZ", ' "at" TIMESTAMPTZ')
TABLES = ("shop.groups", "(SELECT * EXCLUDE number FROM shop.people)", "shop.members", "shop.plain")

small = st.integers(-1, 12)
statements = st.one_of(
    st.builds(lambda i: ("INSERT INTO shop.groups VALUES (?, 'g' || ?)", [i, i % 5]), small),
    st.builds(
        lambda i, g, n: (
            """INSERT INTO shop.people (id, group_id, mail, note, "at", tags)
               VALUES (?, ?, 'm' || ?, json_object('n', ?), to_timestamp(?), ['a', NULL])""",
            [i, g, i % 3, n, n],
        ),
        small,
        st.one_of(st.none(), small),
        st.integers(0, 2**31),
    ),
    st.builds(lambda i: ("INSERT OR REPLACE INTO shop.groups VALUES (?, 'r' || ?)", [i, i]), small),
    st.builds(lambda i, n: ("UPDATE shop.people SET mail = 'x' || ? WHERE id % 3 = ?", [n, i % 3]), small, small),
    st.builds(lambda i: ("UPDATE shop.people SET id = id + 20 WHERE id = ?", [i]), small),
    st.builds(lambda i: ("DELETE FROM shop.people WHERE id = ?", [i]), small),
    st.builds(lambda i: ("DELETE FROM shop.groups WHERE id = ?", [i]), small),
    st.builds(
        lambda n, m: ("INSERT INTO shop.plain SELECT range, 'w' || range FROM range(?, ?)", [n, n + m]),
        small,
        st.sampled_from([1, 40, 3000]),
    ),
    st.builds(lambda n: ("UPDATE shop.plain SET word = word || '!' WHERE n % 7 = ?", [n % 7]), small),
    st.builds(lambda n: ("DELETE FROM shop.plain WHERE n % 5 = ?", [n % 5]), small),
    st.just(("INSERT INTO shop.plain SELECT range, 'bulk' FROM range(130000)", [])),
    st.just(("DELETE FROM shop.plain", [])),
    st.just(("SELECT no_such_column", [])),
)
changes = st.lists(statements, min_size=1, max_size=4)
steps = st.lists(st.tuples(changes, st.sampled_from(["warm", "warm", "cold", "other"])), min_size=1, max_size=14)


PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""Shrinking takes many minutes and finds little."""


class FoldsSoon(Publisher):
    def _is_time_to_fold(self, head, log_bytes):
        return head.log is not None and head.log.commits >= 5


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=PHASES)
@given(steps)
def test_any_generation_equals_the_same_changes_made_to_a_plain_database(steps):
    migrations = {"common": COMMON, "shop": (Migration(1, "begin", SCHEMA),)}
    store = MemoryStore()
    plain = duckdb.connect(":memory:")
    plain.execute("CREATE SCHEMA shop; SET TimeZone = 'UTC'")
    plain.execute(SCHEMA)
    with tempfile.TemporaryDirectory() as folder:

        def process(name: str):
            return state_files(store, Path(folder, name), migrations=migrations, publisher=FoldsSoon)

        writer, other, reader = process("writer"), process("other"), process("reader")
        writer.migrate()
        expected = {1: content(plain)}
        for change, how in steps:
            if how == "cold":
                writer.close()
            outcome = attempt(
                lambda tx, change=change: run(tx.db, change), (other if how == "other" else writer).commit
            )
            plain.execute("BEGIN")
            assert outcome == attempt(lambda change=change: run(plain, change), lambda _, apply: apply())
            plain.execute("COMMIT" if outcome is None else "ROLLBACK")
            generation = writer.generation("shop")
            assert content_of(reader) == content(plain)
            expected[generation] = content(plain)
        for generation, rows in expected.items():
            with reader.inspect("shop", generation) as db:
                assert content(db) == rows
        for files in (writer, other, reader):
            files.close()
    plain.close()


def run(db, change) -> None:
    for sql, parameters in change:
        db.execute(sql, parameters)


def attempt(change, commit) -> str | None:
    """The kind of error, or None."""
    try:
        commit("shop", change)
    except duckdb.Error as error:
        return type(error).__name__
    return None


def content_of(files) -> list:
    with files.read("shop") as db:
        return content(db)


def content(db) -> list:
    """All rows, and what the keys and indexes find: an index may be wrong where the table is right."""
    rows = [
        db.execute(f"SELECT count(*), bit_xor(hash(t)), min(t::VARCHAR), max(t::VARCHAR) FROM {table} t").fetchone()
        for table in TABLES
    ]
    # A change that was rolled back may use up numbers or not, so they are only unique.
    assert db.execute("SELECT count(*) = count(DISTINCT number) FROM shop.people").fetchone() == (True,)
    by_key = [db.execute("SELECT count(*) FROM shop.people WHERE id = ?", [n]).fetchone() for n in range(-1, 34)]
    by_index = [db.execute("SELECT count(*) FROM shop.people WHERE mail = ?", [f"m{n}"]).fetchone() for n in range(3)]
    return [*rows, by_key, by_index]
