"""The feed's use cases: a person's view, its zip, its git pack.

feed/views/<commit>.json   the View: written once, shared by everybody who has it
feed/zips/<commit>.zip     built when it is first asked for
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

import msgspec

from agnes.feed import compose, upload_pack, zip_archive
from agnes.feed.limits import MAX_PACK_BYTES, REFRESH
from agnes.feed.model import Hidden, Offer, View, ViewPlugin
from agnes.flea.model import Entity
from agnes.kernel.errors import TooLargeError
from agnes.kernel.immutable import ImmutableCache
from agnes.kernel.ports import ANYTHING, DOWNLOAD_URL_SECONDS, ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db, State
from agnes.stack import service as stack
from agnes.stack import shelf
from agnes.stack.entitlement import Entitled
from agnes.stack.model import Claim, ServedPlugin, blocked_reason
from agnes.stack.shelf import Shelf
from agnes.trees import git_objects as git
from agnes.trees import service as trees

log = logging.getLogger("agnes.feed")

NO_RENAMES: Mapping[str, str | None] = MappingProxyType({})
STATE_FILES = stack.FILES
VIEWS, ZIPS = "feed/views/", "feed/zips/"


@dataclass(frozen=True, slots=True)
class Feed:
    """What one person is served now."""

    view: View
    hidden: tuple[Hidden, ...]
    blocked: frozenset[str] = frozenset()
    """Trees that nobody is served."""
    needed: Mapping[tuple[str, str, str], tuple[tuple[str, ...], bool]] = field(default_factory=dict)
    """(source, origin, name) of what other plugins need → (their names, whether the person has it themselves, too)."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What one person is served, before it is composed."""

    offers: list[Offer]
    """Curated by registration and name, then flea: the same for everybody who is served the same."""
    hidden: list[Hidden]
    renames: dict[str, str | None]
    """Old name → the name that it is served under, or None for what was removed, as Claude Code reads it."""


def offered(db: Db, who: Principal, on: Shelf) -> Offered:
    """Every plugin version that the person is served, and what they have and are not. Of `db` it reads `stack` alone."""
    subscribed = stack.subscriptions(db, who, on)
    added = stack.added_entities(db, who, on)
    entitled = on.entitlement(who.group_ids, subscribed, added)
    own = on.plugins(who.group_ids, subscribed)
    entities = on.entities(added)
    blocked = on.marketplace.blocked
    hidden = [
        Hidden("curated", p.marketplace_id, p.served_name, blocked_reason(p.version, blocked[p.tree_id]))
        for p in own
        if p.tree_id in blocked
    ] + [
        Hidden("flea", e.owner_username, e.served_name, blocked_reason(e.version, blocked[e.tree_id]))
        for e in entities
        if e.tree_id in blocked
    ]
    claims = {p.resource: Claim("curated", p.marketplace_id, p.served_name) for p in own}
    claims |= {e.id: Claim("flea", e.owner_username, e.served_name) for e in entities}
    lacking = [Hidden(*claims[key], reason) for key, reason in entitled.withheld.items()]
    served = entitled.served.values()
    plugins = sorted(
        (one for one in served if one.candidate.claim.source == "curated"),
        key=lambda one: (one.candidate.value.registered_at, *one.candidate.claim[1:]),
    )
    shared = sorted(
        (one for one in served if one.candidate.claim.source == "flea"),
        key=lambda one: (one.candidate.value.created_at, one.candidate.key),
    )
    names = {key: one.candidate.claim.name for key, one in entitled.served.items()}
    offers = [_of_plugin(one, names) for one in plugins] + [_of_entity(one.candidate.value) for one in shared]
    return Offered(offers, [*lacking, *hidden], _renames(who, on, subscribed, names))


def _of_plugin(one: Entitled, names: Mapping[str, str]) -> Offer:
    plugin: ServedPlugin = one.candidate.value
    needed_by = tuple(names[key] for key in one.required_by)
    return Offer("curated", plugin.marketplace_id, plugin.served_name, plugin.version, plugin.tree_id,
                 plugin.description or "", plugin.raw, needed_by, one.is_own)  # fmt: skip


def _of_entity(entity: Entity) -> Offer:
    return Offer("flea", entity.owner_username, entity.served_name, entity.version, entity.tree_id or "",
                 entity.description, {})  # fmt: skip


def _renames(
    who: Principal, on: Shelf, subscribed: Mapping[str, int], names: Mapping[str, str]
) -> dict[str, str | None]:
    """The renames that concern a person: of what they are served, and of what they had that was removed.

    A name that something in the view has is that thing: Claude Code looks at the catalog first.
    """
    if not on.marketplace.renamed:
        return {}
    taken = set(names.values())
    granted = on.granted(who.group_ids)
    found: dict[str, str | None] = {}
    for old, new in sorted(on.marketplace.renamed.items()):
        old_name = old.partition("/")[2]
        if old_name in taken:
            continue
        if new in names:
            if found.get(old_name) is None:
                found[old_name] = names[new]
        elif new is None and (old in subscribed or granted.requires(old)):
            found.setdefault(old_name, None)
    return found


