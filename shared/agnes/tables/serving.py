"""What a person may have of the tables: the manifest that clients with copies follow, the catalog, and single objects.

A table is served to members of Admin, and to whoever is in a group that it was granted to. It is asked live, at each request.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from agnes.kernel import audit
from agnes.kernel.errors import GoneError
from agnes.kernel.ports import DOWNLOAD_URL_SECONDS, Clock, ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, State
from agnes.tables import collection_repository, granting, objects, repository
from agnes.tables.collection_repository import CollectionState
from agnes.tables.model import FILE, Table, TableNotFound
from agnes.tables.objects import TableObject

FILES = ("people", FILE)


@dataclass(frozen=True, slots=True)
class ManifestTable:
    """A table with the objects that it consists of, in this order. `hash` changes when one of them does."""

    id: str
    name: str
    hash: str
    changed_at: datetime
    rows: int
    size_bytes: int
    objects: tuple[TableObject, ...]
    """Download each at `/api/tables/<id>/objects/<sha256>`."""


@dataclass(frozen=True, slots=True)
class Manifest:
    tables: tuple[ManifestTable, ...]

    @property
    def etag(self) -> str:
        told = "\n".join(f"{table.id}\t{table.name}\t{table.hash}" for table in self.tables)
        return f'"{hashlib.sha256(told.encode()).hexdigest()[:32]}"'


@dataclass(frozen=True, slots=True)
class CatalogColumn:
    """`description` is what an admin said of it; empty if nothing."""

    name: str
    type: str
    description: str


@dataclass(frozen=True, slots=True)
class CatalogTable:
    """`freshness` is `fresh`, `stale` after a run that failed, or `never_collected`; then there are no columns yet."""

    id: str
    name: str
    description: str
    folder: str
    source_type: str
    query_mode: str
    rows: int
    size_bytes: int
    changed_at: datetime | None
    freshness: str
    primary_key: tuple[str, ...]
    partition_by: str | None
    columns: tuple[CatalogColumn, ...]


class ObjectReplaced(GoneError):
    code = "object_replaced"

    def __init__(self, table_id: str) -> None:
        super().__init__(
            f"{table_id} has been collected anew and no longer consists of this object",
            hint="Fetch the manifest again, and keep your copy until what it names has arrived.",
        )


def visible(db: Db, who: Principal) -> list[Table]:
    """By folder and name; `db` has FILES."""
    tables = repository.tables(db)
    if who.is_admin:
        return tables
    granted = granting.granted(db, who)
    return [table for table in tables if table.id in granted]


def get_visible(db: Db, who: Principal, table_id: str) -> Table:
    """Raises TableNotFound, also for a table that this person may not know of."""
    found = repository.find_table(db, table_id)
    if found is None or not (who.is_admin or table_id in granting.granted(db, who)):
        raise TableNotFound(table_id)
    return found


def content(db: Db, _who: Principal, table: Table) -> list[TableObject]:
    """The objects that this person is served of a table that is visible to them, in order; none before the first run."""
    return collection_repository.objects(db, table.id)


def manifest(db: Db, who: Principal) -> Manifest:
    """Tables that were collected at least once, by id."""
    states = collection_repository.states(db)
    tables = {table.id: table for table in visible(db, who) if table.id in states and states[table.id].hash}
    content = collection_repository.objects_of(db, tables)
    return Manifest(
        tuple(
            _in_manifest(tables[table_id], states[table_id], content.get(table_id, [])) for table_id in sorted(tables)
        )
    )


def _in_manifest(table: Table, state: CollectionState, content: list[TableObject]) -> ManifestTable:
    changed_at = state.changed_at or state.ended_at
    return ManifestTable(
        table.id, table.name, state.hash or "", changed_at, state.rows, state.size_bytes, tuple(content)
    )


def catalog(db: Db, who: Principal) -> list[CatalogTable]:
    """By folder and name, with columns."""
    states, notes = collection_repository.states(db), repository.all_column_notes(db)
    return [_in_catalog(table, states.get(table.id), notes.get(table.id, {})) for table in visible(db, who)]


def get_catalogued(db: Db, who: Principal, table_id: str) -> CatalogTable:
    """Raises TableNotFound."""
    table = get_visible(db, who, table_id)
    return _in_catalog(table, collection_repository.find_state(db, table_id), repository.column_notes(db, table_id))


def _in_catalog(table: Table, state: CollectionState | None, notes: dict[str, str]) -> CatalogTable:
    is_there = state is not None and state.hash is not None
    return CatalogTable(
        table.id,
        table.name,
        table.description,
        table.folder,
        table.source_type,
        table.query_mode,
        state.rows if state else 0,
        state.size_bytes if state else 0,
        state.changed_at if state else None,
        "never_collected" if state is None or not is_there else "stale" if state.failures else "fresh",
        table.primary_key,
        table.partition_by,
        tuple(
            CatalogColumn(each["name"], each["type"], notes.get(each["name"], ""))
            for each in (state.columns if state else ())
        ),
    )


def object_url(state: State, store: ObjectStore, who: Principal, table_id: str, sha256: str, *, clock: Clock) -> str:
    """Where to GET an object, in ranges too, for 45 seconds; a line of the audit a minute says who took from which table.

    Raises TableNotFound, ObjectReplaced, UnavailableError.
    """
    with state.read(*FILES) as db:
        table = get_visible(db, who, table_id)
        if all(each.sha256 != sha256 for each in collection_repository.objects(db, table.id)):
            raise ObjectReplaced(table.id)
    audit.record_once(store, Change("table.download", f"table:{table.id}", {}), now=clock.now())
    return store.presign_get(
        objects.key_of(sha256),
        seconds=DOWNLOAD_URL_SECONDS,
        filename=f"{table.id}-{sha256[:12]}.parquet",
        content_type=objects.CONTENT_TYPE,
    )
