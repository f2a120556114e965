"""Collecting one table: ask its source, write immutable objects, and name them in one commit at the end.

Until that commit, and after a failure, what was collected before is served as it was. One worker collects a table at a time; a
lease keeps the others from doing the same work, and the commit decides.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from agnes.kernel import audit
from agnes.kernel.errors import AgnesError, ConflictError
from agnes.kernel.ids import new_ulid
from agnes.kernel.leases import HeldBy, Lease
from agnes.kernel.ports import Clock, Message, ObjectStore, Queue, Secrets
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, Db, State, Tx
from agnes.kernel.table_sources import Place, TableSources
from agnes.tables import collection_repository, objects, repository, schedules, sources
from agnes.tables.collection_repository import CollectionState, Run
from agnes.tables.model import FILE, Table, TableNotFound
from agnes.tables.objects import LocalObject, TableObject
from agnes.tables.workspace import Workspace

log = logging.getLogger("agnes.tables")

QUEUE = "tables-collect"
SECONDS = 780.0
"""Of one run; the function has 900."""
LEASE = timedelta(seconds=900)
SCHEDULED = "schedule"
RESTRICT = "policies"
"""Of a message that has only what policies leave of a table made (`restricting`)."""


@dataclass(frozen=True, slots=True)
class Collecting:
    """What collecting works with."""

    state: State
    store: ObjectStore
    secrets: Secrets
    sources: TableSources
    queue: Queue
    clock: Clock
    cores: int = 1
    scratch: Path | None = None
    """Where to write and spill; None is the system's own folder."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What a run has found."""

    files: tuple[LocalObject, ...]
    columns: tuple[dict[str, str], ...]
    partitions: frozenset[str] | None = None
    """Which the files replace; None: the whole table."""
    kept: tuple[TableObject, ...] = ()
    """Objects that stay, before the files; only where the whole table is replaced."""
    watermark: str | None = None
    progress: CollectionState | None = None
    """Of the first load of partitions."""
    more: bool = False
    """There is more to load: another run follows at once."""


class AlreadyCollecting(ConflictError):
    code = "already_collecting"

    def __init__(self, table_id: str, held: HeldBy) -> None:
        super().__init__(f"{table_id} is being collected: {held.text}", hint="Wait until it has ended.")


class ObjectBeingRemoved(ConflictError):
    code = "object_being_removed"

    def __init__(self, sha256: str) -> None:
        super().__init__(
            f"{objects.key_of(sha256)} is being deleted and is needed again", hint="The next run stores it anew."
        )


def due(db: Db, now: datetime) -> list[str]:
    """Ids of tables to collect now."""
    states = collection_repository.states(db)
    return [table.id for table in repository.tables(db) if is_due(table, states.get(table.id), now)]


def is_due(table: Table, state: CollectionState | None, now: datetime) -> bool:
    if not table.is_collected:
        return False
    if state is None:
        return True
    if state.retry_at is not None:
        return now >= state.retry_at
    if table.sync_strategy == "partitioned" and not state.backfill_done:
        return True
    return schedules.of(table.query_mode, table.sync_schedule).is_due(state.succeeded_at, now)


def next_run(table: Table, state: CollectionState | None, now: datetime) -> datetime | None:
    """When a table is collected next; None for one that never is."""
    if not table.is_collected:
        return None
    if state is None or is_due(table, state, now):
        return now
    if state.retry_at is not None:
        return state.retry_at
    return schedules.of(table.query_mode, table.sync_schedule).next_after(state.succeeded_at, now)


def send_due(collecting: Collecting, *, dry_run: bool = False) -> list[str]:
    """Send one message for each table that is due; their ids. Tables of which policies leave something that is not made get one, too."""
    from agnes.tables import restricting

    with collecting.state.read("people", FILE) as db:
        found, behind = due(db, collecting.clock.now()), restricting.behind(db)
    if not dry_run:
        collecting.queue.send(Message(QUEUE, {"table_id": table_id, "reason": SCHEDULED}) for table_id in found)
        collecting.queue.send(
            Message(QUEUE, {"table_id": table_id, "reason": RESTRICT}) for table_id in behind if table_id not in found
        )
    return found


def collect(collecting: Collecting, table_id: str, reason: str = SCHEDULED) -> Run | None:
    """Collect a table now; None where nothing was to be done: a schedule's message came twice, or the table is gone.

    A failure is in the run that is returned, and in the table's state; nothing of the source is raised.
    Raises UnavailableError of the store, AlreadyCollecting unless the schedule asked.
    """
    clock = collecting.clock
    lease = Lease(
        collecting.store,
        f"leases/tables/{table_id}.json",
        clock,
        seconds=LEASE.total_seconds(),
        longest=LEASE,
        busy=lambda held: AlreadyCollecting(table_id, held),
    )
    try:
        lease.take()
    except AlreadyCollecting:
        if reason in (SCHEDULED, RESTRICT):
            return None  # who collects makes what policies leave, too
        raise
    from agnes.tables import restricting

    try:
        run = None if reason == RESTRICT else _collect(collecting, table_id, reason)
        restricting.make(collecting, table_id)
        return run
    finally:
        lease.give_back()


