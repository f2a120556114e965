"""The registry's routes, from the outside."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from agnes.marketplace import nightly
from tests.builders.acme_team import ENVIRON, WORDS, Team, code
from tests.builders.acme_team import MARKETPLACES as ROUTES
from tests.builders.house import Answer, House


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory):
    """A team for requests that change nothing; signing in costs a second a team."""
    folder = tmp_path_factory.mktemp("refusing")
    with House(folder, environ={**ENVIRON, "AGNES_GIT_ALLOW": ""}) as house:
        yield Team(house, folder)


@pytest.fixture
def team(tmp_path: Path):
    with House(tmp_path, environ=ENVIRON) as house:
        yield Team(house, tmp_path)


def register(team: Team, **given) -> Answer:
    return team.call("POST", "ada", ROUTES, {**WORDS, "url": "https://git.example/m.git", **given})


def test_a_marketplace_from_registration_to_deletion(team):
    answer = register(team, url=team.market.url, slug="ACME", description="Ours", token="s3cret-token")
    assert answer.status == 201
    assert answer.json() == {
        "id": "acme",
        "name": "Acme",
        "url": team.market.url,
        "branch": None,
        "ref": None,
        "description": "Ours",
        "registered_by": "ada@example.com",
        "registered_at": "2026-11-23T09:00:00Z",
        "last_synced_at": None,
        "last_commit_sha": None,
        "last_error": None,
        "has_token": True,
        "plugin_count": 0,
        "curator_name": "Cora",
        "curator_email": "cora@example.com",
        "hold": False,
        "allow_external": False,
    }
    report = team.call("POST", "ada", f"{ROUTES}/acme/sync").json()
    assert {k: report[k] for k in ("id", "name", "action", "commit", "plugin_count")} == {
        "id": "acme",
        "name": "Acme",
        "action": "clone",
        "commit": team.market.head,
        "plugin_count": 3,
    }
    plugins = team.call("GET", "ada", f"{ROUTES}/acme/plugins").json()
    assert [p["name"] for p in plugins] == ["chartkit", "finops", "sql-style"]
    assert plugins[0]["upstream_version"] == "0.9.2"
    assert plugins[0]["version"].startswith("0.9.2+")
    assert set(plugins[0]) == {
        "name", "description", "version", "upstream_version", "author_name", "homepage", "category", "source_type",
        "source_spec", "is_system", "disabled", "served", "problem", "tree_id",
        "display_name", "dependencies", "default_enabled",
    }  # fmt: skip
    change = {"name": "Acme 2", "token": "", "branch": "main"}
    answer = team.call("PATCH", "ada", f"{ROUTES}/acme", change)
    assert (answer.status, answer.json()["name"], answer.json()["has_token"]) == (200, "Acme 2", False)
    [listed] = team.call("GET", "ada", ROUTES).json()
    assert (listed["branch"], listed["plugin_count"], listed["last_commit_sha"]) == ("main", 3, team.market.head)
    cleared = team.call("PATCH", "ada", f"{ROUTES}/acme", {"branch": ""}).json()
    assert cleared["branch"] is None
    assert team.call("DELETE", "ada", f"{ROUTES}/acme?purge=true").status == 204
    assert team.call("GET", "ada", ROUTES).json() == []
    assert code(team.call("GET", "ada", f"{ROUTES}/acme/plugins"), 404) == "marketplace_not_found"


@pytest.mark.parametrize(
    ("given", "status", "expected"),
    [
        ({"slug": "a b"}, 400, "invalid_slug"),
        ({"slug": ""}, 400, "invalid_slug"),
        ({"slug": "-a"}, 400, "invalid_slug"),
        ({"slug": "a" * 65}, 400, "invalid_slug"),
        ({"slug": "../a"}, 400, "invalid_slug"),
        ({"slug": "store"}, 400, "reserved_slug"),
        ({"slug": "Git-Cache"}, 400, "reserved_slug"),
        ({"slug": "sync-all"}, 400, "reserved_slug"),
        ({"name": " "}, 400, "invalid_name"),
        ({"name": "a\u202eb"}, 400, "invalid_name"),
        ({"curator_name": ""}, 400, "curator_required"),
        ({"curator_email": ""}, 400, "invalid_curator_email"),
        ({"curator_email": "cora"}, 400, "invalid_curator_email"),
        ({"url": "http://git.example/m.git"}, 400, "url_scheme"),
        ({"url": "ssh://git@git.example/m.git"}, 400, "url_scheme"),
        ({"url": "git@git.example:m.git"}, 400, "url_scheme"),
        ({"url": "ext::sh -c id"}, 400, "invalid_url"),
        ({"url": "file:///etc"}, 400, "url_scheme"),
        ({"url": "https://user:pw@git.example/m.git"}, 400, "url_has_credentials"),
        ({"url": "https://git.example/m.git?x=1"}, 400, "invalid_url"),
        ({"url": "https://git.example"}, 400, "invalid_url"),
        ({"url": "https://[::1/m.git"}, 400, "invalid_url"),
        ({"url": "https://git.example:99999/m.git"}, 400, "invalid_url"),
        ({"url": "https://127.0.0.1/m.git"}, 400, "url_private"),
        ({"url": "https://169.254.169.254/latest"}, 400, "url_private"),
        ({"url": "https://localhost/m.git"}, 400, "url_private"),
        ({"url": "https://[fd00::1]/m.git"}, 400, "url_private"),
        ({"branch": "--upload-pack=id"}, 400, "invalid_branch"),
        ({"branch": "a..b"}, 400, "invalid_branch"),
        ({"branch": "a\nb"}, 400, "invalid_branch"),
        ({"token": "a\nAGNES_ADMIN=1"}, 400, "invalid_token"),
        ({"name": 7}, 422, "invalid_input"),
        ({"unknown": 1}, 422, "invalid_input"),
    ],
)
def test_what_a_registration_may_not_say(refusing, given, status, expected):
    assert code(register(refusing, **given), status) == expected
    assert refusing.call("GET", "ada", ROUTES).json() == []


def test_a_refused_token_is_not_repeated(refusing):
    answer = register(refusing, token="s3cret token")
    assert "s3cret" not in answer.text
    answer = register(refusing, token=["s3cret"])
    assert "s3cret" not in answer.text
    assert answer.status == 422


def test_a_slug_is_taken_once_and_its_token_goes_with_the_refusal(team):
    assert register(team, url=team.market.url, token="first").status == 201
    assert code(register(team, url=team.market.url, token="second"), 409) == "marketplace_exists"
    kept = json.loads((team.house.wiring.settings.agnes_data_dir / "secrets.json").read_text())
    assert "second" not in json.dumps(kept)


@pytest.mark.parametrize("slugs", [("a-b", "a_b"), ("a", "a-b")])
def test_tokens_of_similar_slugs_do_not_meet(team, slugs):
    for slug in slugs:
        assert register(team, url=team.market.url, slug=slug, token=f"token-of-{slug}").status == 201
    with team.house.state.read("marketplace") as db:
        names = dict(db.execute("SELECT id, token_name FROM marketplace.registries").fetchall())
    found = {slug: team.house.wiring.secrets.get(name).value for slug, name in names.items()}
    assert found == {slug: f"token-of-{slug}" for slug in slugs}


def test_a_token_does_not_follow_the_url_to_another_server(team):
    register(team, token="s3cret-token")

    def move(**given):
        wanted = {"url": "https://other.example/m.git", **given}
        return team.call("PATCH", "ada", f"{ROUTES}/acme", wanted)

    assert code(move(), 400) == "token_required"
    assert team.call("GET", "ada", ROUTES).json()[0]["url"] == "https://git.example/m.git"
    assert move(token="").json()["has_token"] is False


def test_a_curator_stays_when_the_change_leaves_it_blank(team):
    register(team, url=team.market.url)
    answer = team.call("PATCH", "ada", f"{ROUTES}/acme", {"curator_name": " "})
    assert answer.json()["curator_name"] == "Cora"
    answer = team.call("PATCH", "ada", f"{ROUTES}/acme", {"curator_email": "nobody"})
    assert code(answer, 400) == "invalid_curator_email"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ROUTES),
        ("POST", ROUTES),
        ("PATCH", f"{ROUTES}/acme"),
        ("DELETE", f"{ROUTES}/acme"),
        ("GET", f"{ROUTES}/acme/plugins"),
        ("POST", f"{ROUTES}/acme/sync"),
        ("POST", f"{ROUTES}/sync-all"),
        ("POST", f"{ROUTES}/acme/plugins/finops/system"),
        ("DELETE", f"{ROUTES}/acme/plugins/finops/system"),
    ],
)
def test_admins_only(refusing, method, path):
    assert refusing.call(method, None, path, {}).status == 401
    assert code(refusing.call(method, "bob", path, {}), 403) == "admin_only"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", f"{ROUTES}/nobody"),
        ("DELETE", f"{ROUTES}/nobody"),
        ("GET", f"{ROUTES}/nobody/plugins"),
        ("POST", f"{ROUTES}/nobody/sync"),
        ("POST", f"{ROUTES}/nobody/plugins/x/system"),
    ],
)
def test_unknown_marketplaces(refusing, method, path):
    body = {} if method == "PATCH" else None
    assert code(refusing.call(method, "ada", path, body), 404) == "marketplace_not_found"


def test_a_system_plugin_is_one_for_everybody(team):
    register(team, url=team.market.url)
    team.call("POST", "ada", f"{ROUTES}/acme/sync")
    path = f"{ROUTES}/acme/plugins/finops/system"
    assert team.call("POST", "ada", path).json() == {
        "marketplace_id": "acme",
        "plugin_name": "finops",
        "is_system": True,
        "affected_groups": 0,
        "affected_users": 3,
    }
    assert team.call("POST", "ada", path).json()["affected_users"] == 0
    assert code(team.call("POST", "ada", f"{ROUTES}/acme/plugins/nope/system"), 404) == "plugin_not_found"
    assert team.call("DELETE", "ada", path).json()["is_system"] is False


def test_sync_tells_what_is_wrong(team):
    register(team, url=team.market.url)
    team.market.add_hostile_plugin("symlink to a secret")
    report = team.call("POST", "ada", f"{ROUTES}/acme/sync").json()
    assert report["refused"] == []
    left_out = "skills/hello/passwords.md: a symbolic link that leads out of the repository; it is left out"
    assert report["warnings"] == [f"trap: {left_out}"]
    team.market.write_manifest(b"{")
    answer = team.call("POST", "ada", f"{ROUTES}/acme/sync")
    assert code(answer, 422) == "catalog_invalid"
    all_of_them = team.call("POST", "ada", f"{ROUTES}/sync-all").json()
    assert all_of_them["synced"] == []
    assert [e["id"] for e in all_of_them["errors"]] == ["acme"]


def test_the_nightly_job_and_its_queue(team):
    register(team, url=team.market.url)
    report = importlib.import_module("functions.marketplace.cron_sync.app").run({}, None)
    assert report["report"] == {"queued": ["acme"]}
    consumer = importlib.import_module("functions.marketplace.queue_sync.app")
    record = {"messageId": "1", "body": json.dumps({"id": "acme"})}
    assert consumer.run({"Records": [record]}, None) == {"batchItemFailures": []}
    assert team.call("GET", "ada", ROUTES).json()[0]["plugin_count"] == 3
    assert nightly.QUEUE == "marketplace-sync"
