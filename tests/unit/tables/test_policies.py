"""What people of some policies read, against plain SQL: a cell if one of their groups reads it, a row if one of their groups does."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agnes.tables.policy_repository import Policy
from agnes.tables.policy_selection import Selection, selection_for

ROWS = "SELECT * FROM (VALUES (1, 'Rome', 2.5), (2, 'Oslo', NULL), (3, NULL, 7), (4, 'Rome', 0), (NULL, 'Bern', 1)) t(id, city, amount)"
NAMES = ("id", "city", "amount")
CONDITIONS = st.sampled_from(
    [
        "",
        "id > 2",
        "city = 'Rome'",
        "city <> 'Rome'",
        "amount IS NULL",
        "amount > 1 OR id = 4",
        "false",
        "NULL",
        "id % 2 = 0",
    ]
)
COLUMNS = st.none() | st.sets(st.sampled_from(NAMES), min_size=1).map(lambda names: tuple(sorted(names)))
PARTS = st.lists(st.tuples(CONDITIONS, COLUMNS), min_size=1, max_size=4).map(tuple)


@pytest.fixture(scope="module")
def db():
    with duckdb.connect(config={"threads": 1}) as made:
        yield made


@settings(deadline=None, max_examples=60)
@given(PARTS)
def test_a_selection_is_the_union_of_its_policies(db, parts):
    selection = Selection(parts)
    found = db.execute(selection.select(ROWS, NAMES)).fetchall()
    rows = db.execute(ROWS).fetchall()
    held = [
        {
            row
            for (row,) in db.execute(
                f"SELECT rowid_ FROM (SELECT row_number() OVER () - 1 AS rowid_, * FROM ({ROWS})) WHERE {test or 'true'}"
            ).fetchall()
        }
        for test, _ in parts
    ]
    shown = [name for name in NAMES if any(names is None or name in names for _, names in parts)]
    expected = []
    for number, row in enumerate(rows):
        giving = [names for (_, names), rows_ in zip(parts, held, strict=True) if number in rows_]
        if giving:
            expected.append(
                tuple(
                    row[NAMES.index(name)] if any(names is None or name in names for names in giving) else None
                    for name in shown
                )
            )
    assert list(selection.columns(NAMES)) == shown
    assert found == expected


def policy(group, written="", columns=None):
    from datetime import UTC, datetime

    return Policy("t", group, written, written, columns, "ada@example.com", datetime(2026, 1, 1, tzinfo=UTC))


def test_one_group_without_a_policy_opens_everything():
    policies = {"a": policy("a", "id = 1"), "b": policy("b", "id = 2")}
    assert selection_for({"a", "c"}, policies) is None
    assert selection_for({"a"}, policies) == Selection((("id = 1", None),))


def test_groups_of_the_same_policies_share_what_was_made():
    policies = {
        "a": policy("a", "id = 1", ("b", "a")),
        "b": policy("b", "id = 1", ("a", "b")),
        "c": policy("c", "id = 2"),
    }
    assert (
        selection_for({"a"}, policies).id == selection_for({"b"}, policies).id == selection_for({"a", "b"}, policies).id
    )
    assert (
        selection_for({"a", "c"}, policies).id
        == selection_for({"c", "b"}, policies).id
        != selection_for({"c"}, policies).id
    )
