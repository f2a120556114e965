"""The port of the state files: what domains need of `agnes.state`, without importing it.

A *state file* is a DuckDB database, attached under its own name, so SQL always says
`people.users`, `stack.subscriptions`, for reads and for commits alike.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


Row = tuple[Any, ...]
"""One row of a result; what its values are depends on the query."""


class Rows(Protocol):
    """The result of a query: values as DuckDB's client hands them out, a TIMESTAMPTZ as an aware datetime."""

    def fetchone(self) -> Row | None: ...

    def fetchmany(self, size: int, /) -> list[Row]: ...

    def fetchall(self) -> list[Row]: ...


class Db(Protocol):
    """The part of a DuckDB connection that repositories use."""

    def execute(self, sql: str, parameters: object = None, /) -> Rows: ...

    def executemany(self, sql: str, parameters: object = None, /) -> Rows: ...


def one_row(db: Db, sql: str, parameters: object = None) -> Row:
    """The row of a query that has one whatever is stored, such as a count. Raises LookupError if it has none."""
    row = db.execute(sql, parameters).fetchone()
    if row is None:
        raise LookupError("a query that always has a row gave none")
    return row


def one_number(db: Db, sql: str, parameters: object = None) -> int:
    """The whole number of a query that has one row of one column, such as a count. Raises as `one_row` does."""
    (number,) = one_row(db, sql, parameters)
    return int(number)


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the audit, recorded in the transaction of the change itself."""

    action: str
    """Dotted, such as `marketplace.create`; the list is in docs/audit.md."""
    resource: str
    """`kind:id`, such as `marketplace:acme`."""
    params: dict[str, Any]
    """What was asked, without secrets."""
    before: dict[str, Any] | None = None


class Tx(Protocol):
    """An open transaction on one state file."""

    db: Db

    def record(self, change: Change) -> None:
        """Add an audit row; who asked, from where and for which request is known to the edge (`Actor`)."""
        ...


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a commit, for its audit rows."""

    user_id: str = ""
    email: str = ""
    client_kind: str = "system"
    client_ip: str = ""
    request_id: str = ""


CURRENT_ACTOR: ContextVar[Actor] = ContextVar("current_actor", default=Actor())  # noqa: B039 (frozen)
"""Set by the edge for each request and job; `State.commit` uses it where no actor is given."""


@dataclass(frozen=True, slots=True)
class CutFile:
    """One state file at a cut."""

    name: str
    generation: int
    head: bytes
    """As it was stored."""
    objects: tuple[tuple[str, int, str], ...]
    """Key, size and SHA-256 of what the head names; they never change."""


@dataclass(frozen=True, slots=True)
class StateCut:
    """All state files as of one moment."""

    at: datetime
    files: tuple[CutFile, ...]
    """Those that were ever written."""
    is_exact: bool
    """All had these generations at one moment. Otherwise each has its newest of before `at`, by its writers' clocks."""


class Session(Protocol):
    """Generations by file: `expect` came with a request, `made` goes back with its answer."""

    expect: dict[str, int]
    made: dict[str, int]


class State(Protocol):
    """Reads of snapshots, and commits (docs/architecture.md, State)."""

    names: tuple[str, ...]
    """Of all state files."""

    @property
    def spared(self) -> AbstractSet[str]:
        """Files that were found damaged by the last read that could do without them."""
        ...

    def read(self, *files: str, spare: Collection[str] = ()) -> AbstractContextManager[Db]:
        """A connection with the newest generations of `files` attached READ_ONLY, each within the
        staleness window, and never older than what the session demands.

        Those of `spare` are read as if nothing was in them where they are damaged. Only for showing what there is besides:
        whoever concludes from absence, such as who removes what nothing names, never spares a file."""
        ...

    def looking(self, *files: str) -> AbstractContextManager[None]:
        """Look at these files side by side while the block runs, so that what it reads of them waits for one look of the
        store and not for one after another. Only a wait is saved: what a read sees and raises is the same without it."""
        ...

    def version_seen(self, file: str) -> tuple[int, str]:
        """(generation, nonce) that a read would see now: within the staleness window, and never older than what
        the session demands. What is derived from a file is as good as new while this is the same."""
        ...

    def session(self, expect: Mapping[str, int] | None = None) -> AbstractContextManager[Session]:
        """Read your own writes: reads inside are never older than `expect` or than what was committed inside."""
        ...

    def commit(self, file: str, change: Callable[[Tx], T], *, actor: Actor | None = None) -> T:
        """Run `change` in one transaction on the newest generation of `file`, publish, return its value.

        `change` may run several times and must have no effect but on `tx`. An error
        that it raises rolls back and is raised here, and nothing is published. On return the
        change is durable. Raises CommitContended or UnavailableError when it could not be.
        """
        ...
