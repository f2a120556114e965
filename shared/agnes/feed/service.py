"""The feed's use cases: a person's view, its zip, its git pack.

feed/views/<commit>.json   the View: written once, shared by everybody who has it
feed/zips/…                its zip (`agnes.feed.zips`)

What is damaged is never served: a view or a zip is made again, and a plugin whose tree is damaged is left out, with a note,
until the next sync has stored it again (`agnes.trees.damage`).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from types import MappingProxyType
from typing import Any

import msgspec

from agnes.feed import compose, upload_pack, zips
from agnes.feed.limits import MAX_PACK_BYTES
from agnes.feed.model import Hidden, Offer, View, ViewPlugin
from agnes.flea.model import Entity
from agnes.kernel import sealed
from agnes.kernel.errors import TooLargeError, UnavailableError
from agnes.kernel.immutable import ImmutableCache
from agnes.kernel.ports import ANYTHING, Clock, Message, ObjectStore, Queue
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db, State
from agnes.marketplace.nightly import QUEUE as SYNC_QUEUE
from agnes.stack import service as stack
from agnes.stack import serving
from agnes.stack.entitlement import ServingIndex, blocked_because
from agnes.stack.model import Claim, ServedPlugin
from agnes.stack.resolution import Resolved
from agnes.trees import damage, unpacking
from agnes.trees import git_objects as git
from agnes.trees import service as trees
from agnes.trees.damage import TreeDamaged

log = logging.getLogger("agnes.feed")

NO_RENAMES: Mapping[str, str | None] = MappingProxyType({})
STATE_FILES = stack.FILES
VIEWS = "feed/views/"
SPARED = stack.SPARED
NO_SHARED = (
    "What colleagues have shared is left out: its state file is damaged. An operator restores it; see the health page. "
    "Nobody has to add anything again."
)
ATTEMPTS = 4
"""Feeds that are composed for one request: each leaves out what the one before met."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What one person is served now."""

    view: View
    hidden: tuple[Hidden, ...]
    blocked: frozenset[str] = frozenset()
    """Trees that nobody is served."""
    notices: tuple[str, ...] = ()
    """What is left out of everybody's feed, and why."""
    damaged: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of trees that are left out since they are damaged: the marketplaces of the plugins that this person lacks."""
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


def offered(db: Db, who: Principal, on: ServingIndex, damaged: Collection[str] = ()) -> Offered:
    """Every plugin version that the person is served, and what they have and are not; `damaged` are trees that cannot be
    served. Of `db` it reads `stack` alone."""
    on = on.without(damaged)
    subscribed = stack.subscriptions(db, who, on)
    added = stack.added_entities(db, who, on)
    own = on.plugins(who.group_ids, subscribed)
    entities = on.entities(added)
    resolved = on.resolve_own(who.group_ids, own, entities)
    blocked = on.marketplace.blocked
    hidden = [
        Hidden("curated", p.marketplace_id, p.served_name, blocked_because(p.version, blocked[p.tree_id]).text)
        for p in own
        if p.tree_id in blocked
    ] + [
        Hidden(
            "flea",
            e.owner_username,
            e.served_name,
            blocked_because(e.version, blocked[e.tree_id], is_shared=True).text,
        )
        for e in entities
        if e.tree_id is not None and e.tree_id in blocked
    ]
    claims = {p.resource: Claim("curated", p.marketplace_id, p.served_name) for p in own}
    claims |= {e.id: Claim("flea", e.owner_username, e.served_name) for e in entities}
    lacking = [Hidden(*claims[key], reason.text) for key, reason in resolved.withheld.items()]
    served = resolved.served.values()
    plugins = sorted(
        (one for one in served if one.candidate.claim.source == "curated"),
        key=lambda one: (one.candidate.value.registered_at, *one.candidate.claim[1:]),
    )
    shared = sorted(
        (one for one in served if one.candidate.claim.source == "flea"),
        key=lambda one: (one.candidate.value.created_at, one.candidate.key),
    )
    names = {key: one.candidate.claim.name for key, one in resolved.served.items()}
    offers = [_of_plugin(one, names) for one in plugins] + [_of_entity(one.candidate.value) for one in shared]
    return Offered(offers, [*lacking, *hidden], _renames(who, on, subscribed, names))


def _of_plugin(one: Resolved, names: Mapping[str, str]) -> Offer:
    plugin: ServedPlugin = one.candidate.value
    needed_by = tuple(names[key] for key in one.required_by)
    return Offer("curated", plugin.marketplace_id, plugin.served_name, plugin.version, plugin.tree_id,
                 plugin.description or "", plugin.raw, needed_by, one.is_own)  # fmt: skip


def _of_entity(entity: Entity) -> Offer:
    return Offer("flea", entity.owner_username, entity.served_name, entity.version, entity.tree_id or "",
                 entity.description, {})  # fmt: skip


def _renames(
    who: Principal, on: ServingIndex, subscribed: Mapping[str, int], names: Mapping[str, str]
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
        if new is not None and new in names:
            if found.get(old_name) is None:
                found[old_name] = names[new]
        elif new is None and (old in subscribed or granted.requires(old)):
            found.setdefault(old_name, None)
    return found


TREES_AHEAD = 64
"""Indexes of some kilobytes each, read eight at once: a fifth of a second at 20 ms a read."""


def ahead(state: State, store: ObjectStore) -> None:
    """Make what is the same for everybody's feed, and read the indexes of the versions that most people are served."""
    kept = serving.kept(state, store, serving.generations(state, spare=SPARED), spare=SPARED)
    versions = (plugin.for_all for plugin in kept.index.marketplace.by_resource.values())
    trees.fetch(store, islice((version.tree_id for version in versions if version), TREES_AHEAD))


