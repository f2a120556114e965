"""Who is served what, in which version, and why; and of what is not served, why not. Pure.

The one rule, which the feed, my-stack, adding and taking off, pages, telemetry and the effective access of a user ask:

    granted = by a grant of the plugin or of its whole marketplace to one of the person's groups
    own     = (granted and (subscribed or required)) or system, of what its marketplace lists and no admin disabled;
              and the flea entities that they added, while approved or archived
    served  = what of that can be served with all that it needs, in a version that is not blocked
              (`agnes.stack.resolution` settles names and dependencies)

A subscription counts from the registration of its marketplace on: one that was deleted and registered anew under the
same slug starts without anybody's. Being an admin adds nothing.

`ServingIndex` is what the state files say of everybody, `Subject` what they say of one person.
`agnes.stack.serving` reads them; the catalogue of `agnes.browse` keeps an index of its own over the same rule, which the
tests compare with this one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar

from agnes.flea.model import Entity
from agnes.marketplace.model import Need, marketplace_of
from agnes.stack import resolution
from agnes.stack.model import (
    BLOCKED,
    DAMAGED,
    DISABLED,
    NO_VERSION,
    NOT_ADDED,
    NOT_APPROVED,
    NOT_GRANTED,
    REMOVED,
    Claim,
    Granted,
    Reason,
    ServedPlugin,
    VersionReason,
    blocked_reason,
)
from agnes.stack.plugins import DecidedBy, Plugins, PluginVersions
from agnes.stack.resolution import Candidate, Lookup, Resolution

T = TypeVar("T")

LEFT_OUT = "is left out: its stored files are damaged, and the next sync stores them again"
LEFT_OUT_SHARED = (
    "is left out: its stored files are damaged. Agnes tries to rebuild them every night; if that fails, its owner shares it "
    "again, or an operator restores them from a backup"
)
NO_VERSION_CLAUSE = "has no version that can be served"
NOT_GRANTED_CLAUSE = "is not granted to any of your groups"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""DuckDB's own way from TIMESTAMPTZ to Python costs more than the query."""

Since = int
"""Microseconds since the epoch: of many subscriptions few become times."""


def time_of(since: Since) -> datetime:
    return _EPOCH + timedelta(microseconds=since)


def since_of(at: datetime) -> Since:
    return (at - _EPOCH) // timedelta(microseconds=1)


def counting(since: Since | None, registered_at: datetime) -> datetime | None:
    """When somebody subscribed; None if it was to an earlier registration of the marketplace, or never."""
    if since is None:
        return None
    subscribed_at = time_of(since)
    return subscribed_at if subscribed_at >= registered_at else None


def moved(of: Mapping[str, T], moving: Mapping[str, str]) -> Mapping[str, T]:
    """What is recorded for old resources recorded for the new ones, where the new ones have nothing of their own."""
    if not moving:
        return of
    found = {resource: value for resource, value in of.items() if resource not in moving}
    for old, new in moving.items():
        if old in of:
            found.setdefault(new, of[old])
    return found


# Values in -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subject:
    """One person, by what decides for them."""

    group_ids: Collection[str]
    subscribed: Mapping[str, Since] = field(default_factory=dict)
    """`<slug>/<plugin>` → since when."""
    added: Mapping[str, datetime] = field(default_factory=dict)
    """Id of a flea entity → since when."""


