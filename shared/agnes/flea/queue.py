"""The queue of submissions: as a list by risk, and one of them with all that is needed to decide."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from agnes.flea import checking, deciding, repository, trees_of
from agnes.flea.checking import Finding, Report
from agnes.flea.market import Market
from agnes.flea.model import Entity, Submission
from agnes.flea.moving import SubmissionNotFound, require
from agnes.flea.repository import SubmissionFilter
from agnes.flea.transitions import LABELS, Event, Status, allowed
from agnes.kernel.errors import BadRequestError, ConflictError
from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, Tx
from agnes.trees.damage import TreeDamaged

CHIPS: dict[str, tuple[str, tuple[str, ...]]] = {
    "review": ("Needs review", (Status.HELD, Status.REVIEW_ERROR, Status.BLOCKED_INLINE, Status.BLOCKED_LLM)),
    "pending": ("In review", (Status.PENDING_LLM,)),
    "approved": ("Approved", (Status.APPROVED,)),
    "overridden": ("Overridden", (Status.OVERRIDDEN,)),
    "refused": ("Rejected", (Status.REJECTED, Status.WITHDRAWN)),
    "quarantined": ("Quarantined", (Status.QUARANTINED,)),
    "all": ("All", ()),
}
"""Name in the URL → (label, statuses)."""
MAX_PATCHES = 100
MAX_PATCH_LINES = 400
MAX_PATCH_BYTES = 200_000
CONTEXT_LINES = 2
"""Shown before and after a line that a finding names."""
OTHERS_SHOWN = 20


class QueueQuery(BaseModel):
    """What of the queue is listed; `status` is a comma list of statuses, or `archived` alone."""

    model_config = ConfigDict(extra="forbid")

    status: str = Field("", max_length=300)
    submitter: str = Field("", max_length=254)
    type: Literal["", "skill", "agent", "plugin"] = ""
    name: str = Field("", max_length=200)
    version: str = Field("", max_length=100)
    sort: Literal["risk", "created_at", "file_size", "status", "name"] = "risk"
    order: Literal["asc", "desc"] = "desc"
    limit: int = Field(50, ge=1, le=500)
    skip: int = Field(0, ge=0, le=1_000_000)


@dataclass(frozen=True, slots=True)
class QueueLine:
    """A submission in the list."""

    id: str
    entity_id: str
    entity_status: str
    """Empty once the entity is gone."""
    n: int
    kind: str
    type: str
    name: str
    served_name: str
    status: str
    label: str
    status_reason: str
    risk: str
    finding_count: int
    gained: list[str]
    submitter_id: str
    submitter_email: str
    version: str
    size_bytes: int
    complaints: int
    """Reports of people that nobody has looked at."""
    is_appealed: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class QueuePage:
    items: list[QueueLine]
    total: int
    skip: int
    limit: int
    counts: dict[str, int]
    """By status, of the whole queue."""


@dataclass(frozen=True, slots=True)
class SourceLine:
    number: int
    text: str
    is_named: bool
    """A finding names it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A finding beside the lines that it names."""

    finding: Finding
    lines: list[SourceLine]


@dataclass(frozen=True, slots=True)
class FilePatch:
    path: str
    change: Literal["added", "changed", "removed"]
    text: str
    """A unified diff against the live version, or what the file is if it is no text; cut at MAX_PATCH_LINES."""


@dataclass(frozen=True, slots=True)
class CapabilityGroup:
    name: str
    gained: list[str]
    lost: list[str]
    kept: list[str]


@dataclass(frozen=True, slots=True)
class SubmissionDetail:
    """Everything about one submission."""

    submission: Submission
    label: str
    entity: Entity | None
    live: Submission | None
    """What is live now, if that is another version."""
    places: list[Place]
    """Findings, the worst first."""
    review_summary: str
    capabilities: list[CapabilityGroup]
    patches: list[FilePatch]
    files: list[str]
    words_changed: list[str]
    """Fields whose text differs from the live version's."""
    others: list[QueueLine]
    """Of the same submitter, the newest first."""
    versions: list[QueueLine]
    """Of the same entity."""
    complaints: list[dict[str, object]]
    notes: list[str]
    allowed: list[str]
    """What may be done now."""
    problem: str = ""
    """Why files or findings are missing here."""
    actions_needing_reason: list[str] = field(default_factory=lambda: ["override", "reject", "quarantine", "release"])


