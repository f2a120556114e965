"""Requests: changes that wait for a generation, and how they are run on the working copy that it is made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any

from agnes.kernel.calls import Call
from agnes.kernel.state import Actor, Db
from agnes.state.audit_lines import Book, Line
from agnes.state.engine import CopySpoiled, WorkingCopy


@dataclass(slots=True)
class Request:
    """One change and, in the end, its result. `context` is that of the thread that asked."""

    change: Callable[[Db], Any]
    call: Call | None = None
    """The change, where another process may make it."""
    actor: Actor = field(default_factory=Actor)
    context: Context = field(default_factory=copy_context)
    done: bool = False
    value: Any = None
    error: BaseException | None = None
    generation: int = 0
    """The generation that holds the change; 0 if it changed nothing."""
    lines: list[Line] = field(default_factory=list)
    """Of the audit, as the last run of the change recorded them."""
    is_spoiled: bool = False
    """It made DuckDB give up, and is not run again."""


def run_all(copy: WorkingCopy, requests: Sequence[Request], book: Book) -> None:
    """Run them in order, in one transaction where none fails: its log is a fifth as long as that of one each, and is replayed
    in a fifteenth of the time. What is before one that fails is made together again, and that one alone: so each has the
    outcome that it has in a transaction of its own, and is run twice at most if it does the same each time.

    Raises CopySpoiled; whose change it was is known where they are run apart.
    """
    waiting = list(requests)
    while waiting:
        failed = run_together(copy, waiting, book)
        if failed is None:
            return
        if run_together(copy, waiting[:failed], book) is not None:  # what failed has failed once more, earlier
            failed = 0
        run_apart(copy, waiting[failed : failed + 1], book)
        waiting = waiting[failed + 1 :]


def run_together(copy: WorkingCopy, requests: Sequence[Request], book: Book) -> int | None:
    """Give each its value, or the index of the first that failed, and then nothing was changed."""
    if len(requests) < 2:
        run_apart(copy, requests, book)
        return None

    def write(db: Db) -> Any:
        return book.write(copy, db, [line for request in requests for line in request.lines])

    made = copy.run_together([*(_in_its_context(request) for request in requests), write])
    if isinstance(made, int):
        return made
    book.committed(copy, made[-1])
    for request, value in zip(requests, made[:-1], strict=True):
        request.value, request.error = value, None
    return None


def run_apart(copy: WorkingCopy, requests: Sequence[Request], book: Book) -> None:
    """Run them in order, in a transaction each. Raises CopySpoiled, which is then the error of whose change it was."""
    for request in requests:
        _run(copy, request, book)


def _in_its_context(request: Request) -> Callable[[Db], Any]:
    return lambda db: request.context.run(request.change, db)


def _run(copy: WorkingCopy, request: Request, book: Book) -> None:
    def change(db: Db) -> Any:
        return request.change(db), book.write(copy, db, request.lines)

    request.value = request.error = None
    try:
        request.value, head = request.context.run(copy.run, change)
        book.committed(copy, head)
    except CopySpoiled as spoiled:
        request.error = spoiled
        raise
    except Exception as error:  # the change's own, raised to whoever asked for it
        request.error = error
