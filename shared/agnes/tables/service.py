"""The registry of tables: register, change, remove. Every change is checked by the same rules and is a line of the audit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from agnes.kernel.errors import ConflictError, InvalidError
from agnes.kernel.ports import Clock
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, State, Tx
from agnes.tables import collection_repository, granting, policy_repository, repository, rules
from agnes.tables.model import (
    FILE,
    Precheck,
    Source,
    Table,
    TableCreate,
    TableInvalid,
    TableNotFound,
    TableUpdate,
)

MAX_TABLES = 5000
MAX_COLUMN_NOTES = 2000

DESCRIBES_CONTENT = (
    "bucket", "source_table", "source_query", "query_mode", "sync_strategy", "primary_key", "incremental_column",
    "max_history_days", "where_filters", "partition_by", "partition_granularity",
)  # fmt: skip
"""Fields that say what a table holds: with another value it is collected anew, whole."""


class SourceNotConfigured(InvalidError):
    """422: no source, or more than one, is meant."""

    code = "source_not_configured"


def tables(db: Db) -> list[Table]:
    """By folder and name."""
    return repository.tables(db)


def get_table(db: Db, table_id: str) -> Table:
    """Raises TableNotFound."""
    found = repository.find_table(db, table_id)
    if found is None:
        raise TableNotFound(table_id)
    return found


def precheck(db: Db, who: Principal, given: TableCreate, *, clock: Clock) -> Precheck:
    """What registering this would say, without writing and without asking the source. Raises SourceNotConfigured."""
    who.require_admin()
    table = _new(db, who, given, clock)
    problems = rules.check(table)
    if repository.find_table(db, table.id) is not None:
        problems += (f"there is a table {table.id}",)
    return Precheck(table.id, table.source_id, problems)


def register(state: State, who: Principal, given: TableCreate, *, clock: Clock) -> Table:
    """Add a table; nobody is granted it, and it is collected when it is due, which is at the next tick.

    Raises TableInvalid, SourceNotConfigured, ConflictError `table_exists`, `too_many_tables`.
    """
    who.require_admin()

    def add(tx: Tx) -> Table:
        table = _new(tx.db, who, given, clock)
        _require_sound(table)
        ids = repository.table_ids(tx.db)
        if table.id in ids:
            raise ConflictError(
                f"there is a table {table.id}",
                code="table_exists",
                hint=f"Change it with PUT /api/admin/tables/{table.id}, or choose another id.",
            )
        if len(ids) >= MAX_TABLES:
            raise ConflictError(f"there are {MAX_TABLES:,} tables, which is the limit", code="too_many_tables")
        repository.put_table(tx.db, table)
        tx.record(Change("table.register", f"table:{table.id}", told(table)))
        return table

    return state.commit(FILE, add)


def update(state: State, who: Principal, table_id: str, given: TableUpdate, *, clock: Clock) -> Table:
    """Change what was sent: what is left out stays, null is the default. A table that is no longer materialized loses its SQL.

    Raises TableNotFound, TableInvalid.
    """
    who.require_admin()
    sent = rules.values_of(given)

    def change(tx: Tx) -> Table:
        before = get_table(tx.db, table_id)
        wanted = dict(sent)
        if wanted.get("query_mode", before.query_mode) != "materialized" and "source_query" not in wanted:
            wanted["source_query"] = None
        if wanted.get("sync_strategy", before.sync_strategy) != "partitioned" and "partition_by" not in wanted:
            wanted["partition_by"] = None
        after = replace(before, **wanted, updated_at=clock.now())
        _require_sound(after)
        is_same = replace(after, updated_at=before.updated_at) == before
        if is_same:
            return before
        repository.put_table(tx.db, after)
        if any(getattr(after, name) != getattr(before, name) for name in DESCRIBES_CONTENT):
            collection_repository.start_again(tx.db, table_id)
        old, new = told(before), told(after)
        changed = [name for name in new if new[name] != old[name]]
        tx.record(
            Change(
                "table.update",
                f"table:{table_id}",
                {name: new[name] for name in changed},
                {name: old[name] for name in changed},
            )
        )
        return after

    return state.commit(FILE, change)


def remove(state: State, who: Principal, table_id: str, *, clock: Clock) -> None:
    """Remove a table with its grants; its objects are deleted later, when nobody can be downloading them any more.

    Grants are in another state file and go first: who dies in between leaves a table that nobody is served, and the same
    request finishes the work. Raises TableNotFound.
    """
    who.require_admin()
    with state.read(FILE) as db:
        get_table(db, table_id)
    granting.revoke_all(state, who, table_id)

    def delete(tx: Tx) -> None:
        before = get_table(tx.db, table_id)
        collection_repository.forget(tx.db, table_id, clock.now())
        policy_repository.forget(tx.db, table_id, clock.now())
        repository.delete_table(tx.db, table_id)
        tx.record(Change("table.remove", f"table:{table_id}", {}, told(before)))

    state.commit(FILE, delete)
    granting.revoke_all(state, who, table_id)  # what was granted in between


def column_notes(db: Db, table_id: str) -> dict[str, str]:
    """Column → what an admin says of it. Raises TableNotFound."""
    get_table(db, table_id)
    return repository.column_notes(db, table_id)


def set_column_notes(state: State, who: Principal, table_id: str, notes: Mapping[str, str]) -> dict[str, str]:
    """Replace what is said of the columns. Raises TableNotFound, TableInvalid."""
    who.require_admin()
    long = [name for name, said in notes.items() if not 0 < len(name) <= 128 or len(said) > 2000]
    if len(notes) > MAX_COLUMN_NOTES or long:
        raise TableInvalid(("a description has at most 2,000 characters, and a column's name 1 to 128",))

    def change(tx: Tx) -> dict[str, str]:
        get_table(tx.db, table_id)
        before = repository.column_notes(tx.db, table_id)
        repository.put_column_notes(tx.db, table_id, notes)
        after = repository.column_notes(tx.db, table_id)
        if after != before:
            tx.record(Change("table.columns", f"table:{table_id}", {"columns": after}, {"columns": before}))
        return after

    return state.commit(FILE, change)


def told(table: Table) -> dict[str, Any]:
    """A table as the audit has it."""
    left_out = ("id", "registered_by", "registered_at", "updated_at")
    values: dict[str, Any] = json.loads(json.dumps(asdict(table), default=str))
    return {name: value for name, value in values.items() if name not in left_out}


def _require_sound(table: Table) -> None:
    if problems := rules.check(table):
        raise TableInvalid(problems)


def _new(db: Db, who: Principal, given: TableCreate, clock: Clock) -> Table:
    """The table that a registration describes. Raises SourceNotConfigured."""
    source = _source_of(db, given)
    now = clock.now()
    values = rules.values_of(given)
    values |= {
        "id": given.id if given.id is not None else rules.table_id(given.name),
        "source_id": source.id,
        "source_type": source.type,
        "registered_by": who.email,
        "registered_at": now,
        "updated_at": now,
    }
    return Table(**{field.name: values[field.name] for field in fields(Table)})


def _source_of(db: Db, given: TableCreate) -> Source:
    known = [stored.source for stored in repository.sources(db)]
    if given.source is not None:
        found = [source for source in known if source.id == given.source]
        wanted = f"source {given.source[:64]!r}"
    else:
        found = [source for source in known if given.source_type in (None, source.type)]
        wanted = f"source of type {given.source_type}" if given.source_type else "source"
    if len(found) == 1 and given.source_type in (None, found[0].type):
        return found[0]
    if len(found) > 1:
        raise SourceNotConfigured(
            f"there are {len(found)} sources that could be meant",
            hint=f"Send `source`, one of {', '.join(source.id for source in found[:20])}.",
        )
    raise SourceNotConfigured(
        f"there is no {wanted}",
        hint=f"Send `source`, one of {', '.join(source.id for source in known[:20])}."
        if known
        else "Add one first with POST /api/admin/tables/sources.",
    )
