"""Groups, memberships and grants, as the API shows them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from agnes.accounts.model import SYNC_SOURCES


@dataclass(frozen=True, slots=True)
class Group:
    """`mapped_email` is the Google group that a system group mirrors; None until a directory is connected."""

    id: str
    name: str
    description: str
    is_system: bool
    created_at: datetime
    created_by: str | None
    origin: str
    member_count: int
    grant_count: int
    is_google_managed: bool
    mapped_email: str | None

    @property
    def is_directory_managed(self) -> bool:
        """Whether a directory keeps it (Google, OpenID Connect, SCIM): then nobody edits it here."""
        return self.origin in SYNC_SOURCES


@dataclass(frozen=True, slots=True)
class Member:
    """A person in a group. `source` is `derived` in Everyone."""

    user_id: str
    email: str
    name: str
    active: bool
    source: str
    added_at: datetime
    added_by: str | None


@dataclass(frozen=True, slots=True)
class Membership:
    """A group that a person is in."""

    group_id: str
    name: str
    is_system: bool
    origin: str
    source: str
    added_at: datetime
    added_by: str | None


@dataclass(frozen=True, slots=True)
class Grant:
    id: str
    group_id: str
    group_name: str
    resource_type: str
    resource_id: str
    assigned_at: datetime
    assigned_by: str | None


@dataclass(frozen=True, slots=True)
class GrantBatch:
    """What granting several resources to one group did."""

    group_id: str
    group_name: str
    created: tuple[Grant, ...]
    already_granted: tuple[str, ...]
    """Ids of resources that the group had a grant for before."""


@dataclass(frozen=True, slots=True)
class ViaGroup:
    id: str
    name: str
    granted: str
    """Id of the granted resource: the item itself, or the marketplace that it is in."""


@dataclass(frozen=True, slots=True)
class AccessItem:
    resource_type: str
    resource_id: str
    via_groups: tuple[ViaGroup, ...]


@dataclass(frozen=True, slots=True)
class EffectiveAccess:
    """What a person may see. Admins administer everything, but see only granted marketplace plugins too."""

    is_admin: bool
    items: tuple[AccessItem, ...]


@dataclass(frozen=True, slots=True)
class ResourceType:
    key: str
    display_name: str
    description: str
    id_format: str


MARKETPLACE = "marketplace"
MARKETPLACE_PLUGIN = "marketplace_plugin"
TABLE = "table"
MEMORY_DOMAIN = "memory_domain"

RESOURCE_TYPES = (
    ResourceType(
        MARKETPLACE_PLUGIN,
        "Marketplace plugin",
        "A plugin of a registered marketplace. Admins need a grant as well.",
        "<slug>/<plugin>",
    ),
    ResourceType(
        MARKETPLACE,
        "Whole marketplace",
        "Every plugin of a registered marketplace, those that it adds later too. Admins need a grant as well.",
        "<slug>",
    ),
    ResourceType(TABLE, "Data table", "A registered table, with the rows and columns of the group's policy.", "<id>"),
    ResourceType(
        MEMORY_DOMAIN,
        "Knowledge domain",
        "What is distributed of a domain of shared knowledge, whatever its audience.",
        "<domain>",
    ),
)

ID_PATTERNS = {
    MARKETPLACE_PLUGIN: re.compile(r"[a-z0-9][a-z0-9_-]{0,63}/[A-Za-z0-9][A-Za-z0-9._-]{0,127}"),
    MARKETPLACE: re.compile(r"[a-z0-9][a-z0-9_-]{0,63}"),
    TABLE: re.compile(r"[a-z_][a-z0-9_]{0,63}"),
    MEMORY_DOMAIN: re.compile(r"[a-z0-9][a-z0-9_-]{0,59}"),
}
"""What an id of each type looks like. Whether the resource exists is asked by its domain (`agnes.marketplace.granting`)."""
