"""Damaged trees, zips and views: nobody is served them, everybody else goes on, and the next sync or request builds them again."""

from __future__ import annotations

import base64
import copy
import io
import zipfile
from pathlib import Path

import msgspec
import pytest

from agnes.feed import service, verifying, zips
from agnes.kernel.clock import FixedClock
from agnes.kernel.ports import ANYTHING
from agnes.outside.object_store.memory import MemoryStore
from agnes.trees import building, damage
from agnes.trees import service as trees
from agnes.trees.model import TreeFile
from tests.builders.acme_team import ENVIRON, Team
from tests.builders.flea import plant
from tests.builders.house import START, House

HARMS = ("absent", "empty", "truncated", "one bit", "another's")
PAGE = "/api/marketplace/curated/acme/finops"
SKILL = f"{PAGE}/skill/forecast"


class Damaged(Team):
    """Bob has finops and chartkit, Eve has chartkit."""

    def __init__(self, house: House, folder: Path) -> None:
        super().__init__(house, folder, registered=True)
        for plugin in ("finops", "chartkit"):
            self.grant(plugin)
            self.install("bob", plugin)
        self.grant("chartkit", "everyone")
        self.install("eve", "chartkit")
        rows = self.call("GET", "ada", "/api/marketplaces/acme/plugins").json()
        self.tree = {row["name"]: row["tree_id"] for row in rows}

    def restart(self) -> None:
        """Another process, which has nothing in memory."""
        store = copy.copy(self.house.store)
        self.house.wiring.store = self.house.store = store

    @property
    def queued(self) -> list:
        return list(self.house.wiring.queue)

    def keys(self, prefix: str) -> list[str]:
        return [entry.key for entry in self.house.store.list(prefix)]

    def harm(self, key: str, how: str) -> None:
        store = self.house.store
        if how == "absent":
            store.remove([key])
        else:
            body = store.read(key).body
            middle = len(body) // 2
            [other, *_] = [one for one in self.keys(key.partition("/")[0]) if one[-4:] == key[-4:] and one != key]
            changed = {
                "empty": b"",
                "truncated": body[:middle],
                "one bit": body[:middle] + bytes([body[middle] ^ 4]) + body[middle + 1 :],
                "another's": store.read(other).body,
            }[how]
            store.write(key, changed, expect=ANYTHING)
        self.restart()

    def zip_names(self, who: str) -> set[str]:
        """Plugins in the person's zip, which must be sound."""
        answer = self.call("GET", who, "/marketplace.zip")
        assert answer.status == 302, answer.text
        key = answer.headers["location"].partition("?")[0].partition("feed/")[2]
        with zipfile.ZipFile(io.BytesIO(self.house.store.read(f"feed/{key}").body)) as archive:
            assert archive.testzip() is None
            return {name.split("/")[1] for name in archive.namelist() if name.startswith("plugins/")}

    def advertised(self, who: str) -> str:
        body = b"0014command=ls-refs\n0000"
        return self.git(who, body).body.decode().split()[0][4:]

    def fetch(self, who: str, commit: str):
        want = f"want {commit}\n".encode()
        return self.git(who, b"0012command=fetch\n0001%04x%s0009done\n0000" % (len(want) + 4, want))

    def git(self, who: str, body: bytes):
        basic = base64.b64encode(f"x:{self.tokens[who]}".encode()).decode()
        headers = {"authorization": f"Basic {basic}", "git-protocol": "version=2"}
        return self.house.call("POST", "/marketplace.git/git-upload-pack", headers=headers, body=body)

    def info(self, who: str) -> dict:
        return self.call("GET", who, "/marketplace/info").json()

    def health(self) -> dict:
        fields = self.call("GET", "ada", "/api/admin/activity/health").json()["fields"]
        return next(field for field in fields if field["key"] == "plugin_files")


@pytest.fixture
def team(tmp_path: Path):
    clock = FixedClock(START)
    with House(tmp_path, environ=ENVIRON, clock=clock, store=MemoryStore(clock=clock), queue=Sent()) as house:
        yield Damaged(house, tmp_path)


class Sent(list):
    """The port of queues, as a list."""

    def send(self, messages) -> None:
        self.extend((message.queue, message.body) for message in messages)


