"""What an event does: the submission's new state, its entity, a line of the audit and a notice, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from agnes.flea import notices, repository
from agnes.flea.model import ADMINS, APPROVED, ARCHIVED, HIDDEN, Entity, Submission
from agnes.flea.transitions import NEEDS_BYTES, Effect, Event, Status, after
from agnes.kernel.errors import ConflictError, GoneError, NotFoundError
from agnes.kernel.state import Change, Tx
from agnes.marketplace.model import Item


class SubmissionNotFound(NotFoundError):
    code = "submission_not_found"

    def __init__(self, submission_id: str) -> None:
        super().__init__(f"there is no submission {submission_id[:64]!r}", hint="Look at the queue again.")


class VersionOvertaken(ConflictError):
    code = "version_overtaken"

    def __init__(self, n: int, live: int) -> None:
        super().__init__(
            f"version {n} is older than version {live}, which is live",
            hint="Restore it instead: that makes a new version of it.",
        )


class BundleMissing(GoneError):
    code = "bundle_missing"

    def __init__(self) -> None:
        super().__init__("the files of this submission are gone", hint="Ask its owner to share it again.")


ACTIONS: dict[Event, str] = {
    Event.SUBMIT_TO_MODEL: "store.submission.accepted",
    Event.SUBMIT_TO_ADMIN: "store.submission.accepted",
    Event.SUBMIT_BLOCKED: "store.upload.security_blocked",
    Event.SUBMIT_CLEAN: "store.submission.approved",
    Event.REVIEW_CLEAN: "store.submission.approved",
    Event.REVIEW_HOLD: "store.submission.held",
    Event.REVIEW_UNSAFE: "store.submission.blocked_llm",
    Event.REVIEW_FAILED: "store.submission.review_error",
    Event.APPROVE: "store.submission.approved",
    Event.OVERRIDE: "store.submission.overridden",
    Event.REJECT: "store.submission.rejected",
    Event.RETRY: "store.submission.retry",
    Event.RESCAN_CLEAN: "store.submission.rescan",
    Event.RESCAN_BLOCKED: "store.submission.rescan",
    Event.APPEAL: "store.submission.appealed",
    Event.WITHDRAW: "store.submission.withdrawn",
    Event.QUARANTINE: "store.submission.quarantined",
    Event.RELEASE: "store.submission.released",
}

_TO_OWNER: dict[Event, str] = {
    Event.SUBMIT_BLOCKED: "{name} was blocked by a check: {why}",
    Event.SUBMIT_CLEAN: "{name} is in the Flea market.",
    Event.REVIEW_CLEAN: "{name} was approved and is in the Flea market.",
    Event.REVIEW_HOLD: "{name} waits for an admin: {why}",
    Event.REVIEW_UNSAFE: "{name} was blocked by its review: {why}",
    Event.REVIEW_FAILED: "{name} could not be reviewed: {why}",
    Event.APPROVE: "{name} was approved and is in the Flea market.",
    Event.OVERRIDE: "{name} was approved by an admin: {why}",
    Event.REJECT: "{name} was rejected: {why}",
    Event.RETRY: "{name} is reviewed again.",
    Event.QUARANTINE: "{name} was taken out of the Flea market: {why}",
    Event.RESCAN_BLOCKED: "{name} was found unsafe by newer rules: {why}",
    Event.RELEASE: "{name} is in the Flea market again.",
}
"""Event → what its owner is told; {why} ends the sentence."""

_TO_ADMINS: dict[Event, str] = {
    Event.SUBMIT_TO_ADMIN: "{name} by {email} waits for a review.",
    Event.REVIEW_HOLD: "{name} by {email} waits for a review: {why}",
    Event.REVIEW_FAILED: "{name} by {email} could not be reviewed: {why}",
    Event.APPEAL: "{email} appeals the decision about {name}.",
    Event.RESCAN_BLOCKED: "{name} by {email} was found unsafe by newer rules.",
}


def require(tx: Tx, submission_id: str) -> Submission:
    """Raises SubmissionNotFound."""
    found = repository.submission(tx.db, submission_id)
    if found is None:
        raise SubmissionNotFound(submission_id)
    return found


def move(
    tx: Tx,
    before: Submission,
    event: Event,
    *,
    at: datetime,
    why: str = "",
    items: Sequence[Item] | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Submission:
    """Let `event` happen to a submission. `why` is for its owner; `items` are what is inside, of a version that may go live;
    `changes` are further columns. Raises EventRefused, VersionOvertaken, BundleMissing."""
    transition = after(before.status, event, by=before.decided_by)
    entity = repository.find(tx.db, before.entity_id)
    if event in NEEDS_BYTES and before.tree_id is None:
        raise BundleMissing
    is_promoted = transition.effect is Effect.PROMOTE
    if is_promoted and entity is not None and _is_overtaken(tx, before, entity):
        raise VersionOvertaken(before.n, entity.version_no)
    written: dict[str, Any] = {"status": transition.to, "status_reason": why, "updated_at": at, **(changes or {})}
    if is_promoted:
        written["went_live_at"] = at
    repository.change_submission(tx.db, before.id, written)
    done = replace(before, **written)
    if entity is not None:
        if is_promoted:
            _promote(tx, entity, done, items or (), at)
        elif transition.effect is Effect.HIDE and entity.submission_id == before.id:
            repository.change_entity(
                tx.db, entity.id, {"status": HIDDEN, "held_reason": why or "quarantined", "updated_at": at}
            )
    tell(tx, event, done, entity, why=why, at=at)
    tx.record(
        Change(
            ACTIONS[event],
            f"store_submission:{before.id}",
            {"entity_id": before.entity_id, "n": before.n, "to": transition.to, "reason": why, "risk": done.risk},
            {"status": before.status},
        )
    )
    return done


def tell(tx: Tx, event: Event, of: Submission, entity: Entity | None, *, why: str, at: datetime) -> None:
    """Leave the notices of an event."""
    owner = entity.owner_user_id if entity else of.submitter_id
    name = of.name if entity is None or entity.submission_id in (None, of.id) else f"{of.name}, version {of.n},"
    shown = {"name": name, "email": of.submitter_email, "why": _sentence(why)}
    put = partial(notices.put, tx.db, at=at, entity_id=of.entity_id, submission_id=of.id)
    if event in _TO_OWNER:
        put(owner, event, _TO_OWNER[event].format(**shown), url=f"/store/mine/{of.entity_id}")
    if event in _TO_ADMINS:
        put(ADMINS, event, _TO_ADMINS[event].format(**shown), url=f"/admin/store/submissions/{of.id}")


def _sentence(why: str) -> str:
    text = why.strip() or "see its page"
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _is_overtaken(tx: Tx, of: Submission, entity: Entity) -> bool:
    if entity.submission_id in (None, of.id):
        return False
    live = repository.submission(tx.db, entity.submission_id or "")
    return live is not None and live.n > of.n


def _promote(tx: Tx, entity: Entity, of: Submission, items: Sequence[Item], at: datetime) -> None:
    """Move the entity's pointer to this version: all its fields at once."""
    repository.change_entity(
        tx.db,
        entity.id,
        {
            "name": of.name,
            "served_name": of.served_name,
            "description": of.description,
            "category": of.category,
            "video_url": of.video_url,
            "photo": of.photo,
            "docs": of.docs,
            "version": of.version,
            "version_no": of.n,
            "tree_id": of.tree_id,
            "size_bytes": of.size_bytes,
            "submission_id": of.id,
            "status": ARCHIVED if entity.archived_at is not None else APPROVED,
            "held_reason": None,
            "released_at": at,
            "updated_at": at,
        },
    )
    repository.replace_items(tx.db, entity.id, items)
    tx.db.execute("UPDATE flea.complaints SET closed_at = ? WHERE entity_id = ? AND closed_at IS NULL", [at, entity.id])


def encode_items(items: Sequence[Item]) -> str:
    """Items as the argument of a registered call."""
    return json.dumps(
        [[i.kind, i.name, i.declared_name, i.description, i.relpath, i.detail, i.always_on] for i in items]
    )


def decode_items(text: str) -> list[Item]:
    return [Item(*row) for row in json.loads(text or "[]")]


def is_open(status: str) -> bool:
    return status in (Status.PENDING_LLM, Status.HELD)
