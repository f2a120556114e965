"""Making what people of some policies read: parquet objects of its own, of each object of the table one.

They are made after each collection, after each change of a policy, and when somebody has come to a selection of policies that nobody had
before. Until then that person reads nothing of the table. An object of the table that is unchanged is not read again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from agnes.access import service as access
from agnes.kernel.state import Db, Tx
from agnes.tables import collection_repository, objects, policy_repository
from agnes.tables.collecting import SECONDS, Collecting
from agnes.tables.collection_repository import CollectionState
from agnes.tables.model import FILE, RESOURCE_TYPE
from agnes.tables.objects import LocalObjects, TableObject
from agnes.tables.policy_repository import MadeObject, Restricted
from agnes.tables.policy_selection import Selection, selection_for
from agnes.tables.workspace import CollectionFailed, Workspace, name, read

log = logging.getLogger("agnes.tables")

MAX_SELECTIONS = 500
"""Of one table: different sets of policies that people have."""


@dataclass(slots=True)
class _Making:
    """One selection while it is made."""

    selection: Selection
    before: Restricted | None
    made: list[MadeObject]
    """Of objects of the table that it was made of before, and those that are added."""
    columns: tuple[dict[str, str], ...] = ()
    error: str | None = None
    order: tuple[str, ...] = ()
    """Digests of the table's objects, in order."""

    def has(self, stored: TableObject) -> bool:
        return any(one.made_of == stored.sha256 for one in self.made)

    def add(self, collecting: Collecting, workspace: Workspace, select: str, stored: TableObject) -> None:
        """Raises CollectionFailed, UnavailableError."""
        local = workspace.write(select, stored.partition)
        self.made.append(MadeObject(objects.put(collecting.store, local), stored.sha256))
        local.path.unlink()

    def served(self) -> list[MadeObject]:
        """In the table's order, and without objects that the table has no more."""
        found = {one.made_of: one for one in self.made}
        return [found[sha256] for sha256 in self.order if sha256 in found]


def behind(db: Db) -> list[str]:
    """Tables of which something is missing, is of an older collection, or is no longer needed; `db` has `people`."""
    states, done = collection_repository.states(db), policy_repository.restricted(db)
    wanted = in_use(db)
    found = {table_id for table_id, policy_id in done if policy_id not in wanted.get(table_id, {})}
    for table_id, selections in wanted.items():
        state = states.get(table_id)
        if state is not None and state.hash and _missing(table_id, state.hash, selections, done):
            found.add(table_id)
    return sorted(found)


def in_use(db: Db) -> dict[str, dict[str, Selection]]:
    """Table → the selections of policies that active people have, by their digests."""
    policies = policy_repository.policies(db)
    granted = _granted(db, policies)
    found: dict[str, dict[str, Selection]] = {table_id: {} for table_id in policies}
    for held in {frozenset(groups) for groups in access.groups_by_user(db).values()}:
        for table_id, of_table in policies.items():
            if groups := held & granted[table_id]:
                selection = selection_for(groups, of_table)
                if selection is not None:
                    found[table_id][selection.id] = selection
    return {table_id: dict(sorted(each.items())[:MAX_SELECTIONS]) for table_id, each in found.items()}


def make(collecting: Collecting, table_id: str) -> None:
    """Make what is missing of one table, and let go of what nobody needs; a selection that fails has its error noted.
    Raises UnavailableError of the store."""
    with collecting.state.read("people", FILE) as db:
        state = collection_repository.find_state(db, table_id)
        wanted = in_use(db).get(table_id, {})
        done = policy_repository.restricted(db)
        unneeded = [key for key in done if key[0] == table_id and key[1] not in wanted]
        missing = _missing(table_id, state.hash, wanted, done) if state is not None and state.hash else []
        content = collection_repository.objects(db, table_id)
        kept = policy_repository.made_objects(db, [(table_id, each.id) for each in missing])
    if state is None or not (missing or unneeded):
        return
    making = [
        _Making(
            each,
            done.get((table_id, each.id)),
            list(kept.get((table_id, each.id), [])),
            order=tuple(stored.sha256 for stored in content),
        )
        for each in missing
    ]
    if making:
        _write(collecting, content, state, making)
    _publish(collecting, table_id, state, making, unneeded)


