"""The versions of a plugin, and which of them is served.

    served = the one that an admin rolled back to, else the newest that is live and not blocked

A version is the tree and the catalog's entry together: an entry may carry hooks and servers too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from agnes.kernel.state import Db
from agnes.marketplace.model import Item, Plugin

LIVE, HELD, REJECTED = "live", "held", "rejected"
Blocked = Mapping[str, str]
"""Tree id → reason."""


@dataclass(frozen=True, slots=True)
class Version:
    marketplace_id: str
    plugin_name: str
    id: str
    tree_id: str
    git_oid: str
    version: str
    description: str
    raw: dict[str, Any]
    items: list[dict[str, Any]] | None
    size_bytes: int
    file_count: int
    commit_sha: str | None
    read_at: datetime
    status: str
    decided_at: datetime | None = None
    decided_by: str | None = None
    reason: str | None = None
    declared: dict[str, Any] | None = None
    """`agnes.marketplace.declared`; None if it was read before there was that."""


def of_row(plugin: Plugin, items: Sequence[Item], *, commit: str, now: datetime, status: str) -> Version:
    """The version that a freshly read row holds."""
    digest = hashlib.sha256(json.dumps([plugin.tree_id, plugin.raw], sort_keys=True).encode()).hexdigest()
    return Version(
        plugin.marketplace_id, plugin.name, digest[:32], plugin.tree_id or "", plugin.git_oid or "", plugin.version or "",
        plugin.description, plugin.raw, [asdict(item) for item in items], plugin.size_bytes, plugin.file_count,
        commit, now, status, declared=plugin.declared,
    )  # fmt: skip


def with_newest(history: Sequence[Version], new: Version) -> tuple[list[Version], Version | None]:
    """(history with `new` in front, what of it is to be written). An old decision about it stands."""
    if history:  # clocks stand still or go back; the order of versions does not
        new = replace(new, read_at=max(new.read_at, history[0].read_at + timedelta(microseconds=1)))
    same = next((v for v in history if v.tree_id == new.tree_id and v.raw == new.raw), None)
    if same is None:
        return [new, *history], new
    if same is history[0] and same.declared == new.declared:
        return list(history), None
    again = replace(same, read_at=new.read_at, declared=new.declared)
    return [again, *(v for v in history if v is not same)], again


def choose(history: Sequence[Version], blocked: Blocked, pinned: str | None) -> Version | None:
    """The version to serve; `history` has the newest first."""
    allowed = [v for v in history if v.tree_id not in blocked and v.status == LIVE]
    return next((v for v in allowed if v.id == pinned), None) or next(iter(allowed), None)


def serve(plugin: Plugin, history: Sequence[Version], blocked: Blocked, *, now: datetime) -> Plugin:
    """The row with what is served of it, and the reason if that is not the newest version."""
    if not history:
        return plugin
    newest, chosen = history[0], choose(history, blocked, plugin.pinned_version)
    withheld = None if chosen is newest else _reason(newest, chosen, blocked)
    if chosen is None:
        return replace(
            plugin, tree_id=None, git_oid=None, version=None, size_bytes=0, file_count=0, released_at=None, withheld=withheld
        )  # fmt: skip
    return replace(
        plugin,
        tree_id=chosen.tree_id,
        git_oid=chosen.git_oid,
        version=chosen.version,
        description=chosen.description,
        raw=chosen.raw,
        size_bytes=chosen.size_bytes,
        file_count=chosen.file_count,
        declared=chosen.declared,
        withheld=withheld,
        released_at=plugin.released_at or now,
    )


def _reason(newest: Version, chosen: Version | None, blocked: Blocked) -> str:
    if newest.tree_id in blocked:
        return f"version {newest.version} is blocked: {blocked[newest.tree_id]}"
    if newest.status == HELD:
        return f"version {newest.version} waits for an admin's approval"
    if newest.status == REJECTED:
        return f"version {newest.version} was rejected: {newest.reason}"
    return f"rolled back to {chosen.version if chosen else 'nothing'}"


def items_of(version: Version) -> list[Item] | None:
    return None if version.items is None else [Item(**item) for item in version.items]


# SQL ------------------------------------------------------------------------------------------

_FIELDS = tuple(f.name for f in fields(Version))
_COLUMNS = ", ".join(_FIELDS)


def histories(db: Db, marketplace_id: str, plugin: str | None = None) -> dict[str, list[Version]]:
    """By plugin, the newest first."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM marketplace.versions "  # noqa: S608 (our own column names)
        "WHERE marketplace_id = $id AND ($plugin IS NULL OR plugin_name = $plugin) ORDER BY read_at DESC, id",
        {"id": marketplace_id, "plugin": plugin},
    ).fetchall()
    return _grouped(rows)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A plugin's newest version, held for a decision."""

    plugin_name: str
    id: str
    version: str
    read_at: datetime


