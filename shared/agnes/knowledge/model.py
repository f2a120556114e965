"""An item of knowledge, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from agnes.knowledge.transitions import DISTRIBUTED

FILE = "knowledge"
"""The state file."""
ADMINS = "admins"
"""The recipient of notices that are for whoever is an admin."""
EVERYONE, GROUPS = "everyone", "groups"

MAX_TITLE, MAX_CONTENT, MAX_QUOTE = 120, 2_000, 500
MAX_WORDS, MAX_WORD = 20, 60
"""Tags or entities of an item, and characters of one."""
MAX_REASON = 500


class Source(StrEnum):
    """Where an item came from first. The server sets it: nobody can claim it."""

    SESSION = "session"
    NOTE = "note"
    PERSON = "person"
    ADMIN = "admin"


class Kind(StrEnum):
    """What a piece of evidence is."""

    CORRECTION = "correction"
    """The person rejected what Claude said, and said what is right."""
    CONFIRMATION = "confirmation"
    """The person agreed with what Claude said about the organisation."""
    DEFINITION = "definition"
    """The person stated it without being asked."""
    NOTE = "note"
    """It is in the person's CLAUDE.local.md."""
    PROPOSAL = "proposal"
    """The person proposed it."""


@dataclass(frozen=True, slots=True)
class Item:
    """A row of the items, as it is."""

    id: str
    title: str
    content: str
    category: str
    domain: str
    tags: list[str]
    entities: list[str]
    status: str
    source: str
    author_id: str
    audience: str
    audience_groups: list[str]
    is_personal: bool
    valid_from: datetime | None
    valid_until: datetime | None
    review_at: datetime | None
    superseded_by: str | None
    reason: str
    decided_by: str
    decided_at: datetime | None
    revision: int
    created_at: datetime
    updated_at: datetime

    def is_valid(self, now: datetime) -> bool:
        """Whether the time is within the item's validity; its end is not."""
        return (self.valid_from is None or self.valid_from <= now) and (
            self.valid_until is None or now < self.valid_until
        )

    def is_distributed(self, now: datetime) -> bool:
        """Whether it goes to its audience's sessions."""
        return self.status in DISTRIBUTED and not self.is_personal and self.is_valid(now)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A person's own words for an item."""

    id: str
    item_id: str
    user_id: str
    session_id: str
    turn: str
    kind: str
    quote: str
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Support:
    """The sums of an item's evidence and votes, from which confidence is computed."""

    verifiers: int = 0
    """People with evidence that is a correction or a definition."""
    confirmers: int = 0
    """People with any evidence."""
    best: str = ""
    """The strongest kind."""
    last_at: datetime | None = None
    upvotes: int = 0
    downvotes: int = 0
    complaints: int = 0
    """Reports of an error that nobody has answered."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What an installation has configured."""

    domains: tuple[str, ...] = ("finance", "engineering", "product", "data", "operations", "infrastructure")
    categories: tuple[str, ...] = (
        "data_analysis",
        "api_integration",
        "debugging",
        "performance",
        "workflow",
        "infrastructure",
        "business_logic",
    )
    distribution: str = "hybrid"
    """mandatory_only, admin_curated, or hybrid: what reaches sessions beside mandates."""
    approval: str = "review_queue"
    """review_queue, auto_publish, or threshold: what is distributed without a review."""
    threshold: float = 0.9
    """Confidence from which `threshold` publishes."""
    review_after: timedelta = timedelta(days=180)
    """Until an approved item has to be looked at again; none with 0."""
    budget_tokens: int = 6_000
    """Of what one person's sessions load."""
