"""A grant that is required: its group has the plugin without asking."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders.acme_team import ENVIRON, Team, code
from tests.builders.house import House

pytestmark = pytest.mark.slow


@pytest.fixture
def team(tmp_path: Path):
    with House(tmp_path, environ=ENVIRON) as house:
        yield Team(house, tmp_path, registered=True)


def require(team: Team, grant: str, method: str = "POST", who: str = "ada"):
    return team.call(method, who, f"/api/admin/grants/{grant}/required")


def test_a_required_plugin_is_served_locked_and_counted(team):
    grant = team.grant("finops")
    assert (team.served("bob"), team.counts()["finops"]) == ([], 0)
    assert require(team, grant).json() == {"grant_id": grant, "resource_id": "acme/finops", "required": True}
    assert require(team, grant).status == 200
    assert (team.served("bob"), team.served("eve"), team.counts()["finops"]) == (["finops"], [], 1)
    [line] = team.call("GET", "bob", "/api/my-stack").json()["curated"]
    assert (line["enabled"], line["required"], line["is_system"]) == (True, True, False)
    assert team.install("bob", "finops").status == 200
    assert team.counts()["finops"] == 1
    assert code(team.uninstall("bob", "finops"), 409) == "cannot_remove_required_plugin"
    off = team.call("PUT", "bob", "/api/my-stack/curated/acme/finops", {"enabled": False})
    assert code(off, 409) == "cannot_remove_required_plugin"
    assert require(team, grant, "DELETE").json()["required"] is False
    assert team.served("bob") == ["finops"]  # it was asked for meanwhile
    assert team.uninstall("bob", "finops").status == 200
    assert team.served("bob") == []
    assert [a for a in team.audited("stack") if a.startswith("resource_grant")] == [
        "resource_grant.required",
        "resource_grant.optional",
    ]


def test_revoking_the_grant_ends_it_and_another_grant_is_an_offer(team):
    grant = team.grant("finops")
    require(team, grant)
    other = team.grant("finops", "everyone")
    assert team.call("DELETE", "ada", f"/api/admin/grants/{grant}").status == 204
    assert (team.served("bob"), team.counts()["finops"]) == ([], 0)
    [line] = team.call("GET", "bob", "/api/my-stack").json()["curated"]
    assert (line["enabled"], line["required"]) == (False, False)
    require(team, other)
    assert {who: team.served(who) for who in ("ada", "bob", "eve")} == {
        "ada": ["finops"],
        "bob": ["finops"],
        "eve": ["finops"],
    }
    assert team.counts()["finops"] == 3


def test_who_may(team):
    grant = team.grant("finops")
    assert code(require(team, grant, who="bob"), 403) == "admin_only"
    assert code(require(team, "nope"), 404) == "grant_not_found"
