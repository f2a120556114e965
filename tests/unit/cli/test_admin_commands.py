"""`agnes admin …` against a house."""

from __future__ import annotations

import json

import pytest

from infra import compose
from tests.builders.house import House

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def built():
    compose.write_openapi(compose.compose())  # what the build leaves for functions to answer: the list of jobs


@pytest.fixture(scope="module")
def open_ada(open_shop):
    return open_shop.laptop("ada", git=False)


@pytest.fixture
def ada(shop):
    return shop.laptop("ada", git=False)


def run(laptop, *arguments, stdin=""):
    done = laptop.agnes("admin", *arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_marketplace_from_registration_to_deletion(shop, ada):
    team = shop.team
    made = [
        "marketplace",
        "add",
        "second",
        team.market.url,
        "--curator-name",
        "Cora",
        "--curator-email",
        "c@example.com",
    ]
    assert "second is registered." in run(ada, *made, "--token-stdin", stdin="s3cret\n")
    (entry,) = [m for m in json.loads(run(ada, "marketplace", "list", "--json")) if m["id"] == "second"]
    assert (entry["has_token"], entry["name"], entry["plugin_count"]) == (True, "second", 0)
    assert "s3cret" not in run(ada, "marketplace", "list")
    assert "3 plugins of commit" in run(ada, "marketplace", "sync", "second")
    assert run(ada, "marketplace", "plugins", "second").splitlines()[1].split()[0] == "chartkit"
    run(ada, "marketplace", "update", "second", "--name", "Second", "--clear-token", "--branch", "main")
    (entry,) = [m for m in json.loads(run(ada, "marketplace", "list", "--json")) if m["id"] == "second"]
    assert (entry["has_token"], entry["name"], entry["branch"]) == (False, "Second", "main")
    assert "system plugin" in run(ada, "marketplace", "system", "second/finops")
    assert team.served("eve") == ["finops"]
    run(ada, "marketplace", "system", "curated-second/finops", "--off")
    assert team.served("eve") == []
    run(ada, "marketplace", "delete", "second", "--purge", "--yes")
    assert "second" not in run(ada, "marketplace", "list")


def test_versions_are_decided_upon_rolled_and_stopped(shop, ada):
    market, team = "marketplace", shop.team
    run(ada, market, "update", "acme", "--hold", "--external", "--ref", "")
    team.market.release_finops("1.5.0")
    run(ada, market, "sync", "acme")
    assert "finops held: 1.4.0+" in run(ada, market, "history", "acme")
    listed = json.loads(run(ada, market, "versions", "acme/finops", "--json"))
    newest, first = (line["id"] for line in listed)
    assert "+5. Mention the currency." in run(ada, market, "review", "acme/finops", newest)
    assert "Finance" not in run(ada, market, "rollout", "acme/finops", newest, "--group", "Finance")
    run(ada, market, "rollout", "acme/finops", "--off")
    assert "Too chatty" in run(ada, market, "reject", "acme/finops", newest, "--reason", "Too chatty")
    run(ada, market, "approve", "acme/finops", newest)
    run(ada, market, "rollback", "acme/finops", first)
    run(ada, market, "rollback", "acme/finops", "--off")
    assert ada.agnes("admin", market, "rollback", "acme/finops").returncode == 2
    tree = listed[0]["tree_id"]
    assert "acme/finops" in run(ada, market, "block", tree, "--reason", "It deletes files")
    assert "It deletes files" in run(ada, market, "blocked")
    run(ada, market, "unblock", tree)
    assert "is disabled" in run(ada, market, "disable", "acme/finops")
    assert "is enabled" in run(ada, market, "disable", "acme/finops", "--off")
    (entry,) = [m for m in json.loads(run(ada, market, "list", "--json")) if m["id"] == "acme"]
    assert (entry["hold"], entry["allow_external"]) == (True, True)
    run(ada, market, "update", "acme", "--no-hold", "--no-external")


def test_deleting_asks_first(ada):
    done = ada.agnes("admin", "marketplace", "delete", "acme", stdin="n\n")
    assert done.returncode == 1
    assert "acme" in run(ada, "marketplace", "list")


def test_a_sync_says_what_it_did(shop, ada):
    shop.team.market.release_finops("1.5.0")
    shop.team.market.add_hostile_plugin("symlink to a secret")
    text = run(ada, "marketplace", "sync", "acme")
    assert "updated: finops" in text
    assert "trap" not in text.partition("refused:")[2]
    assert "trap: " in text  # its symbolic link is left out with a warning


def test_a_sync_of_all_fails_when_one_does(shop, ada):
    shop.team.register(slug="gone", url=f"{shop.team.market.url}-gone")
    done = ada.agnes("admin", "marketplace", "sync", "--all")
    assert (done.returncode, "gone: " in done.stderr, "acme: 3 plugins" in done.stdout) == (1, True, True)
    done = ada.agnes("admin", "run", "marketplace.sync")
    assert (done.returncode, "not done wholly" in done.stdout) == (1, True)


def test_groups_and_grants_by_name(shop, ada):
    team = shop.team
    run(ada, "group", "create", "Sales", "--description", "Sells")
    assert "eve@example.com" in run(ada, "group", "add-member", "sales", "eve@example.com")
    assert run(ada, "group", "members", "Sales").splitlines()[1].startswith("eve@example.com")
    run(ada, "grant", "create", "Sales", "curated-acme/finops")
    team.install("eve", "finops")
    assert team.served("eve") == ["finops"]
    assert "acme/finops" in run(ada, "grant", "list", "--group", "Sales")
    assert "Sales" in run(ada, "user", "access", "eve@example.com")
    assert "granted to Sales; added; newest" in run(ada, "user", "access", "eve@example.com", "--served")
    run(ada, "grant", "delete", "Sales", "acme/finops")
    assert team.served("eve") == []
    made = json.loads(run(ada, "grant", "create", "Sales", "acme/chartkit", "--json"))
    run(ada, "grant", "delete", made["id"])
    assert ada.agnes("admin", "grant", "delete", "Sales", "acme/chartkit").returncode == 2
    run(ada, "group", "remove-member", "Sales", "eve@example.com")
    assert ada.agnes("admin", "group", "members", "Sales").stdout == ""
    run(ada, "group", "update", "Sales", "--name", "Selling")
    run(ada, "group", "delete", "Selling", "--yes")
    assert "Selling" not in run(ada, "group", "list")
    assert "marketplace_plugin" in run(ada, "grant", "resource-types")


def test_a_whole_marketplace_and_several_plugins_are_granted_with_one_command(shop, ada):
    team = shop.team
    run(ada, "group", "create", "Support")
    run(ada, "group", "add-member", "Support", "eve@example.com")
    said = run(ada, "grant", "create", "Support", "acme/finops", "curated-acme/chartkit")
    assert [line.partition(" (")[0] for line in said.splitlines()] == [
        "acme/finops is granted to Support",
        "acme/chartkit is granted to Support",
    ]
    again = ada.agnes("admin", "grant", "create", "Support", "acme/finops", "acme/chartkit")
    assert (again.returncode, "acme/finops was granted to Support already" in again.stderr) == (0, True)
    assert "every plugin of acme is required of Support" in run(ada, "grant", "create", "Support", "acme", "--required")
    assert {"finops", "chartkit"} <= set(team.served("eve"))
    assert "Support (all of acme)" in run(ada, "user", "access", "eve@example.com")
    listed = run(ada, "grant", "list", "--group", "Support", "--type", "marketplace").splitlines()
    assert [line.split()[1:4] for line in listed[1:]] == [["Support", "marketplace", "acme"]]
    assert "offer again" in run(ada, "grant", "require", "Support", "acme", "--off")
    assert team.served("eve") == []
    assert "is required" in run(ada, "grant", "require", "Support", "acme/finops")
    assert team.served("eve") == ["finops"]
    run(ada, "grant", "delete", "Support", "acme")
    run(ada, "group", "delete", "Support", "--yes")


def test_accounts(shop, ada):
    house: House = shop.team.house
    made = ["user", "create", "omar@example.com", "--name", "Omar", "--group", "Finance", "--password-stdin"]
    run(ada, *made, stdin="battery staple\n")
    assert house.login("omar@example.com", "battery staple")
    (omar,) = [u for u in json.loads(run(ada, "user", "list", "--json")) if u["email"] == "omar@example.com"]
    assert "Finance" in [group["name"] for group in omar["groups"]]
    run(ada, "user", "set-password", "OMAR@example.com", "--stdin", stdin="horse battery pony\n")
    assert house.login("omar@example.com", "horse battery pony")
    link = run(ada, "user", "reset-link", "omar@example.com").splitlines()[1]
    assert "/auth/password/set?token=agl_" in link
    invited = run(ada, "user", "create", "lea@example.com", "--invite")
    assert "Hand this link over" in invited
    assert "/auth/password/set?token=agl_" in invited
    run(ada, "user", "deactivate", omar["id"])
    assert house.post("/auth/token", json_body={"email": omar["email"], "password": "horse battery pony"}).status != 200
    run(ada, "user", "activate", "omar@example.com")
    run(ada, "user", "delete", "omar@example.com", "--yes")
    assert "omar" not in run(ada, "user", "list")


def test_a_job_is_run_now(ada):
    assert "telemetry.extract is done" in run(ada, "run", "telemetry.extract")
    assert json.loads(run(ada, "run", "telemetry.extract", "--json"))["ok"] is True
    assert "telemetry.collect is done" in run(ada, "run", "telemetry.collect")
    pruned = run(ada, "run", "telemetry.prune", "--dry-run")
    assert "telemetry.prune would do this" in pruned
    assert "\ntranscripts.status          skipped\n" in pruned
    assert "telemetry.backfill has begun" in run(ada, "run", "telemetry.backfill")
    assert json.loads(run(ada, "run", "telemetry.prune", "--json"))["status"] == "done"
    listed = run(ada, "run").splitlines()
    assert listed[0].split()[0] == "JOB"
    assert any(line.startswith("telemetry.prune") and "every 86400 s" in line for line in listed)


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "code", "says"),
        [
            pytest.param(["run", "nothing"], 1, "telemetry.extract", id="unknown-job"),
            pytest.param(["run", "telemetry.backfill", "--dry-run"], 2, "has no dry run", id="no-dry-run"),
            pytest.param(["marketplace", "sync"], 2, "--all", id="sync-of-nothing"),
            pytest.param(["marketplace", "sync", "nowhere"], 1, "marketplace_not_found", id="unknown-marketplace"),
            pytest.param(["marketplace", "update", "acme"], 2, "nothing was given", id="empty-update"),
            pytest.param(["marketplace", "plugins", "../users"], 1, "marketplace_not_found", id="climbing"),
            pytest.param(["group", "members", "nobody"], 2, "there is no group nobody", id="unknown-group"),
            pytest.param(["grant", "create", "Finance", "acme/none"], 1, "plugin_not_found", id="unknown-plugin"),
            pytest.param(["grant", "create", "Finance", "nowhere"], 1, "marketplace_not_found", id="nothing-to-grant"),
            pytest.param(["grant", "create", "nobody", "acme"], 2, "there is no group nobody", id="grant-to-nobody"),
            pytest.param(["grant", "create", "Finance", "acme", "acme/finops"], 2, "by itself", id="mixed-grants"),
            pytest.param(["user", "access", "nobody"], 2, "there is no account nobody", id="unknown-account"),
            pytest.param(
                ["user", "create", "x@example.com", "--group", "nobody"], 2, "no group nobody", id="half-made"
            ),
            pytest.param(["grant", "create", "Finance", "non sense"], 1, "bad_resource_id", id="bad-resource"),
        ],
    )
    def test_mistakes_are_told(self, open_ada, arguments, code, says):
        done = open_ada.agnes("admin", *arguments)
        assert (done.returncode, says in done.stderr) == (code, True), done.stderr
        assert "Traceback" not in done.stderr

    def test_who_is_no_admin_is_refused(self, open_shop):
        done = open_shop.laptop("bob", git=False).agnes("admin", "user", "list")
        assert (done.returncode, done.stderr.startswith("Error: ")) == (1, True)


def test_the_audit_is_verified_by_a_command(shop, ada):
    shown = run(ada, "audit", "verify", "--wait", "60")
    assert "lines of the audit are what was written" in shown
    assert any(line.split()[:1] == ["people"] and len(line.split()[-1]) == 64 for line in shown.splitlines())
    shop.team.house.state.commit(
        "people", lambda tx: tx.db.execute("UPDATE people.audit SET email = 'x' WHERE seq = 2")
    )
    done = ada.agnes("admin", "audit", "verify", "--wait", "60")
    assert done.returncode == 1
    assert "line 2 of people" in done.stdout


def test_the_audit_is_exported_by_a_command(shop, ada, tmp_path):
    out = tmp_path / "audit.jsonl"
    run(ada, "audit", "export", "--format", "json", "--until", "2100-01-01", "--out", str(out))
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert {"user.create", "marketplace.create"} <= {line["action"] for line in lines}
    assert run(ada, "audit", "export", "--until", "2100-01-01").splitlines()[0].startswith("at,id,user_id,")
    assert ada.agnes("admin", "audit", "export", "--since", "yesterday").returncode == 1
