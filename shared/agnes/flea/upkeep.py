"""What schedules do for the Flea market: lost reviews, old evidence, changed rules, mail. Each can say what it would do (`dry_run`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from agnes import checks
from agnes.access import service as access
from agnes.accounts import directory
from agnes.flea import bundles, checking, notices, repository, submitting, uploads
from agnes.flea.deciding import check_again
from agnes.flea.limits import KEEP_EVIDENCE
from agnes.flea.market import Market
from agnes.flea.model import ADMINS
from agnes.flea.moving import BundleMissing
from agnes.flea.notices import Notice
from agnes.flea.transitions import REFUSED, Event, EventRefused, Status, allowed
from agnes.kernel.state import Change, Db, State, Tx
from agnes.trees.damage import TreeDamaged

LOST_AFTER = timedelta(minutes=10)
"""Without a lease for so long, a submission's message is thought lost."""
MAX_RESCANS = 200
"""Versions that one run checks again."""
BATCH = 500
ADMIN_GROUP = "admin"
MAIL_WITHIN = timedelta(days=3)
"""After a notice; what is older is not mailed any more, *Notices* still shows it."""


def reap(market: Market, *, now: datetime, dry_run: bool = False) -> dict[str, int]:
    """Ask again for reviews whose worker died or whose message was lost. By the lease and the last change, never by the age of a
    submission: one that was tried again a moment ago is young."""
    with market.state.read("flea") as db:
        waiting = repository.submissions_in(db, [Status.PENDING_LLM])
    due = [
        one
        for one in waiting
        if (one.lease_until <= now if one.lease_owner and one.lease_until else one.updated_at <= now - LOST_AFTER)
    ]
    if due and not dry_run:
        submitting.send(market.queue, [one.id for one in due])
    return {"waiting": len(waiting), "sent_again": len(due)}


def purge(market: Market, *, now: datetime, dry_run: bool = False) -> dict[str, int]:
    """Forget the files of what was refused or withdrawn long ago, by its last change, and old notices; the submission and its
    digest stay. Never those of a live version, of one that ever was, or of what is quarantined. Entities that were never live and of
    which nothing is left are removed."""
    before = now - KEEP_EVIDENCE
    with market.state.read("flea") as db:
        due = _purgeable(db, before)
        emptied = _emptied(db, due)
        forgotten = notices.count_before(db, now - notices.KEEP)
    report = {"evidence": len(due), "entities": len(emptied), "notices": forgotten, "reports": 0}
    if not dry_run:
        report["entities"] = 0
        for start in range(0, len(due), BATCH):
            removed = market.state.commit("flea", _purging(before, now, due[start : start + BATCH]))
            report["entities"] += removed
        if forgotten:
            report["notices"] = market.state.commit("flea", lambda tx: notices.prune(tx, before=now - notices.KEEP))
    report["reports"] = _sweep_reports(market, now, without=emptied if dry_run else [], dry_run=dry_run)
    report["uploads"] = _sweep_uploads(market, now, dry_run=dry_run)
    return report


def _purgeable(db: Db, before: datetime) -> list[str]:
    rows = db.execute(
        """SELECT s.id FROM flea.submissions s LEFT JOIN flea.entities e ON e.submission_id = s.id
        WHERE list_contains($statuses, s.status) AND s.tree_id IS NOT NULL AND s.updated_at < $before
            AND s.went_live_at IS NULL AND e.id IS NULL ORDER BY s.id""",
        {"statuses": sorted(REFUSED), "before": before},
    ).fetchall()
    return [row[0] for row in rows]


def _emptied(db: Db, due: list[str]) -> list[str]:
    """Entities that were never live and have no files once those of `due` are forgotten."""
    rows = db.execute(
        """SELECT e.id FROM flea.entities e WHERE e.tree_id IS NULL AND e.status = 'pending' AND EXISTS
            (SELECT 1 FROM flea.submissions s WHERE s.entity_id = e.id AND list_contains($due, s.id))
        AND NOT EXISTS (SELECT 1 FROM flea.submissions s
            WHERE s.entity_id = e.id AND s.tree_id IS NOT NULL AND NOT list_contains($due, s.id)) ORDER BY e.id""",
        {"due": due},
    ).fetchall()
    return [row[0] for row in rows]


