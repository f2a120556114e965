"""Lists of items, one item with all that belongs to it, and counts: always of what the person may see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from agnes.accounts import directory
from agnes.kernel.principal import Principal
from agnes.knowledge import index, received, repository, service
from agnes.knowledge.context import Knowledge
from agnes.knowledge.index import KnowledgeIndex, counted
from agnes.knowledge.model import FILE, Evidence, Item, Support
from agnes.knowledge.transitions import DISTRIBUTED, LABELS, OF_ADMINS, Status, allowed
from agnes.knowledge.visibility import Reader

Sort = Literal["relevance", "updated", "created", "confidence", "votes", "title"]


class ItemsQuery(BaseModel):
    """What is listed."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field("", max_length=200)
    status: str = Field("", max_length=200)
    """A comma list; without it, what is distributed and, of one's own, everything."""
    domain: str = Field("", max_length=60)
    category: str = Field("", max_length=60)
    tag: str = Field("", max_length=60)
    source: str = Field("", max_length=20)
    audience: str = Field("", max_length=64)
    """`everyone`, or a group's id."""
    mine: bool = False
    upvoted_by_me: bool = False
    hide_dismissed: bool = False
    sort: Sort = "relevance"
    """Without `q`, relevance is what changed last."""
    skip: int = Field(0, ge=0, le=1_000_000)
    limit: int = Field(50, ge=1, le=200)


@dataclass(frozen=True, slots=True)
class ItemLine:
    """An item in a list, as one person sees it."""

    id: str
    title: str
    content: str
    category: str
    domain: str
    tags: list[str]
    entities: list[str]
    status: str
    label: str
    source: str
    is_mine: bool
    is_personal: bool
    audience: str
    audience_groups: list[str]
    confidence: float
    upvotes: int
    downvotes: int
    my_vote: int
    is_dismissed: bool
    tokens: int
    reason: str
    valid_from: datetime | None
    valid_until: datetime | None
    review_at: datetime | None
    superseded_by: str | None
    verifiers: int
    complaints: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ItemsPage:
    items: list[ItemLine]
    total: int
    skip: int
    limit: int


