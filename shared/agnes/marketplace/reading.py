"""One plugin out of a commit: its files judged, packaged, stored, and looked into."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from agnes.claude_code import components, describing, events, manifests
from agnes.claude_code.versions import NEWEST, OLDEST
from agnes.kernel.git import GitDamaged, GitSnapshot
from agnes.kernel.ports import ObjectStore
from agnes.marketplace import always_on, inventory, strict_json
from agnes.marketplace import declared as declarations
from agnes.marketplace.components import newer_forms
from agnes.marketplace.declared import Declared
from agnes.marketplace.manifest import CATALOG, PLUGIN_MANIFEST, Listed, PluginManifest, read_plugin_manifest
from agnes.marketplace.model import Item, Plugin
from agnes.marketplace.plugin_files import (
    PluginFiles,
    Resolved,
    TooManyEntries,
    Unresolved,
    links_out,
    plugin_files,
    resolve,
)
from agnes.marketplace.sources import Inside, SourceInvalid, locate
from agnes.trees import packaging
from agnes.trees import service as trees
from agnes.trees.model import TreeFile
from agnes.trees.rules import UnsafePath

READING_FORMAT = 6
"""Raised when the same commit would be read differently, so that every marketplace is read again."""

WAITING = "there was no time left to fetch it; the next sync begins with it"
"""The problem of a plugin of another place that waits."""
NO_ROOM = "this sync has fetched as much as one may; the next sync begins with it"
"""The same, of one for which there was time."""

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_ALIKE = 0.9
_LFS_POINTER_BYTES = 1024  # a pointer is smaller (the specification of git-lfs)


class PluginRefused(Exception):
    """The plugin is not served in this version; the message names the path where there is one."""


@dataclass(frozen=True, slots=True)
class Content:
    """What can be served of a plugin."""

    tree_id: str
    git_oid: str
    version: str
    fingerprint: str
    size_bytes: int
    file_count: int
    items: list[Item]
    manifest: PluginManifest
    entry: dict[str, Any]
    """The catalog's entry as it is served."""
    declared: Declared = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """A catalog's entry and what came of it: new content, the content that is stored already, or a reason."""

    listed: Listed
    source_type: str | None
    content: Content | None = None
    same: bool = False
    problem: str | None = None
    is_external: bool = False
    """Only catalogued: the marketplace may not have sources of other places, or this kind is not fetched."""
    is_waiting: bool = False
    """There was no time for it; `problem` says so, and the next sync begins with it."""
    warnings: tuple[str, ...] = ()
    metadata: dict[str, Any] | None = None


def read_plugin(
    store: ObjectStore,
    snapshot: GitSnapshot,
    listed: Listed,
    plugin_root: str,
    *,
    known: Plugin | None,
) -> Reading:
    """Read one plugin of the repository. Input whose fingerprint is that of its row `known` is not read again.

    Plugins of other places are only catalogued: `agnes.marketplace.fetching` reads them.
    """
    entry = listed.entry
    try:
        place = locate(entry.name, entry.source, plugin_root)
    except SourceInvalid as exc:
        return Reading(listed, _kind(entry.source), problem=str(exc))
    if not isinstance(place, Inside):
        return Reading(listed, place.kind, problem=place.reason, is_external=True)
    return read_folder(store, snapshot, listed, place, known=known)


def read_folder(
    store: ObjectStore,
    snapshot: GitSnapshot,
    listed: Listed,
    place: Inside,
    *,
    known: Plugin | None,
    fingerprint: str | None = None,
) -> Reading:
    """Read a plugin from a folder of `snapshot`; what is wrong with it is its reading's problem, and nobody else's.

    `fingerprint` names everything that the content is made of, where the caller knows it without the folder.
    """
    try:
        return _read(store, snapshot, listed, place, (known, fingerprint))
    except (PluginRefused, SourceInvalid, TooManyEntries, manifests.Conflict) as exc:
        return Reading(listed, place.kind, problem=str(exc))
    except (UnsafePath, packaging.ManifestInvalid, GitDamaged) as exc:
        return Reading(listed, place.kind, problem=exc.message)


def _read(
    store: ObjectStore,
    snapshot: GitSnapshot,
    listed: Listed,
    place: Inside,
    before: tuple[Plugin | None, str | None],
) -> Reading:
    known, given = before
    folder = _existing_folder(snapshot, place)
    fingerprint = given or _fingerprint(listed, folder)
    if known and _is_same(known.fingerprint or "", fingerprint, snapshot, folder, place):
        return Reading(listed, place.kind, same=True)
    found = plugin_files(snapshot, folder, within=place.within)
    if not found.files:
        raise PluginRefused("; ".join(["the folder is empty", *found.left_out]))
    if given is None:
        fingerprint += _linked(found.linked)
    content, warnings = _content(store, listed, found, fingerprint, known.tree_id if known else None)
    return Reading(listed, place.kind, content=content, warnings=tuple(warnings))


def _kind(source: object) -> str | None:
    if source is None:
        return None
    return "path" if isinstance(source, str) else "unknown"


def _existing_folder(snapshot: GitSnapshot, place: Inside) -> Resolved:
    """The first of the place's folders that exists. Raises PluginRefused."""
    problem = ""
    for folder in place.folders:
        try:
            found = resolve(snapshot, folder)
        except Unresolved as exc:
            problem = problem or (str(exc) if "submodule" in str(exc) else "")
            continue
        if found.tree is not None:
            return found
    if problem:
        raise PluginRefused(f"the plugin is {problem}")
    raise PluginRefused(f"the repository has no folder {place.folders[0]}")


