"""What is inside a plugin: skills, agents, commands, hooks and MCP servers.

Places as in Claude Code's manifest reference: the standard folders, and the paths that plugin.json
or the catalog's entry add to them. Nothing here fails: what cannot be read is left out with a warning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from agnes.marketplace import front_matter, strict_json
from agnes.marketplace.limits import MAX_DESCRIPTION_CHARACTERS, MAX_ITEMS
from agnes.marketplace.manifest import PluginManifest, inner_paths
from agnes.marketplace.model import Item

HOOKS_FILE = "hooks/hooks.json"
SERVER_FILES = (".mcp.json", "mcp_servers.json")


@dataclass
class _Found:
    files: Mapping[str, bytes]
    items: list[Item] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)

    def add(self, item: Item) -> None:
        """The first of a kind and name counts, as for Claude Code."""
        if (item.kind, item.name) not in self.seen and len(self.items) < MAX_ITEMS:
            self.seen.add((item.kind, item.name))
            self.items.append(item)

    def below(self, folder: str) -> Iterable[str]:
        prefix = f"{folder}/" if folder else ""
        return sorted(path for path in self.files if path.startswith(prefix))

    def json(self, path: str) -> dict[str, Any]:
        body = self.files.get(path)
        if body is None:
            return {}
        try:
            value = strict_json.parse(body)
        except ValueError as exc:
            self.warnings.append(f"{path}: {exc}")
            return {}
        return value if isinstance(value, dict) else {}


def inner_items(files: Mapping[str, bytes], *manifests: PluginManifest) -> tuple[list[Item], list[str]]:
    """(items, warnings) of a plugin's files by path; `manifests` are plugin.json and the catalog's entry."""
    found = _Found(files)
    _skills(found, ["skills", *_paths(m.skills for m in manifests)])
    _markdown(found, "agent", ["agents", *_paths(m.agents for m in manifests)])
    _markdown(found, "command", ["commands", *_paths(m.commands for m in manifests)])
    _hooks(found, [m.hooks for m in manifests])
    _servers(found, [m.mcpServers for m in manifests])
    return found.items, found.warnings


def _paths(values: Iterable[Any]) -> list[str]:
    return [path for value in values for path in inner_paths(value)]


def _skills(found: _Found, folders: list[str]) -> None:
    for folder in folders:
        prefix = f"{folder}/" if folder else ""
        for path in found.below(folder):
            segments = path[len(prefix) :].split("/")
            if segments[-1] != "SKILL.md" or len(segments) > 2:
                continue
            # A listed path may be the folder of skills or the folder of one skill.
            name = segments[0] if len(segments) == 2 else folder.rpartition("/")[2]
            if name:
                _add_document(found, "skill", name, path)


def _markdown(found: _Found, kind: str, places: list[str]) -> None:
    for place in places:
        if place.endswith(".md"):
            if place in found.files:
                _add_document(found, kind, place.rpartition("/")[2].removesuffix(".md"), place)
            continue
        for path in found.below(place):
            if path.endswith(".md") and place:
                # A folder below commands/ becomes part of the name: commands/a/b.md is /plugin:a:b.
                _add_document(found, kind, path[len(place) + 1 : -3].replace("/", ":"), path)


def _add_document(found: _Found, kind: str, name: str, path: str) -> None:
    head = front_matter.read(found.files[path])
    if head.flawed:
        found.warnings.append(f"{path}: its front matter is not YAML")
    found.add(Item(kind, name, head.name, head.description, path))


def _hooks(found: _Found, given: list[Any]) -> None:
    sources = [(HOOKS_FILE, found.json(HOOKS_FILE)), *_configs(found, given)]
    for path, config in sources:
        events = config.get("hooks", config)
        description = _described(config)
        for event in events if isinstance(events, dict) else ():
            if isinstance(events[event], list):
                found.add(Item("hook", str(event), None, description, path, detail=str(event)))
    configs = {path for path, _ in sources}
    for path in found.below("hooks"):
        if path not in configs:
            found.add(Item("hook", path.removeprefix("hooks/"), None, "", path))


def _servers(found: _Found, given: list[Any]) -> None:
    file = next((path for path in SERVER_FILES if path in found.files), None)
    sources = [*([(file, found.json(file))] if file else []), *_configs(found, given)]
    for path, config in sources:
        servers = config.get("mcpServers", config)
        for name, server in servers.items() if isinstance(servers, dict) else ():
            if isinstance(server, dict):
                found.add(Item("mcp", str(name), None, _described(server), path, detail=_transport(server)))


def _configs(found: _Found, given: list[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file, what it says) of what manifests give: paths of files, objects, or lists of either."""
    for value in given:
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                path = one.removeprefix("./")
                yield path, found.json(path)
            elif isinstance(one, dict):
                yield ".claude-plugin/plugin.json", one


def _described(config: dict[str, Any]) -> str:
    words = config.get("description")
    return words[:MAX_DESCRIPTION_CHARACTERS] if isinstance(words, str) else ""


def _transport(server: dict[str, Any]) -> str | None:
    kind = server.get("type")
    if isinstance(kind, str):
        return kind[:40]
    if "command" in server:
        return "stdio"
    return "http" if "url" in server else None
