"""Row and column policies: what a group reads of a table that was granted to it.

A person reads a cell if one of their groups does, and a row if one of their groups does: policies of several groups are one
selection, and a group with a grant and no policy reads everything. Nothing is filtered when it is asked for. What people of the same
policies read is kept as objects of its own (`restricting`), and manifest, downloads and queries serve those objects alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from agnes.access import service as access
from agnes.kernel.errors import NotFoundError
from agnes.kernel.ports import Message, Queue
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, State, Tx
from agnes.sql.locked import Scan
from agnes.tables import collection_repository, policy_repository, querying, repository
from agnes.tables.collecting import QUEUE, RESTRICT
from agnes.tables.model import FILE, Column, Strict, TableInvalid, TableNotFound
from agnes.tables.policy_repository import Policy
from agnes.tables.policy_selection import selection
from agnes.tables.querying import Querying, TableNotCollected

PREVIEW_ROWS = 5


class PolicyUpdate(Strict):
    """`filter` is a condition over the table's columns, empty for all rows; `columns` are those that are read, null for all."""

    filter: Annotated[str, StringConstraints(max_length=10_000)] = ""
    columns: Annotated[list[Column], Field(min_length=1, max_length=2000)] | None = None


@dataclass(frozen=True, slots=True)
class PolicyPreview:
    """A table without and with a policy; `rows_…` are counts, `sample_…` the first rows."""

    filter: str
    """As it is understood."""
    rows_before: int
    rows_after: int
    columns_before: tuple[str, ...]
    columns_after: tuple[str, ...]
    sample_before: list[list[object]]
    sample_after: list[list[object]]


@dataclass(frozen=True, slots=True)
class ShownPolicy:
    """`state` of what its members read: `ready`, `being_prepared`, or `failed` with an `error`; a failed policy serves nothing."""

    group_id: str
    group: str
    filter: str
    columns: tuple[str, ...] | None
    updated_by: str
    updated_at: datetime
    state: str
    rows: int
    error: str | None


class PolicyNotFound(NotFoundError):
    code = "policy_not_found"

    def __init__(self, table_id: str, group_id: str) -> None:
        super().__init__(
            f"the group {group_id[:64]} has no policy for {table_id}",
            hint=f"GET /api/tables/{table_id}/policies lists them.",
        )


def shown(db: Db, table_id: str) -> list[ShownPolicy]:
    """Of a table, by the names of the groups; `db` has `people`. Raises TableNotFound."""
    if repository.find_table(db, table_id) is None:
        raise TableNotFound(table_id)
    state, done = collection_repository.find_state(db, table_id), policy_repository.restricted(db)
    names = dict(access.group_names(db))
    found = []
    for policy in policy_repository.policies(db).get(table_id, {}).values():
        made = done.get((table_id, selection([policy]).id))
        is_ready = made is not None and state is not None and made.made_of == state.hash
        found.append(
            ShownPolicy(
                policy.group_id,
                names.get(policy.group_id, policy.group_id),
                policy.filter,
                policy.columns,
                policy.updated_by,
                policy.updated_at,
                "failed" if made is not None and made.error else "ready" if is_ready else "being_prepared",
                made.rows if made is not None else 0,
                made.error if made is not None else None,
            )
        )
    return sorted(found, key=lambda each: (each.group.lower(), each.group_id))


def listed(state: State, table_id: str) -> list[ShownPolicy]:
    """As `shown`."""
    with state.read("people", FILE) as db:
        return shown(db, table_id)


