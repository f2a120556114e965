"""The whole path with the real Claude Code client: from a repository to the figure on the page."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agnes.claude_code import versions
from agnes_local.demo_repository import File
from tests.builders.claude_client import ClaudeClient
from tests.builders.claude_scenario import play, prepare, session_scripts
from tests.builders.demo_marketplace import DemoMarketplace, analyst_with
from tests.builders.laptop import Laptop
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.sample_marketplace import PLUGINS
from tests.builders.scenario_figures import expected, shown
from tests.builders.scripted_messages_api import ScriptedMessagesApi
from tests.builders.target import Visitor

pytestmark = pytest.mark.client

FEED = "agnes"
FINOPS = f"finops@{FEED}"
SKILL = "plugins/finops/skills/forecast/SKILL.md"


def feed_url(demo: DemoMarketplace) -> str:
    return f"{demo.target.base_url}/marketplace.git"


def gits_login(demo: DemoMarketplace, who: Visitor) -> dict[str, str]:
    """The token in git's environment, so that the client keeps it nowhere (docs/claude-code-client.md)."""
    login = base64.b64encode(f"x:{who.make_token()['token']}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{demo.target.base_url}/.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {login}",
    }


@dataclass(frozen=True)
class Analyst:
    """A person at their laptop, with hooks in the workspace and the feed in the client's reach."""

    demo: DemoMarketplace
    who: Visitor
    laptop: Laptop

    @classmethod
    def of(cls, demo: DemoMarketplace, name: str, folder: Path, claude_version: str) -> Analyst:
        who = analyst_with(demo, *PLUGINS, name=name)
        laptop = Laptop.new(demo.target, folder / name, claude_version=claude_version, **gits_login(demo, who))
        laptop.login(who.make_token()["token"])
        laptop.agnes("init")
        return cls(demo, who, laptop)

    def work(self) -> ClaudeClient:
        """Install the plugins from the feed and play the scenario; its hooks push."""
        with ScriptedMessagesApi(session_scripts(self.laptop.workspace)) as api:
            client = self.laptop.claude(api.url)
            prepare(client, feed_url(self.demo), name=FEED)
            play(client)
            api.assert_finished()
        return client

    def is_counted(self, client: ClaudeClient, reader: Visitor, wanted: dict[str, Any]) -> None:
        """What the hooks sent is shown to `reader`.

        On a busy machine the client may end the last hook before it has sent everything; then the next session's push sends the
        rest, and nothing else is allowed to be missing: what was sent and is not counted would be lost.
        """
        if figures(self.demo, reader, wanted) != wanted:
            late = self.laptop.push(*client.transcripts())
            assert late["sent"], "all of it was sent, and the figures are wrong"
            assert figures(self.demo, reader, wanted) == wanted, late


def figures(
    demo: DemoMarketplace, who: Visitor, wanted: dict[str, Any], within_seconds: float = PATIENCE_SECONDS
) -> dict[str, Any]:
    """What is shown once it is `wanted`, or at the deadline: a hook's push goes on after the client has ended."""
    deadline = time.monotonic() + within_seconds
    while True:
        demo.target.process_usage()
        found = shown(demo, who)
        if found == wanted or time.monotonic() > deadline:
            return found
        time.sleep(0.5)


class TestSessions:
    def test_from_the_feed_to_the_figure(self, demo: DemoMarketplace, tmp_path: Path, claude_version: str):
        mira = Analyst.of(demo, "mira", tmp_path, claude_version)
        client = mira.work()
        assert {plugin["id"].partition("@")[0]: plugin["version"] for plugin in client.plugin_list()} == {
            name: demo.card(mira.who, name)["version"] for name in PLUGINS
        }
        mira.is_counted(client, mira.who, expected())
        again = mira.laptop.push(*client.transcripts())
        assert (again["sent"], len(again["unchanged"])) == ([], 3), "the session and both subagents were sent"
        demo.target.process_usage()
        assert shown(demo, mira.who) == expected()

        omar = Analyst.of(demo, "omar", tmp_path, versions.OLDEST)
        omar.is_counted(omar.work(), mira.who, expected(people=2))


