"""The verification detector: what people verified in their sessions, as facts that wait for a review.

    1. sessions that were redacted meanwhile are forgotten (`forgetting`)
    2. the telemetry's ledger names sessions that are new or have grown; those that have been quiet for a while wait to be read
    3. of each, the turns that nobody has read are scrubbed, packed and shown to the model, chunk by chunk
    4. one short commit a chunk: its facts, the turns that are read now, what it cost

A run can die anywhere and be repeated: a turn is read once, an item has each quote of a session once, and of two workers at one
session the one without the lease writes nothing. What the model cannot answer now is tried again, later each time; what it can never
answer is kept as failed, with the reason. Nothing is read of a session with a tombstone, and what is read is looked at once more
before it is written.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from agnes.kernel.errors import AgnesError
from agnes.kernel.ids import new_nonce
from agnes.kernel.llm import (
    ChatMessage,
    Completion,
    ModelNotConfigured,
    ModelOutputUnusable,
    ModelRefused,
    ModelUnavailable,
    Prompt,
    TokenCounts,
    Trouble,
)
from agnes.kernel.ports import Message, Queue
from agnes.kernel.state import Change, Tx
from agnes.knowledge import (
    changing,
    conversation,
    forgetting,
    helping,
    index,
    note_reading,
    noting,
    packing,
    prompting,
    readings,
    spending,
)
from agnes.knowledge.context import Knowledge
from agnes.knowledge.model import FILE, Source
from agnes.knowledge.packing import Chunk
from agnes.knowledge.prompting import AnswerUnreadable, Judged
from agnes.knowledge.readings import FAILED, READ, WAITING, Reading
from agnes.knowledge.scrubbing import ScanFailed
from agnes.knowledge.spending import CapReached, Judge
from agnes.telemetry import service as telemetry
from agnes.telemetry.keys import TranscriptId
from agnes.telemetry.service import ChangedSession
from agnes.telemetry.transcripts import packed, tombstones

QUEUE = "knowledge-detect"
JOB = "detect"
OVERLAP = timedelta(hours=1)
"""An extraction states the time of its beginning, and is committed up to so long after it."""
LOOKED_AT = 5_000
"""Sessions of the ledger that one run looks at."""
HERE = 25
"""Sessions that a run reads itself; more go to the queue, as many as SENT at once."""
SENT = 500
RUN_SECONDS = 600.0
QUEUED_FOR = timedelta(hours=6)
"""So long a session's message is trusted to come; then a run takes it up again."""
CATEGORY = "business_logic"
FACTS_A_SESSION = 100
"""A session that yields more is no conversation."""


@dataclass(frozen=True, slots=True)
class Report:
    """Of a run; in a dry run, what would be read."""

    status: str = "ok"
    """ok, no_key, key_refused, or cap_reached: then sessions wait."""
    found: int = 0
    """Sessions that are new or have grown, and are quiet."""
    busy: int = 0
    """That are not quiet yet."""
    read: int = 0
    sent: int = 0
    """To the queue."""
    waiting: int = 0
    failed: int = 0
    retried: int = 0
    facts: int = 0
    refused: int = 0
    """Answers that were discarded."""
    forgotten: int = 0
    """Sessions that were redacted."""
    input_tokens: int = 0
    output_tokens: int = 0
    plain_bytes: int = 0
    """Of the transcripts that were read."""
    notes_read: int = 0
    notes_waiting: int = 0
    note_facts: int = 0
    note_tokens: int = 0
    """In and out."""


@dataclass(frozen=True, slots=True)
class SessionReport:
    """What became of one session."""

    outcome: str
    """read, waiting, failed, skipped (nothing to do, or somebody else has it), gone."""
    reason: str = ""
    stops: str = ""
    """Why no other session can be read now either: no_key, key_refused, cap_reached; empty if others can."""
    facts: int = 0
    refused: int = 0
    tokens: TokenCounts = field(default_factory=TokenCounts)
    plain_bytes: int = 0


