"""Entities of the flea market as an upload and its approval will leave them: a stored tree, and rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agnes.kernel.ports import ObjectStore
from agnes.kernel.state import State, Tx
from agnes.marketplace import inventory
from agnes.trees import packaging
from agnes.trees import service as trees
from agnes.trees.model import TreeFile

SKILL = """---
name: {served}
description: Writes release notes from merged pull requests. Use it when a version is about to be announced.
---
# Release notes

Read the merged pull requests, group them, write one line for each.
"""
AGENT = """---
name: {served}
description: Reviews a budget line by line and says which of them nobody can explain.
---
You review budgets.
"""


def plant(
    state: State,
    store: ObjectStore,
    *,
    owner_id: str,
    name: str,
    now: datetime,
    owner: str = "bob",
    kind: str = "skill",
    status: str = "approved",
    entity_id: str = "",
    files: Mapping[str, str] | None = None,
    **given: Any,
) -> str:
    """Store an entity with what is inside it; its id. A plugin holds a skill and an agent."""
    served = f"{name}-by-{owner}"
    manifest = json.dumps({"name": served, "description": "Shared by a colleague.", "version": "1.0.0"})
    content = {".claude-plugin/plugin.json": manifest, "README.md": f"# {name}\n\nWhat **{name}** is for.\n"}
    if kind in ("skill", "plugin"):
        content[f"skills/{served if kind == 'skill' else 'notes'}/SKILL.md"] = SKILL.format(served=served)
    if kind in ("agent", "plugin"):
        agent = served if kind == "agent" else "auditor"
        content[f"agents/{agent}.md"] = AGENT.format(served=agent)
    content |= files or {}
    package = packaging.package(name=served, files=[TreeFile(path, body.encode()) for path, body in content.items()])
    tree = trees.put(store, package.files)
    items = inventory.of_plugin({file.path: file.body for file in package.files}).items()
    entity_id = entity_id or f"id-{name}"
    row = {
        "id": entity_id,
        "owner_user_id": owner_id,
        "owner_username": owner,
        "type": kind,
        "name": name,
        "served_name": served,
        "description": f"What {name} is for, in a sentence.",
        "category": "Productivity",
        "status": status,
        "version": package.version,
        "version_no": 1,
        "tree_id": tree.id,
        "size_bytes": tree.size_bytes,
        "created_at": now,
        "updated_at": now,
        "released_at": now,
        **given,
    }

    def change(tx: Tx) -> None:
        marks = ", ".join("?" for _ in row)
        tx.db.execute(f"INSERT INTO flea.entities ({', '.join(row)}) VALUES ({marks})", list(row.values()))
        for item in items:
            tx.db.execute(
                "INSERT INTO flea.items VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    entity_id,
                    item.kind,
                    item.name,
                    item.declared_name,
                    item.description,
                    item.relpath,
                    item.detail,
                    item.always_on,
                ],
            )

    state.commit("flea", change)
    return entity_id


@dataclass(frozen=True)
class Used:
    """Figures of 30 days."""

    entity_id: str
    served: str
    calls: int
    people: int
    trend: float | None = None
    cost: float | None = 0.0545


def use(state: State, figures: Sequence[Used]) -> None:
    """Windows and ten days of each, as the extraction leaves them."""

    def change(tx: Tx) -> None:
        for used in figures:
            tx.db.execute(
                """INSERT INTO telemetry.item_windows SELECT 'flea', $id, $served, 'plugin', $served, $calls // 4,
                    $people, 0, $calls, $people, 0, 20, 1000, 2000, 30000, 400, 33400, $trend, current_date, $cost,
                    CASE WHEN $cost IS NULL THEN 33400 ELSE 0 END, 0, 0, 0, NULL, 0""",
                {"id": used.entity_id, "served": used.served, "calls": used.calls, "people": used.people,
                 "trend": used.trend, "cost": used.cost},
            )  # fmt: skip
            tx.db.execute(
                """INSERT INTO telemetry.item_daily SELECT current_date - back::INTEGER, 'flea', $id, $served, 'plugin',
                    $served, $calls // 10 + CASE WHEN back = 0 THEN $calls % 10 ELSE 0 END, 1, 0, 10, 20, 30, 40, 0, 0
                FROM range(10) days(back)""",
                {"id": used.entity_id, "served": used.served, "calls": used.calls},
            )

    state.commit("telemetry", change)


def set_status(state: State, entity_id: str, status: str) -> None:
    state.commit(
        "flea", lambda tx: tx.db.execute("UPDATE flea.entities SET status = ? WHERE id = ?", [status, entity_id])
    )
