"""Writes shared/agnes/checks/rules/hints.py: `make docs`. For each rule the words of which one must be in a text for the rule to match.

Read from the rule's patterns by the parser of `re`, whose syntax RE2's is a part of. Of a rule's terms, the one whose words are the rarest
in ordinary texts is taken.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from re import _constants as constants
from re import _parser as parser
from typing import Any

from agnes.checks.rules import RULES, Rule

PAGE = Path(__file__).parents[2] / "shared" / "agnes" / "checks" / "rules" / "hints.py"
MIN_CHARACTERS = 3
MAX_CHARACTERS = 12
MAX_WORDS = 120
COMMON = frozenset(
    [
        "all",
        "any",
        "every",
        "each",
        "the",
        "your",
        "run",
        "use",
        "set",
        "get",
        "add",
        "send",
        "post",
        "read",
        "write",
        "open",
        "load",
        "start",
        "install",
        "delete",
        "remove",
        "edit",
        "change",
        "update",
        "include",
        "append",
        "user",
        "users",
        "file",
        "files",
        "code",
        "data",
        "text",
        "http",
        "https://",
        "https",
        "with",
        "without",
        "before",
        "after",
        "always",
        "never",
        "import",
        "from",
        "url",
        "page",
        "server",
        "remote",
        "site",
        "link",
        "query",
        "call",
        "request",
        "fetch",
        "download",
        "upload",
        "copy",
        "push",
        "pull",
        "report",
        "publish",
        "share",
        "command",
        "commands",
        "tool",
        "tools",
        "prompt",
        "session",
        "message",
        "name",
        "value",
        "export",
        "path",
        "python",
        "python3",
        "node",
        "bash",
        "exec",
        "eval",
        "safe",
        "low",
        "none",
        "pass",
        "approved",
        "rule",
        "rules",
        "system",
        "permission",
        "permissions",
        "http://",
        "other",
        "using",
        "answer",
        "skip",
        "ignore",
        "disable",
        "key",
        "keys",
        "token",
        "tokens",
        "image",
        "parameter",
        "endpoint",
        "output",
        "print",
        "return",
        "paste",
        "default",
        "enable",
        "turn",
        "switch",
        "restart",
        "launch",
        "pass",
        "find",
        "env",
        "set",
        "echo",
        "cat",
        "open(",
        "write(",
        "copy",
        "move",
        "config",
        "create",
        "register",
        "follow",
        "apply",
        "perform",
        "check",
        "review",
        "important",
        "must",
        "execute",
        "silent",
        "ask",
        "test",
        "check",
        "docs",
        ".md",
        ".py",
        ".js",
        "create",
        "list",
        "show",
        "word",
        ".get",
        "get(",
        "in",
        "the",
        "for",
        "and",
        "not",
        "push",
        "to",
        "be",
        "is",
        "we",
        "no",
        "on",
        "of",
        "as",
        "by",
        "it",
        "if",
        "or",
        "an",
        "at",
        "so",
        "up",
        "do",
        "me",
        "my",
        "us",
        "go",
        "https?://",
    ]
)
"""Words that ordinary texts are full of."""


def words(pattern: str) -> frozenset[str]:
    """Small-letter words of which one is in whatever the pattern matches; empty if there are none of MIN_CHARACTERS."""
    plain = pattern.removeprefix("(?-i)")
    try:
        tree = parser.parse(plain)
    except re.error:
        return frozenset()
    return _best(_sequence(list(tree))) or frozenset()


def _cost(atoms: frozenset[str]) -> float:
    return sum(50.0 / len(word) ** 3 if word.strip(" .(_-/") in COMMON else 200.0 / len(word) ** 5 for word in atoms)


def _best(options: list[frozenset[str]]) -> frozenset[str] | None:
    fit = [one for one in options if one and len(one) <= MAX_WORDS and min(map(len, one)) >= MIN_CHARACTERS]
    return min(fit, key=lambda one: (_cost(one), sorted(one)), default=None)


def _sequence(items: list[Any]) -> list[frozenset[str]]:
    """Sets of words for parts that must be there one after the other; each is a choice."""
    found: list[frozenset[str]] = []
    run: frozenset[str] | None = None
    for operation, argument in items:
        exact = _exact(operation, argument)
        if exact is not None:
            joined = frozenset(one + other for one in (run or frozenset([""])) for other in exact)
            if len(joined) <= MAX_WORDS and max(map(len, joined)) <= 40:
                run = joined
                continue
            found += [run] if run else []
            run = exact
            continue
        found += [run] if run else []
        run = None
        if operation is constants.SUBPATTERN:
            found += _sequence(list(argument[3]))
        elif operation in (constants.MAX_REPEAT, constants.MIN_REPEAT) and argument[0] >= 1:
            found += _sequence(list(argument[2]))
        elif operation is constants.BRANCH:
            branches = [_best(_sequence(list(branch))) for branch in argument[1]]
            if all(branches):
                found.append(frozenset[str]().union(*[one for one in branches if one]))
    return [frozenset(word[:MAX_CHARACTERS] for word in one) for one in [*found, *([run] if run else [])]]


def _exact(operation: Any, argument: Any) -> frozenset[str] | None:
    """The texts that a part is, if they are few; None if they are not known."""
    if operation is constants.AT:
        return frozenset([""])
    if operation is constants.LITERAL:
        return frozenset([chr(argument).lower()]) if argument < 128 else None
    if (
        operation is constants.IN
        and 0 < len(argument) <= 3
        and all(kind is constants.LITERAL and code < 128 for kind, code in argument)
    ):
        return frozenset(chr(code).lower() for _, code in argument)
    if operation is constants.SUBPATTERN:
        return _whole(list(argument[3]))
    if operation is constants.BRANCH:
        branches = [_whole(list(branch)) for branch in argument[1]]
        if all(one is not None for one in branches):
            union = frozenset[str]().union(*[one for one in branches if one])
            return union if len(union) <= 24 else None
        return None
    if operation in (constants.MAX_REPEAT, constants.MIN_REPEAT) and tuple(argument[:2]) == (0, 1):
        inner = _whole(list(argument[2]))
        return None if inner is None or len(inner) > 4 else inner | {""}
    return None


def _whole(items: list[Any]) -> frozenset[str] | None:
    texts = frozenset([""])
    for operation, argument in items:
        exact = _exact(operation, argument)
        if exact is None:
            return None
        texts = frozenset(one + other for one in texts for other in exact)
        if len(texts) > MAX_WORDS:
            return None
    return texts


def hints(rule: Rule) -> tuple[int, tuple[str, ...]]:
    """(the term that is looked for first, its words); no words where no term has any."""
    choices = [(number, words(term)) for number, term in enumerate(rule.terms)]
    usable = [(number, found) for number, found in choices if found]
    if not usable:
        return 0, ()
    number, found = min(usable, key=lambda one: (_cost(one[1]), one[0]))
    # A word that holds another one is found with it.
    return number, tuple(sorted(word for word in found if not any(other != word and other in word for other in found)))


def source() -> str:
    lines = [f"    {rule.id!r}: {hints(rule)!r},\n" for rule in RULES if rule.terms]
    return (
        '"""For each rule the term that is looked for first, and the words of which one is in all that it matches: `make docs` writes this\n'
        'from the patterns. A rule without words is looked for by its pattern."""\n\nHINTS: dict[str, tuple[int, tuple[str, ...]]] = {\n'
        + "".join(lines)
        + "}  # fmt: skip\n"
    )


if __name__ == "__main__":
    PAGE.write_text(source())
    subprocess.run([sys.executable, "-m", "ruff", "check", "--fix", "--quiet", PAGE], check=False)
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", PAGE], check=True)
