"""What a user is served and why, for an admin: the API, the command's data, and *See as this person*."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agnes.kernel.ports import ANYTHING
from tests.builders import flea
from tests.builders.acme_team import ENVIRON, Team, code
from tests.builders.house import House
from tests.builders.sample_marketplace import catalog

pytestmark = pytest.mark.slow


@pytest.fixture
def team(tmp_path: Path):
    with House(tmp_path, environ=ENVIRON) as house:
        team = Team(house, tmp_path, registered=True)
        catalog(team.market, "acme-tools", charts={}, report={"dependencies": ["charts"]}, alone={}, base={}, other={})
        team.sync()
        yield team


def user_id(team: Team, who: str) -> str:
    return team.call("GET", who, "/api/me").json()["user_id"]


def lines(team: Team, who: str = "bob") -> dict[str, dict]:
    found = team.call("GET", "ada", f"/api/admin/users/{user_id(team, who)}/effective-access").json()
    assert team.call("GET", who, "/api/me/effective-access").json() == found
    assert found["notices"] == []
    return {line["resource_id"]: line for line in found["entitlements"]}


def reasons(team: Team) -> dict[str, str]:
    return {key: line["reason"]["code"] if line["reason"] else "served" for key, line in lines(team).items()}


def test_each_line_says_why(team):
    for name in ("report", "charts", "alone"):
        team.grant(name)
    team.install("bob", "report")
    team.system("base")
    found = lines(team)
    assert reasons(team) == {
        "acme/alone": "not_added",
        "acme/base": "served",
        "acme/charts": "served",
        "acme/other": "not_granted",
        "acme/report": "served",
    }
    assert found["acme/base"]["system"] is True
    report, charts = found["acme/report"], found["acme/charts"]
    [granted] = report["granted_by"]
    assert (granted["group_name"], granted["granted"], granted["required"]) == ("Finance", "acme/report", False)
    assert report["added_at"] is not None
    assert (report["decided_by"], report["only_as_dependency"]) == ("newest", False)
    assert (charts["dependency_of"], charts["only_as_dependency"]) == (["acme/report"], True)
    assert report["version"]
    served = {p["name"]: p["version"] for p in team.call("GET", "bob", "/marketplace/info").json()["plugins"]}
    assert served == {line["name"]: line["version"] for line in found.values() if line["served"]}


def test_what_keeps_something_from_being_served(team):
    grants = {name: team.grant(name) for name in ("report", "charts", "alone")}
    for name in ("report", "alone"):
        team.install("bob", name)
    team.call("DELETE", "ada", f"/api/admin/grants/{grants['charts']}")
    team.call("POST", "ada", "/api/marketplaces/acme/plugins/alone/disabled")
    house = team.house
    owner = user_id(team, "bob")
    skill = flea.plant(house.state, house.store, owner_id=owner, name="notes", now=house.clock.now())
    team.call("POST", "bob", f"/api/store/entities/{skill}/install")
    flea.set_status(team.house.state, skill, "hidden")
    found = lines(team)
    assert found["acme/report"]["reason"] == {
        "code": "missing_dependency",
        "message": "missing dependency: charts of acme is not granted to any of your groups",
        "about": "acme/charts",
    }
    assert found["acme/alone"]["reason"]["code"] == "disabled"
    assert found[skill]["reason"]["code"] == "not_approved"
    catalog(team.market, "acme-tools", charts={})
    team.sync()
    assert reasons(team)["acme/report"] == "removed_upstream"


def test_nothing_of_a_disabled_account_and_no_line_of_an_unknown_one(team):
    team.grant("alone")
    team.install("bob", "alone")
    bob = user_id(team, "bob")
    team.call("POST", "ada", f"/api/users/{bob}/deactivate")
    found = team.call("GET", "ada", f"/api/admin/users/{bob}/effective-access").json()
    assert (found["items"], found["entitlements"]) == ([], [])
    assert "account is disabled" in team.house.get(f"/admin/users/{bob}/as", token=team.tokens["ada"]).text
    assert code(team.call("GET", "ada", "/api/admin/users/nobody/effective-access"), 404) == "user_not_found"


def test_see_as_this_person_shows_the_same_and_is_audited(team):
    for name in ("report", "charts", "alone"):
        team.grant(name)
    team.install("bob", "report")
    bob = user_id(team, "bob")

    def page(query: str = "", who: str = "ada", status: int = 200) -> str:
        answer = team.house.get(f"/admin/users/{bob}/as{query}", token=team.tokens[who])
        assert answer.status == status, answer.text
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))

    feed = page()
    assert "2 of 2 are served" in feed
    assert "Needed by acme/report" in feed
    assert "Granted to Finance" in feed
    assert "Newest version" in feed
    catalogue = page("?view=catalogue")
    assert all(name in catalogue for name in ("report", "charts", "alone"))
    assert "other" not in catalogue.partition("Published by")[2].partition("</table>")[0].split()
    assert "They may add it, and have not" in page("?view=offered")
    hidden = page("?view=hidden")
    assert "Not granted to any of their groups" in hidden
    assert "Nothing matches this search" in page("?view=hidden&q=zzz")
    assert '<form method="post"' not in team.house.get(f"/admin/users/{bob}/as", token=team.tokens["ada"]).text
    page(who="bob", status=403)
    rows = team.call("GET", "ada", "/api/admin/activity?action_prefix=admin.user_seen_as").json()["rows"]
    assert {(row["resource"], row["user_email"]) for row in rows} == {(f"user:{bob}", "ada@example.com")}
    assert len(rows) == 6
    assert "See as this person" in team.house.get(f"/admin/users/{bob}", token=team.tokens["ada"]).text


@pytest.mark.parametrize(("file", "left"), [("flea", True), ("stack", False)])
def test_what_a_damaged_state_file_leaves_is_shown_with_a_note(team, tmp_path, file, left):
    team.grant("alone")
    team.install("bob", "alone")
    bob = user_id(team, "bob")
    store = team.house.store
    for entry in list(store.list(f"state/{file}/")):
        store.write(entry.key, b"damaged", expect=ANYTHING, content_type="application/octet-stream")
    with House(tmp_path / "anew", environ=ENVIRON, store=store) as anew:
        found = anew.get(f"/api/admin/users/{bob}/effective-access", token=team.tokens["ada"]).json()
    assert [item["resource_id"] for item in found["items"]] == ["acme/alone"]
    assert bool(found["entitlements"]) is left
    [notice] = found["notices"]
    assert "damaged" in notice