def feed_of(state: State, store: ObjectStore, who: Principal, *, clock: Clock) -> Feed:
    """The person's view, composed if nobody had it before and kept for its git fetches. Raises TreeDamaged only if a tree is
    whole at one moment and damaged at the next.

    A person is served the same until one of the state files or the list of damaged trees changes, so the answer is
    remembered by these.
    """
    seen = serving.generations(state, spare=SPARED)
    for left in reversed(range(ATTEMPTS)):
        damaged = sorted(damage.known(store, clock))
        key = f"{who.user_id} {sorted(who.group_ids)} {seen} {damaged}"
        feed = _feeds.get(store, key)
        try:
            if feed is None:
                kept = serving.kept(state, store, seen, spare=SPARED)
                feed = _feed_now(state, store, who, kept.index, damaged)
                if not kept.is_whole:
                    return replace(feed, notices=(NO_SHARED,))
                _feeds.put(store, key, feed)
            return feed
        except TreeDamaged:  # noted by who met it
            if not left:
                raise
    raise AssertionError


def _feed_now(state: State, store: ObjectStore, who: Principal, on: ServingIndex, damaged: Collection[str]) -> Feed:
    with state.read("stack") as db:
        found = offered(db, who, on, damaged)
    reasons = {(o.source, o.origin, o.name): (o.required_by, o.is_own) for o in found.offers if o.required_by}
    view = view_of(store, found.offers, found.renames)
    lacking = {tree_id: _marketplaces_of(on, tree_id) for tree_id in damaged} if found.hidden else {}
    blocked = frozenset([*on.marketplace.blocked, *damaged])
    return Feed(view, tuple(found.hidden), blocked, damaged=lacking, needed=reasons)


def _marketplaces_of(on: ServingIndex, tree_id: str) -> tuple[str, ...]:
    return tuple(
        sorted(
            {
                resource.partition("/")[0]
                for resource, plugin in on.marketplace.by_resource.items()
                if any(each and each.tree_id == tree_id for each in (plugin.for_all, plugin.for_group, *plugin.older))
            }
        )
    )


def ask_for_rebuild(feed: Feed, store: ObjectStore, queue: Callable[[], Queue], *, now: datetime) -> None:
    """Queue a sync of each marketplace whose plugins this person lacks since their trees are damaged, once a note. Never
    raises: the nightly sync does it as well."""
    if not feed.damaged:
        return
    with suppress(UnavailableError):
        for tree_id, note in damage.notes(store).items():
            marketplaces = feed.damaged.get(tree_id, ())
            if marketplaces and note.asked_at is None:
                damage.update(store, msgspec.structs.replace(note, asked_at=now))
                queue().send([Message(SYNC_QUEUE, {"id": each}) for each in marketplaces])


def view_of(store: ObjectStore, served: Sequence[Offer], renames: Mapping[str, str | None] = NO_RENAMES) -> View:
    """The view of offers, whose names are different, kept."""
    view = composed(store, served, renames)
    if not _kept.get(store, view.commit):
        if find_view(store, view.commit) is None:
            key = f"{VIEWS}{view.commit}.json"
            body = sealed.seal(key, msgspec.json.encode(view))
            store.write(key, body, expect=ANYTHING, content_type="application/json")
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
        view = compose.compose(served, trees.get_all(store, [offer.tree_id for offer in served]), renames)
        _views.put(store, key, view)
    return view


