"""The served form of a plugin: one name and one content-derived version in its manifests.

Claude Code keeps what it installed under the version, so the version must change
when and only when the content does. It resolves plugin.json before the catalog's entry; both
get the same stamp.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agnes.claude_code import describing, manifests
from agnes.kernel.errors import InvalidError
from agnes.trees import hooks
from agnes.trees.model import TreeFile

MANIFEST = ".claude-plugin/plugin.json"
PACKAGING_FORMAT = 2
"""Raised when the served form changes, so that everybody gets the new form."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SEMVER = re.compile(r"^\d{1,9}\.\d{1,9}\.\d{1,9}(-[0-9A-Za-z.-]{1,64})?$")


class ManifestInvalid(InvalidError):
    code = "plugin_manifest_invalid"

    def __init__(self, reason: str) -> None:
        super().__init__(f"{MANIFEST}: {reason}", hint="Fix the file in its repository.")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Package:
    version: str
    files: tuple[TreeFile, ...]
    """By path, the stamped manifest included."""
    manifest: dict[str, Any]
    """plugin.json as served."""
    entry: dict[str, Any]
    """The catalog's entry as served, before it gets its name, source and version; its `name` is plugin.json's."""
    left_out: Mapping[str, str]
    """Path → reason, of files that the client does not load from the original."""


def package(
    *,
    name: str,
    files: Sequence[TreeFile],
    entry: Mapping[str, Any] | None = None,
    others: Collection[str] = (),
    upstream_version: str | None = None,
    description: str | None = None,
    keep_own_name: bool = True,
    replaced: Mapping[str, Any] | None = None,
) -> Package:
    """`files` of a plugin folder as they are served, under the name in plugin.json, or else `name` of the catalog.

    Without `keep_own_name` it is `name` whatever plugin.json says.

    `entry` is the catalog's, in served form: its components are the plugin's as well. `others` are folders of other plugins
    within this one's. `upstream_version` and `description` are the entry's, used where plugin.json has none. `replaced` are
    keys of plugin.json with their served values, None for those that are left out.
    Raises ManifestInvalid, manifests.Conflict.
    """
    kept = {file.path: file for file in files if not _is_private(file.path)}
    own = kept.pop(MANIFEST, None)
    upstream = manifest_in_served_form(_read_manifest(own)) if own else None
    effective = manifests.effective(upstream, entry or {}, kept)
    if manifests.is_root((entry or {}).get("source")):
        bodies = {path: file.body for path, file in kept.items()} | ({MANIFEST: own.body} if own else {})
        for path in manifests.with_their_folders(effective.left_out, bodies, others):
            kept.pop(path, None)
    for path in effective.left_out:
        kept.pop(path, None)
    manifest = {key: value for key, value in (effective.manifest | dict(replaced or {})).items() if value is not None}
    own_version = manifest.pop("version", None)
    served_entry, newer = hooks.of_entry(effective.entry)
    served, changed = hooks.apart(manifest.get("hooks"), lambda path: _json(kept.get(path)), newer)
    if hooks.NEWER_FILE in changed and hooks.NEWER_FILE in kept:
        raise ManifestInvalid(f"{hooks.NEWER_FILE} is the name of a file that Agnes adds: give yours another one")
    manifest.pop("hooks", None)
    if served is not None:
        manifest["hooks"] = served
    kept |= {path: TreeFile(path, _written(value)) for path, value in changed.items()}
    # What a person types is plugin.json's name, which need not be the catalog's (docs/claude-code-client.md, "Names").
    own_name = manifest.get("name")
    if keep_own_name and isinstance(own_name, str) and _NAME.fullmatch(own_name):
        name = own_name
    manifest["name"] = name
    if description and not manifest.get("description"):
        manifest["description"] = description
    base = own_version if isinstance(own_version, str) else upstream_version
    components = {kind: served_entry[kind] for kind in manifests.BESIDE if kind in served_entry}
    version = f"{_base_version(base)}+{_content_hash(manifest, components, kept.values())}"
    stamped = {"name": name, "version": version, **{k: v for k, v in manifest.items() if k != "name"}}
    kept[MANIFEST] = TreeFile(MANIFEST, _written(stamped))
    return Package(
        version,
        tuple(kept[path] for path in sorted(kept)),
        stamped,
        {**served_entry, "name": name},
        effective.left_out,
    )


def _written(value: dict[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def in_served_form(manifest: dict[str, Any]) -> dict[str, Any]:
    """plugin.json or a catalog's entry with what only describes put into the form that Claude Code takes.

    It refuses a whole plugin for an author that is a word, a repository that is an object (as in a package.json), and
    for every null.
    """
    served = {key: _in_served_form(key, value) for key, value in manifest.items()}
    return {key: value for key, value in served.items() if value is not None}


def manifest_in_served_form(manifest: dict[str, Any]) -> dict[str, Any]:
    """As `in_served_form` for a plugin.json, without the describing fields that the client leaves out (`describing.wrong`)."""
    served = in_served_form(manifest)
    gone = describing.wrong(served)
    return {key: value for key, value in served.items() if key not in gone}


def _in_served_form(key: str, value: Any) -> Any:
    """The value, or None if nothing of it can be said."""
    match key, value:
        case "repository", _:
            url = value.get("url") if isinstance(value, dict) else value
            return url if isinstance(url, str) else None
        case "author", str() | dict():
            said = {"name": value} if isinstance(value, str) else value
            return {word: text for word, text in said.items() if text is not None} if said.get("name") else None
        case "skills", "." | list():  # the oldest supported client knows the plugin's folder as ./ only
            return "./" if value == "." else ["./" if one == "." else one for one in value]
        case _:
            return value


def _is_private(path: str) -> bool:
    """What belongs to the marketplace's repository rather than to the plugin."""
    segments = path.split("/")
    return (
        ".agnes" in segments or segments[-1] == "marketplace-metadata.json" or path == ".claude-plugin/marketplace.json"
    )


def _read_manifest(file: TreeFile | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        manifest = json.loads(file.body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as exc:
        raise ManifestInvalid(f"not JSON ({str(exc)[:100]})") from exc
    if not isinstance(manifest, dict):
        raise ManifestInvalid("not a JSON object")
    return manifest


def _json(file: TreeFile | None) -> Any:
    """What a file holds, or None: whether it has to be JSON, others say."""
    try:
        return json.loads(file.body.decode("utf-8-sig")) if file else None
    except (ValueError, RecursionError):
        return None


def _base_version(upstream: str | None) -> str:
    """The upstream version without build metadata, if it is a semantic version."""
    plain = (upstream or "").strip().partition("+")[0].removeprefix("v")
    return plain if _SEMVER.match(plain) else "0.0.0"


def _content_hash(manifest: dict[str, Any], components: dict[str, Any], files: Any) -> str:
    listing = [
        PACKAGING_FORMAT,
        manifest,
        components,
        sorted([f.path, f.executable, hashlib.sha256(f.body).hexdigest()] for f in files),
    ]
    canonical = json.dumps(listing, sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(canonical).hexdigest()[:12]
