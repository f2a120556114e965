"""Orders of the listing and of Most Popular, over a hand-made set in which every level of every order has a tie."""

from __future__ import annotations

from datetime import timedelta
from itertools import chain
from typing import ClassVar

import pytest

from agnes.browse.model import Usage
from tests.builders.catalogue import NOW, Shop, flea, person, plugin, usage

#            name      market  age    calls people calls7 people7 trend
TABLE = [
    ("delta", "acme", 5, 90, 9, 20, 4, 10.0),
    ("alpha", "acme", 5, 90, 9, 20, 4, 10.0),  # equal to delta in everything but the name
    ("alpha", "zoo", 5, 90, 9, 20, 4, 10.0),  # equal to the one above but for the marketplace
    ("bravo", "acme", 1, 90, 9, 20, 5, -5.0),  # more people this week
    ("carol", "acme", 2, 90, 9, 30, 1, None),  # more calls this week
    ("echo", "acme", 3, 500, 3, 90, 3, 0.0),  # many calls of few people
    ("fox", "acme", 0, 95, 9, 0, 0, 250.0),  # more calls in the month
    ("golf", "acme", 4, 12, 12, 0, 0, None),  # the most people of all
    ("Hotel", "acme", 9, 0, 0, 0, 0, None),  # never used
    ("india", "acme", 9, 0, 0, 0, 0, None),  # never used
]


def shop() -> Shop:
    entries = [plugin(name, market=market, age_days=age) for name, market, age, *_ in TABLE]
    used = {f"curated-{market}/{name}": usage(*figures) for name, market, _, *figures in TABLE if figures[0]}
    return Shop(entries, used)


def shown(items: object) -> list[str]:
    return [f"{item.name}@{item.marketplace_slug}" for item in items]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        pytest.param(
            "recent",
            "fox bravo carol echo golf alpha alpha@zoo delta Hotel india",
            id="recent: the newest, then name, then marketplace",
        ),
        pytest.param(
            "most_used",
            "echo fox alpha alpha@zoo bravo carol delta golf Hotel india",
            id="most used: calls, then name",
        ),
        pytest.param(
            "most_adopted",
            "golf alpha alpha@zoo bravo carol delta fox echo Hotel india",
            id="most adopted: people, then name",
        ),
        pytest.param(
            "trending", "fox alpha alpha@zoo delta echo bravo", id="trending: only what has a trend, then as recent"
        ),
    ],
)
def test_sorts(sort: str, order: str) -> None:
    expected = [name if "@" in name else f"{name}@acme" for name in order.split()]
    assert shown(shop().list(sort=sort).items) == expected


def test_most_popular_has_six_levels() -> None:
    everything = shop().catalogue.measures.popular
    names = shown([_Named(shop().entries[n]) for n in everything])
    assert names == [
        "golf@acme",  # 1 most people in 30 days
        "fox@acme",  # 2 most calls in 30 days
        "bravo@acme",  # 3 most people in 7 days
        "alpha@acme",  # 5 name; 6 marketplace
        "alpha@zoo",
        "delta@acme",
        "carol@acme",  # 4 fewer people this week, whatever its calls
        "echo@acme",
    ]


class _Named:
    def __init__(self, entry) -> None:
        self.name, self.marketplace_slug = entry.name, entry.marketplace_id


def test_the_fourth_level_of_most_popular_is_the_week_s_calls() -> None:
    same = {"curated-acme/a": usage(9, 3, 4, 2), "curated-acme/b": usage(9, 3, 5, 2)}
    assert shown(Shop([plugin("a"), plugin("b")], same).list().popular) == ["b@acme", "a@acme"]


def test_most_popular_is_four_cards_of_all_that_is_visible() -> None:
    entries = [plugin(f"p{n:03d}", age_days=n) for n in range(300)]
    used = {entry.id: usage(1000 - n, 1) for n, entry in enumerate(entries)} | {entries[299].id: usage(2, 2)}
    found = Shop(entries, used).list(page_size=24)
    assert [item.name for item in found.popular] == ["p299", "p000", "p001", "p002"]


@pytest.mark.parametrize(
    "query",
    [
        {"q": "alpha"},
        {"category": "Other"},
        {"page": 2},
        {"tab": "my"},
        {"not_in_stack": True},
        {"publisher": "acme"},
        {"updated": "7d"},
        {"tab": "flea"},
    ],
)
def test_most_popular_is_hidden(query: dict) -> None:
    assert shop().list(**query).popular == ()


@pytest.mark.parametrize("sort", ["recent", "most_used", "trending"])
def test_most_popular_stays_under_every_sort(sort: str) -> None:
    assert shown(shop().list(sort=sort).popular) == ["golf@acme", "fox@acme", "bravo@acme", "alpha@acme"]


def test_nothing_used_is_nothing_popular() -> None:
    assert Shop([plugin("a"), plugin("b")]).list().popular == ()


def test_what_is_not_visible_is_not_popular() -> None:
    hidden = Shop(shop().entries, shop().used, grants={"acme/echo": ["everyone"]})
    assert shown(hidden.list().popular) == ["echo@acme"]


