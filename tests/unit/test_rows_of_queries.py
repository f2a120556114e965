"""The one row of a query that has one whatever is stored."""

from __future__ import annotations

import duckdb
import pytest

from agnes.kernel.state import one_number, one_row


@pytest.fixture
def db():
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (n INTEGER)")
        yield connection


def test_an_aggregate_has_a_row_of_nothing(db):
    assert one_row(db, "SELECT count(*), max(n) FROM t") == (0, None)
    assert one_number(db, "SELECT count(*) FROM t WHERE n > $least", {"least": 1}) == 0


def test_what_has_no_row_is_an_error_that_says_so(db):
    with pytest.raises(LookupError, match="gave none"):
        one_row(db, "SELECT n FROM t")
    with pytest.raises(LookupError):
        one_number(db, "SELECT n FROM t")
