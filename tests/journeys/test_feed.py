"""The feed as a zip and as a git repository, fetched by whoever holds a token."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.builders.demo_marketplace import DemoMarketplace, analyst_with, synced_demo
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.target import Target, Visitor


@pytest.fixture
def mira(demo: DemoMarketplace) -> Visitor:
    """Has finops and sql-style in her stack, and signs in with a token."""
    analyst = analyst_with(demo, "finops", "sql-style")
    token = analyst.make_token()["token"]
    demo.target.settle()  # git carries no generation
    return demo.target.visitor(token)


def fetch_zip(who: Visitor) -> zipfile.ZipFile:
    where = who.get("/marketplace.zip", expect=302).headers["Location"]
    # The address alone opens it: no bearer goes along, as Claude Code and curl drop it on the way to another host.
    fetched = httpx.get(where, trust_env=False, timeout=PATIENCE_SECONDS)
    assert fetched.status_code == 200, fetched.text
    assert fetched.headers["Content-Type"] == "application/zip"
    return zipfile.ZipFile(io.BytesIO(fetched.content))


def modes(archive: zipfile.ZipFile) -> dict[str, int]:
    return {member.filename: stat.S_IMODE(member.external_attr >> 16) for member in archive.infolist()}


class TestZip:
    def test_holds_exactly_the_stack_with_its_modes(self, mira: Visitor):
        archive = fetch_zip(mira)
        assert archive.testzip() is None
        found = modes(archive)
        assert {name.split("/")[1] for name in found if name.startswith("plugins/")} == {"finops", "sql-style"}
        executable = {name for name, mode in found.items() if mode == 0o755}
        assert executable == {
            "plugins/finops/hooks/open-period.sh",
            "plugins/finops/skills/forecast/scripts/forecast.py",
        }
        assert {mode for name, mode in found.items() if name not in executable} == {0o644}
        catalog = json.loads(archive.read(".claude-plugin/marketplace.json"))
        assert catalog["name"] == "agnes"
        for entry in catalog["plugins"]:
            manifest = json.loads(archive.read(f"{entry['source'].removeprefix('./')}/.claude-plugin/plugin.json"))
            assert (manifest["name"], manifest["version"]) == (entry["name"], entry["version"])

    def test_is_not_sent_again_to_who_has_it(self, demo: DemoMarketplace, mira: Visitor):
        etag = mira.get("/marketplace.zip", expect=302).headers["ETag"]
        again = mira.get("/marketplace.zip", headers={"If-None-Match": etag}, expect=304)
        assert (again.headers["ETag"], again.content) == (etag, b"")
        demo.repository.release_finops("1.5.0")
        demo.sync()
        changed = mira.get("/marketplace.zip", headers={"If-None-Match": etag}, expect=302)
        assert changed.headers["ETag"] != etag
        assert b"Mention the currency." in fetch_zip(mira).read("plugins/finops/skills/forecast/SKILL.md")

    def test_is_for_who_holds_a_token(self, house: Target, mira: Visitor):
        assert house.visitor().refused("GET", "/marketplace.zip", 401)
        assert house.visitor("agp_wrong").refused("GET", "/marketplace.zip", 401)

    def test_a_forged_address_opens_nothing(self, embedded: Target, tmp_path: Path):
        """LocalStack checks no signatures (docs/decisions/0005-object-store.md)."""
        mira = analyst_with(synced_demo(embedded, tmp_path), "finops")
        where = mira.get("/marketplace.zip", expect=302).headers["Location"]
        other = where.replace("/feed/zips/", "/state/people/")
        later = re.sub(r"(?i)(expires=)", r"\g<1>9", where)
        unsigned = where.partition("?")[0]
        for forged in (other, later, unsigned):
            assert forged != where
            assert httpx.get(forged, trust_env=False, timeout=PATIENCE_SECONDS).status_code == 403

    def test_info_says_what_is_served(self, demo: DemoMarketplace, mira: Visitor):
        info = mira.get("/marketplace/info", expect=200).json()
        served = {plugin["name"]: plugin["version"] for plugin in info["plugins"]}
        assert served == {name: demo.card(mira, name)["version"] for name in ("finops", "sql-style")}
        assert f'"{info["etag"]}"' == mira.get("/marketplace.zip", expect=302).headers["ETag"]


@dataclass(frozen=True)
class Git:
    """The git command of a person who can be asked nothing."""

    home: Path
    target: Target

    def url(self, token: str | None = None) -> str:
        """Of the feed, with the token as git keeps it in a URL."""
        base = f"{self.target.base_url}/marketplace.git"
        return base.replace("://", f"://x:{quote(token, safe='')}@", 1) if token else base

    def run(self, *arguments: str, cwd: Path | None = None, more: Mapping[str, str] | None = None):
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "Mira",
            "GIT_AUTHOR_EMAIL": "mira@northwind.example",
            "GIT_COMMITTER_NAME": "Mira",
            "GIT_COMMITTER_EMAIL": "mira@northwind.example",
            **(more or {}),
        }
        return subprocess.run(
            ["git", *arguments], cwd=cwd or self.home, env=environ, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=PATIENCE_SECONDS, check=False,
        )  # fmt: skip

    def ok(self, *arguments: str, cwd: Path | None = None, more: Mapping[str, str] | None = None) -> str:
        done = self.run(*arguments, cwd=cwd, more=more)
        assert done.returncode == 0, f"git {arguments}: {done.stderr}"
        return done.stdout.strip()

    def plugins(self, clone: Path) -> set[str]:
        return {
            entry["name"] for entry in json.loads((clone / ".claude-plugin/marketplace.json").read_text())["plugins"]
        }


@pytest.mark.git
class TestGit:
    @pytest.fixture
    def git(self, house: Target, tmp_path: Path) -> Git:
        home = tmp_path / "home"
        home.mkdir()
        return Git(home, house)

    @pytest.mark.parametrize(
        "options", [[], ["--depth", "1"], ["-c", "protocol.version=0"]], ids=["full", "shallow", "v0"]
    )
    def test_clones_what_the_zip_holds(self, git: Git, mira: Visitor, options: list[str]):
        git.ok("clone", *options, git.url(mira.token), "feed")
        clone = git.home / "feed"
        assert git.ok("fsck", "--strict", cwd=clone) == ""
        assert git.ok("status", "--porcelain", cwd=clone) == ""
        assert f'"{git.ok("rev-parse", "HEAD", cwd=clone)}"' == mira.get("/marketplace.zip", expect=302).headers["ETag"]
        archive = fetch_zip(mira)
        ours = {name for name in archive.namelist() if not name.startswith(".agnes/")}
        assert set(git.ok("ls-files", cwd=clone).splitlines()) == ours
        for name in ours:
            file = clone / name
            assert file.read_bytes() == archive.read(name)
            assert bool(file.stat().st_mode & 0o100) == (modes(archive)[name] == 0o755)

    @pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
    def test_takes_the_login_from_a_header(self, git: Git, mira: Visitor, scheme: str):
        token = httpx.BasicAuth("x", mira.token)._auth_header.partition(" ")[2] if scheme == "Basic" else mira.token
        header = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{git.target.base_url}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: {scheme} {token}",
        }
        git.ok("clone", git.url(), "feed", more=header)
        assert git.plugins(git.home / "feed") == {"finops", "sql-style"}

    def test_fetches_a_change(self, git: Git, demo: DemoMarketplace, mira: Visitor):
        for options in ([], ["--depth", "1"]):
            clone = git.home / f"feed{len(options)}"
            git.ok("clone", *options, git.url(mira.token), str(clone))
            demo.repository.release_finops(f"1.5.{len(options)}", advice=f"Look twice, {options}.")
            demo.sync()
            git.target.settle()
            git.ok("fetch", *options, "origin", cwd=clone)
            git.ok("reset", "--hard", "origin/HEAD", cwd=clone)
            assert f"Look twice, {options}." in (clone / "plugins/finops/skills/forecast/SKILL.md").read_text()
            assert git.ok("fsck", "--strict", cwd=clone) == ""

    def test_people_with_the_same_stack_share_one_commit(self, git: Git, demo: DemoMarketplace, mira: Visitor):
        other = analyst_with(demo, "sql-style", "finops", name="omar")
        git.target.settle()
        seen = {git.ok("ls-remote", git.url(token), "HEAD") for token in (mira.token, other.make_token()["token"])}
        assert len(seen) == 1

    def test_who_has_no_login_is_challenged(self, house: Target):
        """Without the challenge git, whose library first asks without a login, never sends one."""
        for method, path in (
            ("GET", "/marketplace.git/info/refs?service=git-upload-pack"),
            ("POST", "/marketplace.git/git-upload-pack"),
            ("POST", "/marketplace.git/git-receive-pack"),
        ):
            answer = house.visitor().call(method, path, expect=401)
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="agnes-marketplace"', path
            assert "missing_credential" in answer.text

    def test_a_helper_is_asked_for_the_login_once(self, git: Git, mira: Visitor):
        """How Claude Code's git gets it where the address has none."""
        helper = f"!f() {{ cat >/dev/null; echo asked >> {git.home}/asked; echo username=x; echo password={mira.token}; }}; f"
        git.ok("-c", f"credential.helper={helper}", "clone", git.url(), "feed")
        assert git.plugins(git.home / "feed") == {"finops", "sql-style"}
        assert (git.home / "asked").read_text() == "asked\n" * 2, "once to get it, once to keep it"

    @pytest.mark.localstack
    def test_a_rest_api_renames_what_a_function_challenges_with(self, localstack: Target):
        """Or the journeys here would prove nothing of AWS."""
        login = {"Authorization": httpx.BasicAuth("x", "agp_wrong")._auth_header}
        path = "/marketplace.git/info/refs?service=git-upload-pack"
        answer = localstack.visitor().get(path, headers=login, expect=401)
        assert "WWW-Authenticate" not in answer.headers
        assert answer.headers["x-amzn-Remapped-WWW-Authenticate"] == 'Basic realm="agnes-marketplace"'
        missing = localstack.visitor().get("/api/no/such/path", expect=404)
        assert missing.json()["code"] == "not_found", "the gateway's own answers have the document's shape"

    def test_a_wrong_token_is_refused_without_a_question(self, git: Git):
        for url in (git.url(), git.url("agp_0123456789abcdef0123456789abcdef")):
            refused = git.run("clone", url, "feed")
            assert refused.returncode == 128
            assert "Authentication failed" in refused.stderr or "terminal prompts disabled" in refused.stderr

    def test_a_revoked_token_is_refused(self, git: Git, demo: DemoMarketplace):
        analyst = analyst_with(demo, "finops")
        made = analyst.make_token()
        git.ok("clone", git.url(made["token"]), "feed")
        analyst.delete(f"/auth/tokens/{made['id']}", expect=204)
        git.target.settle()
        refused = git.run("fetch", cwd=git.home / "feed")
        assert refused.returncode != 0
        assert "Authentication failed" in refused.stderr

    def test_pushes_are_refused_for_every_credential(self, git: Git, demo: DemoMarketplace, mira: Visitor):
        git.ok("clone", git.url(mira.token), "feed")
        clone = git.home / "feed"
        head = git.ok("ls-remote", "origin", "HEAD", cwd=clone)
        git.ok("commit", "--allow-empty", "-m", "mine", cwd=clone)
        admin = demo.admin.make_token()["token"]
        operator = git.target.operator().token
        for token, says in [
            (mira.token, "403"),
            (admin, "403"),
            (operator, "403"),
            ("agp_0123456789abcdef0123456789abcdef", "Authentication failed"),
            (None, "terminal prompts disabled"),
        ]:
            for options in ([], ["--force"]):
                refused = git.run("push", *options, git.url(token), "HEAD:refs/heads/main", cwd=clone)
                assert (refused.returncode != 0, says in refused.stderr) == (True, True), refused.stderr
        bearer = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{git.target.base_url}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Bearer {admin}",
        }
        refused = git.run("push", git.url(), "HEAD:refs/heads/main", cwd=clone, more=bearer)
        assert (refused.returncode != 0, "403" in refused.stderr) == (True, True), refused.stderr
        assert git.ok("ls-remote", "origin", "HEAD", cwd=clone) == head

    def test_a_revoked_grant_takes_the_plugin_out(self, git: Git, demo: DemoMarketplace):
        analyst = demo.person("ines")
        team = demo.group(analyst)
        finops = demo.grant(team, "finops")
        demo.grant(team, "sql-style")
        demo.install(analyst, "finops", "sql-style")
        token = analyst.make_token()["token"]
        git.ok("clone", git.url(token), "feed")
        clone = git.home / "feed"
        before = git.ok("rev-parse", "HEAD", cwd=clone)
        assert git.plugins(clone) == {"finops", "sql-style"}
        demo.revoke(finops)
        git.target.settle()
        git.ok("fetch", "origin", cwd=clone)
        git.ok("reset", "--hard", "origin/HEAD", cwd=clone)
        assert git.plugins(clone) == {"sql-style"}
        assert not (clone / "plugins/finops").exists()
        # The commit that held it is not given out any more either.
        git.ok("init", "--bare", "other.git")
        asked = git.run("fetch", "--depth", "1", git.url(token), before, cwd=git.home / "other.git")
        assert asked.returncode != 0
