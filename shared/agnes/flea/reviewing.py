"""The review of a submission by a model: one worker at a time holds it by a lease, and a verdict counts only while it is held.

A worker that dies leaves a lease that ends; `flea.reap` asks for the review again. A verdict that comes when the submission is not
in review any more, or is another worker's, changes nothing and is told in the audit. Without a model's key the submission waits for an
admin, as it does where the model cannot answer: nothing approves itself.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from agnes.flea import checking, repository, trees_of
from agnes.flea.checking import Report, Review
from agnes.flea.deciding import items_of, require_tree
from agnes.flea.limits import LEASE, MAX_ATTEMPTS
from agnes.flea.market import Market
from agnes.flea.model import Submission
from agnes.flea.moving import BundleMissing, decode_items, encode_items, move, require
from agnes.flea.transitions import Event, Status
from agnes.kernel.calls import registered
from agnes.kernel.errors import UnavailableError
from agnes.kernel.ids import new_nonce
from agnes.kernel.llm import ModelNotConfigured, ModelOutputUnusable, ModelRefused, ModelUnavailable
from agnes.kernel.state import Change, Tx
from agnes.trees.damage import TreeDamaged
from agnes.trees.model import TreeFile

log = logging.getLogger("agnes.flea")

NO_MODEL = "no model is configured for reviews"


class ReviewUnavailable(UnavailableError):
    """The model did not answer; the queue brings the submission again."""

    code = "review_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the review could not be made: {reason}", hint="It is tried again by itself.")


class Reviewer(Protocol):
    """What gives an opinion about a version's files."""

    def review(self, of: Submission, files: list[TreeFile], report: Report) -> Review:
        """Raises ModelNotConfigured, ModelUnavailable, ModelRefused, ModelOutputUnusable, UnavailableError."""
        ...


