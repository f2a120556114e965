"""What a person adds, has and is served."""

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


def test_served_is_granted_and_subscribed(team):
    assert code(team.install("bob", "finops"), 403) == "grant_required"
    team.grant("finops")
    assert team.served("bob") == []
    assert team.install("bob", "finops").json() == {"installed": True}
    assert team.served("bob") == ["finops"]
    assert team.served("eve") == []
    assert team.uninstall("bob", "finops").json() == {"installed": False}
    assert team.served("bob") == []


def test_an_admin_needs_a_grant_too(team):
    assert code(team.install("ada", "finops"), 403) == "grant_required"
    team.grant("finops")
    assert code(team.install("ada", "finops"), 403) == "grant_required"
    team.grant("finops", "admin")
    assert team.install("ada", "finops").status == 200
    assert team.served("ada") == ["finops"]


def test_everyone_means_people_without_groups_too(team):
    team.grant("finops", "everyone")
    assert team.install("eve", "finops").status == 200
    assert team.served("eve") == ["finops"]


def test_adding_and_removing_twice_changes_and_audits_once(team):
    team.grant("finops")
    for _ in range(2):
        assert team.install("bob", "finops").json() == {"installed": True}
    for _ in range(2):
        assert team.uninstall("bob", "finops").json() == {"installed": False}
    assert team.audited("stack") == ["marketplace.curated.install", "marketplace.curated.uninstall"]


def test_unknown_plugins(team):
    assert code(team.install("bob", "nope"), 404) == "plugin_not_found"
    assert code(team.uninstall("bob", "nope"), 404) == "plugin_not_found"
    assert team.install(None, "finops").status == 401


def test_a_system_plugins_grants_stay_until_it_is_an_ordinary_one(team):
    grant = team.grant("finops")
    team.system("finops")
    assert code(team.call("DELETE", "ada", f"/api/admin/grants/{grant}"), 409) == "cannot_revoke_system_grant"
    assert code(team.call("DELETE", "bob", f"/api/admin/grants/{grant}"), 403) == "admin_only"
    team.system("finops", "DELETE")
    assert team.call("DELETE", "ada", f"/api/admin/grants/{grant}").status == 204
    assert code(team.call("DELETE", "ada", f"/api/admin/grants/{grant}"), 404) == "grant_not_found"


def test_a_system_plugin_is_everybodys_and_stays(team):
    team.system("finops")
    assert [team.served(who) for who in ("ada", "bob", "eve")] == [["finops"]] * 3
    assert team.install("eve", "finops").json() == {"installed": True}
    assert code(team.uninstall("eve", "finops"), 409) == "cannot_uninstall_system_plugin"
    switch = "/api/my-stack/curated/acme/finops"
    assert code(team.call("PUT", "eve", switch, {"enabled": False}), 409) == "cannot_unsubscribe_system_plugin"
    assert team.call("PUT", "eve", switch, {"enabled": True}).json()["enabled"] is True
    assert team.audited("stack") == []
    team.system("finops", "DELETE")
    assert team.served("eve") == []


def test_my_stack_shows_what_one_may_have(team):
    team.grant("finops")
    team.grant("chartkit")
    team.system("sql-style")
    team.install("bob", "finops")
    shown = team.call("GET", "bob", "/api/my-stack").json()
    assert shown["store"] == []
    assert [(p["plugin_name"], p["enabled"], p["is_system"]) for p in shown["curated"]] == [
        ("chartkit", False, False),
        ("finops", True, False),
        ("sql-style", True, True),
    ]
    assert [p["plugin_name"] for p in team.call("GET", "eve", "/api/my-stack").json()["curated"]] == ["sql-style"]


def test_the_switch(team):
    switch = "/api/my-stack/curated/acme/finops"
    assert code(team.call("PUT", "bob", switch, {"enabled": True}), 404) == "grant_not_found"
    assert code(team.call("PUT", "ada", switch, {"enabled": True}), 404) == "grant_not_found"
    assert code(team.call("PUT", "bob", "/api/my-stack/curated/acme/nope", {"enabled": True}), 404) == "grant_not_found"
    team.grant("finops")
    assert team.call("PUT", "bob", switch, {"enabled": True}).json() == {"ok": True, "enabled": True}
    assert team.served("bob") == ["finops"]
    assert team.call("PUT", "bob", switch, {"enabled": False}).json() == {"ok": True, "enabled": False}
    assert team.served("bob") == []
    for wrong in ({}, {"enabled": "yes"}, {"enabled": 1}, {"enabled": True, "more": 1}):
        assert code(team.call("PUT", "bob", switch, wrong), 422) == "invalid_input"


def test_a_revoked_grant_hides_and_another_one_keeps(team):
    first, second = team.grant("finops"), team.grant("finops", "everyone")
    team.install("bob", "finops")
    assert team.call("DELETE", "ada", f"/api/admin/grants/{first}").status == 204
    assert team.served("bob") == ["finops"]
    team.call("DELETE", "ada", f"/api/admin/grants/{second}")
    assert team.served("bob") == []
    assert team.counts()["finops"] == 0
    # What lies dormant can still be taken off by the one who added it.
    assert team.uninstall("bob", "finops").json() == {"installed": False}
    assert code(team.uninstall("bob", "finops"), 403) == "grant_required"


def test_counts_are_people_who_hold_it(team):
    team.grant("finops")
    team.grant("finops", "everyone")
    team.grant("chartkit")
    for who in ("bob", "eve"):
        team.install(who, "finops")
    team.install("bob", "chartkit")
    team.system("sql-style")
    assert team.counts() == {"chartkit": 1, "finops": 2, "sql-style": 3}


def test_what_is_removed_or_disabled_is_not_served_and_comes_back(team):
    team.grant("finops", "everyone")
    team.install("bob", "finops")
    manifest = team.market.manifest()
    whole = list(manifest["plugins"])
    team.market.write_manifest({**manifest, "plugins": whole[1:]})
    team.sync()
    assert team.served("bob") == []
    assert code(team.install("bob", "finops"), 404) == "plugin_not_found"
    team.market.write_manifest({**manifest, "plugins": whole})
    team.sync()
    assert team.served("bob") == ["finops"]
    sql = "UPDATE marketplace.plugins SET disabled = true"
    team.house.state.commit("marketplace", lambda tx: tx.db.execute(sql))
    assert team.served("bob") == []


def test_a_marketplace_registered_again_starts_without_grants_and_subscriptions(team):
    team.grant("finops")
    team.install("bob", "finops")
    assert team.call("DELETE", "ada", "/api/marketplaces/acme").status == 204
    assert team.served("bob") == []
    team.house.clock.sleep(60)
    team.register()
    team.sync()
    assert code(team.install("bob", "finops"), 403) == "grant_required"
    team.grant("finops")
    assert team.served("bob") == []
    assert team.install("bob", "finops").json() == {"installed": True}
    assert team.served("bob") == ["finops"]


def test_the_feeds_order_is_by_registration_and_name(team):
    for plugin in ("sql-style", "finops", "chartkit"):
        team.grant(plugin)
        team.install("bob", plugin)
    assert team.served("bob") == ["chartkit", "finops", "sql-style"]
