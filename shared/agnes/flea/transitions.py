"""The states of a submission, as one table: what may happen to it, what it is then, and what that does to its entity.

    pending_llm   waits for the model's review          blocked_inline   a rule found something
    held          waits for an admin                    blocked_llm      the model found something
    approved      may be served, by review              review_error     nobody could review it
    overridden    may be served, by an admin's word     rejected         an admin said no
    quarantined   was served, and is not any more       withdrawn        its owner took it back

A submission that is not in the table for an event refuses it. Nothing but `Effect.PROMOTE` moves an entity's pointer, and it names
the submission that the event is about, so no other version can go live by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agnes.kernel.errors import ConflictError


class Status(StrEnum):
    PENDING_LLM = "pending_llm"
    HELD = "held"
    BLOCKED_INLINE = "blocked_inline"
    BLOCKED_LLM = "blocked_llm"
    REVIEW_ERROR = "review_error"
    APPROVED = "approved"
    OVERRIDDEN = "overridden"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    QUARANTINED = "quarantined"


class Event(StrEnum):
    SUBMIT_TO_MODEL = "submit_to_model"
    SUBMIT_TO_ADMIN = "submit_to_admin"
    SUBMIT_BLOCKED = "submit_blocked"
    SUBMIT_CLEAN = "submit_clean"
    """Only where an operator has switched the review off."""
    REVIEW_CLEAN = "review_clean"
    REVIEW_HOLD = "review_hold"
    REVIEW_UNSAFE = "review_unsafe"
    REVIEW_FAILED = "review_failed"
    APPROVE = "approve"
    OVERRIDE = "override"
    REJECT = "reject"
    RETRY = "retry"
    RESCAN_CLEAN = "rescan_clean"
    RESCAN_BLOCKED = "rescan_blocked"
    APPEAL = "appeal"
    WITHDRAW = "withdraw"
    QUARANTINE = "quarantine"
    RELEASE = "release"


class Effect(StrEnum):
    NONE = "none"
    PROMOTE = "promote"
    """This submission's version is the live one now."""
    HIDE = "hide"
    """The entity is served to nobody, if this submission's version is the live one."""


@dataclass(frozen=True, slots=True)
class Transition:
    to: Status
    effect: Effect = Effect.NONE


NEW = ""
"""The state before there is a submission."""

OPEN = frozenset({Status.PENDING_LLM, Status.HELD})
"""Somebody has still to decide."""
REFUSED = frozenset({Status.BLOCKED_INLINE, Status.BLOCKED_LLM, Status.REVIEW_ERROR, Status.REJECTED, Status.WITHDRAWN})
"""Not served; their evidence goes after a while."""
SERVABLE = frozenset({Status.APPROVED, Status.OVERRIDDEN})
STRIKES = frozenset({Status.BLOCKED_INLINE, Status.BLOCKED_LLM, Status.REJECTED})
"""Count against the person's daily limit."""

_S, _E = Status, Event
_PROMOTED = Transition(_S.APPROVED, Effect.PROMOTE)
_OVERRIDDEN = Transition(_S.OVERRIDDEN, Effect.PROMOTE)
_GONE = Transition(_S.QUARANTINED, Effect.HIDE)

