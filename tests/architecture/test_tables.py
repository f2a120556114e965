"""Tables belong to domains: the SQL of a module names tables of its own domain only.

SQL that names another domain's table is an import like any other, and one that no linter sees. What a domain needs from
another it gets from a function there, or from a relation that the owner publishes (`agnes.accounts.directory.RELATION`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2] / "shared" / "agnes"
MIGRATIONS = ROOT / "state" / "migrations"

OWNERS = {"collector": {"telemetry"}, "people": {"accounts"}}
"""State file → the domain of its tables, where that is not called as the file."""
OWNERS_OF_TABLES = {
    "people.grants": {"access"},
    "people.configuration": {"configuration"},
    "people.news": {"news"},
    # A principal is an account with its groups: accounts begin and end with their memberships, in one transaction, and
    # lists of members are lists of accounts. The two domains keep these three together.
    # A directory's resources are accounts and groups with what it says of them beside, in one query and one transaction.
    "people.groups": {"access", "accounts", "directory"},
    "people.memberships": {"access", "accounts", "directory"},
    "people.users": {"access", "accounts", "directory"},
    "people.scim_users": {"directory"},
    "people.scim_groups": {"directory"},
}
ALLOWED: dict[tuple[str, str], str] = {}
"""(module, table) → the figure for which a hot path names another domain's table. It may only shrink."""

LAYERS = frozenset({"kernel", "state", "outside", "edge", "wiring", "settings"})
INTROSPECTION = re.compile(r"\b(duckdb_(columns|tables)\(|information_schema\b)", re.IGNORECASE)
MAY_INTROSPECT = ("audit/", "sql/", "telemetry/ask/")
"""`audit` reads the table of that name in every state file, a question is answered over a scratch copy of its own, and the engine
of SQL lets statements list what they may read."""


def tables() -> set[str]:
    """`<file>.<table>` of every table that a migration makes, but those that all files have."""
    made = re.compile(r"(?i)create\s+(?:or replace\s+)?(?:table|view)\s+(?:if not exists\s+)?\"?(?:\w+\.)?(\w+)\"?")
    return {
        f"{file.parent.name}.{table}"
        for file in MIGRATIONS.glob("*/*.sql")
        if file.parent.name != "common"
        for table in made.findall(file.read_text(encoding="utf-8"))
    }


def owners(table: str) -> set[str]:
    file = table.partition(".")[0]
    return OWNERS_OF_TABLES.get(table) or OWNERS.get(file) or {file}


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, text) of what is written as a string, without docstrings and the sentences below fields."""
    told = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.lineno, node.value


def foreign(source: str, domain: str, known: set[str]) -> list[tuple[int, str]]:
    """(line, table) of other domains' tables that the strings of a module of this domain name."""
    name = re.compile(rf"\b({'|'.join(sorted(map(re.escape, known), key=len, reverse=True))})\b(?!['\"]?\.)")
    return [
        (line, table)
        for line, text in strings(ast.parse(source))
        for table in name.findall(text.replace('"', ""))
        if domain not in owners(table)
    ]


def modules() -> Iterator[tuple[str, str, str]]:
    """(module, domain, source)."""
    for file in sorted(ROOT.rglob("*.py")):
        where = file.relative_to(ROOT)
        domain = where.parts[0].removesuffix(".py")
        if domain not in LAYERS:
            yield where.as_posix(), domain, file.read_text(encoding="utf-8")


def test_each_module_names_tables_of_its_own_domain():
    known = tables()
    assert len(known) > 30
    found = {
        f"{module}:{line} names {table}, of {' and '.join(sorted(owners(table)))}"
        for module, domain, source in modules()
        for line, table in foreign(source, domain, known)
        if (module, table) not in ALLOWED
    }
    assert not found, "ask the owning domain for a function:\n" + "\n".join(sorted(found))


def test_no_domain_looks_for_tables_of_others():
    found = [
        module
        for module, _, source in modules()
        if not module.startswith(MAY_INTROSPECT)
        and any(INTROSPECTION.search(text) for _, text in strings(ast.parse(source)))
    ]
    assert not found


def test_every_owner_is_a_domain():
    domains = {path.name for path in ROOT.iterdir() if path.is_dir()}
    assert {owner for table in tables() for owner in owners(table)} <= domains
    assert OWNERS_OF_TABLES.keys() <= tables()


def test_the_allow_list_names_what_is_there():
    used = {(module, table) for module, domain, source in modules() for _, table in foreign(source, domain, tables())}
    assert ALLOWED.keys() <= used
    assert all(re.search(r"\d", figure) for figure in ALLOWED.values())


def test_the_reader_of_sql_sees_each_form():
    known = {"people.users", "stack.subscriptions"}
    seen = foreign(
        '"""Of people.users."""\n'
        'A = "SELECT 1 FROM people.users"\n'
        'B = f"{A} JOIN stack.subscriptions s"\n'
        'C = "DELETE FROM \\"people\\".\\"users\\""\n'
        'D = "INSERT INTO people.users (id)"\n',
        "browse",
        known,
    )
    assert [(line, table) for line, table in sorted(seen)] == [
        (2, "people.users"),
        (3, "stack.subscriptions"),
        (4, "people.users"),
        (5, "people.users"),
    ]
    assert foreign('A = "SELECT 1 FROM people.users"', "accounts", known) == []


def test_grants_are_made_and_taken_back_in_one_room():
    """`access.grants` is the only writer: what it records and checks cannot be passed by."""
    writing = re.compile(r"\b(repository|access_repository)\.(add_grants|remove_grants|set_resource)\(")
    found = {module for module, _, source in modules() if writing.search(source)}
    assert found == {"access/grants.py"}
