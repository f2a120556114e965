"""The curated source: plugins of registered marketplaces that can be served, as entries of the catalogue.

A source is `FILES` and two functions over them, `entries` and `holdings`. The flea market becomes the second one:
its module joins `SOURCES` in `agnes.browse.shelf`, and its rows appear in every listing, search and page.
"""

from __future__ import annotations

from collections import defaultdict

from agnes.browse.model import OTHER, Entry, Inner, Source
from agnes.kernel.state import Db
from agnes.marketplace.model import resource_id

SOURCE: Source = "curated"
FILES = ("marketplace",)
"""State files that the entries are made of."""


def entries(db: Db) -> list[Entry]:
    """Every plugin that somebody could be served, with what is inside it."""
    inner: dict[tuple[str, str], list[Inner]] = defaultdict(list)
    for marketplace_id, plugin, *item in db.execute(
        """SELECT marketplace_id, plugin_name, kind, name, coalesce(declared_name, ''), description, relpath,
            coalesce(detail, '')
        FROM marketplace.items ORDER BY marketplace_id, plugin_name, kind, lower(name), name"""
    ).fetchall():
        inner[marketplace_id, plugin].append(Inner(*item))
    rows = db.execute(
        """SELECT p.marketplace_id, p.name, r.name, coalesce(nullif(trim(p.category), ''), $other), p.description,
            r.curator_name, coalesce(p.version, ''), p.created_at, p.updated_at, p.released_at, p.is_system,
            coalesce(p.author_name, ''), r.curator_email, coalesce(p.homepage, ''), p.keywords, p.size_bytes, p.tree_id,
            coalesce(p.problem, ''), row_number() OVER (ORDER BY r.registered_at, r.id, p.name)
        FROM marketplace.plugins p JOIN marketplace.registries r ON r.id = p.marketplace_id
        WHERE p.tree_id IS NOT NULL AND NOT p.disabled AND p.removed_at IS NULL""",
        {"other": OTHER},
    ).fetchall()
    return [
        Entry(
            id=f"{SOURCE}-{slug}/{name}",
            source=SOURCE,
            name=name,
            type="plugin",
            category=category,
            description=description,
            owner=curator,
            version=version,
            added=added,
            updated=updated,
            released=released,
            marketplace_id=slug,
            marketplace_name=marketplace_name,
            detail_url=f"/marketplace/curated/{slug}/{name}",
            item_key=(SOURCE, slug, name, "plugin", name),
            grant=resource_id(slug, name),
            is_system=is_system,
            order_in_stack=place,
            author_name=author,
            curator_email=curator_email,
            homepage=homepage,
            keywords=tuple(keywords),
            size_bytes=size_bytes,
            tree_id=tree_id,
            problem=problem,
            inner=tuple(inner.get((slug, name), ())),
        )
        for slug, name, marketplace_name, category, description, curator, version, added, updated, released, is_system,
        author, curator_email, homepage, keywords, size_bytes, tree_id, problem, place in rows
    ]  # fmt: skip


def holdings(db: Db) -> list[tuple[str, str]]:
    """(user id, entry id) of every subscription that counts: one made since its marketplace was registered."""
    return db.execute(
        """SELECT s.user_id, $source || '-' || s.marketplace_id || '/' || s.plugin_name
        FROM stack.subscriptions s JOIN marketplace.registries r
            ON r.id = s.marketplace_id AND s.subscribed_at >= r.registered_at""",
        {"source": SOURCE},
    ).fetchall()