def put(  # noqa: PLR0917
    work: Querying, queue: Queue, who: Principal, table_id: str, group_id: str, given: PolicyUpdate
) -> list[ShownPolicy]:
    """Set a group's policy; the table's policies. What was served under the former one is served no more from this moment.

    Raises TableNotFound, NotFoundError `group_not_found`, TableNotCollected, TableInvalid, ScanRejected, SqlFailed.
    """
    who.require_admin()
    with work.state.read("people", FILE) as db:
        access.get_group(db, group_id)
    checked = _Checked.of(work, who, table_id, given)
    now = work.clock.now()
    policy = Policy(table_id, group_id, given.filter.strip(), checked.written, checked.columns, who.email, now)

    def change(tx: Tx) -> None:
        if repository.find_table(tx.db, table_id) is None:
            raise TableNotFound(table_id)
        before = policy_repository.policies(tx.db).get(table_id, {}).get(group_id)
        policy_repository.put_policy(tx.db, policy)
        tx.record(Change("table.policy", f"table:{table_id}", _told(policy), _told(before) if before else None))

    work.state.commit(FILE, change)
    queue.send([Message(QUEUE, {"table_id": table_id, "reason": RESTRICT})])
    return listed(work.state, table_id)


def remove(state: State, queue: Queue, who: Principal, table_id: str, group_id: str) -> None:
    """Take a policy away: the group reads what it was granted whole. Raises TableNotFound, PolicyNotFound."""
    who.require_admin()

    def change(tx: Tx) -> None:
        if repository.find_table(tx.db, table_id) is None:
            raise TableNotFound(table_id)
        before = policy_repository.policies(tx.db).get(table_id, {}).get(group_id)
        if before is None:
            raise PolicyNotFound(table_id, group_id)
        policy_repository.delete_policy(tx.db, table_id, group_id)
        tx.record(Change("table.policy_remove", f"table:{table_id}", {"group_id": group_id}, _told(before)))

    state.commit(FILE, change)
    queue.send([Message(QUEUE, {"table_id": table_id, "reason": RESTRICT})])


def preview(work: Querying, who: Principal, table_id: str, given: PolicyUpdate) -> PolicyPreview:
    """What a policy would leave of a table; nothing is changed. Raises as `put`."""
    who.require_admin()
    checked = _Checked.of(work, who, table_id, given)
    columns = checked.columns or checked.names
    whole = Scan(table_id, checked.names)
    part = Scan(table_id, checked.names, columns, given.filter, is_fixed=True)
    return PolicyPreview(
        checked.written,
        checked.rows_before,
        checked.rows_after,
        checked.names,
        columns,
        querying.unrecorded(work, who, table_id, whole, PREVIEW_ROWS).rows,
        querying.unrecorded(work, who, table_id, part, PREVIEW_ROWS).rows,
    )


@dataclass(frozen=True, slots=True)
class _Checked:
    """A policy whose condition was understood, and run over the table once."""

    names: tuple[str, ...]
    """Columns of the table."""
    columns: tuple[str, ...] | None
    written: str
    rows_before: int
    rows_after: int

    @classmethod
    def of(cls, work: Querying, who: Principal, table_id: str, given: PolicyUpdate) -> _Checked:
        with work.state.read(FILE) as db:
            if repository.find_table(db, table_id) is None:
                raise TableNotFound(table_id)
            state = collection_repository.find_state(db, table_id)
        if state is None or not state.hash:
            raise TableNotCollected(table_id)
        names = tuple(each["name"] for each in state.columns)
        known = {each.lower(): each for each in names}
        wanted = given.columns
        if wanted is not None and (unknown := [each for each in wanted if each.lower() not in known]):
            raise TableInvalid((f"{table_id} has no column {unknown[0][:128]!r}",))
        columns = (
            None if wanted is None else tuple(each for each in names if each.lower() in {w.lower() for w in wanted})
        )
        scan = Scan(table_id, names, where=given.filter, count=True, is_fixed=True)
        found = querying.unrecorded(work, who, table_id, scan, 1)
        return cls(names, columns, found.condition, state.rows, int(found.rows[0][0]))


def _told(policy: Policy) -> dict[str, object]:
    """A policy as the audit has it."""
    return {"group_id": policy.group_id, "filter": policy.filter, "columns": policy.columns}
