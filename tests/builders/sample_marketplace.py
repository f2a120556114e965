"""The demonstration marketplace as a git repository that a test may update, break and poison."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dulwich.objects import Commit, Tag
from dulwich.repo import Repo

from agnes_local.demo_repository import SUBMODULE, SYMLINK, BareRepository, File, demo_files

MARKETPLACE = "northwind-analytics"
PLUGINS = ("finops", "chartkit", "sql-style")
METADATA = ".claude-plugin/marketplace-metadata.json"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
MANIFEST = ".claude-plugin/marketplace.json"


PLUGIN_JSON = ".claude-plugin/plugin.json"


class SampleMarketplace(BareRepository):
    """`folder` must not exist yet; it becomes a bare repository holding the demonstration marketplace."""

    def __init__(self, folder: Path, files: Mapping[str, File] | None = None) -> None:
        super().__init__(folder, dict(demo_files() if files is None else files))
        self.commit("The guild's plugins")

    def manifest(self) -> dict[str, Any]:
        return json.loads(self.files[MANIFEST].body)

    def change(self, message: str, changes: Mapping[str, str | bytes | File | None]) -> str:
        """Write these files (None removes one) and commit; the commit's SHA."""
        for path, content in changes.items():
            if content is None:
                del self.files[path]
            elif isinstance(content, File):
                self.files[path] = content
            else:
                self.files[path] = File(content.encode() if isinstance(content, str) else content)
        return self.commit(message)

    def tag(self, name: str, *, commit: str | None = None, is_annotated: bool = False) -> None:
        """Name a commit, the newest where none is given."""
        with Repo(str(self.folder)) as repo:
            oid = commit.encode() if commit else repo.refs[b"HEAD"]
            if is_annotated:
                made = Tag()
                made.name, made.object, made.message = name.encode(), (Commit, oid), b"A release"
                made.tagger, made.tag_time, made.tag_timezone = b"A <a@example.com>", 1_764_000_000, 0
                repo.object_store.add_object(made)
                oid = made.id
            repo.refs[b"refs/tags/" + name.encode()] = oid

    def write_manifest(self, manifest: Any, message: str = "Change the catalog") -> str:
        """Commit a catalog: anything JSON-able, or the bytes themselves."""
        body = manifest if isinstance(manifest, bytes) else json.dumps(manifest, indent=2)
        return self.change(message, {MANIFEST: body})

    def release_finops(self, version: str, *, advice: str = "Mention the currency.") -> str:
        """A believable update: one more line in the forecast skill, and the new version in both manifests."""
        skill, plugin_json = "plugins/finops/skills/forecast/SKILL.md", "plugins/finops/.claude-plugin/plugin.json"
        manifest = self.manifest()
        next(plugin for plugin in manifest["plugins"] if plugin["name"] == "finops")["version"] = version
        changed = {
            skill: self.files[skill].body.decode() + f"5. {advice}\n",
            plugin_json: json.dumps(json.loads(self.files[plugin_json].body) | {"version": version}, indent=2),
            MANIFEST: json.dumps(manifest, indent=2),
        }
        return self.change(f"finops {version}", changed)

    def add_plugin(
        self, name: str, source: Any = None, extra: Mapping[str, str | bytes | File] | None = None, **entry: Any
    ) -> str:
        """Append a catalog entry for a small plugin and commit.

        `source` stands in the catalog as it is (a `./` path, an object, nonsense; `./plugins/<name>` when None). The
        plugin's files are written at its path, or at `plugins/<name>` where it names none; `extra` are more files,
        relative to that folder.
        """
        source = f"./plugins/{name}" if source is None else source
        folder = source if isinstance(source, str) and source.startswith("./") else f"plugins/{name}"
        folder = folder.removeprefix("./").rstrip("/")
        manifest = self.manifest()
        manifest["plugins"].append({"name": name, "source": source, "description": f"The {name} plugin", **entry})
        placed = {
            f"{folder}/{path}".lstrip("/"): body for path, body in (small_plugin(name) | dict(extra or {})).items()
        }
        return self.change(f"Add {name}", {**placed, MANIFEST: json.dumps(manifest, indent=2)})

    def write_page(self, plugin: str, **given: Any) -> str:
        """Give a plugin these words in marketplace-metadata.json, and commit."""
        document = json.loads(self.files[METADATA].body)
        document["plugins"][plugin] = given
        return self.change(f"The page of {plugin}", {METADATA: json.dumps(document, indent=2)})

    def add_page_files(self, plugin: str) -> str:
        """Give a plugin a cover and a document."""
        self.change("Media", {"media/cover.png": PNG, "media/guide.md": "# Guide\n"})
        return self.write_page(
            plugin, cover_photo="media/cover.png", doc_links=[{"name": "Guide", "path": "media/guide.md"}]
        )

    def add_hostile_plugin(self, kind: str) -> str:
        """Add the plugin `trap` with one thing wrong in it: a key of HOSTILE_FILES. The others stay sound."""
        return self.add_plugin("trap", extra=HOSTILE_FILES[kind])


