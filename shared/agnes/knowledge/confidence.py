"""How much an item is believed: computed when it is read, from what it rests on.

    base          the strongest evidence: correction or definition 0.90, confirmation 0.60, note or proposal 0.50
    people        +0.05 for each further person with a correction or definition, +0.03 for each who only confirmed
    decision      +0.20 once an admin has approved it; a mandate is 1.00
    votes         +0.02 for each more up than down, -0.04 for each more down than up, at most 0.10 and 0.20
    complaints    -0.15 for each report of an error that nobody has answered
    age           halves in a year since it was last supported or decided

Age takes it not below 0.40 for what a person verified and 0.50 for a mandate.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from agnes.knowledge.model import Item, Kind, Support
from agnes.knowledge.transitions import Status

BASE: dict[str, float] = {
    Kind.CORRECTION: 0.90,
    Kind.DEFINITION: 0.90,
    Kind.CONFIRMATION: 0.60,
    Kind.NOTE: 0.50,
    Kind.PROPOSAL: 0.50,
}
"""Kind of evidence → where it begins; the order is from the strongest."""
UNSUPPORTED = 0.30
HALF_LIFE = timedelta(days=365)


def confidence(item: Item, support: Support, now: datetime) -> float:
    """From 0 to 1, to two digits."""
    decided = item.decided_at is not None and item.status in (Status.APPROVED, Status.MANDATORY, Status.EXPIRED)
    found = BASE.get(support.best, UNSUPPORTED)
    found += 0.05 * max(0, support.verifiers - 1)
    found += 0.03 * max(0, support.confirmers - max(1, support.verifiers))
    if decided:
        found += 0.20
    if item.status == Status.MANDATORY:
        found = 1.0
    score = support.upvotes - support.downvotes
    found += min(0.10, 0.02 * score) if score > 0 else max(-0.20, 0.04 * score)
    found -= 0.15 * support.complaints
    last = max(moment for moment in (support.last_at, item.decided_at, item.created_at) if moment is not None)
    floor = 0.50 if item.status == Status.MANDATORY else 0.40 if support.verifiers else 0.0
    aged: float = min(1.0, found) * 0.5 ** (max(timedelta(), now - last) / HALF_LIFE)
    return round(min(1.0, max(aged, min(floor, found), 0.0)), 2)
