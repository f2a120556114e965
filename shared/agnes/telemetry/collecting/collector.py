"""A run of the collector: from the drop locations to the same keys and notes as uploads (docs/telemetry.md, Collecting).

    for each location, a few at a time, each with a time of its own:
        list what the pattern matches
        whose it is: by the location's explicit rule, or nobody's
        what the ledger has in this version already is left alone
        read, publish as an upload would be, note it in the ledger

A location that hangs, dies or lies costs itself; the others go on. A run that dies has published whole transcripts, and
the next one publishes some of them again, which changes nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from agnes.accounts.model import User
from agnes.accounts.service import users
from agnes.kernel.drops import (
    Drop,
    DropFile,
    DropPattern,
    DropRefused,
    Drops,
    DropUnreachable,
    FileUnreadable,
    LocationTooLarge,
)
from agnes.kernel.errors import AgnesError, BadRequestError, ConflictError, UnavailableError
from agnes.kernel.leases import HeldBy
from agnes.kernel.ports import Clock, ObjectStore, Secrets
from agnes.kernel.state import Change, Db, State, Tx
from agnes.telemetry.claim import claimed
from agnes.telemetry.collecting import locations
from agnes.telemetry.collecting.listed import People, problem_of
from agnes.telemetry.collecting.model import FILE, Kept
from agnes.telemetry.collecting.naming import names_of, transcript_of
from agnes.telemetry.collecting.report import Limits, LocationReport, Report
from agnes.telemetry.keys import TranscriptId
from agnes.telemetry.transcripts import packed, quotas, tombstones, uploads
from agnes.telemetry.transcripts.tombstones import SessionClosed, SessionPruned, SessionRedacted, Tombstones

log = logging.getLogger("agnes.telemetry")

CLAIM = "jobs/telemetry.collect/claim.json"
AT_ONCE = 4
"""Locations. Each may hold one transcript in memory, plain, packed and as it is stored: 150 MB at worst."""
NOTED_EACH = 100
"""Files after which the ledger is written."""
WARM = timedelta(seconds=2)
"""A file that was changed so lately may be changed again without looking different: it is looked at once more."""

FETCHED = "fetched"
CLOSED = frozenset({SessionRedacted.code, SessionPruned.code})
"""Outcomes that stay, however a file grows."""
VANISHED = "vanished"


class CollectionBusy(ConflictError):
    code = "collection_busy"

    def __init__(self, held: HeldBy) -> None:
        super().__init__(f"another run collects ({held.text})", hint="Wait for it; it does the same work.")


@dataclass(frozen=True, slots=True)
class _Known:
    version: str
    outcome: str


def collect(
    state: State,
    store: ObjectStore,
    *,
    drops: Drops,
    secrets: Secrets,
    clock: Clock,
    dry_run: bool = False,
    limits: Limits | None = None,
    keep_all: bool = False,
    allowed: quotas.Limits = quotas.UNLIMITED,
) -> Report:
    """One run over all enabled locations; `keep_all` and `allowed` as `keep_all` and `limits` in `uploads.publish`. Raises CollectionBusy, UnavailableError of our own store."""
    limits = limits or Limits()
    with state.read(FILE, "people") as db:
        kept = locations.kept_locations(db)
        enabled = [one for one in kept if one.location.enabled]
        people = People(users(db)) if enabled else People(())
    report = Report(skipped=[one.location.id for one in kept if not one.location.enabled])
    if not enabled:
        return report
    until = clock.monotonic() + limits.seconds

    def one(kept: Kept) -> LocationReport:
        work = _Collecting(
            state,
            store,
            kept,
            people,
            clock=clock,
            limits=limits,
            until=until,
            dry_run=dry_run,
            keep_all=keep_all,
            allowed=allowed,
        )
        return work.run(drops, secrets)

    # Begun at another one each time, so that slow ones do not starve those behind them.
    turn = int(clock.now().timestamp()) // 60 % len(enabled)
    order = enabled[turn:] + enabled[:turn]
    if dry_run:
        report.locations = _side_by_side(order, one, lambda: None)
    else:
        with claimed(store, CLAIM, clock, busy=CollectionBusy) as claim:
            report.locations = _side_by_side(order, one, claim.take)
    report.locations = dict(sorted(report.locations.items()))
    report.fetched = sum(found.fetched for found in report.locations.values())
    report.failed = sum(found.error is not None for found in report.locations.values())
    return report


def _side_by_side(
    order: Sequence[Kept], one: Callable[[Kept], LocationReport], meanwhile: Callable[[], None]
) -> dict[str, LocationReport]:
    with ThreadPoolExecutor(min(AT_ONCE, len(order)), thread_name_prefix="collect") as pool:
        # The actor and the session of the run go along.
        running = {pool.submit(copy_context().run, one, kept): kept.location.id for kept in order}
        found = {}
        waiting = set(running)
        while waiting:
            done, waiting = wait(waiting, timeout=5, return_when=FIRST_COMPLETED)
            if waiting:
                meanwhile()
            for future in done:
                found[running[future]] = future.result()
    return found


class _Collecting:
    """One location in one run."""

    def __init__(
        self,
        state: State,
        store: ObjectStore,
        kept: Kept,
        people: People,
        *,
        clock: Clock,
        limits: Limits,
        until: float,
        dry_run: bool,
        keep_all: bool,
        allowed: quotas.Limits,
    ) -> None:
        self._state = state
        self._store = store
        self._kept = kept
        self._people = people
        self._clock = clock
        self._limits = limits
        self._until = until
        self._dry_run = dry_run
        self._keep_all = keep_all
        self._allowed = allowed
        self._full: dict[str, str] = {}
        """Why nothing more of a person is taken in this run, by their id."""
        self._noted: list[dict[str, object]] = []
        self._tombstones: dict[str, Tombstones] = {}
        self.report = LocationReport()

    def run(self, drops: Drops, secrets: Secrets) -> LocationReport:
        location = self._kept.location
        seconds = min(self._limits.location_seconds, self._until - self._clock.monotonic())
        wanted: list[tuple[DropFile, User]] = []
        begun = 0
        try:
            if seconds <= 0:
                raise DropUnreachable("the time of this run was over before its turn", code="location_slow")
            with self._state.read(FILE) as db:
                known = _known(db, location.id)
            with drops.open(location.place, self._kept.credential(secrets), seconds=seconds) as drop:
                self._list(drop, known, wanted)
                for file, who in wanted if not self._dry_run else ():
                    begun += 1
                    self._take(drop, file, who)
        except (DropRefused, DropUnreachable) as exc:
            log.warning("location %s: %s", location.id, exc.message)
            self.report.fail(exc)
            begun -= 1 if begun else 0  # the one that it broke off in
        except AgnesError as exc:  # ours: what is noted so far holds
            self.report.fail(exc)
            begun -= 1 if begun else 0
        except Exception:  # one location's surprise must not stop the others
            log.exception("location %s", location.id)
            self.report.error, self.report.error_code = "it broke the collector; see the log", "internal_error"
            begun -= 1 if begun else 0
        if self._dry_run:
            self.report.fetched = len(wanted)
        else:
            self.report.left = len(wanted) - begun
            self._write_down(last=True)
        return self.report

    def _list(self, drop: Drop, known: Mapping[str, _Known], wanted: list[tuple[DropFile, User]]) -> None:
        """What is too much is said, and what was listed before it is collected."""
        most = self._limits.location_files
        try:
            for file in drop.files(DropPattern.parse(self._kept.location.pattern), limit=most + 1):
                if self.report.seen == most:
                    raise LocationTooLarge(most)
                self._judge(file, known.get(file.path), wanted)
        except LocationTooLarge as exc:
            self.report.fail(exc)

    def _judge(self, file: DropFile, known: _Known | None, wanted: list[tuple[DropFile, User]]) -> None:
        self.report.seen += 1
        problem = problem_of(file)
        who = self._people.of(self._kept.location, file.person)
        if problem is not None:
            self.report.refuse(_shown(file.path), problem)
        elif isinstance(who, str):
            self.report.refuse(_shown(file.path), who)
        elif known is not None and known.outcome in CLOSED:
            self.report.refuse(file.path, known.outcome)
        elif known is not None and known.version == file.version:
            if known.outcome == FETCHED:
                self.report.unchanged += 1
            else:
                self.report.refuse(file.path, known.outcome)
        else:
            wanted.append((file, who))

    def _take(self, drop: Drop, file: DropFile, who: User) -> None:
        """Read and publish one file. Raises DropUnreachable, DropRefused, UnavailableError."""
        if (refusal := self._full.get(who.id)) is not None:
            self.report.refuse(file.path, refusal)
            return
        session, _ = names_of(file.path)
        if session is not None:
            try:
                self._tombstones_of(who.id).require_open_session(session)
            except SessionClosed as exc:
                self._note(file, who.id, session, exc.code)
                self.report.refuse(file.path, exc.code)
                return
        try:
            plain = drop.read(file)
        except FileUnreadable as exc:
            log.warning("location %s: %s", self._kept.location.id, exc.message)
            self.report.refuse(file.path, exc.code)
            return
        if plain is None:
            self.report.refuse(file.path, VANISHED)
            return
        which: TranscriptId | None = None
        try:
            which = transcript_of(who.id, file.path, plain)
            packed.require_transcript(plain)
            uploads.publish(
                self._store,
                which,
                packed.pack(plain),
                now=self._clock.now(),
                keep_all=self._keep_all,
                limits=self._allowed,
            )
        except uploads.QUOTAS as exc:  # not noted, so the next run looks at it again
            self._full[who.id] = exc.code
            self.report.refuse(file.path, exc.code)
            return
        except SessionClosed as exc:
            outcome = exc.code
        except (BadRequestError, packed.NotATranscript, packed.TranscriptTooLarge) as exc:
            outcome = exc.code
        else:
            outcome = FETCHED
        self._note(file, who.id, which.session_id if which else session or "", outcome)
        if outcome == FETCHED:
            self.report.fetched += 1
            self.report.plain_bytes += len(plain)
        else:
            self.report.refuse(file.path, outcome)
        if len(self._noted) >= NOTED_EACH:
            self._write_down()

    def _tombstones_of(self, user_id: str) -> Tombstones:
        if user_id not in self._tombstones:
            self._tombstones[user_id] = tombstones.of_user(self._store, user_id)
        return self._tombstones[user_id]

    def _note(self, file: DropFile, user_id: str, session_id: str, outcome: str) -> None:
        now = self._clock.now()
        warm = file.modified_at is not None and abs(now - file.modified_at) < WARM
        self._noted.append(
            {
                "path": file.path,
                "version": f"{file.version}?" if warm else file.version,
                "outcome": outcome,
                "user_id": user_id,
                "session_id": session_id,
                "seen_at": now,
            }
        )

    def _write_down(self, *, last: bool = False) -> None:
        if not self._noted:
            return
        place, rows = self._kept.location.id, self._noted
        counts = {"fetched": self.report.fetched, "refused": self.report.refused, "error": self.report.error_code}

        def change(tx: Tx) -> None:
            if not tx.db.execute("SELECT 1 FROM collector.locations WHERE id = ?", [place]).fetchone():
                return  # removed meanwhile
            text = msgspec.json.encode(rows).decode()
            tx.db.execute(
                "INSERT OR REPLACE INTO collector.files (location_id, path, version, outcome, user_id, session_id, seen_at) "  # noqa: S608
                f"SELECT $id, * FROM (SELECT unnest(from_json($rows, '{_SHAPE}'), max_depth := 2))",
                {"id": place, "rows": text},
            )
            if last:
                tx.record(Change("run_session_collector", f"location:{place}", counts))

        try:
            self._state.commit(FILE, change)
        except (UnavailableError, ConflictError) as exc:
            # Published already; without a note the next run does the same again.
            self.report.fail(exc)
        self._noted = []


_SHAPE = json.dumps(
    [dict.fromkeys(("path", "version", "outcome", "user_id", "session_id"), "VARCHAR") | {"seen_at": "TIMESTAMPTZ"}]
)


def _known(db: Db, location_id: str) -> dict[str, _Known]:
    rows = db.execute("SELECT path, version, outcome FROM collector.files WHERE location_id = ?", [location_id])
    return {path: _Known(version, outcome) for path, version, outcome in rows.fetchall()}


def _shown(path: str) -> str:
    return path if path.isprintable() else path.encode("unicode_escape", "backslashreplace").decode()[:300]
