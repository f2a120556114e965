"""Publishing: changes become the next generation of one file, or nothing at all.

    bring the working copy to the newest generation      nothing, for a warm writer
    run each change in a transaction of its own
    put what the log has grown by into a new head        now and then, the whole log or a snapshot is stored first
    swap the head if it still is what it was             one conditional write: this is the commit

Losing the swap changes nothing anywhere: the working copy, which now holds commits that never happened,
is thrown away, and the changes run again. Nobody gets a result, a refusal included, before the
generation that it rests on is known to be published. What writers do that lose: agnes.state.contention.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import (
    ABSENT,
    ANYTHING,
    Clock,
    Expect,
    ObjectStore,
    OutcomeUnknown,
    PreconditionFailed,
    TryAgain,
    Unchanged,
    Version,
)
from agnes.state import repair
from agnes.state.audit_lines import CHAINED_SINCE, Book
from agnes.state.engine import CopySpoiled, Engine, WorkingCopy
from agnes.state.head import (
    FORM,
    HISTORY_IN_HEAD,
    TAIL_GENERATIONS,
    Head,
    Lead,
    Log,
    Published,
    Snapshot,
    StateDamaged,
    decode_page,
    encode_page,
    generation_of,
    head_key,
    pack,
    page_key,
    page_of,
)
from agnes.state.intents import Intent, encode_result, waiting
from agnes.state.material import Material, MaterialGone
from agnes.state.migrations import Plan
from agnes.state.pointer import Known, Pointer
from agnes.state.requests import Request, run_all, run_apart
from agnes.state.settle import write_settled

TRIES = 8
log = logging.getLogger("agnes.state")

FOLD_LOG_BYTES = 4 * 2**20
FOLD_COMMITS = 1000
FOLD_SHIPPED_BYTES = 2 * 2**20
"""At least so many bytes of logs are published before a snapshot is: small files would fold all the time."""
TAIL_BYTES = 128 * 2**10
TAIL_PACKED_CHARACTERS = 32 * 2**10
"""A log whose end would be larger, as it is or packed, is stored as an object: everybody reads the head all the time."""


class SchemaTooNew(UnavailableError):
    """A newer release has migrated the file, and not by adding alone: this one must not write to it."""

    code = "schema_too_new"

    def __init__(self, file: str) -> None:
        super().__init__(
            f"{file} has the schema of a newer release and is read-only for this one",
            hint="Deploy the newer release everywhere.",
        )
        self.file = file


@dataclass(frozen=True, slots=True)
class Round:
    """What one generation is made of."""

    requests: Sequence[Request] = ()
    answers: Mapping[str, Sequence[Request]] = field(default_factory=dict)
    """Those of the requests whose results the head must carry, by the ids of their intents."""
    lead: Lead | None = None
    """Of the head that is published: its maker goes on."""
    base: Head | None = None
    """An old generation to begin from instead of the newest: a restore."""
    renew: bool = False
    """Publish a head of the newest form, whether or not anything changed."""


class Publisher:
    """Makes the generations of one file. One thread at a time (agnes.state.group sees to it).

    Each rule that a commit's safety rests on is a method of its own, so that the simulation can
    break it and show that it is needed.
    """

    def __init__(
        self,
        store: ObjectStore,
        plan: Plan,
        *,
        pointer: Pointer,
        material: Material,
        engine: Engine,
        clock: Clock,
        rng: Random,
        tail_generations: int = TAIL_GENERATIONS,
    ) -> None:
        self._store = store
        self._tail_generations = tail_generations
        self._plan = plan
        self._file = plan.file
        self._book = Book(plan.file, is_chained=len(plan.common) >= CHAINED_SINCE)
        self._pointer = pointer
        self._material = material
        self._engine = engine
        self._clock = clock
        self._rng = rng
        self._copy: WorkingCopy | None = None
        self._copy_of: Head | None = None

    def make(self, known: Known | None, work: Round) -> Known | None:
        """Publish the generation after `known`, and give every request its value or its error.

        None if nothing had to be published, or others have followed it and the store does not say how. Raises PreconditionFailed where somebody else was faster, MaterialGone,
        DatabaseUnreadable, SchemaTooNew, UnavailableError, StateDamaged; then nothing, or something unknown in
        the case of OutcomeUnknown, was published.
        """
        together = True
        while True:
            try:
                return self._make(known, work, together=together)
            except CopySpoiled as spoiled:
                self.discard()
                if together and isinstance(spoiled.cause, Exception):
                    together = False  # whose change it was shows when each is made alone
                    continue
                culprit = next((request for request in work.requests if request.error is spoiled), None)
                if culprit is None or not isinstance(spoiled.cause, Exception):
                    raise spoiled.cause from None
                culprit.error, culprit.is_spoiled = spoiled.cause, True  # and the others run again without it
            except BaseException:
                self.lost()
                raise

    def claim(self, known: Known, lead: Lead) -> Known | None:
        """Swap the head for one that differs by its lead only; None if that was not to be had."""
        claimed = replace(known.head, lead=lead)
        encoded = claimed.encode()
        try:
            version = write_settled(
                self._store,
                head_key(self._file),
                encoded,
                expect=self._condition(known.version),
                has_nonce=lambda body: body == encoded,
                clock=self._clock,
                content_type="application/json",
                attempts=2,
                jitter=self._rng.random,
            )
        except (PreconditionFailed, UnavailableError):
            return None
        return self._pointer.learn(claimed, version)

    def leave(self, intent: Intent) -> None:
        """Raises OutcomeUnknown where it may have been stored, UnavailableError where it was not."""
        key, body = intent.encode(self._file)
        with suppress(PreconditionFailed):  # stored by an attempt whose answer was lost
            write_settled(
                self._store,
                key,
                body,
                expect=ABSENT,
                has_nonce=lambda _: True,
                clock=self._clock,
                attempts=3,
                jitter=self._rng.random,
            )

    def pending(self, head: Head, at_most: int) -> list[Intent]:
        """Intents that nobody has carried out yet."""
        found = waiting(self._store, self._file, since=head.oldest_intent, at_most=at_most, but=self._settled(head))
        return [intent for intent in found if intent.generation <= head.generation]

    def _settled(self, head: Head) -> frozenset[str]:
        """Ids of all intents that were carried out since `head.oldest_intent`."""
        lines = (line for line in head.history if line.generation > head.oldest_intent)
        return frozenset(name for line in lines for name in self._results(line))

    def result_of(self, head: Head, intent: Intent, searched: Head | None = None) -> tuple[list[Any], int] | None:
        """What became of an intent, and the generation that holds it. `searched` is an earlier head that says nothing of it.

        Raises OutcomeUnknown where the history was pruned.
        """
        lines = list(head.history)
        if searched and any((line.generation, line.nonce) == (searched.generation, searched.nonce) for line in lines):
            lines = [line for line in lines if line.generation > searched.generation]
            return self._found(lines, intent)
        while intent.generation + 1 < lines[0].generation:
            page = self._page(page_of(lines[0].generation - 1))
            older = [line for line in page if line.generation < lines[0].generation]
            if not older:
                raise OutcomeUnknown(head_key(self._file), "its head was rebuilt since")
            lines = [*older, *lines]
        return self._found(lines, intent)

    def _found(self, lines: Sequence[Published], intent: Intent) -> tuple[list[Any], int] | None:
        for line in lines:
            if line.generation > intent.generation and (found := self._results(line).get(intent.id)):
                return found, line.generation
        return None

    def _results(self, line: Published) -> dict[str, list[list[Any]]]:
        try:
            return line.results
        except ValueError as error:
            raise StateDamaged(head_key(self._file), f"results in it cannot be read ({error})") from error

    def _page(self, page: int) -> tuple[Published, ...]:
        key = page_key(self._file, page)
        found = self._store.read(key)
        if found is None:
            raise OutcomeUnknown(head_key(self._file), "its history was pruned")
        return decode_page(key, found.body)

    def lost(self) -> None:
        """The head was not swapped, as far as we know: the working copy holds commits that never happened."""
        self.discard()

    def discard(self) -> None:
        if self._copy is not None:
            self._copy.close()
        self._copy = self._copy_of = None

    def _make(self, known: Known | None, work: Round, *, together: bool) -> Known | None:
        head = known.head if known else None
        if head is None:
            repair.require_new(self._store, self._file)
        start = work.base or head
        if any(known and self._plan.refuses(known.schema) for known in (head, start)):
            raise SchemaTooNew(self._file)
        copy = self._working_copy(head, work.base)
        missing = self._plan.missing(start.schema if start else {})
        if missing:
            copy.migrate(missing)
        before = copy.log_size()
        sound = [request for request in work.requests if not request.is_spoiled]
        self._run_all(copy, sound, together=together)
        renew = head is not None and work.renew and head.form < FORM
        is_unchanged = copy.log_size() == before and not work.answers
        if head and not work.base and not missing and not renew and is_unchanged:
            return None
        made = self._upload(copy, head, work)
        version = self._swap(made, known.version if known else None)
        self._copy_of = made
        for request in work.requests:
            request.generation = made.generation
        if version is not None:
            return self._pointer.learn(made, version)
        # Others have followed it already. It is published, so a look that fails must not say that it is not.
        with suppress(UnavailableError, StateDamaged):
            return self._pointer.refresh()
        return None

    def _run_all(self, copy: WorkingCopy, requests: Sequence[Request], *, together: bool) -> None:
        if together:
            run_all(copy, requests, self._book)
        else:
            run_apart(copy, requests, self._book)

    def _working_copy(self, head: Head | None, base: Head | None) -> WorkingCopy:
        """Open at `head`, or at `base`."""
        if base or self._copy is None or not self._is_of(head):
            self.discard()
            start = base or head
            snapshot, log = self._material.of(start) if start else (None, b"")
            self._copy = self._engine.open(self._file, snapshot, log)
            self._copy_of = head
        return self._copy

    def _is_of(self, head: Head | None) -> bool:
        """Whether the working copy is that generation and no other of the same number."""
        mine = self._copy_of
        return mine is not None and head is not None and (mine.generation, mine.nonce) == (head.generation, head.nonce)

    def _upload(self, copy: WorkingCopy, head: Head | None, work: Round) -> Head:
        """The head of the next generation; all objects that it names are stored."""
        if (
            head is None
            or work.base is not None
            or self._must_fold(copy)
            or self._is_time_to_fold(head, copy.log_size())
        ):
            self._store_log(head, is_replaced=work.base is not None)
            made = self._folded(copy, head, work.base or head)
        else:
            made = self._logged(copy, head)
        results = {name: [encode_result(r.value, r.error) for r in asked] for name, asked in work.answers.items()}
        line = replace(made.history[-1], packed_results=pack(json.dumps(results).encode()) if results else "")
        history = self._turn_page((*(head.history if head else ()), line))
        return replace(made, history=history, form=self._form(head, work), lead=work.lead)

    def _form(self, head: Head | None, work: Round) -> int:
        """As it is: an earlier release may be at work on the same file."""
        return FORM if head is None or work.renew else head.form

    def _store_log(self, head: Head | None, *, is_replaced: bool) -> None:
        """Before a fold: the generations of a log that is partly in the head stay readable by one stored log.

        What is replaced by an old generation may be damaged, and is then kept as it is.
        """
        if head is None or not head.history or not head.history[-1].in_head:
            return
        try:
            body = self._material.log(head)
        except (StateDamaged, MaterialGone):
            if not is_replaced:
                raise
        else:
            self._write_ours(head.history[-1].key(self._file), body)

    def _folded(self, copy: WorkingCopy, head: Head | None, start: Head | None) -> Head:
        """The next generation as a snapshot. `start` is what was migrated and changed: `head`, or what replaces it."""
        body = copy.fold()
        log.info("%s is folded into a snapshot of %d bytes", self._file, len(body))
        generation, schema = _generation(head) + 1, self._plan.over(start.schema if start else {})
        line = replace(self._line(generation, body, base=generation), schema=schema)
        snapshot = Snapshot(line.key(self._file), generation, line.sha256, line.size)
        self._write_ours(snapshot.key, body, verify=True)
        with suppress(OSError):  # there may be no room to keep it here
            self._material.keep_snapshot(snapshot, body)
        return Head(generation, line.nonce, schema, snapshot, None, (line,))

    def _logged(self, copy: WorkingCopy, head: Head) -> Head:
        """The next generation as a longer log: in the head, as long as it is small."""
        body = copy.log()
        line = self._line(head.generation + 1, body, base=head.snapshot.generation)
        commits, shipped = (head.log.commits, head.log.shipped) if head.log else (0, 0)
        log = Log("", "", 0, commits + 1, shipped + len(body))
        if head.log and head.log.key:
            log = replace(log, key=head.log.key, sha256=head.log.sha256, size=head.log.size)
        tail = body[log.size :]
        packed = pack(tail) if len(tail) <= TAIL_BYTES else None
        if packed is not None and self._fits_in_head(head, packed):
            log, line = replace(log, packed=packed), replace(line, in_head=True)
        else:
            log = replace(log, key=line.key(self._file), sha256=line.sha256, size=line.size)
            self._write_ours(log.key, body)
            self._material.keep_log(log.key, body)
        return Head(line.generation, line.nonce, head.schema, head.snapshot, log, (line,))

    def _line(self, generation: int, body: bytes, *, base: int) -> Published:
        digest = hashlib.sha256(body).hexdigest()
        return Published(generation, self.new_nonce(), self._clock.now().isoformat(), digest, len(body), base)

    def _fits_in_head(self, head: Head, packed: str) -> bool:
        """Generation 2 is always stored, so that a file whose head is lost is not taken for a new one (repair.require_new)."""
        last = head.log.key if head.log and head.log.key else head.snapshot.key
        return (
            head.form >= FORM
            and head.generation > 1
            and head.generation - (generation_of(last) or 0) < self._tail_generations
            and len(packed) <= TAIL_PACKED_CHARACTERS
        )

    def new_nonce(self) -> str:
        return f"{self._rng.getrandbits(64):016x}"

    def _must_fold(self, copy: WorkingCopy) -> bool:
        return copy.must_fold()

    def _is_time_to_fold(self, head: Head, log_bytes: int) -> bool:
        """When as many bytes were published as logs as a snapshot has: no file pays twice what it must."""
        commits, shipped = (head.log.commits, head.log.shipped) if head.log else (0, 0)
        return (
            log_bytes > FOLD_LOG_BYTES
            or commits >= FOLD_COMMITS
            or shipped + log_bytes > max(head.snapshot.size, FOLD_SHIPPED_BYTES)
        )

    def _turn_page(self, history: tuple[Published, ...]) -> tuple[Published, ...]:
        """Keep the head small: its oldest page goes to an object of its own first. It is whole, but where a head was rebuilt."""
        if len(history) <= HISTORY_IN_HEAD:
            return history
        page = page_of(history[0].generation)
        leaving = tuple(line for line in history if page_of(line.generation) == page)
        self._write_ours(page_key(self._file, page), encode_page(leaving), "application/json")
        return history[len(leaving) :]

    def _write_ours(
        self, key: str, body: bytes, content_type: str = "application/octet-stream", *, verify: bool = False
    ) -> None:
        """Write bytes that nobody else writes differently, as often as it takes, and read them back to `verify`."""
        for attempt in range(TRIES):
            if attempt:
                self._clock.sleep(self._rng.uniform(0, 0.02 * 2**attempt))
            try:
                self._store.write(key, body, expect=ANYTHING, content_type=content_type)
                if not verify or _holds(self._store, key, body):
                    return
                failure: TryAgain | OutcomeUnknown = TryAgain(key, "what was read back is not what was written")
            except (TryAgain, OutcomeUnknown) as error:
                failure = error
        raise TryAgain(key, "the store was busy to the end") from failure

    def _swap(self, made: Head, version: Version | None) -> Version | None:
        """The commit. The version that `made` has in the store, None if others have already followed it.

        Raises PreconditionFailed when it lost, OutcomeUnknown when nobody can tell.
        """
        followed, encoded = False, made.encode()

        def has_nonce(body: bytes) -> bool:
            nonlocal followed
            try:
                found = Head.decode(head_key(self._file), body)
                followed = body != encoded
                return self._is_ours(made, found)
            except (UnavailableError, StateDamaged) as error:
                raise OutcomeUnknown(head_key(self._file), "what followed it cannot be read") from error

        version_made = write_settled(
            self._store,
            head_key(self._file),
            encoded,
            expect=self._condition(version),
            has_nonce=has_nonce,
            clock=self._clock,
            content_type="application/json",
            jitter=self._rng.random,
        )
        return None if followed else version_made

    def _condition(self, version: Version | None) -> Expect:
        return Unchanged(version) if version else ABSENT

    def _is_ours(self, made: Head, found: Head) -> bool:
        """Whether the generation that we tried to make is, in committed history, the one that we made."""
        if found.generation < made.generation:
            return False
        lines = found.history
        if made.generation < lines[0].generation:
            lines = self._page(page_of(made.generation))
        return any(line.generation == made.generation and line.nonce == made.nonce for line in lines)


def _holds(store: ObjectStore, key: str, body: bytes) -> bool:
    found = store.read(key)
    return found is not None and found.body == body


def _generation(head: Head | None) -> int:
    return head.generation if head else 0
