"""Which rows a sync changes, from what is stored and what was read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from agnes.marketplace import differences, versions
from agnes.marketplace.differences import FileDifference, PluginDifference
from agnes.marketplace.limits import MAX_DESCRIPTION_CHARACTERS, MAX_KEYWORDS, MAX_TEXT_CHARACTERS
from agnes.marketplace.model import Item, Plugin, Refused
from agnes.marketplace.reading import NO_ROOM, WAITING, Content, Reading
from agnes.marketplace.versions import HELD, LIVE, Version


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides which version of a plugin is served."""

    commit: str
    hold: bool = False
    histories: Mapping[str, list[Version]] = field(default_factory=dict)
    blocked: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, FileDifference] = field(default_factory=dict)
    """What changed in the content that was read, against what was served."""


@dataclass
class Outcome:
    """Rows to write, and the report's lists."""

    rows: list[Plugin] = field(default_factory=list)
    reread: list[Plugin] = field(default_factory=list)
    """Rows of what was read from another commit and is the same, or waits: written, and no change."""
    items: list[tuple[str, list[Item]]] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    changes: list[PluginDifference] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    """New ones, and old ones that came again."""


def settle(
    marketplace_id: str,
    existing: dict[str, Plugin],
    readings: list[Reading],
    refused: list[Refused],
    standing: Standing,
    *,
    now: datetime,
) -> Outcome:
    """The rows that change, given the stored ones (tombstones included) and what was read. Pure.

    A plugin that cannot be read keeps its last good version; one that is gone becomes a tombstone
    and gets its flags back when it returns.
    """
    outcome = Outcome(refused=list(refused))
    listed = {reading.listed.entry.name for reading in readings} | {r.plugin for r in refused}
    for reading in readings:
        name = reading.listed.entry.name
        before = existing.get(name)
        if reading.problem and not reading.is_external and not reading.is_waiting:
            outcome.refused.append(Refused(name, reading.problem))
        read = row_of(marketplace_id, before, reading, now)
        history = list(standing.histories.get(name, []))
        if reading.content is not None:
            status = HELD if standing.hold else LIVE
            new = versions.of_row(read, reading.content.items, commit=standing.commit, now=now, status=status)
            history, written = versions.with_newest(history, new)
            outcome.versions += [written] if written else []
        after = read if reading.is_external else versions.serve(read, history, standing.blocked, now=now)
        if after.tree_id is not None:
            same_tree = before is not None and before.tree_id == after.tree_id
            after = replace(after, released_at=before.released_at if before is not None and same_tree else now)
        held = reading.content is not None and (after.tree_id, after.raw) != (read.tree_id, read.raw)
        touched = standing.files.get(name, FileDifference())
        if before is None or before.removed_at is not None:
            outcome.added.append(name)
            outcome.changes.append(differences.of_plugin("added", None, after, touched))
        elif replace(after, updated_at=before.updated_at) == before:
            continue
        elif _is_only_reread(before, after, reading):
            outcome.reread.append(replace(after, updated_at=before.updated_at))
            continue
        else:
            outcome.updated.append(name)
            verb, shown = ("held", read) if held else ("updated", after)
            outcome.changes.append(differences.of_plugin(verb, before, shown, touched))
        outcome.rows.append(after)
        if reading.content is not None and not held:
            outcome.items.append((name, reading.content.items))
        elif after.tree_id is not None and before is not None and before.tree_id != after.tree_id:
            chosen = versions.choose(history, standing.blocked, after.pinned_version)
            items = versions.items_of(chosen) if chosen else None
            outcome.items += [(name, items)] if items is not None else []
        elif after.tree_id is None and before is not None and before.tree_id is not None:
            outcome.items.append((name, []))
    for refusal in refused:
        before = existing.get(refusal.plugin)
        if before is not None and before.problem != refusal.reason:
            outcome.rows.append(replace(before, problem=refusal.reason, removed_at=None, updated_at=now))
    for name, before in existing.items():
        if name not in listed and before.removed_at is None:
            outcome.removed.append(name)
            outcome.changes.append(differences.of_plugin("removed", before, None, FileDifference()))
            outcome.rows.append(replace(before, removed_at=now, updated_at=now))
    return outcome


def _is_only_reread(before: Plugin, after: Plugin, reading: Reading) -> bool:
    """Whether nothing is new but from which commit it was read, or that it waits or waited for time."""
    told = before.problem if reading.is_waiting or before.problem in (WAITING, NO_ROOM) else after.problem
    return replace(after, updated_at=before.updated_at, fingerprint=before.fingerprint, problem=told) == before


def row_of(marketplace_id: str, before: Plugin | None, reading: Reading, now: datetime) -> Plugin:
    """The row of a listed plugin: the catalog's words, the content that can be served, the admin's flags."""
    entry, content = reading.listed.entry, reading.content
    manifest = content.manifest if content else None
    kept = before if before is not None and not reading.is_external else None
    # Where the catalog is silent, plugin.json speaks; if that was not read this time, what it said last time.
    said_before = kept if content is None else None
    return Plugin(
        marketplace_id=marketplace_id,
        name=entry.name,
        description=(
            entry.description or (manifest and manifest.description) or (said_before.description if said_before else "")
        )[:MAX_DESCRIPTION_CHARACTERS],
        upstream_version=_cut(
            entry.version or (manifest and manifest.version) or (said_before.upstream_version if said_before else None)
        ),
        author_name=_cut(
            entry.author_name
            or (manifest and manifest.author_name)
            or (said_before.author_name if said_before else None)
        ),
        homepage=entry.homepage or (manifest and manifest.homepage) or (said_before.homepage if said_before else None),
        category=_cut((reading.metadata or {}).get("category") or entry.category),
        keywords=list(
            entry.keywords or (manifest and manifest.keywords) or (said_before.keywords if said_before else [])
        )[:MAX_KEYWORDS],
        source_type=reading.source_type,
        source_spec=entry.source,
        # With the content that it came with: an entry may hold hooks of its own.
        raw=content.entry if content else kept.raw if kept is not None and kept.tree_id else reading.listed.raw,
        **_content_columns(content, kept, now),
        problem=reading.problem,
        is_system=before.is_system if before else False,
        disabled=before.disabled if before else False,
        created_at=before.created_at if before else now,
        updated_at=now,
        removed_at=None,
        metadata=reading.metadata,
        # Where nothing was read anew: that of the content that is kept, or of an external plugin only its entry's words.
        declared=content.declared if content else kept.declared if kept is not None else None,
        pinned_version=before.pinned_version if before else None,
        rollout_version=before.rollout_version if before else None,
        rollout_group=before.rollout_group if before else None,
        withheld=before.withheld if before and not reading.is_external else None,
    )


def _cut(text: str | None) -> str | None:
    """What is stored and shown of a text of any length."""
    return text[:MAX_TEXT_CHARACTERS] if text else text


def _content_columns(content: Content | None, kept: Plugin | None, now: datetime) -> dict[str, Any]:
    columns = ("tree_id", "git_oid", "version", "fingerprint", "size_bytes", "file_count")
    if content is not None:
        same = kept if kept is not None and kept.tree_id == content.tree_id else None
        return {c: getattr(content, c) for c in columns} | {"released_at": same.released_at if same else now}
    if kept is not None:
        return {c: getattr(kept, c) for c in (*columns, "released_at")}
    return dict.fromkeys(("tree_id", "git_oid", "version", "fingerprint", "released_at")) | {
        "size_bytes": 0,
        "file_count": 0,
    }
