"""Schemas: a writer or a deployment migrates, a reader migrates a copy of its own, and older code goes on beside newer code."""

import duckdb
import pytest

from agnes.state import Migration, packaged
from agnes.state.publish import SchemaTooNew
from tests.unit.state.bank import ADD_OWNER, COMMON, CREATE, balances, deposit

pytestmark = pytest.mark.slow

OLD = {"common": COMMON, "bank": (CREATE,)}
NEW = {"common": COMMON, "bank": (CREATE, ADD_OWNER)}


def owners(files):
    with files.read("bank") as db:
        return db.execute("SELECT name, owner FROM bank.accounts").fetchall()


@pytest.mark.parametrize("meet", ["commit", "migrate"])
def test_a_writer_or_a_deployment_migrates_an_older_schema(start, meet):
    start(migrations=OLD).commit("bank", deposit("ada", 1))
    new = start(migrations=NEW)
    if meet == "commit":
        new.commit("bank", deposit("ada", 0))
    else:
        new.migrate()
    assert owners(new) == [("ada", "nobody")]
    assert new.history("bank")[0]["kind"] == "snapshot"


@pytest.mark.parametrize("folded", [True, False])
def test_a_reader_migrates_a_copy_and_writes_nothing(start, store, folded):
    old = start(migrations=OLD)
    for _ in range(1 if folded else 3):
        old.commit("bank", deposit("ada", 1))
    before = {entry.key: entry.version for entry in store.list("")}
    new = start(migrations=NEW)
    assert owners(new) == [("ada", "nobody")]
    with new.read("bank") as db, pytest.raises(duckdb.InvalidInputException, match="read-only"):
        db.execute("INSERT INTO bank.accounts (name, balance) VALUES ('eve', 1)")
    assert {entry.key: entry.version for entry in store.list("")} == before
    assert old.commit("bank", deposit("bob", 5)) == 5
    assert sorted(owners(new)) == [("ada", "nobody"), ("bob", "nobody")]


def test_readers_of_an_older_schema_share_one_copy_and_leave_no_file(start, tmp_path):
    start(migrations=OLD).commit("bank", deposit("ada", 1))
    new = start(folder=tmp_path / "new", migrations=NEW)
    with new.read("bank"), new.read("bank") as db:
        assert db.execute("SELECT count(*) FROM duckdb_databases() WHERE database_name LIKE 'r%'").fetchone() == (1,)
    assert not list((tmp_path / "new").rglob("[mw]*.duckdb*"))


def test_an_old_generation_is_inspected_with_the_schema_that_it_had(start):
    start(migrations=OLD).commit("bank", deposit("ada", 1))
    new = start(migrations=NEW)
    new.migrate()
    with new.inspect("bank", 1) as db, pytest.raises(duckdb.BinderException):
        db.execute("SELECT owner FROM bank.accounts")


def test_a_migration_is_made_once(start):
    new, again = start(migrations=NEW), start(migrations=NEW)
    new.migrate()
    before = new.generation("bank")
    again.migrate()
    owners(again)
    assert again.generation("bank") == before == 1


def test_an_older_release_reads_a_newer_schema_and_refuses_to_write_where_something_was_changed(start):
    old, new = start(migrations=OLD), start(migrations=NEW)
    old.commit("bank", deposit("ada", 1))
    new.migrate()
    assert balances(old) == {"ada": 1}
    with pytest.raises(SchemaTooNew, match="bank has the schema of a newer release"):
        old.commit("bank", deposit("ada", 1))
    assert new.commit("bank", deposit("ada", 1)) == 2
    assert balances(old) == {"ada": 2}


def test_a_migration_that_fails_leaves_everything_as_it_was(start):
    old = start(migrations=OLD)
    old.commit("bank", deposit("ada", 1))
    bad = Migration(2, "bad", "ALTER TABLE bank.accounts ADD COLUMN a INT; SELECT no_such_function();")
    broken = start(migrations={"common": COMMON, "bank": (CREATE, bad)})
    with pytest.raises(duckdb.CatalogException):
        broken.commit("bank", deposit("ada", 1))
    with pytest.raises(duckdb.CatalogException):
        balances(broken)
    assert old.commit("bank", deposit("ada", 1)) == 2
    assert old.generation("bank") == 2


def test_the_change_and_the_migration_become_one_generation_even_if_the_change_fails(start):
    new = start(migrations=NEW)
    with pytest.raises(duckdb.CatalogException):
        new.commit("bank", lambda tx: tx.db.execute("INSERT INTO bank.nowhere VALUES (1)"))
    assert owners(new) == []
    assert new.generation("bank") == 1


