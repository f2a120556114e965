"""Filters, facets, counts: what one answer holds."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from agnes.browse.listing import ItemsQuery
from agnes.browse.model import Usage
from tests.builders.catalogue import EVERYONE, NOW, Shop, person, plugin, usage

ENTRIES = [
    plugin("a", category="Security", age_days=1, market="acme"),
    plugin("b", category="Security", age_days=20, market="zoo"),
    plugin("c", category="Research", age_days=50, market="zoo"),
    plugin("d", category="Knitting", age_days=100, market="zoo", is_system=True),
]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"category": "Security"}, ["a", "b"]),
        ({"category": "security"}, []),
        ({"publisher": "zoo"}, ["b", "c", "d"]),
        ({"publisher": "zoo", "category": "Security"}, ["b"]),
        ({"updated": "7d"}, ["a"]),
        ({"updated": "30d"}, ["a", "b"]),
        ({"updated": "90d"}, ["a", "b", "c"]),
        ({"not_in_stack": "1"}, ["b", "c"]),
        ({"not_in_stack": "1", "tab": "my"}, []),
        ({"tab": "my"}, ["a", "d"]),
    ],
)
def test_filters(query: dict, names: list[str]) -> None:
    assert Shop(ENTRIES, held=[("ann", "curated-acme/a")]).names(**query) == names


def test_facets_say_what_would_remain() -> None:
    facets = Shop(ENTRIES).list(category="Security", publisher="zoo").facets
    assert [(f.name, f.count, f.icon_key) for f in facets.categories] == [
        ("Knitting", 1, "grid"),
        ("Research", 1, "flask"),
        ("Security", 1, "shield"),
    ]
    assert [(f.name, f.count) for f in facets.publishers] == [("acme", 1), ("zoo", 1)]


def test_tab_totals_are_of_everything_there() -> None:
    listed = Shop(ENTRIES, held=[("ann", "curated-acme/a")]).list(category="Research", q="nothing")
    assert (listed.total, listed.tabs) == (0, {"curated": 4, "flea": 0, "my": 2})


def test_nobody_without_a_grant_sees_anything_but_what_everybody_has() -> None:
    shop = Shop(ENTRIES, grants={"acme/a": ["red"], "zoo/b": ["red", "blue"]})
    assert shop.names(person("ann")) == ["d"]
    assert shop.names(person("ann", "blue")) == ["b", "d"]
    assert shop.names(person("ann", "red")) == ["a", "b", "d"]
    assert shop.names(person("eve", admin=True)) == ["d"], "admins are no exception in listings"


def test_the_stack_counts_active_people_who_may_have_it() -> None:
    people = {"ann": EVERYONE, "bob": EVERYONE | {"red"}}
    held = [(who, f"curated-{name}") for who in ("ann", "bob", "left") for name in ("acme/a", "zoo/b")]
    shop = Shop(ENTRIES, grants={"acme/a": ["red"], "zoo/b": ["everyone"]}, held=held, people=people)
    counts = {item.name: item.stack_count for item in shop.list(person("bob", "red")).items}
    assert counts == {"a": 1, "b": 2, "d": 2}


def test_what_is_held_and_no_longer_granted_is_in_no_tab() -> None:
    shop = Shop(ENTRIES, grants={}, held=[("ann", "curated-acme/a")])
    assert shop.names(tab="my") == ["d"]


def test_often_in_the_same_stack() -> None:
    entries = [plugin(name) for name in "abcd"]
    held = [
        ("u1", "a"), ("u1", "b"), ("u1", "c"),
        ("u2", "a"), ("u2", "b"), ("u2", "c"),
        ("u3", "a"), ("u3", "b"),
        ("u4", "a"), ("u4", "d"),
    ]  # fmt: skip
    catalogue = Shop(entries, held=[(who, f"curated-acme/{name}") for who, name in held]).catalogue
    assert catalogue.holdings.together(0) == [(1, 3), (2, 2)], "one person's choice is not told"


@pytest.mark.parametrize(
    "given",
    [
        {"page": "0"},
        {"page": "abc"},
        {"page_size": "101"},
        {"sort": "best"},
        {"scope": "curated,attic"},
        {"type": "foo"},
        {"unknown": "1"},
        {"updated": "1d"},
        {"q": "x" * 201},
        {"not_in_stack": "maybe"},
        {"scope": [1]},
    ],
)
def test_what_is_not_understood_is_refused(given: dict) -> None:
    with pytest.raises(ValidationError):
        ItemsQuery.model_validate(given)


@pytest.mark.parametrize(
    ("given", "sort"),
    [
        ({}, "recent"),
        ({"q": "  "}, "recent"),
        ({"q": "x"}, "relevance"),
        ({"q": "x", "sort": "recent"}, "recent"),
        ({"sort": "relevance"}, "recent"),
    ],
)
def test_the_order_that_nobody_chose(given: dict, sort: str) -> None:
    assert ItemsQuery.model_validate(given).wanted_sort == sort


@pytest.mark.parametrize(
    ("trend", "direction", "text"),
    [(None, "flat", "0%"), (0.0, "flat", "0%"), (0.4, "flat", "0%"), (12.6, "up", "13%"), (-3.5, "down", "4%"), (1250.0, "up", "1,250%")],
)  # fmt: skip
def test_a_trend_is_rounded_and_nothing_is_no_rise(trend: float | None, direction: str, text: str) -> None:
    shown = Usage(5, 1, trend_pct=trend)
    assert (shown.trend_direction, shown.trend_text) == (direction, text)


def test_a_chip_without_use_and_without_holders_is_not_shown() -> None:
    assert not Usage().is_shown
    assert usage(1, 1).is_shown
    assert Usage(stack_count=1).is_shown


def test_sentences_have_whole_numbers() -> None:
    words = Usage(1_234_567, 1, trend_pct=-12.0, stack_count=999_950).sentences
    assert words["calls"] == "1,234,567 calls in the last 30 days"
    assert words["active"] == "1 person called it in the last 30 days"
    assert words["trend"].startswith("12% fewer calls")
    assert words["installed"] == "999,950 people have it in their stack now"
    assert (
        "FinOps, the plugin that it is part of," in Usage(1, 1, stack_count=2, parent="FinOps").sentences["installed"]
    )


def test_recently_updated_is_measured_from_now() -> None:
    entry = plugin("edge", updated=NOW - timedelta(days=7))
    assert Shop([entry]).names(updated="7d") == ["edge"]
