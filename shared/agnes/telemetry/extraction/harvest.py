"""Reading sessions: their transcripts from the store, extracted, their events spooled. Needs no claim, changes no
ledger.

Several processes may harvest at once. What one has found is true only of the ledger that it looked at, so it says for
each session which generation that was: whoever publishes drops a session that has moved on
(agnes.telemetry.extraction.publishing).
"""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any

from agnes.kernel.errors import AgnesError, UnavailableError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import Blob, Clock, ObjectStore
from agnes.kernel.state import Db, State
from agnes.telemetry.extraction.extract import SessionKey, extract, refused
from agnes.telemetry.extraction.inbox import Noted
from agnes.telemetry.extraction.served import Served
from agnes.telemetry.keys import MAIN, SessionId, TranscriptId
from agnes.telemetry.lake import ledger, objects
from agnes.telemetry.lake.batch import Workbench
from agnes.telemetry.lake.ledger import Known
from agnes.telemetry.model import FILE, PROCESSOR_VERSION, Extraction, FileReport, Limits, Report, TranscriptFile
from agnes.telemetry.transcripts import packed, tombstones

log = logging.getLogger("agnes.telemetry")

_READ_AHEAD = 8
_AHEAD_BYTES = 8_000_000
"""Packed, of one session; what is more is read again when its turn comes."""

SESSION_EVENT_BYTES = 64_000_000
"""Encoded; DuckDB has to sort them in the memory of a run."""
ROUND_EVENT_BYTES = 64_000_000
"""A round ends with the session that passes it."""

MAX_SESSION_BYTES = 300_000_000
"""Plain, of all files of a session: its own first, then its subagents' as far as they fit."""

ServedFor = Callable[[str], Served]


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
    """All that were dealt with, also those that had nothing new."""
    candidates: list[Candidate] = field(default_factory=list)


@dataclass(slots=True)
class _Stored:
    """A file of a session as it was read; without its `body` where that was too much to keep."""

    version: str
    body: bytes | None


