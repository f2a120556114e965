"""The catalogue is as new as a read would be, and no more of it is made again than changed."""

from __future__ import annotations

import pytest

from agnes.browse import shelf
from agnes.kernel.principal import SCHEDULER
from agnes.marketplace import service as marketplace
from tests.builders.people import Person, add_person

pytestmark = pytest.mark.slow


def layers(shop):
    made = shelf.catalogue(shop.house.state)
    return made.content, made.measures, made.reach, made.holdings


def kept(before, after):
    return [old is new for old, new in zip(before, after, strict=True)]


def test_nothing_changed_nothing_made(shop):
    assert shelf.catalogue(shop.house.state) is shelf.catalogue(shop.house.state)


def test_signing_in_changes_nothing(shop):
    before = layers(shop)
    generation = shop.house.state.generation("people")
    shop.house.login("ada@example.com", "correct horse")
    assert shop.house.state.generation("people") == generation
    assert kept(before, layers(shop)) == [True, True, True, True]


def test_an_add_changes_the_holdings_only(shop):
    before = layers(shop)
    assert shop.house.post("/api/marketplace/curated/northwind/finops/install", token=shop.token).status == 200
    assert kept(before, layers(shop)) == [True, True, True, False]
    shop.house.delete("/api/marketplace/curated/northwind/finops/install", token=shop.token)


def test_a_new_account_changes_who_counts(shop):
    before = layers(shop)
    add_person(shop.house, Person("", "ada@example.com", shop.token), "dan@example.com")
    assert kept(before, layers(shop)) == [True, True, False, False]
    sql = next(item for item in shop.json("/api/marketplace/items")["items"] if item["name"] == "sql-style")
    assert sql["stack_count"] == 10, "a system plugin is everybody's: eight people, Ada and Dan"


def test_a_plugin_that_becomes_everybody_s_is_seen_at_once(shop):
    state = shop.house.state
    marketplace.set_system(state, SCHEDULER, "northwind", "chartkit", is_system=True)
    chartkit = shop.json("/api/marketplace/items?q=chartkit")["items"][0]
    assert (chartkit["is_system"], chartkit["installed"], chartkit["stack_count"]) == (True, True, 10)
    marketplace.set_system(state, SCHEDULER, "northwind", "chartkit", is_system=False)
    assert shop.json("/api/marketplace/items?q=chartkit")["items"][0]["is_system"] is False


def test_version_seen_is_what_a_read_sees(shop):
    state = shop.house.state
    before = state.version_seen("stack")
    assert before == state.version_seen("stack")
    state.commit("stack", lambda tx: tx.db.execute("INSERT INTO stack.subscriptions VALUES ('x', 'y', 'z', now())"))
    after = state.version_seen("stack")
    assert after[0] == before[0] + 1 == state.generation("stack")
    assert after[1] != before[1]