def _write(
    collecting: Collecting, content: Collection[TableObject], state: CollectionState, making: list[_Making]
) -> None:
    """Objects of each selection; of the table's one at a time is on this machine."""
    typed = ", ".join(f"NULL::{each['type']} AS {name(each['name'])}" for each in state.columns)
    empty = f"SELECT {typed} WHERE false"
    names = [each["name"] for each in state.columns]
    with TemporaryDirectory(prefix="agnes-table-", dir=collecting.scratch) as folder:
        workspace = Workspace(Path(folder), threads=collecting.cores)
        try:
            with workspace.ends_after(SECONDS):
                for each in making:
                    with _noted(each):
                        each.columns = tuple(workspace.columns(each.selection.select(empty, names)))
                for stored in content:
                    lacking = [each for each in making if each.error is None and not each.has(stored)]
                    if not lacking:
                        continue
                    local = LocalObjects(Path(folder) / "table", collecting.store, limit_bytes=0)
                    [path] = local.paths([stored])
                    rows = f"{empty} UNION ALL BY NAME {read([path])}"  # an older object may lack a column
                    for each in lacking:
                        with _noted(each):
                            each.add(collecting, workspace, each.selection.select(rows, names), stored)
                    path.unlink()
        finally:
            workspace.close()


@contextmanager
def _noted(making: _Making) -> Iterator[None]:
    """What cannot be made of the rows is the selection's error, and stops no other."""
    try:
        yield
    except CollectionFailed as error:
        log.warning("policies of a table cannot be applied: %s", error.message)
        making.error = error.message[:2000]


def _publish(
    collecting: Collecting,
    table_id: str,
    state: CollectionState,
    making: Collection[_Making],
    unneeded: Collection[tuple[str, str]],
) -> None:
    now = collecting.clock.now()

    def name_them(tx: Tx) -> None:
        named = {one.object.sha256 for each in making for one in each.made}
        if collection_repository.being_removed(tx.db, named):
            return  # needed again while it was being deleted: the next look makes it anew
        policy_repository.delete_restricted(tx.db, unneeded, now)
        if collection_repository.find_state(tx.db, table_id) is None:
            return  # the table was removed meanwhile
        for each in making:
            made = [] if each.error else each.served()
            hash_ = objects.hash_of([one.object for one in made])
            is_same = each.before is not None and each.before.hash == hash_
            restricted = Restricted(
                table_id,
                each.selection.id,
                state.hash or "",
                now,
                each.before.changed_at if each.before is not None and is_same else now,
                each.error,
                hash_,
                sum(one.object.rows for one in made),
                sum(one.object.size_bytes for one in made),
                each.columns,
            )
            policy_repository.put_restricted(tx.db, restricted, made, now)

    collecting.state.commit(FILE, name_them)


def _missing(
    table_id: str, hash_: str, wanted: Mapping[str, Selection], done: Mapping[tuple[str, str], Restricted]
) -> list[Selection]:
    return [
        selection
        for policy_id, selection in wanted.items()
        if (found := done.get((table_id, policy_id))) is None or found.made_of != hash_
    ]


def _granted(db: Db, table_ids: Collection[str]) -> dict[str, set[str]]:
    """Table → the groups that it was granted to."""
    found: dict[str, set[str]] = {table_id: set() for table_id in table_ids}
    for group_id, rows in access.grants_by_group(db, [RESOURCE_TYPE], resources=table_ids).items():
        for _, table_id in rows:
            found[table_id].add(group_id)
    return found
