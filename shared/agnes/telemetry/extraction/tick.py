"""A run of the extraction: from the inbox to the figures (docs/telemetry.md).

    list inbox/ and telemetry/             nothing there, everything as written, windows of today: done, in three calls
    more notes than one run's work: send them to the queue, a batch a message; else
    take the claim; rebuild what is damaged (agnes.telemetry.extraction.repair)
    for rounds of sessions until the inbox is empty or time is up:
        harvest: read the transcripts that changed, and the others of their sessions; extract; spool the events
        publish: write event files, roll up the days touched, commit the ledger: all of it becomes true at once
        remove the notes of the round
    publish what the queue's consumers have prepared
    sessions of older rules: stage them, and when all of them are there, publish them
    give the claim back

A consumer of the queue harvests its batch without the claim, so several work at once; then it publishes, or leaves that
to who holds the claim. A session with a tombstone leaves the ledger instead. The event files of its days are written
again without it, and those that they replace are removed right after the commit instead of a day later.

A run that dies before the commit has changed nothing, one that dies after it has left notes whose transcripts the
ledger knows: the next run finds nothing to do for them and removes them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date, timedelta
from functools import partial

import msgspec

from agnes.kernel.ids import new_ulid
from agnes.kernel.leases import Lease
from agnes.kernel.ports import Clock, Message, ObjectStore, Queue
from agnes.kernel.state import Db, State
from agnes.telemetry import keys, sealed
from agnes.telemetry.claim import ExtractionBusy, claimed
from agnes.telemetry.extraction import inbox, prepared, repair
from agnes.telemetry.extraction.harvest import Harvester
from agnes.telemetry.extraction.inbox import Batch, Inbox, Noted
from agnes.telemetry.extraction.prepared import Head
from agnes.telemetry.extraction.publishing import Publisher
from agnes.telemetry.extraction.repair import Repairs, Suspects
from agnes.telemetry.extraction.session import ServedFor
from agnes.telemetry.keys import SessionId
from agnes.telemetry.lake import ledger, objects
from agnes.telemetry.lake.batch import ScratchDatabase, workbench
from agnes.telemetry.lake.damage import LakeDamaged
from agnes.telemetry.lake.ledger import Progress
from agnes.telemetry.lake.renames import Renamed
from agnes.telemetry.model import FILE, PROCESSOR_VERSION, Limits, Report
from agnes.telemetry.transcripts.tombstones import TombstonesUnreadable

log = logging.getLogger("agnes.telemetry")

QUEUE = "telemetry-extract"
SENT_AGAIN_AFTER = timedelta(minutes=20)
CHAINS = 8
"""Messages that a backlog is sent as: each names a batch, and those that whoever has done it sends next. So no more work at once than
that, and a backlog leaves the account's other functions their share. A limit of Lambda's would have an empty queue asked by five
pollers instead of two, for $0.16 a month."""
CHAINED = 800
"""Batches of one message: ten messages, which are sent together, stay below 256 KiB."""
"""A batch that lies there longer has lost its message or its consumer, who has 15 minutes."""
WAITED_SECONDS = 120


def messages_of(batches: Sequence[str]) -> list[Message]:
    """What has these batches done, as `CHAINS` messages or, of very many batches, as more."""
    chains = max(CHAINS, -(-len(batches) // CHAINED))
    parts = [batches[number::chains] for number in range(min(chains, len(batches)))]
    return [Message(QUEUE, {"batch": first, "then": rest} if rest else {"batch": first}) for first, *rest in parts]


def next_of(batches: Sequence[str]) -> list[Message]:
    """What follows a batch in its chain; none at its end."""
    return [Message(QUEUE, {"batch": batches[0], "then": list(batches[1:])})] if batches else []


class ExtractionRun:
    """`served_for(db)` reads the lookup of served names once; its answer is asked for each user. `used_as(db)` says whose figures
    old names of plugins are."""

    def __init__(
        self,
        store: ObjectStore,
        state: State,
        *,
        clock: Clock,
        served_for: Callable[[Db], ServedFor],
        served_files: Sequence[str],
        used_as: Callable[[Db], Renamed] | None = None,
        limits: Limits | None = None,
        queue: Queue | None = None,
    ) -> None:
        self._store = store
        self._state = state
        self._clock = clock
        self._limits = limits or Limits()
        self._queue = queue
        self._harvester = Harvester(
            store, state, clock=clock, served_for=served_for, served_files=served_files, limits=self._limits
        )
        self._served_files, self._used_as = served_files, used_as
        self._publisher = Publisher(store, state, clock=clock, limits=self._limits)
        self._claim: Lease | None = None
        self._until: float | None = None
        self._lost_notes = False
        """A note was damaged, so there may be a transcript that no note names."""
        self._unreadable: set[str] = set()
        """People whose tombstones are damaged."""
        self.report = Report()
        self._repairs = Repairs(store, state, clock=clock, report=self.report)

    def run(self, *, dry_run: bool = False) -> Report:
        """Raises ExtractionBusy, LedgerMoved, UnavailableError."""
        today = self._clock.now().date()
        found, sizes = inbox.look(self._store), repair.sizes(self._store)
        with self._state.read(FILE) as db:
            progress = ledger.progress(db)
            stale = ledger.stale(db, PROCESSOR_VERSION, limit=1)
            suspects = repair.suspects(db, self._store, sizes)
        self.report.notes = self.report.left = len(found.notes)
        self.report.windows_day = progress.windows_day
        if dry_run or (found.is_empty and not stale and suspects.is_empty and progress.windows_day == today):
            return self.report
        free = self._send_notes(found)

        def work() -> None:
            self._follow_renames()
            self.report.left -= self._empty_inbox(free)
            self._publish_prepared()
            if (stale or found.aside) and not self.report.left:
                self._extract_stale(found)
            if self.report.windows_day != today and not self.report.left:
                self._publish([])

        with self._alone():
            self._repairing(work, suspects)
        return self.report

    def _follow_renames(self) -> None:
        """Note what plugins are called now. Windows are made anew where a name has changed, and only then."""
        if self._used_as is None:
            return
        with self._state.read(FILE, *self._served_files) as db:
            rows, noted = self._used_as(db), ledger.renamed(db)
        if sorted(rows, key=repr) == sorted(noted, key=repr):
            return
        self._state.commit(FILE, lambda tx: ledger.set_renamed(tx, rows))
        self.report.windows_day = None

    def run_notes(self, notes: Sequence[str]) -> Report:
        """Only these notes. Raises ExtractionBusy, LedgerMoved, UnavailableError."""
        self.report.notes = len(notes)
        with self._alone():
            self.report.left = len(notes) - self._empty_inbox(notes)
        return self.report

    def run_batch(self, batch_id: str) -> Report:
        """What a message of the queue names; nothing if that is done already. Raises LedgerMoved, UnavailableError."""
        for batch in inbox.batches(self._store, [keys.batch(batch_id)]):
            self._repairing(partial(self._prepare, batch))
        # Whoever publishes looks again after the claim is given back, so that nothing is left between two.
        before: list[str] = []
        while (due := self._due()) and due != before and self._has_time():
            before = due
            try:
                with self._alone():
                    self._repairing(self._publish_prepared)
                    self._repairing(self._swap_if_whole)
            except ExtractionBusy:
                break
        return self.report

    def _due(self) -> list[str]:
        """What a consumer publishes. Each publication rolls its days up anew: the last of the batches publishes, or who
        makes it a full one, or a tick; and nothing of a reprocessing is whole while somebody reads."""
        found = inbox.look(self._store)
        if not found.batches:
            return [*found.prepared, *found.aside]
        is_full = len(found.prepared) * self._limits.batch_notes >= self._limits.publish_sessions
        return found.prepared if is_full else []

    def _has_time(self) -> bool:
        return self._until is None or self._clock.monotonic() <= self._until

    def rebuild(self) -> Report:
        """Make the rollups of every day that has events anew, from the oldest on; once more changes no figure.

        Waits for another run's claim. Raises ExtractionBusy, LedgerMoved, UnavailableError.
        """
        until = self._clock.monotonic() + WAITED_SECONDS
        while True:
            try:
                with self._alone():
                    sizes = repair.sizes(self._store)
                    with self._state.read(FILE) as db:
                        suspects = repair.suspects(db, self._store, sizes)
                    self._repairing(self._rebuild_all, suspects)
                return self.report
            except ExtractionBusy:
                if self._clock.monotonic() > until:
                    raise
                self._clock.sleep(5)

    def _rebuild_all(self) -> None:
        with self._state.read(FILE) as db:
            days = ledger.days(db)
        self._roll_up(days)

    def _roll_up(self, days: Sequence[date]) -> None:
        """Make the rollups of these days anew from their events."""
        with self._workbench() as bench:
            plan = self._publisher.plan([], rebuilt=days)
            bench.load_events()
            self._publisher.publish(plan, bench, self.report, keep=self._keep)

    def _repairing(self, work: Callable[[], object], suspects: Suspects | None = None) -> None:
        """Do `work`, with what it was made of in place: what it finds damaged is repaired, and it begins anew."""
        if suspects is not None and not suspects.is_empty:
            self._repair(suspects.keys)
            self._store.remove(suspects.notes)
        while True:
            try:
                work()
                return
            except LakeDamaged as exc:
                if not self._repair(exc.found):
                    raise
            except TombstonesUnreadable as exc:
                if exc.user_id in self._unreadable:
                    raise
                self._hold(exc)

    def _hold(self, exc: TombstonesUnreadable) -> None:
        log.error("%s; their sessions wait", exc.message, extra={"user_id": exc.user_id})
        self._unreadable.add(exc.user_id)
        self.report.damaged.append(f"{keys.tombstones(exc.user_id)}: unreadable")

    def _repair(self, suspects: Collection[str]) -> int:
        """Take out what is damaged and rebuild it, as long as there is time; how many objects. The next run goes on."""
        taken = 0
        while True:
            with self._workbench() as bench:
                found = self._repairs.take_out(suspects, bench)
            taken += found
            try:
                sessions, days = self._repairs.waiting()
                for _ in self._rounds(sessions, {}):
                    pass
                if days:
                    self._roll_up(days)
            except LakeDamaged as exc:
                if suspects == exc.found.keys() and not found:
                    raise  # it is damaged at one moment and whole at the next: the store's fault
                suspects = exc.found.keys()
                continue
            except TombstonesUnreadable as exc:
                if exc.user_id in self._unreadable:
                    raise
                self._hold(exc)
                suspects = ()
                continue
            self._repairs.settle()
            return taken

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """With the claim. Raises ExtractionBusy."""
        with claimed(self._store, keys.CLAIM, self._clock) as claim:
            self._claim = claim
            if self._until is None:
                self._until = self._clock.monotonic() + self._limits.seconds
            try:
                yield
            finally:
                self._claim = None

    def _keep(self) -> None:
        """Long work keeps the claim, if this is one that has it. Raises ExtractionBusy if it was lost."""
        if self._claim is not None:
            self._claim.keep()

    # ---- what one run does by itself

    def _empty_inbox(self, notes: Sequence[str]) -> int:
        """How many of the notes were dealt with before time was up."""
        done = 0
        for start in range(0, len(notes), self._limits.round_sessions):
            some = notes[start : start + self._limits.round_sessions]
            noted = self._noted(some)
            # The others are gone, or damaged, or wait with their person; nobody waits for those.
            done += len(some) - sum(len(one.notes) for one in noted.values())
            for finished in self._rounds(list(noted), noted):
                removed = [key for session in finished for key in noted[session].notes]
                self._store.remove(removed)
                done += len(removed)
        if self._lost_notes and self._has_time():
            self._lost_notes = False
            with self._state.read(FILE) as db:
                again = inbox.note_unread(self._store, db, now=self._clock.now())
            self._empty_inbox(again)
        return done

    def _noted(self, notes: Sequence[str]) -> dict[SessionId, Noted]:
        """What notes say, without damaged ones: each of those may have said anything."""
        noted, damaged = inbox.by_session(self._store, notes)
        if damaged:
            self.report.damaged += [f"{key}: unreadable" for key in damaged]
            self._lost_notes = True
            for key in damaged:
                blob = self._store.read(key)
                if blob is not None:
                    sealed.put_away(self._store, key, blob.body)
        return {session: noted[session] for session in self._readable(noted)}

    def _readable(self, sessions: Iterable[SessionId]) -> list[SessionId]:
        """Without those of people whose tombstones are damaged: they wait, and nobody else does."""
        return [session for session in sessions if session[0] not in self._unreadable]

    def _rounds(self, sessions: Sequence[SessionId], noted: Mapping[SessionId, Noted]) -> Iterator[list[SessionId]]:
        """Rounds over these sessions until time is up; which each of them has dealt with."""
        pending = self._readable(sessions)
        while pending and self._has_time():
            self._keep()
            with self._workbench() as bench:
                harvest = self._harvester.harvest(pending, noted, bench, self.report, keep=self._keep)
                plan = self._publisher.plan(harvest.candidates, also=harvest.finished)
                if not plan.is_empty:
                    bench.load_events()
                self._publisher.publish(plan, bench, self.report, keep=self._keep)
            yield harvest.finished
            done = set(harvest.finished)
            pending = [session for session in pending if session not in done]

    # ---- what consumers of a queue do side by side

    def _send_notes(self, found: Inbox) -> list[str]:
        """Notes that are this run's. What is too much goes to the queue, and what a message has named stays with it."""
        given = inbox.batches(self._store, found.batches)
        self._send_again(found)
        taken = {note for batch in given for note in batch.notes}
        taken |= {note for one in prepared.heads(self._store, found.prepared) for note in one.notes}
        free = [note for note in found.notes if note not in taken]
        if self._queue is None or len(free) <= self._limits.fan_out_at:
            return free
        size = self._limits.batch_notes
        batches = [Batch(self._new_id(), notes=free[start : start + size]) for start in range(0, len(free), size)]
        self._send(self._queue, batches)
        return []

    def _send(self, queue: Queue, batches: Sequence[Batch]) -> None:
        """First the batches, then their messages: a message that is lost is sent again, one without a batch is nothing."""
        for batch in batches:
            key = keys.batch(batch.id)
            objects.put(self._store, self._clock, key, sealed.seal(key, msgspec.json.encode(batch)), objects.JSON)
        queue.send(messages_of([batch.id for batch in batches]))
        self.report.sent += len(batches)

    def _send_again(self, found: Inbox) -> None:
        if self._queue is not None:
            before = self._clock.now() - SENT_AGAIN_AFTER
            late = [key for key, sent_at in found.batches.items() if sent_at < before]
            self._send(self._queue, inbox.batches(self._store, late))

    def _prepare(self, batch: Batch) -> list[SessionId]:
        """Harvest a batch; it is done when what was found is there. Several may do the same: one will be published.

        Those of its sessions that were dealt with: no more than one round's.
        """
        noted = self._noted(batch.notes)
        sessions = self._readable([*dict.fromkeys([*noted, *batch.sessions])])
        finished: list[SessionId] = []
        if sessions:
            with self._workbench() as bench:
                harvest = self._harvester.harvest(sessions, noted, bench, self.report, keep=self._keep)
                notes = {note: one for one in harvest.finished if one in noted for note in noted[one].notes}
                prepared.write(self._store, self._clock, bench, harvest, epoch=batch.epoch, notes=notes)
            finished = harvest.finished
        self._store.remove([keys.batch(batch.id)])
        return finished

    def _publish_prepared(self) -> None:
        """Publish what is prepared of the inbox, as much at once as one round may hold."""
        while self._has_time():
            group = self._one_round(prepared.heads(self._store, inbox.look(self._store).prepared))
            if not group:
                return
            self._keep()
            self._publish(group)

    def _one_round(self, waiting: Iterable[Head]) -> list[Head]:
        """The first of these: as many as one publication may hold, and one at least."""
        group: list[Head] = []
        sessions = 0
        for one in waiting:
            sessions += len(one.sessions)
            if group and sessions > self._limits.publish_sessions:
                break
            group.append(one)
        return group

    def _publish(self, heads: Sequence[Head]) -> None:
        """One commit; the notes of sessions that the ledger has passed meanwhile stay, and are looked at again."""
        group = list(prepared.whole(self._store, heads))
        with self._state.read(FILE) as db:
            pruned_before = ledger.progress(db).pruned_before
        with self._workbench() as bench:
            paths, current = [], []
            for one in group:
                events = prepared.events(self._store, one, bench.folder)
                if one.is_current(pruned_before) and (events is not None or not one.sessions):
                    current.append(one)
                    paths += [events] if events is not None else []
            noted = self._readable({session for one in group for session in one.notes.values()})
            candidates = [each for one in current for each in one.candidates()]
            candidates = [each for each in candidates if each.session[0] not in self._unreadable]
            plan = self._publisher.plan(candidates, also=noted)
            if not plan.is_empty:
                bench.load_harvested(paths, plan.accepted)
            self._publisher.publish(plan, bench, self.report, keep=self._keep)
        done = []
        for one in group:
            found = {candidate.session: candidate for candidate in one.candidates()}
            done += [note for note, session in one.notes.items() if not plan.dropped(found.get(session))]
        self._store.remove(done)
        self.report.left -= len(done)
        prepared.remove(self._store, group)

    # ---- the whole history again

    def _extract_stale(self, found: Inbox) -> None:
        """Sessions of older rules, and those that a reprocessing asked for: staged, as long as there is time."""
        epoch, missing = self._missing(prepared.heads(self._store, found.aside))
        given = {
            session
            for batch in inbox.batches(self._store, found.batches)
            if batch.epoch == epoch
            for session in batch.sessions
        }
        missing = [session for session in missing if session not in given]
        if self._queue is not None and len(missing) > self._limits.fan_out_at:
            size = self._limits.batch_notes
            parts = (missing[start : start + size] for start in range(0, len(missing), size))
            self._send(self._queue, [Batch(self._new_id(), sessions=part, epoch=epoch) for part in parts])
            return
        while missing and self._has_time():
            self._keep()
            part = missing[: self._limits.round_sessions]
            done = set(self._prepare(Batch(self._new_id(), sessions=part, epoch=epoch)))
            missing = [session for session in missing if session not in done]
        self._swap_if_whole()

    def _swap_if_whole(self) -> None:
        """Publish a reprocessing when nothing of it is missing: in one commit if that can hold it, else in several, the
        newest sessions first (decision 47). What an earlier reprocessing has left is removed."""
        waiting = list(prepared.heads(self._store, inbox.look(self._store).aside))
        epoch, missing = self._missing(waiting)
        prepared.remove(self._store, [one for one in waiting if one.epoch != epoch])
        aside = [one for one in waiting if one.epoch == epoch]
        while aside and not missing and self._has_time():
            self._keep()
            group = self._one_round(aside)
            self._publish(group)
            aside = aside[len(group) :]
        self.report.aside = sum(len(one.sessions) for one in aside)

    def _missing(self, waiting: Iterable[Head]) -> tuple[str, list[SessionId]]:
        """The reprocessing that is due, and stale sessions that nobody has prepared for it."""
        with self._state.read(FILE) as db:
            progress = ledger.progress(db)
            stale = ledger.stale(db, PROCESSOR_VERSION)
        epoch = _epoch(progress)
        there = {
            (*one.session, one.based_on)
            for head in waiting
            if head.epoch == epoch and head.is_current(progress.pruned_before)
            for one in head.sessions
        }
        return epoch, self._readable([SessionId(*session[:2]) for session in stale if session not in there])

    def _workbench(self) -> AbstractContextManager[ScratchDatabase]:
        return workbench(memory_limit=self._limits.memory, threads=self._limits.threads)

    def _new_id(self) -> str:
        return new_ulid(self._clock.now())


def _epoch(progress: Progress) -> str:
    asked = progress.reprocess_before
    return f"{PROCESSOR_VERSION}-{asked.isoformat() if asked else 'rules'}"