@dataclass(frozen=True, slots=True)
class EvidenceLine:
    """A quote, for admins and for whoever said it."""

    kind: str
    quote: str
    user_id: str
    email: str
    """Empty if the account is gone."""
    session_id: str
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class HistoryLine:
    event: str
    by: str
    """An address; empty for a schedule."""
    reason: str
    before: dict[str, Any]
    after: dict[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class ComplaintLine:
    by: str
    reason: str
    at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ItemDetail:
    item: ItemLine
    author: str
    evidence: list[EvidenceLine]
    """All of it for admins; of others their own."""
    history: list[HistoryLine]
    complaints: list[ComplaintLine]
    """For admins."""
    allowed: list[str]
    """Decisions that an admin may take now; empty for others."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts of what the person may see."""

    total: int
    by_status: dict[str, int]
    by_domain: dict[str, int]
    by_category: dict[str, int]
    by_source: dict[str, int]
    by_tag: dict[str, int]


@dataclass(frozen=True, slots=True)
class Own:
    """What a person has done with items, with what decides about what they see."""

    reads: Reader
    votes: dict[str, int]
    dismissed: frozenset[str]


def own(k: Knowledge, who: Principal) -> Own:
    reads = service.reader(k, who)
    with k.state.read(FILE) as db:
        return Own(reads, repository.votes_of(db, who.user_id), repository.dismissed_by(db, who.user_id))


def page(k: Knowledge, who: Principal, query: ItemsQuery, mine: Own | None = None) -> ItemsPage:
    """`mine` is `own` of the same person, where it was read already."""
    mine = mine or own(k, who)
    known, now = index.current(k.state), k.clock.now()
    tests = _tests(query, who, mine)
    if query.q.strip():
        shown = received.seen_of(known, [item for item, _ in known.search(query.q)], mine.reads, now)
    else:
        shown = list(received.seen(known, mine.reads, now))
    for test in tests:
        shown = [item for item in shown if test(item)]
    shown = _sorted(known, shown, query, now)
    votes, dismissed = mine.votes, mine.dismissed
    lines = [
        line(known, item, who, now=now, vote=votes.get(item.id, 0), is_dismissed=item.id in dismissed)
        for item in shown[query.skip : query.skip + query.limit]
    ]
    return ItemsPage(lines, len(shown), query.skip, query.limit)


def _tests(query: ItemsQuery, who: Principal, mine: Own) -> list[Callable[[Item], bool]]:
    """What an item has to be, beside visible; only what is asked for."""
    statuses = {word.strip() for word in query.status.split(",") if word.strip()}
    user_id = who.user_id
    found: list[Callable[[Item], bool]] = []
    if statuses:
        if not statuses.issuperset(Status):
            found.append(lambda item: item.status in statuses)
    elif who.is_admin or query.q.strip():
        found.append(lambda item: item.status in DISTRIBUTED or item.author_id == user_id)
    if query.domain:
        found.append(lambda item: item.domain == query.domain)
    if query.category:
        found.append(lambda item: item.category == query.category)
    if query.tag:
        found.append(lambda item: query.tag in item.tags)
    if query.source:
        found.append(lambda item: item.source == query.source)
    if query.audience:
        found.append(lambda item: query.audience == item.audience or query.audience in item.audience_groups)
    if query.mine:
        found.append(lambda item: item.author_id == user_id)
    if query.upvoted_by_me:
        found.append(lambda item: mine.votes.get(item.id, 0) > 0)
    if query.hide_dismissed:
        found.append(lambda item: item.id not in mine.dismissed)
    return found


def _sorted(known: KnowledgeIndex, items: list[Item], query: ItemsQuery, now: datetime) -> list[Item]:
    if query.sort == "relevance" and query.q.strip():
        return items
    if query.sort == "title":
        return sorted(items, key=lambda item: (item.title.casefold(), item.id))
    if query.sort == "created":
        return sorted(items, key=lambda item: (item.created_at, item.id), reverse=True)
    if query.sort == "confidence":
        hourly = known.hourly_confidence(now)
        return sorted(items, key=lambda item: (-hourly[item.id], item.id))
    if query.sort == "votes":
        return sorted(items, key=lambda item: (-_score(known.support(item.id)), item.id))
    if query.q.strip():
        return sorted(items, key=lambda item: (item.updated_at, item.id), reverse=True)
    return items  # they are in this order


def _score(support: Support) -> int:
    return support.upvotes - support.downvotes


def line(
    known: KnowledgeIndex, item: Item, who: Principal, *, now: datetime, vote: int = 0, is_dismissed: bool = False
) -> ItemLine:
    support = known.support(item.id)
    return ItemLine(
        id=item.id,
        title=item.title,
        content=item.content,
        category=item.category,
        domain=item.domain,
        tags=item.tags,
        entities=item.entities,
        status=item.status,
        label=LABELS.get(item.status, item.status),
        source=item.source,
        is_mine=item.author_id == who.user_id,
        is_personal=item.is_personal,
        audience=item.audience,
        audience_groups=item.audience_groups,
        confidence=known.confidence(item, now),
        upvotes=support.upvotes,
        downvotes=support.downvotes,
        my_vote=vote,
        is_dismissed=is_dismissed,
        tokens=known.tokens_of(item),
        reason=item.reason,
        valid_from=item.valid_from,
        valid_until=item.valid_until,
        review_at=item.review_at,
        superseded_by=item.superseded_by,
        verifiers=support.verifiers,
        complaints=support.complaints if who.is_admin else 0,
        created_at=item.created_at,
        updated_at=item.updated_at,
    )


def detail(k: Knowledge, who: Principal, item_id: str) -> ItemDetail:
    """Raises ItemNotFound, for what is not for this person as well."""
    item = service.get(k, who, item_id)
    known, now = index.current(k.state), k.clock.now()
    with k.state.read(FILE) as db:
        votes, dismissed = repository.votes_of(db, who.user_id), repository.dismissed_by(db, who.user_id)
        evidence = [one for one in repository.evidence(db, [item_id]) if who.is_admin or one.user_id == who.user_id]
        history = repository.history(db, item_id)
        complaints = repository.complaints(db, item_id) if who.is_admin else []
    with k.state.read("people") as db:
        emails = {user_id: person.email for user_id, person in directory.active(db).items()}
    is_mine = item.author_id == who.user_id
    return ItemDetail(
        item=line(known, item, who, now=now, vote=votes.get(item_id, 0), is_dismissed=item_id in dismissed),
        author=emails.get(item.author_id, "") if who.is_admin or is_mine else "",
        evidence=[_evidence(one, emails) for one in evidence],
        history=[
            HistoryLine(event, emails.get(user_id, "") if who.is_admin else "", reason, before, after, at)
            for event, user_id, before, after, reason, at in history
            if who.is_admin or is_mine or event not in ("edit", "personal")
        ],
        complaints=[
            ComplaintLine(emails.get(user_id, ""), reason, at, closed) for user_id, reason, at, closed in complaints
        ],
        allowed=sorted(event for event in allowed(item.status) & OF_ADMINS) if who.is_admin else [],
    )


def _evidence(one: Evidence, emails: dict[str, str]) -> EvidenceLine:
    return EvidenceLine(one.kind, one.quote, one.user_id, emails.get(one.user_id, ""), one.session_id, one.seen_at)


def stats(k: Knowledge, who: Principal) -> Stats:
    return counts(received.seen(index.current(k.state), service.reader(k, who), k.clock.now()))


def counts(items: Sequence[Item]) -> Stats:
    return Stats(
        len(items),
        counted(item.status for item in items),
        counted(item.domain for item in items),
        counted(item.category for item in items),
        counted(item.source for item in items),
        dict(list(counted(tag for item in items for tag in item.tags).items())[:50]),
    )
