"""Plugins as the catalogue of `agnes.browse` shows them, and as telemetry names them. The SQL of it, over `marketplace` alone."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from agnes.kernel.state import Db
from agnes.marketplace import repository

Row = tuple[Any, ...]


class InnerItem(NamedTuple):
    """A component of a served plugin."""

    marketplace_id: str
    plugin: str
    kind: str
    name: str
    declared_name: str
    description: str
    relpath: str
    detail: str


class Written(NamedTuple):
    """A plugin under the names that transcripts may have for it."""

    name: str
    written: str
    """The name in plugin.json, which Claude Code writes; the catalog's where there is none."""
    marketplace_id: str


class Described(NamedTuple):
    """What a plugin is, beside what it costs."""

    marketplace_id: str
    plugin: str
    title: str
    owner: str
    is_system: bool
    is_counted: bool
    """It has a component whose uses are counted."""
    always_on: int
    """Characters that it puts before the model in every request."""
    created_at: datetime


def inner_items(db: Db) -> list[InnerItem]:
    """In the order of pages."""
    rows = db.execute(
        """SELECT marketplace_id, plugin_name, kind, name, coalesce(declared_name, ''), description, relpath,
            coalesce(detail, '')
        FROM marketplace.items ORDER BY marketplace_id, plugin_name, kind, lower(name), name"""
    ).fetchall()
    return [InnerItem(*row) for row in rows]


def inner_names(db: Db) -> list[tuple[str, str, str, str, str | None]]:
    """(marketplace, plugin, kind, name, declared name) of every component of a served plugin."""
    return db.execute("SELECT marketplace_id, plugin_name, kind, name, declared_name FROM marketplace.items").fetchall()


def entries(db: Db, *, other: str) -> list[Row]:
    """A row of every plugin that somebody could be served; `other` is the category of what has none.

    Marketplace, plugin, the marketplace's name, category, description, curator, version, added, updated, released, whether it
    is a system plugin, author, the curator's address, homepage, keywords, bytes, tree, problem, what the curator wrote (JSON),
    what it declares (JSON), prefix of invocations, the marketplace's commit, place in the feed's order, and of what one group
    alone is served so far that group and its components (JSON).
    """
    return db.execute(
        """SELECT p.marketplace_id, p.name, r.name, coalesce(nullif(trim(p.category), ''), $other),
            coalesce(v.description, p.description), r.curator_name, coalesce(v.version, p.version, ''), p.created_at,
            p.updated_at, coalesce(p.released_at, v.read_at), p.is_system, coalesce(p.author_name, ''), r.curator_email,
            coalesce(p.homepage, ''), p.keywords, coalesce(v.size_bytes, p.size_bytes), coalesce(v.tree_id, p.tree_id),
            CASE WHEN v.id IS NULL THEN coalesce(p.problem, p.withheld, '') ELSE '' END, p.metadata,
            coalesce(v.declared, p.declared), coalesce(p.raw->>'$.name', p.name), coalesce(r.last_commit_sha, ''),
            row_number() OVER (ORDER BY r.registered_at, r.id, p.name),
            CASE WHEN v.id IS NULL THEN '' ELSE p.rollout_group END, v.items
        FROM marketplace.plugins p
        JOIN marketplace.registries r ON r.id = p.marketplace_id
        LEFT JOIN marketplace.versions v
            ON p.tree_id IS NULL AND p.rollout_group IS NOT NULL AND v.marketplace_id = p.marketplace_id
            AND v.plugin_name = p.name AND v.id = p.rollout_version
            AND v.tree_id NOT IN (SELECT tree_id FROM marketplace.blocked_trees)
        WHERE coalesce(p.tree_id, v.tree_id) IS NOT NULL AND NOT p.disabled AND p.removed_at IS NULL""",
        {"other": other},
    ).fetchall()


