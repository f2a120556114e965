"""Old private words are not used in any text: docs, pages, messages, docstrings and comments. A quotation may name them."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

import pytest

from tests.architecture.test_sources import texts

REFUSED = {
    r"\bthe house\b(?! (style|rules))|'s house\b(?! style)": "the installation, the deployment, the product",
    r"\bof ours\b": "say whose: of Agnes, of this checkout",
    r"\baside\b": "staged, moved away",
    r"\bswept\b": "collected as garbage",
    r"\bmend(s|ed|ing)?\b": "fix, repair",
    r"\bburied\b": "deleted, redacted",
    r"\bthe pulse\b": "system health",
    r"\bnobody has told\b": "say what is missing, and where to set it",
    r"\bwants a look\b": "needs attention",
    r"\bis not known here\b": "unknown",
    r"\bhow the house does\b": "system health",
}
"""Pattern → what to write instead (the vocabulary of this project; `docs/architecture.md` has its words)."""
NOT_OURS = (
    "tests/architecture/test_language.py",
    "tests/samples/",
    "CHANGELOG",
    "localstack/agnes_local/demo_",
    "shared/agnes/checks/rules/",
)
"""What demonstrates, what tells of the past, and patterns of what others write."""
_QUOTED = re.compile(r"`[^`]*`|<[^>]*>|[\w.-]*/[\w./<>-]+|\b[\w.-]+-aside\b", re.DOTALL)
"""Code, markup, paths and names."""
_QUOTATION = re.compile(r"\*[^*\n]+\*|“[^”]*”|\"[^\"\n]*\"")
"""In prose: what is quoted, or named as a word."""


def of_python(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each comment, docstring and message (a string of several words)."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            yield node.lineno, node.value


def refused(text: str) -> list[str]:
    """What to write instead of the old words that a text has."""
    bare = _QUOTED.sub(" ", text)
    return [
        f"{found[0]!r}: {better}" for old, better in REFUSED.items() if (found := re.search(old, bare, re.IGNORECASE))
    ]


def test_no_text_uses_old_words() -> None:
    wrong = []
    for file, text in texts():
        if file.startswith(NOT_OURS) or not file.endswith((".py", ".md", ".html", ".txt")):
            continue
        if not refused(text):  # only then is it worth to tell prose from code
            continue
        lines = of_python(text) if file.endswith(".py") else enumerate(text.splitlines(), 1)
        for number, line in lines:
            said = _QUOTATION.sub(" ", line) if file.endswith(".md") else line
            wrong += [f"{file}:{number}: {one}" for one in refused(said)]
    assert not wrong, "words of the old vocabulary:\n" + "\n".join(wrong)


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ("This token is none of ours.", True),
        ("How the house does.", True),
        ("Charts in the house style", False),
        ("below `inbox/aside/`, and in inbox/aside/x.json", False),
        ("Fix the cause, then send it again.", False),
    ],
)
def test_which_texts_are_refused(text: str, is_refused: bool) -> None:
    assert bool(refused(text)) is is_refused
