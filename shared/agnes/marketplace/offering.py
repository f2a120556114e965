"""What marketplaces offer to be served, as rows: what `agnes.stack` decides over. The SQL of it, over `marketplace` alone."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from agnes.kernel.state import Db
from agnes.marketplace.declared import Declared
from agnes.marketplace.model import resource_id


@dataclass(frozen=True, slots=True)
class Registration:
    id: str
    name: str
    registered_at: datetime
    is_pinned: bool
    """It follows a tag or a commit instead of a branch."""


class Content(NamedTuple):
    """A version that can be served."""

    version: str
    tree_id: str
    git_oid: str
    description: str
    raw: str
    """The catalog's entry, JSON."""
    released_at: datetime
    declared: str | None
    """JSON (`agnes.marketplace.declared`)."""


class Offer(NamedTuple):
    """A plugin that its catalog lists now."""

    marketplace_id: str
    name: str
    is_disabled: bool
    is_system: bool
    rollout_group: str | None
    is_rolled_back: bool
    """An admin chose a version, which may be another one than is served: if that one is blocked."""
    withheld: str
    """Why the newest version is not served; empty if it is."""
    content: Content | None
    """None while there is nothing to serve to everybody."""


class Shown(NamedTuple):
    """A plugin as lists of plugins show it."""

    description: str
    version: str | None
    """That is served, else what upstream calls the newest."""
    category: str | None
    author_name: str | None
    has_content: bool
    problem: str | None
    display_name: str
    declared: Declared | None


def registrations(db: Db) -> dict[str, Registration]:
    rows = db.execute("SELECT id, name, registered_at, ref IS NOT NULL FROM marketplace.registries").fetchall()
    return {row[0]: Registration(*row) for row in rows}


def offers(db: Db) -> list[Offer]:
    rows = db.execute(
        "SELECT marketplace_id, name, disabled, is_system, rollout_group, pinned_version IS NOT NULL,"
        " coalesce(withheld, problem, ''), version, tree_id, git_oid, description, raw, released_at, declared"
        " FROM marketplace.plugins WHERE removed_at IS NULL"
    ).fetchall()
    return [Offer._make((*row[:7], Content(*row[7:]) if row[8] else None)) for row in rows]


def is_system(db: Db, marketplace_id: str, plugin: str) -> bool:
    """Whether everybody has a plugin that its catalog lists and no admin disabled."""
    row = db.execute(
        "SELECT 1 FROM marketplace.plugins WHERE marketplace_id = ? AND name = ? AND is_system"
        " AND NOT disabled AND removed_at IS NULL",
        [marketplace_id, plugin],
    ).fetchone()
    return row is not None


_VERSION = "v.version, v.tree_id, v.git_oid, v.description, v.raw, v.read_at, v.declared"


def early(db: Db) -> dict[str, Content]:
    """Resource → the version that a group gets early, unless it is blocked."""
    rows = db.execute(
        f"""SELECT p.marketplace_id, p.name, {_VERSION}
        FROM marketplace.plugins p
        JOIN marketplace.versions v
            ON v.marketplace_id = p.marketplace_id AND v.plugin_name = p.name AND v.id = p.rollout_version
        WHERE p.rollout_group IS NOT NULL AND v.tree_id NOT IN (SELECT tree_id FROM marketplace.blocked_trees)"""  # noqa: S608 (constant)
    ).fetchall()
    return {resource_id(*row[:2]): Content(*row[2:]) for row in rows}


def older(db: Db, resources: Collection[str]) -> dict[str, list[Content]]:
    """Resource → every version that may be served, the newest first."""
    if not resources:
        return {}
    rows = db.execute(
        f"""SELECT v.marketplace_id, v.plugin_name, {_VERSION} FROM marketplace.versions v
        WHERE v.status = 'live' AND list_contains($wanted, v.marketplace_id || '/' || v.plugin_name)
        ORDER BY v.read_at DESC, v.id""",  # noqa: S608 (constant)
        {"wanted": sorted(resources)},
    ).fetchall()
    found: dict[str, list[Content]] = defaultdict(list)
    for row in rows:
        found[resource_id(*row[:2])].append(Content(*row[2:]))
    return found


def shown(db: Db, resources: Collection[str]) -> dict[str, Shown]:
    """Resource → how it is shown, of those that their catalogs list."""
    rows = db.execute(
        """SELECT marketplace_id, name, description, coalesce(version, upstream_version), category, author_name,
            tree_id IS NOT NULL, coalesce(problem, withheld),
            coalesce(metadata ->> '$.display_name', declared ->> '$.display_name', name), declared
        FROM marketplace.plugins
        WHERE removed_at IS NULL AND list_contains($wanted, marketplace_id || '/' || name)""",
        {"wanted": sorted(resources)},
    ).fetchall()
    return {
        resource_id(*row[:2]): Shown._make((*row[2:9], json.loads(row[9]) if row[9] is not None else None))
        for row in rows
    }