class _Later(Exception):
    """It is tried again; `counts` if that is an attempt that failed, `stops` if no other session would fare better."""

    def __init__(self, reason: str, *, counts: bool, stops: str = "", tokens: TokenCounts | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.counts = counts
        self.stops = stops
        self.tokens = tokens or TokenCounts()


class _Never(Exception):
    def __init__(self, reason: str, tokens: TokenCounts | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.tokens = tokens or TokenCounts()


class _Stopped(Exception):
    """Somebody else has the session, or it was redacted: nothing is written."""


def run(
    k: Knowledge,
    judge: Judge,
    queue: Queue,
    *,
    now: datetime,
    quiet: timedelta,
    dry_run: bool = False,
    here: int = HERE,
) -> Report:
    """`here` sessions are read by this run, the others by the queue. Raises UnavailableError."""
    forgotten = _forget_redacted(k, now=now, dry_run=dry_run)
    found, busy, since, seen_until = _look(k, now=now, quiet=quiet)
    with k.state.read(FILE) as db:
        waiting = readings.due(db, now, limit=SENT + here)
        notes = noting.due(db, now, quiet=quiet)
    report = Report(found=len(found), busy=busy, forgotten=forgotten, notes_waiting=len(notes))
    if dry_run:
        return replace(report, waiting=len(waiting) + len(found))
    if found or (seen_until is not None and (since is None or seen_until - since > OVERLAP)):
        rows = [(one.user_id, one.session_id, one.version, one.plain_bytes) for one in found]
        k.state.commit(FILE, lambda tx: readings.wait_for(tx, rows, seen_until=seen_until, at=now))
        with k.state.read(FILE) as db:
            waiting = readings.due(db, now, limit=SENT + here)
    if not waiting and not notes:
        return report
    try:
        judge.language_model.require()
    except ModelNotConfigured:
        return replace(report, status="no_key", waiting=len(waiting))
    if waiting:
        report = _read_all(k, judge, queue, waiting, report, now=now, here=here)
    if notes and report.status == "ok":
        done = note_reading.read_all(k, judge, notes)
        report = replace(
            report,
            status=done.status,
            failed=report.failed + done.failed,
            refused=report.refused + done.refused,
            notes_read=done.read,
            notes_waiting=len(notes) - done.read,
            note_facts=done.facts,
            note_tokens=done.tokens.input + done.tokens.output,
        )
    return report


def _forget_redacted(k: Knowledge, *, now: datetime, dry_run: bool) -> int:
    overdue = forgetting.overdue(k.state, k.store, now=now)
    if not dry_run:
        for user_id, sessions in overdue.sessions.items():
            forgetting.forget_sessions(k.state, user_id, sessions, now=now)
        if overdue.checked:
            forgetting.note_checked(k.state, overdue.checked, now=now)
    return sum(map(len, overdue.sessions.values()))


def _look(
    k: Knowledge, *, now: datetime, quiet: timedelta
) -> tuple[list[ChangedSession], int, datetime | None, datetime | None]:
    """(sessions to be read, how many are not quiet yet, up to when the ledger was looked through before, and now)."""
    with k.state.read(FILE, "telemetry") as db:
        since = readings.seen_until(db)
        changed = telemetry.changed_sessions(db, since=since - OVERLAP if since else None, limit=LOOKED_AT)
        known = readings.of_sessions(db, [(one.user_id, one.session_id) for one in changed])
    found, busy, until = [], 0, since
    for one in changed:
        reading = known.get((one.user_id, one.session_id))
        if reading is not None and (reading.status == readings.FORGOTTEN or reading.version == one.version):
            until = max(until or one.extracted_at, one.extracted_at) if not busy else until
        elif one.received_at > now - quiet:
            busy += 1  # the ledger is looked through up to here only, so that the next run finds it
        else:
            found.append(one)
            until = max(until or one.extracted_at, one.extracted_at) if not busy else until
    return found, busy, since, until


def _read_all(
    k: Knowledge, judge: Judge, queue: Queue, waiting: Sequence[Reading], report: Report, *, now: datetime, here: int
) -> Report:
    own, there = waiting[:here], waiting[here:]
    if there:
        sessions = [(one.user_id, one.session_id) for one in there]
        queue.send([Message(QUEUE, {"user_id": user, "session_id": session}) for user, session in sessions])
        k.state.commit(FILE, lambda tx: readings.put_off(tx, sessions, until=now + QUEUED_FOR))
        report = replace(report, sent=len(there))
    began = k.clock.monotonic()
    done = 0
    for one in own:
        if k.clock.monotonic() - began > RUN_SECONDS:
            break
        said = read_session(k, judge, one.user_id, one.session_id)
        if said.stops:
            report = replace(report, status=said.stops)
            break
        done += 1
        report = replace(
            report,
            read=report.read + (said.outcome == READ),
            failed=report.failed + (said.outcome == FAILED),
            retried=report.retried + (said.outcome == WAITING),
            facts=report.facts + said.facts,
            refused=report.refused + said.refused,
            input_tokens=report.input_tokens + said.tokens.input,
            output_tokens=report.output_tokens + said.tokens.output,
            plain_bytes=report.plain_bytes + said.plain_bytes,
        )
    return replace(report, waiting=len(own) - done + report.retried)


def read_session(k: Knowledge, judge: Judge, user_id: str, session_id: str) -> SessionReport:
    """Read what is new of one session. What fails for now waits for a later run. Raises UnavailableError of the store."""
    worker = new_nonce()
    taken = k.state.commit(FILE, lambda tx: readings.take(tx, user_id, session_id, worker=worker, at=k.clock.now()))
    if taken is None:
        return SessionReport("skipped")
    reading = _Reading(k, judge, taken, worker)
    try:
        return reading.read()
    except _Stopped:
        return replace(reading.so_far, outcome="skipped")
    except _Later as later:
        status = reading.give_back(later)
        return replace(reading.so_far, outcome=status, reason=later.reason, stops=later.stops)
    except _Never as never:
        reading.end(FAILED, never.reason, never.tokens)
        return replace(reading.so_far, outcome=FAILED, reason=never.reason)


@dataclass
class _Reading:
    """One worker at one session."""

    k: Knowledge
    judge: Judge
    taken: Reading
    worker: str
    so_far: SessionReport = field(default_factory=lambda: SessionReport("skipped"))

    @property
    def which(self) -> TranscriptId:
        return TranscriptId(self.taken.user_id, self.taken.session_id)

    def read(self) -> SessionReport:
        self._require_open()
        blob = self.k.store.read(self.which.key)
        if blob is None:
            self.end(READ, "its transcript is gone")
            return replace(self.so_far, outcome="gone")
        try:
            plain = packed.unpack(blob.body)
        except AgnesError as error:
            raise _Never(error.code) from None
        turns = conversation.turns(plain)
        first = next((turn.mark for turn in turns if turn.role == conversation.USER), "")
        with self.k.state.read(FILE) as db:
            known = set(readings.split(self.taken.turns)) | readings.marks_of_forks(db, self.taken.user_id, first)
        try:
            chunks = packing.pack(turns, known, self.k.scanners)
        except ScanFailed as error:
            raise _Later(error.code, counts=True) from None
        self.so_far = replace(self.so_far, plain_bytes=len(plain))
        for chunk in chunks[: packing.MAX_CHUNKS]:
            completion, judged = self._ask(chunk)
            self._write(chunk, completion, judged, first)
        if len(chunks) > packing.MAX_CHUNKS:
            raise _Later("there is more to read", counts=False)
        copied = [turn.mark for turn in turns if turn.role == conversation.USER and turn.mark in known]
        self._end_read(copied, first, self._about(turns))
        return replace(self.so_far, outcome=READ)

    def _require_open(self) -> None:
        """Raises _Stopped for a session that was redacted or pruned; it is never read again."""
        closed = tombstones.of_user(self.k.store, self.taken.user_id)
        session = self.taken.session_id
        if session in closed.sessions:
            forgetting.forget_sessions(self.k.state, self.taken.user_id, [session], now=self.k.clock.now())
            raise _Stopped
        if session in closed.pruned:
            self.end(READ, "its transcript was pruned")
            raise _Stopped

    def _ask(self, chunk: Chunk) -> tuple[Completion, Judged]:
        rules = self.k.rules
        prompt = Prompt(
            self.judge.name,
            prompting.SYSTEM,
            (ChatMessage("user", prompting.compose(chunk, secrets.token_hex(8), rules.domains)),),
            prompting.schema(rules.domains),
            prompting.MAX_TOKENS,
            prompting.REQUEST_SECONDS,
            is_patient=True,
        )
        at = self.k.clock.now()
        try:
            with self.k.state.read(FILE) as db:
                self.judge.require_allowance(db, prompt, at)
            completion = self.judge.language_model.complete(prompt)
            return completion, prompting.judge(completion.value, chunk, rules.domains, self.k.scanners)
        except CapReached:
            raise _Later("the day's dollars are spent", counts=False, stops="cap_reached") from None
        except ModelNotConfigured as error:
            raise _Later(error.code, counts=False, stops="no_key") from None
        except ModelUnavailable as error:
            if error.trouble is Trouble.REFUSED:
                raise _Later(error.message, counts=False, stops="key_refused", tokens=error.tokens) from None
            raise _Later(error.message, counts=True, tokens=error.tokens) from None
        except ModelRefused as error:
            raise _Never("the model refused to read it", error.tokens) from None
        except ModelOutputUnusable as error:
            raise _Later(error.message, counts=True, tokens=error.tokens) from None
        except AnswerUnreadable as error:
            raise _Later(str(error), counts=True, tokens=completion.tokens) from None
        except ScanFailed as error:
            raise _Later(error.code, counts=True) from None

    def _write(self, chunk: Chunk, completion: Completion, judged: Judged, first: str) -> None:
        self._require_open()
        k, at = self.k, self.k.clock.now()
        category = CATEGORY if CATEGORY in k.rules.categories else ""
        room = FACTS_A_SESSION - self.taken.facts - self.so_far.facts

        def write(tx: Tx) -> int:
            if not readings.is_held(tx, self.taken.user_id, self.taken.session_id, self.worker):
                raise _Stopped
            supported = 0
            for fact in judged.facts[: max(0, room)]:
                put = changing.put_fact(
                    tx,
                    k.rules,
                    title=fact.title,
                    content=fact.content,
                    domain=fact.domain,
                    category=category,
                    entities=fact.entities,
                    source=Source.SESSION,
                    user_id=self.taken.user_id,
                    session_id=self.taken.session_id,
                    turn=fact.turn,
                    kind=fact.kind,
                    quote=fact.quote,
                    at=at,
                )
                supported += put.is_supported
            readings.note_chunk(
                tx,
                self.taken.user_id,
                self.taken.session_id,
                marks=chunk.marks,
                first_turn=first,
                facts=supported,
                refused=len(judged.refused),
                input_tokens=completion.tokens.input,
                output_tokens=completion.tokens.output,
                until=at + readings.LEASE,
            )
            spending.record(tx, self.judge, completion.tokens, job=JOB, user_id=self.taken.user_id, at=at)
            return supported

        facts = k.state.commit(FILE, write)
        self.so_far = replace(
            self.so_far,
            facts=self.so_far.facts + facts,
            refused=self.so_far.refused + len(judged.refused),
            tokens=self.so_far.tokens + completion.tokens,
        )

    def _about(self, turns: Sequence[conversation.Turn]) -> list[str] | None:
        """Items that the session began with and was about; None if it began with none."""
        with self.k.state.read(FILE) as db:
            loaded = helping.loaded_by(db, self.taken.user_id, self.taken.session_id)
        if not loaded:
            return None
        known = index.current(self.k.state)
        items = [item for item_id in loaded if (item := known.find(item_id)) is not None]
        return helping.mentioned(items, (turn.text for turn in turns))

    def _end_read(self, copied: Sequence[str], first: str, about: Sequence[str] | None) -> None:
        """`copied` are turns that were read before, here or in a session that this one was forked from."""
        at, own = self.k.clock.now(), set(readings.split(self.taken.turns))

        def write(tx: Tx) -> None:
            user_id, session_id = self.taken.user_id, self.taken.session_id
            if not readings.is_held(tx, user_id, session_id, self.worker):
                raise _Stopped
            readings.note_chunk(
                tx, user_id, session_id, marks=[mark for mark in copied if mark not in own], first_turn=first, facts=0,
                refused=0, input_tokens=0, output_tokens=0, until=at,
            )  # fmt: skip
            readings.end(tx, user_id, session_id, status=READ, at=at)
            if about is not None:
                helping.note_mentioned(tx, user_id, session_id, about)
            if self.so_far.facts or self.so_far.refused:
                said = {"facts": self.so_far.facts, "refused": self.so_far.refused}
                tx.record(Change("knowledge.detect", f"session:{user_id}/{session_id}", said))

        self.k.state.commit(FILE, write)

    def give_back(self, later: _Later) -> str:
        at = self.k.clock.now()

        def write(tx: Tx) -> str:
            spending.record(tx, self.judge, later.tokens, job=JOB, user_id=self.taken.user_id, at=at)
            if not readings.is_held(tx, self.taken.user_id, self.taken.session_id, self.worker):
                return "skipped"
            return readings.give_back(tx, self.taken, reason=later.reason[:300], counts=later.counts, at=at)

        return self.k.state.commit(FILE, write)

    def end(self, status: str, reason: str, tokens: TokenCounts | None = None) -> None:
        at = self.k.clock.now()

        def write(tx: Tx) -> None:
            spending.record(tx, self.judge, tokens or TokenCounts(), job=JOB, user_id=self.taken.user_id, at=at)
            if readings.is_held(tx, self.taken.user_id, self.taken.session_id, self.worker):
                readings.end(tx, self.taken.user_id, self.taken.session_id, status=status, reason=reason[:300], at=at)
                if status == FAILED:
                    where = f"session:{self.taken.user_id}/{self.taken.session_id}"
                    tx.record(Change("knowledge.detect_failed", where, {"reason": reason[:300]}))

        self.k.state.commit(FILE, write)
