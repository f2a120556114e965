"""From harvested sessions to figures: event files, rollups, and the one commit that makes all of them true.

Only who holds the claim publishes. Everything that is written before the commit is an object that nobody knows yet; a
run that dies leaves such objects to the sweep (agnes.telemetry.extraction.sweep), and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import Clock, ObjectStore
from agnes.kernel.state import State
from agnes.telemetry import keys
from agnes.telemetry.extraction.harvest import Candidate
from agnes.telemetry.keys import SessionId, TranscriptId
from agnes.telemetry.lake import current, ledger, objects, prices, rollups, windows
from agnes.telemetry.lake.batch import SESSION, Workbench, Written
from agnes.telemetry.lake.ledger import Changes, Known, Progress
from agnes.telemetry.model import FILE, PROCESSOR_VERSION, Report
from agnes.telemetry.transcripts import tombstones

MERGED_AT = 8
"""Event files of one day; a run that would add another merges them."""
RETIRED_FOR = timedelta(days=1)


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
    def __init__(self, store: ObjectStore, state: State, *, clock: Clock) -> None:
        self._store = store
        self._state = state
        self._clock = clock

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
        buried = tombstones.of_users(self._store, {user for user, _ in sessions})
        now = self._clock.now()
        plan = Plan(progress, known, Changes(progress.revision, now, now.date()), set(rebuilt), set())
        changes = plan.changes
        for session in sessions:
            if session[1] in buried[session[0]].sessions:
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

    def publish(self, plan: Plan, bench: Workbench, report: Report, *, keep: Callable[[], None]) -> None:
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

    def _make(self, plan: Plan, bench: Workbench, keep: Callable[[], None]) -> None:
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
            price_list = prices.price_list(db)
            changes.forgotten = ledger.retired_before(db, changes.at - RETIRED_FOR)
        bench.table("live_generations", SESSION, live)
        bases: dict[str, dict[date, Path]] = {name: {} for name in rollups.BASES}
        new = bench.harvested_by_day() if days else {}
        for group in rollups.groups_of_days({day: events.get(day, 0) + new.get(day, 0) for day in days}):
            part = {day: stored[day] for day in group}
            for name, paths in self._days(bench, generation, part, changes, keep).items():
                bases[name] |= paths
        changes.daily_days = [day for day in days if day > since]
        others = {
            name: {day: key for day, key in of_days.items() if day not in plan.touched}
            for name, of_days in parts.items()
        }
        fetched = objects.fetch(
            self._store, [key for of_days in others.values() for key in of_days.values()], bench.folder
        )
        for name, of_days in others.items():
            bases[name] |= {day: fetched[key] for day, key in of_days.items()}
        changes.daily_since = since
        changes.windows = windows.of_items(
            bench,
            bases[rollups.ITEM_USER_DAILY],
            bases[rollups.USE_DAILY],
            price_list,
            today=changes.windows_day,
        )
        changes.together = windows.together(bench, bases[rollups.USE_DAILY], today=changes.windows_day)

    def _days(
        self,
        bench: Workbench,
        generation: str,
        stored: Mapping[date, Sequence[str]],
        changes: Changes,
        keep: Callable[[], None],
    ) -> dict[str, dict[date, Path]]:
        """Events and rollups of these days; the paths of the bases that the windows will need, by rollup."""
        days = list(stored)
        since = changes.windows_day - timedelta(days=rollups.DAILY_DAYS)
        bench.take_days(days)
        paths = objects.fetch(self._store, [key for day in days for key in stored[day]], bench.folder)
        files = {day: {key: paths[key] for key in stored[day]} for day in days}
        self._put_events(bench, generation, files, changes, keep)
        bases: dict[str, dict[date, Path]] = {name: {} for name in rollups.BASES}
        for name, written in rollups.bases_of_days(bench, days, list(paths.values())).items():
            for base in written:
                changes.parts.append(self._put_part(name, base, generation))
                if base.day > since:
                    bases[name][base.day] = base.path
                else:
                    base.path.unlink()
        changes.daily += rollups.daily(bench, since)
        for path in paths.values():
            path.unlink()
        return bases

    def _put_events(
        self,
        bench: Workbench,
        generation: str,
        stored: Mapping[date, Mapping[str, Path]],
        changes: Changes,
        keep: Callable[[], None],
    ) -> None:
        """One file a day that has new events. A day that has many files already gets one in their place, without
        what has been replaced: sessions grow, and each run makes their earlier events worthless."""
        new = set(bench.new_days())
        for day, batches in stored.items():
            keep()
            merge = len(batches) >= MERGED_AT or (bool(batches) and day in changes.rewritten)
            if merge:
                changes.merged += batches
            elif day not in new:
                continue
            written = bench.write_events(day, list(batches.values()) if merge else ())
            if written.rows:
                key = keys.events(day, generation)
                size = self._put_file(key, written.path)
                changes.batches.append({"key": key, "day": day, "events": written.rows, "size_bytes": size})
            written.path.unlink()

    def _put_part(self, rollup: str, base: Written, generation: str) -> dict[str, object]:
        key = keys.rollup(rollup, base.day, generation)
        size = self._put_file(key, base.path)
        return {"rollup": rollup, "day": base.day, "key": key, "size_bytes": size}

    def _put_file(self, key: str, path: Path) -> int:
        return objects.put_file(self._store, self._clock, key, path, objects.PARQUET)

    def _purge_retired(self) -> None:
        """Remove the objects of a redaction now. Their rows stay until their day; removing again is harmless."""
        with self._state.read(FILE) as db:
            found = ledger.retired(db)
        self._store.remove(found)

    def _clear_quarantine(self, plan: Plan) -> None:
        for row in plan.changes.transcripts:
            which = TranscriptId(row["user_id"], row["session_id"], row["file"])
            before = plan.known[which.user_id, which.session_id].files.get(which.file)
            if row["quarantine_reason"] is None and before is not None and before.quarantine_reason is not None:
                self._store.remove([which.quarantine_key])


def _date(value: date | str) -> date:
    return value if isinstance(value, date) and not isinstance(value, datetime) else date.fromisoformat(str(value))
