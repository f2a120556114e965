"""What a person may have of the tables: the manifest that clients with copies follow, the catalog, and single objects.

A table is served to members of Admin, and to whoever is in a group that it was granted to, as far as the policies of their groups go.
It is asked live, at each request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from agnes.kernel import audit
from agnes.kernel.errors import AgnesError, ConflictError, GoneError
from agnes.kernel.ports import DOWNLOAD_URL_SECONDS, Clock, ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, State
from agnes.tables import collection_repository, granting, objects, policy_repository, repository
from agnes.tables.collection_repository import CollectionState
from agnes.tables.model import FILE, Table, TableNotFound
from agnes.tables.objects import TableObject
from agnes.tables.policy_repository import Restricted
from agnes.tables.policy_selection import selection_for

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

    @property
    def headers(self) -> dict[str, str]:
        return {"ETag": self.etag, "Cache-Control": "private, no-cache"}


@dataclass(frozen=True, slots=True)
class CatalogColumn:
    """`description` is what an admin said of it; empty if nothing."""

    name: str
    type: str
    description: str


@dataclass(frozen=True, slots=True)
class CatalogTable:
    """`freshness` is `fresh`, `stale` after a run that failed, `never_collected`, or `being_prepared` while what policies leave of it is
    not made; of the last two there are no columns yet."""

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


class TableBeingPrepared(ConflictError):
    code = "table_being_prepared"

    def __init__(self, table_id: str) -> None:
        super().__init__(
            f"what you may read of {table_id} is being prepared",
            hint="Try again in a few minutes; it takes five at most to begin.",
        )


class TablePolicyFailed(ConflictError):
    code = "table_policy_failed"

    def __init__(self, table_id: str) -> None:
        super().__init__(
            f"the policies of your groups cannot be applied to {table_id}, so nothing of it is served",
            hint="Ask an admin: the list of its policies says why.",
        )


class ObjectReplaced(GoneError):
    code = "object_replaced"

    def __init__(self, table_id: str) -> None:
        super().__init__(
            f"{table_id} has been collected anew and no longer consists of this object",
            hint="Fetch the manifest again, and keep your copy until what it names has arrived.",
        )


@dataclass(frozen=True, slots=True)
class Served:
    """What one person reads of a table: all of it, or what their policies leave."""

    objects: tuple[TableObject, ...]
    hash: str
    rows: int
    size_bytes: int
    changed_at: datetime
    columns: tuple[dict[str, str], ...]


class Reader:
    """What one person may read, as it is now; `db` has FILES."""

    def __init__(self, db: Db, who: Principal) -> None:
        self._db, self._who = db, who
        self._granted = {} if who.is_admin else granting.granted(db, who)
        self._policies = {} if who.is_admin else policy_repository.policies(db)
        self._restricted = policy_repository.restricted(db) if self._policies else {}

    def may_read(self, table_id: str) -> bool:
        return self._who.is_admin or table_id in self._granted

    def visible(self) -> list[Table]:
        """By folder and name."""
        return [table for table in repository.tables(self._db) if self.may_read(table.id)]

    def get_visible(self, table_id: str) -> Table:
        """Raises TableNotFound, also for a table that this person may not know of."""
        found = repository.find_table(self._db, table_id)
        if found is None or not self.may_read(table_id):
            raise TableNotFound(table_id)
        return found

    def waits_because(self, table_id: str) -> AgnesError | None:
        """Why nothing is served of a table that was collected: what policies leave of it is not made."""
        made = self._made(table_id)
        if made is False:
            return TableBeingPrepared(table_id)
        return TablePolicyFailed(table_id) if isinstance(made, Restricted) and made.error else None

    def served(self, table_ids: Iterable[str]) -> dict[str, Served]:
        """Of visible tables of which something is served."""
        states = collection_repository.states(self._db)
        whole, parts = dict[str, CollectionState](), dict[str, Restricted]()
        for table_id in table_ids:
            state, made = states.get(table_id), self._made(table_id)
            if state is None or not state.hash:
                continue
            if made is None:
                whole[table_id] = state
            elif made is not False and not made.error:
                parts[table_id] = made
        objects_ = collection_repository.objects_of(self._db, whole)
        restricted = policy_repository.made_objects(
            self._db, [(table_id, made.policy_id) for table_id, made in parts.items()]
        )
        found = {
            table_id: Served(
                tuple(objects_.get(table_id, ())),
                state.hash or "",
                state.rows,
                state.size_bytes,
                state.changed_at or state.ended_at,
                state.columns,
            )
            for table_id, state in whole.items()
        }
        for table_id, made in parts.items():
            own = tuple(one.object for one in restricted.get((table_id, made.policy_id), ()))
            found[table_id] = Served(own, made.hash, made.rows, made.size_bytes, made.changed_at, made.columns)
        return found

    def _made(self, table_id: str) -> Restricted | Literal[False] | None:
        """What policies leave of a table; None: there are none for this person; False: it was not made yet."""
        of_table = self._policies.get(table_id)
        if not of_table:
            return None
        selection = selection_for(self._granted.get(table_id, frozenset()), of_table)
        return None if selection is None else self._restricted.get((table_id, selection.id), False)


def visible(db: Db, who: Principal) -> list[Table]:
    """By folder and name; `db` has FILES."""
    return Reader(db, who).visible()


def manifest(db: Db, who: Principal) -> Manifest:
    """Tables of which something is served, by id."""
    reader = Reader(db, who)
    tables = {table.id: table for table in reader.visible()}
    served = reader.served(tables)
    return Manifest(tuple(_in_manifest(tables[table_id], served[table_id]) for table_id in sorted(served)))


def _in_manifest(table: Table, served: Served) -> ManifestTable:
    return ManifestTable(
        table.id, table.name, served.hash, served.changed_at, served.rows, served.size_bytes, served.objects
    )


def catalog(db: Db, who: Principal) -> list[CatalogTable]:
    """By folder and name, with columns."""
    reader, notes, states = Reader(db, who), repository.all_column_notes(db), collection_repository.states(db)
    tables = reader.visible()
    served = reader.served([table.id for table in tables])
    return [_in_catalog(table, states.get(table.id), served.get(table.id), notes.get(table.id, {})) for table in tables]


def get_catalogued(db: Db, who: Principal, table_id: str) -> CatalogTable:
    """Raises TableNotFound."""
    reader = Reader(db, who)
    table = reader.get_visible(table_id)
    served = reader.served([table_id]).get(table_id)
    return _in_catalog(
        table, collection_repository.find_state(db, table_id), served, repository.column_notes(db, table_id)
    )


def _in_catalog(
    table: Table, state: CollectionState | None, served: Served | None, notes: dict[str, str]
) -> CatalogTable:
    if state is None or state.hash is None:
        freshness = "never_collected"
    elif served is None:
        freshness = "being_prepared"
    else:
        freshness = "stale" if state.failures else "fresh"
    return CatalogTable(
        table.id,
        table.name,
        table.description,
        table.folder,
        table.source_type,
        table.query_mode,
        served.rows if served else 0,
        served.size_bytes if served else 0,
        served.changed_at if served else None,
        freshness,
        table.primary_key,
        table.partition_by,
        tuple(
            CatalogColumn(each["name"], each["type"], notes.get(each["name"], ""))
            for each in (served.columns if served else ())
        ),
    )


def object_url(state: State, store: ObjectStore, who: Principal, table_id: str, sha256: str, *, clock: Clock) -> str:
    """Where to GET an object, in ranges too, for 45 seconds; a line of the audit a minute says who took from which table.

    Raises TableNotFound, ObjectReplaced, UnavailableError.
    """
    with state.read(*FILES) as db:
        reader = Reader(db, who)
        table = reader.get_visible(table_id)
        served = reader.served([table_id]).get(table_id)
        if served is None or all(each.sha256 != sha256 for each in served.objects):
            raise ObjectReplaced(table.id)
    audit.record_once(store, Change("table.download", f"table:{table.id}", {}), now=clock.now())
    return store.presign_get(
        objects.key_of(sha256),
        seconds=DOWNLOAD_URL_SECONDS,
        filename=f"{table.id}-{sha256[:12]}.parquet",
        content_type=objects.CONTENT_TYPE,
    )
