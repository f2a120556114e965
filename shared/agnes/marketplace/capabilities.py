"""What a plugin can do on a laptop: what an admin must see before a version is served.

Made of the inventory, so of everything that the client loads (`agnes.claude_code.components`), and of what any file names: hosts,
and files with the executable bit. Textual: it shows what is declared, and proves nothing about what a script does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from agnes.claude_code.components import BY_KIND
from agnes.marketplace import inventory

MAX_LINES = 200
MAX_LINE_CHARACTERS = 300
_HOST = re.compile(rb"\b(?:https?|wss?|ftp|ssh|git)://(?:[^/\s@'\"<>]{1,100}@)?([A-Za-z0-9._-]{1,253}(?::\d{1,5})?)")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Each list is sorted and bounded; the most dangerous ones come first."""

    mods: list[str]
    """JavaScript modules that run inside Claude Code."""
    hooks: list[str]
    """`event [matcher]: command`, those of a skill's front matter after the path of the skill."""
    monitors: list[str]
    """Shell commands that run in the background of every session: `name: command`."""
    servers: list[str]
    """MCP and LSP servers: `name: command or URL`."""
    shell: list[str]
    """Commands that skills and commands run before the model reads them: `path: command`."""
    workflows: list[str]
    """Scripts that start agents."""
    programs: list[str]
    """Files of `bin/`, which every shell command of a session finds."""
    downloads: list[str]
    """Programs that are fetched when the plugin is installed."""
    packages: list[str]
    """npm packages that are installed with the plugin."""
    dependencies: list[str]
    """Other plugins that are installed with it."""
    settings: list[str]
    """`agent: name` and `subagentStatusLine: command`."""
    channels: list[str]
    """MCP servers whose messages reach the model unasked."""
    texts: list[str]
    """What stands before the model in every session: `kind name: description`."""
    tools: list[str]
    """Tools that skills and commands allow themselves: `path: tools`."""
    options: list[str]
    """What a person is asked for, with the default: it is put into commands and texts."""
    themes: list[str]
    hosts: list[str]
    """Hosts that any file names."""
    executables: list[str]
    """Files with the executable bit."""


HEADINGS = {
    "mods": "Modules that run inside Claude Code",
    "hooks": "Hooks",
    "monitors": "Background commands (monitors)",
    "servers": "MCP and LSP servers",
    "shell": "Shell commands in skills and commands",
    "workflows": "Workflows",
    "programs": "Programs on the PATH of a session",
    "downloads": "Programs downloaded at install",
    "packages": "npm packages installed with it",
    "dependencies": "Other plugins installed with it",
    "settings": "Settings of the session",
    "channels": "Channels: messages that reach the model unasked",
    "texts": "Texts before the model in every session",
    "tools": "Tools that it allows itself",
    "options": "What it asks a person for",
    "themes": "Themes",
    "hosts": "Hosts that it names",
    "executables": "Executable files",
}
"""Each list of `Capabilities` → its heading on pages, in the same order."""


@dataclass(frozen=True, slots=True)
class CapabilityDifference:
    added: Capabilities
    removed: Capabilities
    now: Capabilities


GROUPS = tuple(f.name for f in fields(Capabilities))


def of(files: Mapping[str, bytes], executables: Iterable[str], entry: Mapping[str, Any]) -> Capabilities:
    """Of a plugin's served files by path and its catalog entry."""
    found = inventory.of_plugin(files, entry)
    lines: dict[str, list[str]] = {group: [] for group in GROUPS}
    for component in found.components:
        lines[BY_KIND[component.kind].group] += component.lines
    for document in found.documents:
        lines["tools"] += [f"{document.path}: {tools}" for tools in document.tools]
    lines["hosts"] = [host.decode().lower() for body in files.values() for host in _HOST.findall(body)]
    lines["executables"] = list(executables)
    return Capabilities(**{group: _bounded(map(_one_line, lines[group])) for group in GROUPS})


def difference(before: Capabilities | None, after: Capabilities) -> CapabilityDifference:
    old = {name: set(getattr(before, name)) if before else set() for name in GROUPS}
    new = {name: set(getattr(after, name)) for name in GROUPS}
    return CapabilityDifference(
        added=Capabilities(**{name: sorted(new[name] - old[name]) for name in GROUPS}),
        removed=Capabilities(**{name: sorted(old[name] - new[name]) for name in GROUPS}),
        now=after,
    )


def _bounded(lines: Iterable[str]) -> list[str]:
    found = sorted(set(lines))
    return [*found[:MAX_LINES], f"… and {len(found) - MAX_LINES} more"] if len(found) > MAX_LINES else found


def _one_line(text: str) -> str:
    plain = "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
    return plain if len(plain) <= MAX_LINE_CHARACTERS else plain[:MAX_LINE_CHARACTERS] + "…"
