"""What people decide about submissions: admins approve, override, reject, try again, quarantine and release; owners appeal and withdraw.

Each is one commit that looks at the state once more, so of two who decide at once the second is told what the first did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from agnes import checks
from agnes.flea import checking, notices, quotas, repository, submitting, trees_of
from agnes.flea.content import bake, unbaked
from agnes.flea.limits import MAX_REASON_CHARACTERS, MIN_REASON_CHARACTERS, REPORTS_TO_HOLD
from agnes.flea.market import Market
from agnes.flea.model import ADMINS, APPROVED, Submission
from agnes.flea.moving import BundleMissing, SubmissionNotFound, decode_items, encode_items, move, require
from agnes.flea.service import EntityNotFound
from agnes.flea.transitions import SERVABLE, Effect, Event, Status, after
from agnes.kernel import audit
from agnes.kernel.calls import registered
from agnes.kernel.errors import BadRequestError, NotFoundError
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, State, Tx, one_number
from agnes.marketplace import always_on, inventory
from agnes.marketplace.model import Item

OF_ADMINS = (Event.APPROVE, Event.OVERRIDE, Event.REJECT, Event.RETRY, Event.QUARANTINE, Event.RELEASE)
RESCAN = "rescan"
_WITH_REASON = frozenset({Event.OVERRIDE, Event.REJECT, Event.QUARANTINE, Event.RELEASE, Event.APPEAL})


def get_submission(db: Db, who: Principal, submission_id: str) -> Submission:
    """For its submitter, the entity's owner and admins. Raises SubmissionNotFound."""
    found = repository.submission(db, submission_id)
    if found is None:
        raise SubmissionNotFound(submission_id)
    entity = repository.find(db, found.entity_id)
    owner = entity.owner_user_id if entity else found.submitter_id
    if not who.is_admin and who.user_id != owner:
        raise SubmissionNotFound(submission_id)
    return found


def decide(market: Market, who: Principal, submission_id: str, event: Event, reason: str = "") -> Submission:
    """An admin's decision. Raises SubmissionNotFound, EventRefused, VersionOvertaken, BundleMissing, TreeDamaged,
    BadRequestError `reason_required`."""
    who.require_admin()
    if event not in OF_ADMINS:
        raise BadRequestError(f"{event} is no decision of an admin", code="unknown_decision")
    words = _reason(event, reason)
    with market.state.read("flea") as db:
        found = get_submission(db, who, submission_id)
    items: list[Item] = []
    if after(found.status, event, by=found.decided_by).effect is Effect.PROMOTE and found.tree_id:
        items = items_of(market, found)
    market.state.commit(
        "flea",
        put_decision(
            submission_id=submission_id, event=event, by=who.email, reason=words, items=encode_items(items),
            at=market.clock.now(),
        ),
    )  # fmt: skip
    if event is Event.RETRY:
        submitting.send(market.queue, [submission_id])
    return _after(market.state, submission_id)


def decide_named(market: Market, who: Principal, submission_id: str, decision: str, reason: str = "") -> Submission:
    """A decision by its word in the API. Raises NotFoundError `unknown_decision`, and as `decide` and `rescan` do."""
    if decision == RESCAN:
        return rescan(market, who, submission_id)
    if decision not in OF_ADMINS:
        raise NotFoundError(
            f"{decision[:40]!r} is no decision",
            code="unknown_decision",
            hint=f"One of {', '.join(OF_ADMINS)}, {RESCAN}.",
        )
    return decide(market, who, submission_id, Event(decision), reason)


@registered("flea.deciding.put_decision")
def put_decision(tx: Tx, *, submission_id: str, event: str, by: str, reason: str, items: str, at: datetime) -> None:
    before = require(tx, submission_id)
    which = Event(event)
    changes = {"decided_by": by, "decided_at": at, "reason": reason, "lease_owner": "", "lease_until": None}
    if which is Event.RETRY:
        changes = {"attempts": 0, "lease_owner": "", "lease_until": None}
    move(tx, before, which, at=at, why=reason, items=decode_items(items), changes=changes)


def appeal(market: Market, who: Principal, submission_id: str, words: str) -> Submission:
    """Ask an admin to look at what was blocked or rejected. Raises SubmissionNotFound, EventRefused, BundleMissing,
    BadRequestError `reason_required`."""
    said = _reason(Event.APPEAL, words)
    with market.state.read("flea") as db:
        get_submission(db, who, submission_id)
    market.state.commit("flea", put_appeal(submission_id=submission_id, words=said, at=market.clock.now()))
    return _after(market.state, submission_id)


@registered("flea.deciding.put_appeal")
def put_appeal(tx: Tx, *, submission_id: str, words: str, at: datetime) -> None:
    before = require(tx, submission_id)
    quotas.require_room(tx.db, before.submitter_id, at)
    move(tx, before, Event.APPEAL, at=at, why=before.status_reason, changes={"appeal": words, "appealed_at": at})