@dataclass(frozen=True, slots=True)
class ServingIndex:
    """What decides for everybody. Each field is named as the state file that it is read from."""

    people: dict[str, list[tuple[str, str]]]
    """Group → (id of a grant, resource)."""
    marketplace: Plugins
    flea: dict[str, Entity]
    """By id, whatever its status."""
    stack: frozenset[str]
    """Ids of the grants whose plugin is required."""

    def without(self, damaged: Collection[str]) -> ServingIndex:
        """The same, but that nobody is served one of these trees."""
        if not damaged:
            return self
        blocked = dict.fromkeys(damaged, LEFT_OUT) | dict(self.marketplace.blocked)
        return replace(self, marketplace=replace(self.marketplace, blocked=blocked))

    def granted(self, group_ids: Collection[str]) -> Granted:
        """What these groups were granted."""
        found = Granted()
        moving = self.marketplace.moving
        for group_id in group_ids:
            for grant_id, granted in self.people.get(group_id, ()):
                resource = moving.get(granted, granted) if moving else granted
                found[resource] = found.get(resource, False) or grant_id in self.stack
        return found

    def may_have(self, resource: str, group_ids: Collection[str]) -> bool:
        """Whether a plugin was granted to one of these groups, itself or with its marketplace, or everybody has it."""
        return resource in self.marketplace.system or self.granted(group_ids).covers(resource)

    def plugins(self, group_ids: Collection[str], subscribed: Mapping[str, Since]) -> list[ServedPlugin]:
        """Granted and subscribed or required, or system, of what can be served, in the feed's order."""
        granted = self.granted(group_ids)
        subscribed = moved(subscribed, self.marketplace.moving)
        found = []
        for resource in self._wanted(granted, subscribed):
            versions = self.marketplace.by_resource.get(resource)
            plugin = versions.of(group_ids) if versions else None
            if plugin and (
                plugin.is_system
                or granted.requires(resource)
                or counting(subscribed.get(resource), plugin.registered_at)
            ):
                found.append(plugin)
        return sorted(found, key=lambda plugin: (plugin.registered_at, plugin.marketplace_id, plugin.name))

    def _wanted(self, granted: Granted, subscribed: Mapping[str, Since]) -> set[str]:
        wanted = {*(subscribed.keys() & granted.keys()), *self.marketplace.system}
        if whole := granted.marketplaces:
            wanted.update(resource for resource in subscribed if marketplace_of(resource) in whole)
        for resource, is_required in granted.items():
            if is_required:
                wanted.update(self.marketplace.by_marketplace.get(resource, (resource,)))
        return wanted

    def entities(self, added: Collection[str]) -> list[Entity]:
        """Those that can be served, the oldest first: whoever added them, and when, does not change what two people
        with the same ones are served."""
        known = (self.flea[entity_id] for entity_id in added if entity_id in self.flea)
        found = [entity for entity in known if entity.is_served]
        return sorted(found, key=lambda entity: (entity.created_at, entity.id))

    def candidates(self, resource: str, group_ids: Collection[str]) -> list[Candidate]:
        return self.marketplace.candidates(resource, group_ids)

    def resolve(
        self, group_ids: Collection[str], subscribed: Mapping[str, Since], added: Collection[str]
    ) -> Resolution:
        """What a person is served, and why what else they have is not; keys are `<slug>/<plugin>` and ids of entities.

        What is blocked takes no part: it is in neither.
        """
        return self.resolve_own(group_ids, self.plugins(group_ids, subscribed), self.entities(added))

    def resolve_own(
        self, group_ids: Collection[str], plugins: Sequence[ServedPlugin], entities: Sequence[Entity]
    ) -> Resolution:
        """`resolve`, for whoever has asked for `plugins` and `entities` already."""
        wanted, lookup = self.wanted(group_ids, plugins, entities)
        return resolution.decide(wanted, lookup)

    def wanted(
        self, group_ids: Collection[str], plugins: Sequence[ServedPlugin], entities: Sequence[Entity]
    ) -> tuple[list[list[Candidate]], Lookup]:
        """What a person has themselves, in order of precedence, and what they may have beside it."""
        blocked = self.marketplace.blocked
        own = [self.candidates(plugin.resource, group_ids) for plugin in plugins]
        own += [[of_entity(e)] for e in entities if e.tree_id not in blocked]
        granted = self.granted(group_ids)

        def lookup(resource: str) -> Sequence[Candidate] | str:
            reason = self.marketplace.unavailable(resource)
            if reason:
                return reason
            if not granted.covers(resource) and resource not in self.marketplace.system:
                return NOT_GRANTED_CLAUSE
            return self.candidates(resource, group_ids) or NO_VERSION_CLAUSE

        return [candidates for candidates in own if candidates], lookup


