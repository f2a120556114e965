"""Governance of knowledge: the queue and all items, contradictions, duplicates, the detector, and one item to decide about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from agnes.access import service as access
from agnes.admin.paging import Paging
from agnes.kernel.errors import BadRequestError
from agnes.kernel.principal import Principal
from agnes.knowledge import governing, helping, index, listing, relations, service
from agnes.knowledge.context import Knowledge
from agnes.knowledge.governing import DetectorState, RelationLine
from agnes.knowledge.helping import Help, HelpPage
from agnes.knowledge.listing import ItemDetail, ItemLine, ItemsQuery
from agnes.knowledge.model import FILE
from agnes.knowledge.relations import Kind
from agnes.knowledge.service import Decision
from agnes.knowledge.transitions import DONE, LABELS, Event, Status

PATH = "/admin/knowledge"
A_PAGE = 50
TABS = {
    "review": "Review queue",
    "all": "All items",
    "contradictions": "Contradictions",
    "duplicates": "Duplicates",
    "help": "Does it help?",
    "detector": "Detector",
}
KINDS: dict[str, tuple[Kind, ...]] = {
    "contradictions": (Kind.CONTRADICTS,),
    "duplicates": (Kind.SAME, Kind.REFINES),
}


class KnowledgeAdminQuery(BaseModel):
    """Which tab, and what of it."""

    model_config = ConfigDict(extra="ignore")

    show: Literal["review", "all", "contradictions", "duplicates", "help", "detector"] = "review"
    q: str = Field("", max_length=200)
    status: str = Field("", max_length=40)
    domain: str = Field("", max_length=60)
    offset: int = Field(0, ge=0, le=1_000_000)


class KnowledgeBatchForm(BaseModel):
    """What the buttons of the lists send."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["approve", "reject", "revoke", "keep_a", "keep_b", "merge", "both", "dismiss", "retry"]
    ids: list[str] = Field([], max_length=500)
    reason: str = Field("", max_length=2000)
    item_a: str = Field("", max_length=64)
    item_b: str = Field("", max_length=64)
    merged: str = Field("", max_length=20_000)
    user_id: str = Field("", max_length=64)
    session_id: str = Field("", max_length=64)
    show: str = Field("", max_length=40)


class KnowledgeDecisionForm(BaseModel):
    """What the buttons of an item send."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["approve", "mandate", "reject", "revoke", "return", "edit"]
    reason: str = Field("", max_length=2000)
    audience: Literal["", "everyone", "groups"] = ""
    groups: list[str] = Field([], max_length=200)
    valid_until: str = Field("", max_length=10)
    """A date, YYYY-MM-DD: the item is valid before its end."""
    title: str = Field("", max_length=1000)
    content: str = Field("", max_length=20_000)
    domain: str = Field("", max_length=60)
    category: str = Field("", max_length=60)
    tags: str = Field("", max_length=1000)


@dataclass(frozen=True)
class KnowledgeAdminPage:
    template: ClassVar[str] = "admin/knowledge.html"
    title: ClassVar[str] = "Knowledge"
    tabs: ClassVar[dict[str, str]] = TABS
    labels: ClassVar[dict[str, str]] = LABELS

    query: KnowledgeAdminQuery
    counts: dict[str, int]
    """By tab; without the detector's."""
    lines: list[ItemLine]
    relations: list[RelationLine]
    detector: DetectorState | None
    help: HelpPage | None
    domains: list[str]
    paging: Paging
    today: date


@dataclass(frozen=True)
class KnowledgeDecisionPage:
    template: ClassVar[str] = "admin/knowledge_item.html"

    detail: ItemDetail
    help: Help
    near: list[ItemLine]
    """Items with similar words."""
    before: str
    """Id of the item before it in the queue, empty at its beginning."""
    after: str
    groups: list[tuple[str, str]]
    """(id, name) of every group."""
    domains: list[str]
    categories: list[str]
    today: date

    @property
    def title(self) -> str:
        return self.detail.item.title


def admin_page(k: Knowledge, who: Principal, query: KnowledgeAdminQuery) -> KnowledgeAdminPage:
    lines: list[ItemLine] = []
    pairs: list[RelationLine] = []
    detector = governing.detector_state(k, who) if query.show == "detector" else None
    helps = helping.page(k, who, skip=query.offset, limit=A_PAGE) if query.show == "help" else None
    total = helps.total if helps else 0
    if query.show in KINDS:
        total, pairs = _pairs(k, who, KINDS[query.show], query.offset)
    elif query.show not in ("detector", "help"):
        found = listing.page(k, who, _items_query(query))
        lines, total = found.items, found.total
    given = {name: str(getattr(query, name)) for name in ("show", "q", "status", "domain") if getattr(query, name)}
    if given.get("show") == "review":
        del given["show"]
    paging = Paging(
        PATH, given, query.offset, A_PAGE, len(lines) or len(pairs) or (len(helps.items) if helps else 0), total
    )
    return KnowledgeAdminPage(
        query, _counts(k, who), lines, pairs, detector, helps, list(k.rules.domains), paging, k.clock.now().date()
    )


