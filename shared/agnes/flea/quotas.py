"""How much one person may offer: on every way that writes a submission, and once more in its transaction."""

from __future__ import annotations

from datetime import datetime, timedelta

from agnes.flea import repository
from agnes.flea.limits import MAX_BLOCKED_A_DAY, MAX_ENTITIES, MAX_OPEN, MAX_SUBMISSIONS_A_DAY
from agnes.flea.transitions import OPEN, STRIKES
from agnes.kernel.errors import LimitError
from agnes.kernel.state import Db

DAY = timedelta(days=1)


class QuotaExceeded(LimitError):
    code = "quota_exceeded"

    def __init__(self, what: str, count: int, limit: int, hint: str, **facts: int) -> None:
        super().__init__(f"{what}: {count}, the limit is {limit}", hint=hint, limit=limit)
        self.facts |= facts


def require_room(db: Db, user_id: str, at: datetime, kind: str = "appeal") -> None:
    """Raises QuotaExceeded. On every way that writes a submission; what an admin imports is bounded by its bundle."""
    if kind == "import":
        return
    counts = repository.counts(db, user_id, since=at - DAY, open_=sorted(OPEN), strikes=sorted(STRIKES))
    if counts.strikes >= MAX_BLOCKED_A_DAY:
        raise QuotaExceeded(
            "blocked submissions in 24 hours",
            counts.strikes,
            MAX_BLOCKED_A_DAY,
            "Try again tomorrow, or ask an admin to look at one of them.",
            blocked_in_last_24h=counts.strikes,
        )
    if counts.today >= MAX_SUBMISSIONS_A_DAY:
        raise QuotaExceeded("submissions in 24 hours", counts.today, MAX_SUBMISSIONS_A_DAY, "Try again tomorrow.")
    if counts.open >= MAX_OPEN:
        raise QuotaExceeded("submissions that wait", counts.open, MAX_OPEN, "Wait for them, or withdraw one.")
    if counts.entities > MAX_ENTITIES:
        raise QuotaExceeded("things that you share", counts.entities, MAX_ENTITIES, "Remove one that nobody needs.")
