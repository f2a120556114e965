"""Plugins that need others, from the catalog to the view: what is added says so, and what cannot be had is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.builders.acme_team import ENVIRON, MARKETPLACES, Team, code
from tests.builders.house import House
from tests.builders.sample_marketplace import PLUGIN_JSON, SampleMarketplace, catalog

pytestmark = pytest.mark.slow


@pytest.fixture
def team(tmp_path: Path):
    with House(tmp_path, environ=ENVIRON) as house:
        team = Team(house, tmp_path)
        catalog(team.market, "acme-tools", charts={"version": "2.1.0"}, report={"dependencies": ["charts"]})
        team.register()
        team.sync()
        yield team


def info(team: Team, who: str = "bob") -> dict[str, Any]:
    return team.call("GET", who, "/marketplace/info").json()


def served(team: Team, who: str = "bob") -> dict[str, tuple[list[str], bool]]:
    return {p["name"]: (p["required_by"], p["added_as_dependency"]) for p in info(team, who)["plugins"]}


def hidden(team: Team) -> dict[str, str]:
    return {h["name"]: h["reason"] for h in info(team)["hidden"]}


def second(team: Team, folder: Path, **manifests: Any) -> SampleMarketplace:
    """Register and sync another marketplace, `tools`, whose catalog calls itself `shared-tools`."""
    market = SampleMarketplace(folder / "tools.git")
    catalog(market, "shared-tools", **manifests)
    words = {"name": "Tools", "slug": "tools", "url": market.url, "curator_name": "C", "curator_email": "c@example.com"}
    team.post("ada", MARKETPLACES, words, 201)
    team.post("ada", f"{MARKETPLACES}/tools/sync", None, 200)
    return market


def grant(team: Team, resource: str) -> str:
    wish = {"group_id": team.group, "resource_type": "marketplace_plugin", "resource_id": resource}
    return team.post("ada", "/api/admin/grants", wish, 201)["id"]


def test_what_a_plugin_needs_is_served_with_it_and_says_so(team):
    team.grant("report")
    team.grant("charts")
    assert team.install("bob", "report").status == 200
    assert served(team) == {"charts": (["report"], True), "report": ([], False)}
    lines = {line["plugin_name"]: line for line in team.call("GET", "bob", "/api/my-stack").json()["curated"]}
    assert (lines["charts"]["added_as_dependency"], lines["charts"]["required_by"]) == (True, ["acme/report"])
    assert (lines["charts"]["enabled"], lines["charts"]["served"]) == (False, True)
    mine = {i["name"]: i for i in team.call("GET", "bob", "/api/marketplace/items?tab=my").json()["items"]}
    assert (mine["charts"]["required_by"], mine["charts"]["added_as_dependency"]) == (["report"], True)
    assert not mine["charts"]["installed"]
    # Whoever has it themselves keeps it, and everybody's view of the same plugins is the same.
    before = info(team)["etag"]
    assert team.install("bob", "charts").status == 200
    assert served(team) == {"charts": (["report"], False), "report": ([], False)}
    assert info(team)["etag"] == before
    assert team.uninstall("bob", "report").status == 200
    assert served(team) == {"charts": ([], False)}


def test_what_is_not_granted_is_refused_with_the_reason(team):
    team.grant("report")
    refused = team.install("bob", "report")
    assert code(refused, 409) == "dependency_missing"
    assert refused.json()["message"] == (
        "report cannot be added: missing dependency: charts of acme is not granted to any of your groups"
    )
    toggled = team.call("PUT", "bob", "/api/my-stack/curated/acme/report", {"enabled": True})
    assert code(toggled, 409) == "dependency_missing"
    detail = team.call("GET", "bob", "/api/marketplace/curated/acme/report").json()
    assert [(n["name"], n["problem"]) for n in detail["dependencies"]] == [
        ("charts", "It is not granted to any of your groups.")
    ]
    assert served(team) == {}


def test_what_becomes_missing_withholds_what_needs_it_and_nothing_else(team):
    catalog(team.market, "acme-tools", charts={}, report={"dependencies": ["charts"]}, alone={})
    team.sync()
    for name in ("report", "alone"):
        team.grant(name)
    right = team.grant("charts")
    for name in ("report", "alone"):
        assert team.install("bob", name).status == 200
    assert set(served(team)) == {"alone", "charts", "report"}
    assert team.call("DELETE", "ada", f"/api/admin/grants/{right}").status == 204
    assert set(served(team)) == {"alone"}
    said = "missing dependency: charts of acme is not granted to any of your groups"
    assert hidden(team) == {"report": said}
    line = next(x for x in team.call("GET", "bob", "/api/my-stack").json()["curated"] if x["plugin_name"] == "report")
    assert (line["enabled"], line["served"], line["problem"]) == (True, False, said)
    mine = {
        i["name"]: i["hidden_reason"] for i in team.call("GET", "bob", "/api/marketplace/items?tab=my").json()["items"]
    }
    assert mine == {"alone": "", "report": said}
    # Adding again what one has changes nothing, although it could not be added anew.
    assert team.install("bob", "report").json() == {"installed": True}
    again = team.call("PUT", "bob", "/api/my-stack/curated/acme/report", {"enabled": True})
    assert again.json() == {"ok": True, "enabled": True}
    assert set(served(team)) == {"alone"}
    team.grant("charts")
    assert set(served(team)) == {"alone", "charts", "report"}
    off = team.call("POST", "ada", f"{MARKETPLACES}/acme/plugins/charts/disabled")
    assert off.status == 200, off.text
    assert hidden(team) == {"report": "missing dependency: charts of acme is disabled by an admin"}
    team.call("DELETE", "ada", f"{MARKETPLACES}/acme/plugins/charts/disabled")
    catalog(team.market, "acme-tools", report={"dependencies": ["charts"]}, alone={})
    team.sync()
    assert hidden(team) == {"report": "missing dependency: charts of acme is not in the catalog of acme"}


def test_across_marketplaces_it_is_the_name_in_ours(team, tmp_path):
    needs = [
        "fmt@shared-tools",
        {"name": "lint", "marketplace": "shared-tools", "version": "^1.2"},
        "charts@acme-tools",
    ]
    catalog(team.market, "acme-tools", {"report": {"dependencies": ["fmt@shared-tools"]}},
            charts={}, report={"dependencies": needs})  # fmt: skip
    team.sync()
    for name in ("report", "charts"):
        team.grant(name)
    assert "fmt of shared-tools is of a marketplace that is not registered" in team.install("bob", "report").text
    second(team, tmp_path, fmt={}, lint={"version": "1.4.0"})
    assert "fmt of tools is not granted" in team.install("bob", "report").text
    grant(team, "tools/fmt")
    grant(team, "tools/lint")
    assert team.install("bob", "report").status == 200
    assert set(served(team)) == {"charts", "fmt", "lint", "report"}
    report = team.house.wiring.state
    with report.read("marketplace") as db:
        [(tree, raw)] = db.execute("SELECT tree_id, raw FROM marketplace.plugins WHERE name = 'report'").fetchall()
    from agnes.trees import service as trees

    manifest = json.loads(trees.read_file(team.house.store, tree, PLUGIN_JSON))
    assert manifest["dependencies"] == ["fmt", {"name": "lint", "version": "^1.2"}, "charts"]
    assert json.loads(raw)["dependencies"] == ["fmt@shared-tools"]


def test_a_range_takes_an_older_version_that_may_be_served(team):
    catalog(
        team.market,
        "acme-tools",
        charts={"version": "1.4.0"},
        old={"dependencies": [{"name": "charts", "version": "^1.2"}]},
        new={"dependencies": [{"name": "charts", "version": "^2"}]},
    )
    team.sync()
    for name in ("old", "new", "charts"):
        team.grant(name)
    assert team.install("bob", "old").status == 200
    assert "charts of acme is served as 1.4.0, and new needs ^2" in team.install("bob", "new").text
    team.market.change(
        "charts 2", {f"plugins/charts/{PLUGIN_JSON}": json.dumps({"name": "charts", "version": "2.0.0"})}
    )
    team.sync()
    versions = {p["name"]: p["version"].partition("+")[0] for p in info(team)["plugins"]}
    assert versions == {"charts": "1.4.0", "old": "0.0.0"}
    assert "old needs ^1.2" in team.install("bob", "new").text
    assert team.uninstall("bob", "old").status == 200
    assert team.install("bob", "new").status == 200
    versions = {p["name"]: p["version"].partition("+")[0] for p in info(team)["plugins"]}
    assert versions == {"charts": "2.0.0", "new": "0.0.0"}


@pytest.mark.parametrize("is_annotated", [True, False])
def test_a_range_takes_a_tag_that_no_sync_has_read(team, is_annotated):
    """As the client takes it from the original (tests/journeys/test_dependencies.py)."""
    needs = {"dependencies": [{"name": "charts", "version": "^1"}]}
    for version in ("1.4.0", "1.9.0", "2.0.0"):
        catalog(team.market, "acme-tools", charts={"version": version}, report=needs)
        team.market.tag(f"charts--v{version}", is_annotated=is_annotated)
    catalog(team.market, "acme-tools", charts={"version": "2.1.0"}, report=needs)
    report = team.sync()
    assert [w.partition(" was read")[2] for w in report["warnings"] if "charts: version 1.9.0+" in w] == [
        " from the tag charts--v1.9.0, for ^1"
    ]
    team.grant("report")
    team.grant("charts")
    assert team.install("bob", "report").status == 200
    assert served(team) == {"charts": (["report"], True), "report": ([], False)}
    versions = {p["name"]: p["version"].partition("+")[0] for p in info(team)["plugins"]}
    assert versions["charts"] == "1.9.0"
    # Everybody else has the newest, and another sync has nothing to read.
    assert team.uninstall("bob", "report").status == 200
    assert team.install("bob", "charts").status == 200
    assert {p["version"].partition("+")[0] for p in info(team)["plugins"]} == {"2.1.0"}
    assert team.sync()["warnings"] == []


def test_a_tag_is_found_whenever_it_comes(team):
    """Neither the catalog's commit nor what needs the plugin has to change."""
    needs = {"dependencies": [{"name": "charts", "version": "~1.2"}]}
    first = catalog(team.market, "acme-tools", charts={"version": "1.2.5"}, report={})
    catalog(team.market, "acme-tools", charts={"version": "2.0.0"}, report=needs)
    assert team.sync()["warnings"] == []
    team.grant("report")
    team.grant("charts")
    assert "charts" in team.install("bob", "report").json()["message"]
    team.market.tag("charts--v1.2.5", commit=first)
    team.market.tag("charts--v1.2.nonsense", commit=first)
    team.market.tag("charts--v9.0.0", commit=first)
    assert [w for w in team.sync()["warnings"] if "charts--v1.2.5" in w]
    assert team.install("bob", "report").status == 200
    assert set(served(team)) == {"charts", "report"}


