"""Reading, baking and checking what somebody offers: for a preview, which stores nothing, and for a version to come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agnes.checks import Bundle
from agnes.flea import checking, content, naming, offers, repository, trees_of
from agnes.flea.checking import Offered, Report
from agnes.flea.content import Baked, Component, Recognised
from agnes.flea.limits import MAX_DESCRIPTION_CHARACTERS
from agnes.flea.market import Market
from agnes.flea.model import Entity, EntityType, Submission
from agnes.flea.offers import Offer
from agnes.kernel.errors import BadRequestError
from agnes.kernel.principal import Principal
from agnes.kernel.state import Db
from agnes.marketplace import assets, browsing
from agnes.marketplace.assets import Asset

FILES = ("flea", "marketplace")


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be shared, as a reviewer will see it."""

    type: EntityType
    name: str
    served_name: str
    description: str
    components: list[Component]
    files: list[dict[str, Any]]
    """`path` and `size` of each."""
    size_bytes: int
    capabilities: dict[str, list[str]]
    findings: list[checking.Finding]
    risk: str
    outcome: str
    """`review`, `hold` or `blocked`: what sharing it would lead to."""
    outcome_reason: str
    notes: list[str]
    problems: list[str] = field(default_factory=list)
    """What has to be corrected before it can be shared."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A version that passed what its owner can correct; nothing of it is stored yet."""

    type: EntityType
    name: str
    served_name: str
    description: str
    category: str
    video_url: str | None
    photo: Asset | None
    docs: tuple[Asset, ...]
    baked: Baked
    report: Report
    gained: list[str]
    hold_reason: str


def preview(market: Market, who: Principal, offer: Offer) -> Preview:
    """Read and check without storing anything. Raises what `create` raises about the file, not about names that are taken."""
    offers.require_type(offer.type)
    found = read(offer)
    with market.state.read(*FILES) as db:
        handle = handle_for(db, who)
        names = trusted_names(db)
    name = offer.name or found.name
    problems = []
    if not name:
        problems.append("it says no name: give it one")
    described = (offer.description or found.description).strip()
    try:
        naming.check_name(name or "unnamed")
    except naming.NameInvalid as exc:
        problems.append(exc.message)
        name = naming.suggested(name)
    served = naming.served_name(name or "unnamed", handle)
    baked = content.bake(found, served=served, description=described)
    findings: list[checking.Finding] = []
    try:
        report = checking.check(
            baked, Offered(found.type, served, described), market.scanners, curated_names=names, left_out=found.left_out
        ).report
        findings = report.everything
    except checking.ChecksFailed as exc:
        problems.append(exc.message)
        report = Report({}, [], "")
    hold = hold_reason(report, [])
    outcome = "blocked" if report.blocking else "hold" if hold else "review"
    return Preview(
        found.type,
        name,
        served,
        described,
        baked.components,
        [{"path": file.path, "size": len(file.body)} for file in baked.files],
        sum(len(file.body) for file in baked.files),
        {group: lines for group, lines in report.capabilities.items() if lines},
        findings,
        report.risk,
        outcome,
        hold,
        content.listed(report.notes),
        problems,
    )


def handle_for(db: Db, who: Principal) -> str:
    """The person's handle, or the one that they would be given."""
    found = repository.handle_of(db, who.user_id)
    return found or naming.choose_handle(who.email, repository.handles(db, but=who.user_id))


def prepared(
    market: Market,
    offer: Offer,
    found: Recognised,
    *,
    name: str,
    handle: str,
    of: tuple[Entity, Submission | None] | None,
    pictures: tuple[Sequence[Asset], Sequence[Asset]] | None = None,
) -> Prepared:
    """Bake and check. `of` is the entity of an update with its live version; `pictures` are kept ones (photo, documents)."""
    described = " ".join((offer.description or found.description).split())
    if len(described) > MAX_DESCRIPTION_CHARACTERS:
        raise BadRequestError(
            f"the description has more than {MAX_DESCRIPTION_CHARACTERS} characters", code="description_too_long"
        )
    served = naming.served_name(name, handle)
    baked = content.bake(found, served=served, description=described)
    if pictures is None:
        photo, docs = offers.pictures(offer, of[1] if of else None)
    else:
        photo, docs = next(iter(pictures[0]), None), tuple(pictures[1])
    with market.state.read("marketplace") as db:
        names = trusted_names(db)
    words = {"changes": offer.changes.encode()} if offer.changes else {}
    offered = Offered(
        found.type,
        served,
        described,
        {asset.filename: asset.body for asset in docs if asset.body is not None} | words,
        photo.filename if photo else "",
        (photo.body or b"") if photo else b"",
        offer.video_url or "",
    )
    live = bundle_of(market, of[1]) if of and of[1] else None
    checked = checking.check(baked, offered, market.scanners, live=live, curated_names=names, left_out=found.left_out)
    report, gained = checked.report, checked.gained
    hold = hold_reason(report, gained)
    return Prepared(
        found.type, name, served, described, offers.category(offer.category), offer.video_url or None, photo, docs, baked,
        report, gained, hold,
    )  # fmt: skip


def hold_reason(report: Report, gained: Sequence[str]) -> str:
    """Why a clean review is not enough; empty if it is."""
    reasons = [f"it can do more than the live version ({', '.join(gained)})"] if gained else []
    return "; ".join([*reasons, *report.holding])


def bundle_of(market: Market, of: Submission) -> Bundle | None:
    """A stored version as it is checked and reviewed; None once its files are gone. Raises TreeDamaged."""
    if of.tree_id is None:
        return None
    files = trees_of.files(market.store, of.tree_id)
    offered = Offered(of.type, of.served_name, of.description, video_url=of.video_url or "")
    pictures = trees_of.assets_of(of.photo)
    documents = {one.filename: assets.read(market.store, one) for one in trees_of.assets_of(of.docs)}
    if of.changes:
        documents["changes"] = of.changes.encode()
    offered = replace(offered, documents=documents)
    if pictures:
        offered = replace(offered, photo_name=pictures[0].filename, photo=assets.read(market.store, pictures[0]))
    return offered.bundle({file.path: file.body for file in files}, [file.path for file in files if file.executable])


def trusted_names(db: Db) -> list[str]:
    """Names of curated plugins, required ones too: what nobody may pass for."""
    return sorted({resource.partition("/")[2] for resource in browsing.listed(db)})


def read(offer: Offer) -> Recognised:
    if not offer.body:
        raise BadRequestError(
            "there is no file", code="missing_file", hint="Choose a zip, a SKILL.md or an agent's file."
        )
    return content.read_upload(offer.filename, offer.body, offers.require_type(offer.type))


def stored(market: Market, entity: Entity, live: Submission | None) -> Recognised:
    """The files of an entity as they are now: the live version's, or the last one's if none is live."""
    with market.state.read("flea") as db:
        last = live or next((one for one in repository.submissions_of(db, entity.id) if one.tree_id), None)
    tree_id, served = (last.tree_id, last.served_name) if last else (entity.tree_id, entity.served_name)
    if not tree_id:
        raise BadRequestError(
            "its files are gone", code="missing_file", hint="Share the files again, with the new words."
        )
    return content.unbaked(entity.type, served, trees_of.files(market.store, tree_id))