TRANSITIONS: dict[tuple[str, Event], Transition] = {
    (NEW, _E.SUBMIT_TO_MODEL): Transition(_S.PENDING_LLM),
    (NEW, _E.SUBMIT_TO_ADMIN): Transition(_S.HELD),
    (NEW, _E.SUBMIT_BLOCKED): Transition(_S.BLOCKED_INLINE),
    (NEW, _E.SUBMIT_CLEAN): _PROMOTED,
    # The review of the model.
    (_S.PENDING_LLM, _E.REVIEW_CLEAN): _PROMOTED,
    (_S.PENDING_LLM, _E.REVIEW_HOLD): Transition(_S.HELD),
    (_S.PENDING_LLM, _E.REVIEW_UNSAFE): Transition(_S.BLOCKED_LLM),
    (_S.PENDING_LLM, _E.REVIEW_FAILED): Transition(_S.REVIEW_ERROR),
    # An admin. What a rule or the model found something in takes an override with a reason.
    (_S.PENDING_LLM, _E.APPROVE): _PROMOTED,
    (_S.HELD, _E.APPROVE): _PROMOTED,
    (_S.REVIEW_ERROR, _E.APPROVE): _PROMOTED,
    (_S.PENDING_LLM, _E.OVERRIDE): _OVERRIDDEN,
    (_S.HELD, _E.OVERRIDE): _OVERRIDDEN,
    (_S.REVIEW_ERROR, _E.OVERRIDE): _OVERRIDDEN,
    (_S.BLOCKED_INLINE, _E.OVERRIDE): _OVERRIDDEN,
    (_S.BLOCKED_LLM, _E.OVERRIDE): _OVERRIDDEN,
    (_S.REJECTED, _E.OVERRIDE): _OVERRIDDEN,
    (_S.PENDING_LLM, _E.REJECT): Transition(_S.REJECTED),
    (_S.HELD, _E.REJECT): Transition(_S.REJECTED),
    (_S.REVIEW_ERROR, _E.REJECT): Transition(_S.REJECTED),
    (_S.BLOCKED_INLINE, _E.REJECT): Transition(_S.REJECTED),
    (_S.BLOCKED_LLM, _E.REJECT): Transition(_S.REJECTED),
    (_S.HELD, _E.RETRY): Transition(_S.PENDING_LLM),
    (_S.REVIEW_ERROR, _E.RETRY): Transition(_S.PENDING_LLM),
    (_S.BLOCKED_LLM, _E.RETRY): Transition(_S.PENDING_LLM),
    # The rules have changed, or an admin asks for all checks again.
    (_S.PENDING_LLM, _E.RESCAN_CLEAN): Transition(_S.PENDING_LLM),
    (_S.HELD, _E.RESCAN_CLEAN): Transition(_S.HELD),
    (_S.REVIEW_ERROR, _E.RESCAN_CLEAN): Transition(_S.PENDING_LLM),
    (_S.BLOCKED_INLINE, _E.RESCAN_CLEAN): Transition(_S.PENDING_LLM),
    (_S.BLOCKED_LLM, _E.RESCAN_CLEAN): Transition(_S.BLOCKED_LLM),
    (_S.REJECTED, _E.RESCAN_CLEAN): Transition(_S.REJECTED),
    (_S.APPROVED, _E.RESCAN_CLEAN): Transition(_S.APPROVED),
    (_S.OVERRIDDEN, _E.RESCAN_CLEAN): Transition(_S.OVERRIDDEN),
    (_S.QUARANTINED, _E.RESCAN_CLEAN): Transition(_S.QUARANTINED),
    (_S.PENDING_LLM, _E.RESCAN_BLOCKED): Transition(_S.BLOCKED_INLINE),
    (_S.HELD, _E.RESCAN_BLOCKED): Transition(_S.BLOCKED_INLINE),
    (_S.REVIEW_ERROR, _E.RESCAN_BLOCKED): Transition(_S.BLOCKED_INLINE),
    (_S.BLOCKED_INLINE, _E.RESCAN_BLOCKED): Transition(_S.BLOCKED_INLINE),
    (_S.BLOCKED_LLM, _E.RESCAN_BLOCKED): Transition(_S.BLOCKED_LLM),
    (_S.REJECTED, _E.RESCAN_BLOCKED): Transition(_S.REJECTED),
    (_S.APPROVED, _E.RESCAN_BLOCKED): _GONE,
    (_S.OVERRIDDEN, _E.RESCAN_BLOCKED): Transition(_S.OVERRIDDEN),  # an admin knew, and gave a reason
    (_S.QUARANTINED, _E.RESCAN_BLOCKED): Transition(_S.QUARANTINED),
    # The owner.
    (_S.BLOCKED_INLINE, _E.APPEAL): Transition(_S.HELD),
    (_S.BLOCKED_LLM, _E.APPEAL): Transition(_S.HELD),
    (_S.REVIEW_ERROR, _E.APPEAL): Transition(_S.HELD),
    (_S.REJECTED, _E.APPEAL): Transition(_S.HELD),
    (_S.QUARANTINED, _E.APPEAL): Transition(_S.QUARANTINED),  # it stays out of reach while an admin reads
    (_S.PENDING_LLM, _E.WITHDRAW): Transition(_S.WITHDRAWN),
    (_S.HELD, _E.WITHDRAW): Transition(_S.WITHDRAWN),
    (_S.REVIEW_ERROR, _E.WITHDRAW): Transition(_S.WITHDRAWN),
    (_S.BLOCKED_INLINE, _E.WITHDRAW): Transition(_S.WITHDRAWN),
    (_S.BLOCKED_LLM, _E.WITHDRAW): Transition(_S.WITHDRAWN),
    (_S.REJECTED, _E.WITHDRAW): Transition(_S.WITHDRAWN),
    # The kill switch: an admin, or enough reports.
    (_S.APPROVED, _E.QUARANTINE): _GONE,
    (_S.OVERRIDDEN, _E.QUARANTINE): _GONE,
    (_S.QUARANTINED, _E.RELEASE): _OVERRIDDEN,
}