class NoReviewer:
    """An installation without a model: everything waits for an admin."""

    def review(self, of: Submission, files: list[TreeFile], report: Report) -> Review:  # noqa: ARG002 (the port's)
        raise ModelNotConfigured


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What became of a review."""

    submission_id: str
    outcome: str
    """A status, or `skipped`: somebody else has it, or it is not in review any more."""


def review(market: Market, reviewer: Reviewer, submission_id: str) -> Reviewed:
    """Review one submission. Raises ReviewUnavailable while it is worth trying again, UnavailableError."""
    worker = new_nonce()
    if not market.state.commit("flea", take(submission_id=submission_id, worker=worker, at=market.clock.now())):
        return Reviewed(submission_id, "skipped")
    with market.state.read("flea") as db:
        found = repository.submission(db, submission_id)
    if found is None:
        return Reviewed(submission_id, "skipped")
    try:
        files = trees_of.files(market.store, require_tree(found))
        report = checking.read(market.store, found.report_sha256)
        said = reviewer.review(found, files, report)
    except ModelNotConfigured:
        return _finish(market, found, worker, Event.REVIEW_HOLD, NO_MODEL)
    except (BundleMissing, TreeDamaged, checking.ReportMissing, ModelRefused) as exc:
        return _finish(market, found, worker, Event.REVIEW_FAILED, exc.message)
    except (ModelUnavailable, ModelOutputUnusable) as exc:
        if found.attempts + 1 >= MAX_ATTEMPTS:
            return _finish(market, found, worker, Event.REVIEW_FAILED, exc.message)
        market.state.commit("flea", give_back(submission_id=submission_id, worker=worker, at=market.clock.now()))
        raise ReviewUnavailable(exc.message) from exc
    whole = Report(report.capabilities, report.findings, report.rules, report.notes, report.components, said)
    event, why = _verdict(market, found, whole)
    return _finish(market, found, worker, event, why, report=whole)


def _verdict(market: Market, found: Submission, report: Report) -> tuple[Event, str]:
    said = report.review
    if said is None:
        return Event.REVIEW_FAILED, "the review has no result"
    worst = next(iter(report.everything), None)
    if said.risk in ("high", "critical") or report.risk in checking.BLOCKING:
        shown = f"{worst.path}: {worst.message}" if worst and worst.path else worst.message if worst else said.summary
        return Event.REVIEW_UNSAFE, shown
    gained = _gained_now(market, found, report)
    reasons = [found.hold_reason] if found.hold_reason else []
    if gained and set(gained) - set(found.gained):
        reasons.append(f"it can do more than the live version ({', '.join(gained)})")
    if said.risk not in ("safe", "none", "low") or report.risk in checking.HOLDING:
        reasons.append(said.summary or "the review found something that a person should look at")
    return (Event.REVIEW_HOLD, "; ".join(reasons)) if reasons else (Event.REVIEW_CLEAN, "")


def _gained_now(market: Market, found: Submission, report: Report) -> list[str]:
    """Against what is live now, which may be another version than when it was shared."""
    with market.state.read("flea") as db:
        entity = repository.find(db, found.entity_id)
        live = repository.submission(db, entity.submission_id) if entity and entity.submission_id else None
    if live is None:
        return []
    return checking.gained(checking.read(market.store, live.report_sha256).capabilities, report.capabilities)


def _finish(
    market: Market, found: Submission, worker: str, event: Event, why: str, *, report: Report | None = None
) -> Reviewed:
    digest = checking.put(market.store, report) if report else found.report_sha256
    items = items_of(market, found) if event is Event.REVIEW_CLEAN else []
    said = report.review if report else None
    outcome = market.state.commit(
        "flea",
        put_verdict(
            submission_id=found.id,
            worker=worker,
            event=event,
            why=why,
            report_sha256=digest,
            risk=report.risk if report else found.risk,
            finding_count=len(report.everything) if report else found.finding_count,
            model=said.model if said else "",
            cost_usd=said.cost_usd if said else 0.0,
            items=encode_items(items),
            at=market.clock.now(),
        ),
    )
    return Reviewed(found.id, outcome)


@registered("flea.reviewing.take")
def take(tx: Tx, *, submission_id: str, worker: str, at: datetime) -> bool:
    """Lease a submission in review; whether it is this worker's now."""
    found = repository.submission(tx.db, submission_id)
    if found is None or found.status != Status.PENDING_LLM:
        return False
    if found.lease_owner not in ("", worker) and found.lease_until is not None and found.lease_until > at:
        return False
    repository.change_submission(tx.db, submission_id, {"lease_owner": worker, "lease_until": at + LEASE})
    return True


@registered("flea.reviewing.give_back")
def give_back(tx: Tx, *, submission_id: str, worker: str, at: datetime) -> None:
    """End a lease after an error that may pass."""
    found = repository.submission(tx.db, submission_id)
    if found is not None and found.lease_owner == worker:
        repository.change_submission(
            tx.db, submission_id,
            {"lease_owner": "", "lease_until": None, "attempts": found.attempts + 1, "updated_at": at},
        )  # fmt: skip


@registered("flea.reviewing.put_verdict")
def put_verdict(
    tx: Tx,
    *,
    submission_id: str,
    worker: str,
    event: str,
    why: str,
    report_sha256: str,
    risk: str,
    finding_count: int,
    model: str,
    cost_usd: float,
    items: str,
    at: datetime,
) -> str:
    before = require(tx, submission_id)
    if before.status != Status.PENDING_LLM or before.lease_owner != worker:
        tx.record(
            Change(
                "store.submission.bg_verdict_skipped",
                f"store_submission:{submission_id}",
                {"event": event, "reason": why, "status": before.status},
            )
        )
        return "skipped"
    changes = {
        "report_sha256": report_sha256,
        "risk": risk,
        "finding_count": finding_count,
        "model": model,
        "cost_usd": before.cost_usd + cost_usd,
        "lease_owner": "",
        "lease_until": None,
    }
    return move(tx, before, Event(event), at=at, why=why, items=decode_items(items), changes=changes).status
