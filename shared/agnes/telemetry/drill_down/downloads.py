"""Transcripts to be taken away, one by one or all of a person: by an admin, who is audited first, or by their owner.

Nothing large passes a function: a file or an archive above 4 MB is prepared as an object below `downloads/<user_id>/` and
given by a presigned URL. Prepared objects go with the first pruning after a day, and with every redaction of that person.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from mmap import ACCESS_READ, mmap
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from agnes.kernel.errors import InvalidError, NotFoundError, TooLargeError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import ANYTHING, DOWNLOAD_URL_SECONDS, Clock, ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import State
from agnes.telemetry import keys
from agnes.telemetry.drill_down.viewing import Viewer
from agnes.telemetry.keys import TranscriptId, transcript_id
from agnes.telemetry.model import FILE
from agnes.telemetry.transcripts import packed, stored, tombstones
from agnes.telemetry.transcripts.stored import StoredFile
from agnes.telemetry.transcripts.tombstones import SessionRedacted

USUAL_RATIO = 8
"""Plain bytes by packed ones, of a transcript that was not extracted yet."""
JSONL = "application/x-ndjson"
ZIP = "application/zip"

_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_OLDEST = (1980, 1, 1, 0, 0, 0)
"""No earlier time can be written in a ZIP."""


class DownloadQuery(BaseModel):
    """`agent_id`: the transcript of that subagent instead of the main one."""

    model_config = ConfigDict(extra="forbid")

    agent_id: str | None = Field(None, max_length=64)


@dataclass(frozen=True, slots=True)
class Limits:
    inline_bytes: int = 4 * 1000 * 1000
    """A function's answer may have 6 MB, in base64."""
    archive_plain_bytes: int = 600 * 1000 * 1000
    archive_files: int = 2000
    """Of one archive: what a function can read and pack within its 28 seconds, and on its disk."""


LIMITS = Limits()


class FileNotStored(NotFoundError):
    code = "transcript_not_found"

    def __init__(self) -> None:
        super().__init__(
            "there is no such transcript", hint="`files` of the session's transcript names those there are."
        )


class ArchiveInParts(TooLargeError):
    code = "archive_in_parts"

    def __init__(self, parts: int) -> None:
        super().__init__(
            f"these sessions are too many for one archive, they come in {parts}",
            hint=f"Ask for ?part=1 to ?part={parts}, one after the other.",
            parts=parts,
        )


@dataclass(frozen=True, slots=True)
class Taken:
    """A file for somebody: its bytes, or where it can be had for 15 minutes."""

    filename: str
    content_type: str
    body: bytes | None
    url: str | None


def download(
    store: ObjectStore,
    viewer: Viewer,
    *,
    user_id: str,
    session_id: str,
    agent_id: str | None,
    clock: Clock,
) -> Taken:
    """One transcript, plain: the main file, or a subagent's. Raises FileNotStored, InvalidSessionId, InvalidAgentId,
    DeniedError, NotZstd, SessionRedacted, UnavailableError."""
    viewer.require(user_id)
    which = transcript_id(user_id, session_id, agent_id or None)
    blob = store.read(which.key)
    if blob is None:
        raise FileNotStored
    plain = packed.unpack(blob.body)
    filename = StoredFile(which, len(blob.body), clock.now()).filename
    viewer.note(store, which, "session_download", {"file": which.file, "bytes": len(plain)}, now=clock.now())
    if len(plain) <= LIMITS.inline_bytes:
        return Taken(filename, JSONL, plain, None)
    return _prepared(store, [which], filename, plain, content_type=JSONL, clock=clock)


def download_own(store: ObjectStore, who: Principal, *, session_id: str, agent_id: str | None, clock: Clock) -> Taken:
    """As `download`, of one's own; whatever is wrong with the request, there is no such transcript."""
    try:
        viewer = Viewer(who, as_owner=True)
        return download(store, viewer, user_id=who.user_id, session_id=session_id, agent_id=agent_id, clock=clock)
    except (InvalidError, SessionRedacted):
        raise FileNotStored from None


def parts_of(
    files: Sequence[StoredFile], plain_bytes: Mapping[TranscriptId, int], limits: Limits = LIMITS
) -> list[list[StoredFile]]:
    """Files as archives hold them, in their order; one archive at least."""
    parts: list[list[StoredFile]] = [[]]
    total = 0
    for file in files:
        size = plain_bytes.get(file.which, file.size_bytes * USUAL_RATIO)
        if parts[-1] and (total + size > limits.archive_plain_bytes or len(parts[-1]) == limits.archive_files):
            parts.append([])
            total = 0
        parts[-1].append(file)
        total += size
    return parts


