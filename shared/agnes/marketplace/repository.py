"""The SQL of the `marketplace` state file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from agnes.kernel.state import Db, one_number
from agnes.marketplace.model import Item, Marketplace, Plugin, PluginItem, RecentSync, Registry, SyncLine, SyncReport

_REGISTRY = ", ".join(f"r.{f.name}" for f in fields(Registry))
_PLUGIN_FIELDS = tuple(f.name for f in fields(Plugin))
_PLUGIN = ", ".join(f"p.{name}" for name in _PLUGIN_FIELDS)
_JSON_COLUMNS = ("source_spec", "raw", "metadata", "declared")


def find_registry(db: Db, marketplace_id: str) -> Registry | None:
    row = db.execute(f"SELECT {_REGISTRY} FROM marketplace.registries r WHERE r.id = ?", [marketplace_id]).fetchone()  # noqa: S608 (our own column names)
    return Registry(*row) if row else None


def registry_ids(db: Db) -> list[str]:
    """Of all marketplaces, those that were synced longest ago first."""
    rows = db.execute("SELECT id FROM marketplace.registries ORDER BY last_synced_at NULLS FIRST, id").fetchall()
    return [row[0] for row in rows]


def marketplaces(db: Db, marketplace_id: str | None = None) -> list[Marketplace]:
    """By name; or the one."""
    rows = db.execute(
        """
        SELECT r.id, r.name, r.url, r.branch, r.ref, r.description, r.registered_by, r.registered_at, r.last_synced_at,
               r.last_commit_sha, r.last_error, r.token_name IS NOT NULL,
               (SELECT count(*) FROM marketplace.plugins p WHERE p.marketplace_id = r.id AND p.removed_at IS NULL),
               r.curator_name, r.curator_email, r.hold, r.allow_external
        FROM marketplace.registries r
        WHERE $id IS NULL OR r.id = $id
        ORDER BY lower(r.name), r.id
        """,
        {"id": marketplace_id},
    ).fetchall()
    return [Marketplace(*row) for row in rows]


def insert_registry(db: Db, registry: Registry) -> None:
    row = asdict(registry)
    marks = ", ".join("?" for _ in row)
    db.execute(f"INSERT INTO marketplace.registries ({', '.join(row)}) VALUES ({marks})", list(row.values()))  # noqa: S608


def update_registry(db: Db, marketplace_id: str, **changed: Any) -> None:
    sets = ", ".join(f"{column} = ?" for column in changed)
    db.execute(f"UPDATE marketplace.registries SET {sets} WHERE id = ?", [*changed.values(), marketplace_id])  # noqa: S608


def delete_registry(db: Db, marketplace_id: str, *, history: bool) -> None:
    """Remove a registry with its plugins, and with its sync history if asked."""
    db.execute("DELETE FROM marketplace.items WHERE marketplace_id = ?", [marketplace_id])
    db.execute("DELETE FROM marketplace.versions WHERE marketplace_id = ?", [marketplace_id])
    db.execute("DELETE FROM marketplace.renames WHERE marketplace_id = ?", [marketplace_id])
    db.execute("DELETE FROM marketplace.mirrored WHERE marketplace_id = ?", [marketplace_id])
    db.execute("DELETE FROM marketplace.plugins WHERE marketplace_id = ?", [marketplace_id])
    db.execute("DELETE FROM marketplace.registries WHERE id = ?", [marketplace_id])
    if history:
        db.execute("DELETE FROM marketplace.syncs WHERE marketplace_id = ?", [marketplace_id])


def plugins(db: Db, marketplace_id: str | None = None, *, removed: bool = False) -> list[Plugin]:
    """By marketplace and name; tombstones only if `removed`."""
    rows = db.execute(
        f"""
        SELECT {_PLUGIN} FROM marketplace.plugins p
        WHERE ($id IS NULL OR p.marketplace_id = $id) AND ($removed OR p.removed_at IS NULL)
        ORDER BY p.marketplace_id, p.name
        """,  # noqa: S608
        {"id": marketplace_id, "removed": removed},
    ).fetchall()
    return [_plugin(row) for row in rows]


def find_plugin(db: Db, marketplace_id: str, name: str) -> Plugin | None:
    """A plugin that is in the catalog now, None for tombstones too."""
    row = db.execute(
        f"""
        SELECT {_PLUGIN} FROM marketplace.plugins p
        WHERE p.marketplace_id = ? AND p.name = ? AND p.removed_at IS NULL
        """,  # noqa: S608
        [marketplace_id, name],
    ).fetchone()
    return _plugin(row) if row else None


def plugin_ids(db: Db) -> set[str]:
    """`<slug>/<plugin>` of every plugin that a catalog lists now."""
    rows = db.execute(
        "SELECT marketplace_id || '/' || name FROM marketplace.plugins WHERE removed_at IS NULL"
    ).fetchall()
    return {row[0] for row in rows}


def removed_at(db: Db, marketplace_id: str, name: str) -> datetime | None:
    """When its catalog stopped listing a plugin; None if it never did."""
    row = db.execute(
        "SELECT removed_at FROM marketplace.plugins WHERE marketplace_id = ? AND name = ?", [marketplace_id, name]
    ).fetchone()
    return row[0] if row else None


def _plugin(row: Sequence[Any]) -> Plugin:
    given = dict(zip(_PLUGIN_FIELDS, row, strict=True))
    for column in _JSON_COLUMNS:
        given[column] = json.loads(given[column]) if given[column] is not None else None
    return Plugin(**given)


def count_plugins(db: Db, marketplace_id: str) -> int:
    """Those that are in the catalog now."""
    return one_number(
        db, "SELECT count(*) FROM marketplace.plugins WHERE marketplace_id = ? AND removed_at IS NULL", [marketplace_id]
    )


def write_plugins(db: Db, changed: Sequence[Plugin]) -> None:
    """Insert or replace these rows, in two statements however many there are."""
    if not changed:
        return
    rows = [asdict(plugin) for plugin in changed]
    for row in rows:
        for column in _JSON_COLUMNS:
            # As text inside the document: a JSON column would be read back with its numbers normalised.
            row[column] = None if row[column] is None else json.dumps(row[column], ensure_ascii=False)
    _delete_plugins(db, "plugins", "name", [(p.marketplace_id, p.name) for p in changed])
    db.execute(
        f"INSERT INTO marketplace.plugins ({', '.join(_PLUGIN_FIELDS)}) "  # noqa: S608
        f"SELECT {', '.join(_PLUGIN_FIELDS)} FROM (SELECT unnest(from_json(?, ?), recursive := true))",
        [json.dumps(rows, default=_text), json.dumps([_PLUGIN_TYPES])],
    )


def set_flags(db: Db, marketplace_id: str, name: str, **flags: bool) -> None:
    sets = ", ".join(f"{column} = ?" for column in flags)
    db.execute(
        f"UPDATE marketplace.plugins SET {sets} WHERE marketplace_id = ? AND name = ?",  # noqa: S608
        [*flags.values(), marketplace_id, name],
    )


def replace_items(db: Db, marketplace_id: str, found: Iterable[tuple[str, Sequence[Item]]]) -> None:
    """Give these plugins these items, in two statements."""
    found = list(found)
    if not found:
        return
    _delete_plugins(db, "items", "plugin_name", [(marketplace_id, name) for name, _ in found])
    rows = [
        {"marketplace_id": marketplace_id, "plugin_name": name, **asdict(item)}
        for name, items in found
        for item in items
    ]
    if rows:
        db.execute(
            f"INSERT INTO marketplace.items ({', '.join(_ITEM_TYPES)}) "  # noqa: S608
            f"SELECT {', '.join(_ITEM_TYPES)} FROM (SELECT unnest(from_json(?, ?), recursive := true))",
            [json.dumps(rows), json.dumps([_ITEM_TYPES])],
        )


def _delete_plugins(db: Db, table: str, column: str, keys: Sequence[tuple[str, str]]) -> None:
    db.execute(
        f"DELETE FROM marketplace.{table} WHERE marketplace_id = ? AND {column} IN (SELECT unnest(?))",  # noqa: S608
        [keys[0][0], [name for _, name in keys]],
    )


def items(db: Db, marketplace_id: str | None = None, plugin: str | None = None) -> list[PluginItem]:
    rows = db.execute(
        """
        SELECT marketplace_id, plugin_name, kind, name, declared_name, description, relpath, detail, always_on
        FROM marketplace.items
        WHERE ($id IS NULL OR marketplace_id = $id) AND ($plugin IS NULL OR plugin_name = $plugin)
        ORDER BY marketplace_id, plugin_name, kind, name
        """,
        {"id": marketplace_id, "plugin": plugin},
    ).fetchall()
    return [PluginItem(row[0], row[1], Item(*row[2:])) for row in rows]


def insert_sync(
    db: Db, *, sync_id: str, started_at: datetime, ref: str, outcome: str, report: SyncReport, error: str | None
) -> None:
    """A line of history."""
    row = {
        "id": sync_id,
        "marketplace_id": report.id,
        "started_at": started_at,
        "duration_seconds": report.duration_seconds,
        "outcome": outcome,
        "commit_sha": report.commit or None,
        "added": report.added,
        "updated": report.updated,
        "removed": report.removed,
        "refused": json.dumps([asdict(r) for r in report.refused], ensure_ascii=False),
        "warnings": json.dumps(report.warnings, ensure_ascii=False),
        "error": error,
        "ref": ref,
        "changes": json.dumps([asdict(c) for c in report.changes], ensure_ascii=False),
        "renamed": json.dumps([asdict(r) for r in report.renamed], ensure_ascii=False),
    }
    marks = ", ".join("?" for _ in row)
    db.execute(f"INSERT INTO marketplace.syncs ({', '.join(row)}) VALUES ({marks})", list(row.values()))  # noqa: S608


_SYNC_COLUMNS = """id, started_at, duration_seconds, outcome, ref, commit_sha, added, updated, removed,
    coalesce(changes, '[]'), refused, warnings, error, coalesce(renamed, '[]')"""


def syncs(db: Db, marketplace_id: str, *, before: str | None, limit: int) -> list[SyncLine]:
    """Newest first, older than the sync `before`."""
    rows = db.execute(
        f"""
        SELECT {_SYNC_COLUMNS} FROM marketplace.syncs
        WHERE marketplace_id = $id AND ($before IS NULL OR id < $before)
        ORDER BY id DESC LIMIT $limit
        """,  # noqa: S608 (constant)
        {"id": marketplace_id, "before": before, "limit": limit},
    ).fetchall()
    return [SyncLine(*_sync(row)) for row in rows]


def recent_syncs(db: Db, *, before: str | None, limit: int) -> list[RecentSync]:
    """Of all marketplaces, newest first, older than the sync `before`."""
    rows = db.execute(
        f"""
        SELECT {_SYNC_COLUMNS}, marketplace_id FROM marketplace.syncs
        WHERE $before IS NULL OR id < $before ORDER BY id DESC LIMIT $limit
        """,  # noqa: S608 (constant)
        {"before": before, "limit": limit},
    ).fetchall()
    return [RecentSync(*(*_sync(row), row[14])) for row in rows]


def sync_outcomes(db: Db, since: datetime) -> dict[str, int]:
    """How many syncs that began since then had each outcome."""
    return dict(
        db.execute(
            "SELECT outcome, count(*) FROM marketplace.syncs WHERE started_at >= ? GROUP BY outcome", [since]
        ).fetchall()
    )


def _sync(row: tuple[Any, ...]) -> list[Any]:
    return [*row[:9], *map(json.loads, row[9:12]), row[12], json.loads(row[13])]


def old_syncs(db: Db, *, before: datetime, keep: int) -> list[str]:
    """Ids of those that began before a time and are not among a marketplace's `keep` newest."""
    rows = db.execute(
        """
        SELECT id FROM marketplace.syncs
        QUALIFY row_number() OVER (PARTITION BY marketplace_id ORDER BY id DESC) > $keep AND started_at < $before
        ORDER BY id
        """,
        {"keep": keep, "before": before},
    ).fetchall()
    return [row[0] for row in rows]


def remove_syncs(db: Db, ids: Sequence[str]) -> None:
    db.execute("DELETE FROM marketplace.syncs WHERE id IN (SELECT unnest(?::VARCHAR[]))", [list(ids)])


def _text(value: Any) -> str:
    text: str = value.isoformat()
    return text


_PLUGIN_TYPES = {f.name: "VARCHAR" for f in fields(Plugin)} | {
    "keywords": ["VARCHAR"],
    "size_bytes": "BIGINT",
    "file_count": "INTEGER",
    "is_system": "BOOLEAN",
    "disabled": "BOOLEAN",
    "created_at": "TIMESTAMPTZ",
    "updated_at": "TIMESTAMPTZ",
    "released_at": "TIMESTAMPTZ",
    "removed_at": "TIMESTAMPTZ",
}
_ITEM_TYPES = dict.fromkeys(("marketplace_id", "plugin_name", *(f.name for f in fields(Item))), "VARCHAR")
_ITEM_TYPES["always_on"] = "BIGINT"