def feed_of(state: State, store: ObjectStore, who: Principal) -> Feed:
    """The person's view, composed if nobody had it before and kept for its git fetches.

    A person is served the same until one of the state files changes, so the answer is remembered by their generations.
    """
    seen = {file: state.version_seen(file) for file in STATE_FILES}
    key = f"{who.user_id} {sorted(who.group_ids)} {seen}"
    feed = _feeds.get(store, key)
    if feed is None:
        feed = _feed_now(state, store, who, _shelf(state, store, seen))
        _feeds.put(store, key, feed)
    return feed


def _shelf(state: State, store: ObjectStore, seen: Mapping[str, tuple[int, str]]) -> Shelf:
    """What is the same for everybody, never older than the generations `seen`."""
    parts = {}
    for file, read in shelf.PARTS.items():
        key = f"{file} {seen[file]}"
        parts[file] = _parts.get(store, key)
        if parts[file] is None:
            with state.read(file) as db:
                parts[file] = read(db)
            _parts.put(store, key, parts[file])
    return Shelf(**parts)


def _feed_now(state: State, store: ObjectStore, who: Principal, on: Shelf) -> Feed:
    with state.read("stack") as db:
        found = offered(db, who, on)
    reasons = {(o.source, o.origin, o.name): (o.required_by, o.is_own) for o in found.offers if o.required_by}
    view = view_of(store, found.offers, found.renames)
    return Feed(view, tuple(found.hidden), frozenset(on.marketplace.blocked), reasons)


def view_of(store: ObjectStore, served: Sequence[Offer], renames: Mapping[str, str | None] = NO_RENAMES) -> View:
    """The view of offers, whose names are different, kept."""
    view = composed(store, served, renames)
    if not _kept.get(store, view.commit):
        if find_view(store, view.commit) is None:
            store.write(
                f"{VIEWS}{view.commit}.json",
                msgspec.json.encode(view),
                expect=ANYTHING,
                content_type="application/json",
            )
            _views.put(store, view.commit, view)
        _kept.put(store, view.commit, True)
    return view


def composed(store: ObjectStore, served: Sequence[Offer], renames: Mapping[str, str | None] = NO_RENAMES) -> View:
    """The same, not kept."""
    content = [
        (o.source, o.origin, o.name, o.version, o.tree_id, o.description, o.entry) for o in served
    ]  # not for whose sake: that differs between people who are served the same
    key = hashlib.sha256(msgspec.json.encode([compose.FEED_FORMAT, content, dict(renames)])).hexdigest()
    view = _views.get(store, key)
    if view is None:
        view = compose.compose(served, [trees.get(store, offer.tree_id) for offer in served], renames)
        _views.put(store, key, view)
    return view


def find_view(store: ObjectStore, commit: str) -> View | None:
    """A view that somebody was served once, by its commit."""
    view = _views.get(store, commit)
    if view is None:
        blob = store.read(f"{VIEWS}{commit}.json")
        if blob is None:
            return None
        try:
            view = msgspec.json.decode(blob.body, type=View)
        except msgspec.DecodeError:
            view = None
        if view is None or view.commit != commit:
            log.error("%s%s.json is damaged; whoever has the view writes it again", VIEWS, commit)
            return None
        _views.put(store, commit, view)
    return view


def etag(view: View) -> str:
    return f'"{view.commit}"'


def matches(header: str, view: View) -> bool:
    """Whether an If-None-Match header names the view: a list, weak tags and `*` included (RFC 9110 §13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag(view) in tags


def zip_url(store: ObjectStore, view: View, *, now: datetime) -> str:
    """A URL of the view's zip, good for DOWNLOAD_URL_SECONDS.

    That a zip is there is believed for an hour at most, and an old one is written anew: pruning
    takes none that was handed out.
    """
    key = f"{ZIPS}{view.commit}.zip"
    this_hour = f"{key} {now:%Y-%m-%d %H}"
    if _zips.get(store, this_hour) is None:
        found = next(iter(store.list(key)), None)
        if found is None or found.modified_at < now - REFRESH:
            store.write(key, build_zip(store, view), expect=ANYTHING, content_type="application/zip")
        _zips.put(store, this_hour, True)
    return store.presign_get(
        key, seconds=DOWNLOAD_URL_SECONDS, filename="agnes-marketplace.zip", content_type="application/zip"
    )


def build_zip(store: ObjectStore, view: View) -> bytes:
    """The view as an archive: the catalog, `.agnes/version.json`, and every plugin's files."""
    version = msgspec.json.encode({"marketplace": compose.MARKETPLACE_NAME, "version": view.commit})
    members = [_deflate(".agnes/version.json", version), _deflate(compose.CATALOG, view.catalog)]
    for plugin in view.plugins:
        tree, pack = trees.get(store, plugin.tree_id), trees.read_pack(store, plugin.tree_id)
        folder = compose.folder(plugin.name)
        members += [
            # A zlib stream without its header and checksum is the deflate stream of a zip.
            zip_archive.Member(
                f"{folder}/{file.path}",
                pack[file.offset + 2 : file.offset + file.length - 4],
                file.size_bytes,
                file.crc32,
                file.executable,
            )
            for file in tree.files
        ]
    return zip_archive.write(members)


