"""How many versions and syncs are remembered.

A version goes when it is neither in use nor among the newest nor young. In use is what is served,
rolled back to, rolled out, or upstream's newest. A rejected version stays as long as its plugin does,
since a decision holds when the same content comes again; so many are only made by hand.

A plugin that its repository removed long ago gives up its content. Its row stays, with what an admin
decided about it. The trees and assets themselves go later, by `agnes.feed.sweeping`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from agnes.kernel.state import Change, Db, State, Tx
from agnes.marketplace import repository, versions
from agnes.marketplace.limits import KEEP_SYNC_DAYS, KEEP_SYNCS
from agnes.marketplace.model import Plugin
from agnes.marketplace.versions import REJECTED, Version


@dataclass(frozen=True, slots=True)
class Keep:
    """`versions` newest ones of each plugin, and all that are younger than `days`; syncs likewise."""

    versions: int
    days: int
    syncs: int = KEEP_SYNCS
    sync_days: int = KEEP_SYNC_DAYS


@dataclass(frozen=True, slots=True)
class Plan:
    versions: list[Version]
    emptied: list[Plugin]
    """Removed plugins that give up their content."""
    syncs: list[str]


def prune(state: State, keep: Keep, *, now: datetime, dry_run: bool = False) -> dict[str, int]:
    """Forget what is too much; how much of each. One commit: done wholly, or not at all."""
    with state.read("marketplace") as db:
        found = plan(db, keep, now=now)
    report = _report(found)
    if dry_run or not any(report.values()):
        return report

    def change(tx: Tx) -> dict[str, int]:
        due = plan(tx.db, keep, now=now)  # syncs and decisions may have come meanwhile
        versions.remove(tx.db, due.versions)
        for plugin in due.emptied:
            repository.write_plugins(tx.db, [_emptied(plugin)])
            repository.replace_items(tx.db, plugin.marketplace_id, [(plugin.name, [])])
        repository.remove_syncs(tx.db, due.syncs)
        done = _report(due)
        tx.record(Change("marketplace.prune", "marketplace:*", done))
        return done

    return state.commit("marketplace", change)


def plan(db: Db, keep: Keep, *, now: datetime) -> Plan:
    """What is due."""
    before = now - timedelta(days=keep.days)
    going: list[Version] = []
    emptied = []
    for marketplace_id in repository.registry_ids(db):
        blocked = versions.blocked_trees(db)
        histories = versions.histories(db, marketplace_id)
        for plugin in repository.plugins(db, marketplace_id, removed=True):
            history = histories.get(plugin.name, [])
            if plugin.removed_at is not None and plugin.removed_at < before:
                going += [v for v in history if v.status != REJECTED]
                emptied += [plugin] if plugin.tree_id is not None or plugin.metadata is not None else []
            else:
                going += removable(plugin, history, blocked, keep=keep.versions, before=before)
    syncs = repository.old_syncs(db, before=now - timedelta(days=keep.sync_days), keep=keep.syncs)
    return Plan(going, emptied, syncs)


def removable(
    plugin: Plugin, history: Sequence[Version], blocked: versions.Blocked, *, keep: int, before: datetime
) -> list[Version]:
    """Of a plugin's versions, the newest first, those that nobody needs. Pure."""
    served = versions.choose(history, blocked, plugin.pinned_version)
    used = {plugin.pinned_version, plugin.rollout_version, served.id if served else None}
    return [
        v
        for v in history[max(1, keep) :]
        if v.read_at < before and v.status != REJECTED and v.id not in used and v.tree_id != plugin.tree_id
    ]


def _emptied(plugin: Plugin) -> Plugin:
    return replace(
        plugin, tree_id=None, git_oid=None, version=None, fingerprint=None, size_bytes=0, file_count=0, released_at=None,
        metadata=None, pinned_version=None, rollout_version=None, rollout_group=None, withheld=None,
    )  # fmt: skip


def _report(due: Plan) -> dict[str, int]:
    return {
        "versions_removed": len(due.versions),
        "plugins_emptied": len(due.emptied),
        "syncs_removed": len(due.syncs),
    }
