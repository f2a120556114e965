"""The one rule of who is served what, against plain SQL over random organisations, and every reader of it against the rule."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from agnes.browse.shelf import catalogue
from agnes.feed import service as feed
from agnes.flea.model import Entity
from agnes.kernel.clock import FixedClock
from agnes.kernel.principal import Principal
from agnes.kernel.state import State, Tx
from agnes.outside.object_store.memory import MemoryStore
from agnes.settings import load
from agnes.stack import service
from agnes.stack.entitlement import Entitlement, ServingIndex, Subject, entitlements
from agnes.stack.model import DAMAGED, Reason
from agnes.stack.serving import may_have, serving_index
from agnes.wiring import Wiring
from tests.builders import entitlement_sql
from tests.builders.entitlement_sql import Verdict

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PEOPLE = ("ann", "bob", "cid", "dan", "gone")
GROUPS = ("everyone", "finance", "sales", "pilots")
SLUGS = ("acme", "bolt", "core")
NAMES = ("ledger", "Ledger", "crm", "sql", "charts", "etl")
STATUSES = ("approved", "approved", "archived", "hidden", "pending")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    folder = tmp_path_factory.mktemp("entitlement")
    parts = {"store": MemoryStore(), "clock": FixedClock(NOW)}
    return Wiring(load({"AGNES_DATA_DIR": str(folder)}), **parts).state


class Organisation:
    """Rows of the state files by chance."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.rng = rng
        self.groups = {user: {g for g in GROUPS[1:] if rng.random() < 0.4} for user in PEOPLE}
        self.registered = {slug: NOW - timedelta(days=rng.randint(5, 9)) for slug in SLUGS}
        self.trees = [f"tree{n}" for n in range(12)]

    def chance(self, of: float) -> bool:
        return self.rng.random() < of

    def write(self, state: State) -> None:
        for file, change in (
            ("people", self.people),
            ("marketplace", self.marketplace),
            ("flea", self.flea),
            ("stack", self.stack),
        ):
            state.commit(file, change)

    def people(self, tx: Tx) -> None:
        for table in ("users", "groups", "memberships", "grants"):
            tx.db.execute(f"DELETE FROM people.{table}")
        for user in PEOPLE:
            tx.db.execute(
                "INSERT INTO people.users (id, email, name, active, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
                [user, f"{user}@example.com", user, user != "gone", NOW, NOW],
            )
            for group in self.groups[user]:
                tx.db.execute(
                    "INSERT INTO people.memberships (user_id, group_id, source, added_at) VALUES (?, ?, 'admin', ?)",
                    [user, group, NOW],
                )
        for group in GROUPS:
            tx.db.execute(
                "INSERT INTO people.groups (id, name, description, is_system, created_at) VALUES (?, ?, '', false, ?)",
                [group, group, NOW],
            )
        self.grants = []
        for number in range(self.rng.randint(2, 14)):
            slug, group = self.rng.choice(SLUGS), self.rng.choice(GROUPS)
            kind = "marketplace" if self.chance(0.2) else "marketplace_plugin"
            resource = slug if kind == "marketplace" else f"{slug}/{self.rng.choice(NAMES)}"
            self.grants.append(f"g{number}")
            tx.db.execute(
                "INSERT INTO people.grants (id, group_id, resource_type, resource_id, assigned_at) VALUES (?, ?, ?, ?, ?)",
                [f"g{number}", group, kind, resource, NOW],
            )
        tx.db.execute(
            "INSERT INTO people.grants (id, group_id, resource_type, resource_id, assigned_at)"
            " VALUES ('x', 'everyone', 'another_type', 'acme/crm', ?)",
            [NOW],
        )

    def marketplace(self, tx: Tx) -> None:
        for table in ("registries", "plugins", "versions", "blocked_trees"):
            tx.db.execute(f"DELETE FROM marketplace.{table}")
        for slug in SLUGS:
            tx.db.execute(
                "INSERT INTO marketplace.registries (id, name, url, description, curator_name, curator_email, registered_by,"
                " registered_at, reading_format, ref) VALUES (?, ?, 'u', '', 'c', 'e', 'a', ?, 1, ?)",
                [slug, slug, self.registered[slug], "v1" if self.chance(0.3) else None],
            )
            for name in self.rng.sample(NAMES, self.rng.randint(2, len(NAMES))):
                self._plugin(tx, slug, name)
        for tree in self.rng.sample(self.trees, 2):
            tx.db.execute(
                "INSERT INTO marketplace.blocked_trees (tree_id, reason, blocked_at, blocked_by) VALUES (?, 'bad', ?, 'a')",
                [tree, NOW],
            )

    def _plugin(self, tx: Tx, slug: str, name: str) -> None:
        early = self.chance(0.3)
        if early:
            tx.db.execute(
                "INSERT INTO marketplace.versions (marketplace_id, plugin_name, id, tree_id, git_oid, version, description,"
                " raw, size_bytes, file_count, read_at, status) VALUES (?, ?, 'early', ?, 'g', '2.0.0', '', '{}', 1, 1, ?, 'live')",
                [slug, name, self.rng.choice(self.trees), NOW],
            )
        tree = None if self.chance(0.15) else self.rng.choice(self.trees)
        tx.db.execute(
            "INSERT INTO marketplace.plugins (marketplace_id, name, description, keywords, raw, tree_id, git_oid, version,"
            " size_bytes, file_count, is_system, disabled, created_at, updated_at, released_at, removed_at, pinned_version,"
            " withheld, rollout_version, rollout_group)"
            " VALUES (?, ?, '', [], '{}', ?, 'g', '1.0.0', 1, 1, ?, ?, $8, $8, $8, ?, ?, ?, ?, ?)".replace(
                "$8", "now()"
            ),
            [
                slug,
                name,
                tree,
                self.chance(0.12),
                self.chance(0.1),
                NOW if self.chance(0.12) else None,
                "old" if tree and self.chance(0.15) else None,
                "version 1.1.0 waits for an admin's approval" if self.chance(0.15) else None,
                "early" if early else None,
                self.rng.choice(GROUPS[1:]) if early else None,
            ],
        )

    def flea(self, tx: Tx) -> None:
        tx.db.execute("DELETE FROM flea.entities")
        columns = ", ".join(Entity.__dataclass_fields__)
        marks = ", ".join("?" for _ in Entity.__dataclass_fields__)
        self.entities = []
        for number in range(self.rng.randint(0, 5)):
            name = self.rng.choice(["ledger", "mine", "notes", "Mine"])
            entity = Entity(
                id=f"e{number}",
                owner_user_id="ann",
                owner_username="ann",
                type="plugin",
                name=name,
                served_name=name,
                description="",
                category="",
                status=self.rng.choice(STATUSES),
                version="0.1.0",
                version_no=1,
                tree_id=None if self.chance(0.1) else self.rng.choice(self.trees),
                size_bytes=1,
                video_url=None,
                created_at=NOW + timedelta(seconds=self.rng.randint(0, 9)),
                updated_at=NOW,
                released_at=NOW,
            )
            self.entities.append(entity.id)
            row = [getattr(entity, name) for name in Entity.__dataclass_fields__]
            tx.db.execute(f"INSERT INTO flea.entities ({columns}) VALUES ({marks})", row)

    def stack(self, tx: Tx) -> None:
        for table in ("subscriptions", "required_grants", "entity_installs"):
            tx.db.execute(f"DELETE FROM stack.{table}")
        for user in PEOPLE:
            for slug in SLUGS:
                for name in NAMES:
                    if self.chance(0.35):
                        at = NOW if self.chance(0.8) else self.registered[slug] - timedelta(days=1)
                        tx.db.execute(
                            "INSERT INTO stack.subscriptions (user_id, marketplace_id, plugin_name, subscribed_at)"
                            " VALUES (?, ?, ?, ?)",
                            [user, slug, name, at],
                        )
            for entity in self.entities:
                if self.chance(0.5):
                    tx.db.execute(
                        "INSERT INTO stack.entity_installs (user_id, entity_id, installed_at) VALUES (?, ?, ?)",
                        [user, entity, NOW],
                    )
        for grant in self.grants:
            if self.chance(0.25):
                tx.db.execute(
                    "INSERT INTO stack.required_grants (grant_id, set_at, set_by) VALUES (?, ?, 'a')", [grant, NOW]
                )

    def who(self, user: str) -> Principal:
        return Principal(user, f"{user}@example.com", user, frozenset({"everyone", *self.groups[user]}))


