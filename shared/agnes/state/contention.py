"""Contention: what a writer does when another one was faster.

Everybody begins directly: look at the head, make the changes, swap. That is one read and one write where nobody else
writes. Who loses the swap, or finds that somebody *leads*, leaves its changes as an intent (agnes.state.intents) and looks at
the head until that says what became of them. Who finds no leader claims the lead, by a swap of the head that changes nothing
else, and then carries out all that waits, one generation after another while there is more, for two seconds at most.

A lead is a courtesy, and so are all pauses here: two leaders cost work. The swap is what keeps it correct, and the ids in the
head's history are what makes an intent happen once.

A change that is no registered call cannot be left for others. Its writer waits until nobody leads, claims the lead and makes it
beside what waits, so a crowd does not keep it out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from agnes.kernel.calls import Call
from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import Clock, OutcomeUnknown, PreconditionFailed
from agnes.kernel.state import Actor
from agnes.state import intents
from agnes.state.engine import DatabaseUnreadable
from agnes.state.head import FORM, Head, Lead, StateDamaged, head_key
from agnes.state.intents import Intent
from agnes.state.material import Material, MaterialGone
from agnes.state.pointer import Known, Pointer
from agnes.state.publish import Publisher, Round
from agnes.state.requests import Request

log = logging.getLogger("agnes.state")

PATIENCE_SECONDS = 25.0
UNREADABLE_TRIES = 8
TERM_SECONDS = 2.0
"""How long somebody leads at most: its own caller waits for it."""
LEAD_SECONDS, LONGER_LEAD_SECONDS, LONGEST_LEAD_SECONDS = 0.5, 5.0, 10.0
"""How long a lead counts after each generation: at least, where generations take long, and where somebody lost one before the change
was made. That is also how long a killed leader holds the others up."""
MOST_INTENTS = 150
"""In one generation."""
SHORTEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.002, 0.16
PATIENT_AFTER, PATIENCE_GROWS, MOST_PATIENT = 3, 1.3, 4.0
"""After so many pauses each is longer by that factor, up to so many times what it would be."""
LATELY_SECONDS = 0.5
"""A writer begins from a head that its process has looked at so lately."""
READS_A_PAUSE = (4.0, 8.0)
"""A writer that waits pauses for so many times what a look at the head takes."""


class CommitContended(UnavailableError):
    """Other writers were always faster; nothing was changed."""

    code = "commit_contended"

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file} was not changed: {reason}", hint="Try again in a moment.")
        self.file = file


@dataclass(slots=True)
class _Job:
    """Requests that become one generation, alone or with those of others."""

    work: Round
    stand_in: Known | None
    deadline: float
    intent: Intent | None = None
    """As it was left, or may have been."""
    searched: Known | None = None
    """The newest head that says nothing of it."""
    tried: int = 0
    waits: int = 0
    """Pauses since it was left."""
    unreadable: int = 0
    leads: int = 0
    has_waited: bool = False
    """For a writer that leads; said once."""
    is_done: bool = False

    @property
    def may_be_left(self) -> bool:
        work = self.work
        plain = work.base is None and not work.renew and self.stand_in is None
        return plain and bool(work.requests) and all(request.call for request in work.requests)


class Contender:
    """One writer of one file among others. One thread at a time, as its publisher.

    `new_request` makes a request of another process's call.
    """

    def __init__(
        self,
        file: str,
        publisher: Publisher,
        *,
        pointer: Pointer,
        material: Material,
        clock: Clock,
        rng: Random,
        new_request: Callable[[Call, Actor], Request],
    ) -> None:
        self._file = file
        self._publisher = publisher
        self._pointer = pointer
        self._material = material
        self._clock = clock
        self._rng = rng
        self._new_request = new_request
        self._read_seconds = 0.0
        self._round_seconds = 0.0
        self._lead_seen = ("", 0.0)
        self._seen: Known | None = None

    def publish(
        self,
        requests: Sequence[Request],
        *,
        base: Head | None = None,
        stand_in: Known | None = None,
        renew: bool = False,
    ) -> None:
        """Give every request its value or its error. `stand_in` is taken for the head if that is damaged or missing.

        Raises what befell all of them alike: CommitContended, SchemaTooNew, UnavailableError, StateDamaged; then nothing,
        or something unknown in the case of OutcomeUnknown, was published.
        """
        work = Round(requests, base=base, renew=renew)
        job = _Job(work, stand_in, self._clock.monotonic() + PATIENCE_SECONDS)
        while not self._step(job):
            if self._clock.monotonic() > job.deadline:
                if job.intent:
                    raise OutcomeUnknown(head_key(self._file), "the change was left for others, and waits")
                raise CommitContended(self._file, f"others were always faster{self._led_by()}")

    def discard(self) -> None:
        """Give up the working copy."""
        self._publisher.discard()

    def _step(self, job: _Job) -> bool:
        """One try; whether the job is done."""
        try:
            known = job.stand_in or self._first_look(job) or self._look()
            return self._is_settled(job, known) or self._go_on(job, known)
        except (PreconditionFailed, MaterialGone) as lost:
            log.info("%s: try %d lost the swap to another writer (%s)", self._file, job.tried, type(lost).__name__)
        except DatabaseUnreadable as error:
            job.unreadable += 1
            self._forget(job, error)
        except UnavailableError as error:
            if job.intent is None or isinstance(error, StateDamaged):
                raise
            self._wait(job)  # what was left may happen yet, so the head will tell
        return False

    def _go_on(self, job: _Job, known: Known | None) -> bool:
        job.tried += 1
        lead = self._lead_of(known)
        if not lead and self._is_alone(job, known):
            return self._make_directly(job, known)
        if known and not job.intent and job.may_be_left:
            self._leave(job, known)
        elif not lead or lead.is_vacant:
            return self._take_the_lead(job)
        if not job.has_waited:
            job.has_waited = True
            log.info("%s: waits for the writer that leads%s", self._file, self._led_by())
        self._wait(job)
        return False

    def _is_alone(self, job: _Job, known: Known | None) -> bool:
        """Whether to try directly: at first, and where there is no head that could carry a lead."""
        return job.tried == 1 or job.stand_in is not None or known is None or known.head.form < FORM

    def _make_directly(self, job: _Job, known: Known | None) -> bool:
        if job.tried > 1:
            self._pause(longer=job.tried)
            known = job.stand_in or self._look()
        self._make(job, known, job.work)
        return True

    def _take_the_lead(self, job: _Job) -> bool:
        """After a pause, in which another one may have been faster."""
        self._pause(least=0.0)
        known = self._look()
        lead = self._lead_of(known)
        if known is None or self._is_settled(job, known) or (lead and not lead.is_vacant):
            return job.is_done
        return self._lead(job, known)

    # Direct and leading

    def _make(self, job: _Job, known: Known | None, work: Round) -> Known | None:
        """Publish a generation with the job in it; the head, or None if nothing changed. Raises as `Publisher.make`."""
        began = self._clock.monotonic()
        try:
            made = self._publisher.make(known, work)
        finally:
            self._round_seconds = self._clock.monotonic() - began
        job.is_done = True
        return made

    def _lead(self, job: _Job, known: Known) -> bool:
        """Claim the lead, and carry out what waits until there is no more; whether the job is done."""
        claimed = self._publisher.claim(known, self._new_lead(is_again=job.leads > 0))
        if claimed is None:
            return False
        job.leads += 1
        ends = self._clock.monotonic() + TERM_SECONDS
        leading: Known | None = claimed
        try:
            while leading is not None:
                is_last = self._clock.monotonic() > ends
                work = self._round(job, leading, is_last=is_last)
                if job.is_done and not work.requests:
                    self._publisher.claim(leading, self._new_lead(seconds=0.0))
                    return True
                made = self._make(job, leading, work)
                if made is None:
                    self._publisher.claim(leading, self._new_lead(seconds=0.0))
                if is_last:
                    return True
                leading = made
        except Exception:  # somebody else was faster, or something failed; what is published already is safe
            if not job.is_done:
                raise
        return job.is_done

    def _round(self, job: _Job, known: Known, *, is_last: bool) -> Round:
        """The job, unless it is done, and what waits."""
        own = () if job.is_done else job.work.requests
        answers: dict[str, Sequence[Request]] = {job.intent.id: own} if job.intent and own else {}
        requests = list(own)
        for intent in self._publisher.pending(known.head, MOST_INTENTS):
            if job.intent is None or intent.id != job.intent.id:
                answers[intent.id] = [self._new_request(call, actor) for call, actor in intent.calls]
                requests += answers[intent.id]
        lead = self._new_lead(is_vacant=True) if is_last and answers else None if is_last else self._new_lead()
        base, renew = (None, False) if job.is_done else (job.work.base, job.work.renew)
        return Round(requests, answers, lead, base=base, renew=renew)

    def _new_lead(self, *, seconds: float | None = None, is_vacant: bool = False, is_again: bool = False) -> Lead:
        if seconds is None:
            longest = LONGEST_LEAD_SECONDS if is_again else LONGER_LEAD_SECONDS
            seconds = min(longest, max(LEAD_SECONDS, 4 * self._round_seconds, 15 * self._read_seconds))
        until = self._clock.now() + timedelta(seconds=seconds)
        return Lead(self._publisher.new_nonce(), until, seconds, is_vacant)

    def _led_by(self) -> str:
        """Who leads and until when, by the last look, for a message."""
        lead = self._seen.head.lead if self._seen else None
        return f" ({lead.nonce[:8]} leads until {lead.until:%H:%M:%S} UTC)" if lead else ""

    def _lead_of(self, known: Known | None) -> Lead | None:
        """Who leads, as far as anybody can tell: its clock may be wrong, and it may have been killed."""
        lead = known.head.lead if known else None
        if lead is None or lead.until <= self._clock.now():
            return None
        now = self._clock.monotonic()
        if self._lead_seen[0] != lead.nonce:
            self._lead_seen = (lead.nonce, now)
        return lead if now - self._lead_seen[1] < lead.seconds else None

    # Leaving and waiting

    def _leave(self, job: _Job, known: Known) -> None:
        """Leave the job's calls for whoever leads. Where it is not known whether that was stored, it may have been."""
        calls = tuple((request.call, request.actor) for request in job.work.requests if request.call)
        intent = Intent(known.generation, self._publisher.new_nonce(), calls)
        with suppress(OutcomeUnknown):
            self._publisher.leave(intent)
        job.intent, job.searched, job.waits = intent, None, 0

    def _is_settled(self, job: _Job, known: Known | None) -> bool:
        """Whether the head tells what became of what was left; then the requests have their results.

        What will not happen any more is taken back. Raises OutcomeUnknown where the history does not go back so far.
        """
        if job.intent is None or known is None or known is job.searched:
            return job.is_done
        searched = job.searched.head if job.searched else None
        found = self._publisher.result_of(known.head, job.intent, searched)
        if found is not None:
            results, generation = found
            for request, raw in zip(job.work.requests, results, strict=True):
                request.value, request.error = intents.decode_result(raw)
                request.generation = generation
            job.is_done = True
        elif job.intent.generation < known.head.oldest_intent:
            job.intent = None
        job.searched = known
        return job.is_done

    def _first_look(self, job: _Job) -> Known | None:
        """A head that was looked at a moment ago, as by the request's own reads: nobody will have changed it, and if
        somebody has, the swap is lost and nothing else."""
        return None if job.tried else self._pointer.lately(LATELY_SECONDS)

    def _look(self) -> Known | None:
        began = self._clock.monotonic()
        known = self._seen = self._pointer.refresh()
        self._read_seconds = self._clock.monotonic() - began
        return known

    def _wait(self, job: _Job) -> None:
        """A pause before the next look. Who has waited for long looks less often: each look of a crowd slows its leader."""
        job.waits += 1
        self._pause(patience=min(PATIENCE_GROWS ** min(max(0, job.waits - PATIENT_AFTER), 20), MOST_PATIENT))

    def _pause(self, *, least: float = READS_A_PAUSE[0], longer: int = 1, patience: float = 1.0) -> None:
        """In proportion to what a look at the head takes, and between limits; on a store that is slow for the moment, longer."""
        share = self._rng.uniform(least / READS_A_PAUSE[1], 1)
        limit = min(max(LONGEST_PAUSE_SECONDS, 3 * self._read_seconds), 8 * LONGEST_PAUSE_SECONDS)
        longest = min(limit, max(SHORTEST_PAUSE_SECONDS, READS_A_PAUSE[1] * self._read_seconds * longer))
        self._clock.sleep(share * longest * patience)

    def _forget(self, job: _Job, error: DatabaseUnreadable) -> None:
        """The local bytes may be at fault: they are fetched again. Raises StateDamaged if that did not help so often."""
        known = job.stand_in or self._pointer.refresh()
        head = job.work.base or (known.head if known else None)
        if head is None:
            raise error
        self._material.forget(head)
        if job.unreadable == UNREADABLE_TRIES:
            raise StateDamaged(head.snapshot.key, str(error)) from error
