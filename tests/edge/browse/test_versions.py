"""Browse pages say what the feed serves: which version somebody gets and why, and what comes with a plugin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.builders.acme_team import ENVIRON, MARKETPLACES, Team
from tests.builders.house import House
from tests.edge.stack.test_dependencies import PLUGIN_JSON, catalog

pytestmark = pytest.mark.slow

PEOPLE = ("ada", "bob", "eve")


@pytest.fixture
def team(tmp_path: Path):
    with House(tmp_path, environ=ENVIRON) as house:
        yield Team(house, tmp_path)


def set_up(team: Team, **given: Any) -> str:
    """The group Pilots, with Eve."""
    team.register(**given)
    team.sync()
    group = team.post("ada", "/api/admin/groups", {"name": "Pilots", "description": ""}, 201)["id"]
    team.post("ada", f"/api/admin/groups/{group}/members", {"email": "eve@example.com"}, 201)
    return group


def roll_out(team: Team, plugin: str, group: str) -> None:
    path = f"{MARKETPLACES}/acme/plugins/{plugin}"
    newest = team.call("GET", "ada", f"{path}/versions").json()[0]
    team.post("ada", f"{path}/rollout", {"version": newest["id"], "group_id": group}, 200)


def detail(team: Team, who: str, plugin: str) -> dict[str, Any]:
    answer = team.call("GET", who, f"/api/marketplace/curated/acme/{plugin}")
    assert answer.status == 200, answer.text
    return answer.json()


def listed(team: Team, who: str, tab: str = "curated") -> dict[str, dict[str, Any]]:
    return {i["name"]: i for i in team.call("GET", who, f"/api/marketplace/items?tab={tab}").json()["items"]}


def page(team: Team, who: str, path: str) -> str:
    answer = team.call("GET", who, path)
    assert answer.status == 200, answer.text
    return " ".join(answer.text.split())


def agree(team: Team) -> None:
    """My Stack, my-stack, a plugin's page and the feed name the same plugins in the same versions, for everybody."""
    for who in PEOPLE:
        feed = {p["name"]: p["version"] for p in team.call("GET", who, "/marketplace/info").json()["plugins"]}
        mine = {name: i["version"] for name, i in listed(team, who, "my").items() if not i["hidden_reason"]}
        stack = {
            line["plugin_name"]: line["version"]
            for line in team.call("GET", who, "/api/my-stack").json()["curated"]
            if line["served"] and (line["enabled"] or line["added_as_dependency"])
        }
        assert feed == mine == stack, who
        for name, version in feed.items():
            assert detail(team, who, name)["version"] == version


def test_one_group_sees_the_version_that_it_gets_first(team):
    catalog(team.market, "acme-tools", charts={"version": "1.0.0", "description": "Draws."})
    group = set_up(team, hold=True)
    first = team.call("GET", "ada", f"{MARKETPLACES}/acme/plugins/charts/versions").json()[0]
    approve = f"{MARKETPLACES}/acme/plugins/charts/versions/{first['id']}/decision"
    team.post("ada", approve, {"approved": True}, 200)
    for to in (group, team.group):
        team.grant("charts", to)
    for who in ("bob", "eve"):
        assert team.install(who, "charts").status == 200
    team.market.change(
        "charts 2",
        {
            f"plugins/charts/{PLUGIN_JSON}": json.dumps({"name": "charts", "version": "2.0.0"}),
            "plugins/charts/skills/waterfall/SKILL.md": "---\nname: waterfall\ndescription: Falls.\n---\nDraw it.\n",
        },
    )
    team.sync()
    roll_out(team, "charts", group)
    agree(team)
    early, usual = detail(team, "eve", "charts"), detail(team, "bob", "charts")
    assert early["version_reason"] == "Your group Pilots gets this version first; others have version 1.0.0."
    assert (usual["version_reason"], usual["problem"].startswith("version 2.0.0")) == ("", True)
    assert early["problem"] == ""
    assert "waterfall" in {s["name"] for s in early["skills"]} - {s["name"] for s in usual["skills"]}
    assert early["rollout"]["group"] == "Pilots"
    assert (usual["rollout"]["group"], usual["rollout"]["is_mine"]) == ("", False)
    assert detail(team, "ada", "charts")["rollout"]["group"] == "Pilots"
    assert listed(team, "eve")["charts"]["version_reason"] == early["version_reason"]
    assert "v2.0.0 for Pilots (yours) first, v1.0.0 for everybody else" in page(
        team, "eve", "/marketplace/curated/acme/charts"
    )
    inner = "/marketplace/curated/acme/charts/skill/waterfall"
    assert "Draw it." in page(team, "eve", inner)
    assert team.call("GET", "bob", inner).status == 404
    [line] = team.call("GET", "eve", "/api/my-stack").json()["curated"]
    assert (line["served"], line["problem"], line["version_reason"]) == (True, None, early["version_reason"])
    # The group's new name is on pages at once.
    assert team.call("PATCH", "ada", f"/api/admin/groups/{group}", {"name": "Testers"}).status == 200
    assert "Your group Testers" in detail(team, "eve", "charts")["version_reason"]
    assert team.call("DELETE", "ada", f"{MARKETPLACES}/acme/plugins/charts/rollout").status == 200
    agree(team)
    assert detail(team, "eve", "charts")["rollout"] is None