def verdict(one: Entitlement) -> Verdict:
    via = tuple(sorted({f"{grant.group_id} {grant.granted}" for grant in one.granted_by}))
    return Verdict(one.key, via, one.reason.kind if one.reason else "served", one.version, one.decided_by)


@pytest.mark.parametrize("seed", range(12))
def test_the_rule_and_its_readers_agree_with_plain_sql(state: State, seed: int) -> None:
    organisation = Organisation(seed)
    organisation.write(state)
    known = catalogue(state)
    with state.read(*service.FILES) as db:
        expected, holders = entitlement_sql.verdicts(db), entitlement_sql.counts(db)
        index = serving_index(db)
        served_to = service.served_to_users(db)
        listed = {one.key for one in expected["ann"] if "/" in one.key and one.kind != "removed_upstream"}
        for user in PEOPLE[:-1]:
            who = organisation.who(user)
            found = service.entitlements(db, who, index)
            # Of what is listed no more the rule also has what only a grant or an old stack names.
            known_keys = {one.key for one in expected[user]}
            assert [verdict(one) for one in found if one.key in known_keys] == expected[user]
            assert {one.reason.kind for one in found if one.reason and one.key not in known_keys} <= {
                "removed_upstream"
            }
            compare_readers(db, state, who, index, found, known)
            served = {one.key for one in expected[user] if one.kind == "served"}
            names = {("/".join(of) if "/".join(of) in served else of[0]) for of in served_to(user)}
            assert names == served
            for key in listed:
                one = next(one for one in found if one.key == key)
                slug, name = key.split("/")
                assert may_have(db, who.group_ids, slug, name) == one.may_have
        assert served_to("gone") == frozenset()
    for entry, count in zip(known.content.entries, known.holdings.counts, strict=True):
        if entry.source == "curated":
            assert count == holders[entry.marketplace_id, entry.name], entry.id


