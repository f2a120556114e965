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
    """Names of what a session loaded of installed plugins, as the client writes them (`plugin:name`)."""

    plugins: tuple[str, ...] = ()
    """Of the catalog's entries that loaded, sorted; several entries may be one plugin to the client."""
    commands: tuple[str, ...] = ()
    """What a person may type: commands and skills. A name that is loaded twice is here twice."""
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
    folder.mkdir(parents=True)
    (folder / "home").mkdir()
    (folder / "ws").mkdir()
    with ScriptedMessagesApi([]) as api:
        client = ClaudeClient(
            folder / "home",
            folder / "ws",
            api.url,
            {"PATH": PROGRAMS, **environment},
            version=version,
        )
        client.write_settings(disableAllHooks=True)
        client.plugin_marketplace_add(source)
        (marketplace,) = client.plugin_marketplace_list()
        refused = {}
        for plugin in plugins:
            done = client.plugin_install(f"{plugin}@{marketplace['name']}", check=False)
            if done.returncode != 0:
                refused[plugin] = done.output.strip()
        return loaded_now(client, marketplace["name"], refused)


def loaded_now(client: ClaudeClient, marketplace: str, refused: Mapping[str, str] | None = None) -> Loaded:
    """What a session that starts now loads of the installed plugins of `marketplace`."""
    listed = [entry for entry in client.plugin_list() if entry["id"].endswith(f"@{marketplace}")]
    errors = {
        entry["id"].rpartition("@")[0]: tuple(map(_words, entry["errors"])) for entry in listed if entry.get("errors")
    }
    event = init_event(client)
    mine = {plugin["name"] for plugin in event["plugins"] if plugin.get("source", "").endswith(f"@{marketplace}")}
    loaded = [plugin["source"].rpartition("@")[0] for plugin in event["plugins"] if plugin["name"] in mine]

    def named(names: Iterable[Any], prefix: str = "") -> tuple[str, ...]:
        return tuple(sorted(name for name in names if name.removeprefix(prefix).partition(":")[0] in mine))

    return Loaded(
        plugins=tuple(sorted(loaded)),
        commands=named(event["slash_commands"]),
        skills=named(event["skills"]),
        agents=named(event["agents"]),
        servers=named((server["name"] for server in event["mcp_servers"]), "plugin:"),
        errors=errors,
        refused=dict(refused or {}),
    )


def init_event(client: ClaudeClient) -> dict[str, Any]:
    """The first event of a session: `plugins`, `slash_commands`, `skills`, `agents`, `mcp_servers`, …

    The model need not answer: the event comes before it is asked.
    """
    done = client.run("-p", "hi", "--output-format", "stream-json", "--verbose", check=False)
    for line in done.stdout.splitlines():
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("type") == "system" and event.get("subtype") == "init":
            return event
    raise AssertionError(f"the session wrote no system/init event: {done.output[-2000:]}")


def _words(error: Any) -> str:
    return error if isinstance(error, str) else json.dumps(error, sort_keys=True)
