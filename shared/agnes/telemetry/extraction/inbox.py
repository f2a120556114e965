"""The inbox: notes of what changed, batches of them that a queue's consumers have, and what these have prepared.

    inbox/<ulid>.json             a note: a transcript is new or has changed, or its session was redacted
    inbox/batches/<ulid>.json     a batch: which notes, or which stale sessions, a message names
    inbox/prepared/<ulid>.json    a batch that is read and waits to be published (agnes.telemetry.extraction.prepared)
    inbox/aside/<ulid>.json       one of a reprocessing, which waits for the others of it

One listing shows all of it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from agnes.kernel.errors import AgnesError
from agnes.kernel.ports import Blob, ObjectStore
from agnes.telemetry import keys
from agnes.telemetry.keys import SessionId, TranscriptId, transcript_id
from agnes.telemetry.lake import objects

log = logging.getLogger("agnes.telemetry")


@dataclass(slots=True)
class Noted:
    """What the inbox says of one session."""

    files: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


class Batch(msgspec.Struct, omit_defaults=True):
    """What one message of the queue asks for: notes, or sessions that are extracted again."""

    id: str
    notes: list[str] = []
    sessions: list[SessionId] = []
    epoch: str = ""
    """Of the reprocessing that `sessions` belong to."""


@dataclass(slots=True)
class Inbox:
    notes: list[str] = field(default_factory=list)
    batches: dict[str, datetime] = field(default_factory=dict)
    """Keys, with when their messages were sent last."""
    prepared: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.notes or self.batches or self.prepared or self.aside)


def look(store: ObjectStore) -> Inbox:
    found = Inbox()
    for entry in store.list(keys.INBOX):
        if entry.key.startswith(keys.BATCHES):
            found.batches[entry.key] = entry.modified_at
        elif entry.key.startswith(keys.PREPARED):
            found.prepared.append(entry.key)
        elif entry.key.startswith(keys.ASIDE):
            found.aside.append(entry.key)
        else:
            found.notes.append(entry.key)
    return found


def batches(store: ObjectStore, wanted: Iterable[str]) -> list[Batch]:
    """Those that are still there."""
    found = objects.read_all(store, list(wanted))
    return [msgspec.json.decode(blob.body, type=Batch) for blob in found if isinstance(blob, Blob)]


def by_session(store: ObjectStore, notes: Sequence[str]) -> dict[SessionId, Noted]:
    """What the notes say, by session, in their order. One that says nothing goes with the first session, or at once."""
    found: dict[SessionId, Noted] = {}
    useless = []
    for key, note in zip(notes, objects.read_all(store, notes), strict=True):
        which = _which(note)
        if which is None:
            useless.append(key)
            continue
        noted = found.setdefault((which.user_id, which.session_id), Noted())
        noted.files.add(which.file)
        noted.notes.append(key)
    if found:
        next(iter(found.values())).notes.extend(useless)
    else:
        store.remove(useless)
    return found


class _Note(msgspec.Struct):
    user_id: str
    session_id: str
    file: str


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
