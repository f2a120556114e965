"""Adding a fact about the client touches one table and one test: each kind of fact is one module with one table, and no other
module lists its rows again."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from agnes.claude_code import components, events, records, sources
from agnes.claude_code.versions import NEWEST, OLDEST

SHARED = Path(__file__).parents[2] / "shared" / "agnes"
TEMPLATES = Path(__file__).parents[2] / "templates"

NAMES: dict[str, frozenset[str]] = {
    "components": frozenset(row.kind for row in components.KINDS),
    "events": frozenset(row.name for row in events.EVENTS),
    "records": frozenset(row.name for row in records.RECORDS),
    "sources": frozenset(sources.KINDS),
}
MOST = 2
"""Rows of one table that a literal of another module may name: a case or two that it treats by themselves."""
ALLOWED: dict[tuple[str, str], str] = {
    (
        "telemetry/usage/model.py",
        "components",
    ): "a Literal of the API, which the schema is generated from, cannot be computed",
}
"""(module, table) → why it names more rows than that."""


def literals(source: str) -> Iterator[tuple[int, set[str]]]:
    """(line, strings) of each literal that lists strings: tuple, list, set, keys of a dict, alternatives of a `match`."""
    for node in ast.walk(ast.parse(source)):
        items: list[ast.expr | None] = []
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            items = list(node.elts)
        elif isinstance(node, ast.Dict):
            items = list(node.keys)
        elif isinstance(node, ast.Match):
            items = [
                each.value for case in node.cases for each in ast.walk(case.pattern) if isinstance(each, ast.MatchValue)
            ]
        found = {item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)}
        if found:
            yield getattr(node, "lineno", 0), found


def repeated(source: str, names: Collection[str]) -> list[tuple[int, set[str]]]:
    return [(line, found & set(names)) for line, found in literals(source) if len(found & set(names)) > MOST]


@pytest.mark.parametrize("table", NAMES)
def test_no_other_module_lists_the_rows_again(table: str) -> None:
    wrong = []
    for file in sorted(SHARED.rglob("*.py")):
        module = file.relative_to(SHARED).as_posix()
        if not module.startswith("claude_code/") and (module, table) not in ALLOWED:
            wrong += [
                f"{module}:{line}: {', '.join(sorted(found))}"
                for line, found in repeated(file.read_text(encoding="utf-8"), NAMES[table])
            ]
    assert not wrong, f"ask agnes.claude_code.{table}:\n" + "\n".join(wrong)


def test_the_allow_list_names_what_is_there() -> None:
    for module, table in ALLOWED:
        assert repeated((SHARED / module).read_text(encoding="utf-8"), NAMES[table]), (
            f"{module} lists no {table} any more"
        )


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (components.KINDS, "kind"),
        (events.EVENTS, "name"),
        (records.RECORDS, "name"),
        (tuple(sources.KINDS.values()), "name"),
    ],
)
def test_each_row_says_since_when_and_is_there_once(rows: tuple, name: str) -> None:
    names = [getattr(row, name) for row in rows]
    assert len(names) == len(set(names))
    for row in rows:
        assert dataclasses.is_dataclass(row)
        assert _numbers(OLDEST) <= _numbers(row.since) <= _numbers(NEWEST), row


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def test_each_component_says_how_it_runs_code_how_it_is_judged_and_how_it_is_shown() -> None:
    for row in components.KINDS:
        assert row.does, row.kind
        assert row.label, row.kind
        assert row.group, row.kind
        assert isinstance(row.danger, components.Danger), row.kind
        # What acts unasked or runs code says so in words that follow "Once added, it …".
        assert row.acts or row.danger in (components.Danger.TEXT, components.Danger.LOOKS), row.kind


def test_the_reader_of_literals_sees_each_form() -> None:
    source = "A = ('github', 'url', 'npm')\nB = {'github': 1, 'url': 2, 'archive': 3}\nC = {'github', 'url'}\n"
    assert [line for line, _ in repeated(source, NAMES["sources"])] == [1, 2]
