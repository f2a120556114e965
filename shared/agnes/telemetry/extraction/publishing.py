"""From harvested sessions to figures: event files, rollups, and the one commit that makes all of them true.

Only who holds the claim publishes. Everything that is written before the commit is an object that nobody knows yet; a
run that dies leaves such objects to the sweep (agnes.telemetry.extraction.sweep), and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import Clock, ObjectStore
from agnes.kernel.state import State
from agnes.telemetry import keys
from agnes.telemetry.extraction.harvest import Candidate
from agnes.telemetry.keys import SessionId, TranscriptId
from agnes.telemetry.lake import current, damage, ledger, objects, prices, rollups, windows
from agnes.telemetry.lake.batch import SESSION, ScratchDatabase
from agnes.telemetry.lake.damage import Written
from agnes.telemetry.lake.ledger import Changes, Known, Progress
from agnes.telemetry.model import FILE, PROCESSOR_VERSION, Limits, Report
from agnes.telemetry.transcripts import tombstones

Found = TypeVar("Found")

MERGED_AT = 8
"""Event files of one day; a run that would add another merges them."""
RETIRED_FOR = timedelta(days=1)
KEPT_EACH_SECONDS = 3


@dataclass(slots=True)
class Plan:
    """What a publication will change, against the ledger as it is now."""

    progress: Progress
    known: Mapping[SessionId, Known]
    changes: Changes
    touched: set[date]
    accepted: set[tuple[str, str, str]]
    """(user_id, session_id, generation)."""
    buried: set[SessionId] = field(default_factory=set)
    """Those that have a tombstone: what held them is removed at once."""

    def dropped(self, candidate: Candidate | None) -> bool:
        """Whether somebody must look at the session again: the ledger had moved on, or another reading was taken."""
        if candidate is None or candidate.session in self.buried:
            return False
        if candidate.row is None:
            return candidate.session not in self.changes.kept
        return (*candidate.session, candidate.row["generation"]) not in self.accepted

    @property
    def is_empty(self) -> bool:
        changes = self.changes
        return (
            not (changes.sessions or changes.kept or changes.redacted or self.touched)
            and self.progress.windows_day == changes.windows_day
        )


class Publisher:
    def __init__(self, store: ObjectStore, state: State, *, clock: Clock, limits: Limits) -> None:
        self._store = store
        self._state = state
        self._clock = clock
        self._limits = limits

    def plan(
        self, candidates: Iterable[Candidate], *, also: Iterable[SessionId] = (), rebuilt: Iterable[date] = ()
    ) -> Plan:
        """Take candidates that the ledger has not passed meanwhile; `also` are looked at for tombstones only.

        `rebuilt` are days whose rollups are made anew though none of their events is new.
        """
        candidates = list(candidates)
        sessions = [*dict.fromkeys([*(c.session for c in candidates), *also])]
        with self._state.read(FILE) as db:
            progress = ledger.progress(db)
            known = ledger.known(db, sessions) if sessions else {}
        buried = tombstones.of_users(self._store, {session.user_id for session in sessions})
        now = self._clock.now()
        plan = Plan(progress, known, Changes(progress.revision, now, now.date()), set(rebuilt), set())
        changes = plan.changes
        for session in sessions:
            if session.session_id in buried[session.user_id].sessions:
                plan.buried.add(session)
                changes.rewritten |= {*known[session].days}
                if known[session].processor_version or known[session].files:
                    changes.redacted.append(session)
        taken: set[SessionId] = set()
        for one in candidates:
            session = one.session
            if session in taken or session in plan.buried or one.based_on != known[session].generation:
                continue
            taken.add(session)
            if one.row is None:
                changes.kept.append(session)
                changes.kept_as = PROCESSOR_VERSION
                continue
            changes.sessions.append(one.row)
            changes.transcripts += one.transcripts
            plan.accepted.add((*session, one.row["generation"]))
            days = {_date(day) for day in one.row["days"]}
            plan.touched |= {*known[session].days, *days}
            # Days that it has left: nothing of a session may lie where its ledger row does not say so.
            changes.rewritten |= {*known[session].days} - days
        plan.touched |= changes.rewritten
        return plan

    def publish(self, plan: Plan, bench: ScratchDatabase, report: Report, *, keep: Callable[[], None]) -> None:
        """`bench` has the accepted events as `harvested`; `keep` is called now and then.

        Raises LedgerMoved, UnavailableError, and what `keep` raises.
        """
        changes = plan.changes
        if not plan.is_empty:
            self._make(plan, bench, keep)
            self._store.remove(changes.forgotten)
            if changes.redacted:  # before: if this run dies, nothing names them, and the next one redacts again
                current.write(self._store, self._state, bench, without=changes.redacted)
            self._state.commit(FILE, lambda tx: ledger.publish(tx, changes))
            if changes.sessions:
                current.write(self._store, self._state, bench)
        if plan.buried:
            self._purge_retired()
        if plan.is_empty:
            return
        report.redacted += len(changes.redacted)
        report.kept += len(changes.kept)
        report.days += len(plan.touched)
        report.windows_day = changes.windows_day
        self._clear_quarantine(plan)

    def _make(self, plan: Plan, bench: ScratchDatabase, keep: Callable[[], None]) -> None:
        """Write the objects, and complete the changes with what names them."""
        changes, generation = plan.changes, new_ulid(self._clock.now())
        days = sorted(plan.touched)
        since = changes.windows_day - timedelta(days=rollups.DAILY_DAYS)
        with self._state.read(FILE) as db:
            if ledger.progress(db).revision != plan.progress.revision:
                raise ledger.LedgerMoved
            stored = ledger.batches_of(db, days)
            events = ledger.events_of(db, days)
            redone = {session[:2] for session in plan.accepted} | {*changes.redacted}
            live = [row for row in ledger.live_generations(db, days) if row[:2] not in redone] if days else []
            parts = {name: ledger.parts_of(db, name, since) for name in rollups.BASES}
            price_list, renamed = prices.price_list(db), ledger.renamed(db)
            written = ledger.written(
                db, [*(k for of in stored.values() for k in of), *(k for of in parts.values() for k in of.values())]
            )
            changes.forgotten = ledger.retired_before(db, changes.at - RETIRED_FOR)
        bench.table("live_generations", SESSION, live)
        untouched = {name: {day: key for day, key in parts[name].items() if day not in plan.touched} for name in parts}
        wanted = [key for of_days in untouched.values() for key in of_days.values()]
        with (
            objects.Uploads(self._store, self._clock) as uploads,
            _Making(
                self._store, bench, changes, uploads, written, generation=generation, since=since, keep=keep
            ) as making,
        ):
            making.days(stored, events, beside=self._limits.events_beside)
            fetched = objects.fetch(self._store, wanted, bench.folder, written=written)
            for name, of_days in untouched.items():
                making.bases[name] |= {day: fetched[key] for day, key in of_days.items()}
            items, use = (making.bases[name] for name in (rollups.ITEM_USER_DAILY, rollups.USE_DAILY))
            today, held = changes.windows_day, making.made_last
            together = making.beside(
                lambda other: windows.together(other, use, today=today, renamed=renamed, held=held)
            )
            changes.windows = windows.of_items(bench, items, use, price_list, today=today, renamed=renamed, held=held)
            changes.together = making.wait(together)
        changes.daily_days = [day for day in days if day > since]
        changes.daily_since = since

    def _purge_retired(self) -> None:
        """Remove the objects of a redaction now. Their rows stay until their day; removing again is harmless."""
        with self._state.read(FILE) as db:
            found = ledger.retired(db)
        # Nobody can tell whose events a damaged file held.
        self._store.remove([*found, *(entry.key for entry in self._store.list(f"{keys.DAMAGED}{keys.LAKE}"))])

    def _clear_quarantine(self, plan: Plan) -> None:
        for row in plan.changes.transcripts:
            which = TranscriptId(row["user_id"], row["session_id"], row["file"])
            before = plan.known[which.session].files.get(which.file)
            if row["quarantine_reason"] is None and before is not None and before.quarantine_reason is not None:
                self._store.remove([which.quarantine_key])


class _Making:
    """Writes the event files and rollups of the days that a publication touches, and says so in its `changes`.

    A group of days at a time. The event files of a small group are written by another thread while its days are rolled
    up: neither needs the other. Of a large one each would need the memory of both.
    """

    def __init__(
        self,
        store: ObjectStore,
        bench: ScratchDatabase,
        changes: Changes,
        uploads: objects.Uploads,
        written: Mapping[str, Written],
        *,
        generation: str,
        since: date,
        keep: Callable[[], None],
    ) -> None:
        self._store = store
        self._bench = bench
        self._changes = changes
        self._uploads = uploads
        self._written = written
        self._generation = generation
        self._since = since
        self._keep = keep
        self._other = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None
        self._fetched: list[Path] = []
        """Stored event files that are being read."""
        self._new: dict[date, int] = {}
        self.bases: dict[str, dict[date, Path]] = {name: {} for name in rollups.BASES}
        """Files of the days that the windows need, by rollup."""
        self.made_last: list[date] = []
        """Days of the last group, whose rollups are in memory too."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        try:
            if kind is None:
                self._finish_writing()
        finally:
            self._other.shutdown(wait=True, cancel_futures=True)

    def days(self, stored: Mapping[date, Sequence[str]], events: Mapping[date, int], *, beside: int) -> None:
        """All of the days of `stored`: the keys of their event files, which have so many `events`. Groups of up to
        `beside` events are small."""
        self._new = self._bench.harvested_by_day() if stored else {}
        counts = {day: events.get(day, 0) + self._new.get(day, 0) for day in stored}
        for group in rollups.groups_of_days(counts):
            is_small = sum(counts[day] for day in group) <= beside
            self._group({day: stored[day] for day in group}, is_small=is_small)

    def _group(self, stored: Mapping[date, Sequence[str]], *, is_small: bool) -> None:
        bench, days = self._bench, list(stored)
        self._finish_writing()
        self.made_last = days
        self._keep()
        bench.take_days(days)
        wanted = [key for day in days for key in stored[day]]
        paths = objects.fetch(self._store, wanted, bench.folder, written=self._written)
        files = {day: {key: paths[key] for key in stored[day]} for day in days}
        self._fetched = list(paths.values())
        if is_small:
            self._writing = self.beside(lambda other: self._put_events(other, files, at_once=True))
        else:
            self._put_events(bench, files, at_once=False)
        for name, of_days in rollups.bases_of_days(bench, days, self._fetched).items():
            for day, path in of_days.items():
                key = keys.rollup(name, day, self._generation)
                sha256 = damage.digest(path)
                size = self._uploads.put(key, path, objects.PARQUET, remove=day <= self._since)
                self._changes.parts.append(
                    {"rollup": name, "day": day, "key": key, "size_bytes": size, "sha256": sha256}
                )
                if day > self._since:
                    self.bases[name][day] = path
        self._changes.daily += rollups.daily(bench, self._since)

    def beside(self, work: Callable[[ScratchDatabase], Found]) -> Future[Found]:
        """Do `work` in the other thread, after what it does already."""

        def do() -> Found:
            with self._bench.beside() as bench:
                return work(bench)

        return self._other.submit(do)

    def wait(self, underway: Future[Found]) -> Found:
        """What it comes to; the claim is kept meanwhile. Raises what it raised."""
        while True:
            try:
                return underway.result(timeout=KEPT_EACH_SECONDS)
            except TimeoutError:
                if underway.done():
                    raise
                self._keep()

    def _finish_writing(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            self.wait(writing)
        for path in self._fetched:
            path.unlink()
        self._fetched = []

    def _put_events(self, bench: ScratchDatabase, stored: Mapping[date, Mapping[str, Path]], *, at_once: bool) -> None:
        """One file a day that has new events. A day that has many files already gets one in their place, without
        what has been replaced: sessions grow, and each run makes their earlier events worthless."""
        keep = self._keep if not at_once else lambda: None  # which is the other thread's
        fresh = []
        for day, batches in stored.items():
            keep()
            if len(batches) >= MERGED_AT or (bool(batches) and day in self._changes.rewritten):
                self._changes.merged += batches
                written = bench.write_events(day, list(batches.values()))
                self._put_batch(day, written.path, written.rows)
            elif self._new.get(day):
                fresh.append(day)
        if at_once and len(fresh) > 1:
            for day, path in bench.write_new_events(fresh).items():
                self._put_batch(day, path, self._new[day])
        else:
            for day in fresh:
                keep()
                self._put_batch(day, bench.write_events(day).path, self._new[day])

    def _put_batch(self, day: date, path: Path, rows: int) -> None:
        if not rows:
            path.unlink()
            return
        key = keys.events(day, self._generation)
        sha256 = damage.digest(path)
        size = self._uploads.put(key, path, objects.PARQUET, remove=True)
        self._changes.batches.append({"key": key, "day": day, "events": rows, "size_bytes": size, "sha256": sha256})


def _date(value: date | str) -> date:
    return value if isinstance(value, date) and not isinstance(value, datetime) else date.fromisoformat(str(value))
