"""An INSERT names its columns: one that relies on their order breaks, or writes into the wrong ones, when a migration adds one.

While a release is rolled out the one before meets its schema, and must go on writing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TREES = ("shared", "functions", "infra", "localstack", "layers")
MIGRATIONS = ROOT / "shared" / "agnes" / "state" / "migrations"

PUBLISHED = frozenset(
    {
        "marketplace/0004_versions.sql",
        "people/0001_people.sql",
        "telemetry/0001_ledger.sql",
        "telemetry/0003_prices.sql",
    }
)
"""Migrations from before the rule: what was published is never edited, and each runs on exactly the schema that it was written for."""

_INSERT = re.compile(r"\binsert\s+(?:or\s+\w+\s+)?into\b(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_NAMED = re.compile(r'\s+(?:[\w."{}]+)\s*(?:\(\s*[\w"{][^)]*\)|by\s+name\b)', re.IGNORECASE)
_A_QUERY = re.compile(r'\s+[\w."{}]+\s*\(\s*(?:select|values|with|from)\b', re.IGNORECASE)


def unnamed(sql: str) -> list[str]:
    """The beginnings of INSERTs in a text that do not name their columns."""
    found = []
    at = 0
    while (match := _INSERT.search(sql, at)) is not None:
        rest = match["rest"]
        if not _NAMED.match(rest) or _A_QUERY.match(rest):
            found.append(" ".join(sql[match.start() : match.start() + 80].split()))
        at = match.start("rest")
    return found


def statements(source: str) -> Iterator[tuple[int, str]]:
    """(line, text) of every string that is no docstring; what an f-string fills in is `{}`."""
    tree = ast.parse(source)
    prose = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else _filled_in(part) for part in node.values
            )
            yield node.lineno, text
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose | parts:
            yield node.lineno, node.value


def _filled_in(part: ast.expr) -> str:
    """`{verb} INTO` may well be an INSERT."""
    name = ast.unparse(part.value) if isinstance(part, ast.FormattedValue) else ""
    return "INSERT" if name in ("verb", "insert") else "{}"


def test_every_insert_names_its_columns():
    found = [
        f"{file.relative_to(ROOT)}:{line}: {start}"
        for tree in TREES
        for file in sorted((ROOT / tree).rglob("*.py"))
        for line, text in statements(file.read_text(encoding="utf-8"))
        for start in unnamed(text)
        if file != MIGRATIONS / "__init__.py"  # it looks for INSERTs in migrations
    ]
    assert not found, "\n".join(["name the columns of these INSERTs:", *found])


def test_every_new_migration_names_its_columns():
    lacking = {
        file.relative_to(MIGRATIONS).as_posix()
        for file in MIGRATIONS.glob("*/*.sql")
        if unnamed(re.sub(r"--[^\n]*", "", file.read_text(encoding="utf-8")))
    }
    assert lacking == PUBLISHED


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO people.users VALUES (?, ?)",
        "insert or replace into people.users values (?)",
        "INSERT INTO people.users SELECT id, email FROM other",
        "INSERT INTO people.users (SELECT id, email FROM other)",
        "INSERT INTO {}.audit VALUES (?)",
        "INSERT INTO people.users",
        "INSERT INTO a (id) VALUES (1); INSERT INTO b VALUES (2)",
    ],
)
def test_an_insert_that_relies_on_the_order_of_columns_is_found(sql):
    assert len(unnamed(sql)) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO people.users (id, email) VALUES (?, ?)",
        'INSERT OR IGNORE INTO {}.audit ("at", id)\n    VALUES (?, ?)',
        "INSERT INTO people.users ({}) SELECT {} FROM rows",
        "INSERT INTO usage.{} BY NAME SELECT * FROM events",
        "UPDATE people.users SET name = ?",
    ],
)
def test_an_insert_that_names_its_columns_is_not(sql):
    assert unnamed(sql) == []


def test_statements_are_read_from_plain_and_from_formatted_strings():
    source = (
        'def f(db, table, verb):\n    """INSERT INTO prose VALUES (1)"""\n'
        '    db.execute(f"INSERT INTO {table} VALUES (?)")\n    db.execute("INSERT INTO " "a VALUES (?)")\n'
        '    db.execute(f"{verb} INTO {table} SELECT 1")\n'
    )
    assert [line for line, text in statements(source) for _ in unnamed(text)] == [3, 4, 5]
