"""What is served, against a plain reading of the rule over every combination of what decides it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agnes.kernel.clock import FixedClock
from agnes.kernel.principal import Principal
from agnes.outside.object_store.memory import MemoryStore
from agnes.settings import load
from agnes.stack import service
from agnes.stack.serving import serving_index
from agnes.wiring import Wiring
from tests.builders import entitlement_sql

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
EARLIER = NOW - timedelta(days=9)
GRANTS = (None, "everyone", "finance", "others")
SUBSCRIBED = (None, EARLIER - timedelta(days=1), NOW)
"""Never, before the marketplace was registered (an earlier one of that slug), and after."""
FLAGS = tuple(itertools.product((False, True), repeat=4))
"""System, disabled, removed, without content."""
CASES = tuple(itertools.product(GRANTS, SUBSCRIBED, FLAGS))
WHO = Principal("u1", "u1@example.com", "U", frozenset({"everyone", "finance"}))


def name_of(number: int) -> str:
    return f"p{number:03}"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory):
    folder: Path = tmp_path_factory.mktemp("served")
    parts = {"store": MemoryStore(), "clock": FixedClock(NOW)}
    state = Wiring(load({"AGNES_DATA_DIR": str(folder)}), **parts).state

    def marketplace(tx):
        tx.db.execute(
            "INSERT INTO marketplace.registries (id, name, url, description, curator_name, curator_email, registered_by,"
            " registered_at, reading_format) VALUES ('acme', 'Acme', 'u', '', 'c', 'e', 'a', ?, 1)",
            [EARLIER],
        )
        for number, (_, _, (system, disabled, removed, empty)) in enumerate(CASES):
            tx.db.execute(
                "INSERT INTO marketplace.plugins (marketplace_id, name, description, keywords, raw, tree_id, git_oid,"
                " version, size_bytes, file_count, is_system, disabled, created_at, updated_at, released_at, removed_at)"
                " VALUES ('acme', ?, '', [], '{}', ?, 'g', 'v', 1, 1, ?, ?, ?, ?, ?, ?)",
                [name_of(number), None if empty else "t", system, disabled, NOW, NOW, NOW, NOW if removed else None],
            )

    def people(tx):
        for number, (group, _, _) in enumerate(CASES):
            if group:
                row = [name_of(number), group, f"acme/{name_of(number)}", NOW]
                tx.db.execute("INSERT INTO people.grants VALUES (?, ?, 'marketplace_plugin', ?, ?, NULL)", row)
        tx.db.execute("INSERT INTO people.grants VALUES ('x', 'everyone', 'another_type', 'acme/p000', ?, NULL)", [NOW])
        for user, active in (("u1", True), ("u2", True), ("gone", False)):
            tx.db.execute(
                "INSERT INTO people.users (id, email, name, active, created_at, updated_at) VALUES (?, ?, 'U', ?, ?, ?)",
                [user, user, active, NOW, NOW],
            )
        tx.db.execute("INSERT INTO people.memberships VALUES ('u1', 'finance', 'admin', ?, NULL)", [NOW])

    def stack(tx):
        for number, (_, since, _) in enumerate(CASES):
            if since:
                for user in ("u1", "gone"):
                    row = [user, "acme", name_of(number), since]
                    tx.db.execute("INSERT INTO stack.subscriptions VALUES (?, ?, ?, ?)", row)

    for file, change in (("marketplace", marketplace), ("people", people), ("stack", stack)):
        state.commit(file, change)
    return state


def test_served_is_the_rule(state):
    expected = [
        name_of(number)
        for number, (group, since, (system, disabled, removed, empty)) in enumerate(CASES)
        if (system or (group in WHO.group_ids and since == NOW)) and not (disabled or removed or empty)
    ]
    with state.read(*service.FILES) as db:
        found = service.served_plugins(db, WHO, serving_index(db))
    assert [p.name for p in found] == expected
    assert {(p.served_name == p.name, p.registered_at) for p in found} == {(True, EARLIER)}


def test_my_stack_is_the_rule(state):
    expected = [
        (name_of(number), system or since == NOW, system, not empty)
        for number, (group, since, (system, disabled, removed, empty)) in enumerate(CASES)
        if (system or group in WHO.group_ids) and not (disabled or removed)
    ]
    with state.read(*service.FILES) as db:
        found = service.my_stack(db, WHO).curated
    assert [(p.plugin_name, p.enabled, p.is_system, p.served) for p in found] == expected


def test_counts_are_the_rule(state):
    expected = {
        ("acme", name_of(number)): 2 if system else int(group in WHO.group_ids and since == NOW)
        for number, (group, since, (system, _, removed, _)) in enumerate(CASES)
        if not removed
    }
    with state.read(*service.FILES) as db:
        assert entitlement_sql.counts(db) == expected
