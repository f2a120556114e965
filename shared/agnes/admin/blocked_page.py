"""Content that no feed serves, by its hash: the list, and the form that blocks more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from agnes.kernel.principal import Principal
from agnes.kernel.state import State
from agnes.marketplace import blocking
from agnes.marketplace.blocking import BlockedTree

PATH = "/admin/system/blocked"


class BlockForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["block", "unblock"]
    tree_id: str = Field(min_length=1, max_length=64)
    reason: str = Field("", max_length=500)


@dataclass(frozen=True)
class BlockedPage:
    template: ClassVar[str] = "admin/blocked.html"
    title: ClassVar[str] = "Blocked content"

    blocked: list[BlockedTree]
    """Newest first."""


def blocked_page(state: State) -> BlockedPage:
    with state.read("marketplace") as db:
        return BlockedPage(blocking.blocked(db))


def change(state: State, who: Principal, form: BlockForm, *, now: datetime) -> str:
    """What the next page says. Raises BadRequestError, NotFoundError."""
    tree_id = form.tree_id.strip().lower()
    if form.action == "unblock":
        blocking.unblock(state, who, tree_id, now=now)
        return "It is served again where it is the version to serve."
    done = blocking.block(state, who, tree_id, form.reason, now=now)
    held = f" It is or was in {', '.join(done.plugins)}." if done.plugins else " No plugin holds it so far."
    return f"No feed serves this content any more.{held}"