def _items_query(query: KnowledgeAdminQuery) -> ItemsQuery:
    in_review = query.show == "review"
    status = str(Status.PENDING) if in_review else query.status or ",".join(Status)
    return ItemsQuery(
        q=query.q,
        status=status,
        domain=query.domain,
        sort="confidence" if in_review and not query.q else "relevance",
        skip=query.offset,
        limit=A_PAGE,
    )


def _pairs(k: Knowledge, who: Principal, kinds: tuple[Kind, ...], offset: int) -> tuple[int, list[RelationLine]]:
    found = [
        line
        for kind in kinds
        for line in governing.relations_page(k, who, kind, resolved=False, skip=0, limit=200).items
        if line.a is not None and line.b is not None
    ]
    return len(found), found[offset : offset + A_PAGE]


def _counts(k: Knowledge, who: Principal) -> dict[str, int]:
    known = index.current(k.state)
    private = [item for item in known.items_of(who.user_id) if item.is_personal]
    with k.state.read(FILE) as db:
        by_kind = relations.count_open(db)
    return {
        "review": known.shared.get(Status.PENDING, 0) + sum(item.status == Status.PENDING for item in private),
        "all": sum(known.shared.values()) + len(private),
        "contradictions": by_kind.get(Kind.CONTRADICTS, 0),
        "duplicates": by_kind.get(Kind.SAME, 0) + by_kind.get(Kind.REFINES, 0),
    }


def decision_page(k: Knowledge, who: Principal, item_id: str) -> KnowledgeDecisionPage:
    """Raises ItemNotFound."""
    detail = listing.detail(k, who, item_id)
    known, now = index.current(k.state), k.clock.now()
    item = known.find(item_id)
    near = known.near(item, limit=5) if item is not None else []
    seen = [other for other, _ in near if not other.is_personal or other.author_id == who.user_id]
    before, after = _neighbours(k, who, item_id)
    with k.state.read("people") as db:
        groups = access.group_names(db)
    with k.state.read(FILE) as db:
        helps = helping.figures(db, [item], now)[item.id] if item is not None else Help(item_id)
    return KnowledgeDecisionPage(
        detail,
        helps,
        [listing.line(known, other, who, now=now) for other in seen],
        before,
        after,
        groups,
        list(k.rules.domains),
        list(k.rules.categories),
        now.date(),
    )


def _neighbours(k: Knowledge, who: Principal, item_id: str) -> tuple[str, str]:
    ids = [line.id for line in listing.page(k, who, _queue()).items]
    if item_id not in ids:
        return "", ids[0] if ids else ""
    at = ids.index(item_id)
    return ids[at - 1] if at else "", ids[at + 1] if at + 1 < len(ids) else ""


def _queue() -> ItemsQuery:
    return ItemsQuery(status=str(Status.PENDING), sort="confidence", limit=200)


def act(k: Knowledge, who: Principal, body: KnowledgeBatchForm) -> tuple[str, str]:
    """(page to go on to, what was done)."""
    there = f"{PATH}?show={body.show}" if body.show in TABS and body.show != "review" else PATH
    if body.action == "retry":
        is_waiting = governing.retry(k, who, body.user_id, body.session_id)
        return there, "The session is read again." if is_waiting else "This session has not failed."
    if body.action in ("approve", "reject", "revoke"):
        done = service.decide_all(k, who, body.ids, Decision(Event(body.action), body.reason))
        said = f"{len(done.done)} items are {DONE[Event(body.action)]}."
        return there, said + (f" {len(done.failed)} could not be: {done.failed[0]['message']}." if done.failed else "")
    relations.resolve(k, who, body.item_a, body.item_b, body.action, merged=body.merged)
    return there, "Resolved."


_DONE = {
    "approve": "is approved",
    "mandate": "is mandatory",
    "reject": "is rejected",
    "revoke": "is revoked",
    "return": "waits for a review",
}


def decide(k: Knowledge, who: Principal, item_id: str, body: KnowledgeDecisionForm) -> tuple[str, str]:
    """(page to go on to, what was done): the next of the queue after a decision about one that waited."""
    here = f"{PATH}/{item_id}"
    if body.action == "edit":
        changes = {
            "title": body.title,
            "content": body.content,
            "domain": body.domain,
            "category": body.category,
            "tags": [word.strip() for word in body.tags.split(",") if word.strip()],
        }
        item = service.edit(k, who, item_id, changes)
        return here, f"“{item.title}” is changed."
    before, after = _neighbours(k, who, item_id)
    was_waiting = service.get(k, who, item_id).status == Status.PENDING
    decision = Decision(
        Event(body.action), body.reason, body.audience or None, body.groups or None, _end_of(body.valid_until)
    )
    item = service.decide(k, who, item_id, decision)
    following = after or before
    there = (f"{PATH}/{following}" if following else PATH) if was_waiting else here
    return there, f"“{item.title}” {_DONE[body.action]}."


def _end_of(given: str) -> datetime | None:
    """Raises BadRequestError `invalid_date`."""
    if not given:
        return None
    try:
        return datetime.combine(date.fromisoformat(given), time(), UTC)
    except ValueError:
        raise BadRequestError(
            "this is no date", code="invalid_date", errors=[{"field": "valid_until", "reason": "is no date"}]
        ) from None
