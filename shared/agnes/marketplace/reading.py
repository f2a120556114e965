"""One plugin out of a commit: its files judged, packaged, stored, and looked into."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agnes.kernel.git import (
    EXECUTABLE,
    FILE,
    GROUP_WRITABLE,
    SUBMODULE,
    SYMLINK,
    GitDamaged,
    GitFailed,
    GitRefused,
    GitSnapshot,
    GitUnreachable,
)
from agnes.kernel.ports import ObjectStore
from agnes.kernel.web import WebFailed, WebRefused, WebUnreachable
from agnes.marketplace.external import External
from agnes.marketplace.items import inner_items
from agnes.marketplace.manifest import PLUGIN_MANIFEST, Listed, PluginManifest, read_plugin_manifest
from agnes.marketplace.model import Item, Plugin
from agnes.marketplace.sources import EXTERNAL_KINDS, Inside, SourceInvalid, locate
from agnes.trees import hooks, packaging
from agnes.trees import service as trees
from agnes.trees.model import TreeFile
from agnes.trees.rules import MAX_FILE_BYTES, MAX_FILES, MAX_TREE_BYTES, UnsafePath, check_files, check_path

READING_FORMAT = 5
"""Raised when the same commit would be read differently, so that every marketplace is read again."""

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
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


@dataclass(frozen=True, slots=True)
class Reading:
    """A catalog's entry and what came of it: new content, the content that is stored already, or a reason."""

    listed: Listed
    source_type: str | None
    content: Content | None = None
    same: bool = False
    problem: str | None = None
    is_external: bool = False
    warnings: tuple[str, ...] = ()
    metadata: dict[str, Any] | None = None


def read_plugin(
    store: ObjectStore,
    snapshot: GitSnapshot,
    listed: Listed,
    plugin_root: str,
    *,
    known: Plugin | None,
    external: External | None = None,
) -> Reading:
    """Read one plugin. Input whose fingerprint is that of its row `known` is not read again.

    Without `external`, plugins of other repositories are only catalogued.
    """
    entry = listed.entry
    kind = _kind(entry.source)
    try:
        place = locate(entry.name, entry.source, plugin_root)
        if isinstance(place, Inside):
            return _read(store, snapshot, listed, place, known)
        if external is None or place.kind not in EXTERNAL_KINDS:
            return Reading(listed, place.kind, problem=place.reason, is_external=True)
        kind = place.kind
        with external.open(entry.source) as (elsewhere, folder):
            return _read(store, elsewhere, listed, Inside(kind, (folder,)), known)
    except (PluginRefused, SourceInvalid) as exc:
        return Reading(listed, kind, problem=str(exc))
    except (UnsafePath, packaging.ManifestInvalid, GitDamaged) as exc:
        return Reading(listed, kind, problem=exc.message)
    except (GitFailed, GitRefused, GitUnreachable, WebFailed, WebRefused, WebUnreachable) as exc:
        if kind not in EXTERNAL_KINDS:
            raise
        return Reading(listed, kind, problem=exc.message)


def _read(store: ObjectStore, snapshot: GitSnapshot, listed: Listed, place: Inside, known: Plugin | None) -> Reading:
    folder = _existing_folder(snapshot, place)
    fingerprint = _fingerprint(listed, folder)
    if known and known.fingerprint == fingerprint:
        return Reading(listed, place.kind, same=True)
    content, warnings = _content(store, listed, _files(snapshot, folder), fingerprint, known.tree_id if known else None)
    return Reading(listed, place.kind, content=content, warnings=tuple(warnings))


def _kind(source: object) -> str | None:
    if source is None:
        return None
    return "path" if isinstance(source, str) else "unknown"


def _existing_folder(snapshot: GitSnapshot, place: Inside) -> str:
    for folder in place.folders:
        found = snapshot.folder(folder)
        if found is not None:
            return found
    raise PluginRefused(f"the repository has no folder {place.folders[0]}")


