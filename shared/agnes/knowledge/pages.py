"""Pages of knowledge for everybody: the list with its search, one item, proposing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field

from agnes.kernel.principal import Principal
from agnes.knowledge import bundle, index, listing, service, visibility
from agnes.knowledge.context import Knowledge
from agnes.knowledge.listing import ItemDetail, ItemLine, ItemsQuery
from agnes.knowledge.service import Draft
from agnes.knowledge.transitions import DISTRIBUTED, Status

PATH = "/knowledge"
A_PAGE = 25


class KnowledgeQuery(BaseModel):
    """What of the list is shown."""

    model_config = ConfigDict(extra="ignore")

    q: str = Field("", max_length=200)
    domain: str = Field("", max_length=60)
    show: Literal["all", "mandatory", "mine", "upvoted"] = "all"
    sort: Literal["relevance", "updated", "confidence", "votes", "title"] = "relevance"
    offset: int = Field(0, ge=0, le=1_000_000)


class ProposeForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["propose"]
    title: str = Field("", max_length=1000)
    content: str = Field("", max_length=20_000)
    domain: str = Field("", max_length=60)
    category: str = Field("", max_length=60)
    tags: str = Field("", max_length=1000)
    """With commas between."""


class ItemForm(BaseModel):
    """What the buttons of an item send."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["up", "down", "no_vote", "dismiss", "load", "personal", "share", "report"]
    reason: str = Field("", max_length=2000)


@dataclass(frozen=True)
class KnowledgePage:
    template: ClassVar[str] = "knowledge/list.html"
    title: ClassVar[str] = "Knowledge"
    sorts: ClassVar[dict[str, str]] = {
        "relevance": "Best match",
        "updated": "Updated last",
        "confidence": "Most believed",
        "votes": "Most voted for",
        "title": "Title",
    }
    shows: ClassVar[dict[str, str]] = {"all": "All", "mandatory": "Mandatory", "mine": "Mine", "upvoted": "Voted for"}

    lines: list[ItemLine]
    total: int
    domains: list[str]
    query: KnowledgeQuery
    loaded_tokens: int
    """That the person's sessions load."""
    budget_tokens: int
    today: date

    def link(self, **changes: str | int) -> str:
        given = {**self.query.model_dump(), "offset": 0, **changes}
        pairs = {name: value for name, value in given.items() if value and value != _default(name)}
        return f"{PATH}?{urlencode(pairs)}" if pairs else PATH

    @property
    def first(self) -> int:
        return self.query.offset + 1 if self.lines else 0

    @property
    def last(self) -> int:
        return self.query.offset + len(self.lines)

    @property
    def previous(self) -> str:
        return self.link(offset=max(0, self.query.offset - A_PAGE)) if self.query.offset else ""

    @property
    def following(self) -> str:
        return self.link(offset=self.last) if self.last < self.total else ""


@dataclass(frozen=True)
class KnowledgeItemPage:
    template: ClassVar[str] = "knowledge/item.html"

    detail: ItemDetail
    can_vote: bool
    is_admin: bool
    today: date

    @property
    def title(self) -> str:
        return self.detail.item.title

    @property
    def is_distributed(self) -> bool:
        return self.detail.item.status in DISTRIBUTED

    @property
    def is_mandatory(self) -> bool:
        return self.detail.item.status == Status.MANDATORY


@dataclass(frozen=True)
class ProposePage:
    template: ClassVar[str] = "knowledge/propose.html"
    title: ClassVar[str] = "Propose a fact"

    domains: list[str]
    categories: list[str]


def _default(name: str) -> object:
    return KnowledgeQuery.model_fields[name].default


def list_page(k: Knowledge, who: Principal, query: KnowledgeQuery) -> KnowledgePage:
    mine = listing.own(k, who)
    found = listing.page(
        k,
        who,
        ItemsQuery(
            q=query.q,
            domain=query.domain,
            status="mandatory" if query.show == "mandatory" else "",
            mine=query.show == "mine",
            upvoted_by_me=query.show == "upvoted",
            sort=query.sort,
            skip=query.offset,
            limit=A_PAGE,
        ),
        mine,
    )
    loaded = bundle.made_of(k, mine.reads, mine.votes, mine.dismissed)
    return KnowledgePage(
        found.items,
        found.total,
        list(k.rules.domains),
        query,
        loaded.token_estimate,
        loaded.token_budget,
        k.clock.now().date(),
    )


def item_page(k: Knowledge, who: Principal, item_id: str) -> KnowledgeItemPage:
    """Raises ItemNotFound."""
    detail = listing.detail(k, who, item_id)
    return KnowledgeItemPage(detail, k.rules.distribution != "mandatory_only", who.is_admin, k.clock.now().date())


def propose_page(k: Knowledge) -> ProposePage:
    return ProposePage(list(k.rules.domains), list(k.rules.categories))


def propose(k: Knowledge, who: Principal, body: ProposeForm) -> tuple[str, str]:
    """(page to go on to, what was done)."""
    tags = [word.strip() for word in body.tags.split(",") if word.strip()]
    put = service.propose(k, who, Draft(body.title, body.content, body.domain, body.category, tags))
    said = "An admin reviews it." if put.is_new else "There was such an item: it has your support now."
    with k.state.read("people") as db:
        reads = visibility.reader(db, who)
    item = index.current(k.state).find(put.item_id)
    is_seen = item is not None and visibility.may_see(item, reads, k.clock.now())
    return (f"{PATH}/{put.item_id}" if is_seen else PATH), said


def act(k: Knowledge, who: Principal, item_id: str, body: ItemForm) -> tuple[str, str]:
    """(page to go on to, what was done)."""
    there = f"{PATH}/{item_id}"
    if body.action in ("up", "down", "no_vote"):
        service.vote(k, who, item_id, {"up": 1, "down": -1, "no_vote": 0}[body.action])
        return there, "Your vote is counted." if body.action != "no_vote" else "Your vote is taken back."
    if body.action in ("dismiss", "load"):
        service.dismiss(k, who, item_id, wanted=body.action == "dismiss")
        return there, "Your sessions no longer load it." if body.action == "dismiss" else "Your sessions load it again."
    if body.action in ("personal", "share"):
        service.set_personal(k, who, item_id, wanted=body.action == "personal")
        return there, "Only you see it now." if body.action == "personal" else "It waits for a review."
    service.report_error(k, who, item_id, body.reason)
    return there, "Reported: an admin looks at it."