@pytest.mark.parametrize("how", HARMS)
@pytest.mark.parametrize("part", ["json", "pack"])
def test_a_damaged_tree_costs_its_plugin_until_the_next_sync(team, part, how):
    tree = team.tree["finops"]
    key = f"trees/{tree}.{part}"
    before = team.advertised("bob")
    team.harm(key, how)
    assert team.zip_names("bob") == {"chartkit"}
    assert team.zip_names("eve") == {"chartkit"}
    assert team.advertised("bob") != before
    assert team.fetch("bob", team.advertised("bob")).body.count(b"PACK") == 1
    [hidden] = team.info("bob")["hidden"]
    assert (hidden["name"], "damaged" in hidden["reason"]) == ("finops", True)
    assert team.info("eve")["hidden"] == []
    found = team.health()
    assert (found["color"], "acme/finops" in found["value"]) == ("red", True)
    page = team.call("GET", "bob", PAGE if part == "json" else SKILL)
    assert (page.status, page.json()["files"], "damaged" in page.json()["notice"]) == (200, [], True)
    assert team.call("GET", "bob", "/api/marketplace/items?tab=curated").status == 200
    assert len(team.keys("damage/trees/")) == 1
    assert team.queued == [("marketplace-sync", {"id": "acme"})]
    report = team.sync()
    assert [line.partition(" ")[0] for line in report["warnings"] if " again" in line] == ["finops"]
    assert (report["updated"], report["changed"]) == ([], False)
    assert team.keys("damage/trees/") == []
    assert trees.problem(team.house.store, tree) is None
    team.house.clock.sleep(31)  # health is kept for so long
    assert team.zip_names("bob") == {"finops", "chartkit"}
    assert team.advertised("bob") == before
    assert team.health()["color"] == "green"
    assert team.call("GET", "bob", PAGE).json()["notice"] is None
    assert team.call("GET", "bob", SKILL).json()["notice"] is None
    assert any(kept.startswith(f"damaged/trees/{tree}") for kept in team.keys("damaged/")) or part == "json"


def test_an_older_version_is_built_again_from_its_own_commit(team):
    team.market.release_finops("1.5.0")
    team.sync()
    versions = team.call("GET", "ada", "/api/marketplaces/acme/plugins/finops/versions").json()
    rollback = "/api/marketplaces/acme/plugins/finops/rollback"
    team.post("ada", rollback, {"version": versions[1]["id"]}, 200)
    team.harm(f"trees/{team.tree['finops']}.pack", "one bit")
    assert team.zip_names("bob") == {"chartkit"}
    assert [line for line in team.sync()["warnings"] if "stored again" in line]
    team.house.clock.sleep(damage.SECONDS + 1)
    [finops] = [p for p in team.info("bob")["plugins"] if p["name"] == "finops"]
    assert finops["tree_id"] == team.tree["finops"]
    assert team.zip_names("bob") == {"finops", "chartkit"}


def test_what_its_source_does_not_have_any_more_is_lost_and_the_version_before_is_served(team):
    """What is served is of a commit that is gone, and the newest commit has none of the plugin."""
    team.market.release_finops("1.5.0")
    team.sync()
    lost = next(p["tree_id"] for p in team.info("bob")["plugins"] if p["name"] == "finops")
    manifest = team.market.manifest()
    manifest["plugins"][0]["source"] = "./plugins/none"
    team.market.write_manifest(manifest)
    team.sync()
    gone = team.market.commits[1]
    (team.market.folder / "objects" / gone[:2] / gone[2:]).unlink()
    backup = {key: team.house.store.read(key).body for key in team.keys(f"trees/{lost}")}
    team.harm(f"trees/{lost}.pack", "truncated")
    assert team.zip_names("bob") == {"chartkit"}
    [line] = [line for line in team.sync()["warnings"] if line.startswith("finops ")]
    assert "does not have them any more" in line
    team.house.clock.sleep(31)
    [finops] = [p for p in team.info("bob")["plugins"] if p["name"] == "finops"]
    assert finops["tree_id"] == team.tree["finops"]
    assert team.zip_names("bob") == {"finops", "chartkit"}
    found = team.health()
    assert (found["color"], "backup" in found["advice"]) == ("red", True)
    assert team.keys("damaged/trees/") == [f"damaged/trees/{lost}.json", f"damaged/trees/{lost}.pack"]
    # Somebody restores it from a backup: the next sync serves it again.
    for key, body in backup.items():
        team.house.store.write(key, body, expect=ANYTHING)
    team.sync()
    assert team.keys("damage/trees/") == []
    team.house.clock.sleep(31)
    assert lost in {p["tree_id"] for p in team.info("bob")["plugins"]}


def test_a_shared_plugin_is_built_again_from_its_pack_or_named_as_lost(team, tmp_path):
    house = team.house
    now = house.clock.now()
    bob = principal(team, "bob").user_id
    for name in ("notes", "budget"):
        entity = plant(house.state, house.store, owner_id=bob, name=name, now=now)
        team.post("bob", f"/api/store/entities/{entity}/install", None, 200)
    with house.state.read("flea") as db:
        tree = dict(db.execute("SELECT name, tree_id FROM flea.entities").fetchall())
    assert team.zip_names("bob") == {"finops", "chartkit", "notes-by-bob", "budget-by-bob"}
    house.store.remove([zips.ZIPS + key.rpartition("/")[2] for key in team.keys(zips.ZIPS)])
    team.harm(f"trees/{tree['notes']}.json", "one bit")
    team.harm(f"trees/{tree['budget']}.pack", "one bit")
    assert team.zip_names("bob") == {"finops", "chartkit"}
    assert team.queued == []
    for name in ("notes", "budget"):
        told = team.call("GET", "bob", f"/api/marketplace/flea/id-{name}/detail").json()["notice"]
        assert "share it again" in told
        assert "sync" not in told
    assert all("sync" not in each["reason"] for each in team.info("bob")["hidden"])
    assert "feed.sweep" in team.health()["advice"]
    assert "sync" not in team.health()["advice"]
    used = set(tree.values()) | set(team.tree.values())
    verifying.verify(house.state, house.store, used, clock=house.clock, now=now)
    team.house.clock.sleep(31)
    assert team.zip_names("bob") == {"finops", "chartkit", "notes-by-bob"}
    assert "budget-by-bob" in team.health()["value"]
    assert "backup" in team.health()["advice"]