HOSTILE_FILES: dict[str, dict[str, File]] = {
    "symlink to a secret": {"skills/hello/passwords.md": File(b"../../../../../../etc/passwd", SYMLINK)},
    "symlink inside the plugin": {"skills/hello/again.md": File(b"SKILL.md", SYMLINK)},
    "symlinked folder": {"shared": File(b"../finops", SYMLINK)},
    "parent segment": {"../../escaped.md": File(b"outside")},
    "dot segment": {"./twice.md": File(b"here")},
    "git metadata": {".git/config": File(b"[core]\n\tfsmonitor = touch /tmp/owned\n")},
    "git metadata in capitals": {"docs/.GIT/hooks/post-checkout": File(b"#!/bin/sh\n", 0o100755)},
    "device name": {"docs/CON.md": File(b"reserved on Windows")},
    "backslash": {"docs\\..\\..\\escaped.md": File(b"outside on Windows")},
    "drive letter": {"C:evil.md": File(b"outside on Windows")},
    "bidi override": {"skills/hello/\u202egpj.md": File(b"reads as something else")},
    "control character": {"docs/a\nb.md": File(b"two lines in a listing")},
    "trailing dot": {"docs/notes.": File(b"another name on Windows")},
    "case collision": {"docs/Readme.md": File(b"one"), "docs/README.md": File(b"other")},
    "unicode collision": {"docs/caf\u00e9.md": File(b"composed"), "docs/cafe\u0301.md": File(b"decomposed")},
    "submodule": {"vendor": File(b"e555c1ac0ab836e3dd846fc85c2a5646a15173dc", SUBMODULE)},
    "setuid mode": {"bin/tool": File(b"#!/bin/sh\n", 0o104755)},
    "overlong name": {"docs/" + "n" * 300 + ".md": File(b"longer than a file system takes")},
}
"""What goes wrong, to the files that do it, relative to the plugin's folder."""

EXTERNAL_SOURCES: dict[str, dict[str, str]] = {
    "github": {"source": "github", "repo": "northwind/vendored"},
    "url": {"source": "url", "url": "https://git.northwind.example/vendored.git"},
    "git-subdir": {"source": "git-subdir", "url": "https://git.northwind.example/mono.git", "path": "plugins/x"},
    "npm": {"source": "npm", "package": "@northwind/claude-plugin"},
}
"""Sources outside the repository: in the catalog, but without files of their own."""


def small_plugin(name: str, *, version: str = "1.0.0") -> dict[str, str]:
    """Files of the smallest useful plugin, relative to its own folder."""
    manifest = {"name": name, "version": version, "description": f"The {name} plugin"}
    skill = f"---\nname: hello\ndescription: Greets on behalf of {name}.\n---\n\nSay hello from {name}.\n"
    return {".claude-plugin/plugin.json": json.dumps(manifest, indent=2), "skills/hello/SKILL.md": skill}


def catalog(market: SampleMarketplace, name: str, entries: dict[str, Any] | None = None, /, **manifests: Any) -> str:
    """Replace the catalog by these plugins, each with what its plugin.json says; the commit."""
    listed = [
        {"name": plugin, "source": f"./plugins/{plugin}", **(entries or {}).get(plugin, {})} for plugin in manifests
    ]
    files = {
        f"plugins/{plugin}/{path}": body
        for plugin, said in manifests.items()
        for path, body in {**small_plugin(plugin), PLUGIN_JSON: json.dumps({"name": plugin, **said})}.items()
    }
    return market.change(
        "Catalog", {**files, MANIFEST: json.dumps({"name": name, "owner": {"name": "A"}, "plugins": listed})}
    )