@dataclass(slots=True)
class _Work:
    user_id: str
    session_id: str
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
        bench: Workbench,
        report: Report,
        *,
        keep: Callable[[], None],
    ) -> Harvest:
        """The first of `sessions`, up to `round_bytes`. Buried ones are only said to be finished."""
        with self._state.read(FILE, *self._served_files) as db:
            progress = ledger.progress(db)
            known = ledger.known(db, sessions)
            served_for = self._served_for(db)
        found = Harvest(new_ulid(self._clock.now()), progress.pruned_before)
        buried = tombstones.of_users(self._store, {user for user, _ in sessions})

        def work_of(session: SessionId) -> _Work | None:
            if session[1] in buried[session[0]].sessions:
                return None
            of = known[session]
            files = (noted[session].files if session in noted else set()) | set(of.files)
            # Of a session whose transcripts were let go a late note says nothing: what was counted stays.
            is_noted = session in noted and session[1] not in buried[session[0]].pruned
            return _Work(*session, of, files, of.is_stale(progress, PROCESSOR_VERSION), is_noted)

        before_bytes = report.plain_bytes
        for session, (work, reading) in zip(sessions, self._read_ahead(map(work_of, sessions)), strict=True):
            found.finished.append(session)
            if work is not None:
                self._session(work, reading.result(), served_for(work.user_id), bench, found=found, report=report)
            if report.plain_bytes - before_bytes > self._limits.round_bytes or bench.spooled_bytes > ROUND_EVENT_BYTES:
                break
            keep()
        return found

    def _read_ahead(self, works: Iterator[_Work | None]) -> Iterator[tuple[_Work | None, Future | None]]:
        """Each work with what its reading comes to: a few are read while one is extracted."""
        with ThreadPoolExecutor(_READ_AHEAD) as pool:
            reading: deque[tuple[_Work | None, Future | None]] = deque()
            try:
                for work in works:
                    reading.append((work, pool.submit(self._changed, work) if work is not None else None))
                    if len(reading) > _READ_AHEAD:
                        yield reading.popleft()
                yield from reading
            finally:
                for _, future in reading:
                    if future is not None:
                        future.cancel()

    def _session(
        self,
        work: _Work,
        bodies: dict[str, _Stored] | None,
        served: Served,
        bench: Workbench,
        *,
        found: Harvest,
        report: Report,
    ) -> None:
        """Extract one session if anything of it changed."""
        now = self._clock.now()
        session = (work.user_id, work.session_id)
        if bodies is None:
            report.unchanged += 1
            return
        if not work.noted and not set(work.known.files) <= set(bodies):
            found.candidates.append(Candidate(session, work.known.generation, None))
            return
        unread: list[FileReport] = []
        received: dict[str, datetime] = {}
        try:
            files = self._unpacked(work, bodies, received, unread, now)
            extraction = extract(files, SessionKey(*session, found.generation), served)
        except UnavailableError:
            raise
        except Exception:  # one session's surprise must not stop the others' figures
            log.exception("session %s cannot be extracted", work.session_id)
            unread = [FileReport(file, 0, reason="extraction_failed") for file in bodies]
            extraction = Extraction()
        if (since := found.pruned_before) is not None:
            extraction.events = [e for e in extraction.events if e.occurred_at and e.occurred_at.date() >= since]
        if not bench.spool(extraction.events, most_bytes=SESSION_EVENT_BYTES):
            extraction = refused(extraction.files, "events_too_large")
        transcripts = [
            self._file_row(work, said, bodies[said.file], received.get(said.file, now), report)
            for said in (*extraction.files, *unread)
        ]
        row = ledger.session_row(
            (*session, found.generation),
            extraction.days,
            len(extraction.events),
            extraction.summary,
            processor_version=PROCESSOR_VERSION,
            extracted_at=now,
        )
        found.candidates.append(Candidate(session, work.known.generation, row, transcripts))
        report.sessions += 1
        report.events += len(extraction.events)

    def _unpacked(
        self,
        work: _Work,
        bodies: dict[str, _Stored],
        received: dict[str, datetime],
        unread: list[FileReport],
        now: datetime,
    ) -> Iterator[TranscriptFile]:
        """One after another, so that one plain transcript is in memory at a time. Says when each was `received`, and what
        stays `unread` and why; a file that has gone since leaves `bodies`."""
        left = MAX_SESSION_BYTES
        for file in sorted(bodies, key=lambda file: (file != MAIN, file)):
            stored = bodies[file]
            if stored.body is None:
                again = self._store.read(TranscriptId(work.user_id, work.session_id, file).key)
                if not isinstance(again, Blob):
                    del bodies[file]
                    continue
                stored.version, stored.body = again.version.tag, again.body
            try:
                plain = packed.unpack(stored.body)
            except AgnesError as exc:
                unread.append(FileReport(file, 0, reason=exc.code))
                continue
            finally:
                stored.body = None
            if len(plain) > left:
                unread.append(FileReport(file, len(plain), reason="session_too_large"))
                continue
            left -= len(plain)
            before = work.known.files.get(file)
            received[file] = before.received_at if before is not None and before.version == stored.version else now
            yield TranscriptFile(file, plain, received[file])

    def _changed(self, work: _Work) -> dict[str, _Stored] | None:
        """All files of the session that exist; None if the ledger has these very versions."""
        found: dict[str, _Stored] = {}
        same: list[str] = []
        kept = 0
        for file in sorted(work.files):
            blob = self._store.read(TranscriptId(work.user_id, work.session_id, file).key)
            if not isinstance(blob, Blob):
                continue
            kept += len(blob.body)
            found[file] = _Stored(blob.version.tag, blob.body if kept <= _AHEAD_BYTES else None)
            before = work.known.files.get(file)
            if before is not None and before.version == blob.version.tag:
                same.append(file)
        gone = set(work.known.files) - set(found)
        if not gone and (len(same) == len(found) and not (work.stale and work.known.generation)):
            return None
        return found

    def _file_row(self, work: _Work, said: FileReport, stored: _Stored, received_at: datetime, report: Report) -> dict:
        which = TranscriptId(work.user_id, work.session_id, said.file)
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
            "received_at": received_at,
            "plain_bytes": said.plain_bytes,
            "lines": said.lines,
            "skipped_lines": said.skipped_lines,
            "quarantine_reason": said.reason,
        }
