"""What the API of knowledge takes: queries and bodies of its routes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from agnes.knowledge.service import Decision
from agnes.knowledge.transitions import Event


class BundleQuery(BaseModel):
    """`domains` is a comma list, `text` words of the workspace: with either, only what fits goes in beside mandatory items."""

    model_config = ConfigDict(extra="forbid")

    domains: str = Field("", max_length=500)
    text: str = Field("", max_length=2000)
    budget_tokens: int | None = Field(None, ge=500, le=100_000)


class ItemCreate(BaseModel):
    """A fact. It waits for a review; one with the same words gets your support."""

    model_config = ConfigDict(extra="forbid")

    title: str = Field(max_length=1000)
    content: str = Field(max_length=20_000)
    domain: str = Field("", max_length=60)
    category: str = Field("", max_length=60)
    tags: list[str] = Field([], max_length=100)
    entities: list[str] = Field([], max_length=100)


class ItemChange(BaseModel):
    """Fields that are left out stay as they are."""

    model_config = ConfigDict(extra="forbid")

    title: str | None = Field(None, max_length=1000)
    content: str | None = Field(None, max_length=20_000)
    domain: str | None = Field(None, max_length=60)
    category: str | None = Field(None, max_length=60)
    tags: list[str] | None = Field(None, max_length=100)
    entities: list[str] | None = Field(None, max_length=100)


class Vote(BaseModel):
    """1, -1, or 0 to take it back."""

    model_config = ConfigDict(extra="forbid")

    vote: int = Field(ge=-1, le=1)


class Personal(BaseModel):
    """Whether the item is yours alone."""

    model_config = ConfigDict(extra="forbid")

    personal: bool


class NoteUpload(BaseModel):
    """A `CLAUDE.local.md`, whole. `workspace` is 16 hexadecimal digits that tell this one from the person's others; an empty note withdraws
    what was not read yet."""

    model_config = ConfigDict(extra="forbid")

    workspace: str = Field(max_length=64)
    content: str = Field(max_length=1_000_000)


class Loads(BaseModel):
    """Session → ids of the items in its workspace when it began."""

    model_config = ConfigDict(extra="forbid")

    sessions: dict[str, list[str]]


class ErrorReport(BaseModel):
    """What is wrong with the item; admins read it."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(max_length=2000)


class RelationsQuery(BaseModel):
    """`kind`: contradicts, same or refines; empty for all three."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["", "contradicts", "same", "refines"] = ""
    resolved: bool = False
    skip: int = Field(0, ge=0, le=1_000_000)
    limit: int = Field(50, ge=1, le=200)


class HelpQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    skip: int = Field(0, ge=0, le=1_000_000)
    limit: int = Field(50, ge=1, le=200)


class ExportQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal["json", "csv"] = "json"


class DecisionBody(BaseModel):
    """`reason` is needed to mandate, reject and revoke. `audience` is everyone, or groups with their ids in `groups`."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field("", max_length=2000)
    audience: Literal["everyone", "groups"] | None = None
    groups: list[str] | None = Field(None, max_length=200)
    valid_until: AwareDatetime | None = None
    review_at: AwareDatetime | None = None

    def decision(self, event: Event) -> Decision:
        return Decision(event, self.reason, self.audience, self.groups, self.valid_until, self.review_at)


class BatchBody(DecisionBody):
    """One decision about several items."""

    item_ids: list[str] = Field(min_length=1, max_length=500)
    decision_name: Literal["approve", "mandate", "reject", "revoke", "return"] = Field(alias="decision")


class AdminChange(BaseModel):
    """Fields that are left out stay as they are; null clears a date."""

    model_config = ConfigDict(extra="forbid")

    title: str | None = Field(None, max_length=1000)
    content: str | None = Field(None, max_length=20_000)
    domain: str | None = Field(None, max_length=60)
    category: str | None = Field(None, max_length=60)
    tags: list[str] | None = Field(None, max_length=100)
    entities: list[str] | None = Field(None, max_length=100)
    groups: list[str] | None = Field(None, max_length=200)
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None
    review_at: AwareDatetime | None = None


class BulkChange(BaseModel):
    """The same fields of several items, with tags that are added and taken away."""

    model_config = ConfigDict(extra="forbid")

    item_ids: list[str] = Field(min_length=1, max_length=500)
    domain: str | None = Field(None, max_length=60)
    category: str | None = Field(None, max_length=60)
    groups: list[str] | None = Field(None, max_length=200)
    tags_add: list[str] = Field([], max_length=20)
    tags_remove: list[str] = Field([], max_length=20)

    @property
    def arguments(self) -> dict[str, Any]:
        """As `governing.change_all` takes them: the fields that are given, and the tags."""
        given = self.model_dump(exclude_unset=True, exclude={"item_ids", "tags_add", "tags_remove"})
        return {"changes": given, "tags_add": self.tags_add, "tags_remove": self.tags_remove}


class ResolutionBody(BaseModel):
    """keep_a, keep_b (the items in the order of the path), merge with a `merged` text, both, or dismiss."""

    model_config = ConfigDict(extra="forbid")

    resolution: Literal["keep_a", "keep_b", "merge", "both", "dismiss"]
    merged: str = Field("", max_length=20_000)


class SessionBody(BaseModel):
    """A session that failed."""

    model_config = ConfigDict(extra="forbid")

    user_id: str = Field(max_length=64)
    session_id: str = Field(max_length=64)