def act(market: Market, who: Principal, submission_id: str, name: str, reason: str = "") -> Submission:
    """What an owner does, by its word in the API: withdraw or appeal. Raises NotFoundError `unknown_decision`, and as they do."""
    if name == Event.WITHDRAW:
        return withdraw(market, who, submission_id)
    if name != Event.APPEAL:
        raise NotFoundError(
            f"{name[:40]!r} is nothing that can be done", code="unknown_decision", hint="withdraw or appeal."
        )
    return appeal(market, who, submission_id, reason)


def withdraw(market: Market, who: Principal, submission_id: str) -> Submission:
    """Take back what is not live. Raises SubmissionNotFound, EventRefused."""
    with market.state.read("flea") as db:
        get_submission(db, who, submission_id)
    market.state.commit("flea", put_withdrawal(submission_id=submission_id, at=market.clock.now()))
    return _after(market.state, submission_id)


@registered("flea.deciding.put_withdrawal")
def put_withdrawal(tx: Tx, *, submission_id: str, at: datetime) -> None:
    move(tx, require(tx, submission_id), Event.WITHDRAW, at=at, changes={"lease_owner": "", "lease_until": None})


def rescan(market: Market, who: Principal, submission_id: str) -> Submission:
    """Check a submission by the rules of now. What is live and is found unsafe is served to nobody from now on.

    Raises SubmissionNotFound, EventRefused, BundleMissing, TreeDamaged.
    """
    who.require_admin()
    with market.state.read("flea") as db:
        found = get_submission(db, who, submission_id)
    check_again(market, found)
    return _after(market.state, submission_id)


def check_again(market: Market, found: Submission) -> bool:
    """Check a stored version again; whether it was found unsafe. Raises BundleMissing, TreeDamaged, EventRefused.

    What an admin approved, or is asked to by an appeal, is unsafe only by a finding that was not there for them to see: a person's
    word about a finding is not taken back by a schedule. Their page has the new report either way.
    """
    before = _report_before(market, found)
    report = replace(report_of(market, found), review=before.review if before else None)
    seen = _blocking(before) if before and found.decided_by else []
    if found.status == Status.HELD and found.appealed_at:
        seen = _blocking(report)
    worst = next(
        (one for one in _blocking(report) if (one.rule, one.path) not in {(f.rule, f.path) for f in seen}), None
    )
    is_unsafe = worst is not None
    event = Event.RESCAN_BLOCKED if is_unsafe else Event.RESCAN_CLEAN
    after(found.status, event, by=found.decided_by)
    digest = checking.put(market.store, report)
    market.state.commit(
        "flea",
        put_rescan(
            submission_id=found.id, event=event, why=f"{worst.path}: {worst.message}" if worst else "",
            report_sha256=digest, risk=report.risk, rules=report.rules, finding_count=len(report.findings),
            at=market.clock.now(),
        ),
    )  # fmt: skip
    now_is = _after(market.state, found.id)
    if now_is.status == Status.PENDING_LLM and found.status != Status.PENDING_LLM:
        submitting.send(market.queue, [found.id])
    return is_unsafe


@registered("flea.deciding.put_rescan")
def put_rescan(
    tx: Tx, *, submission_id: str, event: str, why: str, report_sha256: str, risk: str, rules: str,
    finding_count: int, at: datetime,
) -> None:  # fmt: skip
    before = require(tx, submission_id)
    changes = {"report_sha256": report_sha256, "risk": risk, "rules": rules, "finding_count": finding_count}
    move(tx, before, Event(event), at=at, why=why or before.status_reason, changes=changes)


def complain(market: Market, who: Principal, entity_id: str, reason: str) -> int:
    """Report an entity that one can see; how many people have. Enough of them take it out of everybody's feed until an admin
    has looked. Raises EntityNotFound, BadRequestError `reason_required`."""
    words = _reason(Event.APPEAL, reason)
    with market.state.read("flea") as db:
        entity = repository.find(db, entity_id)
    if entity is None or not entity.is_visible_to(who):
        raise EntityNotFound(entity_id)
    count: int = market.state.commit(
        "flea",
        put_complaint(entity_id=entity_id, user_id=who.user_id, email=who.email, reason=words, at=market.clock.now()),
    )
    return count


