"""What a consumer of the queue has harvested, on its way to who publishes it: a manifest and one file of events.

The manifest makes it true and names everything that a publication needs, so the two may be days and machines apart.
Nothing of a redacted person waits here: who prepares looks for tombstones again after it has written, and a redaction
removes every prepared batch that holds its sessions. Their notes stay, so what else they held is done again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import Clock, ObjectStore
from agnes.telemetry import keys, sealed
from agnes.telemetry.extraction.harvest import Candidate, Harvest
from agnes.telemetry.keys import SessionId
from agnes.telemetry.lake import damage, objects
from agnes.telemetry.lake.batch import ScratchDatabase
from agnes.telemetry.model import PROCESSOR_VERSION
from agnes.telemetry.transcripts import tombstones

log = logging.getLogger("agnes.telemetry")

_READ_AT_ONCE = 8
Manifest = TypeVar("Manifest", bound="Head")


class Reading(msgspec.Struct):
    """Which session was read, and the generation that the ledger had of it."""

    user_id: str
    session_id: str
    based_on: str

    @property
    def session(self) -> SessionId:
        return SessionId(self.user_id, self.session_id)


class Head(msgspec.Struct):
    """A manifest without what is to be published: a reprocessing has as many sessions as the whole history."""

    id: str
    """Of this reading: a message that is delivered twice gives two."""
    processor_version: int
    pruned_before: date | None
    epoch: str
    """Of the reprocessing that it belongs to; empty for the inbox."""
    sessions: Sequence[Reading]
    notes: dict[str, SessionId]
    """Those that it has dealt with, and whose they are."""
    events_sha256: str = ""
    """Of the file of its events; empty if there are none, or an earlier release wrote it."""

    @property
    def key(self) -> str:
        return keys.aside(self.id) if self.epoch else keys.prepared(self.id)

    @property
    def events_key(self) -> str:
        return keys.prepared_events(self.id)

    def is_current(self, pruned_before: date | None) -> bool:
        """Made by the rules of today, and with the events that are kept today."""
        return self.processor_version == PROCESSOR_VERSION and self.pruned_before == pruned_before


class Found(Reading):
    """A session as it was read: what the ledger is to say of it."""

    row: dict[str, Any] | None
    transcripts: list[dict[str, Any]] = []


class Prepared(Head):
    sessions: Sequence[Found]

    def candidates(self) -> list[Candidate]:
        return [Candidate(one.session, one.based_on, one.row, one.transcripts) for one in self.sessions]


def write(
    store: ObjectStore,
    clock: Clock,
    bench: ScratchDatabase,
    found: Harvest,
    *,
    epoch: str,
    notes: Mapping[str, SessionId],
) -> Prepared | None:
    """None if a redaction came between: nothing is left of it then."""
    sessions = [Found(*one.session, one.based_on, one.row, one.transcripts) for one in found.candidates]
    extracted = {one.session for one in found.candidates}
    prepared = Prepared(
        id=found.generation,
        processor_version=PROCESSOR_VERSION,
        pruned_before=found.pruned_before,
        epoch=epoch,
        sessions=sessions,
        notes=dict(notes),
    )
    if sessions:
        bench.load_events()
        path = bench.write_harvested()
        prepared.events_sha256 = damage.digest(path)
        objects.put_file(store, clock, prepared.events_key, path, objects.PARQUET)
    body = sealed.seal(prepared.key, msgspec.json.encode(prepared))
    objects.put(store, clock, prepared.key, body, objects.JSON)
    buried = tombstones.of_users(store, {user for user, _ in extracted})
    if any(session in buried[user].sessions for user, session in extracted):
        remove(store, [prepared])
        return None
    return prepared


def heads(store: ObjectStore, wanted: Sequence[str]) -> Iterator[Head]:
    """Those that are still there, in their order; a few are whole in memory at a time."""
    return _read(store, wanted, Head)


def whole(store: ObjectStore, wanted: Iterable[Head]) -> Iterator[Prepared]:
    """The same with everything in them."""
    return _read(store, [one.key for one in wanted], Prepared)


def _read(store: ObjectStore, wanted: Sequence[str], kind: type[Manifest]) -> Iterator[Manifest]:
    for start in range(0, len(wanted), _READ_AT_ONCE):
        some = wanted[start : start + _READ_AT_ONCE]
        for key, blob in zip(some, objects.read_all(store, some), strict=True):
            if blob is not None and (found := _decoded(store, key, blob.body, kind)) is not None:
                yield found


def _decoded(store: ObjectStore, key: str, body: bytes, kind: type[Manifest]) -> Manifest | None:
    """None for a damaged manifest, which is put away: its notes and sessions wait again."""
    try:
        found = msgspec.json.decode(sealed.opened(key, body), type=kind)
        if found.key == key:
            return found
    except ValueError:
        pass
    sealed.put_away(store, key, body)
    return None


def events(store: ObjectStore, one: Head, folder: Path) -> Path | None:
    """Its events as a file; None if there are none, they are damaged, or a redaction has just removed them: then what they
    were made of is read again."""
    if not one.sessions:
        return None
    try:
        path = objects.fetch(store, [one.events_key], folder)[one.events_key]
    except UnavailableError as exc:
        if exc.code != "object_missing":
            raise
        return None
    whole = damage.digest(path) == one.events_sha256 if one.events_sha256 else damage.is_readable(path)
    if not whole:
        log.error("events of a prepared batch are damaged: %s", one.events_key, extra={"key": one.events_key})
    return path if whole else None


def remove(store: ObjectStore, found: Iterable[Head]) -> None:
    store.remove([key for one in found for key in (one.key, one.events_key)])


def remove_of(store: ObjectStore, user_id: str, sessions: Iterable[str]) -> int:
    """Remove every prepared batch that holds one of these sessions, and all events that no manifest names: a consumer
    that died may have left them. How many batches."""
    gone = {(user_id, session) for session in sessions}
    waiting = [entry.key for folder in (keys.PREPARED, keys.ASIDE) for entry in store.list(folder)]
    found, named = [], set()
    for one in heads(store, waiting):
        if gone.isdisjoint(reading.session for reading in one.sessions):
            named.add(one.events_key)
        else:
            found.append(one)
    remove(store, found)
    store.remove([entry.key for entry in store.list(keys.PREPARED_EVENTS) if entry.key not in named])
    return len(found)
