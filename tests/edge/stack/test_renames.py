"""A plugin that its catalog renames: whoever was granted it, or had it, has it under its new name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agnes.marketplace import renamed
from agnes.stack import following
from tests.builders.acme_team import ENVIRON, MARKETPLACES, Team
from tests.builders.house import House
from tests.builders.sample_marketplace import MANIFEST, small_plugin

pytestmark = pytest.mark.slow

PLUGIN_JSON = ".claude-plugin/plugin.json"


@pytest.fixture
def team(tmp_path: Path):
    with House(tmp_path, environ=ENVIRON) as house:
        team = Team(house, tmp_path)
        catalog(team, alpha={"version": "1.0.0"}, other={})
        team.register()
        team.sync()
        yield team


def catalog(team: Team, renames: dict[str, Any] | None = None, /, **manifests: Any) -> None:
    listed = [{"name": plugin, "source": f"./plugins/{plugin}"} for plugin in manifests]
    files = {
        f"plugins/{plugin}/{path}": body
        for plugin, said in manifests.items()
        for path, body in {**small_plugin(plugin), PLUGIN_JSON: json.dumps({"name": plugin, **said})}.items()
    }
    said = {"name": "acme-tools", "owner": {"name": "A"}, "plugins": listed} | ({"renames": renames} if renames else {})
    team.market.change("Catalog", {**files, MANIFEST: json.dumps(said)})


def info(team: Team, who: str = "bob") -> dict[str, Any]:
    return team.call("GET", who, "/marketplace/info").json()


def names(team: Team, who: str = "bob") -> list[str]:
    return [plugin["name"] for plugin in info(team, who)["plugins"]]


def grants(team: Team) -> list[tuple[str, str]]:
    return [(g["resource_id"], g["id"]) for g in team.call("GET", "ada", "/api/admin/grants").json()]


def test_whoever_has_alpha_has_beta(team):
    grant = team.grant("alpha")
    assert team.install("bob", "alpha").status == 200
    required = team.grant("alpha", "everyone")
    assert team.call("POST", "ada", f"/api/admin/grants/{required}/required").status == 200
    catalog(team, {"alpha": "beta"}, beta={"version": "1.1.0"}, other={})
    report = team.sync()
    assert report["renamed"] == [{"old": "alpha", "new": "beta"}]
    assert (report["added"], report["removed"], report["changed"]) == ([], [], True)
    assert next(c["text"] for c in report["changes"]).startswith("alpha renamed to beta")
    assert sorted(grants(team)) == sorted([("acme/beta", grant), ("acme/beta", required)])
    assert {who: names(team, who) for who in ("ada", "bob", "eve")} == {
        "ada": ["beta"],
        "bob": ["beta"],
        "eve": ["beta"],
    }
    assert info(team)["renames"] == {"alpha": "beta"}
    assert info(team)["notes"] == []
    [line] = team.call("GET", "bob", "/api/my-stack").json()["curated"]
    assert (line["plugin_name"], line["enabled"], line["required"]) == ("beta", True, True)
    assert line["subscribed_at"]
    [synced, *_] = team.call("GET", "ada", f"{MARKETPLACES}/acme/syncs").json()
    assert synced["renamed"] == [{"old": "alpha", "new": "beta"}]
    assert "alpha is beta now" in team.call("GET", "ada", "/admin/marketplaces/acme").text
    again = team.sync()
    assert (again["changed"], again["renamed"]) == (False, [])
    assert "renames" not in team.call("GET", "bob", "/api/my-stack").text


def test_chains_and_several_renames_at_once(team):
    catalog(team, alpha={}, one={}, two={})
    team.sync()
    for name in ("alpha", "one", "two"):
        team.grant(name)
        assert team.install("bob", name).status == 200
    catalog(team, {"alpha": "beta", "one": "both", "two": "both"}, beta={}, both={})
    team.sync()
    assert names(team) == ["beta", "both"]
    catalog(team, {"alpha": "beta", "beta": "gamma", "one": "both", "two": "both"}, gamma={}, both={})
    assert team.sync()["renamed"] == [{"old": "alpha", "new": "gamma"}, {"old": "beta", "new": "gamma"}]
    assert names(team) == ["both", "gamma"]
    assert info(team)["renames"] == {"alpha": "gamma", "beta": "gamma", "one": "both", "two": "both"}
    assert sorted({resource for resource, _ in grants(team)}) == ["acme/both", "acme/gamma"]
    assert len(grants(team)) == 2


def test_what_leads_nowhere_is_said_and_changes_nothing(team):
    team.grant("alpha")
    assert team.install("bob", "alpha").status == 200
    catalog(team, {"alpha": "gone", "x": "y", "y": "x", "z": 5, "other": "alpha"}, alpha={}, other={})
    report = team.sync()
    assert report["renamed"] == []
    assert [w for w in report["warnings"] if w.startswith("renames")] == [
        "renames: z: not a plugin's name, or null",
        "renames: x: the names lead back to themselves, so nobody's x becomes another plugin",
        "renames: y: the names lead back to themselves, so nobody's y becomes another plugin",
    ]
    assert names(team) == ["alpha"], "a name that the catalog lists is itself, whatever the map says"
    catalog(team, {"alpha": "gone"}, other={})
    report = team.sync()
    assert report["removed"] == ["alpha"]
    assert (
        "renames: alpha: the catalog does not list gone, so nobody's alpha becomes another plugin" in report["warnings"]
    )


def test_what_was_removed_is_told_to_those_who_had_it_alone(team):
    team.grant("alpha")
    team.grant("other", "everyone")
    assert team.install("bob", "alpha").status == 200
    for who in ("bob", "eve"):
        assert team.install(who, "other").status == 200
    catalog(team, {"alpha": None}, other={})
    assert team.sync()["removed"] == ["alpha"]
    assert (info(team)["renames"], info(team, "eve")["renames"]) == ({"alpha": None}, {})


def test_flags_and_decisions_follow(team):
    catalog(team, alpha={"version": "1.0.0"}, other={})
    team.sync()
    team.system("alpha")
    [first] = team.call("GET", "ada", f"{MARKETPLACES}/acme/plugins/alpha/versions").json()
    catalog(team, alpha={"version": "2.0.0"}, other={})
    team.sync()
    back = team.call("POST", "ada", f"{MARKETPLACES}/acme/plugins/alpha/rollback", {"version": first["id"]})
    assert back.status == 200, back.text
    catalog(team, {"alpha": "beta"}, beta={"version": "3.0.0"}, other={})
    team.sync()
    [beta] = info(team, "eve")["plugins"]
    assert (beta["name"], beta["version"].partition("+")[0]) == ("beta", "1.0.0")
    plugin = {p["name"]: p for p in team.call("GET", "ada", f"{MARKETPLACES}/acme/plugins").json()}["beta"]
    assert (plugin["is_system"], plugin["problem"]) == (True, f"rolled back to {beta['version']}")
    detail = team.call("GET", "eve", "/api/marketplace/curated/acme/beta").json()
    assert detail["skills"], "what is inside the version that is served"
    assert team.call("DELETE", "ada", f"{MARKETPLACES}/acme/plugins/beta/rollback").status == 200
    [beta] = info(team, "eve")["plugins"]
    assert beta["version"].startswith("3.0.0")
    # A plugin that takes the old name later is another one.
    catalog(team, {"alpha": "beta"}, alpha={}, beta={"version": "3.0.0"}, other={})
    team.sync()
    assert names(team, "eve") == ["beta"]


def test_a_hold_serves_the_old_content_under_the_new_name_until_it_is_approved(team):
    team.grant("alpha")
    assert team.install("bob", "alpha").status == 200
    assert team.call("PATCH", "ada", f"{MARKETPLACES}/acme", {"hold": True}).status == 200
    catalog(team, {"alpha": "beta"}, beta={"version": "2.0.0"}, other={})
    team.sync()
    [beta] = info(team)["plugins"]
    assert (beta["name"], beta["version"].partition("+")[0]) == ("beta", "1.0.0")
    assert "waits for an admin's approval" in info(team)["notes"][0]["reason"]


@pytest.mark.parametrize("entry", [{}, {"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "true"}]}]}}])
def test_blocked_content_stays_blocked_under_another_name(team, entry):
    def enter() -> None:
        listed = team.market.manifest()
        team.market.write_manifest(listed | {"plugins": [plugin | entry for plugin in listed["plugins"]]})

    enter()
    team.sync()
    team.grant("alpha")
    assert team.install("bob", "alpha").status == 200
    tree = info(team)["plugins"][0]["tree_id"]
    blocked = team.call("POST", "ada", f"/api/admin/blocked-trees/{tree}", {"reason": "leaks"})
    assert blocked.status in (200, 201), blocked.text
    catalog(team, {"alpha": "beta"}, beta={"version": "1.0.0"}, other={})
    enter()
    same = {f"plugins/beta/{path}": body for path, body in small_plugin("alpha").items() if not path.endswith(".json")}
    team.market.change("The same content", same)
    team.sync()
    (beta,) = [one for one in team.call("GET", "ada", f"{MARKETPLACES}/acme/plugins").json() if one["name"] == "beta"]
    assert "is blocked: leaks" in beta["problem"]
    # With the entry's hooks there was a version before, which is not blocked and is served in its place.
    assert names(team) == (["beta"] if entry else [])


def test_dependents_of_this_and_of_other_marketplaces_follow(team, tmp_path):
    from tests.edge.stack import test_dependencies as others

    catalog(team, alpha={}, near={"dependencies": ["alpha"]})
    team.sync()
    others.second(team, tmp_path, far={"dependencies": ["alpha@acme-tools"]})
    for resource in ("acme/alpha", "acme/near", "tools/far"):
        others.grant(team, resource)
    assert team.install("bob", "near").status == 200
    assert team.call("POST", "bob", "/api/marketplace/curated/tools/far/install").status == 200
    assert names(team) == ["alpha", "near", "far"]
    catalog(team, {"alpha": "beta"}, beta={}, near={"dependencies": ["alpha"]})
    team.sync()
    assert names(team) == ["beta", "near"]
    [reason] = [h["reason"] for h in info(team)["hidden"]]
    assert reason == "missing dependency: alpha of acme is called beta now; the next sync of what needs it follows"
    team.post("ada", f"{MARKETPLACES}/tools/sync", None, 200)
    assert names(team) == ["beta", "near", "far"]


STEPS = ("stack", "people", "marketplace")


@pytest.mark.parametrize("after", range(len(STEPS) + 1))
def test_whoever_dies_in_between_has_lost_nothing(team, after):
    """The steps after the sync's own commit stop after so many; everybody has what they had, and the next sync goes on."""
    grant = team.grant("alpha")
    assert team.install("bob", "alpha").status == 200
    required = team.grant("alpha", "everyone")
    assert team.call("POST", "ada", f"/api/admin/grants/{required}/required").status == 200
    catalog(team, {"alpha": "beta"}, beta={}, other={})
    state = team.house.state
    stopping = Stopping(state, after)
    tools = team.house.wiring  # the sync itself, without what comes after it
    from agnes import wiring
    from agnes.marketplace import sync

    assert tools is not None
    syncing = wiring.syncing()
    alone = sync.Syncing(
        syncing.state, syncing.store, syncing.git, syncing.secrets, syncing.clock, syncing.web, syncing.npm_registry
    )
    sync.sync(alone, "acme")
    try:
        following.follow(stopping, now=team.house.clock.now())
    except Killed:
        assert after < len(STEPS)
    has(team)
    team.sync()  # finds nothing new in the repository
    has(team)
    with state.read("marketplace") as db:
        assert renamed.pending(db) == {}
    assert sorted(grants(team)) == sorted([("acme/beta", grant), ("acme/beta", required)])


def has(team: Team) -> None:
    assert {who: names(team, who) for who in ("bob", "eve")} == {"bob": ["beta"], "eve": ["beta"]}
    [line] = team.call("GET", "bob", "/api/my-stack").json()["curated"]
    assert (line["plugin_name"], line["enabled"], line["required"]) == ("beta", True, True)
    mine = team.call("GET", "bob", "/api/marketplace/items?tab=my").json()["items"]
    assert [(item["name"], item["installed"], item["required"]) for item in mine] == [("beta", True, True)]


class Killed(Exception):
    pass


class Stopping:
    """A State whose process is killed after so many commits."""

    def __init__(self, state: Any, left: int) -> None:
        self._state, self._left = state, left

    def __getattr__(self, name: str) -> Any:
        return getattr(self._state, name)

    def commit(self, file: str, change: Any, **given: Any) -> Any:
        if self._left == 0:
            raise Killed(file)
        self._left -= 1
        return self._state.commit(file, change, **given)
