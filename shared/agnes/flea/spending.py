"""What reviews cost: each request is recorded before its answer is used, and none is sent beyond what a day may cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from agnes.checks import Allowance, Spend
from agnes.flea.model import Submission
from agnes.kernel.calls import registered
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import Clock
from agnes.kernel.state import Db, State, Tx, one_row

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Caps:
    """Dollars in 24 hours; 0 is no cap."""

    person_usd: float = 0.0
    total_usd: float = 0.0


NO_CAPS = Caps()


@dataclass(frozen=True, slots=True)
class Spending:
    """The budget of one submission's review: its submitter's share, and everybody's."""

    state: State
    clock: Clock
    caps: Caps
    of: Submission

    def allowance(self) -> Allowance:
        if not self.caps.person_usd and not self.caps.total_usd:
            return Allowance()
        with self.state.read("flea") as db:
            person, total = spent(db, self.of.submitter_id, since=self.clock.now() - DAY)
        return Allowance(
            max(0.0, self.caps.person_usd - person) if self.caps.person_usd else None,
            max(0.0, self.caps.total_usd - total) if self.caps.total_usd else None,
        )

    def record(self, spend: Spend) -> None:
        self.state.commit(
            "flea",
            put_spend(
                submission_id=self.of.id,
                person=self.of.submitter_id,
                model=spend.model,
                input_tokens=spend.tokens.input + spend.tokens.cache_read + spend.tokens.cache_write,
                output_tokens=spend.tokens.output,
                usd=spend.usd,
                at=self.clock.now(),
            ),
        )


def spent(db: Db, person: str, *, since: datetime) -> tuple[float, float]:
    """(dollars for what one person shared, for everybody) since then."""
    row = one_row(
        db,
        """SELECT coalesce(sum(usd) FILTER (submitter_id = $person), 0), coalesce(sum(usd), 0) FROM flea.spending
        WHERE spent_at > $since""",
        {"person": person, "since": since},
    )
    return float(row[0]), float(row[1])


@registered("flea.spending.put_spend")
def put_spend(
    tx: Tx,
    *,
    submission_id: str,
    person: str,
    model: str,
    input_tokens: int,
    output_tokens: int,
    usd: float | None,
    at: datetime,
) -> None:
    tx.db.execute(
        """INSERT INTO flea.spending (id, submission_id, submitter_id, model, input_tokens, output_tokens, usd, spent_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        [new_ulid(at), submission_id, person, model, input_tokens, output_tokens, usd, at],
    )
