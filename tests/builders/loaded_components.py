"""What a session of the real client loads of the plugins of a marketplace: the truth that our feed and inventory are held to.

    with GitHttpServer(folder) as git:
        original = loaded_from(git.url("m.git"), ["finops"], tmp_path / "original", version)

The client installs the plugins by `claude plugin install` and starts a session; the session's first event (`system`/`init`)
lists what it loaded, `claude plugin list --json` what it could not load.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agnes.claude_code import versions
from tests.builders.claude_client import ClaudeClient
from tests.builders.scripted_messages_api import ScriptedMessagesApi

PROGRAMS = "/usr/bin:/bin"
"""A plugin's servers are looked for here only: git and shells, no npx or uvx, so that no test fetches and runs packages."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Names of what a session loaded of installed plugins, as the client writes them (`plugin:name`), each once."""

    plugins: tuple[str, ...] = ()
    """Of the catalog's entries that loaded, sorted; several entries may be one plugin to the client."""
    commands: tuple[str, ...] = ()
    """What a person may type: commands and skills."""
    skills: tuple[str, ...] = ()
    """What the model may call. Commands that the model may call are not in it."""
    agents: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    """`plugin:<plugin>:<server>` of MCP servers that connected or tried to."""
    errors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Catalog name → why something of it did not load."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Catalog name → why `claude plugin install` refused it."""

    def components(self) -> dict[str, tuple[str, ...]]:
        """Everything that a session has of plugins, without who refused what: equal for the original and for our feed."""
        return {
            "commands": self.commands,
            "skills": self.skills,
            "agents": self.agents,
            "servers": self.servers,
        }


def loaded_from(
    source: str | Path, plugins: Iterable[str], folder: Path, version: str = versions.NEWEST, **environment: str
) -> Loaded:
    """Add the marketplace at `source` (a folder or a URL that ends in `.git`) to a new client in `folder`, install `plugins`
    by their catalog names, and start a session. Hooks of plugins do not run."""
    (loaded,) = loaded_of_all({source: plugins}, folder, version, **environment)
    return loaded


def loaded_of_all(
    plugins: Mapping[str | Path, Iterable[str]], folder: Path, version: str = versions.NEWEST, **environment: str
) -> list[Loaded]:
    """As `loaded_from` for several marketplaces in one session; `plugins` are their sources with the plugins to install."""
    (folder / "home").mkdir(parents=True)
    (folder / "ws").mkdir()
    with ScriptedMessagesApi([]) as api:
        client = ClaudeClient(
            folder / "home", folder / "ws", api.url, {"PATH": PROGRAMS, **environment}, version=version
        )
        client.write_settings(disableAllHooks=True)
        refused: dict[str, dict[str, str]] = {}
        for source, names in plugins.items():
            before = {marketplace["name"] for marketplace in client.plugin_marketplace_list()}
            client.plugin_marketplace_add(source)
            (added,) = {marketplace["name"] for marketplace in client.plugin_marketplace_list()} - before
            refused[added] = {}
            for name in names:
                done = client.plugin_install(f"{name}@{added}", check=False)
                if done.returncode != 0:
                    refused[added][name] = done.output.strip()
        listed, event = client.plugin_list(), init_event(client)
    return [_loaded(marketplace, listed, event, problems) for marketplace, problems in refused.items()]


def loaded_now(client: ClaudeClient, marketplace: str) -> Loaded:
    """What a session that starts now loads of the installed plugins of `marketplace`."""
    return _loaded(marketplace, client.plugin_list(), init_event(client), {})


def _loaded(
    marketplace: str, installed: list[dict[str, Any]], event: dict[str, Any], refused: Mapping[str, str]
) -> Loaded:
    def is_of_it(plugin_id: str) -> bool:
        return plugin_id.endswith(f"@{marketplace}")

    errors = {
        entry["id"].rpartition("@")[0]: tuple(map(_words, entry["errors"]))
        for entry in installed
        if is_of_it(entry["id"]) and entry.get("errors")
    }
    mine = [plugin for plugin in event["plugins"] if is_of_it(plugin.get("source", ""))]
    prefixes = {plugin["name"] for plugin in mine}

    def named(names: Iterable[str], before: str = "") -> tuple[str, ...]:
        return tuple(sorted({name for name in names if name.removeprefix(before).partition(":")[0] in prefixes}))

    return Loaded(
        plugins=tuple(sorted(plugin["source"].rpartition("@")[0] for plugin in mine)),
        commands=named(event["slash_commands"]),
        skills=named(event["skills"]),
        agents=named(event["agents"]),
        servers=named((server["name"] for server in event["mcp_servers"]), "plugin:"),
        errors=errors,
        refused=dict(refused),
    )


def init_event(client: ClaudeClient, *arguments: str) -> dict[str, Any]:
    """The first event of a session: `plugins`, `slash_commands`, `skills`, `agents`, `mcp_servers`, …

    The model need not answer: the event comes before it is asked.
    """
    done = client.run("-p", "hi", *arguments, "--output-format", "stream-json", "--verbose", check=False)
    for line in done.stdout.splitlines():
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("type") == "system" and event.get("subtype") == "init":
            return event
    raise AssertionError(f"the session wrote no system/init event: {done.output[-2000:]}")


def _words(error: Any) -> str:
    return error if isinstance(error, str) else json.dumps(error, sort_keys=True)
