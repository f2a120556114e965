"""Publishing: changes become the next generation of one file, or nothing at all.

    take the lease for generation n+1            one conditional write
    bring the working copy to generation n       nothing, for a warm writer
    run each change in a transaction of its own
    upload the log, or a snapshot                one write, immutable, under a key of our own
    swap the head if it still is generation n    one conditional write: this is the commit

Losing the swap changes nothing anywhere: the working copy, which now holds commits that never happened,
is thrown away, and the changes run again. Nobody hears of a result, a refusal included, before the
generation that it rests on is known to be published.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from random import Random
from typing import Any

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import (
    ABSENT,
    ANYTHING,
    Blob,
    Clock,
    Expect,
    ObjectStore,
    OutcomeUnknown,
    PreconditionFailed,
    TryAgain,
    Unchanged,
    Version,
)
from agnes.kernel.state import Db
from agnes.state import repair
from agnes.state.engine import CopySpoiled, DatabaseUnreadable, Engine, WorkingCopy
from agnes.state.head import (
    HISTORY_IN_HEAD,
    PAGE,
    Head,
    Log,
    Published,
    Snapshot,
    StateDamaged,
    decode_page,
    encode_page,
    head_key,
    page_key,
    page_of,
)
from agnes.state.lease import CommitContended, Known, Lease
from agnes.state.material import Material, MaterialGone
from agnes.state.migrations import Plan
from agnes.state.pointer import Pointer
from agnes.state.settle import write_settled

TRIES = 8
FOLD_LOG_BYTES = 4 * 2**20
FOLD_COMMITS = 1000
FOLD_SHIPPED_BYTES = 2 * 2**20
"""At least so much is uploaded as logs before a snapshot is: small files would fold all the time."""


class SchemaTooNew(UnavailableError):
    """A newer release has migrated the file; this one must not write what it does not understand."""

    code = "schema_too_new"

    def __init__(self, file: str) -> None:
        super().__init__(
            f"{file} has the schema of a newer release and is read-only for this one",
            hint="Deploy the newer release everywhere.",
        )
        self.file = file


@dataclass(slots=True)
class Request:
    """One change and, in the end, its result. `context` is that of the thread that asked."""

    change: Callable[[Db], Any]
    context: Context = field(default_factory=copy_context)
    done: bool = False
    value: Any = None
    error: BaseException | None = None
    generation: int = 0
    """The generation that holds the change; 0 if it changed nothing."""


@dataclass(frozen=True, slots=True)
class Base:
    """An old generation to begin from instead of the newest: a restore."""

    head: Head


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
        lease: Lease,
        material: Material,
        engine: Engine,
        clock: Clock,
        rng: Random,
    ) -> None:
        self._store = store
        self._plan = plan
        self._file = plan.file
        self._pointer = pointer
        self._lease = lease
        self._material = material
        self._engine = engine
        self._clock = clock
        self._rng = rng
        self._copy: WorkingCopy | None = None
        self._copy_of: Head | None = None

    def publish(self, requests: Sequence[Request], *, base: Base | None = None, stand_in: Known | None = None) -> None:
        """Give every request its value or its error. `stand_in` is taken for the head if that is damaged or missing.

        Raises what befell all of them alike:
        CommitContended, SchemaTooNew, UnavailableError, StateDamaged; then nothing, or something unknown
        in the case of OutcomeUnknown, was published."""
        waiting = list(requests)
        lost = 0
        while lost < TRIES:
            if lost:
                self._clock.sleep(self._rng.uniform(0, 0.005 * 2**lost))
            known = self._lease.take(lambda: stand_in) if stand_in else self._lease.take(self._pointer.refresh)
            try:
                self._attempt(known, waiting, base)
                return
            except CopySpoiled as spoiled:
                self.discard()
                culprit = next((request for request in waiting if request.error is spoiled), None)
                if culprit is None or not isinstance(spoiled.cause, Exception):
                    raise spoiled.cause from None
                culprit.error = spoiled.cause
                waiting.remove(culprit)  # and the others run again without it
            except DatabaseUnreadable as error:
                start = base.head if base else known.head
                self._material.forget(start)  # the local bytes may be at fault
                failure = StateDamaged(start.snapshot.key, str(error))
                lost += 1
            except (PreconditionFailed, MaterialGone):
                self.lost()
                failure = CommitContended(self._file, f"others were faster {TRIES} times")
                lost += 1
            except BaseException:
                self.lost()
                self._lease.give_back(_generation(known) + 1)
                raise
        raise failure

    def lost(self) -> None:
        """The head was not swapped, as far as we know: the working copy holds commits that never happened."""
        self.discard()

    def discard(self) -> None:
        if self._copy is not None:
            self._copy.close()
        self._copy = self._copy_of = None

    def _attempt(self, known: Known | None, waiting: Sequence[Request], base: Base | None) -> None:
        """One run of the changes on one generation."""
        head = known.head if known else None
        if head is None:
            repair.require_new(self._store, self._file)
        if head and self._plan.newer(head.schema):
            raise SchemaTooNew(self._file)
        copy = self._working_copy(head, base)
        start = base.head if base else head
        missing = self._plan.missing(start.schema if start else {})
        if missing:
            copy.migrate(missing)
        before = copy.log_size()
        for request in waiting:
            _run(copy, request)
        if head and not base and not missing and copy.log_size() == before:
            self._lease.give_back(head.generation + 1)
            return
        made, body = self._upload(copy, head, fold=base is not None)
        version = self._swap(made, known.version if known else None)
        self._copy_of = made
        with suppress(OSError):  # committed is committed, whether or not there is room to keep it here
            self._material.keep(made, body)
        if version is not None:
            self._pointer.learn(made, version)
        for request in waiting:
            request.generation = made.generation

    def _working_copy(self, head: Head | None, base: Base | None) -> WorkingCopy:
        """Open at `head`, or at `base`."""
        start = base.head if base else head
        if base or self._copy is None or not self._stands_at(head):
            self.discard()
            snapshot, log = self._material.of(start) if start else (None, b"")
            self._copy = self._engine.open(self._file, snapshot, log)
            self._copy_of = head
        return self._copy

    def _stands_at(self, head: Head | None) -> bool:
        """Whether the working copy is that generation and no other of the same number."""
        mine = self._copy_of
        return mine is not None and head is not None and (mine.generation, mine.nonce) == (head.generation, head.nonce)

    def _upload(self, copy: WorkingCopy, head: Head | None, *, fold: bool) -> tuple[Head, bytes]:
        generation = _generation(head) + 1
        nonce = f"{self._rng.getrandbits(64):016x}"
        fold = fold or head is None or self._must_fold(copy) or self._is_time_to_fold(head, copy.log_size())
        body = copy.fold() if fold else copy.log()
        sha256 = hashlib.sha256(body).hexdigest()
        base = generation if fold else head.snapshot.generation
        schema = self._plan.schema if fold else None
        line = Published(generation, nonce, self._clock.now().isoformat(), sha256, len(body), base, schema)
        key = line.key(self._file)
        if fold:
            snapshot, log = Snapshot(key, generation, sha256, len(body)), None
        else:
            commits, shipped = (head.log.commits, head.log.shipped) if head.log else (0, 0)
            snapshot, log = head.snapshot, Log(key, sha256, len(body), commits + 1, shipped + len(body))
        self._write_ours(key, body, verify=fold)
        history = self._turn_page((*(head.history if head else ()), line))
        return Head(generation, nonce, self._plan.schema, snapshot, log, history), body

    def _must_fold(self, copy: WorkingCopy) -> bool:
        return copy.must_fold()

    def _is_time_to_fold(self, head: Head, log_bytes: int) -> bool:
        """When as many bytes went up as logs as a snapshot has: no file pays twice what it must."""
        commits, shipped = (head.log.commits, head.log.shipped) if head.log else (0, 0)
        return (
            log_bytes > FOLD_LOG_BYTES
            or commits >= FOLD_COMMITS
            or shipped + log_bytes > max(head.snapshot.size, FOLD_SHIPPED_BYTES)
        )

    def _turn_page(self, history: tuple[Published, ...]) -> tuple[Published, ...]:
        """Keep the head small: its oldest whole page goes to an object of its own first."""
        if len(history) <= HISTORY_IN_HEAD:
            return history
        page = page_of(history[0].generation)
        leaving = tuple(line for line in history if page_of(line.generation) == page)
        if len(leaving) == PAGE:
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
                failure = TryAgain(key, "what was read back is not what was written")
            except (TryAgain, OutcomeUnknown) as error:
                failure = error
        raise TryAgain(key, "the store was busy to the end") from failure

    def _swap(self, made: Head, version: Version | None) -> Version | None:
        """The commit. The version under which `made` stands, None if others have already followed it.

        Raises PreconditionFailed when it lost, OutcomeUnknown when nobody can tell.
        """
        followed = False

        def has_nonce(body: bytes) -> bool:
            nonlocal followed
            try:
                found = Head.decode(head_key(self._file), body)
                followed = found.generation > made.generation
                return self._is_ours(made, found)
            except (UnavailableError, StateDamaged) as error:
                raise OutcomeUnknown(head_key(self._file), "what followed it cannot be read") from error

        stands = write_settled(
            self._store,
            head_key(self._file),
            made.encode(),
            expect=self._condition(version),
            has_nonce=has_nonce,
            clock=self._clock,
            content_type="application/json",
            jitter=self._rng.random,
        )
        return None if followed else stands

    def _condition(self, version: Version | None) -> Expect:
        return Unchanged(version) if version else ABSENT

    def _is_ours(self, made: Head, found: Head) -> bool:
        """Whether the generation that we tried to make is, in committed history, the one that we made."""
        if found.generation < made.generation:
            return False
        lines = found.history
        if made.generation < lines[0].generation:
            key = page_key(self._file, page_of(made.generation))
            page = self._store.read(key)
            if not isinstance(page, Blob):
                raise OutcomeUnknown(head_key(self._file), "its history was pruned")
            lines = decode_page(key, page.body)
        return any(line.generation == made.generation and line.nonce == made.nonce for line in lines)


def _holds(store: ObjectStore, key: str, body: bytes) -> bool:
    found = store.read(key)
    return isinstance(found, Blob) and found.body == body


def _run(copy: WorkingCopy, request: Request) -> None:
    request.value = request.error = None
    try:
        request.value = request.context.run(copy.run, request.change)
    except CopySpoiled as spoiled:
        request.error = spoiled
        raise
    except Exception as error:  # the change's own, told to whoever asked for it
        request.error = error


def _generation(known: Known | Head | None) -> int:
    return known.generation if known else 0