def test_the_version_is_the_tags_and_a_hold_holds_it(team):
    """A plugin.json need not say a version."""
    needs = {"dependencies": [{"name": "charts", "version": "^1"}]}
    first = catalog(team.market, "acme-tools", charts={}, report={})
    catalog(team.market, "acme-tools", charts={"version": "3.0.0"}, report=needs)
    team.sync()
    team.market.tag("charts--v1.0.0", commit=first)
    team.call("PATCH", "ada", f"{MARKETPLACES}/acme", {"hold": True})
    said = team.sync()["warnings"]
    assert len(said) == 1
    assert said[0].endswith("was read from the tag charts--v1.0.0, for ^1; it waits for an admin's approval")
    newest, _, oldest = team.call("GET", "ada", f"{MARKETPLACES}/acme/plugins/charts/versions").json()
    assert newest["version"].startswith("3.0.0+")
    assert oldest["version"].startswith("1.0.0+")
    assert oldest["status"] == "held"
    assert team.sync()["warnings"] == []
    team.grant("report")
    team.grant("charts")
    assert team.install("bob", "report").status == 409
    at = f"{MARKETPLACES}/acme/plugins/charts/versions/{oldest['id']}/decision"
    assert team.call("POST", "ada", at, {"approved": True}).status == 200
    assert team.install("bob", "report").status == 200


