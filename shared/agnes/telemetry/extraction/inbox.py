"""The inbox: notes of what changed, batches of them that a queue's consumers have, and what these have prepared.

    inbox/<ulid>.json             a note: a transcript is new or has changed, or its session was redacted
    inbox/batches/<ulid>.json     a batch: which notes, or which stale sessions, a message names
    inbox/prepared/<ulid>.json    a batch that is read and waits to be published (agnes.telemetry.extraction.prepared)
    inbox/aside/<ulid>.json       one of a reprocessing, which waits for the others of it

One listing shows all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from agnes.kernel.errors import AgnesError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import ANYTHING, Blob, ObjectStore
from agnes.kernel.state import Db
from agnes.telemetry import keys, sealed
from agnes.telemetry.keys import SessionId, TranscriptId, transcript_id
from agnes.telemetry.lake import ledger, objects


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
    """Those that are still there and can be read."""
    wanted = list(wanted)
    found = []
    for key, blob in zip(wanted, objects.read_all(store, wanted), strict=True):
        if blob is not None:
            try:
                found.append(msgspec.json.decode(sealed.opened(key, blob.body), type=Batch))
            except ValueError:  # its notes and sessions are in no batch any more, so the next run finds them
                sealed.put_away(store, key, blob.body)
    return found


def by_session(store: ObjectStore, notes: Sequence[str]) -> tuple[dict[SessionId, Noted], list[str]]:
    """What the notes say, by session, in their order; and those that are damaged, which are still there."""
    found: dict[SessionId, Noted] = {}
    damaged = []
    for key, note in zip(notes, objects.read_all(store, notes), strict=True):
        if note is None:
            continue
        which = _which(key, note)
        if which is None:
            damaged.append(key)
            continue
        noted = found.setdefault(which.session, Noted())
        noted.files.add(which.file)
        noted.notes.append(key)
    return found, damaged


def note_unread(store: ObjectStore, db: Db, *, now: datetime) -> list[str]:
    """Write a note of each stored transcript that the ledger has in no version or another one; the notes. It takes a listing of
    all transcripts: for when a note was lost, and once a day."""
    versions = ledger.versions(db)
    notes = []
    for entry in store.list(keys.SESSIONS):
        which = keys.transcript_of(entry.key)
        if which is not None and versions.get((which.user_id, which.session_id, which.file)) != entry.version.tag:
            key = keys.inbox(new_ulid(now))
            store.write(key, sealed.note(key, which), expect=ANYTHING, content_type="application/json")
            notes.append(key)
    return notes


class _Note(msgspec.Struct):
    user_id: str
    session_id: str
    file: str


def _which(key: str, note: Blob) -> TranscriptId | None:
    """None for a damaged note."""
    try:
        said = msgspec.json.decode(sealed.opened(key, note.body), type=_Note)
        return transcript_id(said.user_id, said.session_id, None if said.file == keys.MAIN else said.file)
    except (ValueError, AgnesError):
        return None
