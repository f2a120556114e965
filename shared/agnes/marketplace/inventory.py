"""What the client loads of a plugin: its components by kind, under the names that the client writes, and what each of them runs.

The one implementation of the client's discovery rules (`agnes.claude_code.components` says where each kind is found). It reads
the served form of a plugin: plugin.json is there, and what only the catalog's entry declares stands in one of the two
(`agnes.trees.packaging`). Pages, the API, the review and telemetry's names all come from here.

Nothing here fails: what the client would not load is left out with a warning. Names are those of the newest client; where the
oldest one writes another, it is found by the declared name (`agnes.telemetry.extraction.served`).
"""

from __future__ import annotations

import io
import json
import posixpath
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter, ValidationError

from agnes.claude_code import components as kinds
from agnes.claude_code.events import KNOWN
from agnes.kernel.reasons import reason
from agnes.marketplace import components, front_matter, javascript, strict_json
from agnes.marketplace.limits import MAX_DESCRIPTION_CHARACTERS, MAX_ITEMS, MAX_MANIFEST_BYTES
from agnes.marketplace.manifest import PLUGIN_MANIFEST
from agnes.marketplace.model import Item

HOOKS_FILE = "hooks/hooks.json"
MONITORS_FILE = "monitors/monitors.json"
MAX_DOCUMENT_BYTES = 1_048_576
"""The client reads no larger skill, command, agent or output style."""
MAX_NAME_CHARACTERS = 256
MAX_DEPTH = 32
MAX_DETAIL_CHARACTERS = 300
SKILL = "SKILL.md"

_SKILL_FILE = re.compile(r"skill\.md", re.IGNORECASE)
_NOT_IN_SKILL_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_SKIPPED_FOLDER = ".mcpb-cache"
_ENTRY = "the catalog's entry"
_BUNDLES = (".mcpb", ".dxt")
_BLOCK = re.compile(r"```!\s*\n?(.*?)\n?```", re.DOTALL)
_INLINE = re.compile(r"(?:^|(?<=\s))!`([^`]+)`", re.MULTILINE)

_MATCHED = TypeAdapter(components.Matched)
_HOOK_TABLE = TypeAdapter(components.KnownTable)
_SERVER = TypeAdapter(components.LocalServer | components.RemoteServer)
_LANGUAGE_TABLE = TypeAdapter(components.LanguageTable)
_MONITORS = TypeAdapter(components.MonitorList)


@dataclass(frozen=True, slots=True)
class Component:
    kind: str
    """A kind of `agnes.claude_code.components`."""
    name: str
    """As the client writes it behind `plugin:`; a hook's is its event."""
    path: str
    """Of the file that declares it."""
    declared_name: str | None = None
    """The front matter's."""
    description: str = ""
    detail: str | None = None
    """A hook's event, a server's transport, what a monitor runs, and so on."""
    lines: tuple[str, ...] = ()
    """What it runs or whom it asks, for the review; for texts what stands before the model in every session."""

    def item(self) -> Item:
        return Item(self.kind, self.name, self.declared_name, self.description, self.path, self.detail)


@dataclass(frozen=True, slots=True)
class Document:
    """A text that the client gives the model, with what it allows itself."""

    path: str
    tools: tuple[str, ...]
    """What it may use without a question, as written."""


@dataclass(slots=True)
class Inventory:
    components: list[Component] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    refused: str = ""
    """Why the newest client does not load the plugin at all: a hook that may guard its permissions cannot be loaded."""

    def items(self) -> list[Item]:
        """Rows for pages, the API and telemetry."""
        return [component.item() for component in self.components]


def of_plugin(files: Mapping[str, bytes], entry: Mapping[str, Any] | None = None) -> Inventory:
    """Of a plugin's served files by path and its catalog entry."""
    return _Finder(files, entry or {}).inventory()


