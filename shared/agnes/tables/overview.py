"""Tables with how they do, as admins see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from agnes.kernel.state import Db
from agnes.tables import collecting, collection_repository, repository, service
from agnes.tables.collection_repository import CollectionState, Run
from agnes.tables.model import Table


@dataclass(frozen=True, slots=True)
class RegisteredTable:
    """`collection` is None before the first run; `next_run_at` is None for a table that is never collected."""

    table: Table
    collection: CollectionState | None
    next_run_at: datetime | None


def registered(db: Db, now: datetime) -> list[RegisteredTable]:
    """By folder and name."""
    states = collection_repository.states(db)
    return [
        RegisteredTable(table, states.get(table.id), collecting.next_run(table, states.get(table.id), now))
        for table in repository.tables(db)
    ]


def get_registered(db: Db, table_id: str, now: datetime) -> RegisteredTable:
    """Raises TableNotFound."""
    table, state = service.get_table(db, table_id), collection_repository.find_state(db, table_id)
    return RegisteredTable(table, state, collecting.next_run(table, state, now))


def runs(db: Db, table_id: str) -> list[Run]:
    """The last 50, newest first. Raises TableNotFound."""
    service.get_table(db, table_id)
    return collection_repository.runs(db, table_id)
