"""Search: what is found, in which order, and with which mistakes."""

from __future__ import annotations

import random

import pytest

from agnes.browse.model import Inner, Words
from agnes.browse.search import Index, is_one_typo, words
from tests.builders.catalogue import Shop, plugin, usage


def inner(kind: str, name: str, description: str = "") -> Inner:
    return Inner(kind, name, "", description, f"{kind}s/{name}.md", "")


SHOP = Shop(
    [
        plugin("finops", description="Close the month", keywords=("ledger", "forecast"), category="Data & Analytics"),
        plugin("forecast", description="Weather"),
        plugin(
            "chartkit", description="Charts for a forecast", inner=(inner("skill", "waterfall", "Bars that float"),)
        ),
        plugin(
            "sql-style", inner=(inner("agent", "sql-reviewer"), inner("hook", "PreToolUse"), inner("mcp", "warehouse"))
        ),
        plugin("café", description="Crème brûlée"),
        plugin("p5", words=Words(display_name="Night Owl", tagline="Works while you sleep")),
        plugin("percent", description="100% of _everything_"),
    ],
    {"curated-acme/chartkit": usage(5, 5)},
)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        pytest.param("forecast", ["forecast", "finops", "chartkit"], id="name before keyword before description"),
        pytest.param("FORECAST", ["forecast", "finops", "chartkit"], id="case"),
        pytest.param("fore", ["forecast", "finops", "chartkit"], id="beginning of a word"),
        pytest.param("recas", ["forecast", "finops", "chartkit"], id="inside of a word"),
        pytest.param("forecsat", ["forecast", "finops", "chartkit"], id="two letters swapped"),
        pytest.param("forcast", ["forecast", "finops", "chartkit"], id="one letter missing"),
        pytest.param("foreecast", ["forecast", "finops", "chartkit"], id="one letter too many"),
        pytest.param("forekast", ["forecast", "finops", "chartkit"], id="one letter wrong"),
        pytest.param("fxrekast", [], id="two mistakes"),
        pytest.param("fop", [], id="too short to guess"),
        pytest.param("month close", ["finops"], id="all words, in any order"),
        pytest.param("month weather", [], id="all words, not any"),
        pytest.param("waterfall", ["chartkit"], id="a skill inside"),
        pytest.param("float", ["chartkit"], id="a skill's description"),
        pytest.param("sql-reviewer", ["sql-style"], id="an agent inside"),
        pytest.param("pretooluse", [], id="hooks are no words"),
        pytest.param("night owl", ["p5"], id="display name"),
        pytest.param("sleep", ["p5"], id="tagline"),
        pytest.param("cafe", ["café"], id="without accents"),
        pytest.param("BRÛLÉE", ["café"], id="with accents and capitals"),
        pytest.param("analytics", ["finops"], id="category"),
        pytest.param("100%", ["percent"], id="a sign is no wildcard"),
        pytest.param("%", [], id="nothing but a sign"),
        pytest.param("_", [], id="nothing but an underscore"),
    ],
)
def test_found_in_this_order(query: str, names: list[str]) -> None:
    assert SHOP.names(q=query) == names


def test_what_matched_inside_is_told() -> None:
    assert [item.matched for item in SHOP.list(q="waterfall").items] == ["skill waterfall"]
    assert [item.matched for item in SHOP.list(q="chartkit").items] == [""]


def test_another_sort_may_be_asked_for() -> None:
    found = SHOP.list(q="forecast", sort="most_adopted")
    assert [item.name for item in found.items] == ["chartkit", "finops", "forecast"]
    assert found.available_sorts == ("relevance", "recent", "most_used", "most_adopted")


def test_equal_matches_are_ordered_by_adoption() -> None:
    entries = [plugin(name, description="ledger") for name in ("a", "b", "c")]
    assert Shop(entries, {"curated-acme/c": usage(3, 3)}).names(q="ledger") == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("one", "other", "is_one"),
    [
        ("forecast", "forecast", True),
        ("forecast", "forecat", True),
        ("forecast", "orecast", True),
        ("forecast", "forecasts", True),
        ("forecast", "forecsat", True),
        ("forecast", "forexast", True),
        ("forecast", "fotecats", False),
        ("forecast", "forec", False),
        ("ab", "ba", True),
        ("abc", "cab", False),
        ("", "a", True),
    ],
)
def test_one_typo(one: str, other: str, is_one: bool) -> None:
    assert is_one_typo(one, other) is is_one
    assert is_one_typo(other, one) is is_one


def test_every_single_typo_of_a_word_is_forgiven() -> None:
    rng = random.Random(3)
    vocabulary = ["".join(rng.choices("abcdefgh", k=rng.randint(5, 9))) for _ in range(200)]
    index = Index([[(1.0, word)] for word in vocabulary])
    for number, word in enumerate(vocabulary):
        at = rng.randrange(len(word) - 1)
        for wrong in (
            word[:at] + word[at + 1 :],
            word[:at] + "z" + word[at:],
            word[:at] + "z" + word[at + 1 :],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        ):
            if not any(wrong in known for known in vocabulary):  # then it is no mistake
                assert number in (index.search(wrong) or {}), (word, wrong)


def test_words_of_a_text() -> None:
    assert words("Sql-Style, v2 — “Ökonomie” x_y") == ["sql", "style", "v2", "okonomie", "x", "y"]