def _collect(collecting: Collecting, table_id: str, reason: str) -> Run | None:
    from agnes.tables import strategies

    state, started = collecting.state, collecting.clock.now()
    with state.read(FILE) as db:
        table = repository.find_table(db, table_id)
        if table is None or not table.is_collected:
            return None
        before = collection_repository.find_state(db, table_id)
        if reason == SCHEDULED and not is_due(table, before, started):
            return None
        stored = sources.get_stored(db, table.source_id)
        kept = collection_repository.objects(db, table_id)
    log.info("collecting %s", table_id)
    with TemporaryDirectory(prefix="agnes-table-", dir=collecting.scratch) as folder:
        workspace = Workspace(Path(folder), threads=collecting.cores)
        try:
            place = Place(stored.source.type, stored.source.options, sources.secret_of(stored, collecting.secrets))
            with workspace.ends_after(SECONDS):
                found = strategies.of(table, place, before, kept, collecting, workspace)
            added = [objects.put(collecting.store, each) for each in found.files]
        except AgnesError as error:
            log.warning("collecting %s failed: %s", table_id, error.message)
            return _failed(collecting, table_id, reason, started, error)
        finally:
            workspace.close()
    run = _publish(collecting, table, before, found, added, reason, started)
    if found.more and run is not None and run.status != "failed":
        collecting.queue.send([Message(QUEUE, {"table_id": table_id, "reason": SCHEDULED})])
    return run


def _publish(  # noqa: PLR0917
    collecting: Collecting,
    table: Table,
    before: CollectionState | None,
    found: Collected,
    added: Sequence[TableObject],
    reason: str,
    started: datetime,
) -> Run | None:
    """Name the objects: from here on they are the table."""
    ended = collecting.clock.now()

    def flip(tx: Tx) -> Run | None:
        now_registered = repository.find_table(tx.db, table.id)
        if now_registered is None or now_registered.updated_at != table.updated_at:
            return None  # it was removed or changed meanwhile: what was collected is not what is registered
        if gone := collection_repository.being_removed(tx.db, {each.sha256 for each in added}):
            raise ObjectBeingRemoved(gone[0])
        collection_repository.replace_objects(tx.db, table.id, [*found.kept, *added], found.partitions, ended)
        content = collection_repository.objects(tx.db, table.id)
        hash_ = objects.hash_of(content)
        changed = before is None or hash_ != before.hash
        rows, size = sum(each.rows for each in content), sum(each.size_bytes for each in content)
        state = replace(
            found.progress or before or CollectionState(table.id, started, ended),
            started_at=started,
            ended_at=ended,
            succeeded_at=started,
            changed_at=ended if changed or before is None else before.changed_at,
            error=None,
            failures=0,
            retry_at=None,
            hash=hash_,
            rows=rows,
            size_bytes=size,
            columns=found.columns or (before.columns if before else ()),
            watermark=found.watermark,
        )
        collection_repository.put_state(tx.db, state)
        run = Run(
            new_ulid(started), table.id, reason, started, ended, "ok" if changed else "unchanged", rows, size, None
        )
        collection_repository.add_run(tx.db, run)
        return run

    try:
        return collecting.state.commit(FILE, flip)
    except ObjectBeingRemoved as error:
        return _failed(collecting, table.id, reason, started, error)


def _failed(collecting: Collecting, table_id: str, reason: str, started: datetime, error: AgnesError) -> Run | None:
    """Write the failure down; what was collected before stays."""
    ended = collecting.clock.now()

    def note(tx: Tx) -> Run | None:
        if repository.find_table(tx.db, table_id) is None:
            return None
        before = collection_repository.find_state(tx.db, table_id) or CollectionState(table_id, started, ended)
        failures = before.failures + 1
        after = replace(
            before,
            started_at=started,
            ended_at=ended,
            error=error.message[:2000],
            failures=failures,
            retry_at=schedules.retry_at(ended, failures),
        )
        collection_repository.put_state(tx.db, after)
        run = Run(
            new_ulid(started),
            table_id,
            reason,
            started,
            ended,
            "failed",
            before.rows,
            before.size_bytes,
            error.message[:2000],
        )
        collection_repository.add_run(tx.db, run)
        return run

    return collecting.state.commit(FILE, note)


def ask_for(collecting: Collecting, who: Principal, table_ids: Collection[str] | None) -> list[str]:
    """Send messages for these tables, or for all that are collected, whatever their schedule; their ids.

    Raises TableNotFound before anything is sent.
    """
    who.require_admin()
    with collecting.state.read(FILE) as db:
        known = {table.id: table for table in repository.tables(db)}
    for table_id in table_ids or ():
        if table_id not in known:
            raise TableNotFound(table_id)
    wanted = [
        table.id for table in known.values() if table.is_collected and (table_ids is None or table.id in table_ids)
    ]
    change = Change(
        "table.collect", "table:*" if table_ids is None else f"table:{','.join(wanted)[:200]}", {"tables": wanted}
    )
    audit.record(collecting.store, change, now=collecting.clock.now())
    collecting.queue.send(Message(QUEUE, {"table_id": table_id, "reason": who.email}) for table_id in wanted)
    return wanted


SWEEP_AFTER = timedelta(days=1)


def sweep(collecting: Collecting, *, dry_run: bool = False) -> int:
    """Delete objects that nothing has named for a day; how many. They are marked in a commit first, so that a run that needs
    one again does not name what is about to be deleted."""
    before = collecting.clock.now() - SWEEP_AFTER
    stored = {
        objects.sha256_of_key(entry.key)
        for entry in collecting.store.list(objects.PREFIX)
        if entry.modified_at < before
    }
    with collecting.state.read(FILE) as db:
        unknown = stored - collection_repository.known_objects(db)
    if dry_run:
        return len(unknown)
    marked: list[str] = collecting.state.commit(
        FILE, lambda tx: collection_repository.mark_removing(tx.db, unknown, before)
    )
    if marked:
        collecting.store.remove(objects.key_of(sha256) for sha256 in marked)
        collecting.state.commit(FILE, lambda tx: collection_repository.forget_removed(tx.db, marked))
    return len(marked)
