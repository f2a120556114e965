"""Each test runs in one target of the Makefile, each target in `.ci/run`; what is slow by nature is left out of `make check`."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
MARKERS = [
    line.partition(":")[0]
    for line in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"][
        "markers"
    ]
]
TARGETS = ("test", "lint", "infra", "journeys", "browser", "cloud", "scale", "simulate", "attack")
FOLDERS = {"browser": "tests/browser", "spark": "tests/scale", "attack": "tests/attack"}
"""Markers whose tests are selected by where they are."""
PROCESSES = ("embedded_server", "sys.executable")
"""A module that names one of these starts Python, which costs 0.3 to 3 s of processor time."""
MOST_EXAMPLES = 400
"""Of a property in `make test`. The simulation, kills and schedules have targets of their own, with numbers to choose."""
QUICK = ("tests/edge/test_smoke.py", "tests/contract/test_object_store.py", "tests/unit/state/test_read.py")


def recipe(target: str) -> str:
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert found, target
    return found[1]


def marks(source: str) -> set[str]:
    """Every `pytest.mark.NAME` of a module."""
    return {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "mark"
    }


def modules() -> Iterator[tuple[str, str]]:
    for suite in ("unit", "edge", "contract"):
        for file in sorted((ROOT / "tests" / suite).rglob("test_*.py")):
            yield file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")


def test_what_make_test_leaves_out_another_target_runs() -> None:
    [excluded] = re.findall(r"^NO_SERVERS := ((?:.*\\\n)*.*)", MAKEFILE, re.MULTILINE)
    names = re.findall(r"not (\w+)", excluded)
    assert sorted(names) == sorted(set(MARKERS) - {"slow"})
    for name in names:
        selected = [
            target
            for target in TARGETS
            if re.search(rf'-m "?[^"]*\b{name}\b', recipe(target)) or FOLDERS.get(name, "-") in recipe(target)
        ]
        assert selected, f"no target runs what is marked {name}"


def test_ci_runs_every_target() -> None:
    assert [target for target in TARGETS if not re.search(rf"\bmake {target}\b", CI)] == []


def test_modules_that_start_processes_are_left_out_of_make_check() -> None:
    found = [
        name
        for name, source in modules()
        if any(word in source for word in PROCESSES) and not marks(source) & (set(MARKERS) | {"slow"})
    ]
    assert found == []


def test_properties_have_few_examples() -> None:
    found = [
        f"{name}: {number}"
        for name, source in modules()
        for number in re.findall(r"max_examples=([\d_]+)", source)
        if int(number) > MOST_EXAMPLES
    ]
    assert found == []


@pytest.mark.parametrize("name", QUICK)
def test_make_check_proves_the_heart(name: str) -> None:
    assert not re.search(r"^pytestmark\b.*slow", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