def archive(
    state: State,
    store: ObjectStore,
    viewer: Viewer,
    *,
    user_id: str,
    email: str,
    part: int | None,
    clock: Clock,
    limits: Limits = LIMITS,
) -> Taken:
    """All transcripts of a person as a ZIP, an empty one if there are none; a large stock comes in several parts.

    Raises ArchiveInParts, NotFoundError `no_such_part`, DeniedError, SessionRedacted, UnavailableError.
    """
    viewer.require(user_id)
    user_id = keys.user(user_id)
    parts = parts_of(stored.files(store, user_id), _plain_bytes(state, user_id), limits)
    if part is None and len(parts) > 1:
        raise ArchiveInParts(len(parts))
    if not 1 <= (part or 1) <= len(parts):
        raise NotFoundError(f"there is no part {part}, there are {len(parts)}", code="no_such_part")
    wanted = parts[(part or 1) - 1]
    name = _NO_NAME.sub("_", email.partition("@")[0])[:64].strip(".") or "user"
    suffix = f"-part{part}" if len(parts) > 1 else ""
    filename = f"{name}-sessions-{clock.now():%Y-%m-%d}{suffix}.zip"
    with tempfile.TemporaryDirectory(prefix="agnes-archive-") as folder:
        path = Path(folder) / "sessions.zip"
        count, size = _zip(store, wanted, path, most_bytes=limits.archive_plain_bytes)
        said = {"file_count": count, "total_bytes": size, **({"part": part} if part else {})}
        viewer.note(store, TranscriptId(user_id, ""), "session_bulk_download", said, now=clock.now())
        if path.stat().st_size <= limits.inline_bytes:
            return Taken(filename, ZIP, path.read_bytes(), None)
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
            return _prepared(store, [each.which for each in wanted], filename, mapped, content_type=ZIP, clock=clock)


def remove_old(store: ObjectStore, *, now: datetime, kept: timedelta = timedelta(days=1)) -> int:
    """Remove prepared downloads whose URLs ended long ago; how many."""
    old = [entry.key for entry in store.list(keys.DOWNLOADS) if entry.modified_at < now - kept]
    store.remove(old)
    return len(old)


def _plain_bytes(state: State, user_id: str) -> dict[TranscriptId, int]:
    sql = "SELECT session_id, file, plain_bytes FROM telemetry.transcripts WHERE user_id = $user"
    with state.read(FILE) as db:
        rows = db.execute(sql, {"user": user_id}).fetchall()
    return {TranscriptId(user_id, session_id, file): size for session_id, file, size in rows}


def _zip(store: ObjectStore, wanted: Sequence[StoredFile], path: Path, *, most_bytes: int) -> tuple[int, int]:
    """(files, bytes) that were packed. One transcript at a time is in memory. How large one is that was not extracted yet is
    only a guess until it is read: what is beyond `most_bytes` stays compressed as it is stored."""
    count = size = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for file, body in stored.packed_bodies(store, wanted):
            try:
                if size + packed.stated_bytes(body) > max(most_bytes, packed.MAX_PLAIN_BYTES):
                    raise packed.TranscriptTooLarge(packed.stated_bytes(body))
                plain, member = packed.unpack(body), file.member
            except (packed.NotZstd, packed.TranscriptTooLarge):
                plain, member = body, f"{file.member}.zst"  # whatever it is, it is theirs
            info = zipfile.ZipInfo(member, max(_OLDEST, file.modified_at.timetuple()[:6]))
            info.external_attr = 0o600 << 16
            target.writestr(info, plain, zipfile.ZIP_DEFLATED, 1)
            count, size = count + 1, size + len(plain)
    return count, size


def _prepared(
    store: ObjectStore,
    of: Sequence[TranscriptId],
    filename: str,
    body: bytes | mmap,
    *,
    content_type: str,
    clock: Clock,
) -> Taken:
    user_id = of[0].user_id
    key = keys.download(user_id, new_ulid(clock.now()), filename)
    store.write(key, body, expect=ANYTHING, content_type=content_type)
    # A redaction may have begun since the transcripts were read, and removed all downloads before ours was there.
    redacted = tombstones.of_user(store, user_id).sessions
    for which in of:
        if which.session_id in redacted:
            store.remove([key])
            raise SessionRedacted(which.session_id)
    url = store.presign_get(key, seconds=DOWNLOAD_URL_SECONDS, filename=filename, content_type=content_type)
    return Taken(filename, content_type, None, url)
