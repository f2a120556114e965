"""Marketplaces, their plugins and what is inside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

RESOURCE_TYPE = "marketplace_plugin"
"""Of grants; the resource id is `<slug>/<plugin>`. A grant of type `marketplace` has the slug alone: no slug holds a slash,
so an id says of which type it is."""
RESOURCE_TYPES = (RESOURCE_TYPE, "marketplace")
"""Of grants that reach plugins."""


def resource_id(marketplace_id: str, plugin: str) -> str:
    return f"{marketplace_id}/{plugin}"


def marketplace_of(granted: str) -> str:
    """The marketplace of a granted plugin's id; of a granted marketplace's, itself."""
    return granted.partition("/")[0]


def parts_of(plugin_resource: str) -> tuple[str, str]:
    """(marketplace, plugin): the inverse of `resource_id`."""
    marketplace_id, _, plugin = plugin_resource.partition("/")
    return marketplace_id, plugin


class NewMarketplace(BaseModel):
    """Input of POST /api/marketplaces; the rules are in `agnes.marketplace.rules`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str
    slug: str
    url: str
    branch: str | None = None
    ref: str | None = None
    """A tag or a full commit id; not with a branch."""
    description: str | None = None
    token: str | None = None
    curator_name: str = ""
    curator_email: str = ""
    hold: bool = False
    allow_external: bool = False


class MarketplaceChange(BaseModel):
    """Input of PATCH: absent or null keeps; an empty token or ref clears it, an empty branch means HEAD."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: str | None = None
    url: str | None = None
    branch: str | None = None
    ref: str | None = None
    description: str | None = None
    token: str | None = None
    curator_name: str | None = None
    curator_email: str | None = None
    hold: bool | None = None
    allow_external: bool | None = None


@dataclass(frozen=True, slots=True)
class Registry:
    """One registered repository, as stored. `token_name` names a secret and stays inside."""

    id: str
    name: str
    url: str
    branch: str | None
    description: str
    curator_name: str
    curator_email: str
    token_name: str | None
    registered_by: str
    registered_at: datetime
    last_synced_at: datetime | None = None
    last_commit_sha: str | None = None
    last_error: str | None = None
    last_sync_id: str | None = None
    reading_format: int = 0
    ref: str | None = None
    """A tag or a full commit id that it is pinned to."""
    last_ref: str | None = None
    """The pin at the last good sync."""
    hold: bool = False
    """New versions wait for an admin's approval."""
    allow_external: bool = False
    """Plugins of other repositories are fetched."""
    catalog_name: str | None = None
    """What its catalog calls itself: `plugin@catalog` in a dependency means it."""


@dataclass(frozen=True, slots=True)
class Marketplace:
    """A registry as the API shows it."""

    id: str
    name: str
    url: str
    branch: str | None
    ref: str | None
    description: str
    registered_by: str
    registered_at: datetime
    last_synced_at: datetime | None
    last_commit_sha: str | None
    last_error: str | None
    has_token: bool
    plugin_count: int
    curator_name: str
    curator_email: str
    hold: bool
    """New versions wait for an admin's approval."""
    allow_external: bool
    """Plugins of other repositories are fetched."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin of a marketplace, as stored."""

    marketplace_id: str
    name: str
    description: str
    upstream_version: str | None
    author_name: str | None
    homepage: str | None
    category: str | None
    keywords: list[str]
    source_type: str | None
    source_spec: Any
    raw: dict[str, Any]
    """The catalog's entry as it is served; its `name` is plugin.json's, the word before the colon of an invocation."""
    tree_id: str | None
    git_oid: str | None
    version: str | None
    fingerprint: str | None
    size_bytes: int
    file_count: int
    problem: str | None
    is_system: bool
    disabled: bool
    created_at: datetime
    updated_at: datetime
    released_at: datetime | None
    removed_at: datetime | None = None
    metadata: Any = None
    """What its page shows beside (`agnes.marketplace.metadata`)."""
    pinned_version: str | None = None
    """Id of the version that an admin rolled back to."""
    rollout_version: str | None = None
    """Id of the version that the members of `rollout_group` get."""
    rollout_group: str | None = None
    withheld: str | None = None
    """Why an admin's decision keeps the newest version back."""
    declared: Any = None
    """What the served version says of itself (`agnes.marketplace.declared`)."""

    @property
    def display_name(self) -> str:
        """As people read its name: the curator's word for the page, else what its author calls it, else its name."""
        return (self.metadata or {}).get("display_name") or (self.declared or {}).get("display_name") or self.name

    @property
    def is_served(self) -> bool:
        return self.tree_id is not None and not self.disabled and self.removed_at is None