def of_entity(entity: Entity) -> Candidate:
    return Candidate(entity.id, Claim("flea", entity.owner_username, entity.served_name), entity.version, (), entity)


def blocked_because(version: str, reason: str, *, is_shared: bool = False) -> Reason:
    """Why a version is not served whose tree is blocked; `reason` is what `ServingIndex.marketplace.blocked` has. What a
    colleague shared has no marketplace that could be synced."""
    if reason == LEFT_OUT:
        return Reason(DAMAGED, f"version {version} {LEFT_OUT_SHARED if is_shared else LEFT_OUT}")
    return Reason(BLOCKED, blocked_reason(version, reason))


# Entitlements out ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class GrantedBy:
    """A grant that reaches a plugin."""

    group_id: str
    granted: str
    """Id of the granted resource: the plugin, or its marketplace."""
    is_required: bool


@dataclass(frozen=True, slots=True)
class Entitlement:
    """How one person is to one plugin of a marketplace or entity of the flea market: served, or why not."""

    key: str
    """`<slug>/<plugin>`, or the entity's id."""
    source: Literal["curated", "flea"]
    origin: str
    """The marketplace's slug, or the owner's user name."""
    name: str
    granted_by: tuple[GrantedBy, ...]
    is_system: bool
    added_at: datetime | None
    """When they subscribed to it or added it from the flea market; None if they did not."""
    is_own: bool
    """They have it themselves: added, required or a system plugin. Not own and served: it is a dependency."""
    required_by: tuple[str, ...]
    """Keys of what is served and needs it."""
    version: str
    """That they are served; empty if they are not."""
    decided_by: DecidedBy | None
    version_reason: VersionReason | None
    """Why this version, where most people get another one."""
    reason: Reason | None
    """Why it is not served; None if it is."""
    tree_id: str = ""
    needs: tuple[Need, ...] = ()

    @property
    def is_served(self) -> bool:
        return self.reason is None

    @property
    def is_required(self) -> bool:
        """One of their groups must have it."""
        return any(grant.is_required for grant in self.granted_by)

    @property
    def may_have(self) -> bool:
        return self.is_system or bool(self.granted_by) or self.source == "flea"


def entitlements(index: ServingIndex, subject: Subject) -> list[Entitlement]:
    """How a person is to everything that marketplaces list, and to what else they were granted or once added: curated
    plugins in the feed's order, then the flea entities that they added, the oldest first."""
    on = _Deciding(index, subject)
    curated = sorted(on.curated(), key=lambda one: (*index_order(index, one.origin), one.name))
    return [*curated, *on.flea()]


def index_order(index: ServingIndex, slug: str) -> tuple[datetime, str]:
    """The feed's order of marketplaces: by registration. What is registered no more is last."""
    return index.marketplace.registered.get(slug, datetime.max.replace(tzinfo=UTC)), slug


