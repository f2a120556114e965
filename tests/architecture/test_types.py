"""mypy reads everything but the tests (`make lint`); where a line is left out, the line says why."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIGURATION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mypy"]
TREES = ("shared", "functions", "cli", "infra", "layers", "localstack")

_LEFT_OUT = re.compile(r"#\s*type:\s*ignore\b|#\s*mypy:")
_WITH_A_REASON = re.compile(r"# type: ignore\[[a-z-]+(?:, ?[a-z-]+)*\]  # \S+ \S+")


def unexplained(source: str) -> list[int]:
    """Lines that mypy is told to leave out without a rule by name and a reason."""
    return [
        number
        for number, line in enumerate(source.splitlines(), 1)
        if _LEFT_OUT.search(line) and not _WITH_A_REASON.search(line)
    ]


def test_a_line_that_mypy_leaves_out_says_why():
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for tree in TREES
        for file in sorted((ROOT / tree).rglob("*.py"))
        for line in unexplained(file.read_text(encoding="utf-8"))
    ]
    assert not found, "say why, `# type: ignore[rule]  # the reason`: " + ", ".join(found)


def test_mypy_is_strict_and_reads_every_tree():
    assert CONFIGURATION["strict"] is True
    assert set(CONFIGURATION["files"]) == set(TREES)
    for override in CONFIGURATION["overrides"]:
        assert override.keys() <= {"module", "ignore_missing_imports", "disallow_subclassing_any"}


@pytest.mark.parametrize(
    ("line", "is_explained"),
    [
        ("x = f()  # type: ignore[misc]  # PyYAML may be built without libyaml", True),
        ("x = f()  # type: ignore[misc]", False),
        ("x = f()  # type: ignore", False),
        ("x = f()  # type: ignore  # it is so", False),
        ("# mypy: ignore-errors", False),
        ("x = f()", True),
    ],
)
def test_what_a_reason_is(line, is_explained):
    assert (unexplained(line) == []) is is_explained