def test_a_circle_is_fine(team):
    catalog(team.market, "acme-tools", {"a": {"dependencies": ["b"]}, "b": {"dependencies": ["a"]}},
            a={"dependencies": ["b"]}, b={"dependencies": ["a"]})  # fmt: skip
    team.sync()
    team.grant("a")
    team.grant("b")
    assert team.install("bob", "a").status == 200
    assert served(team) == {"a": (["b"], False), "b": (["a"], True)}
    catalog(
        team.market, "acme-tools", top={"dependencies": ["a"]}, a={"dependencies": ["b"]}, b={"dependencies": ["a"]}
    )
    team.sync()
    team.grant("top")
    assert team.uninstall("bob", "a").status == 200
    assert team.install("bob", "top").status == 200
    assert served(team) == {"a": (["b", "top"], True), "b": (["a"], True), "top": ([], False)}


def test_the_words_of_catalog_and_manifest_are_shown_and_served_on(team):
    option = {
        "type": "string",
        "title": "API key",
        "description": "Of your account",
        "sensitive": True,
        "required": True,
    }
    relevance = {"topic": "Charts", "signals": {"cli": ["gnuplot"], "filesRead": ["**/*.csv"]}}
    catalog(
        team.market,
        "acme-tools",
        {"charts": {"displayName": "Charts & Graphs", "relevance": relevance, "defaultEnabled": False}},
        charts={"displayName": "Not this", "userConfig": {"key": option}},
    )
    team.sync()
    team.grant("charts")
    assert team.install("bob", "charts").status == 200
    detail = team.call("GET", "bob", "/api/marketplace/curated/acme/charts").json()
    assert (detail["display_name"], detail["plugin_name"]) == ("Charts & Graphs", "charts")
    assert detail["default_enabled"] is False
    assert [(o["key"], o["title"], o["sensitive"], o["required"]) for o in detail["user_config"]] == [
        ("key", "API key", True, True)
    ]
    assert detail["relevance"] == {"topic": "Charts", "signals": ["runs gnuplot", "reads **/*.csv"]}
    [item] = team.call("GET", "bob", "/api/marketplace/items?q=graphs").json()["items"]
    assert item["display_name"] == "Charts & Graphs"
    [line] = team.call("GET", "bob", "/api/my-stack").json()["curated"]
    assert line["display_name"] == "Charts & Graphs"
    [plugin] = info(team)["plugins"]
    assert plugin["display_name"] == "Charts & Graphs"
    page = team.call("GET", "bob", "/marketplace/curated/acme/charts").text
    assert "Charts &amp; Graphs" in page
    assert "API key" in page
    [admins] = team.call("GET", "ada", f"{MARKETPLACES}/acme/plugins").json()
    assert (admins["display_name"], admins["default_enabled"]) == ("Charts & Graphs", False)