class _Finder:
    def __init__(self, files: Mapping[str, bytes], entry: Mapping[str, Any]) -> None:
        self.files = files
        self.entry = entry
        self.found = Inventory()
        self.seen: set[tuple[str, str]] = set()
        self.read: set[tuple[str, str]] = set()
        manifest = self.json(PLUGIN_MANIFEST)
        self.manifest: dict[str, Any] = manifest if isinstance(manifest, dict) else {}
        declared = self.manifest.get("experimental")
        self.experimental: dict[str, Any] = declared if isinstance(declared, dict) else {}
        self.plugin = str(self.manifest.get("name") or entry.get("name") or "")

    def inventory(self) -> Inventory:
        self.skills()
        self.agents()
        self.commands()
        self.workflows()
        self.output_styles()
        self.hooks()
        self.mcp_servers()
        self.lsp_servers()
        self.monitors()
        self.declared()
        self.programs()
        self.packages()
        self.settings()
        self.themes()
        return self.found

    # Files and folders

    @cached_property
    def folders(self) -> dict[str, tuple[list[str], list[str]]]:
        """Folder → (names of the folders, names of the files) in it, sorted; `""` is the plugin's own."""
        tree: dict[str, tuple[set[str], list[str]]] = {"": (set(), [])}
        for path in sorted(self.files):
            folder, _, name = path.rpartition("/")
            tree.setdefault(folder, (set(), []))[1].append(name)
            while folder:
                above, _, own = folder.rpartition("/")
                inside = tree.setdefault(above, (set(), []))[0]
                if own in inside:
                    break
                inside.add(own)
                folder = above
        return {folder: (sorted(inside), names) for folder, (inside, names) in tree.items()}

    def place(self, given: Any) -> str | None:
        """The path that a manifest gives, None for what is none or leaves the plugin."""
        if not isinstance(given, str):
            return None
        path = posixpath.normpath(given)
        if path.startswith(("../", "/")) or path == "..":
            return None
        return "" if path == "." else path

    def places(self, *values: Any) -> Iterator[str]:
        """Paths that exist, of values that are a path or a list of them (`PluginManifest.lost_paths` tells of the others)."""
        for value in values:
            for given in value if isinstance(value, list) else [value]:
                path = self.place(given)
                if path is not None and (path in self.files or path in self.folders):
                    yield path

    def markdown(self, folder: str, *, stop_at_skill: bool = False, depth: int = 0) -> Iterator[str]:
        """Markdown files in a folder and below it. With `stop_at_skill` a folder that has a SKILL.md is one thing: nothing else
        of it counts."""
        inside, names = self.folders.get(folder, ([], []))
        texts = [name for name in names if name.lower().endswith(".md")]
        if stop_at_skill and (skills := [name for name in texts if _SKILL_FILE.fullmatch(name)]):
            yield _joined(folder, skills[0])
            return
        for name in texts:
            yield _joined(folder, name)
        if depth + 1 < MAX_DEPTH:
            for name in inside:
                if name != _SKIPPED_FOLDER:
                    yield from self.markdown(_joined(folder, name), stop_at_skill=stop_at_skill, depth=depth + 1)

    def json(self, path: str) -> Any:
        """What a JSON file holds, None for none and, with a warning, for what is no JSON."""
        body = self.files.get(path)
        if body is None:
            return None
        try:
            return strict_json.parse(body)
        except ValueError as exc:
            self.warn(f"{path}: {exc}")
            return None

    def warn(self, text: str) -> None:
        if text not in self.found.warnings:
            self.found.warnings.append(text)

    def once(self, kind: str, path: str) -> bool:
        """Whether this file is read for this kind for the first time."""
        if (kind, path) in self.read:
            return False
        self.read.add((kind, path))
        return True

    def add(self, component: Component) -> None:
        """The first of a kind and name counts."""
        key = component.kind, component.name
        if component.name and key not in self.seen and len(self.found.components) < MAX_ITEMS:
            self.seen.add(key)
            self.found.components.append(component)

    # Texts

    def document(self, kind: str, name: str, path: str, head: front_matter.Head, *, override: Any = None) -> None:
        """Add a skill, command, agent or output style."""
        fields = {**head.fields, **(override if isinstance(override, dict) else {})}
        if head.flawed:
            self.warn(f"{path}: its front matter is not YAML")
        description = front_matter.line(fields.get("description")) or ""
        is_forced = kind == "output-style" and front_matter.line(fields.get("force-for-plugin")) == "true"
        detail = "applies at once" if is_forced else None
        shown = f"{kind} {name}: {description}" if description else f"{kind} {name}"
        shown += f" ({detail})" if detail else ""
        self.add(Component(kind, name, path, front_matter.line(fields.get("name")), description, detail, (shown,)))

    def head(self, path: str) -> front_matter.Head | None:
        body = self.files[path]
        if len(body) > MAX_DOCUMENT_BYTES:
            self.warn(f"{path}: larger than {MAX_DOCUMENT_BYTES} bytes, which Claude Code does not read")
            return None
        return front_matter.head(body)

    def prompt(self, path: str, head: front_matter.Head, *, hooks: bool) -> None:
        """What a skill or command does by itself."""
        shell = tuple(
            match.strip() for found in (_BLOCK, _INLINE) for match in found.findall(head.text) if match.strip()
        )
        tools = tuple(str(head.fields[key]) for key in ("allowed-tools", "tools") if head.fields.get(key))
        if shell:
            lines = tuple(f"{path}: {command}" for command in shell)
            self.add(Component("shell", path, path, None, "", _one_line("; ".join(shell)), lines))
        if tools:
            self.found.documents.append(Document(path, tools))
        declared = head.fields.get("hooks")
        if not hooks or not declared:
            return
        try:
            _HOOK_TABLE.validate_python(declared)
        except ValidationError as exc:
            self.warn(f"{path}: its hooks are not loaded: {_why(exc)}")
            return
        for event, groups in declared.items():
            lines = tuple(f"{path}: {line}" for line in _hook_lines(event, groups))
            self.add(Component("hook", f"{event} ({path})", path, None, "", event, lines))

    def skills(self) -> None:
        places = list(self.places(self.manifest.get("skills"), self.entry.get("skills")))
        if "skills" in self.folders:
            self.skills_of("skills")
        elif not places and self.manifest.get("skills") is None and SKILL in self.files:
            self.skills_of("")
        for place in dict.fromkeys(places):
            if place in self.files:
                self.warn(f"skills: ./{place} is a file; a skill is a folder with a {SKILL}")
            elif place != "skills":
                self.skills_of(place)

    def skills_of(self, folder: str) -> None:
        """The skill that a folder is, or those in it."""
        path = _joined(folder, SKILL)
        if path in self.files:
            if self.once("skill", path) and (head := self.head(path)):
                declared = str(head.fields.get("name") or "").strip().removeprefix(f"{self.plugin}:")
                name = declared or posixpath.basename(folder) or self.plugin
                self.skill(_NOT_IN_SKILL_NAMES.sub("-", name), path, head)
            return
        for name in self.folders.get(folder, ([], []))[0]:
            path = _joined(_joined(folder, name), SKILL)
            if (
                name != _SKIPPED_FOLDER
                and path in self.files
                and self.once("skill", path)
                and (head := self.head(path))
            ):
                self.skill(_NOT_IN_SKILL_NAMES.sub("-", name), path, head)

    def skill(self, name: str, path: str, head: front_matter.Head) -> None:
        self.document("skill", name, path, head)
        self.prompt(path, head, hooks=True)

    def agents(self) -> None:
        self.texts("agent", "agents", "agents")

    def output_styles(self) -> None:
        self.texts("output-style", "output-styles", "outputStyles")

    def texts(self, kind: str, default: str, key: str) -> None:
        """Agents and output styles: files of the default folder or of those declared in its place."""
        own = self.manifest.get(key)
        places = [default] if own is None and default in self.folders else []
        for place in [*places, *self.places(own, self.entry.get(key))]:
            inside = place in self.folders
            for path in self.markdown(place) if inside else [place] if place.endswith(".md") else []:
                if not self.once(kind, path) or not (head := self.head(path)):
                    continue
                stem = posixpath.basename(path).removesuffix(".md")
                declared = head.fields.get("name")
                given = str(declared) if declared is not None and len(str(declared)) <= MAX_NAME_CHARACTERS else ""
                above = path[len(place) + 1 :].split("/")[:-1] if inside and kind == "agent" else []
                self.document(kind, ":".join([*above, given or stem]), path, head)

    def commands(self) -> None:
        own, given = self.manifest.get("commands"), self.entry.get("commands")
        if own is None and "commands" in self.folders:
            self.commands_of("commands")
        for declared, inline in ((own, True), (given, False)):
            if isinstance(declared, dict):
                self.command_table(declared, inline=inline)
            else:
                for place in self.places(declared):
                    self.commands_of(place)

    def commands_of(self, place: str, name: str | None = None, override: Any = None) -> None:
        """The commands of a folder, or of one file, which may have been given a name."""
        if place in self.folders:
            for path in self.markdown(place, stop_at_skill=True):
                folder, _, file = path.rpartition("/")
                is_skill = bool(_SKILL_FILE.fullmatch(file))
                parts = path[len(place) + 1 if place else 0 :].split("/")[:-1]
                if is_skill:
                    own = posixpath.basename(folder) or self.plugin
                    parts = parts[:-1]
                else:
                    own = file.removesuffix(".md")
                self.command(":".join([*parts, own]), path, is_skill=is_skill)
        elif place.endswith(".md"):
            self.command(name or posixpath.basename(place).removesuffix(".md"), place, override=override)

    def command(self, name: str, path: str, *, is_skill: bool = False, override: Any = None) -> None:
        if self.once("command", path) and (head := self.head(path)):
            self.document("command", name, path, head, override=override)
            self.prompt(path, head, hooks=is_skill)

    def command_table(self, table: dict[str, Any], *, inline: bool) -> None:
        first = next(iter(table.values()), None)
        if not isinstance(first, dict) or not {"source", "content"} & first.keys():
            return
        for name, declared in table.items():
            if not isinstance(declared, dict):
                continue
            if declared.get("source"):
                for place in self.places(declared["source"]):
                    self.commands_of(place, name, _described(declared))
            elif inline and isinstance(declared.get("content"), str):
                head = front_matter.head(declared["content"].encode())
                where = f"{PLUGIN_MANIFEST}: commands.{name}"
                self.document("command", name, PLUGIN_MANIFEST, head, override=_described(declared))
                self.prompt(where, head, hooks=False)

    def workflows(self) -> None:
        for path in self.scripts("workflows", ".js"):
            meta = javascript.workflow_meta(self.files[path].decode("utf-8", "replace"))
            if meta is None:
                self.warn(f"{path}: no workflow: it has to begin with `export const meta = {{…}}`")
                continue
            name, description = meta
            shown = f"{name} ({path})" + (f": {description}" if description else "")
            self.add(Component("workflow", name, path, None, description[:MAX_DESCRIPTION_CHARACTERS], None, (shown,)))

    def themes(self) -> None:
        for path in self.scripts("themes", ".json"):
            theme = self.json(path)
            if isinstance(theme, dict):
                name = posixpath.basename(path).removesuffix(".json")
                declared = front_matter.line(theme.get("name"))
                self.add(Component("theme", name, path, declared, "", None, (f"{name} ({path})",)))

    def scripts(self, key: str, ending: str) -> Iterator[str]:
        """Files of one folder, not below it: of the default one or of those declared in its place."""
        own = self.experimental.get(key, self.manifest.get(key)) if key == "themes" else self.manifest.get(key)
        others = self.entry.get(key) if key == "themes" else None
        places = [key] if own is None and key in self.folders else []
        for place in [*places, *self.places(own, others)]:
            names = self.folders[place][1] if place in self.folders else [None]
            for name in names:
                path = place if name is None else _joined(place, name)
                if path.endswith(ending) and self.once(key, path):
                    yield path

    # What runs

    def hooks(self) -> None:
        tables: dict[str, list[tuple[str, list[Any]]]] = {}
        modules: list[tuple[str, str]] = []

        def take(where: str, table: Any) -> None:
            for event, groups in self.loadable(where, table).items():
                tables.setdefault(event, []).append((where, groups))

        own = self.manifest.get("hooks")
        declared = [None, *(own if isinstance(own, list) else [own] if own is not None else [])]
        for one in declared:
            if isinstance(one, dict):
                take(PLUGIN_MANIFEST, one)
                continue
            path = HOOKS_FILE if one is None else self.place(one)
            if path is None or (config := self.json(path)) is None or not self.once("hook", path):
                continue
            table, listed = (config.get(key) if isinstance(config, dict) else None for key in ("hooks", "modules"))
            if not isinstance(table, dict) and not listed:
                self.warn(f"{path}: it has neither `hooks` nor `modules`, so Claude Code loads nothing of it")
            take(path, table or {})
            modules += [(path, module) for module in listed or [] if isinstance(module, str)]
        given = self.entry.get("hooks")
        if isinstance(given, dict):
            for event, groups in self.loadable(_ENTRY, given).items():
                tables[event] = [(_ENTRY, groups)]
        for event, found in tables.items():
            lines = tuple(line for _, groups in found for line in _hook_lines(event, groups))
            path = next((where for where, _ in found if where != _ENTRY), PLUGIN_MANIFEST)
            self.add(Component("hook", event, path, None, self.described(path), event, lines))
        self.module(modules)

    def described(self, path: str) -> str:
        config = self.json(path) if path != PLUGIN_MANIFEST else None
        words = config.get("description") if isinstance(config, dict) else None
        return words[:MAX_DESCRIPTION_CHARACTERS] if isinstance(words, str) else ""

    def loadable(self, where: str, table: Any) -> dict[str, list[Any]]:
        """The part of a table of hooks that the newest client, or a later one, runs."""
        found: dict[str, list[Any]] = {}
        for event, groups in table.items() if isinstance(table, dict) else ():
            if not isinstance(groups, list):
                self.warn(f"{where}: hooks.{event}: not a list")
                continue
            usable = [group for group in groups if self.matched(where, event, group, is_known=event in KNOWN)]
            if usable or not groups:
                found[event] = usable
        return found

    def matched(self, where: str, event: str, group: Any, *, is_known: bool) -> bool:
        try:
            _MATCHED.validate_python(group)
        except ValidationError as exc:
            if event in components.GUARDS:
                self.found.refused = self.found.refused or f"{where}: hooks.{event}: {_why(exc)}"
            if is_known:
                self.warn(f"{where}: hooks.{event}: {_why(exc)}")
            return not is_known and isinstance(group, dict)
        return True

    def module(self, named: list[tuple[str, str]]) -> None:
        if len(named) > 1:
            self.warn(f"hooks: more than one module ({', '.join(module for _, module in named)}), so none is loaded")
        elif named:
            file, module = named[0]
            path = self.place(posixpath.join(posixpath.dirname(file), module))
            if path is None or path not in self.files:
                self.warn(f"{file}: modules: there is no {_short(module)} in the plugin")
                return
            self.add(Component("mod", path, path, None, "", None, (path,)))

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
                found |= {name: (PLUGIN_MANIFEST, server) for name, server in _servers(one)}
        for name, (path, server) in found.items():
            line = f"{name}: {_command_line(server)}"
            self.add(Component("mcp", name, path, None, _words(server), _transport(server), (line,)))

    def starts(self, path: str | None, name: str, server: Any) -> bool:
        try:
            _SERVER.validate_python(server)
        except ValidationError as exc:
            self.warn(f"{path}: server {_short(name)}: {_why(exc)}")
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
                self.warn(f"mcpServers: there is no {_short(given)} in the plugin")
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
                self.warn(f"{path}: LSP servers: {_why(exc)}")
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
            self.warn(f"{path}: monitors: {_why(exc)}")
            return
        for monitor in listed:
            when = monitor.get("when", "always")
            line = f"{monitor['name']}: {monitor['command']}" + ("" if when == "always" else f" ({when})")
            command = _one_line(line.partition(": ")[2])
            self.add(Component("monitor", monitor["name"], path or "", None, monitor["description"], command, (line,)))

    def programs(self) -> None:
        for name in self.folders.get("bin", ([], []))[1]:
            self.add(Component("program", name, f"bin/{name}", None, "", None, (f"bin/{name}",)))

    def packages(self) -> None:
        """The packages that are installed with the plugin; who has a node_modules brings them."""
        inside, names = self.folders[""]
        lower = {name.lower() for name in (*inside, *names)}
        if "package.json" not in lower or "node_modules" in lower:
            return
        lockfile = next((name for name in kinds.LOCKFILES if name in lower), None)
        package = self.json("package.json")
        if lockfile is None or not isinstance(package, dict):
            return
        for key in kinds.PACKAGE_FIELDS:
            listed = package.get(key)
            wanted = (
                listed
                if isinstance(listed, dict)
                else dict.fromkeys(map(str, listed), "")
                if isinstance(listed, list)
                else {}
            )
            for name, version in wanted.items():
                line = f"{name} {version}".strip() + ("" if key == "dependencies" else f" ({key})")
                self.add(
                    Component("package", str(name), "package.json", None, "", _one_line(str(version)) or None, (line,))
                )

    def settings(self) -> None:
        file = self.json("settings.json")
        for path, given in (("settings.json", file), (PLUGIN_MANIFEST, self.manifest.get("settings"))):
            taken = {key: given[key] for key in kinds.SETTINGS if given.get(key)} if isinstance(given, dict) else {}
            for key, value in taken.items():
                shown = value if isinstance(value, str) else value.get("command", "") if isinstance(value, dict) else ""
                self.add(Component("setting", key, path, None, "", _one_line(str(shown)) or None, (f"{key}: {shown}",)))
            if taken:
                return

    def declared(self) -> None:
        """Channels, programs to download, other plugins."""
        for channel in _listed(self.manifest.get("channels")):
            if isinstance(channel, dict) and isinstance(server := channel.get("server"), str):
                detail = front_matter.line(channel.get("displayName"))
                line = f"{server} ({detail})" if detail else server
                self.add(Component("channel", server, PLUGIN_MANIFEST, None, "", detail, (line,)))
        binaries = self.manifest.get("binaries")
        for name, pinned in binaries.items() if isinstance(binaries, dict) else ():
            digest = pinned.get("sha256") if isinstance(pinned, dict) else None
            if isinstance(digest, str):
                self.add(Component("binary", str(name), PLUGIN_MANIFEST, None, "", None, (f"{name} ({digest[:12]})",)))
        highlighting = self.experimental.get("syntaxHighlighting")
        for language in _listed(highlighting.get("hljsLanguages")) if isinstance(highlighting, dict) else ():
            if isinstance(language, dict) and isinstance(name := language.get("id"), str):
                remote = _one_line(str(language.get("remote") or ""))
                self.add(Component("grammar", name, PLUGIN_MANIFEST, None, "", remote or None, (f"{name}: {remote}",)))
        for key in ("dependencies", "optionalDependencies"):
            for wanted in _listed(self.manifest.get(key)):
                name, version = _dependency(wanted)
                detail = (
                    " ".join(word for word in (version, "optional" if key != "dependencies" else "") if word) or None
                )
                line = f"{name} {detail}" if detail else name
                self.add(Component("dependency", name, PLUGIN_MANIFEST, None, "", detail, (line,)))


