"""What a consumer of the queue has harvested, on its way to who publishes it: a manifest and one file of events.

The manifest makes it true and names everything that a publication needs, so the two may be days and machines apart.
Nothing of a redacted person waits here: who prepares looks for tombstones again after it has written, and a redaction
removes every prepared batch that holds its sessions. Their notes stay, so what else they held is done again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import Blob, Clock, ObjectStore
from agnes.telemetry import keys
from agnes.telemetry.extraction.harvest import Candidate, Harvest
from agnes.telemetry.keys import SessionId
from agnes.telemetry.lake import objects
from agnes.telemetry.lake.batch import Workbench
from agnes.telemetry.model import PROCESSOR_VERSION
from agnes.telemetry.transcripts import tombstones


class Session(msgspec.Struct):
    user_id: str
    session_id: str
    based_on: str
    row: dict[str, Any] | None
    transcripts: list[dict[str, Any]] = []


class Prepared(msgspec.Struct):
    id: str
    """Of this reading: a message that is delivered twice gives two."""
    processor_version: int
    pruned_before: date | None
    epoch: str
    """Of the reprocessing that it belongs to; empty for the inbox."""
    sessions: list[Session]
    notes: dict[str, SessionId]
    """Those that it has dealt with, and whose they are."""

    @property
    def key(self) -> str:
        return keys.prepared(self.id)

    @property
    def events_key(self) -> str:
        return keys.prepared_events(self.id)

    def candidates(self) -> list[Candidate]:
        return [Candidate((s.user_id, s.session_id), s.based_on, s.row, s.transcripts) for s in self.sessions]

    def is_current(self, pruned_before: date | None) -> bool:
        """Made by the rules of today, and with the events that are kept today."""
        return self.processor_version == PROCESSOR_VERSION and self.pruned_before == pruned_before


def write(
    store: ObjectStore,
    clock: Clock,
    bench: Workbench,
    found: Harvest,
    *,
    epoch: str,
    notes: Mapping[str, SessionId],
) -> Prepared | None:
    """None if a redaction came between: nothing is left of it then."""
    sessions = [Session(*one.session, one.based_on, one.row, one.transcripts) for one in found.candidates]
    extracted = {one.session for one in found.candidates}
    prepared = Prepared(
        found.generation,
        PROCESSOR_VERSION,
        found.pruned_before,
        epoch,
        sessions,
        dict(notes),
    )
    if sessions:
        bench.load_events()
        objects.put_file(store, clock, prepared.events_key, bench.write_harvested(), objects.PARQUET)
    objects.put(store, clock, prepared.key, msgspec.json.encode(prepared), objects.JSON)
    buried = tombstones.of_users(store, {user for user, _ in extracted})
    if any(session in buried[user].sessions for user, session in extracted):
        remove(store, [prepared])
        return None
    return prepared


def read(store: ObjectStore, wanted: Iterable[str]) -> list[Prepared]:
    """Those that are still there."""
    found = objects.read_all(store, list(wanted))
    return [msgspec.json.decode(blob.body, type=Prepared) for blob in found if isinstance(blob, Blob)]


def events(store: ObjectStore, one: Prepared, folder: Path) -> Path | None:
    """Its events as a file; None if there are none, or a redaction has just removed them."""
    try:
        return objects.fetch(store, [one.events_key], folder)[one.events_key] if one.sessions else None
    except UnavailableError as exc:
        if exc.code != "object_missing":
            raise
        return None


def remove(store: ObjectStore, found: Sequence[Prepared]) -> None:
    store.remove([key for one in found for key in (one.key, one.events_key)])


def remove_of(store: ObjectStore, user_id: str, sessions: Iterable[str]) -> int:
    """Remove every prepared batch that holds one of these sessions, and all events that no manifest names: a consumer
    that died may have left them. How many batches."""
    gone = {(user_id, session) for session in sessions}
    waiting = read(store, [entry.key for entry in store.list(keys.PREPARED)])
    found = [one for one in waiting if gone & {(s.user_id, s.session_id) for s in one.sessions}]
    remove(store, found)
    named = {one.events_key for one in waiting if one not in found}
    store.remove([entry.key for entry in store.list(keys.PREPARED_EVENTS) if entry.key not in named])
    return len(found)