def find_view(store: ObjectStore, commit: str) -> View | None:
    """A view that somebody was served once, by its commit."""
    view = _views.get(store, commit)
    if view is None:
        key = f"{VIEWS}{commit}.json"
        blob = store.read(key)
        if blob is None:
            return None
        view = decoded_view(key, blob.body)
        if view is None:
            sealed.put_away(store, key, blob.body, remove=False)  # whoever has the view writes it again
            return None
        _views.put(store, commit, view)
    return view


def decoded_view(key: str, body: bytes) -> View | None:
    """None of a damaged one. Of an earlier release, which wrote no digest, its own objects are compared with their ids."""
    try:
        view = msgspec.json.decode(sealed.opened(key, body), type=View)
    except (msgspec.DecodeError, sealed.Unsealed):
        return None
    is_whole = sealed.is_sealed(body) or unpacking.are_objects((own.oid, own.entry) for own in view.objects)
    return view if is_whole and key == f"{VIEWS}{view.commit}.json" else None


def etag(view: View) -> str:
    return f'"{view.commit}"'


def matches(header: str, view: View) -> bool:
    """Whether an If-None-Match header names the view: a list, weak tags and `*` included (RFC 9110 §13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag(view) in tags


def zip_of(
    state: State, store: ObjectStore, who: Principal, *, clock: Clock, if_none_match: str = ""
) -> tuple[Feed, str | None]:
    """The person's feed and the URL of its zip, or None for who has it. Raises TreeDamaged only as `feed_of` does."""
    for left in reversed(range(ATTEMPTS)):
        feed = feed_of(state, store, who, clock=clock)
        if matches(if_none_match, feed.view):
            return feed, None
        try:
            return feed, zips.url(store, feed.view, now=clock.now())
        except TreeDamaged:
            if not left:
                raise
    raise AssertionError


def build_pack(store: ObjectStore, view: View, without: Sequence[View] = ()) -> bytes:
    """The git pack of a view, less what the views `without` hold. Raises TooLargeError, TreeDamaged."""
    known = {oid for other in without for oid in _object_ids(store, other)}
    entries: list[bytes | memoryview] = []
    size = 0
    for own in view.objects:
        if own.oid not in known:
            known.add(own.oid)
            entries.append(own.entry)
    lacking = [plugin for plugin in view.plugins if plugin.git_oid not in known]
    for tree, body in zips.contents(store, lacking):
        pack = memoryview(body)
        for packed in tree.objects:
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
    """Of what the view holds, but for what a damaged tree has: that is sent once more."""
    ids = [own.oid for own in view.objects]
    for plugin in view.plugins:
        with suppress(TreeDamaged):
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
        if wanted is None:
            raise UnavailableError(f"commit {commit} was removed while it was fetched", hint="Fetch again.")
        known = [find_view(store, oid) for oid in sorted(common)]
        return build_pack(store, wanted, [older for older in known if older is not None])

    return upload_pack.Repository(
        commit=view.commit,
        is_wanted_allowed=is_wanted_allowed,
        has=lambda oid: find_view(store, oid) is not None,
        pack=pack,
    )


def info(state: State, store: ObjectStore, who: Principal, *, clock: Clock, generated_at: Any) -> dict[str, Any]:
    """What `/marketplace/info` shows: the served plugins, and those that are not and why."""
    feed = feed_of(state, store, who, clock=clock)
    hidden = {(h.source, h.origin, h.name) for h in feed.hidden}
    catalog = msgspec.json.decode(feed.view.catalog)
    described = {entry["name"]: entry for entry in catalog["plugins"]}
    with state.read(*STATE_FILES, spare=SPARED) as db:
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
        # What is left out of everybody's, and why.
        "notices": list(feed.notices),
        "generated_at": generated_at,
    }  # fmt: skip


def _needed(feed: Feed, plugin: ViewPlugin) -> dict[str, Any]:
    """For whose sake a plugin is served."""
    required_by, is_own = feed.needed.get((plugin.source, plugin.origin, plugin.name), ((), True))
    return {"required_by": required_by, "added_as_dependency": not is_own}


_feeds = ImmutableCache(2048)
_views = ImmutableCache(512)
_kept = ImmutableCache(512)