@pytest.mark.parametrize("how", HARMS)
@pytest.mark.parametrize("part", ["zip", "json"])
def test_a_damaged_zip_is_made_again_by_who_asks_for_it(team, part, how):
    team.zip_names("eve")
    assert team.zip_names("bob") == {"finops", "chartkit"}
    view = service.feed_of(team.house.state, team.house.store, principal(team, "bob"), clock=team.house.clock).view
    whole = team.house.store.read(f"{zips.ZIPS}{view.commit}.zip").body
    team.harm(f"{zips.ZIPS}{view.commit}.{part}", how)
    assert team.zip_names("bob") == {"finops", "chartkit"}
    assert team.house.store.read(f"{zips.ZIPS}{view.commit}.zip").body == whole
    assert zips.receipt_of(team.house.store, view.commit) is not None


@pytest.mark.parametrize("how", HARMS)
def test_a_damaged_view_is_written_again(team, how):
    commit, other = team.advertised("bob"), team.advertised("eve")
    key = f"{service.VIEWS}{commit}.json"
    team.harm(key, how)
    assert service.find_view(team.house.store, commit) is None
    assert service.find_view(team.house.store, other) is not None
    assert team.advertised("bob") == commit
    team.restart()
    assert service.find_view(team.house.store, commit) is not None
    assert team.fetch("bob", commit).body.count(b"PACK") == 1


def test_the_nightly_sweep_finds_what_nobody_reads(team):
    team.zip_names("bob")
    team.zip_names("eve")
    [key, *_] = [key for key in team.keys(zips.ZIPS) if key.endswith(".zip")]
    team.harm(key, "one bit")
    team.harm(f"trees/{team.tree['sql-style']}.pack", "one bit")
    found = verifying.verify(
        team.house.state, team.house.store, set(team.tree.values()), clock=team.house.clock, now=team.house.clock.now()
    )
    assert found == {"verified": 5, "damaged": 2}
    assert list(damage.notes(team.house.store)) == [team.tree["sql-style"]]
    assert [line for line in team.sync()["warnings"] if line.startswith("sql-style ")]
    team.zip_names("bob")


@pytest.mark.parametrize("how", ["one bit", "empty"])
def test_a_damaged_note_still_says_which_tree(team, how):
    team.harm(f"trees/{team.tree['finops']}.pack", "one bit")
    team.zip_names("bob")
    [key] = team.keys("damage/trees/")
    body = team.house.store.read(key).body
    team.house.store.write(key, b"" if how == "empty" else body[:40] + b"x" + body[41:], expect=ANYTHING)
    team.restart()
    assert team.zip_names("bob") == {"chartkit"}
    assert "acme/finops" in team.health()["value"]
    team.sync()
    assert team.keys("damage/trees/") == []


FILES = [TreeFile("a/b.md", b"hello" * 99), TreeFile("run.sh", b"#!/bin/sh", executable=True), TreeFile("empty", b"")]


def test_a_tree_of_an_earlier_release_is_read_and_judged_by_gits_ids():
    """It has no digests; every bit of its index that matters, and of its pack, is covered all the same."""
    tree, pack = building.build(FILES)
    plain = {name: value for name, value in msgspec.to_builtins(tree).items() if name != "pack_sha256"}
    index = msgspec.json.encode(plain)
    noticed = 0
    for body, key in ((index, trees.index_key(tree.id)), (pack, trees.pack_key(tree.id))):
        for at in range(-1, len(body)):
            store = MemoryStore()
            store.write(trees.index_key(tree.id), index, expect=ANYTHING)
            store.write(trees.pack_key(tree.id), pack, expect=ANYTHING)
            if at >= 0:
                store.write(key, body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :], expect=ANYTHING)
            if trees.problem(store, tree.id) is None:
                assert [trees.read_file(store, tree.id, file.path) for file in FILES] == [file.body for file in FILES]
            else:
                noticed += 1
                assert at >= 0
    assert noticed > 0.9 * len(pack)


def principal(team: Team, who: str):
    from agnes.accounts import service as accounts

    return accounts.identify(team.house.state, team.house.store, team.tokens[who], now=team.house.clock.now())
