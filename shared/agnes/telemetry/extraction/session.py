"""One session from its packed files to spooled events and what the ledger is to say of it.

Needs no store, no state and no DuckDB, so it works in another process as well (agnes.telemetry.extraction.processes).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime

from agnes.kernel.errors import AgnesError
from agnes.telemetry.extraction.extract import SessionKey, extract, refused
from agnes.telemetry.extraction.served import Served
from agnes.telemetry.lake.spool import Spool
from agnes.telemetry.model import FileReport, Summary, TranscriptFile
from agnes.telemetry.transcripts import packed

SESSION_EVENT_BYTES = 64_000_000
"""Encoded; DuckDB has to sort them in the memory of a run."""

MAX_SESSION_BYTES = 300_000_000
"""Plain, of all files of a session: its own first, then its subagents' as far as they fit."""

ServedFor = Callable[[str], Served]


@dataclass(slots=True)
class PackedFile:
    """A file as it is stored; `body` is forgotten as soon as it is unpacked."""

    file: str
    body: bytes | None
    received_at: datetime


@dataclass(slots=True)
class Extracted:
    """What became of a session; its events are in the spool."""

    events: int = 0
    days: list[date] = field(default_factory=list)
    summary: Summary = field(default_factory=Summary)
    files: list[FileReport] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SessionExtractor:
    """What is the same for all sessions of a harvest. `served_for` only looks up what is in memory."""

    generation: str
    pruned_before: date | None
    """Earlier events are left out."""
    served_for: ServedFor

    def extract(self, user_id: str, session_id: str, files: Iterable[PackedFile], spool: Spool) -> Extracted:
        """`files` are asked for one after another, so that one plain transcript is in memory at a time."""
        unread: list[FileReport] = []
        key = SessionKey(user_id, session_id, self.generation)
        found = extract(_unpacked(files, unread), key, self.served_for(user_id))
        if (since := self.pruned_before) is not None:
            found.events = [e for e in found.events if e.occurred_at and e.occurred_at.date() >= since]
        if not spool.put(found.events, most_bytes=SESSION_EVENT_BYTES):
            found = refused(found.files, "events_too_large")
        return Extracted(len(found.events), found.days, found.summary, [*found.files, *unread])


def _unpacked(files: Iterable[PackedFile], unread: list[FileReport]) -> Iterator[TranscriptFile]:
    """Says what stays `unread`, and why."""
    left = MAX_SESSION_BYTES
    for one in files:
        try:
            plain = packed.unpack(one.body or b"")
        except AgnesError as exc:
            unread.append(FileReport(one.file, 0, reason=exc.code))
            continue
        finally:
            one.body = None
        if len(plain) > left:
            unread.append(FileReport(one.file, len(plain), reason="session_too_large"))
            continue
        left -= len(plain)
        yield TranscriptFile(one.file, plain, one.received_at)