def _deflate(path: str, body: bytes) -> zip_archive.Member:
    import zlib

    return zip_archive.Member(path, zlib.compress(body)[2:-4], len(body), zlib.crc32(body))


def build_pack(store: ObjectStore, view: View, without: Sequence[View] = ()) -> bytes:
    """The git pack of a view, less what the views `without` hold. Raises TooLargeError."""
    known = {oid for other in without for oid in _object_ids(store, other)}
    entries: list[bytes | memoryview] = []
    size = 0
    for own in view.objects:
        if own.oid not in known:
            known.add(own.oid)
            entries.append(own.entry)
    for plugin in view.plugins:
        if plugin.git_oid in known:
            continue
        pack = memoryview(trees.read_pack(store, plugin.tree_id))
        for packed in trees.get(store, plugin.tree_id).objects:
            if packed.oid not in known:
                known.add(packed.oid)
                entries.append(pack[packed.offset : packed.offset + packed.length])
                size += packed.length
        if size > MAX_PACK_BYTES:
            raise TooLargeError(
                f"the pack is larger than {MAX_PACK_BYTES} bytes", hint="Fetch marketplace.zip, or remove plugins."
            )
    return git.pack(entries, len(entries))


def _object_ids(store: ObjectStore, view: View) -> list[str]:
    ids = [own.oid for own in view.objects]
    for plugin in view.plugins:
        ids += [packed.oid for packed in trees.get(store, plugin.tree_id).objects]
    return ids


def repository_of(store: ObjectStore, view: View, blocked: frozenset[str] = frozenset()) -> upload_pack.Repository:
    """What git may fetch of a person: the view, and an older one that holds no other plugins.

    The view may change between a client's two requests; the plugins of the older one are
    compared by origin and name, so that nothing revoked can be fetched by its commit, nor a blocked tree.
    """
    permitted = {(plugin.source, plugin.origin, plugin.name) for plugin in view.plugins}

    def is_wanted_allowed(commit: str) -> bool:
        older = find_view(store, commit)
        return older is not None and all(
            (p.source, p.origin, p.name) in permitted and p.tree_id not in blocked for p in older.plugins
        )

    def pack(commit: str, common: frozenset[str]) -> bytes:
        wanted = view if commit == view.commit else find_view(store, commit)
        return build_pack(store, wanted, [find_view(store, oid) for oid in sorted(common)])

    return upload_pack.Repository(
        commit=view.commit,
        is_wanted_allowed=is_wanted_allowed,
        has=lambda oid: find_view(store, oid) is not None,
        pack=pack,
    )


def info(state: State, store: ObjectStore, who: Principal, *, generated_at: Any) -> dict[str, Any]:
    """What `/marketplace/info` shows: the served plugins, and those that are not and why."""
    feed = feed_of(state, store, who)
    hidden = {(h.source, h.origin, h.name) for h in feed.hidden}
    catalog = msgspec.json.decode(feed.view.catalog)
    described = {entry["name"]: entry for entry in catalog["plugins"]}
    with state.read(*STATE_FILES) as db:
        lacking = [
            line
            for line in stack.my_stack(db, who).curated
            if line.enabled and line.problem and ("curated", line.marketplace_id, line.plugin_name) not in hidden
        ]
    return {
        "user_id": who.user_id,
        "email": who.email,
        "groups": sorted(who.group_ids),
        "marketplace_name": compose.MARKETPLACE_NAME,
        "etag": feed.view.commit,
        "plugin_count": len(feed.view.plugins),
        "plugins": [
            {"name": p.name, "marketplace_slug": p.origin, "version": p.version, "source": p.source,
             "tree_id": p.tree_id, "description": described[p.name].get("description", ""),
             "display_name": described[p.name].get("displayName", p.name), **_needed(feed, p)}
            for p in feed.view.plugins
        ],
        "hidden": [{"name": h.name, "marketplace_slug": h.origin, "source": h.source, "reason": h.reason}
                   for h in feed.hidden],
        # Old name → the name that it is served under now, or null where it was removed.
        "renames": catalog.get("renames", {}),
        # Curated plugins of the person whose newest version is not the one served, if any is.
        "notes": [{"name": line.plugin_name, "marketplace_slug": line.marketplace_id, "version": line.version,
                   "served": line.served, "reason": line.problem} for line in lacking],
        "generated_at": generated_at,
    }  # fmt: skip


def _needed(feed: Feed, plugin: ViewPlugin) -> dict[str, Any]:
    """For whose sake a plugin is served."""
    required_by, is_own = feed.needed.get((plugin.source, plugin.origin, plugin.name), ((), True))
    return {"required_by": required_by, "added_as_dependency": not is_own}


_parts = ImmutableCache(2 * len(shelf.PARTS))
_feeds = ImmutableCache(2048)
_views = ImmutableCache(512)
_kept = ImmutableCache(512)
_zips = ImmutableCache(512)