def page(db: Db, query: QueueQuery) -> QueuePage:
    """Raises BadRequestError `invalid_status`."""
    wanted = _filter(query)
    found, total = repository.queue(db, wanted)
    lines = [_line(one, status, count) for one, status, count in found]
    return QueuePage(lines, total, query.skip, query.limit, repository.count_by_status(db))


def count_to_review(db: Db) -> int:
    """Submissions that wait for a person: held, blocked, or with a review that failed."""
    counts = repository.count_by_status(db)
    return sum(counts.get(status, 0) for status in CHIPS["review"][1])


def detail(market: Market, who: Principal, submission_id: str) -> SubmissionDetail:
    """Raises SubmissionNotFound."""
    with market.state.read("flea") as db:
        found = deciding.get_submission(db, who, submission_id)
        entity = repository.find(db, found.entity_id)
        of_entity = repository.submissions_of(db, found.entity_id)
        by_submitter = repository.submissions_by(db, found.submitter_id, limit=OTHERS_SHOWN + 1)
        said = deciding.complaints(db, found.entity_id)
    live = next((one for one in of_entity if entity and one.id == entity.submission_id and one.id != found.id), None)
    problem = ""
    try:
        report = checking.read(market.store, found.report_sha256)
    except checking.ReportMissing as exc:
        report, problem = Report({}, [], ""), exc.message
    new = _files(market.store, found)
    old = _files(market.store, live)
    if new is None:
        problem = problem or "the files of this submission are gone"
    before = None
    if live is not None:
        try:
            before = checking.read(market.store, live.report_sha256)
        except checking.ReportMissing as exc:
            problem = problem or exc.message
    words = [
        w for w in ("name", "description", "category", "video_url") if live and getattr(live, w) != getattr(found, w)
    ]
    return SubmissionDetail(
        submission=found,
        label=LABELS.get(found.status, found.status),
        entity=entity,
        live=live,
        places=[Place(one, _around(new or {}, one)) for one in report.everything],
        review_summary=report.review.summary if report.review else "",
        capabilities=_capabilities(before, report),
        patches=_patches(old or {}, new or {}) if live is not None else [],
        files=sorted(new or {}),
        words_changed=words,
        others=[_line(one, "", 0) for one in by_submitter if one.id != found.id][:OTHERS_SHOWN],
        versions=[_line(one, "", 0) for one in of_entity if one.id != found.id],
        complaints=[
            {"user_id": user, "reason": reason, "at": at, "closed": closed} for user, reason, at, closed in said
        ],
        notes=report.notes,
        allowed=sorted(
            event for event in allowed(found.status) if event in deciding.OF_ADMINS or event is Event.RESCAN_CLEAN
        ),
        problem=problem,
    )


def remove(market: Market, who: Principal, submission_id: str) -> None:
    """Remove a submission that is not live. The entity and its other versions stay; one that has no other version and was never
    live goes too. Raises SubmissionNotFound, ConflictError `submission_is_live`."""
    who.require_admin()

    def change(tx: Tx) -> None:
        found = require(tx, submission_id)
        entity = repository.find(tx.db, found.entity_id)
        if entity is not None and entity.submission_id == found.id:
            raise ConflictError(
                "this version is live", code="submission_is_live", hint="Quarantine it, or remove the whole entity."
            )
        others = [one for one in repository.submissions_of(tx.db, found.entity_id) if one.id != found.id]
        if entity is not None and entity.tree_id is None and not others:
            repository.remove_entity(tx.db, entity.id)
        else:
            tx.db.execute("DELETE FROM flea.submissions WHERE id = ?", [found.id])
        said = {"entity_id": found.entity_id, "n": found.n, "sha256": found.sha256}
        tx.record(Change("store.submission.deleted", f"store_submission:{found.id}", said, {"status": found.status}))

    market.state.commit("flea", change)


def _filter(query: QueueQuery) -> SubmissionFilter:
    statuses = [word.strip() for word in query.status.split(",") if word.strip()]
    archived: bool | None = None
    if statuses == ["archived"]:
        statuses, archived = [], True
    known = {str(status) for status in Status}
    if unknown := [word for word in statuses if word not in known]:
        raise BadRequestError(
            f"{unknown[0][:40]!r} is no status", code="invalid_status", hint=f"Of {', '.join(sorted(known))}, archived."
        )
    return SubmissionFilter(
        statuses=statuses,
        submitter=query.submitter,
        type=query.type,
        text=query.name,
        version=query.version,
        archived=archived,
        sort=query.sort,
        descending=query.order == "desc",
        limit=query.limit,
        skip=query.skip,
    )


