"""Pages of people who share: the form, what one shares, one of those with its versions, and notices."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import ClassVar

from agnes.access import service as access
from agnes.flea import checking, deciding, notices, offers, owning, preparing, repository, submitting, trees_of, uploads
from agnes.flea.limits import REPORTS_TO_HOLD
from agnes.flea.market import Market
from agnes.flea.model import CATEGORIES, Entity
from agnes.flea.notices import Notice, Notices
from agnes.flea.owning import Owned
from agnes.flea.preparing import Preview
from agnes.flea.service import get_entity
from agnes.flea.transitions import Status
from agnes.flea.uploads import Form
from agnes.kernel.errors import BadRequestError
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db

PATH = "/store/mine"
EVERYONE = "everyone"
"""Id of the group of all, which is no audience of its own."""


@dataclass(frozen=True)
class SharePage:
    template: ClassVar[str] = "flea/new.html"
    title: ClassVar[str] = "Share something"
    categories: ClassVar[tuple[str, ...]] = CATEGORIES

    groups: list[tuple[str, str]]
    """(id, name) of the person's groups."""
    preview: Preview | None = None
    """What was read from the file that was sent to look at."""
    words: dict[str, str] = field(default_factory=dict)
    """What was typed beside it."""


@dataclass(frozen=True)
class MinePage:
    template: ClassVar[str] = "flea/mine.html"
    title: ClassVar[str] = "Shared by me"

    lines: list[Owned]
    installs: dict[str, int] | None
    """By entity; None while stacks cannot be read."""
    """Entity id → how many people have it."""
    today: date


@dataclass(frozen=True)
class Use:
    """What became of it in the last 30 days."""

    calls: int = 0
    people: int = 0
    failed: int = 0
    last_day: date | None = None


@dataclass(frozen=True)
class OwnPage:
    template: ClassVar[str] = "flea/own.html"
    categories: ClassVar[tuple[str, ...]] = CATEGORIES

    owned: Owned
    groups: list[tuple[str, str]]
    people: int | None
    """How many have it; None while stacks cannot be read."""
    use: Use | None
    """None while figures cannot be read."""
    findings: list[checking.Finding]
    """Of the version that waits or was refused."""
    appeal: str
    docs: list[str]
    today: date

    @property
    def title(self) -> str:
        return self.owned.entity.name


@dataclass(frozen=True)
class ReportPage:
    template: ClassVar[str] = "flea/report.html"
    title: ClassVar[str] = "Report a problem"

    entity: Entity
    hold_after: ClassVar[int] = REPORTS_TO_HOLD
    """So many people's reports take it out of the market until an admin has looked."""


@dataclass(frozen=True)
class NoticesPage:
    template: ClassVar[str] = "flea/notices.html"
    title: ClassVar[str] = "Notices"

    notices: Notices
    today: date

    @property
    def lines(self) -> list[Notice]:
        return self.notices.items


def groups_of(db: Db, who: Principal) -> list[tuple[str, str]]:
    """(id, name) of the groups that a person may share with: their own; of an admin all."""
    return [
        (group_id, name)
        for group_id, name in access.group_names(db)
        if group_id != EVERYONE and (who.is_admin or group_id in who.group_ids)
    ]


def share_page(market: Market, who: Principal) -> SharePage:
    with market.state.read("people") as db:
        return SharePage(groups_of(db, who))


def previewed(market: Market, who: Principal, form: Form) -> SharePage:
    """The form again, with what was read from its file. Raises what `preparing.preview` raises."""
    shown = preparing.preview(market, who, uploads.offer_of(form))
    with market.state.read("people") as db:
        groups = groups_of(db, who)
    return SharePage(groups, shown, {name: values[0] for name, values in form.texts.items()})


def received(market: Market, entity: Entity) -> str:
    """What became of something that was shared a moment ago: it may be blocked already."""
    with market.state.read("flea") as db:
        newest = repository.submissions_of(db, entity.id)[:1]
    if newest and newest[0].status == Status.BLOCKED_INLINE:
        return f"{entity.served_name} is stored and offered to nobody: the checks found what is named below."
    return f"{entity.served_name} is stored. You are notified when it is reviewed."


def mine_page(db: Db, who: Principal, installs: dict[str, int] | None, *, today: date) -> MinePage:
    return MinePage(owning.mine(db, who), installs, today)


def own_page(
    market: Market, who: Principal, entity_id: str, installs: dict[str, int] | None, use: Use | None, *, today: date
) -> OwnPage:
    """Raises EntityNotFound."""
    with market.state.read("flea", "people") as db:
        owned = owning.one_of_mine(db, who, entity_id)
        groups = groups_of(db, who)
        refused = repository.submission(db, owned.waiting.submission_id) if owned.waiting else None
    findings: list[checking.Finding] = []
    if refused is not None:
        try:
            findings = checking.read(market.store, refused.report_sha256).everything
        except checking.ReportMissing:
            findings = []
    docs = [asset.filename for asset in trees_of.assets_of(owned.entity.docs)]
    return OwnPage(
        owned,
        groups,
        None if installs is None else installs.get(entity_id, 0),
        use,
        findings,
        refused.appeal if refused else "",
        docs,
        today,
    )


def report_page(db: Db, who: Principal, entity_id: str) -> ReportPage:
    """Raises EntityNotFound."""
    return ReportPage(get_entity(db, who, entity_id))


def notices_page(db: Db, who: Principal, *, today: date) -> NoticesPage:
    return NoticesPage(notices.of(db, who), today)


def change(market: Market, who: Principal, entity_id: str, form: Form) -> tuple[str, str]:
    """(page to go on to, what was done) of the buttons of one's own entity. Raises what they raise."""
    there = f"{PATH}/{entity_id}"
    submission, n = form.text("submission") or "", form.text("n") or ""
    match form.text("action"):
        case "update":
            before = submitting.owned(market.state, who, entity_id)[0]
            submitting.update(market, who, entity_id, _changed(uploads.offer_of(form), before))
            return there, "The new version is sent to its review; the live one stays until then."
        case "audience":
            groups = form.texts.get("audience_groups", [])
            submitting.share_with(market, who, entity_id, form.text("audience") or "", groups)
            return there, "It is changed for whom it is."
        case "restore":
            submitting.restore(market, who, entity_id, int(n) if n.isdigit() and len(n) < 10 else 0)
            return there, f"Version {n} is offered again as a new version."
        case "withdraw":
            deciding.withdraw(market, who, submission)
            return there, "The version is withdrawn."
        case "appeal":
            deciding.appeal(market, who, submission, form.text("reason") or "")
            return there, "An admin reviews it. You are notified of the decision."
        case "archive":
            owning.archive(market, who, entity_id)
            return there, "It is archived: who has it keeps it."
        case "unarchive":
            owning.unarchive(market, who, entity_id)
            return there, "It is offered again."
        case "transfer":
            entity = owning.transfer(market, who, entity_id, form.text("email") or "")
            return PATH, f"{entity.name} is given away."
        case "delete":
            owning.remove(market, who, entity_id, hard=False)
            return PATH, "It is removed."
        case _:
            raise BadRequestError("this is no button of this page", code="unknown_action")


def _changed(offer: offers.Offer, before: Entity) -> offers.Offer:
    """An offer of a form that repeats every word: what is the same was not given."""
    return replace(
        offer,
        name=None if offer.name == before.name else offer.name,
        description=None if offer.description == before.description else offer.description,
        category=None if offer.category == before.category else offer.category,
        video_url=None if (offer.video_url or "") == (before.video_url or "") else offer.video_url,
    )
