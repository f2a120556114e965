"""Schemas: who meets an old one migrates it, who meets a newer one leaves it alone."""

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


@pytest.mark.parametrize("meet", ["read", "commit", "migrate"])
def test_whoever_meets_an_older_schema_migrates_it(start, meet):
    start(migrations=OLD).commit("bank", deposit("ada", 1))
    new = start(migrations=NEW)
    if meet == "commit":
        new.commit("bank", deposit("ada", 0))
    elif meet == "migrate":
        new.migrate()
    assert owners(new) == [("ada", "nobody")]
    assert new.history("bank")[0]["kind"] == "snapshot"


def test_a_migration_is_made_once(start):
    new, again = start(migrations=NEW), start(migrations=NEW)
    new.migrate()
    before = new.generation("bank")
    again.migrate()
    owners(again)
    assert again.generation("bank") == before == 1


def test_an_older_release_reads_a_newer_schema_and_refuses_to_write(start):
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
