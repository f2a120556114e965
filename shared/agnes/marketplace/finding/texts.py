"""Skills, agents, commands, workflows, output styles and themes."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Any

from agnes.claude_code import hook_guards
from agnes.claude_code.callers import Callers
from agnes.marketplace import front_matter, javascript
from agnes.marketplace.finding.hooks import Hooks, hook_lines
from agnes.marketplace.finding.model import Component, Document
from agnes.marketplace.finding.plugin import SKILL_FILE, SKIPPED_FOLDER, joined, one_line
from agnes.marketplace.limits import MAX_DESCRIPTION_CHARACTERS
from agnes.marketplace.manifest import PLUGIN_MANIFEST

MAX_DOCUMENT_BYTES = 1_048_576
"""The client reads no larger skill, command, agent or output style."""
MAX_NAME_CHARACTERS = 256
SKILL = "SKILL.md"

_NOT_IN_SKILL_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
_BLOCK = re.compile(r"```!\s*\n?(.*?)\n?```", re.DOTALL)
_INLINE = re.compile(r"(?:^|(?<=\s))!`([^`]+)`", re.MULTILINE)


def callers(fields: dict[str, Any]) -> str | None:
    """Who alone may use a skill or command, None if a person may type it and the model may call it."""
    typed = "user-invocable" not in fields or _is_true(fields["user-invocable"])
    called = not _is_true(fields.get("disable-model-invocation"))
    return Callers.of(typed=typed, called=called).value or None


def _is_true(value: Any) -> bool:
    """As the client reads a truth value of front matter."""
    return (front_matter.line(value) or "").lower() in ("1", "true", "yes", "on")


class Texts(Hooks):
    def document(self, kind: str, name: str, path: str, head: front_matter.Head, *, override: Any = None) -> None:
        """Add a skill, command, agent or output style."""
        fields = {**head.fields, **(override if isinstance(override, dict) else {})}
        if head.flawed:
            self.warn(f"{path}: its front matter is not YAML")
        description = front_matter.line(fields.get("description")) or ""
        is_forced = kind == "output-style" and front_matter.line(fields.get("force-for-plugin")) == "true"
        detail = "applies at once" if is_forced else callers(fields) if kind in ("skill", "command") else None
        shown = f"{kind} {name}: {description}" if description else f"{kind} {name}"
        shown += f" ({detail})" if detail else ""
        self.add(Component(kind, name, path, front_matter.line(fields.get("name")), description, detail, (shown,)))

    def head(self, path: str) -> front_matter.Head | None:
        body = self.files[path]
        if len(body) > MAX_DOCUMENT_BYTES:
            self.warn(f"{path}: larger than {MAX_DOCUMENT_BYTES} bytes, which Claude Code does not read")
            return None
        found = self.found.heads.get(path)
        if found is None:
            found = self.found.heads[path] = front_matter.head(body)
        return found

    def prompt(self, path: str, head: front_matter.Head, *, hooks: bool) -> None:
        """What a skill or command does by itself."""
        shell = tuple(
            match.strip() for found in (_BLOCK, _INLINE) for match in found.findall(head.text) if match.strip()
        )
        tools = tuple(str(head.fields[key]) for key in ("allowed-tools", "tools") if head.fields.get(key))
        if shell:
            lines = tuple(f"{path}: {command}" for command in shell)
            self.add(Component("shell", path, path, None, "", one_line("; ".join(shell)), lines))
        if tools:
            self.found.documents.append(Document(path, tools))
        if hooks and head.fields.get("hooks") is not None:
            self.front_matter_hooks(path, head.fields)

    def front_matter_hooks(self, path: str, fields: dict[str, Any]) -> None:
        """Those that run while a skill is used."""
        lost = [one] if (one := hook_guards.lost_in_front_matter(fields)) else []
        loaded = self.loadable(path, fields["hooks"], lost.append)
        if lost:
            self.warn(f"{path}: it is loaded without its hooks and without what it allows itself: {lost[0]}")
            return
        for event, groups in loaded.items():
            lines = tuple(f"{path}: {line}" for line in hook_lines(event, groups))
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
        path = joined(folder, SKILL)
        if path in self.files:
            if self.once("skill", path) and (head := self.head(path)):
                declared = str(head.fields.get("name") or "").strip().removeprefix(f"{self.plugin}:")
                name = declared or posixpath.basename(folder) or self.plugin
                self.skill(_NOT_IN_SKILL_NAMES.sub("-", name), path, head)
            return
        for name in self.folders.get(folder, ([], []))[0]:
            path = joined(joined(folder, name), SKILL)
            if name != SKIPPED_FOLDER and path in self.files and self.once("skill", path) and (head := self.head(path)):
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
                is_skill = bool(SKILL_FILE.fullmatch(file))
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
                path = place if name is None else joined(place, name)
                if path.endswith(ending) and self.once(key, path):
                    yield path


def _described(declared: dict[str, Any]) -> dict[str, Any]:
    return {"description": declared["description"]} if isinstance(declared.get("description"), str) else {}