def test_sorting_comes_before_paging() -> None:
    entries = [plugin(f"p{n:03d}", age_days=n) for n in range(60)]
    listed = Shop(entries, {e.id: usage(n, 1) for n, e in enumerate(entries) if n})
    pages = [listed.names(sort="most_used", page=page) for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [24, 24, 12, 0]
    assert list(chain(*pages)) == [f"p{n:03d}" for n in range(59, -1, -1)]
    assert listed.list(page=4).total == 60


def test_trending_is_offered_where_something_shown_has_a_trend() -> None:
    entries = [plugin("a", category="Security"), plugin("b", category="Research")]
    listed = Shop(entries, {"curated-acme/a": usage(5, 1, trend=3.0)})
    assert listed.list().available_sorts[-1] == "trending"
    assert listed.list(category="Security").available_sorts[-1] == "trending"
    assert "trending" not in listed.list(category="Research").available_sorts
    assert "trending" not in Shop(entries, listed.used, grants={"acme/b": ["everyone"]}).list().available_sorts


def test_my_stack_is_curated_by_registration_then_flea_as_it_was_added() -> None:
    entries = [
        plugin("b", order_in_stack=2),
        flea("old", age_days=9),
        plugin("a", order_in_stack=3),
        flea("new", age_days=1),
        plugin("z", order_in_stack=1),
    ]
    held = [("ann", entry.id) for entry in entries]
    since = {("ann", "flea-old"): NOW, ("ann", "flea-new"): NOW - timedelta(days=1), ("bob", "flea-new"): NOW}
    assert Shop(entries, held=held, since=since).names(tab="my") == ["z", "b", "a", "old-by-bob", "new-by-bob"]
    since = dict.fromkeys(since, NOW)
    assert Shop(entries, held=held, since=since).names(tab="my")[3:] == ["new-by-bob", "old-by-bob"], "then by id"


class TestFlea:
    """Rows of a second source need nothing but their entries."""

    entries: ClassVar = [
        plugin("finops", description="Ledger"),
        flea("approved", description="Ledger notes"),
        flea("mine", owner="ann", status="pending", kind="agent"),
        flea("theirs", status="quarantined"),
        flea("gone", owner="ann", status="archived"),
        flea("kept", status="archived", kind="plugin"),
    ]
    shop: ClassVar = Shop(entries, held=[("ann", "flea-kept"), ("ann", "flea-theirs"), ("ann", "curated-acme/finops")])

    def test_others_see_what_is_approved_and_their_own(self) -> None:
        assert set(self.shop.names(tab="flea")) == {"approved-by-bob", "mine-by-ann"}
        assert set(self.shop.names(person("cid"), tab="flea")) == {"approved-by-bob"}

    def test_an_admin_sees_all_of_it_with_its_state(self) -> None:
        found = {
            item.name: item.visibility_status for item in self.shop.list(person("eve", admin=True), tab="flea").items
        }
        assert found["theirs-by-bob"] == "quarantined"
        assert found["gone-by-ann"] == "archived"
        assert len(found) == 5

    def test_what_was_archived_stays_in_the_stacks_that_have_it(self) -> None:
        assert self.shop.names(tab="my") == ["finops", "kept-by-bob"]

    def test_own_things_are_marked(self) -> None:
        own = {item.name: item.is_viewer_owner for item in self.shop.list(tab="flea").items}
        assert own == {"approved-by-bob": False, "mine-by-ann": True}

    def test_types_filter_the_flea_market_and_not_the_curated_one(self) -> None:
        assert self.shop.names(tab="flea", type="agent") == ["mine-by-ann"]
        assert self.shop.names(tab="curated", type="agent") == ["finops"]
        assert [(f.name, f.count) for f in self.shop.list(tab="flea", type="agent").facets.types] == [
            ("skill", 1),
            ("agent", 1),
        ]

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ({"tab": "curated"}, {"finops"}),
            ({"tab": "flea"}, {"approved-by-bob"}),
            ({"tab": "curated", "scope": "flea"}, {"approved-by-bob"}),
            ({"tab": "curated", "scope": "curated,flea"}, {"finops", "approved-by-bob"}),
            ({"tab": "flea", "scope": ["flea", "curated"]}, {"finops", "approved-by-bob"}),
        ],
    )
    def test_scopes_choose_the_sources_of_a_search(self, query: dict, names: set[str]) -> None:
        found = self.shop.list(q="ledger", **query)
        assert {item.name for item in found.items} == names
        assert found.total == len(names)

    def test_scopes_say_nothing_without_a_search(self) -> None:
        assert self.shop.names(tab="curated", scope="flea") == ["finops"]

    def test_both_sources_are_one_ranked_and_paged_list(self) -> None:
        entries = [plugin(f"ledger-{n}", age_days=n) for n in range(20)] + [flea(f"ledger{n}") for n in range(20)]
        shop = Shop(entries)
        pages = [shop.list(q="ledger", scope="curated,flea", page=page) for page in (1, 2)]
        assert [len(page.items) for page in pages] == [24, 16]
        assert all(page.total == 40 for page in pages)
        assert len({item.id for page in pages for item in page.items}) == 40

    def test_popular_of_each_tab_is_its_own(self) -> None:
        used = {"flea-approved": Usage(5, 2), "curated-acme/finops": Usage(9, 3)}
        shop = Shop(self.entries, used)
        assert [i.name for i in shop.list(tab="flea").popular] == ["approved-by-bob"]
        assert [i.name for i in shop.list(tab="flea", type="agent").popular] == []
        assert [i.name for i in shop.list(tab="curated", type="agent").popular] == ["finops"]
