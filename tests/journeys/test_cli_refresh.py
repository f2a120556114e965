"""`agnes refresh-marketplace` with the real Claude Code client: from a grant to a plugin that works, and back."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agnes_local.claude_install import claude_binary
from agnes_local.demo_repository import File, write_files
from tests.builders.claude_client import ClaudeClient
from tests.builders.guild import Guild
from tests.builders.laptop import Laptop
from tests.builders.sample_marketplace import small_plugin
from tests.builders.scripted_messages_api import Reply, Script, ScriptedMessagesApi, text
from tests.builders.target import Visitor

pytestmark = [pytest.mark.client, pytest.mark.timeout(400)]

FINOPS, CHARTKIT = "finops@agnes", "chartkit@agnes"
SKILL = "plugins/finops/skills/forecast/SKILL.md"
QUIET = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1", "GIT_CONFIG_NOSYSTEM": "1"}


@dataclass
class Desk:
    """Mira, who was granted finops and chartkit, at a laptop with the client, `agnes` and, perhaps, git."""

    guild: Guild
    who: Visitor
    grants: dict[str, str]
    laptop: Laptop
    token: str

    @classmethod
    def of(cls, guild: Guild, folder: Path, *, git: bool = True) -> Desk:
        who = guild.person("mira")
        team = guild.group(who)
        grants = {plugin: guild.grant(team, plugin) for plugin in ("finops", "chartkit")}
        tools = folder / "bin"
        tools.mkdir()
        for tool in (claude_binary(), Path(sys.executable).with_name("agnes")):
            (tools / tool.name).symlink_to(tool)
        # Hooks run in a shell with the system's own tools; git is not among them where a test leaves it out.
        for name in ("sh", "bash", "cat", "env", *(("git",) if git else ())):
            (tools / name).symlink_to(shutil.which(name))
        laptop = Laptop.new(guild.target, folder / "mira", **QUIET, PATH=str(tools))
        token = who.make_token()["token"]
        laptop.login(token)
        return cls(guild, who, grants, laptop, token)

    @property
    def client(self) -> ClaudeClient:
        return self.laptop.claude("http://127.0.0.1:9")

    @property
    def copy(self) -> Path:
        return self.laptop.home / "agnes" / "marketplace"

    def add(self, *plugins: str) -> None:
        self.laptop.agnes("marketplace", "add", *(f"{self.guild.slug}/{plugin}" for plugin in plugins))

    def refresh(self, *arguments: str) -> dict[str, Any]:
        self.guild.target.settle()
        said = json.loads(self.laptop.agnes("refresh-marketplace", "--json", *arguments).stdout)
        assert said["failed"] == []
        return said

    def check(self) -> str:
        """What a starting session is told."""
        self.guild.target.settle()
        out = self.laptop.agnes("refresh-marketplace", "--check").stdout
        return json.loads(out)["systemMessage"] if out else ""

    def installed(self) -> dict[str, dict[str, Any]]:
        return {plugin["id"]: plugin for plugin in self.client.plugin_list()}


def steps(said: dict[str, Any]) -> list[tuple[str, str, str]]:
    return sorted((step["verb"], step["name"], step["scope"]) for step in said["done"])


@pytest.fixture
def desk(guild: Guild, tmp_path: Path) -> Desk:
    return Desk.of(guild, tmp_path)


@pytest.mark.parametrize("git", [pytest.param(True, id="git"), pytest.param(False, id="zip")])
def test_from_add_to_removal(guild: Guild, tmp_path: Path, git: bool):
    desk = Desk.of(guild, tmp_path, git=git)
    desk.add("finops", "chartkit")
    first = desk.refresh("--bootstrap")
    assert first["fetched"] == ("git" if git else "zip")
    assert steps(first) == [("install", "chartkit", "project"), ("install", "finops", "project")]
    installed = desk.installed()
    assert {name: (plugin["version"], plugin["enabled"]) for name, plugin in installed.items()} == {
        name: (guild.card(desk.who, name.partition("@")[0])["version"], True) for name in (FINOPS, CHARTKIT)
    }
    script = Path(installed[FINOPS]["installPath"]) / "skills/forecast/scripts/forecast.py"
    assert os.access(script, os.X_OK)
    desk.client.plugin_validate(desk.copy)
    assert desk.check() == ""
    again = desk.refresh()
    assert (again["fetched"], again["done"]) == (None, [])

    content = guild.repository.files[SKILL].body.decode() + "6. Say which months were skipped.\n"
    guild.repository.change("New text, same version", {SKILL: content})
    guild.sync()
    assert desk.check() == "Agnes: finops has a new version. Run /update-agnes-plugins to have it."
    assert steps(desk.refresh()) == [("update", "finops", "project")]
    finops = desk.installed()[FINOPS]
    assert (Path(finops["installPath"]) / "skills/forecast/SKILL.md").read_text() == content
    assert finops["version"] == guild.card(desk.who, "finops")["version"]
    assert desk.check() == ""

    guild.revoke(desk.grants["chartkit"])
    assert desk.check().startswith("Agnes: chartkit left your stack.")
    assert steps(desk.refresh()) == [("uninstall", "chartkit", "project")]
    assert set(desk.installed()) == {FINOPS}

    guild.revoke(desk.grants["finops"])
    last = desk.refresh()
    assert (last["done"], last["kept"]) == ([], ["finops"])
    assert set(desk.installed()) == {FINOPS}, "an empty marketplace uninstalls nothing"
    assert desk.check() == ""


def test_what_is_not_ours_is_left_alone(desk: Desk, tmp_path: Path):
    client, guild = desk.client, desk.guild
    other = {"name": "garden", "owner": {"name": "G"}, "plugins": [{"name": "finops", "source": "./plugins/finops"}]}
    files = {f"plugins/finops/{path}": File(body.encode()) for path, body in small_plugin("finops").items()}
    write_files(tmp_path / "garden", files | {".claude-plugin/marketplace.json": File(json.dumps(other).encode())})
    client.plugin_marketplace_add(tmp_path / "garden")
    client.plugin_install("finops@garden", scope="user")
    desk.add("chartkit")
    desk.refresh("--bootstrap")
    client.run("plugin", "disable", CHARTKIT, "--scope", "project")
    desk.add("finops")
    desk.refresh("--scope", "user")
    before = client.settings()

    guild.repository.release_finops("1.5.0")
    chart = "tools/chartkit/README.md"
    guild.repository.change("More about charts", {chart: "Charts.\n"})
    guild.sync()
    assert steps(desk.refresh()) == [("update", "chartkit", "project"), ("update", "finops", "user")]
    installed = desk.installed()
    assert installed[CHARTKIT]["enabled"] is False
    assert installed[CHARTKIT]["version"] == guild.card(desk.who, "chartkit")["version"]
    assert installed[FINOPS]["version"].startswith("1.5.0+")
    assert installed["finops@garden"]["version"] == "1.0.0"
    assert client.settings() == before

    desk.laptop.agnes("marketplace", "remove", f"{guild.slug}/finops")
    said = desk.refresh()
    assert (said["done"], said["namesakes"]) == ([], ["finops"])
    assert set(desk.installed()) == {CHARTKIT, FINOPS, "finops@garden"}
    assert desk.check() == ""
    client.plugin_uninstall(FINOPS, scope="user")
    assert set(desk.installed()) == {CHARTKIT, FINOPS}, "the client takes the plugin of that name that is first"
    assert steps(desk.refresh()) == [("uninstall", "finops", "user")]
    assert set(desk.installed()) == {CHARTKIT}


def test_a_marketplace_of_our_name_from_elsewhere_is_not_replaced(desk: Desk, tmp_path: Path):
    mine = {"name": "agnes", "owner": {"name": "Me"}, "plugins": []}
    write_files(tmp_path / "mine", {".claude-plugin/marketplace.json": File(json.dumps(mine).encode())})
    desk.client.plugin_marketplace_add(tmp_path / "mine")
    desk.add("finops")
    done = desk.laptop.agnes("refresh-marketplace", "--bootstrap", check=False)
    assert (done.returncode, "another marketplace named agnes" in done.stderr) == (1, True)
    (known,) = desk.client.plugin_marketplace_list()
    assert known["installLocation"] == str(tmp_path / "mine")
    desk.client.plugin_marketplace_remove("agnes")
    assert steps(desk.refresh("--bootstrap")) == [("install", "finops", "project")]


def test_the_token_is_kept_in_one_file(desk: Desk):
    desk.add("finops")
    desk.refresh("--bootstrap")
    secret = desk.token.encode()
    places = [desk.laptop.home, desk.laptop.workspace]
    keeping = [p for place in places for p in place.rglob("*") if p.is_file() and secret in p.read_bytes()]
    assert keeping == [desk.laptop.home / "agnes" / "token.json"]


def test_a_starting_session_hears_of_news_and_of_an_ended_token(desk: Desk):
    desk.laptop.agnes("init")
    desk.add("finops")
    desk.refresh("--bootstrap")
    assert "Agnes: " not in told_in_a_session(desk)

    desk.add("chartkit")
    desk.guild.target.settle()
    assert "Agnes: chartkit is new. Run /update-agnes-plugins to have it." in told_in_a_session(desk)

    (kept,) = (token for token in desk.who.get("/auth/tokens").json() if desk.token.startswith(token["prefix"]))
    desk.who.delete(f"/auth/tokens/{kept['id']}", expect=204)
    desk.guild.target.settle()
    told = told_in_a_session(desk)
    assert "your plugins are not kept up to date" in told
    assert "agnes login" in told


def told_in_a_session(desk: Desk) -> str:
    """Everything that the model is told with the first prompt of a session."""
    with ScriptedMessagesApi([Script("main", [Reply([text("Hello.")])])]) as api:
        desk.laptop.claude(api.url).session("Say hello")
        api.assert_finished()
        return json.dumps([request.body["messages"] for request in api.turns()])
