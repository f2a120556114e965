"""A plugin's folder as the client walks it: paths, folders, JSON files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from agnes.kernel.reasons import reason
from agnes.marketplace import components, strict_json
from agnes.marketplace.finding.model import Component, Inventory
from agnes.marketplace.limits import MAX_ITEMS
from agnes.marketplace.manifest import PLUGIN_MANIFEST

MAX_DEPTH = 32
MAX_DETAIL_CHARACTERS = 300
SKIPPED_FOLDER = ".mcpb-cache"
SKILL_FILE = re.compile(r"skill\.md", re.IGNORECASE)


class Plugin:
    """The served files of one plugin, as the client looks into them, and what was found so far."""

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
        if stop_at_skill and (skills := [name for name in texts if SKILL_FILE.fullmatch(name)]):
            yield joined(folder, skills[0])
            return
        for name in texts:
            yield joined(folder, name)
        if depth + 1 < MAX_DEPTH:
            for name in inside:
                if name != SKIPPED_FOLDER:
                    yield from self.markdown(joined(folder, name), stop_at_skill=stop_at_skill, depth=depth + 1)

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


def why(error: ValidationError) -> str:
    """The first thing that is wrong, and where."""
    first = error.errors(include_input=False, include_url=False)[0]
    places = ".".join(
        str(place) for place in first["loc"] if not (str(place)[:1].isupper() and hasattr(components, str(place)))
    )
    return f"{places}: {reason(first)}" if places else reason(first)


def one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))[:MAX_DETAIL_CHARACTERS]


def joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def short(given: Any) -> str:
    return str(given).encode("unicode_escape").decode()[:80]


def listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else ()