class TestPlugins:
    @pytest.fixture
    def mira(self, demo: DemoMarketplace) -> Visitor:
        return analyst_with(demo, *PLUGINS)

    @pytest.fixture
    def client(self, demo: DemoMarketplace, mira: Visitor, tmp_path: Path) -> Iterator[ClaudeClient]:
        laptop = Laptop.new(demo.target, tmp_path / "laptop", **gits_login(demo, mira))
        client = laptop.claude("http://127.0.0.1:9")
        client.plugin_marketplace_add(feed_url(demo))
        client.plugin_install(FINOPS)
        return client

    def update(self, demo: DemoMarketplace, client: ClaudeClient) -> str:
        demo.sync()
        demo.target.settle()
        client.plugin_marketplace_update(FEED)
        client.plugin_update(FINOPS)
        return client.plugin_version(FINOPS)

    def test_a_release_arrives_and_so_does_new_text_without_one(
        self, demo: DemoMarketplace, mira: Visitor, client: ClaudeClient
    ):
        assert client.plugin_version(FINOPS).startswith("1.4.0+")
        demo.repository.release_finops("1.5.0")
        released = self.update(demo, client)
        assert released.startswith("1.5.0+")
        text = demo.repository.files[SKILL].body.decode() + "6. Say which months were skipped.\n"
        demo.repository.change("Edit the skill", {SKILL: text})
        edited = self.update(demo, client)
        assert edited.startswith("1.5.0+")
        assert edited != released
        assert edited == demo.card(mira, "finops")["version"]
        (plugin,) = client.plugin_list()
        assert (Path(plugin["installPath"]) / "skills/forecast/SKILL.md").read_text() == text

    def test_the_feed_is_valid_and_nothing_keeps_the_token(
        self, demo: DemoMarketplace, mira: Visitor, client: ClaudeClient
    ):
        (added,) = client.plugin_marketplace_list()
        clone = Path(added["installLocation"])
        assert added["name"] == FEED
        client.plugin_validate(clone)
        for name in PLUGINS:
            client.plugin_validate(clone / "plugins" / name)
        login = client.environment["GIT_CONFIG_VALUE_0"].split()[-1]
        secret = base64.b64decode(login).decode().removeprefix("x:").encode()
        keeping = [path for path in client.home.rglob("*") if path.is_file() and secret in path.read_bytes()]
        assert keeping == []

    def test_a_plugin_that_was_taken_off_the_stack_leaves_the_client(
        self, demo: DemoMarketplace, mira: Visitor, client: ClaudeClient
    ):
        mira.delete(f"/api/marketplace/curated/{demo.slug}/finops/install", expect=200)
        demo.target.settle()
        client.plugin_marketplace_update(FEED)
        (plugin,) = client.plugin_list()
        assert plugin["errors"] == [f"Plugin finops not found in marketplace {FEED}"]

    def test_a_blocked_version_leaves_the_client_and_comes_back_when_it_is_let_go(
        self, demo: DemoMarketplace, mira: Visitor, client: ClaudeClient
    ):
        info = mira.get("/marketplace/info").json()
        (tree,) = [plugin["tree_id"] for plugin in info["plugins"] if plugin["name"] == "finops"]
        blocked = f"/api/admin/blocked-trees/{tree}"
        demo.admin.post(blocked, json={"reason": "sends files away"}, expect=200)
        try:
            demo.target.settle()
            client.plugin_marketplace_update(FEED)
            (plugin,) = client.plugin_list()
            assert plugin["errors"] == [f"Plugin finops not found in marketplace {FEED}"]
        finally:
            demo.admin.delete(blocked, expect=(200, 204))
        demo.target.settle()
        client.plugin_marketplace_update(FEED)
        (plugin,) = client.plugin_list()
        assert not plugin.get("errors")

    def test_every_kind_of_plugin_is_served_with_valid_manifests(self, demo: DemoMarketplace, tmp_path: Path):
        kinds = {
            "only-skill": {},
            "no-version": {".claude-plugin/plugin.json": File(b'{"name": "no-version"}')},
            "unicode": {
                ".claude-plugin/plugin.json": File(
                    '{"name": "unicode", "description": "P\u0159ehled \u6570\u636e \U0001f4c8"}'.encode()
                )
            },
            "everything": {
                "agents/auditor.md": File(b"---\nname: auditor\ndescription: Audits a budget.\n---\nAudit.\n"),
                "commands/close.md": File(b"---\ndescription: Closes the month.\n---\nClose it.\n"),
                "hooks/hooks.json": File(b'{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "true"}]}]}}'),
                ".mcp.json": File(b'{"mcpServers": {"ledger": {"command": "ledger", "args": []}}}'),
            },
        }
        for name, extra in kinds.items():
            demo.repository.add_plugin(name, extra=extra)
        demo.sync()
        demo.target.settle()
        who = analyst_with(demo, *kinds, name="vera")
        client = Laptop.new(demo.target, tmp_path / "vera", **gits_login(demo, who)).claude("http://127.0.0.1:9")
        client.plugin_marketplace_add(feed_url(demo))
        (added,) = client.plugin_marketplace_list()
        clone = Path(added["installLocation"])
        client.plugin_validate(clone)
        assert {path.name for path in (clone / "plugins").iterdir()} == set(kinds)
        for name in kinds:
            client.plugin_validate(clone / "plugins" / name)