class _Deciding:
    """The list of one person in the making."""

    def __init__(self, index: ServingIndex, subject: Subject) -> None:
        self._index, self._groups = index, subject.group_ids
        self._plugins = index.marketplace
        self._subscribed = moved(subject.subscribed, self._plugins.moving)
        self._added = subject.added
        self._resolution = index.resolve(self._groups, subject.subscribed, subject.added)
        self._grants = self._grants_by_resource()

    def _grants_by_resource(self) -> dict[str, list[GrantedBy]]:
        found: dict[str, list[GrantedBy]] = {}
        for group_id in sorted(self._groups):
            for grant_id, granted in self._index.people.get(group_id, ()):
                resource = self._plugins.moving.get(granted, granted)
                one = GrantedBy(group_id, resource, grant_id in self._index.stack)
                found.setdefault(resource, []).append(one)
        return found

    def curated(self) -> Iterator[Entitlement]:
        listed = self._plugins.by_resource.keys() | self._plugins.disabled
        granted = {resource for resource in self._grants if "/" in resource}
        for resource in {*listed, *granted, *self._subscribed}:
            yield self._of_plugin(resource)

    def _of_plugin(self, resource: str) -> Entitlement:
        slug, _, name = resource.partition("/")
        versions = self._plugins.by_resource.get(resource)
        granted_by = (*self._grants.get(resource, ()), *self._grants.get(slug, ()))
        registered_at = self._plugins.registered.get(slug)
        since = self._subscribed.get(resource)
        added_at = counting(since, registered_at) if registered_at else None
        is_system = resource in self._plugins.system
        is_required = any(grant.is_required for grant in granted_by)
        is_own = versions is not None and (is_system or bool(granted_by and (is_required or added_at)))
        resolved = self._resolution.served.get(resource)
        if resolved is not None and versions is not None:
            given: ServedPlugin = resolved.candidate.value
            asking = [self._resolution.served[key].candidate for key in resolved.required_by]
            return Entitlement(
                resource,
                "curated",
                slug,
                name,
                granted_by,
                is_system,
                added_at,
                is_own and resolved.is_own,
                resolved.required_by,
                given.version,
                versions.decided_by(given, self._groups, is_pinned=slug in self._plugins.pinned),
                versions.reason(given, self._groups, asking),
                None,
                given.tree_id,
                given.needs,
            )
        reason = self._why_not(resource, versions, may_have=is_system or bool(granted_by), is_own=is_own, since=since)
        return Entitlement(
            resource, "curated", slug, name, granted_by, is_system, added_at, is_own, (), "", None, None, reason
        )

    def _why_not(
        self, resource: str, versions: PluginVersions | None, *, may_have: bool, is_own: bool, since: Since | None
    ) -> Reason:
        slug = marketplace_of(resource)
        if resource in self._plugins.disabled:
            return Reason(DISABLED, "disabled by an admin")
        if versions is None:
            new = self._plugins.renamed.get(resource)
            if new is not None:
                return Reason(REMOVED, f"its marketplace calls it {new.partition('/')[2]} now", new)
            if slug not in self._plugins.registered:
                return Reason(REMOVED, f"the marketplace {slug} is not registered")
            return Reason(REMOVED, f"removed from the catalog of {slug}")
        if not may_have:
            return Reason(NOT_GRANTED, "not granted to any of their groups")
        if not is_own:
            if since is not None:
                return Reason(NOT_ADDED, f"they added it before {slug} was registered anew, and not since")
            return Reason(NOT_ADDED, "they may add it, and have not")
        withheld = self._resolution.withheld.get(resource)
        if withheld is not None:
            return withheld
        first = versions.of(self._groups)
        if first is not None and first.tree_id in self._plugins.blocked:
            return blocked_because(first.version, self._plugins.blocked[first.tree_id])
        if versions.withheld:
            return Reason(BLOCKED if " is blocked: " in versions.withheld else NO_VERSION, versions.withheld)
        return Reason(NO_VERSION, NO_VERSION_CLAUSE)

    def flea(self) -> Iterable[Entitlement]:
        known = [self._index.flea[entity_id] for entity_id in self._added if entity_id in self._index.flea]
        for entity in sorted(known, key=lambda entity: (entity.created_at, entity.id)):
            resolved = self._resolution.served.get(entity.id)
            yield Entitlement(
                entity.id,
                "flea",
                entity.owner_username,
                entity.served_name,
                (),
                is_system=False,
                added_at=self._added[entity.id],
                is_own=True,
                required_by=(),
                version=entity.version if resolved else "",
                decided_by="owner" if resolved else None,
                version_reason=None,
                reason=None if resolved else self._why_no_entity(entity),
                tree_id=entity.tree_id or "",
            )

    def _why_no_entity(self, entity: Entity) -> Reason:
        if not entity.is_served:
            return Reason(NOT_APPROVED, f"its status is {entity.status}")
        if entity.tree_id is not None and entity.tree_id in self._plugins.blocked:
            return blocked_because(entity.version, self._plugins.blocked[entity.tree_id], is_shared=True)
        return self._resolution.withheld[entity.id]
