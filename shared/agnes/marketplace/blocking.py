"""The kill switch: content that is taken out of every feed at once, by its hash."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from agnes.kernel.errors import BadRequestError, NotFoundError
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, State, Tx
from agnes.marketplace import repository, versions

_TREE_ID = re.compile(r"[0-9a-f]{64}")


class BlockReason(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=500)
    """Shown to those who lose the version."""


@dataclass(frozen=True, slots=True)
class BlockedTree:
    tree_id: str
    reason: str
    blocked_at: datetime
    blocked_by: str
    plugins: list[str]
    """`<marketplace>/<plugin>` that have or had it."""


def blocked(db: Db) -> list[BlockedTree]:
    """What is blocked, newest first."""
    rows = db.execute(
        "SELECT tree_id, reason, blocked_at, blocked_by FROM marketplace.blocked_trees ORDER BY blocked_at DESC, tree_id"
    ).fetchall()
    return [
        BlockedTree(
            tree_id, reason, blocked_at, blocked_by, ["/".join(h) for h in sorted(versions.holders(db, tree_id))]
        )
        for tree_id, reason, blocked_at, blocked_by in rows
    ]


def block(state: State, who: Principal, tree_id: str, reason: str, *, now: datetime) -> BlockedTree:
    """Serve this content to nobody, whichever plugin holds it; each falls back to its last version that may be served.

    Known or not: content may be blocked before it arrives. Again gives it the new reason.
    Raises BadRequestError.
    """
    who.require_admin()
    words = " ".join(reason.split())
    if not _TREE_ID.fullmatch(tree_id):
        raise BadRequestError("a content hash is 64 hexadecimal digits", code="invalid_tree_id")
    if not words:
        raise BadRequestError("say why it is blocked", code="reason_required")

    def change(tx: Tx) -> BlockedTree:
        tx.db.execute(
            "INSERT OR REPLACE INTO marketplace.blocked_trees (tree_id, reason, blocked_at, blocked_by) VALUES (?, ?, ?, ?)",
            [tree_id, words, now, who.email],
        )
        touched = serve_again(tx.db, versions.holders(tx.db, tree_id), now=now)
        tx.record(Change("feed.tree.block", f"tree:{tree_id}", {"reason": words, "plugins": touched}))
        return next(tree for tree in blocked(tx.db) if tree.tree_id == tree_id)

    return state.commit("marketplace", change)


def add(db: Db, reasons: Mapping[str, str], *, now: datetime) -> None:
    """Block content that is blocked content under another name: its plugin was renamed."""
    for tree_id, reason in reasons.items():
        db.execute(
            "INSERT OR IGNORE INTO marketplace.blocked_trees (tree_id, reason, blocked_at, blocked_by) VALUES (?, ?, ?, ?)",
            [tree_id, reason, now, "sync"],
        )


def unblock(state: State, who: Principal, tree_id: str, *, now: datetime) -> None:
    """Let it be served again where it is the version to serve. Raises NotFoundError."""
    who.require_admin()

    def change(tx: Tx) -> None:
        before = versions.blocked_trees(tx.db).get(tree_id)
        if before is None:
            raise NotFoundError("this content is not blocked", code="not_blocked")
        tx.db.execute("DELETE FROM marketplace.blocked_trees WHERE tree_id = ?", [tree_id])
        touched = serve_again(tx.db, versions.holders(tx.db, tree_id), now=now)
        tx.record(Change("feed.tree.unblock", f"tree:{tree_id}", {"plugins": touched}, {"reason": before}))

    state.commit("marketplace", change)


def serve_again(db: Db, plugins: Iterable[tuple[str, str]], *, now: datetime) -> list[str]:
    """Settle anew what is served of these (marketplace, plugin), tombstones included; those that changed."""
    blocked_now = versions.blocked_trees(db)
    changed = []
    for marketplace_id, name in sorted(plugins):
        before = next((p for p in repository.plugins(db, marketplace_id, removed=True) if p.name == name), None)
        if before is None:
            continue
        history = versions.histories(db, marketplace_id, name).get(name, [])
        after = versions.serve(before, history, blocked_now, now=now)
        if after == before:
            continue
        if after.tree_id != before.tree_id and after.tree_id is not None:
            after = replace(after, released_at=now)
        repository.write_plugins(db, [after])
        chosen = versions.choose(history, blocked_now, after.pinned_version)
        items = versions.items_of(chosen) if chosen else []
        if items is not None:
            repository.replace_items(db, marketplace_id, [(name, items)])
        changed.append(f"{marketplace_id}/{name}")
    return changed