def _fingerprint(listed: Listed, folder: str) -> str:
    """Equal if and only if reading would give the same content: the folder's id names all bytes and modes in it."""
    made_of = [READING_FORMAT, packaging.PACKAGING_FORMAT, folder, listed.raw]
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def _files(snapshot: GitSnapshot, folder: str) -> list[TreeFile]:
    """The files of a folder; every limit is kept while walking, as a few objects can name millions of files."""
    files: list[TreeFile] = []
    paths: set[str] = set()
    total = 0
    for entry in snapshot.walk(folder):
        check_path(entry.path)
        if entry.path in paths:
            raise UnsafePath(entry.path, "the name is given twice")
        paths.add(entry.path)
        if entry.mode == SYMLINK:
            raise UnsafePath(entry.path, "a symbolic link")
        if entry.mode == SUBMODULE:
            raise UnsafePath(entry.path, "a submodule, which is not fetched")
        if entry.mode not in (FILE, GROUP_WRITABLE, EXECUTABLE):
            raise UnsafePath(entry.path, f"the mode {entry.mode:o}, which is no plain file's")
        if len(files) >= MAX_FILES:
            raise UnsafePath(entry.path, f"more than {MAX_FILES} files")
        if entry.size_bytes > MAX_FILE_BYTES:
            raise UnsafePath(entry.path, f"larger than {MAX_FILE_BYTES} bytes")
        total += entry.size_bytes
        if total > MAX_TREE_BYTES:
            raise UnsafePath(entry.path, f"the files together are larger than {MAX_TREE_BYTES} bytes")
        files.append(TreeFile(entry.path, snapshot.read(entry.oid), entry.mode == EXECUTABLE))
    if not files:
        raise PluginRefused("the folder is empty")
    check_files(files)
    return files


def _content(
    store: ObjectStore, listed: Listed, files: list[TreeFile], fingerprint: str, known_tree: str | None
) -> tuple[Content, list[str]]:
    entry = listed.entry
    by_path = {file.path: file.body for file in files}
    manifest = read_manifest(by_path)
    package = packaging.package(
        name=entry.name, files=files, upstream_version=entry.version, description=entry.description
    )
    tree = trees.put(store, package.files, known=known_tree)
    items, warnings = inner_items(by_path, manifest, entry)
    if manifest.name not in (None, entry.name):
        shown = str(manifest.name).encode("unicode_escape").decode()[:80]
        warnings.append(f"{PLUGIN_MANIFEST}: the name is {shown}; it is served as {entry.name}")
    warnings += _of_newer_events(items)
    warnings += [f"{path}: a Git LFS pointer, the file itself is not served" for path in sorted(_pointers(files))]
    content = Content(
        tree_id=tree.id,
        git_oid=tree.git_oid,
        version=package.version,
        fingerprint=fingerprint,
        size_bytes=tree.size_bytes,
        file_count=len(tree.files),
        items=items,
        manifest=manifest,
    )
    return content, [f"{entry.name}: {warning}" for warning in warnings]


def _of_newer_events(items: Iterable[Item]) -> list[str]:
    return [
        f"{item.relpath}: hooks: {item.name} is an event that Claude Code {hooks.CLIENT} does not know: only later ones run it"
        for item in items
        if item.kind == "hook" and item.detail and item.detail not in hooks.EVENTS
    ]


def read_manifest(files: Mapping[str, bytes]) -> PluginManifest:
    """plugin.json among a plugin's files by path. Raises PluginRefused for what Claude Code would not load."""
    if PLUGIN_MANIFEST not in files:
        return PluginManifest()
    try:
        manifest = read_plugin_manifest(files[PLUGIN_MANIFEST])
    except ValueError as exc:
        raise PluginRefused(f"{PLUGIN_MANIFEST}: {exc}") from exc
    if missing := manifest.missing_path(files):
        raise PluginRefused(f"{PLUGIN_MANIFEST}: {missing}")
    return manifest


def _pointers(files: list[TreeFile]) -> list[str]:
    return [f.path for f in files if len(f.body) < _LFS_POINTER_BYTES and f.body.startswith(_LFS_POINTER)]
