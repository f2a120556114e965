"""How the client puts plugin.json and the catalog's entry together, so that a plugin can be served with both stamped.

Read in versions 2.1.197 and 2.1.332, which agree, and held by `tests/journeys/test_original_and_feed.py`.

- Without a plugin.json the entry is the manifest. Its components replace what the plugin's files would give for the same
  kind (skills that are listed and hooks), or come beside the default folders (commands, agents, output styles, themes).
- With a plugin.json the entry's components come beside those of plugin.json, hooks of one event in place of plugin.json's;
  everything else in the entry that does something (servers, options, …) is ignored.
- `strict: false` beside a plugin.json and components in the entry is a conflict: the plugin does not load.
- Where the source is the repository's root and the entry lists skills that exist, the default folder `skills/` and the skills
  of plugin.json are not the plugin's, unless the list names the folder or the root.

A served plugin always has a plugin.json, and its source is never the root. So the parts that the client would then treat in
another way move: `effective` says where to.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

STANDARD_HOOKS = "hooks/hooks.json"
SKILL = "SKILL.md"
BESIDE = ("commands", "agents", "skills", "hooks", "outputStyles", "themes")
"""Components that the client takes from an entry although there is a plugin.json."""
_ONLY_WHERE_NO_MANIFEST = ("mcpServers", "lspServers", "channels", "userConfig", "skills")
"""What the client takes from an entry only where there is no plugin.json."""
_DESCRIBING = (
    "displayName", "description", "author", "homepage", "repository", "license", "keywords", "defaultEnabled",
    "dependencies", "optionalDependencies", "engines",
)  # fmt: skip
"""What says what the plugin is: in the entry, and in plugin.json where the plugin brings none."""
_NEVER_FROM_AN_ENTRY = ("monitors", "settings", "workflows")
"""Read from plugin.json and the plugin's folders before the client looks at the entry."""


class Conflict(ValueError):
    """The client does not load the plugin."""


@dataclass(frozen=True, slots=True)
class Effective:
    """What is served in place of plugin.json and of the catalog's entry, so that the client loads the same."""

    manifest: dict[str, Any]
    entry: dict[str, Any]
    left_out: Mapping[str, str]
    """Path → why the client does not load it from the original; these files are not served."""


def effective(manifest: Mapping[str, Any] | None, entry: Mapping[str, Any], paths: Collection[str]) -> Effective:
    """Where everything goes. `manifest` is the plugin's own plugin.json, None if it has none; `paths` are its files.

    Raises Conflict with the client's reason.
    """
    if manifest is not None and entry.get("strict") is False and any(_given(entry, kind) for kind in BESIDE):
        raise Conflict(
            "conflicting manifests: the plugin has a plugin.json, and its entry has `strict: false` and components of its own"
        )
    known = _Paths(paths)
    served = dict(manifest or {})
    kept = {key: value for key, value in entry.items() if key != "strict"}
    if not isinstance(kept.get("hooks"), dict):  # a path or a list is in no client's reach
        kept.pop("hooks", None)
    left_out: dict[str, str] = {}
    if manifest is None:
        for key in (*_ONLY_WHERE_NO_MANIFEST, *_DESCRIBING):
            if key in kept:
                served[key] = kept[key]
        for key in (*_ONLY_WHERE_NO_MANIFEST, *_NEVER_FROM_AN_ENTRY):
            kept.pop(key, None)
        if isinstance(entry.get("hooks"), dict) and STANDARD_HOOKS in known.files:
            left_out[STANDARD_HOOKS] = "the catalog's entry has hooks, which count in its place"
    if not _given(entry, "skills"):
        return Effective(served, kept, left_out)
    listed = [path for path in _texts(entry["skills"]) if known.has(_plain(path))]
    if not listed:
        served = {key: value for key, value in served.items() if key != "skills" or manifest is not None}
        kept.pop("skills", None)
        return Effective(served, kept, left_out)
    if manifest is None or is_root(entry.get("source")):
        kept.pop("skills", None)
        served["skills"] = listed
    if is_root(entry.get("source")):
        left_out |= dict.fromkeys(
            _not_listed(known, {_plain(path) for path in listed}), "a skill that the entry does not list"
        )
    return Effective(served, kept, left_out)


def is_root(source: Any) -> bool:
    """Whether a source is the root of the marketplace's repository."""
    return isinstance(source, str) and all(part in ("", ".") for part in re.split(r"[\\/]", source))


def with_their_folders(
    left_out: Collection[str], bodies: Mapping[str, bytes], others: Collection[str] = ()
) -> set[str]:
    """The files that are not served of a plugin whose source is the root: `left_out`, the files beside their SKILL.md, and the
    folders of `others` (plugins of the same repository).

    A folder that a file of the plugin mentions by its path is kept, but for what is `left_out`: skills share scripts and texts.
    """
    folders = {
        f"{path.rpartition('/')[0]}/" for path in left_out if path.rpartition("/")[2] == SKILL and path.count("/") > 1
    }
    named = {folder: f"{folder.split('/')[-2]}/".encode() for folder in folders}
    named |= {f"{folder}/": folder.encode() for folder in others if folder}
    below = {folder: [path for path in bodies if path.startswith(folder)] for folder in named}
    gone = {path for paths in below.values() for path in paths} | set(left_out)
    waiting = [body for path, body in bodies.items() if path not in gone]
    while waiting and below:  # what is mentioned is kept, and may mention others
        text, waiting = b"\n".join(waiting), []
        for folder in [one for one in below if named[one] in text]:
            for path in below.pop(folder):
                if path in gone and path not in left_out:
                    gone.discard(path)
                    waiting.append(bodies[path])
    return gone


def _not_listed(known: _Paths, listed: Collection[str]) -> Iterable[str]:
    """SKILL.md files that the client would load from the default folder although the list does not name them."""
    if "skills" in listed or "" in listed:
        return
    if f"skills/{SKILL}" in known.files:
        yield f"skills/{SKILL}"
    for path in known.files:
        folder, _, name = path.rpartition("/")
        if name == SKILL and folder.startswith("skills/") and folder.count("/") == 1 and folder not in listed:
            yield path


class _Paths:
    """Files, and the folders that they are in."""

    def __init__(self, files: Collection[str]) -> None:
        self.files = files if isinstance(files, (set, frozenset, dict)) else set(files)
        self.folders = {""}
        for path in files:
            while (path := path.rpartition("/")[0]) not in self.folders:
                self.folders.add(path)

    def has(self, path: str) -> bool:
        return path in self.files or path in self.folders


def _given(entry: Mapping[str, Any], key: str) -> bool:
    """Whether a value counts as given in JavaScript: an empty list and an empty object do, an empty text does not."""
    if key == "themes" and _given_theme(entry.get("experimental")):
        return True
    value = entry.get(key)
    return isinstance(value, (list, dict)) or bool(value)


def _given_theme(experimental: Any) -> bool:
    return isinstance(experimental, dict) and _given(experimental, "themes")


def _texts(value: Any) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _plain(path: str) -> str:
    """`./skills//one/.` as `skills/one`."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))
