"""A plugin that a grant makes required: installed without asking, locked, in tabs and counts."""

from __future__ import annotations

import pytest

from agnes.browse.listing import ItemsQuery, listing
from tests.builders.catalogue import EVERYONE, NOW, Shop, person, plugin

SALES = EVERYONE | {"sales"}
PEOPLE = {"ann": SALES, "bob": SALES, "cid": EVERYONE}
ENTRIES = [plugin("a"), plugin("b"), plugin("c", is_system=True)]
GRANTS = {"acme/a": ["everyone", "sales"], "acme/b": ["everyone"], "acme/c": ["everyone"]}


def shop(required: dict[str, list[str]], held: list[tuple[str, str]] | None = None) -> Shop:
    return Shop(ENTRIES, grants=GRANTS, people=PEOPLE, held=held or [], required=required)


def row(found: Shop, who: str, name: str = "a"):
    return next(item for item in found.list(person(who, *PEOPLE[who])).items if item.name == name)


def test_it_is_installed_and_locked_for_its_group_and_an_offer_for_others() -> None:
    found = shop({"acme/a": ["sales"]})
    assert [(row(found, who).installed, row(found, who).required) for who in PEOPLE] == [
        (True, True),
        (True, True),
        (False, False),
    ]
    assert (row(found, "ann").is_locked, row(found, "cid").is_locked) == (True, False)


def test_rows_of_one_catalogue_are_each_person_s_own() -> None:
    """Somebody who added it and somebody who must have it both have it, and only one of them may take it off."""
    found = shop({"acme/a": ["sales"]}, held=[("cid", "curated-acme/a")])
    kept = found.catalogue

    locked = {
        who: next(i for i in listing(kept, person(who, *PEOPLE[who]), ItemsQuery(), now=NOW).items if i.name == "a")
        for who in ("ann", "cid")
    }
    assert {who: (item.installed, item.is_locked) for who, item in locked.items()} == {
        "ann": (True, True),
        "cid": (True, False),
    }


@pytest.mark.parametrize(
    ("who", "query", "names"),
    [
        ("ann", {"tab": "my"}, ["a", "c"]),
        ("cid", {"tab": "my"}, ["c"]),
        ("ann", {"not_in_stack": True}, ["b"]),
        ("cid", {"not_in_stack": True}, ["a", "b"]),
    ],
)
def test_tabs_and_filters(who: str, query: dict, names: list[str]) -> None:
    found = shop({"acme/a": ["sales"]})
    listed = found.list(person(who, *PEOPLE[who]), **query)
    assert [item.name for item in listed.items] == names
    assert listed.tabs["my"] == (2 if who == "ann" else 1)


@pytest.mark.parametrize(
    ("required", "held", "count"),
    [
        ({}, [("ann", "curated-acme/a")], 1),
        ({"acme/a": ["sales"]}, [], 2),
        ({"acme/a": ["sales"]}, [("ann", "curated-acme/a"), ("cid", "curated-acme/a")], 3),
        ({"acme/a": ["sales", "everyone"]}, [("ann", "curated-acme/a")], 3),
        ({"acme/a": ["sales"]}, [("gone", "curated-acme/a")], 2),
        ({"acme/nothing": ["sales"]}, [], 0),
    ],
    ids=["asked for", "required", "both, each once", "two grants", "a deactivated account", "of what is not there"],
)
def test_people_count_once(required: dict, held: list, count: int) -> None:
    assert row(shop(required, held), "cid").stack_count == count