def _line(one: Submission, entity_status: str, complaints: int) -> QueueLine:
    return QueueLine(
        id=one.id,
        entity_id=one.entity_id,
        entity_status=entity_status,
        n=one.n,
        kind=one.kind,
        type=one.type,
        name=one.name,
        served_name=one.served_name,
        status=one.status,
        label=LABELS.get(one.status, one.status),
        status_reason=one.status_reason or one.hold_reason,
        risk=one.risk,
        finding_count=one.finding_count,
        gained=list(one.gained),
        submitter_id=one.submitter_id,
        submitter_email=one.submitter_email,
        version=one.version,
        size_bytes=one.size_bytes,
        complaints=complaints,
        is_appealed=bool(one.appeal),
        created_at=one.created_at,
        updated_at=one.updated_at,
    )


def _files(store: ObjectStore, found: Submission | None) -> dict[str, bytes] | None:
    if found is None or found.tree_id is None:
        return None
    try:
        return {file.path: file.body for file in trees_of.files(store, found.tree_id)}
    except TreeDamaged:
        return None


def _around(files: dict[str, bytes], finding: Finding) -> list[SourceLine]:
    text = _text(files.get(finding.path))
    if text is None or finding.line < 1:
        return []
    lines = text.splitlines()
    first, last = max(1, finding.line - CONTEXT_LINES), min(len(lines), finding.line + CONTEXT_LINES)
    return [SourceLine(n, lines[n - 1][:500], n == finding.line) for n in range(first, last + 1)]


def _capabilities(before: Report | None, after: Report) -> list[CapabilityGroup]:
    """Groups that have something, gained ones first; of a first version everything is kept, since nothing was there before."""
    found = []
    for group, lines in after.capabilities.items():
        old = set(before.capabilities.get(group, ())) if before else set(lines)
        found.append(
            CapabilityGroup(
                group,
                [line for line in lines if line not in old],
                sorted(old - set(lines)),
                [line for line in lines if line in old],
            )
        )
    return sorted((one for one in found if one.gained or one.lost or one.kept), key=lambda one: not one.gained)


def _patches(old: dict[str, bytes], new: dict[str, bytes]) -> list[FilePatch]:
    found = []
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path), new.get(path)
        if before == after:
            continue
        change: Literal["added", "changed", "removed"] = (
            "added" if before is None else "removed" if after is None else "changed"
        )
        found.append(FilePatch(path, change, _patch(path, before, after)))
    return found[:MAX_PATCHES]


def _patch(path: str, before: bytes | None, after: bytes | None) -> str:
    sizes = f"{len(before or b'')} bytes before, {len(after or b'')} after"
    old, new = _text(before or b""), _text(after or b"")
    if old is None or new is None:
        return f"no text: {sizes}"
    if len(before or b"") + len(after or b"") > MAX_PATCH_BYTES:
        return f"too large to show: {sizes}"
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), f"a/{path}", f"b/{path}", lineterm=""))
    cut = [f"… {len(lines) - MAX_PATCH_LINES} more lines"] if len(lines) > MAX_PATCH_LINES else []
    return "\n".join([*lines[:MAX_PATCH_LINES], *cut]) or "the end of a line"


def _text(body: bytes | None) -> str | None:
    try:
        return None if body is None or b"\0" in body else body.decode()
    except UnicodeDecodeError:
        return None


def neighbours(db: Db, found: Submission, statuses: Sequence[str]) -> tuple[str, str]:
    """Ids of the submissions before and after one in the queue of these statuses, empty at its ends."""
    lines, _ = repository.queue(db, SubmissionFilter(statuses=statuses, limit=500))
    ids = [one.id for one, _, _ in lines]
    if found.id not in ids:
        return "", ids[0] if ids else ""
    at = ids.index(found.id)
    return ids[at - 1] if at else "", ids[at + 1] if at + 1 < len(ids) else ""


__all__ = ["SubmissionNotFound", "detail", "neighbours", "page", "remove"]
