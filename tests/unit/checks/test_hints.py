"""The words that stand for a rule's patterns are those of the patterns as they are now."""

from __future__ import annotations

import pytest

from agnes.checks.rules import RULES
from agnes.checks.rules.hints import HINTS
from tests.architecture import checks_page, rule_hints


def test_the_words_are_written_anew() -> None:
    assert {rule.id: rule_hints.hints(rule) for rule in RULES if rule.terms} == HINTS, "run `make docs`"


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r"\bcurl\b", {"curl"}),
        (r"(?:curl|wget)\s", {"curl", "wget"}),
        (r"\b(?:ignor(?:e|ing)|forget)\b", {"ignore", "ignoring", "forget"}),
        (r"https?://", {"http://", "https://"}),
        (r"x?abcd[0-9]+efghij", {"efghij"}),
        (r"(?:abc|d)e", set()),
        (r"[a-z]{20}", set()),
        (r"(?:abc)*", set()),
        (r"(?-i)AKIA[A-Z]{4}", {"akia"}),
    ],
)
def test_words_of_a_pattern(pattern: str, words: set[str]) -> None:
    assert rule_hints.words(pattern) == words


def test_the_page_of_rules_is_written_anew() -> None:
    assert checks_page.PAGE.read_text() == checks_page.page(), "run `make docs`"
