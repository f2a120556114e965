"""A run of the extraction: from the inbox to the figures (docs/telemetry.md).

    list inbox/                            nothing there, windows of today: done, in three calls
    take the claim; for rounds of sessions until the inbox is empty or time is up:
        read the transcripts that changed, and the others of their sessions
        extract; spool the events
        write one event file a day touched          objects that nobody knows yet
        roll up the days touched, and the windows   objects that nobody knows yet
        commit the ledger                           everything above becomes true at once
        remove the notes of the round
    give the claim back

A session with a tombstone leaves the ledger instead. The event files of its days are written again without it, and
those that they replace are removed right after the commit instead of a day later.

A run that dies before the commit has changed nothing, one that dies after it has left notes whose transcripts the
ledger knows: the next run finds nothing to do for them and removes them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path

import msgspec

from agnes.kernel.errors import AgnesError, UnavailableError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import ANYTHING, Blob, Clock, ObjectStore, OutcomeUnknown, TryAgain
from agnes.kernel.state import Db, State
from agnes.telemetry import keys, ledger, packed, rollups, tombstones
from agnes.telemetry.batch import Workbench, Written, workbench
from agnes.telemetry.claim import Claim, claimed
from agnes.telemetry.extraction import SessionKey, extract
from agnes.telemetry.keys import TranscriptId, transcript_id
from agnes.telemetry.ledger import Changes, Known, Progress
from agnes.telemetry.model import PROCESSOR_VERSION, Extraction, FileReport, TranscriptFile
from agnes.telemetry.served import Served

log = logging.getLogger("agnes.telemetry")

FILE = "telemetry"
MERGED_AT = 8
"""Event files of one day; a run that would add another merges them."""
RETIRED_FOR = timedelta(days=1)
_READS_AT_ONCE = 8
_WRITE_ATTEMPTS = 4

ServedFor = Callable[[str], Served]


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one run. Bytes are plain bytes of transcripts; a round ends with the session that passes one."""

    round_bytes: int = 256_000_000
    round_sessions: int = 1000
    seconds: float = 600
    memory: str = "150MB"
    threads: int = 1


@dataclass(slots=True)
class Report:
    """What a run did; the answer of the operator's trigger, and part of the job's heartbeat."""

    notes: int = 0
    sessions: int = 0
    """Extracted."""
    unchanged: int = 0
    redacted: int = 0
    files: int = 0
    plain_bytes: int = 0
    events: int = 0
    lines: int = 0
    skipped_lines: int = 0
    quarantined: list[str] = field(default_factory=list)
    """`<user>/<session>/<file>: <reason>`."""
    days: int = 0
    left: int = 0
    """Notes that the next run will find."""
    windows_day: date | None = None


@dataclass(slots=True)
class _Work:
    """One session of a round, with what the inbox and the ledger say of it."""

    user_id: str
    session_id: str
    known: Known
    files: set[str]
    stale: bool
    """To be extracted again though nothing of it has changed."""


class _Note(msgspec.Struct):
    """The body of a note."""

    user_id: str
    session_id: str
    file: str


@dataclass(slots=True)
class _Noted:
    """What the inbox says of one session."""

    files: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


