"""Grants of plugins and of whole marketplaces, against the plain rule: every reader that decides who has what agrees with it,
after every change of random worlds."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from agnes.browse.shelf import catalogue
from agnes.kernel.clock import FixedClock
from agnes.kernel.errors import ConflictError, DeniedError, NotFoundError
from agnes.kernel.principal import Principal
from agnes.marketplace import granting
from agnes.outside.object_store.memory import MemoryStore
from agnes.settings import load
from agnes.stack import service
from agnes.stack.serving import may_have, serving_index
from agnes.telemetry.service import served_for_users
from agnes.wiring import Wiring
from tests.builders import entitlement_sql

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
REGISTERED = NOW - timedelta(days=9)
LONG_AGO = REGISTERED - timedelta(days=1)
"""A subscription to an earlier marketplace of that slug."""
SLUGS, NAMES = ("acme", "acme-2"), ("ledger", "crm", "sql", "charts")
PLUGINS = tuple((slug, name) for slug in SLUGS for name in NAMES)
GROUPS = ("everyone", "finance", "sales")
PEOPLE = ("ann", "bob", "cid", "gone")
FLAGS = ("is_system", "disabled", "removed", "empty")


@dataclass
class World:
    """What the state files say, as plain Python."""

    rng: random.Random
    flags: dict[tuple[str, str], dict[str, bool]] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    grants: dict[str, tuple[str, str, bool]] = field(default_factory=dict)
    """Id → (group, resource, required)."""
    subscribed: dict[tuple[str, tuple[str, str]], datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = self.rng
        self.flags = {plugin: {flag: rng.random() < 0.12 for flag in FLAGS} for plugin in PLUGINS}
        self.members = {user: {g for g in GROUPS[1:] if rng.random() < 0.4} for user in PEOPLE}
        for _ in range(rng.randint(0, 6)):
            self.grant()
        for user in PEOPLE:
            for plugin in PLUGINS:
                if rng.random() < 0.3:
                    self.subscribed[user, plugin] = rng.choice([LONG_AGO, NOW, NOW])

    def grant(self) -> None:
        resource = self.rng.choice([*SLUGS, *(f"{slug}/{name}" for slug, name in PLUGINS)])
        self.grants[f"g{self.rng.random()}"] = (self.rng.choice(GROUPS), resource, self.rng.random() < 0.3)

    def change(self) -> None:
        match self.rng.randrange(5):
            case 0:
                self.grant()
            case 1 if self.grants:
                del self.grants[self.rng.choice(sorted(self.grants))]
            case 2:
                flags = self.flags[self.rng.choice(PLUGINS)]
                flag = self.rng.choice(FLAGS)
                flags[flag] = not flags[flag]
            case 3:
                self.members[self.rng.choice(PEOPLE)] ^= {self.rng.choice(GROUPS[1:])}
            case _:
                key = (self.rng.choice(PEOPLE), self.rng.choice(PLUGINS))
                if self.subscribed.pop(key, None) is None:
                    self.subscribed[key] = NOW

    # The rule.

    def groups(self, user: str) -> set[str]:
        return {"everyone", *self.members[user]}

    def reaching(self, user: str, plugin: tuple[str, str]) -> list[tuple[str, str, bool]]:
        return [
            (group, resource, required)
            for group, resource, required in self.grants.values()
            if group in self.groups(user) and resource in (plugin[0], "/".join(plugin))
        ]

    def may_have(self, user: str, plugin: tuple[str, str]) -> bool:
        flags = self.flags[plugin]
        listed = not (flags["removed"] or flags["disabled"])
        return listed and (flags["is_system"] or bool(self.reaching(user, plugin)))

    def must_have(self, user: str, plugin: tuple[str, str]) -> bool:
        return any(required for *_, required in self.reaching(user, plugin))

    def has(self, user: str, plugin: tuple[str, str]) -> bool:
        asked = self.subscribed.get((user, plugin)) == NOW
        return self.may_have(user, plugin) and (
            self.flags[plugin]["is_system"] or self.must_have(user, plugin) or asked
        )

    def is_served(self, user: str, plugin: tuple[str, str]) -> bool:
        return self.has(user, plugin) and not self.flags[plugin]["empty"]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("whole")
    parts = {"store": MemoryStore(), "clock": FixedClock(NOW)}
    state = Wiring(load({"AGNES_DATA_DIR": str(folder)}), **parts).state

    def people(tx):
        tx.db.execute(
            """INSERT INTO people.users (id, email, name, password_hash, active, created_at, updated_at, deactivated_at, deactivated_by)
            SELECT name, name, 'U', NULL, name <> 'gone', $now, $now, NULL, NULL
            FROM (SELECT unnest($names) AS name)""",
            {"names": list(PEOPLE), "now": NOW},
        )
        for group in GROUPS[1:]:
            tx.db.execute(
                "INSERT INTO people.groups (id, name, description, is_system, created_at) VALUES (?, ?, '', false, ?)",
                [group, group, NOW],
            )

    state.commit("people", people)
    return state


def write(state, world: World) -> None:
    def marketplace(tx):
        tx.db.execute("DELETE FROM marketplace.plugins")
        tx.db.execute("DELETE FROM marketplace.registries")
        tx.db.execute(
            """INSERT INTO marketplace.registries (id, name, url, description, curator_name, curator_email, registered_by,
                registered_at, reading_format)
            SELECT slug, slug, 'u', '', 'c', 'e', 'a', $at, 1 FROM (SELECT unnest($slugs) AS slug)""",
            {"slugs": list(SLUGS), "at": REGISTERED},
        )
        rows = [{"slug": slug, "name": name, **world.flags[slug, name]} for slug, name in PLUGINS]
        tx.db.execute(
            """INSERT INTO marketplace.plugins (marketplace_id, name, description, keywords, raw, tree_id, git_oid,
                version, size_bytes, file_count, is_system, disabled, created_at, updated_at, released_at, removed_at)
            SELECT r.slug, r.name, '', [], '{}', CASE WHEN NOT r.empty THEN 't' END, 'g', 'v', 1, 1, r.is_system,
                r.disabled, $at, $at, $at, CASE WHEN r.removed THEN $at END FROM (SELECT unnest($rows) AS r)""",
            {"rows": rows, "at": NOW},
        )

    def people(tx):
        tx.db.execute("DELETE FROM people.memberships")
        tx.db.execute("DELETE FROM people.grants")
        for user, groups in world.members.items():
            for group in groups:
                tx.db.execute("INSERT INTO people.memberships VALUES (?, ?, 'admin', ?, NULL)", [user, group, NOW])
        for grant_id, (group, resource, _) in world.grants.items():
            kind = "marketplace_plugin" if "/" in resource else "marketplace"
            row = [grant_id, group, kind, resource, NOW]
            tx.db.execute("INSERT INTO people.grants VALUES (?, ?, ?, ?, ?, NULL)", row)
        tx.db.execute("INSERT INTO people.grants VALUES ('x', 'everyone', 'another_type', 'acme', ?, NULL)", [NOW])

    def stack(tx):
        tx.db.execute("DELETE FROM stack.subscriptions")
        tx.db.execute("DELETE FROM stack.required_grants")
        for (user, plugin), at in world.subscribed.items():
            tx.db.execute("INSERT INTO stack.subscriptions VALUES (?, ?, ?, ?)", [user, *plugin, at])
        for grant_id, (*_, required) in world.grants.items():
            if required:
                tx.db.execute("INSERT INTO stack.required_grants VALUES (?, ?, 'a')", [grant_id, NOW])

    for file, change in (("marketplace", marketplace), ("people", people), ("stack", stack)):
        state.commit(file, change)


def who(world: World, user: str) -> Principal:
    return Principal(user, f"{user}@example.com", user, frozenset(world.groups(user)))


@pytest.mark.parametrize("seed", range(5))
def test_every_reader_is_the_rule(state, seed):
    world = World(random.Random(seed))
    for _ in range(4):
        write(state, world)
        compare(state, world)
        world.change()


def compare(state, world: World) -> None:
    listed = [plugin for plugin in PLUGINS if not world.flags[plugin]["removed"]]
    known = catalogue(state)
    number = {plugin: known.content.granted.get("/".join(plugin)) for plugin in PLUGINS}
    with state.read(*service.FILES) as db:
        on, served_for = serving_index(db), served_for_users(db)
        assert entitlement_sql.counts(db) == {
            plugin: sum(holds(world, user, plugin) for user in PEOPLE if user != "gone") for plugin in listed
        }
        for user in PEOPLE[:3]:
            me = who(world, user)
            served = {plugin for plugin in PLUGINS if world.is_served(user, plugin)}
            assert {(p.marketplace_id, p.name) for p in service.served_plugins(db, me, on)} == served
            assert {
                (line.marketplace_id, line.plugin_name): (line.enabled, line.required)
                for line in service.my_stack(db, me).curated
            } == {
                plugin: (world.has(user, plugin), world.must_have(user, plugin))
                for plugin in PLUGINS
                if world.may_have(user, plugin)
            }
            for plugin in listed:
                assert may_have(db, me.group_ids, *plugin) == (
                    (world.flags[plugin]["is_system"] and not world.flags[plugin]["disabled"])
                    or bool(world.reaching(user, plugin))
                )
            access = {
                item.resource_id: item
                for item in granting.effective_access(db, user).items
                if item.resource_type != "another_type"
            }
            for plugin in listed:
                reaching = world.reaching(user, plugin) if not world.flags[plugin]["disabled"] else []
                resource = "/".join(plugin)
                direct = [(g, r) for g, r, _ in world.reaching(user, plugin) if r == resource]
                whole = [(g, r) for g, r, _ in reaching if r != resource]
                shown = access[resource].via_groups if resource in access else ()
                assert {(via.id, via.granted) for via in shown} == {*direct, *whole}
            named = served_for(user)
            for name in NAMES:
                # Of two that the person has, the feed serves the one that was registered first.
                loaded = next(((s, name) for s in SLUGS if (s, name) in served), None)
                first = min(SLUGS, key=lambda s, n=name: ((s, n) != loaded, (user, (s, n)) not in world.subscribed))
                assert named.plugin(name).marketplace_id == first
            visible, held = known.sights.of(me).numbers, set(known.stack_of(me).counting)
            for plugin, n in number.items():
                if n is not None:
                    assert (n in visible, n in held) == (world.may_have(user, plugin), world.is_served(user, plugin))
    for plugin, n in number.items():
        assert (n is not None) == (not any(world.flags[plugin][flag] for flag in ("removed", "disabled", "empty")))
        if n is not None:
            assert known.holdings.counts[n] == sum(world.has(user, plugin) for user in PEOPLE if user != "gone")


def holds(world: World, user: str, plugin: tuple[str, str]) -> bool:
    """As counted for admins: of disabled plugins too."""
    asked = world.subscribed.get((user, plugin)) == NOW and world.reaching(user, plugin)
    return bool(world.flags[plugin]["is_system"] or world.must_have(user, plugin) or asked)


@pytest.mark.parametrize("seed", range(8, 10))
def test_adding_and_taking_off_follow_the_rule(state, seed):
    world = World(random.Random(seed))
    for user in ("ann", "bob"):
        for plugin in PLUGINS:
            write(state, world)
            me, flags = who(world, user), world.flags[plugin]
            if flags["removed"]:
                with pytest.raises(NotFoundError):
                    service.install(state, me, *plugin, now=NOW)
            elif not flags["is_system"] and not world.reaching(user, plugin):
                with pytest.raises(DeniedError):
                    service.install(state, me, *plugin, now=NOW)
            elif flags["is_system"] or world.must_have(user, plugin):
                with pytest.raises(ConflictError):
                    service.uninstall(state, me, *plugin, now=NOW)
            else:
                service.install(state, me, *plugin, now=NOW)
                world.subscribed[user, plugin] = NOW
                compare(state, world)
