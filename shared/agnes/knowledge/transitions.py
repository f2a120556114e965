"""The states of an item, as one table: what may happen to it, and what it is then.

    pending      waits for a review                approved    distributed to its audience
    rejected     an admin said no                  mandatory   distributed to its audience, cannot be dismissed
    revoked      was distributed, and is wrong     expired     its validity or its review date has passed
    superseded   another item took its place

An item that is not in the table for an event refuses it.
"""

from __future__ import annotations

from enum import StrEnum

from agnes.kernel.errors import ConflictError


class Status(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    MANDATORY = "mandatory"
    REJECTED = "rejected"
    REVOKED = "revoked"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


class Event(StrEnum):
    PROPOSE = "propose"
    """A session, a note or a person proposes it."""
    PUBLISH = "publish"
    """Proposed where this installation distributes without a review (KNOWLEDGE_APPROVAL)."""
    APPROVE = "approve"
    MANDATE = "mandate"
    REJECT = "reject"
    REVOKE = "revoke"
    RETURN = "return"
    """Back to the queue: somebody reported an error, or an edit has to be reviewed."""
    SUPERSEDE = "supersede"
    EXPIRE = "expire"


NEW = ""
"""The state before there is an item."""

DISTRIBUTED = frozenset({Status.APPROVED, Status.MANDATORY})
OPEN = frozenset({Status.PENDING})
"""An admin has still to decide."""
COMPARED = frozenset({Status.PENDING, Status.APPROVED, Status.MANDATORY})
"""New facts are compared with these."""

_S, _E = Status, Event

TRANSITIONS: dict[tuple[str, Event], Status] = {
    (NEW, _E.PROPOSE): _S.PENDING,
    (NEW, _E.PUBLISH): _S.APPROVED,
    (_S.PENDING, _E.APPROVE): _S.APPROVED,
    (_S.PENDING, _E.MANDATE): _S.MANDATORY,
    (_S.PENDING, _E.REJECT): _S.REJECTED,
    (_S.PENDING, _E.SUPERSEDE): _S.SUPERSEDED,
    (_S.APPROVED, _E.APPROVE): _S.APPROVED,  # reviewed again: a new review date
    (_S.APPROVED, _E.MANDATE): _S.MANDATORY,
    (_S.APPROVED, _E.REJECT): _S.REJECTED,
    (_S.APPROVED, _E.REVOKE): _S.REVOKED,
    (_S.APPROVED, _E.RETURN): _S.PENDING,
    (_S.APPROVED, _E.SUPERSEDE): _S.SUPERSEDED,
    (_S.APPROVED, _E.EXPIRE): _S.EXPIRED,
    (_S.MANDATORY, _E.APPROVE): _S.APPROVED,  # no longer mandatory
    (_S.MANDATORY, _E.MANDATE): _S.MANDATORY,  # another reason, audience or date
    (_S.MANDATORY, _E.REVOKE): _S.REVOKED,
    (_S.MANDATORY, _E.RETURN): _S.PENDING,
    (_S.MANDATORY, _E.SUPERSEDE): _S.SUPERSEDED,
    (_S.MANDATORY, _E.EXPIRE): _S.EXPIRED,
    (_S.REJECTED, _E.APPROVE): _S.APPROVED,
    (_S.REJECTED, _E.RETURN): _S.PENDING,
    (_S.REVOKED, _E.APPROVE): _S.APPROVED,
    (_S.REVOKED, _E.MANDATE): _S.MANDATORY,
    (_S.REVOKED, _E.RETURN): _S.PENDING,
    (_S.EXPIRED, _E.APPROVE): _S.APPROVED,
    (_S.EXPIRED, _E.MANDATE): _S.MANDATORY,
    (_S.EXPIRED, _E.REJECT): _S.REJECTED,
    (_S.EXPIRED, _E.SUPERSEDE): _S.SUPERSEDED,
    (_S.SUPERSEDED, _E.APPROVE): _S.APPROVED,
    (_S.SUPERSEDED, _E.RETURN): _S.PENDING,
}

OF_ADMINS = frozenset({_E.APPROVE, _E.MANDATE, _E.REJECT, _E.REVOKE, _E.RETURN})
"""Decisions; the other events follow from something else."""
WITH_REASON = frozenset({_E.MANDATE, _E.REJECT, _E.REVOKE})
"""Somebody reads why."""

LABELS: dict[str, str] = {
    _S.PENDING: "Pending",
    _S.APPROVED: "Active",
    _S.MANDATORY: "Mandatory",
    _S.REJECTED: "Rejected",
    _S.REVOKED: "Revoked",
    _S.EXPIRED: "Expired",
    _S.SUPERSEDED: "Superseded",
}
"""Status → the word that people read."""

DONE: dict[Event, str] = {
    _E.PROPOSE: "proposed",
    _E.PUBLISH: "published",
    _E.APPROVE: "approved",
    _E.MANDATE: "made mandatory",
    _E.REJECT: "rejected",
    _E.REVOKE: "revoked",
    _E.RETURN: "returned to the queue",
    _E.SUPERSEDE: "superseded",
    _E.EXPIRE: "expired",
}
"""Event → the participle of what it does."""


class EventRefused(ConflictError):
    """The item is in a state in which this cannot happen; often another admin was faster."""

    def __init__(self, event: Event, status: str) -> None:
        super().__init__(
            f"this item is {LABELS.get(status, status).lower()}: it cannot be {DONE[event]}",
            code=f"cannot_{event}",
            hint="Load it again: its state has changed.",
            status=status,
        )


def after(status: str, event: Event) -> Status:
    """The state after an event. Raises EventRefused."""
    found = TRANSITIONS.get((status, event))
    if found is None:
        raise EventRefused(event, status)
    return found


def allowed(status: str) -> frozenset[Event]:
    """Events that an item in this state takes."""
    return frozenset(event for (from_, event) in TRANSITIONS if from_ == status)
