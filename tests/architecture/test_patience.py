"""No test fails because the machine is busy: none compares a time with a number, none waits for less than minutes.

See `tests/builders/patience.py`. Benchmarks and the counted costs measure time, and nothing fails by it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CLOCKS = {"process_time", "perf_counter", "monotonic", "thread_time", "time"}
WAITS = {"wait", "join", "get", "communicate", "acquire", "settimeout"}
LEAST_SECONDS = 60
MEASURING = ("benchmarks/", "costs/", "builders/uploads/", "samples/", "unit/localstack/sample/")
"""Folders that measure, or are material of tests."""
TAKES_ITS_TIME = {
    "attack/test_protocol.py": "after the first piece of an answer, a connection that stays open is left when nothing comes",
}
"""Modules with short waits, and why none of their tests fails by one."""


def is_clock(node: ast.AST) -> bool:
    """`time.monotonic()` and the like, of the real clock."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CLOCKS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "time"
    )


def is_took(node: ast.AST) -> bool:
    """`time.monotonic() - began`, whatever is compared with it."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and is_clock(node.left)


def is_short(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and 1 < node.value < LEAST_SECONDS


def wrong(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and any(map(is_took, ast.walk(node.test))):
            yield node.lineno, "asserts how long something took"
        if isinstance(node, ast.Call):
            named = {keyword.arg: keyword.value for keyword in node.keywords}
            is_wait = isinstance(node.func, ast.Attribute) and node.func.attr in WAITS and len(node.args) == 1
            if is_short(named.get("timeout")) or (is_wait and is_short(node.args[0])):
                yield node.lineno, f"waits for less than {LEAST_SECONDS} s"
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Add)
            and is_clock(node.left)
            and is_short(node.right)
        ):
            yield node.lineno, f"has a deadline of less than {LEAST_SECONDS} s"


def test_no_test_depends_on_how_fast_the_machine_is() -> None:
    found = [
        f"tests/{path}:{line} {what}"
        for file in sorted(TESTS.rglob("*.py"))
        if not (path := file.relative_to(TESTS).as_posix()).startswith(MEASURING) and path not in TAKES_ITS_TIME
        for line, what in wrong(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert not found, "wait for a state with PATIENCE_SECONDS, or count the work:\n" + "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "assert time.process_time() - began < 1",
        "assert 3 > time.monotonic() - began",
        "subprocess.run(['x'], timeout=20)",
        "event.wait(10)",
        "deadline = time.monotonic() + 30",
    ],
)
def test_each_form_is_found(source: str) -> None:
    assert list(wrong(ast.parse(source)))


def test_each_exception_is_needed() -> None:
    for path in TAKES_ITS_TIME:
        assert list(wrong(ast.parse((TESTS / path).read_text(encoding="utf-8")))), path
