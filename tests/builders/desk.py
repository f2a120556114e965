"""A person with the real Claude Code client, `agnes` and, perhaps, git on their PATH, who keeps up with a marketplace's plugins."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agnes.claude_code import versions
from agnes_local.claude_install import claude_binary
from tests.builders.claude_client import ClaudeClient
from tests.builders.demo_marketplace import DemoMarketplace
from tests.builders.laptop import Laptop
from tests.builders.target import Visitor

QUIET = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1", "GIT_CONFIG_NOSYSTEM": "1"}


@dataclass
class Desk:
    """Mira, who was granted finops and chartkit, at a laptop with the client, `agnes` and, perhaps, git."""

    demo: DemoMarketplace
    who: Visitor
    grants: dict[str, str]
    laptop: Laptop
    token: str

    @classmethod
    def of(
        cls, demo: DemoMarketplace, folder: Path, *, git: bool = True, claude_version: str = versions.NEWEST
    ) -> Desk:
        who = demo.person("mira")
        team = demo.group(who)
        grants = {plugin: demo.grant(team, plugin) for plugin in ("finops", "chartkit")}
        tools = folder / "bin"
        tools.mkdir()
        for tool in (claude_binary(claude_version), Path(sys.executable).with_name("agnes")):
            (tools / tool.name).symlink_to(tool)
        # Hooks run in a shell with the system's own tools; git is not among them where a test leaves it out.
        for name in ("sh", "bash", "cat", "env", *(("git",) if git else ())):
            (tools / name).symlink_to(shutil.which(name))
        laptop = Laptop.new(demo.target, folder / "mira", claude_version=claude_version, **QUIET, PATH=str(tools))
        token = who.make_token()["token"]
        laptop.login(token)
        return cls(demo, who, grants, laptop, token)

    @property
    def client(self) -> ClaudeClient:
        return self.laptop.claude("http://127.0.0.1:9")

    @property
    def copy(self) -> Path:
        return self.laptop.home / "agnes" / "marketplace"

    def add(self, *plugins: str) -> None:
        self.laptop.agnes("marketplace", "add", *(f"{self.demo.slug}/{plugin}" for plugin in plugins))

    def refresh(self, *arguments: str) -> dict[str, Any]:
        self.demo.target.settle()
        said = json.loads(self.laptop.agnes("refresh-marketplace", "--json", *arguments).stdout)
        assert said["failed"] == []
        return said

    def check(self) -> str:
        """What a starting session is told."""
        self.demo.target.settle()
        out = self.laptop.agnes("refresh-marketplace", "--check").stdout
        return json.loads(out)["systemMessage"] if out else ""

    def installed(self) -> dict[str, dict[str, Any]]:
        return {plugin["id"]: plugin for plugin in self.client.plugin_list()}


def steps(said: dict[str, Any]) -> list[tuple[str, str, str]]:
    return sorted((step["verb"], step["name"], step["scope"]) for step in said["done"])
