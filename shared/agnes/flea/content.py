"""What was uploaded: recognised as a skill, an agent or a plugin, and baked into the plugin that is served of it.

The anchor (a plugin's `.claude-plugin/plugin.json`, a skill's `SKILL.md`, an agent's Markdown file) may be anywhere in an archive.
The shallowest one decides, for previews and for uploads by the same code; what is not below it is left out and named.

A skill is served as a plugin with `skills/<served>/`, an agent as one with `agents/<served>.md`, so that each is typed by the name
that its page shows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agnes.claude_code import manifests
from agnes.claude_code.components import BY_KIND, DESCRIBED
from agnes.flea import naming
from agnes.flea.archive import ArchiveInvalid, is_archive, unpack
from agnes.flea.model import EntityType
from agnes.kernel.errors import InvalidError
from agnes.marketplace import always_on, front_matter, inventory
from agnes.marketplace.model import Item
from agnes.marketplace.reading import PluginRefused, read_manifest
from agnes.trees import packaging
from agnes.trees.model import TreeFile
from agnes.trees.rules import UnsafePath, check_files

MANIFEST = ".claude-plugin/plugin.json"
_FOLDER = ".claude-plugin/"
_SKILL_FILE = "SKILL.md"
_NAME_LINE = re.compile(r"^name[ \t]*:[^\n]*\n(?:[ \t]+[^\n]*\n|[ \t]*\n(?=[ \t]))*", re.MULTILINE)
_MAX_NAMED = 50
"""Paths of each list that are named; the others are counted."""


class ContentInvalid(InvalidError):
    """The files are no skill, agent or plugin that can be served; `code` says which rule."""

    def __init__(self, code: str, message: str, *, hint: str) -> None:
        super().__init__(message, code=code, hint=hint)


@dataclass(frozen=True, slots=True)
class Recognised:
    """What an upload is, without a served name."""

    type: EntityType
    name: str
    """What it calls itself, as a name; may be empty."""
    description: str
    files: tuple[TreeFile, ...]
    """Relative to its own folder; of an agent its one file, as `agent.md`."""
    left_out: tuple[str, ...] = ()
    """Paths of the archive that are not part of it."""


@dataclass(frozen=True, slots=True)
class Component:
    """Something inside, as the preview shows it."""

    type: str
    name: str
    file: str
    description: str
    ok: bool
    issues: list[str]


@dataclass(frozen=True, slots=True)
class Baked:
    """The plugin that is served of an upload."""

    version: str
    files: tuple[TreeFile, ...]
    items: list[Item]
    components: list[Component]
    notes: list[str] = field(default_factory=list)
    """What the client does not load, and why."""

    @property
    def by_path(self) -> dict[str, bytes]:
        return {file.path: file.body for file in self.files}

    @property
    def executables(self) -> list[str]:
        return [file.path for file in self.files if file.executable]


def read_upload(filename: str, body: bytes, wanted: EntityType | None = None) -> Recognised:
    """A zip (`.zip`, `.skill`, `.plugin`, whatever it is called), or the Markdown file of a skill or an agent.

    Raises ContentInvalid, and the errors of `agnes.flea.archive.unpack`.
    """
    if is_archive(body):
        unpacked = unpack(body)
        found = recognise(unpacked.files, wanted)
        return replace(found, left_out=(*found.left_out, *unpacked.left_out))
    name = filename.replace("\\", "/").rpartition("/")[2]
    if not name.lower().endswith((".md", ".markdown")):
        raise ArchiveInvalid(
            f"{name[:80]!r} is neither a zip archive nor a Markdown file",
            hint="Share a zip of a folder, a SKILL.md, a .skill file, or the Markdown file of an agent.",
        )
    is_skill = wanted == "skill" or (wanted is None and name.lower() == "skill.md")
    return recognise([TreeFile(_SKILL_FILE if is_skill else name, body)], wanted)


def recognise(files: Sequence[TreeFile], wanted: EntityType | None = None) -> Recognised:
    """Find the anchor among files. Raises ContentInvalid."""
    manifest = _shallowest(file for file in files if file.path == MANIFEST or file.path.endswith(f"/{MANIFEST}"))
    skill = _shallowest(file for file in files if file.path.rpartition("/")[2] == _SKILL_FILE)
    if manifest:
        if wanted in ("skill", "agent"):
            raise ContentInvalid(
                "zip_looks_like_plugin",
                f"this is a plugin: it has {manifest[0].path}",
                hint="Share it as a plugin, or only the folder of the skill.",
            )
        return _plugin(files, _only(manifest, "plugins"))
    if wanted == "plugin":
        raise ContentInvalid(
            "zip_missing_claude_plugin_json",
            f"there is no {MANIFEST} in it",
            hint="Add one with the plugin's name and description, or share a skill or an agent by itself.",
        )
    if skill:
        if wanted == "agent":
            raise ContentInvalid(
                "zip_looks_like_skill", f"this is a skill: it has {skill[0].path}", hint="Share it as a skill."
            )
        return _skill(files, _only(skill, "skills"))
    if wanted == "skill":
        misspelt = next((f.path for f in files if f.path.rpartition("/")[2].lower() == "skill.md"), None)
        raise ContentInvalid(
            "zip_missing_skill_md",
            f"there is no {_SKILL_FILE} in it" + (f", only {misspelt}" if misspelt else ""),
            hint=f"Claude Code reads the name {_SKILL_FILE} exactly.",
        )
    return _agent(files)


def bake(found: Recognised, *, served: str, description: str, replaced: Mapping[str, Any] | None = None) -> Baked:
    """The served plugin. `replaced` are more keys of plugin.json. Raises ContentInvalid, UnsafePath."""
    manifest: dict[str, Any] = {"description": description, **(replaced or {})}
    if found.type == "skill":
        files = [replace(f, path=f"skills/{served}/{f.path}") for f in found.files]
        files = _renamed(files, f"skills/{served}/{_SKILL_FILE}", served)
    elif found.type == "agent":
        files = _renamed([replace(found.files[0], path=f"agents/{served}.md")], f"agents/{served}.md", served)
    else:
        files = list(found.files)
    try:
        check_files(files)
        read_manifest({file.path: file.body for file in files})
        package = packaging.package(name=served, files=files, keep_own_name=False, replaced=manifest)
    except UnsafePath as exc:
        raise ContentInvalid("zip_unsafe_path", exc.message, hint="Rename or remove the file.") from exc
    except (packaging.ManifestInvalid, PluginRefused, manifests.Conflict) as exc:
        raise ContentInvalid(
            "plugin_json_invalid", str(exc), hint="Claude Code would not load the plugin; correct the file."
        ) from exc
    by_path = {file.path: file.body for file in package.files}
    inside = inventory.of_plugin(by_path, package.entry)
    if inside.refused:
        raise ContentInvalid("plugin_json_invalid", inside.refused, hint="Claude Code would not load the plugin.")
    notes = [*inside.warnings, *(f"{path}: {reason}" for path, reason in package.left_out.items())]
    items = always_on.projected(inside.items(), by_path, served, inside.heads)
    return Baked(package.version, package.files, items, _components(inside), notes)


def unbaked(type: EntityType, served: str, files: Sequence[TreeFile]) -> Recognised:
    """What a stored version was baked from, to be baked again under another name or description."""
    if type == "skill":
        folder = f"skills/{served}/"
        kept = [replace(f, path=f.path.removeprefix(folder)) for f in files if f.path.startswith(folder)]
    elif type == "agent":
        kept = [replace(f, path="agent.md") for f in files if f.path == f"agents/{served}.md"]
    else:
        kept = list(files)
    return Recognised(type, "", "", tuple(kept))


def listed(paths: Sequence[str]) -> list[str]:
    """Paths for people: the first of them, and how many more there are."""
    more = len(paths) - _MAX_NAMED
    return [*paths[:_MAX_NAMED], *([f"… and {more} more"] if more > 0 else [])]


def _shallowest(files: Any) -> list[TreeFile]:
    """Those that are in the fewest folders."""
    found = sorted(files, key=lambda file: (file.path.count("/"), file.path))
    return [file for file in found if file.path.count("/") == found[0].path.count("/")]


def _only(anchors: Sequence[TreeFile], what: str) -> TreeFile:
    if len(anchors) > 1:
        shown = ", ".join(file.path for file in anchors[:3]) + (", …" if len(anchors) > 3 else "")
        raise ContentInvalid(
            "zip_ambiguous",
            f"there are {len(anchors)} {what} in it: {shown}",
            hint="Share one at a time, or all of them as a plugin with a .claude-plugin/plugin.json.",
        )
    return anchors[0]


def _below(files: Sequence[TreeFile], folder: str) -> tuple[tuple[TreeFile, ...], tuple[str, ...]]:
    """(files of a folder by their paths in it, paths of the others). The folder is empty or ends in a slash."""
    kept = tuple(replace(f, path=f.path[len(folder) :]) for f in files if f.path.startswith(folder))
    return kept, tuple(f.path for f in files if not f.path.startswith(folder))


def _plugin(files: Sequence[TreeFile], anchor: TreeFile) -> Recognised:
    kept, left_out = _below(files, anchor.path[: -len(MANIFEST)])
    try:
        manifest = json.loads(anchor.body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as exc:
        raise ContentInvalid(
            "plugin_json_invalid", f"{anchor.path}: not JSON ({str(exc)[:100]})", hint="Correct the file."
        ) from exc
    if not isinstance(manifest, dict):
        raise ContentInvalid("plugin_json_invalid", f"{anchor.path}: not a JSON object", hint="Correct the file.")
    name, description = manifest.get("name"), manifest.get("description")
    return Recognised(
        "plugin",
        naming.suggested(name) if isinstance(name, str) else "",
        front_matter.line(description) or "",
        kept,
        left_out,
    )


def _skill(files: Sequence[TreeFile], anchor: TreeFile) -> Recognised:
    folder = anchor.path[: -len(_SKILL_FILE)]
    kept, left_out = _below(files, folder)
    fields = _fields(anchor)
    name = front_matter.line(fields.get("name")) or folder.rstrip("/").rpartition("/")[2]
    return Recognised(
        "skill", naming.suggested(name), front_matter.line(fields.get("description")) or "", kept, left_out
    )


def _agent(files: Sequence[TreeFile]) -> Recognised:
    candidates = []
    for file in files:
        if file.path.lower().endswith((".md", ".markdown")) and f"/{_FOLDER}" not in f"/{file.path}":
            fields = front_matter.head(file.body).fields
            name, description = front_matter.line(fields.get("name")), front_matter.line(fields.get("description"))
            if name and description:
                candidates.append((file, name, description))
    if not candidates:
        raise ContentInvalid(
            "zip_missing_agent_md_with_frontmatter",
            "there is no SKILL.md, no .claude-plugin/plugin.json, and no Markdown file with a name and a description in it",
            hint="An agent's file begins with --- and has name: and description: before the next ---.",
        )
    anchor = _only(_shallowest(file for file, _, _ in candidates), "agents")
    name, description = next((name, words) for file, name, words in candidates if file is anchor)
    left_out = tuple(file.path for file in files if file is not anchor)
    return Recognised("agent", naming.suggested(name), description, (replace(anchor, path="agent.md"),), left_out)


def _fields(file: TreeFile) -> dict[str, Any]:
    head = front_matter.head(file.body)
    if head.flawed:
        raise ContentInvalid(
            "front_matter_invalid",
            f"{file.path}: what is between the --- lines is no YAML, so Claude Code reads no name and no description",
            hint="Quote values that hold a colon, and indent with spaces.",
        )
    return head.fields


def _renamed(files: Sequence[TreeFile], path: str, name: str) -> list[TreeFile]:
    """The same files, with this name in the front matter of one."""
    return [replace(f, body=_with_name(f.body, name)) if f.path == path else f for f in files]


def _with_name(body: bytes, name: str) -> bytes:
    text = body.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")
    line = f"name: {name}\n"
    start = re.match(r"---[ \t]*\n", text)
    end = text.find("\n---", start.end() - 1) if start else -1
    if start is None or end < 0:
        return f"---\n{line}---\n{text}".encode()
    block = text[start.end() : end + 1]
    changed = _NAME_LINE.sub("", block)
    written = f"{text[: start.end()]}{line}{changed}{text[end + 1 :]}".encode()
    if front_matter.head(written).fields.get("name") != name:
        raise ContentInvalid(
            "front_matter_invalid", "the name in the front matter cannot be replaced", hint="Write it as one line."
        )
    return written


def _components(inside: inventory.Inventory) -> list[Component]:
    found = []
    for component in inside.components:
        row = BY_KIND[component.kind]
        issues = [w.partition(": ")[2] for w in inside.warnings if w.startswith(f"{component.path}: ")]
        if component.kind in DESCRIBED and not component.description:
            issues.append("it has no description, so Claude does not know when to use it")
        found.append(
            Component(row.kind, component.name, component.path, component.description, ok=not issues, issues=issues)
        )
    return found
