"""What was said in a session, to be read a part at a time: by an admin, who is audited first, or by its owner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from agnes.kernel import audit
from agnes.kernel.errors import NotFoundError
from agnes.kernel.immutable import ImmutableCache
from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import Change, State
from agnes.telemetry.drill_down import conversation, sessions
from agnes.telemetry.drill_down.conversation import Excerpt, Marks, Part, Place
from agnes.telemetry.drill_down.pieces import Piece
from agnes.telemetry.drill_down.sessions import SessionRow
from agnes.telemetry.extraction.session import MAX_SESSION_BYTES
from agnes.telemetry.keys import TranscriptId, transcript_id
from agnes.telemetry.model import FILE
from agnes.telemetry.transcripts import packed, stored
from agnes.telemetry.transcripts.stored import StoredFile

VIEW = "session.transcript_view"

_FILES_AT_ONCE = 8
MAX_FILES = 1_000
"""Of a session, that its conversation is made of; all of them can be downloaded."""


class _Marked(NamedTuple):
    marks: Marks
    size_bytes: int
    """Plain."""


_marked = ImmutableCache(200_000)
"""Marks of transcripts by their version; the size is their number."""


class TranscriptRange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    start: int = Field(0, ge=0, le=100_000_000)


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
    is_shown: bool = True
    """Among the events; the rest of a session that is too large can only be downloaded."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """A session's summary and a part of its events; the next part is behind `next_cursor`, also of a part without any."""

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
    shown = shown_files(files)
    reading = conversation.Reading(after=after, limit=query.limit, piece_chars=piece_chars, files=len(shown))
    found, beyond = part_of(store, shown, after, reading)
    names = {file.which.file for file in shown} - beyond
    told = tuple(file if file.file in names else replace(file, is_shown=False) for file in known)
    return Transcript(summary, told, found.pieces, found.next_cursor)


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


def shown_files(files: Sequence[StoredFile]) -> list[StoredFile]:
    """Those of a session that its conversation may be made of: what its listing alone says is too much is left out."""
    shown, left = [], MAX_SESSION_BYTES
    for file in files[:MAX_FILES]:
        if file.size_bytes <= left:
            shown.append(file)
            left -= file.size_bytes
    return shown


def part_of(
    store: ObjectStore, files: Sequence[StoredFile], after: Place | None, reading: conversation.Reading
) -> tuple[Part, set[str]]:
    """A part of a session, from those of its files that may have something of it, and which files it is not made of: they
    are more than MAX_SESSION_BYTES together, plain. Files whose marks this process has are not read where they say that
    there is nothing."""
    own = after.file if after else None
    known: dict[str, _Marked] = {}
    for file in files:
        if (found := _marked.get(store, file.version)) is not None:
            known[file.which.file] = found
    first = [file for file in files if file.which.file not in known or file.which.file == own]
    bodies = stored.packed_bodies(store, first)
    left, beyond = MAX_SESSION_BYTES, set[str]()
    ahead = next(bodies, None)
    for file in files:
        name = file.which.file
        body = None
        if ahead is not None and ahead[0] is file:
            body, ahead = ahead[1], next(bodies, None)
        size = known[name].size_bytes if name in known else packed.stated_bytes(body or b"")
        if size > left:
            beyond.add(name)
            continue
        left -= size
        if body is None or (plain := stored.transcript_of(file, body)) is None:
            continue
        if name not in known and after is not None and len(files) > 1:
            made = conversation.marks(plain, timed_lines=reading.timed_lines(name))
            known[name] = _Marked(made, len(plain.body))
            _marked.put(store, file.version, known[name], len(made.offsets) + 1)
        reading.add(plain, known[name].marks if name in known else None)
    bodies.close()
    rest = [file for file in files if file not in first and file.which.file not in beyond]
    rest.sort(key=lambda file: (known[file.which.file].marks.first, file.which.file))
    for start in range(0, len(rest), _FILES_AT_ONCE):
        wanted = [file for file in rest[start : start + _FILES_AT_ONCE] if reading.wants(known[file.which.file].marks)]
        for plain in stored.transcripts(store, wanted):
            reading.add(plain, known[plain.file].marks)
    return reading.part(), beyond


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
