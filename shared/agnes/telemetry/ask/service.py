"""One question: the model writes SQL, the child runs it, the audit has both before anybody has the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agnes.kernel import audit
from agnes.kernel.errors import BadRequestError
from agnes.kernel.llm import ChatMessage, LanguageModel, Prompt
from agnes.kernel.ports import Clock, ObjectStore
from agnes.kernel.state import Change, State
from agnes.sql import locked
from agnes.telemetry.ask import database, digest

MAX_QUESTION = 1000
MAX_TURNS = 5
SHOWN_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of the conversation, and the SQL that was its answer."""

    question: str
    sql: str


@dataclass(frozen=True, slots=True)
class Asked:
    """`rejected` says why the SQL was not run; then there are no rows."""

    question: str
    sql: str
    rationale: str
    columns: list[str] | None
    rows: list[dict[str, Any]] | None
    """The first 1,000."""
    row_count: int
    """Of all, or where they are `cut` of those that were fetched: 10,000, or 4 MB, at most."""
    truncated: bool
    """There are more rows than `rows` has."""
    llm_ms: float
    exec_ms: float | None = None
    rejected: str | None = None
    cut: bool = False
    """There are more than `row_count`."""


class InvalidQuestion(BadRequestError):
    code = "invalid_question"

    def __init__(self, characters: int) -> None:
        said = f"it has {characters} characters of at most {MAX_QUESTION}" if characters else "it is empty"
        super().__init__(f"the question cannot be asked: {said}", hint="Ask in a sentence or two.")


class TooManyTurns(BadRequestError):
    code = "too_many_turns"

    def __init__(self) -> None:
        super().__init__(
            f"`history` has more than {MAX_TURNS} turns, or one that is too long", hint="Send the last ones only."
        )


class QueryFailed(BadRequestError):
    """The SQL was run and failed: the answer has it, with DuckDB's message."""

    code = "exec_failed"
    hint = "Put the question differently, or more narrowly."


def ask(
    state: State,
    store: ObjectStore,
    model: LanguageModel,
    question: str,
    *,
    history: Sequence[Turn] = (),
    model_name: str,
    clock: Clock,
) -> Asked:
    """Raises InvalidQuestion, TooManyTurns, what a model raises, QueryFailed, UnavailableError."""
    question = checked(question)
    if len(history) > MAX_TURNS or any(
        len(turn.question) > MAX_QUESTION or len(turn.sql) > locked.MAX_SQL for turn in history
    ):
        raise TooManyTurns
    model.require()
    with database.made(state) as made:
        prompt = Prompt(
            model=model_name,
            system=digest.instructions(made, today=clock.now().date()),
            turns=_conversation(history, question),
            schema=digest.SCHEMA,
        )
        began = clock.monotonic()
        said = model.answer(prompt)
        llm_ms = round((clock.monotonic() - began) * 1000, 1)
        sql, rationale = _text(said["sql"]), _text(said["rationale"])
        told = _Told(store, clock, {"question": question, "sql": sql, "llm_ms": llm_ms})
        try:
            if database.needs_events(sql):
                database.with_events(made, state, store)
            found = locked.run(sql, made.path, made.names)
        except locked.SqlRejected as refused:
            why = refused.reason if sql else f"the model found no SQL for it. {rationale}".strip()
            told("error.invalid_sql", rejected=why)
            return Asked(question, sql, rationale, None, None, 0, False, llm_ms, rejected=why)
        except locked.SqlFailed as failed:
            told("error.exec_failed", error=failed.reason)
            raise QueryFailed(failed.reason, sql=sql, rationale=rationale, llm_ms=llm_ms) from failed
    exec_ms = round(found.milliseconds, 1)
    told("ok", row_count=len(found.rows), exec_ms=exec_ms)
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows[:SHOWN_ROWS]]
    truncated = found.cut or len(found.rows) > len(rows)
    return Asked(
        question, sql, rationale, found.columns, rows, len(found.rows), truncated, llm_ms, exec_ms, cut=found.cut
    )


def checked(question: str) -> str:
    """Raises InvalidQuestion."""
    question = question.strip()
    if not question or len(question) > MAX_QUESTION:
        raise InvalidQuestion(len(question))
    return question


def _conversation(history: Sequence[Turn], question: str) -> list[ChatMessage]:
    turns = []
    for turn in history:
        turns += [ChatMessage("user", turn.question or "?"), ChatMessage("assistant", turn.sql or "(no SQL)")]
    return [*turns, ChatMessage("user", question)]


def _text(value: Any) -> str:
    """What came from a model, as text that can be stored and sent: JSON may hold half a character."""
    return str(value).encode("utf-8", "replace").decode().strip()


class _Told:
    """Writes the question's line of the audit."""

    def __init__(self, store: ObjectStore, clock: Clock, params: dict[str, Any]) -> None:
        self._store = store
        self._clock = clock
        self._params = params

    def __call__(self, result: str, **more: Any) -> None:
        change = Change("usage.ask", "usage:ask", self._params | more)
        took = self._params["llm_ms"] + more.get("exec_ms", 0.0)
        audit.record(self._store, change, now=self._clock.now(), result=result, duration_ms=took)
