"""What docs, docstrings and comments name is there: modules, files, folders, decisions."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache

from tests.architecture.test_sources import ROOT, texts

NOT_OF_THIS_TREE = ("tests/", "CHANGELOG", "localstack/agnes_local/demo_")
"""They tell of other trees, and of how this one was."""
PACKAGES = {
    "agnes": "shared/agnes",
    "agnes_cli": "cli/agnes_cli",
    "agnes_local": "localstack/agnes_local",
    "agnes_lambda_executor": "localstack/executor/agnes_lambda_executor",
}
_MODULE = re.compile(rf"\b(?:{'|'.join(PACKAGES)})(?:\.\w+)+")
_PATH = re.compile(r"(?<![\w/.:-])(?:cli|docs|functions|infra|layers|localstack|shared|templates|tests)(?:/[\w.-]+)+")
_SHORT_PATH = re.compile(r"(?<![\w/.<-])\w+(?:/\w+)+\.py\b")
_DECISION = re.compile(r"\bdecisions?[ /]0*(\d+)")
_SPECIFICATION = re.compile(r"\bspec/\d\d\b")
"""What this was built from is not in the repository: a text says the rule itself."""
_HOST = re.compile(r"agnes\.example\b")


def prose(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each comment and docstring."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.lineno, str(node.value.value)


@cache
def is_there(module: str) -> bool:
    """A module, a package, or what one of them defines."""
    package, *parts = module.split(".")
    place = ROOT / PACKAGES[package]
    for part in parts:
        if (place / part).is_dir():
            place /= part
            continue
        file = place / f"{part}.py"
        if file.is_file():
            place = file
            continue
        source = place if place.is_file() else place / "__init__.py"
        return re.search(rf"\b{part}\b", source.read_text()) is not None
    return True


@cache
def decisions() -> set[int]:
    return {int(page.name[:4]) for page in (ROOT / "docs" / "decisions").glob("[0-9]*.md")}


def missing(text: str) -> Iterator[str]:
    for module in _MODULE.findall(_HOST.sub("", text)):
        if not is_there(module):
            yield module
    for path in _PATH.findall(text):
        if not (ROOT / path.rstrip(".")).exists():
            yield path
    for path in _SHORT_PATH.findall(text):
        if not any(
            (ROOT / under / path).exists() for under in ("", "shared", "shared/agnes", "shared/agnes/telemetry")
        ):
            yield path
    yield from _SPECIFICATION.findall(text)
    for number in _DECISION.findall(text):
        if int(number) not in decisions():
            yield f"decision {number}"


def test_what_is_named_is_there() -> None:
    wrong = []
    for file, text in texts():
        if not file.endswith((".md", ".py")) or file.startswith(NOT_OF_THIS_TREE):
            continue
        if any(missing(text)):  # only then is it worth to tell prose from code
            lines = prose(text) if file.endswith(".py") else enumerate(text.splitlines(), 1)
            wrong += [f"{file}:{line}: {name}" for line, told in lines for name in missing(told)]
    assert not wrong, "named, and not there:\n" + "\n".join(wrong)


def test_names_that_are_not_there_are_found() -> None:
    text = "`agnes.telemetry.packed`, agnes.state.StateFiles, docs/gone.md, lake/gone.py, lake/copies.py, spec/04, decision 9999"
    assert list(missing(text)) == ["agnes.telemetry.packed", "docs/gone.md", "lake/gone.py", "spec/04", "decision 9999"]
