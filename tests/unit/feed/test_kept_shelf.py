"""What the feed keeps is never older than a request: every change that decides what a person is served bites at the next one."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from agnes.feed import service
from agnes.kernel.clock import FixedClock
from agnes.kernel.principal import Principal
from agnes.outside.object_store.memory import MemoryStore
from agnes.settings import load
from agnes.stack import service as stack
from agnes.stack.serving import serving_index
from agnes.trees import service as trees
from agnes.trees.model import TreeFile
from agnes.wiring import Wiring
from tests.builders.flea import plant

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
BOB = Principal("bob", "bob@example.com", "Bob", frozenset({"everyone", "finance"}))
EVE = Principal("eve", "eve@example.com", "Eve", frozenset({"everyone"}))
NOTES = "notes-by-eve"

CHANGES = (
    # (state file, statement, what Bob is served at the next request)
    ("stack", "INSERT INTO stack.subscriptions VALUES ('bob', 'acme', 'finops', '2026-11-24')", {"finops": "1"}),
    ("stack", "INSERT INTO stack.entity_installs VALUES ('bob', 'id-notes', now())", {"finops": "1", NOTES: "1"}),
    ("people", "DELETE FROM people.grants", {NOTES: "1"}),
    (
        "people",
        "INSERT INTO people.grants VALUES ('g2', 'finance', 'marketplace_plugin', 'acme/finops', now(), NULL)",
        {"finops": "1", NOTES: "1"},
    ),
    ("stack", "DELETE FROM stack.subscriptions", {NOTES: "1"}),
    ("stack", "INSERT INTO stack.required_grants VALUES ('g2', now(), 'ada')", {"finops": "1", NOTES: "1"}),
    ("people", "UPDATE people.grants SET group_id = 'others'", {NOTES: "1"}),
    ("marketplace", "UPDATE marketplace.plugins SET is_system = true", {"finops": "1", NOTES: "1"}),
    ("marketplace", "UPDATE marketplace.plugins SET disabled = true", {NOTES: "1"}),
    ("marketplace", "UPDATE marketplace.plugins SET disabled = false", {"finops": "1", NOTES: "1"}),
    (
        "marketplace",
        "UPDATE marketplace.plugins SET rollout_version = 'v2', rollout_group = 'finance'",
        {"finops": "2", NOTES: "1"},
    ),
    (
        "marketplace",
        "INSERT INTO marketplace.blocked_trees SELECT tree_id, 'bad', now(), 'ada' FROM marketplace.versions",
        {"finops": "1", NOTES: "1"},
    ),
    (
        "marketplace",
        "INSERT INTO marketplace.blocked_trees SELECT tree_id, 'bad', now(), 'ada' FROM marketplace.plugins",
        {NOTES: "1"},
    ),
    ("marketplace", "DELETE FROM marketplace.blocked_trees", {"finops": "2", NOTES: "1"}),
    ("marketplace", "UPDATE marketplace.plugins SET rollout_group = 'others'", {"finops": "1", NOTES: "1"}),
    ("flea", "UPDATE flea.entities SET status = 'hidden'", {"finops": "1"}),
    ("flea", "UPDATE flea.entities SET status = 'archived'", {"finops": "1", NOTES: "1"}),
    ("stack", "DELETE FROM stack.entity_installs", {"finops": "1"}),
    ("marketplace", "UPDATE marketplace.plugins SET removed_at = now()", {}),
    ("marketplace", "UPDATE marketplace.plugins SET removed_at = NULL", {"finops": "1"}),
    ("marketplace", "DELETE FROM marketplace.registries", {}),
)


class Watched:
    """A state that counts which files are read."""

    def __init__(self, state) -> None:
        self._state = state
        self.version_seen, self.looking = state.version_seen, state.looking
        self.reads: Counter[str] = Counter()

    @property
    def spared(self):
        return self._state.spared

    @contextmanager
    def read(self, *files: str, spare=()):
        self.reads.update(files)
        with self._state.read(*files, spare=spare) as db:
            yield db


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def state(tmp_path, store):
    """A plugin in two versions and an entity; Bob may have both, and has asked for nothing."""
    state = Wiring(load({"AGNES_DATA_DIR": str(tmp_path)}), store=store, clock=FixedClock(NOW)).state
    plant(state, store, owner_id="eve", owner="eve", name="notes", now=NOW, version="1")
    first, second = (trees.put(store, [TreeFile("README.md", text)]) for text in (b"first", b"second"))

    def marketplace(tx):
        tx.db.execute(
            "INSERT INTO marketplace.registries (id, name, url, description, curator_name, curator_email, registered_by,"
            " registered_at, reading_format) VALUES ('acme', 'Acme', 'u', '', 'c', 'e', 'a', ?, 1)",
            [NOW],
        )
        tx.db.execute(
            "INSERT INTO marketplace.plugins (marketplace_id, name, description, keywords, raw, tree_id, git_oid,"
            " version, size_bytes, file_count, is_system, disabled, created_at, updated_at, released_at)"
            " VALUES ('acme', 'finops', '', [], '{}', $tree, $oid, '1', 1, 1, false, false, $now, $now, $now)",
            {"tree": first.id, "oid": first.git_oid, "now": NOW},
        )
        tx.db.execute(
            "INSERT INTO marketplace.versions (marketplace_id, plugin_name, id, tree_id, git_oid, version, description,"
            " raw, size_bytes, file_count, read_at, status) VALUES ('acme', 'finops', 'v2', ?, ?, '2', '', '{}', 1, 1, ?, 'live')",
            [second.id, second.git_oid, NOW],
        )

    state.commit("marketplace", marketplace)
    change(
        state,
        "people",
        "INSERT INTO people.grants VALUES ('g1', 'finance', 'marketplace_plugin', 'acme/finops', now(), NULL)",
    )
    change(state, "stack", "DELETE FROM stack.subscriptions")
    return state


def change(state, file: str, statement: str) -> None:
    state.commit(file, lambda tx: tx.db.execute(statement))


def served(state, store, who: Principal = BOB) -> dict[str, str]:
    return {
        plugin.name: plugin.version for plugin in service.feed_of(state, store, who, clock=FixedClock(NOW)).view.plugins
    }


def test_every_change_bites_at_the_next_request(state, store):
    assert served(state, store) == {}
    for file, statement, expected in CHANGES:
        change(state, file, statement)
        assert served(state, store) == expected, statement
        with state.read(*stack.FILES) as db:
            read_anew = service.offered(db, BOB, serving_index(db)).offers
        assert {offer.name: offer.version for offer in read_anew} == expected, statement


def test_a_file_is_read_anew_when_it_changed_and_one_person_costs_their_own_alone(state, store):
    watched = Watched(state)
    service.feed_of(watched, store, BOB, clock=FixedClock(NOW))
    assert watched.reads == {"people": 1, "marketplace": 1, "flea": 1, "stack": 2}
    watched.reads.clear()
    service.feed_of(watched, store, BOB, clock=FixedClock(NOW))
    assert not watched.reads
    service.feed_of(watched, store, EVE, clock=FixedClock(NOW))
    assert watched.reads == {"stack": 1}
    watched.reads.clear()
    change(state, "people", "DELETE FROM people.grants")
    service.feed_of(watched, store, BOB, clock=FixedClock(NOW))
    assert watched.reads == {"people": 1, "stack": 1}
