"""The kill switch, and what those see who lose a version."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from agnes.kernel.clock import FixedClock
from agnes.outside.object_store.memory import MemoryStore
from agnes.outside.object_store.presigned import PresignRefused
from agnes.settings import Settings
from tests.builders.acme_team import ENVIRON, Team, code
from tests.builders.house import START, House

BLOCKED = "/api/admin/blocked-trees"


@pytest.fixture
def team(tmp_path: Path):
    clock = FixedClock(START)
    with House(tmp_path, environ=ENVIRON, clock=clock, store=MemoryStore(clock=clock)) as house:
        team = Team(house, tmp_path, registered=True)
        team.grant("finops")
        team.install("bob", "finops")
        yield team


def info(team: Team) -> dict:
    return team.call("GET", "bob", "/marketplace/info").json()


def test_a_blocked_version_falls_back_to_the_last_good_one(team):
    [first] = info(team)["plugins"]
    team.market.release_finops("1.5.0")
    team.sync()
    [second] = info(team)["plugins"]
    assert second["version"].startswith("1.5.0+")
    etag = info(team)["etag"]
    answer = team.post("ada", f"{BLOCKED}/{second['tree_id']}", {"reason": "steals tokens"}, 200)
    assert answer["plugins"] == ["acme/finops"]
    after = info(team)
    assert after["plugins"] == [first]
    assert after["etag"] != etag
    reason = f"version {second['version']} is blocked: steals tokens"
    assert after["notes"] == [
        {"name": "finops", "marketplace_slug": "acme", "version": first["version"], "served": True, "reason": reason}
    ]
    [line] = [p for p in team.call("GET", "ada", "/api/marketplaces/acme/plugins").json() if p["name"] == "finops"]
    assert (line["problem"], line["version"], line["tree_id"]) == (reason, first["version"], first["tree_id"])
    # A sync does not bring it back, nor does the same content again after another version.
    team.sync()
    team.market.release_finops("1.4.0", advice="Something else.")
    team.sync()
    [third] = info(team)["plugins"]
    assert third["tree_id"] not in {first["tree_id"], second["tree_id"]}
    team.post("ada", f"{BLOCKED}/{third['tree_id']}", {"reason": "too"}, 200)
    assert info(team)["plugins"] == [first]
    assert team.call("DELETE", "ada", f"{BLOCKED}/{third['tree_id']}").status == 204
    assert info(team)["plugins"] == [third]
    assert [t["tree_id"] for t in team.call("GET", "ada", BLOCKED).json()] == [second["tree_id"]]
    assert [a for a in team.audited("marketplace") if a.startswith("feed.")] == ["feed.tree.block"] * 2 + [
        "feed.tree.unblock"
    ]


def test_without_another_version_the_plugin_is_gone_with_its_reason(team):
    [only] = info(team)["plugins"]
    team.post("ada", f"{BLOCKED}/{only['tree_id']}", {"reason": "bad"}, 200)
    after = info(team)
    assert (after["plugins"], after["plugin_count"]) == ([], 0)
    assert [(n["name"], n["served"], n["reason"]) for n in after["notes"]] == [
        ("finops", False, f"version {only['version']} is blocked: bad")
    ]
    assert team.call("DELETE", "ada", f"{BLOCKED}/{only['tree_id']}").status == 204
    assert info(team)["plugins"] == [only]
    assert info(team)["notes"] == []


def test_an_older_version_may_be_blocked_too(team):
    [first] = info(team)["plugins"]
    team.market.release_finops("1.5.0")
    team.sync()
    [second] = info(team)["plugins"]
    team.market.release_finops("1.6.0")
    team.sync()
    team.post("ada", f"{BLOCKED}/{first['tree_id']}", {"reason": "old"}, 200)
    assert info(team)["plugins"][0]["version"].startswith("1.6.0+")
    team.post("ada", f"{BLOCKED}/{info(team)['plugins'][0]['tree_id']}", {"reason": "new"}, 200)
    assert info(team)["plugins"] == [second]


def block(team: Team) -> None:
    team.post("ada", f"{BLOCKED}/{info(team)['plugins'][0]['tree_id']}", {"reason": "steals tokens"}, 200)


def revoke(team: Team) -> None:
    for grant in team.call("GET", "ada", "/api/admin/grants").json():
        if grant["resource_id"] == "acme/finops":
            assert team.call("DELETE", "ada", f"/api/admin/grants/{grant['id']}").status == 204


def remove_from_catalog(team: Team) -> None:
    assert team.call("DELETE", "ada", "/api/marketplaces/acme").status == 204


def uninstall(team: Team) -> None:
    assert team.uninstall("bob", "finops").status == 200


@pytest.mark.parametrize("end", [block, revoke, remove_from_catalog, uninstall])
def test_a_zip_url_of_before_ends_within_a_minute(team, end):
    """Its request must have begun by then; what is asked for anew has another zip."""
    before = team.call("GET", "bob", "/marketplace.zip").headers["location"]
    assert team.house.store.open_presigned_url("GET", before).key.startswith("feed/zips/")
    end(team)
    after = team.call("GET", "bob", "/marketplace.zip").headers["location"]
    opened = team.house.store.open_presigned_url("GET", after)
    assert opened.key != team.house.store.open_presigned_url("GET", before).key
    team.house.clock.sleep(60 - Settings.model_fields["state_max_stale_seconds"].metadata[1].le)
    with pytest.raises(PresignRefused, match="expired"):
        team.house.store.open_presigned_url("GET", before)


def test_who_may_and_what_is_refused(team):
    tree = "0" * 64
    assert code(team.call("POST", "bob", f"{BLOCKED}/{tree}", {"reason": "x"}), 403) == "admin_only"
    assert code(team.call("GET", "bob", BLOCKED), 403) == "admin_only"
    assert code(team.call("POST", "ada", f"{BLOCKED}/xyz", {"reason": "x"}), 400) == "invalid_tree_id"
    assert code(team.call("POST", "ada", f"{BLOCKED}/{tree}", {"reason": "  "}), 400) == "reason_required"
    assert team.call("POST", "ada", f"{BLOCKED}/{tree}", {}).status == 422
    assert code(team.call("DELETE", "ada", f"{BLOCKED}/{tree}"), 404) == "not_blocked"
    assert team.post("ada", f"{BLOCKED}/{tree}", {"reason": "known from elsewhere"}, 200)["plugins"] == []


def test_the_401_of_each_door(team):
    """Git and Claude Code want a Basic challenge and plain text; the zip is never a redirect to a login page."""
    git = team.call("GET", None, "/marketplace.git/info/refs?service=git-upload-pack")
    assert (git.status, git.headers["www-authenticate"]) == (401, 'Basic realm="agnes-marketplace"')
    assert git.headers["content-type"].startswith("text/plain")
    archive = team.call("GET", None, "/marketplace.zip")
    assert code(archive, 401) == "missing_credential"
    assert "location" not in archive.headers
    team.house.call("POST", "/auth/logout", token=team.tokens["bob"])
    pair = base64.b64encode(f"x:{team.tokens['bob']}".encode()).decode()
    headers = {"Authorization": f"Basic {pair}"}
    ended = team.house.get("/marketplace.git/info/refs?service=git-upload-pack", headers=headers)
    assert ended.status == 401
    assert "session_revoked" in ended.text or "session_expired" in ended.text
