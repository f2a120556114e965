"""An uploaded entity, and who may see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from agnes.kernel.principal import Principal

EntityType = Literal["skill", "agent", "plugin"]
Status = Literal["pending", "approved", "hidden", "archived"]

APPROVED, ARCHIVED = "approved", "archived"


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

    @property
    def is_served(self) -> bool:
        """Archiving ends new installs and keeps the existing ones (spec/02 §4)."""
        return self.tree_id is not None and self.status in (APPROVED, ARCHIVED)

    def is_visible_to(self, who: Principal) -> bool:
        return self.status == APPROVED or who.is_admin or self.owner_user_id == who.user_id
