"""The curated source: plugins of registered marketplaces that can be served, as entries of the catalogue.

A source is `FILES` and three functions over them, `entries`, `holdings` and their `marks`; the flea market is the other one.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from agnes.browse.model import OTHER, Document, Entry, Inner, Source, UseCase, Words
from agnes.kernel.state import Db
from agnes.marketplace import browsing, needs, offering, renamed
from agnes.marketplace import declared as declarations
from agnes.marketplace.model import marketplace_of, resource_id
from agnes.marketplace.needs import Needs
from agnes.stack import holdings as stack
from agnes.stack.entitlement import since_of
from agnes.stack.model import ServedPlugin
from agnes.telemetry.model import ItemKey

SOURCE: Source = "curated"
_NEVER = 1 << 62
FILES = ("marketplace",)
"""State files that the entries are made of."""


def entries(db: Db) -> list[Entry]:
    """Every plugin that somebody could be served, with what is inside it."""
    inner: dict[tuple[str, str], list[Inner]] = defaultdict(list)
    for marketplace_id, plugin, *item in browsing.inner_items(db):
        inner[marketplace_id, plugin].append(Inner(*item))
    needed = needs.needs(db)
    rows = browsing.entries(db, other=OTHER)
    for row in rows:
        if row[-1] is not None:
            inner[row[0], row[1]] = list(_inner(row[-1]))
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
            item_key=ItemKey(SOURCE, slug, name, "plugin", name),
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
            prefix=prefix,
            inner=tuple(inner.get((slug, name), ())),
            only_for=only_for,
            **_declared(needed, slug, declared),
            **_written(metadata, inner.get((slug, name), ()), commit),
        )
        for slug, name, marketplace_name, category, description, curator, version, added, updated, released, is_system,
        author, curator_email, homepage, keywords, size_bytes, tree_id, problem, metadata, declared, prefix, commit, place,
        only_for, _ in rows
    ]  # fmt: skip


def _declared(needed: Needs, slug: str, declared: str | None) -> dict[str, Any]:
    if declared is None:
        return {}
    said = json.loads(declared)
    return {"declared": declarations.read(said), "needs": needed.of(slug, said)}


def version_of(db: Db, entry: Entry, given: ServedPlugin) -> Entry:
    """The entry as those see it who are given this version and not the one of most people."""
    row = browsing.find_version(db, given.marketplace_id, given.name, tree_id=given.tree_id, version=given.version)
    if row is None:
        return entry
    description, size_bytes, declared, items, read_at, commit, metadata = row
    inner = _inner(items) if items is not None else entry.inner
    return replace(
        entry,
        description=description,
        version=given.version,
        updated=read_at,
        tree_id=given.tree_id,
        size_bytes=size_bytes,
        problem="",
        inner=inner,
        **_declared(needs.needs(db), entry.marketplace_id, declared),
        **_written(metadata, inner, commit or ""),
    )


def _inner(items: str) -> tuple[Inner, ...]:
    """Components as a version keeps them, in the order of pages."""
    found = [
        Inner(i["kind"], i["name"], i["declared_name"] or "", i["description"], i["relpath"], i["detail"] or "")
        for i in json.loads(items)
    ]
    return tuple(sorted(found, key=lambda one: (one.kind, one.name.lower(), one.name)))


def _written(metadata: str | None, inner: Iterable[Inner], commit: str) -> dict[str, Any]:
    """What the curator wrote, of the plugin and of what is inside it by one of its names
    (`agnes.marketplace.metadata` says what there is, and has judged it)."""
    if metadata is None:
        return {}
    shown = json.loads(metadata)
    assets, items = shown.get("assets", {}), shown.get("items", {})
    inner_words = {}
    for item in inner:
        called = (item.name, item.declared_name, item.stem if item.kind == "agent" else item.name)
        given = next((items[key] for name in called if (key := f"{item.kind}:{name}") in items), None)
        if given:
            inner_words[item.kind, item.name] = _words(given, assets, commit)
    return {"words": _words(shown, assets, commit), "inner_words": inner_words}


def _words(shown: Mapping[str, Any], assets: Mapping[str, Any], commit: str) -> Words:
    sample, cover = shown.get("sample_interaction", {}), shown.get("cover_url")
    return Words(
        display_name=shown.get("display_name", ""),
        tagline=shown.get("tagline", ""),
        category=shown.get("category", ""),
        description=shown.get("description", ""),
        when_to_use=shown.get("when_to_use", ""),
        invocation=shown.get("invocation", ""),
        use_cases=tuple(UseCase(**case) for case in shown.get("use_cases", ())),
        sample_user=sample.get("user", ""),
        sample_assistant=sample.get("assistant", ""),
        # The key follows from the content already; `v` is what clients of the API expect.
        cover_url=f"{cover}?v={commit[:8]}" if cover else None,
        video_url=shown.get("video_url"),
        documents=tuple(
            Document(link["name"], link["url"], assets.get(link["url"].rpartition("/")[2], {}).get("size_bytes"))
            for link in shown.get("doc_links", ())
        ),
    )


def marks(db: Db) -> list[tuple[str, int]]:
    """(user id, what changes when a subscription of theirs does)."""
    return stack.subscription_marks(db)


def holdings(db: Db, users: list[str] | None = None) -> list[tuple[str, str, None]]:
    """(user id, entry id, nothing) of every subscription that counts: one made since its marketplace was registered.
    Since when does not matter: curated plugins stand in a stack by registration and name."""
    registered = {
        slug: since_of(registration.registered_at) for slug, registration in offering.registrations(db).items()
    }
    moving = renamed.pending(db)
    rows = [
        (user_id, resource)
        for user_id, resource, since in stack.subscribed(db, users)
        if since >= registered.get(marketplace_of(resource), _NEVER)
    ]
    held = dict.fromkeys((user_id, moving.get(resource, resource)) for user_id, resource in rows)
    return [(user_id, f"{SOURCE}-{resource}", None) for user_id, resource in held]