def test_what_only_one_group_has_is_listed_for_it_alone(team):
    catalog(team.market, "acme-tools", charts={"version": "1.0.0"}, report={"dependencies": ["charts"]})
    group = set_up(team, hold=True)
    for plugin in ("charts", "report"):
        for to in (group, team.group):
            team.grant(plugin, to)
    roll_out(team, "charts", group)
    assert (set(listed(team, "eve")), set(listed(team, "bob"))) == ({"charts"}, set())
    assert team.install("eve", "charts").status == 200
    agree(team)
    found = detail(team, "eve", "charts")
    assert found["version_reason"] == "Your group Pilots gets this version first; nobody else has the plugin yet."
    assert found["skills"]
    assert team.call("GET", "bob", "/api/marketplace/curated/acme/charts").status == 404
    assert team.call("GET", "ada", "/api/marketplace/curated/acme/charts").status == 200
    roll_out(team, "report", "everyone")
    assert listed(team, "eve")["report"]["dependencies"][0]["state"] == "in_stack"
    [need] = listed(team, "bob")["report"]["dependencies"]
    assert (need["state"], need["problem"]) == ("unavailable", "It has no version that can be served.")
    assert team.install("bob", "report").status == 409


def test_a_range_says_why_an_older_version_is_served(team):
    catalog(
        team.market,
        "acme-tools",
        charts={"version": "1.4.0"},
        old={"dependencies": [{"name": "charts", "version": "^1.2"}]},
        new={"dependencies": [{"name": "charts", "version": "^2"}]},
    )
    set_up(team)
    for name in ("old", "new", "charts"):
        team.grant(name)
    team.market.change(
        "charts 2", {f"plugins/charts/{PLUGIN_JSON}": json.dumps({"name": "charts", "version": "2.0.0"})}
    )
    team.sync()
    [need] = detail(team, "bob", "old")["dependencies"]
    assert (need["state"], need["range"], need["version"].partition("+")[0]) == ("added", "^1.2", "1.4.0")
    assert detail(team, "bob", "charts")["version_reason"] == ""
    assert team.install("bob", "old").status == 200
    agree(team)
    found = detail(team, "bob", "charts")
    assert found["version_reason"] == "Older than 2.0.0, because old needs ^1.2."
    assert (found["required_by"], found["added_as_dependency"]) == (["old"], True)
    shown = page(team, "bob", "/marketplace/curated/acme/charts")
    assert "You get version 1.4.0. Older than 2.0.0, because old needs ^1.2." in shown
    refused = detail(team, "bob", "new")
    assert "old needs ^1.2" in refused["cannot_add"]
    assert refused["dependencies"][0]["problem"] == "Version 1.4.0 is served."
    button = page(team, "bob", "/marketplace/curated/acme/new")
    assert 'disabled>Add to stack</button> <p class="does__title">It cannot be added: missing dependency' in button


def test_what_comes_with_a_plugin_and_what_needs_it(team):
    catalog(
        team.market,
        "acme-tools",
        top={"dependencies": [{"name": "middle", "version": ">=0"}]},
        middle={"dependencies": ["base"]},
        base={},
        other={"dependencies": ["base"]},
        secret={"dependencies": ["base"]},
    )
    set_up(team)
    for name in ("top", "middle", "base", "other"):
        team.grant(name)
    found = detail(team, "bob", "top")
    assert [one["name"] for one in found["added_with_it"]] == ["base", "middle"]
    assert "Adding it also adds" in page(team, "bob", "/marketplace/curated/acme/top")
    assert "Needs middle &gt;=0 (added with it)" in page(team, "bob", "/marketplace?tab=curated")
    # `secret` was not granted to Bob.
    assert [one["title"] for one in detail(team, "bob", "base")["needed_by"]] == ["middle", "other"]
    assert team.install("bob", "other").status == 200
    assert [one["name"] for one in detail(team, "bob", "top")["added_with_it"]] == ["middle"]
    assert detail(team, "bob", "other")["dependencies"][0]["state"] == "served"
    assert team.install("bob", "top").status == 200
    agree(team)
    found = detail(team, "bob", "base")
    assert [(one["title"], one["installed"]) for one in found["needed_by"]] == [("other", True), ("middle", False)]
    assert found["required_by"] == ["middle", "other"]
    assert detail(team, "bob", "top")["added_with_it"] == []
    shown = page(team, "bob", "/marketplace/curated/acme/base")
    assert "You have it because middle, other need it." in shown
    assert "Served as a dependency" in shown


def test_hidden_characters_are_written_out_on_every_page_of_a_plugin(team):
    hidden = "Draws\u202e strahc"
    catalog(team.market, "acme-tools", charts={"version": "1.0.0", "description": hidden})
    set_up(team)
    team.market.change(
        "skill",
        {
            "plugins/charts/skills/tag/SKILL.md": f"---\nname: tag\ndescription: '{hidden}'\n---\nObey \U000e0041 this.\n",
            "plugins/charts/README.md": "\ufeff# Charts\n\nZero\u200bwidth.\n",
        },
    )
    team.sync()
    team.grant("charts")
    for path in (
        "?tab=curated",
        "/curated/acme/charts",
        "/curated/acme/charts/skill/tag",
        "?tab=curated&q=draws%E2%80%AE",
    ):
        shown = page(team, "bob", f"/marketplace{path}")
        assert "\u27e6U+" in shown, path
        assert not {"\u202e", "\u200b", "\ufeff", "\U000e0041"} & set(shown.replace('value="draws\u202e"', ""))
    assert "Zero\u27e6U+200B\u27e7width." in page(team, "bob", "/marketplace/curated/acme/charts")
    assert "Obey \u27e6U+E0041\u27e7 this." in page(team, "bob", "/marketplace/curated/acme/charts/skill/tag")
    assert 'value="draws\u202e"' in page(team, "bob", "/marketplace?tab=curated&q=draws%E2%80%AE")
    assert detail(team, "bob", "charts")["description"] == hidden