def find_version(db: Db, marketplace_id: str, plugin: str, *, tree_id: str, version: str) -> Row | None:
    """Description, bytes, what it declares (JSON), components (JSON), when it was read, commit, what the curator wrote (JSON)."""
    return db.execute(
        """SELECT v.description, v.size_bytes, v.declared, v.items, v.read_at, v.commit_sha, p.metadata
        FROM marketplace.versions v JOIN marketplace.plugins p
            ON p.marketplace_id = v.marketplace_id AND p.name = v.plugin_name
        WHERE v.marketplace_id = ? AND v.plugin_name = ? AND v.tree_id = ? AND v.version = ?
        ORDER BY v.read_at DESC LIMIT 1""",
        [marketplace_id, plugin, tree_id, version],
    ).fetchone()


def changes(db: Db, marketplace_id: str, plugin: str, *, quoted: str, limit: int) -> list[Row]:
    """Syncs that changed a plugin, the newest first: start, commit, whether it was added, removed, updated, and what was
    refused (JSON). `quoted` is the name as JSON."""
    return db.execute(
        """SELECT started_at, coalesce(commit_sha, ''), list_contains(added, $name),
            list_contains(removed, $name), list_contains(updated, $name), refused
        FROM marketplace.syncs
        WHERE marketplace_id = $id AND outcome = 'changed' AND (list_contains(added, $name)
            OR list_contains(removed, $name) OR list_contains(updated, $name) OR contains(refused::VARCHAR, $quoted))
        ORDER BY started_at DESC LIMIT $limit""",
        {"id": marketplace_id, "name": plugin, "quoted": quoted, "limit": limit},
    ).fetchall()


def written_names(db: Db) -> list[Written]:
    """Every plugin that is or was in a catalog, by registration of its marketplace."""
    rows = db.execute(
        """SELECT p.name, coalesce(p.raw->>'$.name', p.name), p.marketplace_id FROM marketplace.plugins p
        LEFT JOIN marketplace.registries r ON r.id = p.marketplace_id
        ORDER BY r.registered_at, p.marketplace_id, p.name"""
    ).fetchall()
    return [Written(*row) for row in rows]


def described(db: Db, called: Collection[str]) -> list[Described]:
    """Every plugin that is or was in a catalog; `called` are the kinds of components whose uses are counted."""
    rows = db.execute(
        """SELECT p.marketplace_id, p.name, coalesce(p.metadata::JSON ->> 'display_name', p.name), r.curator_name, p.is_system,
            count(i.name) FILTER (list_contains($called, i.kind)) > 0, coalesce(sum(i.always_on), 0)::BIGINT, p.created_at
        FROM marketplace.plugins p JOIN marketplace.registries r ON r.id = p.marketplace_id
        LEFT JOIN marketplace.items i ON i.marketplace_id = p.marketplace_id AND i.plugin_name = p.name
        GROUP BY ALL""",
        {"called": list(called)},
    ).fetchall()
    return [Described(*row) for row in rows]


def listed(db: Db) -> set[str]:
    """`<slug>/<plugin>` of every plugin that a catalog lists now."""
    return repository.plugin_ids(db)


def with_a_page(db: Db) -> list[tuple[str, str]]:
    """(marketplace, plugin) of what catalogs list and something of which can be served."""
    return db.execute(
        "SELECT marketplace_id, name FROM marketplace.plugins WHERE removed_at IS NULL AND tree_id IS NOT NULL"
    ).fetchall()


def tree_ids(db: Db) -> set[str]:
    """Every tree that a row names."""
    rows = db.execute(
        """SELECT tree_id FROM marketplace.plugins WHERE tree_id IS NOT NULL
        UNION SELECT tree_id FROM marketplace.versions
        UNION SELECT tree_id FROM marketplace.blocked_trees"""
    ).fetchall()
    return {tree_id for (tree_id,) in rows}


def asset_hashes(db: Db) -> set[str]:
    """Of what pages show, those of removed plugins included, and of every good copy of the mirror."""
    rows = db.execute(
        """
        SELECT DISTINCT a.value ->> 'sha256' FROM marketplace.plugins p, json_each(p.metadata, '$.assets') a
        WHERE p.metadata IS NOT NULL
        UNION SELECT sha256 FROM marketplace.mirrored WHERE sha256 IS NOT NULL
        """
    ).fetchall()
    return {sha256 for (sha256,) in rows}
