"""What a plugin can do on a laptop: what an admin must see before a version is served.

Read from the same places as Claude Code: hooks and servers of the standard files, of plugin.json and
of the catalog's entry; `!` commands and tool lists of Markdown; hosts that any text names. Textual:
it shows what is declared, and proves nothing about what a script does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from agnes.marketplace import front_matter, strict_json
from agnes.marketplace.items import HOOKS_FILE, SERVER_FILES
from agnes.marketplace.manifest import PLUGIN_MANIFEST

MAX_LINES = 200
MAX_LINE_CHARACTERS = 300
_SHELL = re.compile(r"!`([^`\n]+)`|^```!\s*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_HOST = re.compile(rb"\b(?:https?|wss?|ftp|ssh|git)://(?:[^/\s@'\"<>]{1,100}@)?([A-Za-z0-9._-]{1,253}(?::\d{1,5})?)")
_TOOL_FIELDS = ("allowed-tools", "tools")


@dataclass(frozen=True, slots=True)
class Capabilities:
    hooks: list[str]
    """`event [matcher]: command`."""
    servers: list[str]
    """MCP servers (`name: command or URL`) and LSP servers."""
    shell: list[str]
    """Commands that Markdown runs before the model reads it: `path: command`."""
    tools: list[str]
    """Tools that Markdown allows itself: `path: tools`."""
    hosts: list[str]
    """Hosts that any file names."""
    executables: list[str]
    """Files with the executable bit."""


@dataclass(frozen=True, slots=True)
class CapabilityDifference:
    added: Capabilities
    removed: Capabilities
    now: Capabilities


def of(files: Mapping[str, bytes], executables: Iterable[str], entry: Mapping[str, Any]) -> Capabilities:
    """Of a plugin's files by path and its catalog entry."""
    manifest = _json(files, PLUGIN_MANIFEST)
    hooks = list(_commands(files, "hooks", [HOOKS_FILE], manifest, entry))
    servers = [
        line
        for key, places in (("mcpServers", SERVER_FILES), ("lspServers", (".lsp.json",)))
        for line in _servers(files, key, places, manifest, entry)
    ]
    shell, tools = [], []
    for path in sorted(files):
        if path.endswith(".md"):
            text = files[path].decode("utf-8", "replace")
            shell += [f"{path}: {_one_line(found[1] or found[2])}" for found in _SHELL.finditer(text)]
            head = front_matter.fields(files[path])
            tools += [f"{path}: {_one_line(str(head[key]))}" for key in _TOOL_FIELDS if head.get(key)]
    hosts = {host.decode().lower() for body in files.values() for host in _HOST.findall(body)}
    return Capabilities(*(_bounded(lines) for lines in (hooks, servers, shell, tools, hosts, executables)))


def difference(before: Capabilities | None, after: Capabilities) -> CapabilityDifference:
    names = [f.name for f in fields(Capabilities)]
    old = {name: set(getattr(before, name)) if before else set() for name in names}
    new = {name: set(getattr(after, name)) for name in names}
    return CapabilityDifference(
        added=Capabilities(**{name: sorted(new[name] - old[name]) for name in names}),
        removed=Capabilities(**{name: sorted(old[name] - new[name]) for name in names}),
        now=after,
    )


def _bounded(lines: Iterable[str]) -> list[str]:
    found = sorted(set(lines))
    return [*found[:MAX_LINES], f"… and {len(found) - MAX_LINES} more"] if len(found) > MAX_LINES else found


def _one_line(text: str) -> str:
    plain = "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
    return plain if len(plain) <= MAX_LINE_CHARACTERS else plain[:MAX_LINE_CHARACTERS] + "…"


def _json(files: Mapping[str, bytes], path: str) -> dict[str, Any]:
    try:
        value = strict_json.parse(files[path]) if path in files else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _sources(
    files: Mapping[str, bytes], key: str, places: Iterable[str], *manifests: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The configurations of a kind: the standard files, and what manifests hold or point to."""
    for place in places:
        yield _json(files, place)
    for manifest in manifests:
        value = manifest.get(key)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                yield _json(files, one.removeprefix("./"))
            elif isinstance(one, dict):
                yield one


def _commands(
    files: Mapping[str, bytes], key: str, places: Iterable[str], *manifests: Mapping[str, Any]
) -> Iterator[str]:
    for config in _sources(files, key, places, *manifests):
        events = config.get(key, config)
        for event, groups in events.items() if isinstance(events, dict) else ():
            for group in groups if isinstance(groups, list) else ():
                if not isinstance(group, dict):
                    continue
                matcher = f" [{group['matcher']}]" if group.get("matcher") else ""
                inner = group.get("hooks")
                for hook in inner if isinstance(inner, list) else [group]:
                    if isinstance(hook, dict):
                        what = hook.get("command") or hook.get("url") or hook.get("prompt") or hook.get("type")
                        yield _one_line(f"{event}{matcher}: {what}")


def _servers(
    files: Mapping[str, bytes], key: str, places: Iterable[str], *manifests: Mapping[str, Any]
) -> Iterator[str]:
    for config in _sources(files, key, places, *manifests):
        servers = config.get(key, config)
        for name, server in servers.items() if isinstance(servers, dict) else ():
            if isinstance(server, dict):
                arguments = server.get("args")
                words = [server.get("command") or server.get("url") or "?"]
                words += arguments if isinstance(arguments, list) else []
                yield _one_line(f"{name}: {' '.join(map(str, words))}")
