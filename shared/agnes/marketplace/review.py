"""Review of versions: what waits, what it changes, and an admin's decision about it."""

from __future__ import annotations

import difflib
import zlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from agnes.access import service as access
from agnes.kernel.errors import BadRequestError, ConflictError, NotFoundError
from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, State, Tx
from agnes.marketplace import blocking, capabilities, repository, versions
from agnes.marketplace.capabilities import Capabilities, CapabilityDifference
from agnes.marketplace.differences import FileDifference, between_trees
from agnes.marketplace.limits import MAX_PATCH_BYTES, MAX_PATCH_LINES, MAX_PATCHES
from agnes.marketplace.model import Plugin
from agnes.marketplace.service import get_plugin, get_registry
from agnes.marketplace.versions import LIVE, REJECTED, Version
from agnes.trees import service as trees
from agnes.trees.model import Tree


class VersionNotFound(NotFoundError):
    code = "version_not_found"

    def __init__(self, plugin: str, version: str) -> None:
        super().__init__(f"{plugin[:64]} has no version {version[:64]}", hint="List its versions.")


class Decision(BaseModel):
    model_config = ConfigDict(extra="forbid")

    approved: StrictBool
    reason: str = Field("", max_length=500)
    """Needed to reject."""


class Rollback(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: str
    """Id of a version."""


class Rollout(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: str
    group_id: str


@dataclass(frozen=True, slots=True)
class VersionLine:
    id: str
    version: str
    """As served, derived from content."""
    tree_id: str
    commit_sha: str | None
    read_at: datetime
    status: str
    """`live`, `held` (waits for a decision) or `rejected`."""
    is_newest: bool
    is_served: bool
    is_pinned: bool
    """Rolled back to this one."""
    rollout_group: str | None
    """The group that gets it before everybody."""
    blocked: str | None
    """The kill switch's reason."""
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Patch:
    path: str
    text: str
    """A unified diff, or what the file is if it is no text; cut at MAX_PATCH_LINES."""


@dataclass(frozen=True, slots=True)
class Review:
    version: VersionLine
    against: str | None
    """Id of the version that is served now; none if none is."""
    files: FileDifference
    capabilities: CapabilityDifference
    patches: list[Patch]
    entry_changed: bool
    """The catalog's entry differs from the served one."""


def lines(db: Db, marketplace_id: str, name: str) -> list[VersionLine]:
    """The versions of a plugin, newest first. Raises PluginNotFound."""
    plugin = get_plugin(db, marketplace_id, name)
    history = versions.histories(db, marketplace_id, name).get(name, [])
    blocked = versions.blocked_trees(db)
    chosen = versions.choose(history, blocked, plugin.pinned_version)
    return [_line(v, plugin, is_newest=v is history[0], is_served=v is chosen, blocked=blocked) for v in history]


def _line(v: Version, plugin: Plugin, *, is_newest: bool, is_served: bool, blocked: versions.Blocked) -> VersionLine:
    return VersionLine(
        v.id, v.version, v.tree_id, v.commit_sha, v.read_at, v.status, is_newest, is_served,
        plugin.pinned_version == v.id, plugin.rollout_group if plugin.rollout_version == v.id else None,
        blocked.get(v.tree_id), v.decided_at, v.decided_by, v.reason,
    )  # fmt: skip


def review(state: State, store: ObjectStore, marketplace_id: str, name: str, version_id: str) -> Review:
    """A version against the one that is served. Raises PluginNotFound, VersionNotFound, TreeDamaged."""
    with state.read("marketplace") as db:
        listed = lines(db, marketplace_id, name)
        history = versions.histories(db, marketplace_id, name).get(name, [])
    line = next((found for found in listed if found.id == version_id), None)
    if line is None:
        raise VersionNotFound(name, version_id)
    after = next(v for v in history if v.id == version_id)
    served = next((found.id for found in listed if found.is_served), None)
    before = next((v for v in history if v.id == served), None)
    old, new = _contents(store, before), _contents(store, after)
    files = between_trees(old[0], new[0])
    return Review(
        line,
        served,
        files,
        capabilities.difference(_capabilities(before, old) if before else None, _capabilities(after, new)),
        _patches(files, old[1], new[1]),
        entry_changed=before is None or before.raw != after.raw,
    )


def _contents(store: ObjectStore, version: Version | None) -> tuple[Tree | None, dict[str, bytes]]:
    if version is None:
        return None, {}
    tree, pack = trees.get(store, version.tree_id), trees.read_pack(store, version.tree_id)
    return tree, {f.path: zlib.decompress(pack[f.offset : f.offset + f.length]) for f in tree.files}


def _capabilities(version: Version, contents: tuple[Tree | None, dict[str, bytes]]) -> Capabilities:
    tree, files = contents
    executables = [f.path for f in tree.files if f.executable] if tree else []
    return capabilities.of(files, executables, version.raw)


def _patches(files: FileDifference, old: dict[str, bytes], new: dict[str, bytes]) -> list[Patch]:
    paths = sorted([*files.added, *files.changed, *files.removed])
    return [Patch(path, _patch(path, old.get(path), new.get(path))) for path in paths[:MAX_PATCHES]]


def _patch(path: str, old: bytes | None, new: bytes | None) -> str:
    try:
        before, after = ((body or b"").decode().splitlines() for body in (old, new))
    except UnicodeDecodeError:
        return f"no text: {len(old or b'')} bytes before, {len(new or b'')} after"
    if len(old or b"") + len(new or b"") > MAX_PATCH_BYTES:
        return f"too large to show: {len(old or b'')} bytes before, {len(new or b'')} after"
    if before == after:
        return "the executable bit or the end of a line"
    lines = list(difflib.unified_diff(before, after, f"a/{path}", f"b/{path}", lineterm=""))
    cut = [f"… {len(lines) - MAX_PATCH_LINES} more lines"] if len(lines) > MAX_PATCH_LINES else []
    return "\n".join([*lines[:MAX_PATCH_LINES], *cut])


def decide(
    state: State, who: Principal, of: tuple[str, str], version_id: str, given: Decision, *, now: datetime
) -> list[VersionLine]:
    """Approve or reject a version of the plugin `of` (marketplace, name); a decision may be changed.

    Raises PluginNotFound, VersionNotFound, BadRequestError `reason_required`.
    """
    who.require_admin()
    reason = " ".join(given.reason.split())
    if not given.approved and not reason:
        raise BadRequestError("say why it is rejected", code="reason_required")

    def change(tx: Tx) -> list[VersionLine]:
        plugin, version = _find(tx.db, of, version_id)
        if version is None:
            raise VersionNotFound(of[1], "")
        status = LIVE if given.approved else REJECTED
        decided = replace(version, status=status, decided_at=now, decided_by=who.email, reason=reason or None)
        versions.write(tx.db, [decided])
        if plugin.rollout_version == version_id:  # everybody has it now, or nobody
            repository.write_plugins(tx.db, [replace(plugin, rollout_version=None, rollout_group=None)])
        action = "approve" if given.approved else "reject"
        shown = {"version": version.version, "version_id": version_id, "reason": reason}
        tx.record(_change(of, action, shown, {"status": version.status}))
        return _settled(tx.db, of, now)

    return state.commit("marketplace", change)


def roll_back(
    state: State, who: Principal, of: tuple[str, str], version_id: str | None, *, now: datetime
) -> list[VersionLine]:
    """Serve this version until told otherwise, whatever syncs bring; None follows upstream again.

    Raises PluginNotFound, VersionNotFound, ConflictError `version_not_servable`.
    """
    who.require_admin()

    def change(tx: Tx) -> list[VersionLine]:
        plugin, version = _find(tx.db, of, version_id)
        if version is not None and (version.status != LIVE or version.tree_id in versions.blocked_trees(tx.db)):
            raise ConflictError(
                f"version {version.version} is {version.status if version.status != LIVE else 'blocked'}",
                code="version_not_servable",
                hint="Approve or unblock it first.",
            )
        repository.write_plugins(tx.db, [replace(plugin, pinned_version=version_id, updated_at=now)])
        shown = {"version": version.version if version else None, "version_id": version_id}
        was = {"version_id": plugin.pinned_version}
        tx.record(_change(of, "rollback" if version_id else "follow", shown, was))
        return _settled(tx.db, of, now)

    return state.commit("marketplace", change)


def roll_out(
    state: State, who: Principal, of: tuple[str, str], given: Rollout | None, *, now: datetime
) -> list[VersionLine]:
    """Serve a version, held or not, to the members of one group who have the plugin; None ends it.

    It lasts until it ends or that version is decided upon. Raises PluginNotFound, VersionNotFound,
    NotFoundError `group_not_found`, ConflictError `version_not_servable`.
    """
    who.require_admin()
    if given is not None:
        with state.read("people") as db:
            access.get_group(db, given.group_id)

    def change(tx: Tx) -> list[VersionLine]:
        plugin, version = _find(tx.db, of, given.version if given else None)
        if version is not None and (version.status == REJECTED or version.tree_id in versions.blocked_trees(tx.db)):
            raise ConflictError(f"version {version.version} is rejected or blocked", code="version_not_servable")
        group = given.group_id if given else None
        chosen = version.id if version else None
        repository.write_plugins(tx.db, [replace(plugin, rollout_version=chosen, rollout_group=group, updated_at=now)])
        shown = {"version": version.version if version else None, "version_id": chosen, "group_id": group}
        was = {"version_id": plugin.rollout_version, "group_id": plugin.rollout_group}
        tx.record(_change(of, "rollout" if given else "end_rollout", shown, was))
        return _settled(tx.db, of, now)

    return state.commit("marketplace", change)


def _find(db: Db, of: tuple[str, str], version_id: str | None) -> tuple[Plugin, Version | None]:
    marketplace_id, name = of
    get_registry(db, marketplace_id)
    plugin = get_plugin(db, marketplace_id, name)
    history = versions.histories(db, marketplace_id, name).get(name, [])
    version = next((v for v in history if v.id == version_id), None)
    if version is None and version_id is not None:
        raise VersionNotFound(name, version_id)
    return plugin, version


def _change(of: tuple[str, str], action: str, shown: dict[str, Any], was: dict[str, Any]) -> Change:
    return Change(f"marketplace.plugin.{action}", f"plugin:{of[0]}/{of[1]}", shown, was)


def _settled(db: Db, of: tuple[str, str], now: datetime) -> list[VersionLine]:
    blocking.serve_again(db, [of], now=now)
    return lines(db, *of)