def compare_readers(db, state: State, who: Principal, index: ServingIndex, found: list[Entitlement], known) -> None:
    served = {one.key: one for one in found if one.is_served}
    offered = feed.offered(db, who, index)
    keys = {f"{o.origin}/{o.name}" if o.source == "curated" else (o.origin, o.name): o for o in offered.offers}
    of_one = {key if one.source == "curated" else (one.origin, one.name): one for key, one in served.items()}
    assert {key: o.version for key, o in keys.items()} == {key: one.version for key, one in of_one.items()}
    mine = service.my_stack(db, who)
    assert {f"{line.marketplace_id}/{line.plugin_name}" for line in mine.curated} == {
        one.key
        for one in found
        if one.source == "curated" and one.may_have and one.key in index.marketplace.by_resource
    }
    assert {line.entity_id: line.served for line in mine.store} == {
        one.key: one.is_served for one in found if one.source == "flea"
    }
    visible = known.sights.of(who).numbers
    for number, entry in enumerate(known.content.entries):
        if entry.source == "curated":
            one = next(one for one in found if one.key == entry.key)
            early = known.content.plugins.by_resource[entry.key]
            shown = one.may_have and early.of(who.group_ids) is not None
            assert (number in visible) == shown, entry.id


def test_each_reason_says_what_it_is_about(state: State) -> None:
    organisation = Organisation(3)
    organisation.write(state)
    with state.read(*service.FILES) as db:
        index = serving_index(db)
        everything = [
            one for user in PEOPLE[:-1] for one in service.entitlements(db, organisation.who(user), index) if one.reason
        ]
    for one in everything:
        assert one.reason is not None
        assert one.reason.text, one
        assert (one.version, one.decided_by) == ("", None)
        if one.reason.kind == "name_conflict":
            assert one.reason.about in {other.key for other in everything} | set(index.marketplace.by_resource)


def test_a_damaged_tree_is_a_reason_of_its_own(state: State) -> None:
    organisation = Organisation(1)
    organisation.write(state)
    with state.read(*service.FILES) as db:
        index, who = serving_index(db), organisation.who("ann")
        served = [one for one in service.entitlements(db, who, index) if one.is_served]
        assert served
        tree = served[0].tree_id
        after = {one.key: one for one in service.entitlements(db, who, index.without({tree}))}
    reason = after[served[0].key].reason
    assert reason is not None
    assert reason.kind == DAMAGED
    assert "damaged" in reason.text


def test_who_has_nothing_is_told_of_nothing() -> None:
    from agnes.stack.plugins import NO_PLUGINS

    assert entitlements(ServingIndex({}, NO_PLUGINS, {}, frozenset()), Subject(frozenset({"everyone"}))) == []
    assert Reason("damaged", "x") == ("damaged", "x", "")