@registered("flea.deciding.put_complaint")
def put_complaint(tx: Tx, *, entity_id: str, user_id: str, email: str, reason: str, at: datetime) -> int:
    entity = repository.find(tx.db, entity_id)
    if entity is None:
        raise EntityNotFound(entity_id)
    tx.db.execute(
        """INSERT INTO flea.complaints (entity_id, user_id, reason, reported_at, closed_at) VALUES (?, ?, ?, ?, NULL)
        ON CONFLICT (entity_id, user_id) DO UPDATE SET reason = excluded.reason, reported_at = excluded.reported_at, closed_at = NULL""",
        [entity_id, user_id, reason, at],
    )
    count = one_number(
        tx.db,
        "SELECT count(*) FROM flea.complaints WHERE entity_id = ? AND closed_at IS NULL AND user_id <> ?",
        [entity_id, entity.owner_user_id],
    )
    tx.record(Change("store.entity.report", f"store_entity:{entity_id}", {"reason": reason, "reports": count}))
    live = repository.submission(tx.db, entity.submission_id) if entity.submission_id else None
    url = f"/admin/store/submissions/{live.id}" if live else f"/marketplace/flea/{entity_id}"
    notices.put(
        tx.db, ADMINS, "complaint", f"{email} reported {entity.served_name}: {reason}", at=at, url=url,
        entity_id=entity_id, submission_id=live.id if live else "",
    )  # fmt: skip
    if count >= REPORTS_TO_HOLD and live is not None and live.status in SERVABLE and entity.status == APPROVED:
        move(tx, live, Event.QUARANTINE, at=at, why=f"{count} people reported it; an admin looks at it")
    return count


def complaints(db: Db, entity_id: str) -> list[tuple[str, str, datetime, bool]]:
    """(user id, reason, when, whether it is closed), the newest first."""
    rows = db.execute(
        "SELECT user_id, reason, reported_at, closed_at IS NOT NULL FROM flea.complaints WHERE entity_id = ? ORDER BY reported_at DESC",
        [entity_id],
    ).fetchall()
    return [tuple(row) for row in rows]


def bundle(market: Market, who: Principal, submission_id: str) -> tuple[str, bytes]:
    """(filename, zip) of a submission's files, for an admin; told in the audit before it is answered.

    Raises SubmissionNotFound, BundleMissing, TreeDamaged.
    """
    who.require_admin()
    with market.state.read("flea") as db:
        found = get_submission(db, who, submission_id)
    body = trees_of.zipped(trees_of.files(market.store, require_tree(found)))
    said = Change("store.submission.bundle_downloaded", f"store_submission:{found.id}", {"sha256": found.sha256})
    audit.record(market.store, said, now=market.clock.now())
    return f"{found.served_name}-v{found.n}.zip", body


def require_tree(found: Submission) -> str:
    """The id of its tree. Raises BundleMissing."""
    if found.tree_id is None:
        raise BundleMissing
    return found.tree_id


def items_of(market: Market, found: Submission) -> list[Item]:
    """What is inside a version. Raises BundleMissing, TreeDamaged."""
    files = {file.path: file.body for file in trees_of.files(market.store, require_tree(found))}
    return always_on.projected(inventory.of_plugin(files).items(), files, found.served_name)


def report_of(market: Market, found: Submission) -> checking.Report:
    """Check the stored files of a version by the rules of now. Raises BundleMissing, TreeDamaged."""
    files = trees_of.files(market.store, require_tree(found))
    baked = bake(unbaked(found.type, found.served_name, files), served=found.served_name, description=found.description)
    offered = checking.Offered(found.type, found.served_name, found.description, video_url=found.video_url or "")
    try:
        return checking.check(baked, offered, market.scanners).report
    except checking.ChecksFailed as exc:  # what a description has to say has changed: that is no danger
        finding = checking.Finding("content", "medium", "", 0, exc.message)
        return checking.Report({}, [finding], checks.digest(market.scanners))


def _report_before(market: Market, found: Submission) -> checking.Report | None:
    try:
        return checking.read(market.store, found.report_sha256)
    except checking.ReportMissing:
        return None


def _blocking(report: checking.Report) -> list[checking.Finding]:
    """Of rules, not the model's, the worst first."""
    return [one for one in replace(report, review=None).everything if checking.is_blocking(one)]


def _reason(event: Event, given: str) -> str:
    words = " ".join(given.split())[:MAX_REASON_CHARACTERS]
    if event in _WITH_REASON and len(words) < MIN_REASON_CHARACTERS:
        raise BadRequestError(
            "say why, in a few words",
            code="reason_required",
            hint="Its owner reads it.",
            errors=[{"field": "reason", "reason": f"{MIN_REASON_CHARACTERS} characters or more"}],
        )
    return words


def _after(state: State, submission_id: str) -> Submission:
    with state.read("flea") as db:
        found = repository.submission(db, submission_id)
    if found is None:
        raise SubmissionNotFound(submission_id)
    return found


def open_of(submissions: Sequence[Submission]) -> Submission | None:
    """The one that waits; an entity has one at most."""
    return next((one for one in submissions if one.status in (Status.PENDING_LLM, Status.HELD)), None)
