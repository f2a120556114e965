"""The copy of the marketplace: fetched with git or as a zip, replaced whole or not at all."""

from __future__ import annotations

import json
import stat

import pytest

pytestmark = pytest.mark.slow

SKILL = "plugins/finops/skills/forecast/SKILL.md"
SCRIPT = "plugins/finops/skills/forecast/scripts/forecast.py"


def refresh(laptop, *arguments, **environment):
    return laptop.agnes("refresh-marketplace", *arguments, **environment)


def hook(done) -> str:
    said = json.loads(done.stdout)
    assert said["hookSpecificOutput"] == {"hookEventName": "SessionStart", "additionalContext": said["systemMessage"]}
    return said["systemMessage"]


@pytest.fixture
def git(request):
    return getattr(request, "param", True)


@pytest.fixture
def bob(shop, git):
    shop.stock("finops", "chartkit")
    return shop.laptop("bob", git=git)


class TestWithoutACopy:
    def test_nothing_is_done_and_the_check_is_silent(self, shop, bob):
        before = len(shop.server.seen)
        done = refresh(bob)
        assert (done.returncode, "--bootstrap" in done.stdout) == (0, True)
        checked = refresh(bob, "--check")
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
        assert len(shop.server.seen) == before

    def test_a_check_does_not_bootstrap(self, bob):
        assert refresh(bob, "--check", "--bootstrap").returncode == 2

    def test_without_a_token_there_is_no_copy(self, office):
        done = office.laptop.agnes("refresh-marketplace", "--bootstrap")
        assert (done.returncode, "agnes login" in done.stderr) == (1, True)
        assert not (office.laptop.home / ".agnes" / "marketplace").exists()


@pytest.mark.parametrize(
    "git", [pytest.param(True, id="git", marks=pytest.mark.git), pytest.param(False, id="zip")], indirect=True
)
class TestFetching:
    def test_bootstrap_makes_the_copy_with_its_modes(self, shop, bob, git):
        done = refresh(bob, "--bootstrap", "--json")
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert (said["fetched"], said["claude"]) == ("git" if git else "zip", False)
        catalog = json.loads(bob.files()[".claude-plugin/marketplace.json"])
        assert {plugin["name"] for plugin in catalog["plugins"]} == {"finops", "chartkit"}
        assert bob.files()[SKILL] == shop.team.market.files[SKILL].body
        assert stat.S_IMODE(bob.copy.stat().st_mode) == 0o700
        modes = {path: stat.S_IMODE((bob.copy / path).stat().st_mode) for path in (SKILL, SCRIPT)}
        assert modes == {SKILL: 0o600, SCRIPT: 0o700}

    def test_the_copy_is_fetched_again_when_it_changed_and_only_then(self, shop, bob, git):
        refresh(bob, "--bootstrap")
        again = bob.json("refresh-marketplace")
        assert again["fetched"] is None
        shop.team.market.release_finops("1.5.0")
        shop.team.sync()
        assert bob.json("refresh-marketplace")["fetched"] == ("git" if git else "zip")
        assert b"Mention the currency." in bob.files()[SKILL]
        shop.team.uninstall("bob", "chartkit")
        bob.json("refresh-marketplace")
        assert not any(path.startswith("plugins/chartkit/") for path in bob.files())
        shop.team.uninstall("bob", "finops")
        bob.json("refresh-marketplace")
        assert json.loads(bob.files()[".claude-plugin/marketplace.json"])["plugins"] == []

    def test_the_token_is_in_its_own_file_only(self, bob, git):
        refresh(bob, "--bootstrap")
        token = json.loads((bob.home / ".config/agnes/token.json").read_text())["token"].encode()
        keeping = [path for path in bob.home.rglob("*") if path.is_file() and token in path.read_bytes()]
        assert keeping == [bob.home / ".config/agnes/token.json"]

    def test_a_refused_token_leaves_the_copy(self, shop, bob, git):
        refresh(bob, "--bootstrap")
        before = bob.files()
        token_id = shop.team.call("GET", "bob", "/auth/tokens").json()[0]["id"]
        assert shop.team.call("DELETE", "bob", f"/auth/tokens/{token_id}").status == 204
        done = refresh(bob)
        assert (done.returncode, "agnes login" in done.stderr) == (1, True)
        checked = refresh(bob, "--check")
        assert checked.returncode == 1
        assert "agnes login" in hook(checked)
        assert bob.files() == before

    def test_what_a_killed_refresh_left_is_tidied(self, bob, git):
        refresh(bob, "--bootstrap")
        whole, home = bob.files(), bob.copy.parent
        bob.copy.rename(home / ".marketplace.old.0123")  # between the two renames of a swap
        (home / ".marketplace.new.4567").mkdir()
        (home / ".marketplace.new.4567" / "half").write_text("x")
        (home / "marketplace.git").mkdir(exist_ok=True)
        (home / "marketplace.git" / "HEAD").write_text("garbage")
        assert bob.json("refresh-marketplace", "--bootstrap")["fetched"] is None
        assert bob.files() == whole
        assert not list(home.glob(".marketplace.*"))


