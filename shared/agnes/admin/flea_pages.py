"""The queue of the Flea market: the list by risk, and one submission with all that is needed to decide."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from agnes.admin.paging import Paging
from agnes.flea import deciding, queue
from agnes.flea.market import Market
from agnes.flea.queue import CHIPS, QueueLine, QueueQuery, SubmissionDetail
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db
from agnes.marketplace.capabilities import HEADINGS

PATH = "/admin/store"
SUBMISSIONS = f"{PATH}/submissions"
A_PAGE = 50


class QueuePageQuery(BaseModel):
    """What of the queue is shown."""

    model_config = ConfigDict(extra="forbid")

    show: Literal["review", "pending", "approved", "overridden", "refused", "quarantined", "all"] = "review"
    q: str = Field("", max_length=200)
    submitter: str = Field("", max_length=254)
    type: Literal["", "skill", "agent", "plugin"] = ""
    sort: Literal["risk", "created_at", "file_size", "status", "name"] = "risk"
    offset: int = Field(0, ge=0, le=1_000_000)


class DecisionForm(BaseModel):
    """What the buttons of a submission send."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["approve", "override", "reject", "retry", "rescan", "quarantine", "release", "delete"]
    reason: str = Field("", max_length=2000)


@dataclass(frozen=True)
class FleaQueuePage:
    template: ClassVar[str] = "admin/flea_queue.html"
    title: ClassVar[str] = "Flea market"
    sorts: ClassVar[dict[str, str]] = {
        "risk": "Riskiest first",
        "created_at": "Newest first",
        "file_size": "Largest first",
        "name": "Name",
    }

    lines: list[QueueLine]
    counts: dict[str, int]
    """By the names of the chips."""
    query: QueuePageQuery
    paging: Paging
    today: date

    @property
    def chips(self) -> list[tuple[str, str, int]]:
        """(name, label, how many)."""
        return [(name, label, self.counts[name]) for name, (label, _) in CHIPS.items()]


@dataclass(frozen=True)
class FleaSubmissionPage:
    template: ClassVar[str] = "admin/flea_submission.html"
    kinds: ClassVar[dict[str, str]] = HEADINGS

    detail: SubmissionDetail
    before: str
    """Id of the submission before it in the queue, empty at its beginning."""
    after: str
    today: date

    @property
    def title(self) -> str:
        return f"{self.detail.submission.served_name} v{self.detail.submission.n}"

    @property
    def actions(self) -> list[str]:
        return list(self.detail.allowed)


def queue_page(db: Db, query: QueuePageQuery, *, now: datetime) -> FleaQueuePage:
    statuses = CHIPS[query.show][1]
    found = queue.page(
        db,
        QueueQuery(
            status=",".join(statuses), submitter=query.submitter, type=query.type, name=query.q, sort=query.sort,
            order="asc" if query.sort == "name" else "desc", limit=A_PAGE, skip=query.offset,
        ),
    )  # fmt: skip
    counts = {
        name: sum(found.counts.get(one, 0) for one in of) if of else sum(found.counts.values())
        for name, (_, of) in CHIPS.items()
    }
    given = {
        k: v
        for k, v in query.model_dump(exclude={"offset"}).items()
        if v and v != QueuePageQuery.model_fields[k].default
    }
    paging = Paging(PATH, given, query.offset, A_PAGE, len(found.items), found.total)
    return FleaQueuePage(found.items, counts, query, paging, now.date())


def submission_page(market: Market, who: Principal, submission_id: str) -> FleaSubmissionPage:
    """Raises SubmissionNotFound."""
    detail = queue.detail(market, who, submission_id)
    with market.state.read("flea") as db:
        before, after = queue.neighbours(db, detail.submission, CHIPS["review"][1])
    return FleaSubmissionPage(detail, before, after, market.clock.now().date())


_DONE = {
    "approve": "is approved",
    "override": "is approved in spite of what was found",
    "reject": "is rejected",
    "retry": "is sent to its review again",
    "rescan": "was checked by the rules of now",
    "quarantine": "is served to nobody any more",
    "release": "is served again",
}


def decide(market: Market, who: Principal, submission_id: str, body: DecisionForm) -> tuple[str, str]:
    """(page to go on to, what was done): the next of the queue if there is one."""
    with market.state.read("flea") as db:
        found = deciding.get_submission(db, who, submission_id)
        before, after = queue.neighbours(db, found, CHIPS["review"][1])
    there = f"{SUBMISSIONS}/{after or before}" if after or before else PATH
    if body.action == "delete":
        queue.remove(market, who, submission_id)
        return there, f"Version {found.n} of {found.served_name} is removed from the queue."
    deciding.decide_named(market, who, submission_id, body.action, body.reason)
    stays = body.action in ("rescan", "retry", "quarantine", "release")
    return (f"{SUBMISSIONS}/{submission_id}" if stays else there), (
        f"Version {found.n} of {found.served_name} {_DONE[body.action]}."
    )
