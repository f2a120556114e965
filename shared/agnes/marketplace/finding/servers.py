"""MCP servers, language servers and monitors."""

from __future__ import annotations

import io
import json
import posixpath
import zipfile
from collections.abc import Iterator
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from agnes.claude_code.versions import NEWEST
from agnes.marketplace import components
from agnes.marketplace.finding.model import Component
from agnes.marketplace.finding.plugin import Plugin, one_line, short, why
from agnes.marketplace.limits import MAX_DESCRIPTION_CHARACTERS, MAX_MANIFEST_BYTES
from agnes.marketplace.manifest import PLUGIN_MANIFEST

MONITORS_FILE = "monitors/monitors.json"
_BUNDLES = (".mcpb", ".dxt")
_LATER = ConfigDict(defer_build=True)
"""Many functions import this, and few validate anything."""
_SERVER = TypeAdapter(components.Server, config=_LATER)
_LANGUAGE_TABLE = TypeAdapter(components.LanguageTable, config=_LATER)
_MONITORS = TypeAdapter(components.MonitorList, config=_LATER)


class Servers(Plugin):
    def mcp_servers(self) -> None:
        own = self.manifest.get("mcpServers")
        found: dict[str, tuple[str, dict[str, Any]]] = {}
        for one in [".mcp.json", *(own if isinstance(own, list) else [own] if own is not None else [])]:
            if isinstance(one, str) and one.endswith(_BUNDLES):
                name, server = self.bundle(one)
                found[name] = (one, server)
            elif isinstance(one, str):
                path = self.place(one)
                config = self.json(path) if path is not None else None
                servers = (config.get("mcpServers") or config) if isinstance(config, dict) else {}
                found |= {
                    name: (path or "", server) for name, server in _servers(servers) if self.starts(path, name, server)
                }
            else:
                found |= {
                    name: (PLUGIN_MANIFEST, server)
                    for name, server in _servers(one)
                    if self.starts(PLUGIN_MANIFEST, name, server)
                }
        for name, (path, server) in found.items():
            line = f"{name}: {_command_line(server)}"
            self.add(Component("mcp", name, path, None, _words(server), _transport(server), (line,)))

    def starts(self, path: str | None, name: str, server: Any) -> bool:
        try:
            _SERVER.validate_python(server)
        except ValidationError as exc:
            self.warn(f"{path}: server {short(name)}: {why(exc)}")
            return False
        if server.get("type") in components.OWN_SERVER_TYPES:
            kind = server["type"]
            self.warn(
                f"{path}: server {short(name)}: {kind} is for servers of the client itself, {NEWEST} does not start it"
            )
            return False
        return True

    def bundle(self, given: str) -> tuple[str, dict[str, Any]]:
        """(name, server) of a bundle: its manifest says both; one that is elsewhere is named for its address."""
        path = self.place(given)
        body = self.files.get(path) if path is not None and "://" not in given else None
        name = posixpath.basename(given)
        server: dict[str, Any] = {"type": "bundle", "url": given}
        if body is None:
            if "://" not in given:
                self.warn(f"mcpServers: there is no {short(given)} in the plugin")
            return name, server
        try:
            with zipfile.ZipFile(io.BytesIO(body)) as archive:
                about = archive.getinfo("manifest.json")
                if about.file_size > MAX_MANIFEST_BYTES:
                    raise ValueError("manifest.json is too large")
                manifest = json.loads(archive.read(about))
            name = str(manifest["name"])
            config = manifest.get("server", {}).get("mcp_config", {})
            server |= {key: config[key] for key in ("command", "args") if key in config}
        except (
            KeyError,
            ValueError,
            TypeError,
            AttributeError,
            RecursionError,
            zipfile.BadZipFile,
            NotImplementedError,
            RuntimeError,
        ):
            self.warn(f"{given}: no MCP bundle")
        return name, server

    def lsp_servers(self) -> None:
        own = self.manifest.get("lspServers")
        found: dict[str, tuple[str, dict[str, Any]]] = {}
        for one in [".lsp.json", *(own if isinstance(own, list) else [own] if own is not None else [])]:
            path = self.place(one) if isinstance(one, str) else PLUGIN_MANIFEST
            table = self.json(path) if isinstance(one, str) and path is not None else one
            if not isinstance(table, dict):
                continue
            try:
                _LANGUAGE_TABLE.validate_python(table)
            except ValidationError as exc:
                self.warn(f"{path}: LSP servers: {why(exc)}")
                continue
            found |= {str(name): (path or "", server) for name, server in table.items()}
        for name, (path, server) in found.items():
            languages = ", ".join(sorted(set(map(str, server["extensionToLanguage"].values()))))
            self.add(Component("lsp", name, path, None, "", languages, (f"{name}: {_command_line(server)}",)))

    def monitors(self) -> None:
        own = self.experimental.get("monitors", self.manifest.get("monitors"))
        path = MONITORS_FILE if own is None else self.place(own) if isinstance(own, str) else PLUGIN_MANIFEST
        listed = own if isinstance(own, list) else self.json(path) if path is not None else None
        if listed is None:
            return
        try:
            _MONITORS.validate_python(listed)
        except ValidationError as exc:
            self.warn(f"{path}: monitors: {why(exc)}")
            return
        for monitor in listed:
            when = monitor.get("when", "always")
            line = f"{monitor['name']}: {monitor['command']}" + ("" if when == "always" else f" ({when})")
            command = one_line(line.partition(": ")[2])
            self.add(Component("monitor", monitor["name"], path or "", None, monitor["description"], command, (line,)))


def _servers(table: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, server in table.items() if isinstance(table, dict) else ():
        if isinstance(server, dict):
            yield str(name), server


def _words(config: dict[str, Any]) -> str:
    words = config.get("description")
    return words[:MAX_DESCRIPTION_CHARACTERS] if isinstance(words, str) else ""


def _transport(server: dict[str, Any]) -> str | None:
    kind = server.get("type")
    if isinstance(kind, str):
        return kind[:40]
    if "command" in server:
        return "stdio"
    return "http" if "url" in server else None


def _command_line(server: dict[str, Any]) -> str:
    arguments = server.get("args")
    words = [server.get("command") or server.get("url") or "?", *(arguments if isinstance(arguments, list) else [])]
    return " ".join(map(str, words)) + _besides(server)


def _besides(server: dict[str, Any]) -> str:
    """What else decides what a server runs, or what it gets and gives. The environment may load code (`NODE_OPTIONS`)."""
    said = [f"headers of: {server['headersHelper']}"] if server.get("headersHelper") else []
    for key, words in (("env", "with"), ("headers", "headers")):
        table = server.get(key)
        if isinstance(table, dict) and table:
            said.append(f"{words} {', '.join(f'{name}={value}' for name, value in sorted(table.items()))}")
    said += [f"in {server['workspaceFolder']}"] if server.get("workspaceFolder") else []
    for key in ("initializationOptions", "settings", "toolPermissions", "tools", "oauth"):
        if server.get(key):
            said.append(f"{key} {json.dumps(server[key], ensure_ascii=False, sort_keys=True)}")
    said += ["always loaded"] if server.get("alwaysLoad") is True else []
    return f" ({'; '.join(said)})" if said else ""
