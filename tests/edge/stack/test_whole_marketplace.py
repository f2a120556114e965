"""A group that was granted a whole marketplace, from the grant to the feed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders.acme_team import ENVIRON, MARKETPLACES, Team, code
from tests.builders.house import House

pytestmark = pytest.mark.slow


@pytest.fixture
def team(tmp_path: Path):
    with House(tmp_path, environ=ENVIRON) as house:
        yield Team(house, tmp_path, registered=True)


def offered(team: Team, who: str) -> set[str]:
    return {line["plugin_name"] for line in team.call("GET", who, "/api/my-stack").json()["curated"]}


def listed(team: Team, who: str) -> set[str]:
    return {item["name"] for item in team.call("GET", who, "/api/marketplace/items?page_size=100").json()["items"]}


def test_one_grant_offers_every_plugin_and_what_a_later_sync_adds(team):
    assert code(team.install("bob", "finops"), 403) == "grant_required"
    grant = team.grant_all()
    assert offered(team, "bob") == listed(team, "bob") >= {"finops", "chartkit"}
    assert (offered(team, "eve"), team.served("bob")) == (set(), [])
    assert team.install("bob", "finops").status == 200
    assert (team.served("bob"), team.counts()["finops"]) == (["finops"], 1)
    team.market.add_plugin("later")
    team.sync()
    assert "later" in offered(team, "bob") & listed(team, "bob")
    assert team.install("bob", "later").status == 200
    assert team.served("bob") == ["finops", "later"]
    assert team.call("DELETE", "ada", f"/api/admin/grants/{grant}").status == 204
    assert (team.served("bob"), offered(team, "bob"), listed(team, "bob")) == ([], set(), set())
    assert team.uninstall("bob", "later").status == 200, "what was added once can be taken off"


def test_the_pages_of_its_plugins_open(team):
    page = "/api/marketplace/curated/acme/finops"
    assert code(team.call("GET", "bob", page), 403) == "plugin_not_granted"
    asset = "/api/marketplace/curated/acme/finops/asset/none.png"
    assert code(team.call("GET", "bob", asset), 403) == "grant_required"
    team.grant_all()
    assert team.call("GET", "bob", page).status == 200
    assert code(team.call("GET", "bob", asset), 404) == "asset_not_found"
    assert code(team.call("GET", "bob", "/api/marketplace/curated/acme/none"), 404) == "plugin_not_found"


def test_stacks_keep_what_a_single_grant_still_reaches(team):
    whole = team.grant_all()
    single = team.grant("finops")
    for plugin in ("finops", "chartkit"):
        assert team.install("bob", plugin).status == 200
    assert team.call("DELETE", "ada", f"/api/admin/grants/{whole}").status == 204
    assert team.served("bob") == ["finops"]
    team.grant_all("everyone")
    assert team.served("bob") == ["chartkit", "finops"], "subscriptions outlive a grant, and are served again"
    assert team.call("DELETE", "ada", f"/api/admin/grants/{single}").status == 204
    assert team.served("bob") == ["chartkit", "finops"]


def test_a_required_marketplace_is_in_the_stack_with_what_it_adds_later(team):
    grant = team.grant_all()
    required = f"/api/admin/grants/{grant}/required"
    answer = team.call("POST", "ada", required)
    assert answer.json() == {"grant_id": grant, "resource_id": "acme", "required": True}
    before = team.served("bob")
    assert {"finops", "chartkit"} <= set(before)
    team.market.add_plugin("later")
    team.sync()
    assert team.served("bob") == sorted([*before, "later"])
    assert code(team.uninstall("bob", "later"), 409) == "cannot_remove_required_plugin"
    assert (team.served("eve"), team.counts()["later"]) == ([], 1)
    disabled = f"{MARKETPLACES}/acme/plugins/later/disabled"
    assert team.call("POST", "ada", disabled).status == 200
    assert team.served("bob") == before
    assert team.call("DELETE", "ada", required).status == 200
    assert team.served("bob") == []


def test_a_system_plugin_does_not_lock_the_grant_of_its_marketplace(team):
    grant, single = team.grant_all(), team.grant("finops")
    team.system("finops")
    assert code(team.call("DELETE", "ada", f"/api/admin/grants/{single}"), 409) == "cannot_revoke_system_grant"
    assert team.call("DELETE", "ada", f"/api/admin/grants/{grant}").status == 204
    assert team.served("bob") == ["finops"]


def test_removing_the_marketplace_takes_every_grant_with_it(team):
    team.grant_all()
    team.grant_all("everyone")
    team.grant("finops")
    team.register(slug="acme-2")
    other = {"group_id": team.group, "resource_type": "marketplace", "resource_id": "acme-2"}
    team.post("ada", "/api/admin/grants", other, 201)
    assert team.call("DELETE", "ada", f"{MARKETPLACES}/acme").status in (200, 204)
    left = team.call("GET", "ada", "/api/admin/grants").json()
    assert [grant["resource_id"] for grant in left] == ["acme-2"]
    assert team.audited("people").count("resource_grant.deleted") == 3
    team.register()
    team.sync()
    assert offered(team, "bob") == set()