@pytest.mark.git
def test_where_git_fails_the_zip_is_fetched(shop, bob):
    shop.server.refuse = lambda _method, path: (503, {}) if "marketplace.git" in path else None
    done = refresh(bob, "--bootstrap")
    assert (done.returncode, "fetching the zip instead" in done.stdout) == (0, True)
    assert SKILL in bob.files()


@pytest.mark.git
def test_the_analysts_own_git_settings_do_not_get_in_the_way(shop, bob):
    """A helper that would ask, headers and hooks of their own, a GIT_DIR of another repository."""
    (bob.home / ".gitconfig").write_text(
        "[credential]\n\thelper = !touch asked\n[http]\n\textraHeader = Authorization: Basic eDp5\n"
        "[core]\n\thooksPath = /nowhere\n\tautocrlf = true\n[init]\n\ttemplateDir = /nowhere\n"
    )
    environment = {
        "GIT_DIR": str(shop.team.market.folder),
        "GIT_TRACE_CURL": str(bob.home / "trace"),
        "GIT_TRACE_REDACT": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.askPass",
        "GIT_CONFIG_VALUE_0": "/bin/false",
    }
    done = refresh(bob, "--bootstrap", "--json", **environment)
    assert json.loads(done.stdout)["fetched"] == "git", done.stderr
    assert bob.files()[SKILL] == shop.team.market.files[SKILL].body
    assert not (bob.workspace / "asked").exists()
    assert not (bob.home / "trace").exists()


class TestChecking:
    def test_a_workspace_hears_what_is_new_to_it(self, shop, bob):
        refresh(bob, "--bootstrap")
        news = "Agnes: chartkit is new, finops is new. Run /update-agnes-plugins to have it."
        assert hook(refresh(bob, "--check")) == news
        record = bob.claude / "agnes-plugins.json"
        info = shop.team.call("GET", "bob", "/marketplace/info").json()
        versions = {plugin["name"]: plugin["version"] for plugin in info["plugins"]}
        bob.claude.mkdir(exist_ok=True)
        record.write_text(json.dumps({"server": shop.server.url, "commit": info["etag"], "plugins": versions}))
        assert refresh(bob, "--check").stdout == ""
        shop.team.market.release_finops("1.5.0")
        shop.team.sync()
        shop.team.uninstall("bob", "chartkit")
        assert hook(refresh(bob, "--check")).startswith("Agnes: finops has a new version, chartkit left your stack.")
        record.write_text("garbage")
        assert "finops is new" in hook(refresh(bob, "--check"))

    def test_a_server_that_does_not_answer_is_not_worth_a_message(self, bob):
        refresh(bob, "--bootstrap")
        done = refresh(bob, "--check", AGNES_SERVER="http://127.0.0.1:9")
        assert (done.returncode, done.stdout) == (1, "")

    def test_the_check_makes_one_request(self, shop, bob):
        refresh(bob, "--bootstrap")
        before = len(shop.server.seen)
        refresh(bob, "--check")
        assert shop.server.seen[before:] == [("GET", "/marketplace/info")]


def test_what_this_computer_wrote_it_reads(shop, bob):
    """The generation of a write travels with the next requests (shared/agnes/edge/generations.py)."""
    bob.agnes("marketplace", "remove", "acme/chartkit")
    seen = json.loads((bob.home / ".config/agnes/seen.json").read_text())
    assert (seen["server"], seen["generations"].startswith("stack:")) == (shop.server.url, True)
    refresh(bob, "--bootstrap")
    assert not any(path.startswith("plugins/chartkit/") for path in bob.files())