def waiting(db: Db, marketplace_id: str) -> list[Waiting]:
    """What waits for an admin, by plugin."""
    rows = db.execute(
        """
        SELECT plugin_name, id, version, read_at FROM (
            SELECT *, row_number() OVER (PARTITION BY plugin_name ORDER BY read_at DESC, id) AS place
            FROM marketplace.versions WHERE marketplace_id = ?
        ) WHERE place = 1 AND status = 'held' ORDER BY plugin_name
        """,
        [marketplace_id],
    ).fetchall()
    return [Waiting(*row) for row in rows]


def count_waiting(db: Db) -> dict[str, int]:
    """Marketplace → versions that wait, of those where any does."""
    rows = db.execute(
        """
        SELECT marketplace_id, count(*) FROM (
            SELECT *, row_number() OVER (PARTITION BY marketplace_id, plugin_name ORDER BY read_at DESC, id) AS place
            FROM marketplace.versions
        ) WHERE place = 1 AND status = 'held' GROUP BY 1
        """
    ).fetchall()
    return dict(rows)


def holders(db: Db, tree_id: str) -> list[tuple[str, str]]:
    """(marketplace, plugin) of every plugin that has or had this tree."""
    return db.execute(
        "SELECT DISTINCT marketplace_id, plugin_name FROM marketplace.versions WHERE tree_id = ?", [tree_id]
    ).fetchall()


def _grouped(rows: Sequence[Sequence[Any]]) -> dict[str, list[Version]]:
    found: dict[str, list[Version]] = {}
    for row in rows:
        given = dict(zip(_FIELDS, row, strict=True))
        given["raw"] = json.loads(given["raw"])
        for column in ("items", "declared"):
            given[column] = json.loads(given[column]) if given[column] is not None else None
        version = Version(**given)
        found.setdefault(version.plugin_name, []).append(version)
    return found


def write(db: Db, changed: Sequence[Version]) -> None:
    """Insert or replace these."""
    if not changed:
        return
    rows = [asdict(version) for version in changed]
    for row in rows:
        row["raw"] = json.dumps(row["raw"], ensure_ascii=False)
        for column in ("items", "declared"):
            row[column] = None if row[column] is None else json.dumps(row[column], ensure_ascii=False)
    db.execute(
        f"INSERT OR REPLACE INTO marketplace.versions ({_COLUMNS}) "  # noqa: S608
        f"SELECT {_COLUMNS} FROM (SELECT unnest(from_json(?, ?), recursive := true))",
        [json.dumps(rows, default=lambda value: value.isoformat()), json.dumps([_TYPES])],
    )


def remove(db: Db, gone: Sequence[Version]) -> None:
    for marketplace_id in {v.marketplace_id for v in gone}:
        ids = [[v.plugin_name, v.id] for v in gone if v.marketplace_id == marketplace_id]
        db.execute(
            "DELETE FROM marketplace.versions WHERE marketplace_id = ? AND [plugin_name, id] IN (SELECT unnest(?::VARCHAR[][]))",
            [marketplace_id, ids],
        )


def blocked_trees(db: Db) -> dict[str, str]:
    return dict(db.execute("SELECT tree_id, reason FROM marketplace.blocked_trees").fetchall())


_TYPES = {f.name: "VARCHAR" for f in fields(Version)} | {
    "size_bytes": "BIGINT",
    "file_count": "INTEGER",
    "read_at": "TIMESTAMPTZ",
    "decided_at": "TIMESTAMPTZ",
}
