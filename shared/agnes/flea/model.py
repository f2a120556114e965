"""An uploaded entity, and who may see it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from agnes.kernel.principal import Principal

EntityType = Literal["skill", "agent", "plugin"]
Status = Literal["pending", "approved", "hidden", "archived"]

Audience = Literal["everyone", "groups", "private"]
"""Whom an entity is for. `private`: its owner alone."""

PENDING, APPROVED, HIDDEN, ARCHIVED = "pending", "approved", "hidden", "archived"
TYPES: tuple[EntityType, ...] = ("skill", "agent", "plugin")
CATEGORIES = (
    "Code & Engineering",
    "Data & Analytics",
    "Documentation",
    "Productivity",
    "Communication",
    "DevOps & Infra",
    "Security",
    "Research",
    "Other",
)
ADMINS = "admins"
"""The recipient of notices that are for whoever is an admin."""


@dataclass(frozen=True, slots=True)
class Entity:
    id: str
    owner_user_id: str
    owner_username: str
    type: EntityType
    name: str
    served_name: str
    """`<name>-by-<owner>`: the catalog's entry, and the word before the colon of an invocation."""
    description: str
    category: str
    status: Status
    version: str
    version_no: int
    tree_id: str | None
    """The live version; none before the first approval."""
    size_bytes: int
    video_url: str | None
    created_at: datetime
    updated_at: datetime
    released_at: datetime | None
    audience: Audience = "everyone"
    audience_groups: list[str] = field(default_factory=list)
    """Ids, where the audience is `groups`."""
    photo: str | None = None
    """JSON of an asset."""
    docs: str = "[]"
    """JSON list of assets."""
    submission_id: str | None = None
    """Whose version is live; none before the first approval, nor of what an earlier release left."""
    held_reason: str | None = None
    """Why a hidden one is hidden."""
    archived_at: datetime | None = None

    def may_have(self, user_id: str, group_ids: Collection[str]) -> bool:
        """Whether its owner shares it with this person."""
        return (
            self.audience == "everyone"
            or self.owner_user_id == user_id
            or (self.audience == "groups" and not set(self.audience_groups).isdisjoint(group_ids))
        )

    @property
    def is_served(self) -> bool:
        """Archiving ends new installs and keeps the existing ones."""
        return self.tree_id is not None and self.status in (APPROVED, ARCHIVED)

    def is_visible_to(self, who: Principal) -> bool:
        if who.is_admin or self.owner_user_id == who.user_id:
            return True
        return self.status == APPROVED and self.may_have(who.user_id, who.group_ids)


@dataclass(frozen=True, slots=True)
class Submission:
    """One version of an entity, as offered: its fields are those of the table."""

    id: str
    entity_id: str
    n: int
    kind: str
    """`create`, `update`, `restore` or `import`."""
    status: str
    status_reason: str
    hold_reason: str
    submitter_id: str
    submitter_email: str
    type: EntityType
    name: str
    served_name: str
    description: str
    category: str
    video_url: str | None
    photo: str | None
    docs: str
    changes: str
    version: str
    tree_id: str | None
    sha256: str
    size_bytes: int
    file_count: int
    risk: str
    finding_count: int
    gained: list[str]
    report_sha256: str
    rules: str
    model: str
    cost_usd: float
    attempts: int
    lease_owner: str
    lease_until: datetime | None
    decided_by: str
    decided_at: datetime | None
    reason: str
    appeal: str
    appealed_at: datetime | None
    went_live_at: datetime | None
    purged_at: datetime | None
    created_at: datetime
    updated_at: datetime
