"""The page to ask on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from agnes.kernel.errors import AgnesError
from agnes.telemetry.ask import digest
from agnes.telemetry.ask.service import MAX_QUESTION, MAX_TURNS, Asked, TooManyTurns, Turn

SHOWN = 200
"""Rows on the page; the API and the command have more."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no answer; `sql` where it failed in the database."""

    message: str
    hint: str
    sql: str
    rationale: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    numeric: bool


@dataclass(frozen=True)
class AskPage:
    template: ClassVar[str] = "telemetry/ask.html"
    title: ClassVar[str] = "Ask about usage"
    max_question: ClassVar[int] = MAX_QUESTION
    shown: ClassVar[int] = SHOWN
    question: str = ""
    asked: Asked | None = None
    trouble: Trouble | None = None
    earlier: tuple[Turn, ...] = ()
    """Questions before this one, oldest first."""
    status: int = 200

    @property
    def examples(self) -> list[str]:
        return [question for question, _ in digest.EXAMPLES]

    @property
    def columns(self) -> list[Column]:
        """Numbers stand on the right."""
        if self.asked is None or self.asked.columns is None:
            return []
        rows = self.asked.rows or []
        return [
            Column(name, bool(values) and all(_is_number(value) for value in values))
            for name in self.asked.columns
            for values in [[row[name] for row in rows[:SHOWN] if row[name] is not None]]
        ]

    @property
    def cells(self) -> list[list[str]]:
        """The first rows as text."""
        if self.asked is None or not self.asked.rows:
            return []
        return [[_shown(row[name]) for name in self.asked.columns or []] for row in self.asked.rows[:SHOWN]]

    @property
    def history(self) -> str:
        """What a follow-up carries: the last turns with this one."""
        turns = [*self.earlier]
        if self.asked is not None and self.asked.sql:
            turns.append(Turn(self.asked.question, self.asked.sql))
        return json.dumps([asdict(turn) for turn in turns[-MAX_TURNS:]])


def turns_of(carried: str) -> tuple[Turn, ...]:
    """The turns that the form carried. Raises TooManyTurns for what no page of Agnes has sent."""
    if not carried:
        return ()
    try:
        found = json.loads(carried)
        turns = tuple(Turn(turn["question"], turn["sql"]) for turn in found)
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise TooManyTurns from exc
    if len(turns) > MAX_TURNS or not all(isinstance(part, str) for turn in turns for part in (turn.question, turn.sql)):
        raise TooManyTurns
    return turns


def in_trouble(error: AgnesError, question: str, earlier: Sequence[Turn], request_id: str) -> AskPage:
    """The page with the question still in its box."""
    facts = error.facts
    trouble = Trouble(
        error.message, error.hint or "", str(facts.get("sql", "")), str(facts.get("rationale", "")), request_id
    )
    return AskPage(question=question, trouble=trouble, earlier=tuple(earlier), status=error.status)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}" if abs(value) >= 10_000 else str(value)  # 2026 is a year
        case float():
            return f"{value:,.2f}".rstrip("0").rstrip(".") if abs(value) >= 0.01 or value == 0 else f"{value:.3g}"
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)