def _why(error: ValidationError) -> str:
    """The first thing that is wrong, and where."""
    first = error.errors(include_input=False, include_url=False)[0]
    places = ".".join(str(place) for place in first["loc"] if str(place) not in ("LocalServer", "RemoteServer"))
    return f"{places}: {reason(first)}" if places else reason(first)


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:MAX_DETAIL_CHARACTERS]


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _short(given: Any) -> str:
    return str(given).encode("unicode_escape").decode()[:80]


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else ()


def _servers(table: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, server in table.items() if isinstance(table, dict) else ():
        if isinstance(server, dict):
            yield str(name), server


def _described(declared: dict[str, Any]) -> dict[str, Any]:
    return {"description": declared["description"]} if isinstance(declared.get("description"), str) else {}


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
    helper = [f"(headers of: {server['headersHelper']})"] if server.get("headersHelper") else []
    return " ".join(map(str, [*words, *helper]))


def _hook_lines(event: str, groups: list[Any]) -> Iterator[str]:
    """`event [matcher]: what runs`, or who is asked."""
    for group in groups:
        if not isinstance(group, dict):
            continue
        matcher = f" [{group['matcher']}]" if group.get("matcher") else ""
        inner = group.get("hooks")
        for hook in inner if isinstance(inner, list) else [group]:
            if not isinstance(hook, dict):
                continue
            if hook.get("type") == "mcp_tool":
                what = f"{hook.get('server')}/{hook.get('tool')}"
            else:
                arguments = hook.get("args")
                words = [hook.get("command") or hook.get("url") or hook.get("prompt") or hook.get("type")]
                what = " ".join(map(str, [*words, *(arguments if isinstance(arguments, list) else [])]))
            yield f"{event}{matcher}: {what}"


def _dependency(wanted: Any) -> tuple[str, str]:
    """(name, or name@marketplace; range or empty)."""
    if isinstance(wanted, dict):
        name = str(wanted.get("name") or "")
        market = wanted.get("marketplace")
        return (f"{name}@{market}" if market else name), str(wanted.get("version") or "")
    return (wanted, "") if isinstance(wanted, str) else ("", "")
