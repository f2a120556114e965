"""What was said in a session, to be read a part at a time: by an admin, who is audited first, or by its owner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agnes.kernel import audit
from agnes.kernel.errors import NotFoundError
from agnes.kernel.immutable import ImmutableCache
from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, State
from agnes.telemetry.drill_down import conversation, sessions
from agnes.telemetry.drill_down.conversation import Excerpt, Part, Place
from agnes.telemetry.drill_down.pieces import Piece
from agnes.telemetry.drill_down.sessions import SessionRow
from agnes.telemetry.keys import TranscriptId, transcript_id
from agnes.telemetry.model import FILE
from agnes.telemetry.transcripts import stored
from agnes.telemetry.transcripts.stored import StoredFile

VIEW = "session.transcript_view"

_FILES_AT_ONCE = 8
_marked = ImmutableCache(200_000)
"""Marks of transcripts by their version; the size is their number."""


class PartQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    cursor: str = Field("", max_length=200)
    limit: int = Field(100, ge=1, le=500)


class SessionNotFound(NotFoundError):
    code = "session_not_found"

    def __init__(self) -> None:
        super().__init__("there is no such session", hint="It may have been redacted, or not been sent yet.")


@dataclass(frozen=True, slots=True)
class File:
    """One transcript of a session; `size_bytes` and `lines` are known once it was extracted."""

    file: str
    agent_id: str | None
    stored_bytes: int
    received_at: datetime
    size_bytes: int | None
    lines: int | None
    skipped_lines: int | None
    quarantine_reason: str | None


@dataclass(frozen=True, slots=True)
class Transcript:
    """A session's summary and a part of its events; the next part is behind `next_cursor`."""

    summary: SessionRow
    files: tuple[File, ...]
    events: tuple[Piece, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks, and in which part: an admin is audited each time, also with sessions of their own; an owner never."""

    who: Principal
    as_owner: bool = False

    def require(self, user_id: str) -> None:
        """Raises DeniedError."""
        if not (self.as_owner and self.who.user_id == user_id):
            self.who.require_admin()

    def note(
        self, store: ObjectStore, which: TranscriptId, action: str, said: dict[str, Any], *, now: datetime
    ) -> None:
        """Write down what an admin looks at, before it is answered."""
        if not self.as_owner:
            resource = f"session:{which.user_id}/{which.session_id}" if which.session_id else f"user:{which.user_id}"
            audit.record(store, Change(action, resource, said), now=now)


def transcript(
    state: State,
    store: ObjectStore,
    viewer: Viewer,
    *,
    user_id: str,
    session_id: str,
    query: PartQuery,
    now: datetime,
    piece_chars: int = conversation.PIECE_CHARS,
) -> Transcript:
    """A part of a session. Raises SessionNotFound, InvalidSessionId, InvalidCursor, DeniedError, UnavailableError."""
    viewer.require(user_id)
    after = Place.of_cursor(query.cursor) if query.cursor else None
    which = transcript_id(user_id, session_id)
    files = stored.files(store, which.user_id, which.session_id)
    summary, known = _known(state, which, files)
    viewer.note(store, which, VIEW, {"cursor": query.cursor} if query.cursor else {}, now=now)
    reading = conversation.Reading(after=after, limit=query.limit, piece_chars=piece_chars)
    found = part_of(store, files, after, reading)
    return Transcript(summary, known, found.pieces, found.next_cursor)


def excerpt(
    store: ObjectStore,
    viewer: Viewer,
    *,
    user_id: str,
    session_id: str,
    piece_id: str,
    start: int,
    now: datetime,
    chars: int = conversation.WHOLE_CHARS,
) -> Excerpt:
    """A piece's text from `start` on. Raises PieceNotFound, InvalidSessionId, DeniedError, UnavailableError."""
    viewer.require(user_id)
    which = transcript_id(user_id, session_id)
    wanted = TranscriptId(which.user_id, which.session_id, conversation.file_of(piece_id))
    files = [file for file in stored.files(store, which.user_id, which.session_id) if file.which == wanted]
    if not files:
        raise conversation.PieceNotFound
    viewer.note(store, which, VIEW, {"piece": piece_id, "start": start}, now=now)
    for file in stored.transcripts(store, files):
        return conversation.whole(file, piece_id, start=start, chars=chars)
    raise conversation.PieceNotFound


def part_of(
    store: ObjectStore, files: Sequence[StoredFile], after: Place | None, reading: conversation.Reading
) -> Part:
    """A part of a session, from those of its files that may have something of it. Files whose marks this process has
    are not read where they say that there is nothing."""
    named = {file.which.file: file for file in files}
    known = {name: found for name, file in named.items() if (found := _marked.get(store, file.version))}
    own = after.file if after else None
    first = [file for name, file in named.items() if name not in known or name == own]
    for file in stored.transcripts(store, first):
        if file.file not in known and after is not None and len(files) > 1:
            known[file.file] = made = conversation.marks(file)
            _marked.put(store, named[file.file].version, made, len(made.offsets) + 1)
        reading.add(file, known.get(file.file))
    waiting = sorted((known[name].first, name) for name, file in named.items() if file not in first)
    for start in range(0, len(waiting), _FILES_AT_ONCE):
        wanted = [named[name] for _, name in waiting[start : start + _FILES_AT_ONCE] if reading.wants(known[name])]
        for file in stored.transcripts(store, wanted):
            reading.add(file, known[file.file])
    return reading.part()


def _known(state: State, which: TranscriptId, files: Sequence[StoredFile]) -> tuple[SessionRow, tuple[File, ...]]:
    with state.read(FILE, "people") as db:
        row = sessions.find(db, which.user_id, which.session_id)
        if row is None:
            if not files:
                raise SessionNotFound
            row = sessions.unprocessed(db, which.user_id, which.session_id, max(file.modified_at for file in files))
        read = db.execute(
            "SELECT file, plain_bytes, lines, skipped_lines, quarantine_reason FROM telemetry.transcripts "
            "WHERE user_id = $user AND session_id = $session",
            {"user": which.user_id, "session": which.session_id},
        ).fetchall()
    told: dict[str, Sequence[Any]] = {file: rest for file, *rest in read}
    nothing = (None, None, None, None)
    return row, tuple(
        File(f.which.file, f.agent_id, f.size_bytes, f.modified_at, *told.get(f.which.file, nothing)) for f in files
    )