def test_every_packaged_series_can_be_applied(start):
    files = start(migrations=packaged())
    files.migrate()
    with files.read(*files.names) as db:
        for name in files.names:
            assert db.execute(f"SELECT count(*) FROM {name}.audit").fetchone() == (0,)


NOTES = Migration(2, "notes", "CREATE TABLE bank.notes (name VARCHAR, text VARCHAR);")
LATER = Migration(3, "later", "CREATE INDEX by_name ON bank.notes (name); CREATE SEQUENCE bank.numbers;")
EXPANDED = {"common": COMMON, "bank": (CREATE, NOTES, LATER)}


def notes(files):
    with files.read("bank") as db:
        return db.execute("SELECT name, text FROM bank.notes ORDER BY ALL").fetchall()


def note(name, text):
    return lambda tx: tx.db.execute("INSERT INTO bank.notes VALUES (?, ?)", [name, text])


def test_an_older_release_goes_on_beside_one_that_expanded(start):
    """The roll-out: migrated first, then functions of both releases write by turns; and a roll-back."""
    old, new = start(migrations=OLD), start(migrations=EXPANDED)
    old.commit("bank", deposit("ada", 1))
    new.migrate()
    assert old.commit("bank", deposit("ada", 1)) == 2
    new.commit("bank", note("ada", "hello"))
    assert old.commit("bank", deposit("ada", 1)) == 3
    assert (notes(new), balances(new)) == ([("ada", "hello")], {"ada": 3})
    rolled_back = start(migrations=OLD)
    rolled_back.migrate()
    for _ in range(60):  # folds on the way
        rolled_back.commit("bank", deposit("bob", 1))
    assert balances(rolled_back) == {"ada": 3, "bob": 60}
    again = start(migrations=EXPANDED)
    before = again.generation("bank")
    again.migrate()
    assert again.generation("bank") == before, "nothing is migrated twice"
    assert notes(again) == [("ada", "hello")]


def test_a_new_file_can_be_written_by_code_that_knows_all_but_what_only_adds(start):
    new, old = start(migrations=EXPANDED), start(migrations=OLD)
    new.commit("bank", note("ada", "hello"))
    assert old.commit("bank", deposit("ada", 1)) == 1
    assert notes(new) == [("ada", "hello")]


def test_what_expands_after_a_contraction_does_not_let_writers_before_it_in(start):
    third = Migration(3, "third", NOTES.sql)
    new, old = start(migrations={"common": COMMON, "bank": (CREATE, ADD_OWNER, third)}), start(migrations=OLD)
    between = start(migrations=NEW)
    new.migrate()
    with pytest.raises(SchemaTooNew):
        old.commit("bank", deposit("ada", 1))
    assert between.commit("bank", deposit("ada", 1)) == 1


def test_a_restore_keeps_the_content_and_what_may_be_written_by_whom(start):
    old, new = start(migrations=OLD), start(migrations=EXPANDED)
    old.commit("bank", deposit("ada", 1))
    new.commit("bank", note("ada", "hello"))
    new.commit("bank", deposit("ada", 9))
    old.restore("bank", 2)
    assert (balances(old), notes(new)) == ({"ada": 1}, [("ada", "hello")])
    old.restore("bank", 1)
    assert balances(new) == {"ada": 1}
    assert notes(new) == []


@pytest.mark.parametrize(
    ("sql", "expands"),
    [
        ("CREATE TABLE f.a (x INT); CREATE UNIQUE INDEX i ON f.a (x);", True),
        ("CREATE TABLE f.a (x INT);  -- a note; with a semicolon\nINSERT INTO f.a VALUES (1);", True),
        ("CREATE VIEW f.v AS SELECT 1;", True),
        ("INSERT INTO f.a VALUES (1);", False),
        ("CREATE TABLE f.a (x INT); INSERT INTO f.b SELECT * FROM f.a;", False),
        ("ALTER TABLE f.a ADD COLUMN y INT;", False),
        ("-- expands: every INSERT into f.a names its columns since 1.3\nALTER TABLE f.a ADD COLUMN y INT;", True),
        ("-- expands:\nALTER TABLE f.a ADD COLUMN y INT;", False),
        ("CREATE OR REPLACE TABLE f.a (x INT);", False),
        ("DROP TABLE f.a; CREATE TABLE f.a (x INT);", False),
        ("UPDATE f.a SET x = 1;", False),
        ("DELETE FROM f.a;", False),
    ],
)
def test_what_only_adds_is_told_from_what_changes(sql, expands):
    assert Migration(1, "x", sql).expands is expands
