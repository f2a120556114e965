"""The review of a submission by a model: one worker at a time holds it by a lease, and a verdict counts only while it is held.

A worker that dies leaves a lease that ends; `flea.reap` asks for the review again. A verdict that comes when the submission is not
in review any more, or is another worker's, changes nothing and is told in the audit. Without a model's key the submission waits for an
admin, as it does where the model cannot answer: nothing approves itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import msgspec

from agnes import checks
from agnes.checks import Bundle, ChunkRead, Verdict
from agnes.flea import checking, repository, spending
from agnes.flea.checking import Report
from agnes.flea.deciding import items_of, require_tree
from agnes.flea.limits import LEASE, MAX_ATTEMPTS
from agnes.flea.market import Market
from agnes.flea.model import Submission
from agnes.flea.moving import BundleMissing, decode_items, encode_items, move, require
from agnes.flea.preparing import bundle_of
from agnes.flea.spending import NO_CAPS, Caps
from agnes.flea.transitions import Event, Status
from agnes.kernel import sealed
from agnes.kernel.calls import registered
from agnes.kernel.errors import UnavailableError
from agnes.kernel.ids import new_nonce
from agnes.kernel.llm import LanguageModel
from agnes.kernel.ports import ANYTHING, Clock
from agnes.kernel.scanning import Scanners
from agnes.kernel.state import Change, Tx
from agnes.marketplace.assets import AssetNotFound
from agnes.trees.damage import TreeDamaged

CHUNKS = "flea/reviews/"
RUN_SECONDS = 200.0
"""Of one run: shorter than the lease, which a slower one would outlive."""


class ReviewUnavailable(UnavailableError):
    """The model did not answer, or one run was too short; the queue brings the submission again."""

    code = "review_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the review could not be made: {reason}", hint="It is tried again by itself.")


class Reviewer(Protocol):
    """What gives an opinion about a version."""

    def review(
        self, bundle: Bundle, report: checks.Report, *, budget: checks.Budget, earlier: Sequence[ChunkRead]
    ) -> checks.Review:
        """Its own troubles become verdicts; what the budget raises passes through."""
        ...


@dataclass(frozen=True, slots=True)
class ModelReviewer:
    """A language model that reads all of it (`agnes.checks.review`)."""

    language_model: LanguageModel
    scanners: Scanners
    clock: Clock
    model: str

    def review(
        self, bundle: Bundle, report: checks.Report, *, budget: checks.Budget, earlier: Sequence[ChunkRead]
    ) -> checks.Review:
        return checks.review(
            bundle,
            report,
            language_model=self.language_model,
            scanners=self.scanners,
            budget=budget,
            clock=self.clock,
            model=self.model,
            earlier=earlier,
            run_seconds=RUN_SECONDS,
        )


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What became of a review."""

    submission_id: str
    outcome: str
    """A status, or `skipped`: somebody else has it, or it is not in review any more."""


def review(market: Market, reviewer: Reviewer, submission_id: str, *, caps: Caps = NO_CAPS) -> Reviewed:
    """Review one submission. Raises ReviewUnavailable while it is worth trying again, UnavailableError."""
    worker = new_nonce()
    if not market.state.commit("flea", take(submission_id=submission_id, worker=worker, at=market.clock.now())):
        return Reviewed(submission_id, "skipped")
    with market.state.read("flea") as db:
        found = repository.submission(db, submission_id)
    if found is None:
        return Reviewed(submission_id, "skipped")
    try:
        require_tree(found)
        bundle = bundle_of(market, found)
        if bundle is None:
            raise BundleMissing
        stored = checking.read(market.store, found.report_sha256)
        with market.state.read("flea") as db:
            entity = repository.find(db, found.entity_id)
            live = repository.submission(db, entity.submission_id) if entity and entity.submission_id else None
        before = bundle_of(market, live) if live is not None else None
    except (BundleMissing, TreeDamaged, checking.ReportMissing, AssetNotFound) as exc:
        return _finish(market, found, worker, Event.REVIEW_FAILED, exc.message)
    checked = checks.check(bundle, market.scanners, live=before)
    spent = spending.Spending(market.state, market.clock, caps, found)
    said = reviewer.review(bundle, checked, budget=spent, earlier=_chunks(market, found))
    if said.verdict is Verdict.ERROR:
        _keep_chunks(market, found, said)
        if said.is_temporary and found.attempts + 1 < MAX_ATTEMPTS:
            market.state.commit("flea", give_back(submission_id=submission_id, worker=worker, at=market.clock.now()))
            raise ReviewUnavailable(said.sentence)
        return _finish(market, found, worker, Event.REVIEW_FAILED, said.sentence)
    whole = replace(stored, review=checking.review_of(said))
    if said.verdict is Verdict.WAITING:
        return _finish(market, found, worker, Event.REVIEW_HOLD, said.sentence, report=whole)
    if said.verdict is Verdict.UNSAFE:
        worst = next(iter(said.findings), None)
        why = f"{worst.path}: {worst.message}" if worst else said.sentence
        return _finish(market, found, worker, Event.REVIEW_UNSAFE, why, report=whole)
    reasons = [found.hold_reason] if found.hold_reason else []
    gained = [g for g in checks.GAINS if checked.gained is not None and getattr(checked.gained, g)]
    if set(gained) - set(found.gained):  # another version is live now than when it was shared
        reasons.append(f"it can do more than the live version ({', '.join(gained)})")
    event = Event.REVIEW_HOLD if reasons else Event.REVIEW_CLEAN
    return _finish(market, found, worker, event, "; ".join(reasons), report=whole)


def _chunks_key(found: Submission) -> str:
    return f"{CHUNKS}{found.id}.json"


def _chunks(market: Market, found: Submission) -> list[ChunkRead]:
    """What an earlier run of the review has read; nothing if that cannot be read any more."""
    key = _chunks_key(found)
    blob = market.store.read(key) if found.attempts else None
    try:
        body = sealed.opened(key, blob.body) if blob is not None else b'{"read":[]}'
        return msgspec.json.decode(body, type=_Chunks).read
    except (msgspec.DecodeError, sealed.Unsealed):
        return []


def _keep_chunks(market: Market, found: Submission, said: checks.Review) -> None:
    key = _chunks_key(found)
    body = sealed.seal(key, msgspec.json.encode(_Chunks(list(said.read))))
    market.store.write(key, body, expect=ANYTHING, content_type="application/json")


class _Chunks(msgspec.Struct, frozen=True):
    read: list[ChunkRead]


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