def _fingerprint(listed: Listed, folder: Resolved) -> str:
    """Equal if and only if reading would give the same content: the folder's id names all bytes and modes in it. What its
    links lead to elsewhere is added by `_linked`."""
    made_of: list[Any] = [READING_FORMAT, packaging.PACKAGING_FORMAT, folder.tree, listed.raw]
    if listed.others and manifests.is_root(listed.entry.source):
        made_of.append(listed.others)
    if listed.names.mark:
        made_of.append(listed.names.mark)
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def _linked(targets: list[str]) -> str:
    return "+" + hashlib.sha256("\n".join(targets).encode("utf-8", "surrogateescape")).hexdigest() if targets else ""


def _is_same(known: str, fingerprint: str, snapshot: GitSnapshot, folder: Resolved, place: Inside) -> bool:
    """Whether the fingerprint `known` of what was read before is of what would be read now."""
    if not known.startswith(fingerprint):
        return False
    if known == fingerprint:
        return True
    return known == fingerprint + _linked(links_out(snapshot, folder, within=place.within))


def _content(
    store: ObjectStore,
    listed: Listed,
    found: PluginFiles,
    fingerprint: str,
    known_tree: str | None,
) -> tuple[Content, list[str]]:
    entry, files = listed.entry, found.files
    by_path = {file.path: file.body for file in files}
    manifest = read_manifest(by_path)
    raw = strict_json.parse(by_path[PLUGIN_MANIFEST]) if PLUGIN_MANIFEST in by_path else None
    declared = declarations.declared(raw, listed.raw, listed.names.follow)
    package = packaging.package(
        name=entry.name,
        files=files,
        entry=listed.raw,
        others=listed.others,
        upstream_version=entry.version,
        description=entry.description,
        replaced=declarations.served_manifest(declared, raw or {}),
    )
    tree = trees.put(store, package.files, known=known_tree)
    served = {file.path: file.body for file in package.files}
    inside = inventory.of_plugin(served, package.entry)
    if inside.refused:
        raise PluginRefused(inside.refused)
    items, warnings = inside.items(), list(inside.warnings)
    ignored = describing.wrong(packaging.in_served_form(raw or {}))
    warnings += [f"{PLUGIN_MANIFEST}: {key}: {wrong}, so it is left out" for key, wrong in ignored.items()]
    warnings += [
        f"{PLUGIN_MANIFEST}: {form} needs Claude Code {NEWEST}; {OLDEST} does not load the plugin"
        for form in newer_forms(package.manifest)
    ]
    heads = {path: head for path, head in inside.heads.items() if served[path] == by_path.get(path)}
    if manifest.name not in (None, entry.name):
        shown = str(manifest.name).encode("unicode_escape").decode()[:80]
        called = package.manifest["name"]
        told = f"people type /{called}:…" if called == manifest.name else f"it is served as {entry.name}"
        warnings.append(f"{PLUGIN_MANIFEST}: the name is {shown}: {told}")
    warnings += [f"{PLUGIN_MANIFEST}: {lost}" for lost in manifest.lost_paths(by_path)]
    warnings += [f"{CATALOG}: {lost}" for lost in entry.lost_paths(by_path)]
    if listed.raw.get("hooks") is not None and not isinstance(listed.raw["hooks"], dict):
        warnings.append(f"{CATALOG}: hooks: Claude Code loads an object alone from an entry, so these are left out")
    warnings += _of_newer_clients(items)
    warnings += [f"{path}: a Git LFS pointer, the file itself is not served" for path in sorted(_pointers(files))]
    content = Content(
        tree_id=tree.id,
        git_oid=tree.git_oid,
        version=package.version,
        fingerprint=fingerprint,
        size_bytes=tree.size_bytes,
        file_count=len(tree.files),
        items=always_on.projected(items, by_path, entry.name, heads),
        manifest=manifest,
        entry=package.entry,
        declared=declared,
    )
    warnings += [f"{left}; it is left out" for left in found.left_out]
    warnings += [
        f"{path}: {reason}; it is left out" for path, reason in package.left_out.items() if path.count("/") < 2
    ]
    return content, [f"{entry.name}: {warning}" for warning in warnings]


def _of_newer_clients(items: Iterable[Item]) -> list[str]:
    """What the oldest supported client does not run, each with the version that it needs."""
    found = []
    for item in items:
        event, kind = item.detail if item.kind == "hook" else None, components.BY_KIND[item.kind]
        if event and event not in events.KNOWN:
            meant = get_close_matches(event, events.KNOWN, 1, _ALIKE)
            hint = f" (is {meant[0]} meant?)" if meant else ""
            found.append(f"{item.relpath}: hooks: {event} is an event that Claude Code {NEWEST} does not know{hint}")
        elif event and event not in events.EVERYWHERE:
            found.append(
                f"{item.relpath}: hooks: {event} runs in Claude Code {events.SINCE[event]} and later, not in {OLDEST}"
            )
        elif kind.since != OLDEST:
            found.append(
                f"{item.relpath}: {kind.label} ({item.name}) need Claude Code {kind.since}; {OLDEST} loads the plugin without"
            )
    return found


def read_manifest(files: Mapping[str, bytes]) -> PluginManifest:
    """plugin.json among a plugin's files by path. Raises PluginRefused for what Claude Code would not load."""
    if PLUGIN_MANIFEST not in files:
        return PluginManifest()
    try:
        manifest = read_plugin_manifest(files[PLUGIN_MANIFEST])
    except ValueError as exc:
        raise PluginRefused(f"{PLUGIN_MANIFEST}: {exc}") from exc
    return manifest


def _pointers(files: list[TreeFile]) -> list[str]:
    return [f.path for f in files if len(f.body) < _LFS_POINTER_BYTES and f.body.startswith(_LFS_POINTER)]