@dataclass(frozen=True, slots=True)
class Need:
    """A plugin that another one needs."""

    resource_id: str
    """`<slug>/<plugin>`; empty if it is of a marketplace that is not registered."""
    name: str
    marketplace: str
    """The slug, or the name of a catalog that is not registered."""
    range: str
    """Versions that will do, empty for any."""


@dataclass(frozen=True, slots=True)
class PluginLine:
    """A plugin as the admin's list shows it."""

    name: str
    display_name: str
    """As people read its name; the name itself where nobody chose another."""
    description: str
    version: str | None
    """As served, derived from content; upstream's while nothing is served."""
    upstream_version: str | None
    author_name: str | None
    homepage: str | None
    category: str | None
    source_type: str | None
    source_spec: Any
    is_system: bool
    disabled: bool
    served: bool
    problem: str | None
    """Why the newest version is not served: upstream's fault, or an admin's decision."""
    tree_id: str | None
    """Hash of the served content, for the kill switch."""
    dependencies: list[Need]
    """Plugins that it needs."""
    default_enabled: bool
    """False if it is installed switched off."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something inside a plugin. `name` follows from the file's place, `declared_name` from its front matter."""

    kind: str
    name: str
    declared_name: str | None
    description: str
    relpath: str
    detail: str | None = None
    """A hook's event, or a server's transport (stdio, http, sse)."""
    always_on: int = 0
    """Characters that it puts into every session, as `claude plugin details` counts them (`agnes.claude_code.listings`)."""


@dataclass(frozen=True, slots=True)
class PluginItem:
    marketplace_id: str
    plugin_name: str
    item: Item


@dataclass(frozen=True, slots=True)
class Refused:
    """A plugin whose newest version is not served, and why."""

    plugin: str
    reason: str


@dataclass(frozen=True, slots=True)
class Renaming:
    """A plugin that its catalog renamed."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did. `commit` is the one that the plugins are of now."""

    id: str
    name: str
    action: str
    """`clone` the first time, then `update`."""
    commit: str
    path: str
    """Key prefix of the store under which the plugins' trees are."""
    plugin_count: int
    changed: bool
    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    changes: list[Any] = field(default_factory=list)
    """Each plugin that changed, as `differences.PluginDifference`."""
    renamed: list[Renaming] = field(default_factory=list)
    """Whoever was granted the old one, or had it, has the new one."""
    duration_seconds: float = 0.0
    waiting: int = 0
    """External plugins that nobody is served yet, and that wait for the next sync."""
    has_advanced: bool = False
    """It read new content of external sources, so the next sync gets further."""


@dataclass(frozen=True, slots=True)
class SyncLine:
    """A line of sync history."""

    id: str
    started_at: datetime
    duration_seconds: float
    outcome: str
    """`changed`, `unchanged` or `failed`."""
    ref: str | None
    """What was asked of git: HEAD, a branch, a tag, or a commit id."""
    commit_sha: str | None
    """The commit that the plugins were of afterwards."""
    added: list[str]
    updated: list[str]
    removed: list[str]
    changes: list[Any]
    """Each plugin that changed, as `differences.PluginDifference`."""
    refused: list[Any]
    warnings: list[str]
    error: str | None
    renamed: list[Any]
    """Each `model.Renaming`."""


@dataclass(frozen=True, slots=True)
class RecentSync(SyncLine):
    """A line of the history of all marketplaces."""

    marketplace_id: str


@dataclass(frozen=True, slots=True)
class DisabledFlag:
    marketplace_id: str
    plugin_name: str
    disabled: bool
    is_system: bool


@dataclass(frozen=True, slots=True)
class SyncFailure:
    id: str
    error: str


@dataclass(frozen=True, slots=True)
class SyncAllReport:
    synced: list[SyncReport]
    errors: list[SyncFailure]
    queued: list[str]
    """Those for which no time was left; the queue does them next."""


@dataclass(frozen=True, slots=True)
class SystemFlag:
    """What marking a plugin did. Everyone has a system plugin by rule, so no rows are made for groups."""

    marketplace_id: str
    plugin_name: str
    is_system: bool
    affected_groups: int
    affected_users: int