NEEDS_BYTES = frozenset({Event.APPROVE, Event.OVERRIDE, Event.RETRY, Event.RELEASE, Event.APPEAL})
"""Events that nobody can have once the evidence is gone."""


class EventRefused(ConflictError):
    """The submission is in a state in which this cannot happen; often somebody else was faster."""

    def __init__(self, event: Event, status: str, by: str = "") -> None:
        words = LABELS.get(status, status).lower()
        said = f"this submission is {words}" + (f" by {by}" if by else "")
        super().__init__(
            f"{said}: it cannot be {DONE[event]}",
            code=f"cannot_{event}_status:{status}",
            hint="Look at it again: its state has changed.",
        )


LABELS: dict[str, str] = {
    Status.PENDING_LLM: "In review",
    Status.HELD: "Needs review",
    Status.BLOCKED_INLINE: "Blocked",
    Status.BLOCKED_LLM: "Blocked",
    Status.REVIEW_ERROR: "Failed",
    Status.APPROVED: "Approved",
    Status.OVERRIDDEN: "Overridden",
    Status.REJECTED: "Rejected",
    Status.WITHDRAWN: "Withdrawn",
    Status.QUARANTINED: "Quarantined",
}
"""Status → the word that people read."""

DONE: dict[Event, str] = {
    Event.SUBMIT_TO_MODEL: "submitted",
    Event.SUBMIT_TO_ADMIN: "submitted",
    Event.SUBMIT_BLOCKED: "submitted",
    Event.SUBMIT_CLEAN: "submitted",
    Event.REVIEW_CLEAN: "approved by its review",
    Event.REVIEW_HOLD: "held by its review",
    Event.REVIEW_UNSAFE: "blocked by its review",
    Event.REVIEW_FAILED: "given up by its review",
    Event.APPROVE: "approved",
    Event.OVERRIDE: "overridden",
    Event.REJECT: "rejected",
    Event.RETRY: "reviewed again",
    Event.RESCAN_CLEAN: "checked again",
    Event.RESCAN_BLOCKED: "checked again",
    Event.APPEAL: "appealed",
    Event.WITHDRAW: "withdrawn",
    Event.QUARANTINE: "quarantined",
    Event.RELEASE: "released",
}
"""Event → the participle of what it does."""


def after(status: str, event: Event, *, by: str = "") -> Transition:
    """What an event makes of a submission in this state; `by` is who decided before. Raises EventRefused."""
    found = TRANSITIONS.get((status, event))
    if found is None:
        raise EventRefused(event, status, by)
    return found


def allowed(status: str) -> frozenset[Event]:
    """Events that a submission in this state takes."""
    return frozenset(event for (from_, event) in TRANSITIONS if from_ == status)