def _purging(before: datetime, now: datetime, ids: list[str]) -> Callable[[Tx], int]:
    def change(tx: Tx) -> int:
        due = sorted(set(_purgeable(tx.db, before)) & set(ids))  # looked at again: one may have been appealed
        for one in due:
            repository.change_submission(tx.db, one, {"tree_id": None, "photo": None, "docs": "[]", "purged_at": now})
        gone = _emptied(tx.db, due)
        for entity_id in gone:
            repository.remove_entity(tx.db, entity_id)
        if due:
            tx.record(Change("run_blocked_purge", "store:purge", {"evidence": len(due), "entities": gone}))
        return len(gone)

    return change


def _sweep_reports(market: Market, now: datetime, *, without: list[str], dry_run: bool) -> int:
    """Remove reports that no submission names, of uploads that ended before their commit, and of entities that are removed
    (`without`)."""
    with market.state.read("flea") as db:
        rows = db.execute(
            "SELECT DISTINCT report_sha256 FROM flea.submissions WHERE NOT list_contains(?, entity_id)", [without]
        ).fetchall()
    named = {row[0] for row in rows}
    old = [
        entry.key
        for entry in market.store.list(checking.REPORTS)
        if entry.modified_at < now - timedelta(days=2)
        and entry.key.removeprefix(checking.REPORTS).partition(".")[0] not in named
    ]
    if not dry_run:
        market.store.remove(old)
    return len(old)


def _sweep_uploads(market: Market, now: datetime, *, dry_run: bool) -> int:
    """Remove what was PUT and never shared."""
    entries = (entry for at in (uploads.STAGED, bundles.BUNDLES) for entry in market.store.list(at))
    old = [entry.key for entry in entries if entry.modified_at < now - timedelta(days=1)]
    if not dry_run:
        market.store.remove(old)
    return len(old)


def rescan(market: Market, *, dry_run: bool = False) -> dict[str, int]:
    """Check again what was checked by other rules than those of now, what is live first. What is live and found unsafe is
    quarantined. One version that cannot be checked stops no other."""
    rules = checks.digest(market.scanners)
    with market.state.read("flea") as db:
        live = {row[0] for row in db.execute("SELECT submission_id FROM flea.entities").fetchall()}
        kept = [status for status in Status if Event.RESCAN_CLEAN in allowed(status)]
        due = [one for one in repository.submissions_in(db, kept) if one.rules != rules and one.tree_id]
    due.sort(key=lambda one: (one.id not in live, one.status not in ("pending_llm", "held"), one.created_at))
    report = {"due": len(due), "checked": 0, "unsafe": 0, "failed": 0}
    for one in [] if dry_run else due[:MAX_RESCANS]:
        try:
            report["unsafe"] += check_again(market, one)
            report["checked"] += 1
        except (BundleMissing, TreeDamaged, EventRefused):
            report["failed"] += 1
    return report


@dataclass(frozen=True, slots=True)
class Digest:
    """What one person is mailed."""

    to: str
    name: str
    notices: list[Notice]


def digests(state: State, *, now: datetime) -> list[Digest]:
    """What nobody has read and was mailed, by person; what is for admins goes to each of them. An address that takes no mail is
    tried for MAIL_WITHIN."""
    with state.read("flea") as db:
        waiting = notices.unmailed(db, since=now - MAIL_WITHIN)
    if not waiting:
        return []
    with state.read("people") as db:
        people = directory.active(db)
        admins = {member.user_id for member in access.members(db, ADMIN_GROUP)}
    found = []
    for user_id, person in sorted(people.items(), key=lambda line: line[1].email):
        own = [one for one in waiting if one.user_id == user_id or (user_id in admins and one.user_id == ADMINS)]
        if own:
            found.append(Digest(person.email, person.name, own))
    return found


def mark_mailed(state: State, digest: Digest, *, now: datetime) -> None:
    ids = [one.id for one in digest.notices if one.user_id != ADMINS]
    if ids:
        state.commit("flea", lambda tx: notices.set_mailed(tx, ids, at=now))


def mark_admins_mailed(state: State, sent: list[Digest], *, now: datetime) -> None:
    """What is for admins is mailed once an admin has it: one whose address takes no mail must not make the others get it again."""
    ids = sorted({one.id for digest in sent for one in digest.notices if one.user_id == ADMINS})
    if ids:
        state.commit("flea", lambda tx: notices.set_mailed(tx, ids, at=now))
