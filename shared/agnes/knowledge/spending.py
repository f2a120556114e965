"""What the model costs: each request is written down with what came of it, and none is sent beyond what a day may cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from agnes.claude_code import asked_models
from agnes.kernel.ids import new_ulid
from agnes.kernel.llm import LanguageModel, Prompt, TokenCounts
from agnes.kernel.state import Db, Tx, one_row
from agnes.knowledge.packing import tokens as tokens_of

DAY = timedelta(days=1)


class CapReached(Exception):
    """Another request could cost more than is left of the day's dollars; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Judge:
    """The model that is asked, and what it may cost."""

    language_model: LanguageModel
    model: str
    day_usd: float = 0.0
    """In 24 hours, all jobs together; 0 is no cap."""

    @property
    def name(self) -> str:
        return asked_models.full_name(self.model)

    def price(self, tokens: TokenCounts, at: datetime) -> float | None:
        """Dollars by the list price; None for a model that the list does not have."""
        return asked_models.dollars(self.name, tokens, at.date())

    def require_allowance(self, db: Db, prompt: Prompt, at: datetime) -> None:
        """`prompt` at its longest answer has to fit; a model without a price does not under a cap. Raises CapReached."""
        if not self.day_usd:
            return
        size = tokens_of(prompt.system) + sum(tokens_of(turn.text) for turn in prompt.turns)
        usd = self.price(TokenCounts(math.ceil(size), prompt.max_tokens), at)
        if usd is None or spent(db, since=at - DAY) + usd > self.day_usd:
            raise CapReached


def spent(db: Db, *, since: datetime) -> float:
    """Dollars since then."""
    row = one_row(db, "SELECT coalesce(sum(usd), 0) FROM knowledge.spending WHERE spent_at > ?", [since])
    return float(row[0])


def record(tx: Tx, judge: Judge, tokens: TokenCounts, *, job: str, user_id: str, at: datetime) -> None:
    if tokens == TokenCounts():
        return
    tx.db.execute(
        """INSERT INTO knowledge.spending (id, job, user_id, model, input_tokens, output_tokens, usd, spent_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            new_ulid(at),
            job,
            user_id,
            judge.name,
            tokens.input + tokens.cache_read + tokens.cache_write,
            tokens.output,
            judge.price(tokens, at),
            at,
        ],
    )
