"""Reading sessions: their transcripts from the store, extracted, their events spooled. Needs no claim, changes no
ledger.

Several processes may harvest at once. What one has found is true only of the ledger that it looked at, so it says for
each session which generation that was: whoever publishes drops a session that has moved on
(agnes.telemetry.extraction.publishing).
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from agnes.kernel.garbage import no_garbage_collection
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import Clock, ObjectStore
from agnes.kernel.state import Db, State
from agnes.telemetry.extraction.inbox import Noted
from agnes.telemetry.extraction.session import Extracted, ServedFor, SessionExtractor
from agnes.telemetry.extraction.side_by_side import SideBySide, Stored, Work
from agnes.telemetry.keys import MAIN, SessionId, TranscriptId
from agnes.telemetry.lake import ledger, objects
from agnes.telemetry.lake.batch import ScratchDatabase
from agnes.telemetry.lake.ledger import Known
from agnes.telemetry.model import FILE, PROCESSOR_VERSION, FileReport, Limits, Report
from agnes.telemetry.transcripts import tombstones

_READ_AHEAD = 8
_AHEAD_BYTES = 8_000_000
"""Packed, of one session; what is more is read again when its turn comes."""

ROUND_EVENT_BYTES = 64_000_000
"""A round ends with the session that passes it."""


@dataclass(slots=True)
class Candidate:
    """A session that was harvested: what the ledger is to say of it, if it still says what this is based on."""

    session: SessionId
    based_on: str
    """The generation that the ledger had of it."""
    row: dict[str, Any] | None
    """None: its transcripts are gone, so newer rules change nothing of it."""
    transcripts: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Harvest:
    """What some sessions came to; their events are in the workbench."""

    generation: str
    pruned_before: date | None
    """Earlier events were left out."""
    finished: list[SessionId] = field(default_factory=list)
    """All that were dealt with, also those that had nothing new, in any order."""
    candidates: list[Candidate] = field(default_factory=list)


@dataclass(slots=True)
class _Wanted:
    """A session that is to be looked at."""

    session: SessionId
    known: Known
    files: set[str]
    stale: bool
    """To be extracted again though nothing of it has changed."""
    noted: bool


class Harvester:
    """`served_for(db)` reads the lookup of served names once; its answer is asked for each user."""

    def __init__(
        self,
        store: ObjectStore,
        state: State,
        *,
        clock: Clock,
        served_for: Callable[[Db], ServedFor],
        served_files: Sequence[str],
        limits: Limits,
    ) -> None:
        self._store = store
        self._state = state
        self._clock = clock
        self._served_for = served_for
        self._served_files = served_files
        self._limits = limits

    def harvest(
        self,
        sessions: Sequence[SessionId],
        noted: Mapping[SessionId, Noted],
        bench: ScratchDatabase,
        report: Report,
        *,
        keep: Callable[[], None],
    ) -> Harvest:
        """As many of `sessions` as come to `round_bytes`, from the first on. Redacted ones are only reported as finished."""
        with self._state.read(FILE, *self._served_files) as db:
            progress = ledger.progress(db)
            known = ledger.known(db, sessions)
            served_for = self._served_for(db)
        found = Harvest(new_ulid(self._clock.now()), progress.pruned_before)
        buried = tombstones.of_users(self._store, {user for user, _ in sessions})

        def wanted(session: SessionId) -> _Wanted | None:
            if session[1] in buried[session[0]].sessions:
                return None
            of = known[session]
            files = (noted[session].files if session in noted else set()) | set(of.files)
            # Of a session whose transcripts were let go a late note says nothing: what was counted stays.
            is_noted = session in noted and session[1] not in buried[session[0]].pruned
            return _Wanted(session, of, files, of.is_stale(progress, PROCESSOR_VERSION), is_noted)

        def add(done: Iterable[tuple[Work, Extracted]]) -> None:
            for work, extracted in done:
                self._add(work, extracted, found=found, report=report)

        before_bytes = report.plain_bytes
        extractor = SessionExtractor(found.generation, found.pruned_before, served_for)
        with (
            no_garbage_collection(),
            SideBySide(extractor, bench, self._limits, self._reread) as extraction,
        ):
            for session, (of, stored) in zip(sessions, self._read_ahead(map(wanted, sessions)), strict=True):
                if of is None:
                    found.finished.append(session)
                elif stored is None:
                    report.unchanged += 1
                    found.finished.append(session)
                elif not of.noted and not set(of.known.files) <= {one.file for one in stored}:
                    found.candidates.append(Candidate(session, of.known.generation, None))
                    found.finished.append(session)
                else:
                    add(extraction.take(Work(session, of.known, stored, self._clock.now())))
                if report.plain_bytes - before_bytes > self._limits.round_bytes:
                    break
                if bench.spooled_bytes > ROUND_EVENT_BYTES:
                    break
                keep()
            while extraction.underway:
                add(extraction.rest())
                keep()
        return found

    def _read_ahead(self, wanted: Iterator[_Wanted | None]) -> Iterator[tuple[_Wanted | None, list[Stored] | None]]:
        """Each with what reading it comes to. Of a store that takes its time a few are read while one is extracted."""
        pace = objects.Pace()
        for of in wanted:
            with pace:
                read = self._changed(of) if of is not None else None
            yield of, read
            if not pace.is_quick:
                break
        with ThreadPoolExecutor(_READ_AHEAD) as pool:
            reading: deque[tuple[_Wanted | None, Future[list[Stored] | None] | None]] = deque()
            try:
                for of in wanted:
                    reading.append((of, pool.submit(self._changed, of) if of is not None else None))
                    if len(reading) > _READ_AHEAD:
                        yield _finished(reading.popleft())
                while reading:
                    yield _finished(reading.popleft())
            finally:
                for _, future in reading:
                    if future is not None:
                        future.cancel()

    def _changed(self, of: _Wanted) -> list[Stored] | None:
        """All files of the session that exist, its own first; None if the ledger has these very versions."""
        found: list[Stored] = []
        same = kept = 0
        for file in sorted(of.files, key=lambda file: (file != MAIN, file)):
            blob = self._store.read(TranscriptId(*of.session, file).key)
            if blob is None:
                continue
            kept += len(blob.body)
            found.append(Stored(file, blob.version.tag, blob.body if kept <= _AHEAD_BYTES else None))
            before = of.known.files.get(file)
            same += before is not None and before.version == blob.version.tag
        gone = set(of.known.files) - {one.file for one in found}
        if not gone and (same == len(found) and not (of.stale and of.known.generation)):
            return None
        return found

    def _reread(self, work: Work, one: Stored) -> bool:
        """Bring a body that was not kept; False if the file is gone."""
        blob = self._store.read(TranscriptId(*work.session, one.file).key)
        if blob is None:
            return False
        one.version, one.body = blob.version.tag, blob.body
        return True

    def _add(self, work: Work, extracted: Extracted, *, found: Harvest, report: Report) -> None:
        """A session that was extracted: what the ledger is to say of it."""
        stored = {one.file: one for one in work.stored}
        transcripts = [self._file_row(work, said, stored[said.file], report) for said in extracted.files]
        row = ledger.session_row(
            (*work.session, found.generation),
            extracted.days,
            extracted.events,
            extracted.summary,
            processor_version=PROCESSOR_VERSION,
            extracted_at=work.at,
        )
        found.candidates.append(Candidate(work.session, work.known.generation, row, transcripts))
        found.finished.append(work.session)
        report.sessions += 1
        report.events += extracted.events

    def _file_row(self, work: Work, said: FileReport, stored: Stored, report: Report) -> dict[str, Any]:
        which = TranscriptId(*work.session, said.file)
        report.files += 1
        report.plain_bytes += said.plain_bytes
        report.lines += said.lines
        report.skipped_lines += said.skipped_lines
        if said.reason is not None:
            report.quarantined.append(f"{which.user_id}/{which.session_id}/{which.file}: {said.reason}")
            why = {
                "key": which.key,
                "version": stored.version,
                "processor_version": PROCESSOR_VERSION,
                **asdict(said),
            }
            body = json.dumps(why, sort_keys=True).encode()
            objects.put(self._store, self._clock, which.quarantine_key, body, objects.JSON)
        return {
            "user_id": which.user_id,
            "session_id": which.session_id,
            "file": which.file,
            "version": stored.version,
            "received_at": work.received_at(stored),
            "plain_bytes": said.plain_bytes,
            "lines": said.lines,
            "skipped_lines": said.skipped_lines,
            "quarantine_reason": said.reason,
        }


def _finished(
    reading: tuple[_Wanted | None, Future[list[Stored] | None] | None],
) -> tuple[_Wanted | None, list[Stored] | None]:
    of, future = reading
    return of, future.result() if future is not None else None