class ExtractionRun:
    """`served_for(db)` reads the lookup of served names once; its answer is asked for each user."""

    def __init__(
        self,
        store: ObjectStore,
        state: State,
        *,
        clock: Clock,
        served_for: Callable[[Db], ServedFor],
        served_files: Sequence[str],
        limits: Limits | None = None,
    ) -> None:
        self._store = store
        self._state = state
        self._clock = clock
        self._served_for = served_for
        self._served_files = served_files
        self._limits = limits or Limits()
        self._until = 0.0
        self.report = Report()

    def run(self, *, dry_run: bool = False) -> Report:
        """Raises ExtractionBusy, LedgerMoved, UnavailableError."""
        today = self._clock.now().date()
        notes = [entry.key for entry in self._store.list(keys.INBOX)]
        with self._state.read(FILE) as db:
            progress = ledger.progress(db)
            stale = ledger.stale(db, PROCESSOR_VERSION, limit=1)
        self.report.notes = len(notes)
        self.report.windows_day = progress.windows_day
        if dry_run or (not notes and not stale and progress.windows_day == today):
            self.report.left = len(notes)
            return self.report
        with claimed(self._store, keys.CLAIM, self._clock) as claim:
            self._until = self._clock.monotonic() + self._limits.seconds
            done = self._empty_inbox(notes, claim, today)
            self.report.left = len(notes) - done
            if done == len(notes) and stale:
                self._extract_stale(claim, today)
            if done == len(notes) and self.report.windows_day != today:
                self._round([], {}, today)
        return self.report

    def run_notes(self, notes: Sequence[str]) -> Report:
        """Only these notes. Raises ExtractionBusy, LedgerMoved, UnavailableError."""
        self.report.notes = len(notes)
        with claimed(self._store, keys.CLAIM, self._clock) as claim:
            self._until = self._clock.monotonic() + self._limits.seconds
            self.report.left = len(notes) - self._empty_inbox(notes, claim, self._clock.now().date())
        return self.report

    def _empty_inbox(self, notes: Sequence[str], claim: Claim, today: date) -> int:
        """How many of the notes were dealt with before time was up."""
        done = 0
        for start in range(0, len(notes), self._limits.round_sessions):
            noted = self._noted(notes[start : start + self._limits.round_sessions])
            for finished in self._rounds(noted, claim, today):
                removed = [key for session in finished for key in noted[session].notes]
                self._store.remove(removed)
                done += len(removed)
        return done

    def _extract_stale(self, claim: Claim, today: date) -> None:
        """Sessions of older rules, and those that a reprocessing asked for, as long as there is time. Each round replaces
        its sessions in one commit, so that figures are whole at any moment, and never empty."""
        while self._clock.monotonic() <= self._until:
            with self._state.read(FILE) as db:
                stale = ledger.stale(db, PROCESSOR_VERSION, limit=self._limits.round_sessions)
            if not stale:
                return
            for _ in self._rounds({session: _Noted() for session in stale}, claim, today):
                pass

    def _rounds(
        self, noted: Mapping[tuple[str, str], _Noted], claim: Claim, today: date
    ) -> Iterator[list[tuple[str, str]]]:
        """Rounds over these sessions until time is up; which each of them has dealt with."""
        pending = list(noted)
        while pending and self._clock.monotonic() <= self._until:
            claim.take()
            finished = self._round(pending, noted, today)
            yield pending[:finished]
            pending = pending[finished:]

    def _noted(self, notes: Sequence[str]) -> dict[tuple[str, str], _Noted]:
        """What the notes say, by session, in their order. One that says nothing goes with the first session."""
        found: dict[tuple[str, str], _Noted] = {}
        useless = []
        for key, note in zip(notes, self._read_all(notes), strict=True):
            which = _which(note)
            if which is None:
                useless.append(key)
                continue
            noted = found.setdefault((which.user_id, which.session_id), _Noted())
            noted.files.add(which.file)
            noted.notes.append(key)
        if found:
            next(iter(found.values())).notes.extend(useless)
        else:
            self._store.remove(useless)
        return found

    def _round(self, sessions: Sequence[tuple[str, str]], noted: Mapping[tuple[str, str], _Noted], today: date) -> int:
        """Extract and publish the first of `sessions`, up to `round_bytes`; how many."""
        with self._state.read(FILE, *self._served_files) as db:
            progress = ledger.progress(db)
            known = ledger.known(db, sessions) if sessions else {}
            served_for = self._served_for(db) if sessions else None
        generation = new_ulid(self._clock.now())
        changes = Changes(progress.revision, self._clock.now(), today)
        finished, before_bytes = 0, self.report.plain_bytes
        buried = {user: tombstones.of_user(self._store, user).sessions for user in {user for user, _ in sessions}}
        purge = False
        with workbench(memory_limit=self._limits.memory, threads=self._limits.threads) as bench:
            touched: set[date] = set()
            for session in sessions:
                if session[1] in buried[session[0]]:
                    purge = True
                    changes.rewritten |= {*known[session].days}
                    if known[session].processor_version or known[session].files:
                        changes.redacted.append(session)
                    finished += 1
                    continue
                work = _Work(
                    *session,
                    known[session],
                    noted[session].files | set(known[session].files),
                    stale=known[session].is_stale(progress, PROCESSOR_VERSION),
                )
                extraction = self._session(work, generation, served_for, changes, keep_since=progress.pruned_before)
                finished += 1
                if extraction is not None:
                    bench.spool(extraction.events)
                    touched |= {*work.known.days, *extraction.days}
                    # Days that it has left: nothing of a session may lie where its ledger row does not say so.
                    changes.rewritten |= {*work.known.days} - {*extraction.days}
                if self.report.plain_bytes - before_bytes > self._limits.round_bytes:
                    break
            touched |= changes.rewritten
            if changes.sessions or changes.redacted or progress.windows_day != today:
                bench.load_events()
                self._publish(bench, generation, touched, progress, changes)
        if purge:
            self._purge_retired()
        if not changes.sessions and not changes.redacted and progress.windows_day == today:
            return finished
        self.report.redacted += len(changes.redacted)
        self.report.days += len(touched)
        self.report.windows_day = today
        self._clear_quarantine(changes, known)
        return finished

    def _purge_retired(self) -> None:
        """Remove the objects of a redaction now. Their rows stay until their day; removing again is harmless."""
        with self._state.read(FILE) as db:
            found = ledger.retired(db)
        self._store.remove(found)

    def _clear_quarantine(self, changes: Changes, known: Mapping[tuple[str, str], Known]) -> None:
        for row in changes.transcripts:
            which = TranscriptId(row["user_id"], row["session_id"], row["file"])
            before = known[which.user_id, which.session_id].files.get(which.file)
            if row["quarantine_reason"] is None and before is not None and before.quarantine_reason is not None:
                self._store.remove([which.quarantine_key])

    def _session(
        self, work: _Work, generation: str, served_for: ServedFor, changes: Changes, *, keep_since: date | None
    ) -> Extraction | None:
        """Extract one session if anything of it changed; None if nothing did."""
        now = self._clock.now()
        bodies = self._changed(work)
        if bodies is None:
            self.report.unchanged += 1
            return None
        files, reports = [], []
        for file, blob in bodies.items():
            before = work.known.files.get(file)
            same = before is not None and before.version == blob.version.tag
            try:
                plain = packed.unpack(blob.body)
            except AgnesError as exc:
                reports.append(FileReport(file, 0, reason=exc.code))
                continue
            files.append(TranscriptFile(file, plain, before.received_at if same else now))
        key = SessionKey(work.user_id, work.session_id, generation)
        try:
            extraction = extract(files, key, served_for(work.user_id))
        except Exception:  # one session's surprise must not stop the others' figures
            log.exception("session %s cannot be extracted", work.session_id)
            extraction = Extraction(files=[FileReport(f.file, len(f.body), reason="extraction_failed") for f in files])
        if keep_since is not None:
            extraction.events = [e for e in extraction.events if e.occurred_at and e.occurred_at.date() >= keep_since]
        received = {file.file: file.received_at for file in files}
        for report in (*extraction.files, *reports):
            self._note_file(work, report, bodies[report.file], received.get(report.file, now), changes)
        changes.sessions.append(
            ledger.session_row(
                (work.user_id, work.session_id, generation),
                extraction.days,
                len(extraction.events),
                extraction.summary,
                processor_version=PROCESSOR_VERSION,
                extracted_at=now,
            )
        )
        self.report.sessions += 1
        self.report.events += len(extraction.events)
        return extraction

    def _changed(self, work: _Work) -> dict[str, Blob] | None:
        """All files of the session that exist; None if the ledger has these very versions."""
        found: dict[str, Blob] = {}
        same: list[str] = []
        for file in sorted(work.files):
            blob = self._store.read(TranscriptId(work.user_id, work.session_id, file).key)
            if not isinstance(blob, Blob):
                continue
            found[file] = blob
            before = work.known.files.get(file)
            if not work.stale and before is not None and before.version == blob.version.tag:
                same.append(file)
        gone = set(work.known.files) - set(found)
        return None if len(same) == len(found) and not gone else found

    def _note_file(self, work: _Work, report: FileReport, blob: Blob, received_at: object, changes: Changes) -> None:
        which = TranscriptId(work.user_id, work.session_id, report.file)
        changes.transcripts.append(
            {
                "user_id": which.user_id,
                "session_id": which.session_id,
                "file": which.file,
                "version": blob.version.tag,
                "received_at": received_at,
                "plain_bytes": report.plain_bytes,
                "lines": report.lines,
                "skipped_lines": report.skipped_lines,
                "quarantine_reason": report.reason,
            }
        )
        self.report.files += 1
        self.report.plain_bytes += report.plain_bytes
        self.report.lines += report.lines
        self.report.skipped_lines += report.skipped_lines
        if report.reason is not None:
            self.report.quarantined.append(f"{which.user_id}/{which.session_id}/{which.file}: {report.reason}")
            said = {
                "key": which.key,
                "version": blob.version.tag,
                "processor_version": PROCESSOR_VERSION,
                **asdict(report),
            }
            self._put(which.quarantine_key, json.dumps(said, sort_keys=True).encode(), "application/json")

    def _publish(
        self, bench: Workbench, generation: str, touched: set[date], progress: Progress, changes: Changes
    ) -> None:
        days = sorted(touched)
        since = changes.windows_day - timedelta(days=rollups.DAILY_DAYS)
        with self._state.read(FILE) as db:
            if ledger.progress(db).revision != progress.revision:
                raise ledger.LedgerMoved
            stored = ledger.batches_of(db, days)
            redone = {(row["user_id"], row["session_id"]) for row in changes.sessions} | {*changes.redacted}
            live = [row for row in ledger.live_generations(db, days) if row[:2] not in redone] if days else []
            parts = ledger.parts_of(db, rollups.ITEM_USER_DAILY, since)
            changes.forgotten = ledger.retired_before(db, changes.at - RETIRED_FOR)
        columns = {"user_id": "VARCHAR", "session_id": "VARCHAR", "generation": "VARCHAR"}
        bench.table("live_generations", columns, live)
        paths = self._fetch(bench, [key for day in days for key in stored[day]])
        files = {day: {key: paths[key] for key in stored[day]} for day in days}
        self._put_events(bench, generation, files, changes)
        bases: dict[date, Path] = {}
        for base in rollups.bases_of_days(bench, days, list(paths.values())):
            changes.parts.append(self._put_part(base, generation))
            bases[base.day] = base.path
        changes.daily_days = [day for day in days if day > since]
        changes.daily = rollups.daily(bench, since)
        others = {day: key for day, key in parts.items() if day not in touched}
        fetched = self._fetch(bench, others.values())
        bases |= {day: fetched[key] for day, key in others.items()}
        changes.daily_since = since
        changes.windows = rollups.windows(bench, bases, today=changes.windows_day)
        self._store.remove(changes.forgotten)
        self._state.commit(FILE, lambda tx: ledger.publish(tx, changes))

    def _put_events(
        self, bench: Workbench, generation: str, stored: Mapping[date, Mapping[str, Path]], changes: Changes
    ) -> None:
        """One file a day that has new events. A day that has many files already gets one in their place, without
        what has been replaced: sessions grow, and each run makes their earlier events worthless."""
        new = set(bench.new_days())
        for day, batches in stored.items():
            merge = len(batches) >= MERGED_AT or (bool(batches) and day in changes.rewritten)
            if merge:
                changes.merged += batches
            elif day not in new:
                continue
            written = bench.write_events(day, list(batches.values()) if merge else ())
            if written.rows:
                body = written.path.read_bytes()
                key = keys.events(day, generation)
                self._put(key, body, "application/vnd.apache.parquet")
                changes.batches.append({"key": key, "day": day, "events": written.rows, "size_bytes": len(body)})

    def _put_part(self, base: Written, generation: str) -> dict[str, object]:
        body = base.path.read_bytes()
        key = keys.rollup(rollups.ITEM_USER_DAILY, base.day, generation)
        self._put(key, body, "application/vnd.apache.parquet")
        return {"rollup": rollups.ITEM_USER_DAILY, "day": base.day, "key": key, "size_bytes": len(body)}

    def _put(self, key: str, body: bytes, content_type: str) -> None:
        """Keys hold the generation, or the same bytes each time, so that nobody writes anything else there."""
        for attempt in range(_WRITE_ATTEMPTS):
            try:
                self._store.write(key, body, expect=ANYTHING, content_type=content_type)
                return
            except (TryAgain, OutcomeUnknown):
                if attempt == _WRITE_ATTEMPTS - 1:
                    raise
                self._clock.sleep(0.1 * 2**attempt)

    def _fetch(self, bench: Workbench, wanted: Iterable[str]) -> dict[str, Path]:
        """Objects as files of the scratch folder."""
        wanted = list(wanted)
        paths = {}
        for number, (key, blob) in enumerate(zip(wanted, self._read_all(wanted), strict=True)):
            if not isinstance(blob, Blob):
                raise UnavailableError(f"{key} is missing from the store", code="object_missing")
            path = bench.folder / f"fetched-{number}-{key.rpartition('/')[2]}"
            path.write_bytes(blob.body)
            paths[key] = path
        return paths

    def _read_all(self, wanted: Sequence[str]) -> list[object]:
        if len(wanted) < 3:
            return [self._store.read(key) for key in wanted]
        with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
            return list(pool.map(self._store.read, wanted))


def _which(note: object) -> TranscriptId | None:
    """None for a note that says nothing."""
    if not isinstance(note, Blob):
        return None
    try:
        said = msgspec.json.decode(note.body, type=_Note)
        return transcript_id(said.user_id, said.session_id, None if said.file == keys.MAIN else said.file)
    except (ValueError, AgnesError):
        log.warning("a note of the inbox says nothing that can be used")
        return None
