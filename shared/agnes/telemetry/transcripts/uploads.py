"""Receiving transcripts: by form up to 4 MB, by presigned PUT above, and how both are published.

What is acknowledged is never lost, what is not is harmless, whenever the process dies:

    1. the object is at its staging key                 nothing reads it
    2. it is counted, and then written under its        as it would be by the same upload again; taken back
       session's key                                    if the session was redacted meanwhile
    3. `inbox/<ulid>.json` says that it changed         the next tick will see it
    4. it is confirmed to the quota, told to the audit  harmless whichever is left out
       and removed from its staging key, side by side;
       then the client gets its answer
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from agnes.kernel import audit
from agnes.kernel.errors import BadRequestError, InvalidError, NotFoundError, TooLargeError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import (
    ABSENT,
    ANYTHING,
    Blob,
    ObjectStore,
    OutcomeUnknown,
    PreconditionFailed,
    TryAgain,
    Unchanged,
    upload_headers,
)
from agnes.kernel.principal import Principal
from agnes.kernel.side_by_side import side_by_side
from agnes.kernel.signing import Signing
from agnes.kernel.state import Change
from agnes.telemetry import keys, sealed
from agnes.telemetry.keys import TranscriptId, transcript_id
from agnes.telemetry.transcripts import packed, quotas, tombstones, trimming
from agnes.telemetry.transcripts.quotas import (
    UNLIMITED,
    DayQuotaReached,
    Limits,
    SessionTooManyFiles,
    StorageFull,
)
from agnes.telemetry.transcripts.tombstones import SessionClosed

FORM_LIMIT_BYTES = 4 * 1024 * 1024
URL_SECONDS = 900
CONTENT_TYPE = "application/zstd"
STORED, UNCHANGED, SUPERSEDED = "stored", "unchanged", "superseded"

QUOTAS = (DayQuotaReached, StorageFull, SessionTooManyFiles)
"""What a quota refuses; a later attempt may be taken."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ATTEMPTS = 5


class FormTooLarge(TooLargeError):
    code = "form_too_large"

    def __init__(self, size_bytes: int) -> None:
        super().__init__(
            f"{size_bytes} bytes are too many for a form, the limit is {FORM_LIMIT_BYTES}",
            hint="Use `agnes push`, or POST /api/upload/sessions/presign.",
            limit_bytes=FORM_LIMIT_BYTES,
        )


class UploadMissing(NotFoundError):
    code = "upload_missing"

    def __init__(self) -> None:
        super().__init__("there is no object of this upload", hint="PUT it to the presigned URL, then complete it.")


class UploadDiffers(InvalidError):
    code = "upload_differs"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the {what} of the object is not the declared one", hint="Ask for a new URL and PUT it again."
        )


class UnknownUpload(BadRequestError):
    code = "unknown_upload"

    def __init__(self) -> None:
        super().__init__("this upload_id is not one of yours", hint="Ask for a new one.")


@dataclass(frozen=True, slots=True)
class Presigned:
    upload_id: str
    url: str
    headers: dict[str, str]
    keeps_all: bool
    """The whole transcript is stored, also what is otherwise left out (TRANSCRIPTS_KEEP_ALL): send it as it is."""


@dataclass(frozen=True, slots=True)
class Completed:
    """`status`: stored, unchanged (the same records are there), superseded (a longer version of them is there)."""

    status: str
    session_id: str
    agent_id: str | None
    size: int
    """Plain bytes that are stored."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    status: str
    filename: str
    size: int
    session_id: str


def presign(
    store: ObjectStore,
    secret: Signing,
    who: Principal,
    *,
    session_id: str,
    agent_id: str | None,
    size_bytes: int,
    sha256: str,
    now: datetime,
    keep_all: bool = False,
    limits: Limits = UNLIMITED,
) -> Presigned:
    """Where to PUT a transcript, packed as `agnes.telemetry.transcripts.packed` says; `size_bytes` and `sha256` are
    of the packed form.

    Raises InvalidSessionId, InvalidAgentId, TranscriptTooLarge, InvalidError, SessionClosed, DayQuotaReached, StorageFull.
    """
    which = transcript_id(who.user_id, session_id, agent_id)
    tombstones.of_user(store, which.user_id).require_open_session(which.session_id)  # before the bytes travel
    if not _SHA256.fullmatch(sha256):
        raise InvalidError("sha256 must be 64 hexadecimal characters in lower case", code="invalid_sha256")
    if size_bytes > packed.MAX_PACKED_BYTES:
        raise packed.TranscriptTooLarge(size_bytes)
    quotas.require_room(store, which, limits, now=now)
    url = store.presign_put(
        which.staging_key(sha256),
        seconds=URL_SECONDS,
        size_bytes=size_bytes,
        sha256_hex=sha256,
        content_type=CONTENT_TYPE,
    )
    declared = _Declared(which, size_bytes, sha256)
    headers = upload_headers(sha256_hex=sha256, content_type=CONTENT_TYPE)
    return Presigned(declared.seal(secret), url, headers, keep_all)


def complete(
    store: ObjectStore,
    secret: Signing,
    who: Principal,
    upload_id: str,
    *,
    now: datetime,
    keep_all: bool = False,
    limits: Limits = UNLIMITED,
) -> Completed:
    """Check and publish what was PUT. The same call again gives the same answer, unless something was left out of what
    was sent: then the upload is gone, and sending it again finds it unchanged.

    Raises UnknownUpload, UploadMissing, UploadDiffers, NotZstd, NotATranscript, TranscriptTooLarge, SessionClosed,
    DayQuotaReached, StorageFull, SessionTooManyFiles.
    """
    declared = _Declared.open(upload_id, secret, who)
    which = declared.which
    staging = which.staging_key(declared.sha256)
    ahead = _Ahead(store, which, staging)
    blob = ahead.sent
    if blob is None:
        # Completed before, and the answer was lost?
        blob = ahead.stored
        if blob is None or hashlib.sha256(blob.body).hexdigest() != declared.sha256:
            raise UploadMissing
    if len(blob.body) != declared.size_bytes:
        raise UploadDiffers("length")
    if hashlib.sha256(blob.body).hexdigest() != declared.sha256:
        raise UploadDiffers("checksum")

    def unstage(_status: str, _size: int) -> None:
        store.remove([staging])

    try:
        status, size = publish(
            store,
            which,
            blob.body,
            now=now,
            keep_all=keep_all,
            limits=limits,
            ahead=ahead,
            at_end=(unstage, _teller(store, which, now)),
        )
    except (SessionClosed, *QUOTAS):
        store.remove([staging])
        raise
    return Completed(status, which.session_id, None if which.file == keys.MAIN else which.file, size)


def accept(
    store: ObjectStore,
    who: Principal,
    *,
    filename: str,
    body: bytes,
    now: datetime,
    keep_all: bool = False,
    limits: Limits = UNLIMITED,
) -> Uploaded:
    """Take a plain transcript whose file is named `<session>.jsonl`.

    Raises InvalidSessionId, FormTooLarge, NotATranscript, SessionClosed, DayQuotaReached, StorageFull.
    """
    which = transcript_id(who.user_id, keys.session_of(filename))
    if len(body) > FORM_LIMIT_BYTES:
        raise FormTooLarge(len(body))
    packed.require_transcript(body)
    status, size = publish(
        store,
        which,
        packed.pack(body),
        now=now,
        keep_all=keep_all,
        limits=limits,
        at_end=(_teller(store, which, now),),
    )
    return Uploaded(status, f"{which.session_id}.jsonl", size, which.session_id)


AtEnd = Callable[[str, int], None]
"""Called with an upload's status and plain size."""


def _teller(store: ObjectStore, which: TranscriptId, now: datetime) -> AtEnd:
    """Tells the audit, whatever the status: an earlier attempt may have died after it stored the transcript."""

    def tell(status: str, size: int) -> None:
        filename = f"{which.session_id if which.file == keys.MAIN else which.file}.jsonl"
        said = {"filename": filename, "bytes": size, "status": status}
        audit.record(store, Change("session.upload", f"session:{which.user_id}/{which.session_id}", said), now=now)

    return tell


def publish(
    store: ObjectStore,
    which: TranscriptId,
    body: bytes,
    *,
    now: datetime,
    keep_all: bool = False,
    limits: Limits = UNLIMITED,
    ahead: _Ahead | None = None,
    at_end: Sequence[AtEnd] = (),
) -> tuple[str, int]:
    """Store a packed transcript under its session, tell the inbox, return the status and the plain size that is stored.
    `at_end` is called, side by side, once the inbox has the note.

    Without `keep_all`, what `trimming` names is left out first. Transcripts grow at their end, and uploads may overtake
    one another: a beginning of what is stored changes nothing. Anything else replaces it. Raises NotZstd,
    NotATranscript, TranscriptTooLarge, SessionClosed, DayQuotaReached, StorageFull, SessionTooManyFiles, UnavailableError.
    """
    sent = packed.unpack(body)
    packed.require_transcript(sent)
    ahead = ahead or _Ahead(store, which)
    ahead.tombstones.require_open(which, sent)
    plain, trimmed = sent, trimming.trim(sent)
    if not keep_all and trimmed != sent:
        plain, body = trimmed, packed.pack(trimmed)
    counting = quotas.Counting(store, which, limits, now=now)
    for attempt in range(_ATTEMPTS):
        stored = ahead.stored if attempt == 0 else store.read(which.key)
        held = _unpacked(stored) if stored is not None else None
        if held is not None and (found := _already_held(held, plain, trimmed)):
            status = found
            counting.settle()
            break
        counting.count(len(body))
        try:
            expect = Unchanged(stored.version) if stored is not None else ABSENT
            store.write(which.key, body, expect=expect, content_type=CONTENT_TYPE)
            status = STORED
            break
        except (PreconditionFailed, TryAgain, OutcomeUnknown):
            if attempt == _ATTEMPTS - 1:
                raise
    try:
        # A redaction may have begun since we asked, and removed the transcripts before ours was there.
        tombstones.of_user(store, which.user_id).require_open(which, sent)
    except SessionClosed:
        store.remove([which.key])
        counting.settle()
        raise
    # Said even if nothing changed: an earlier attempt may have died between the object and the note.
    key = keys.inbox(new_ulid(now))
    store.write(key, sealed.note(key, which), expect=ANYTHING, content_type="application/json")
    # None of these needs another to be done: whichever a death leaves out is done by the same upload again, or by the next
    # upload that counts (`quotas.SETTLED_AFTER`).
    last: list[Callable[[], None]] = [partial(one, status, len(plain)) for one in at_end]
    if status == STORED:
        last.append(counting.confirm)
    side_by_side(*last)
    return status, len(plain)


class _Ahead:
    """What an upload is decided by, read side by side."""

    def __init__(self, store: ObjectStore, which: TranscriptId, staging: str | None = None) -> None:
        self.sent: Blob | None = None
        self.stored: Blob | None = None
        self.tombstones: tombstones.Tombstones

        def read_sent() -> None:
            self.sent = store.read(staging) if staging else None

        def read_stored() -> None:
            self.stored = store.read(which.key)

        def read_tombstones() -> None:
            self.tombstones = tombstones.of_user(store, which.user_id)

        side_by_side(*([read_sent] if staging else []), read_stored, read_tombstones)


def _already_held(held: bytes, plain: bytes, trimmed: bytes) -> str | None:
    """UNCHANGED or SUPERSEDED if `plain` says nothing that `held` does not; `trimmed` is `plain` with less.

    Compared without what is left out, which may be in one and not in the other after the setting has changed. A last
    line that is cut off may be the beginning of one that was trimmed in `held`, so it counts for nothing there.
    """
    if held.startswith(plain):
        return UNCHANGED if len(held) == len(plain) else SUPERSEDED
    less = trimming.trim(held)
    if less == trimmed:
        return UNCHANGED if len(held) >= len(plain) else None
    whole_lines, _, torn = trimmed.rpartition(b"\n")
    begins = less.startswith(trimmed) or (
        bool(whole_lines) and less.startswith(whole_lines + b"\n") and not trimming.is_whole(torn)
    )
    return SUPERSEDED if begins else None


def _unpacked(stored: Blob) -> bytes | None:
    try:
        return packed.unpack(stored.body)
    except (packed.NotZstd, packed.TranscriptTooLarge):
        return None  # whatever it is, it is no version of a transcript


@dataclass(frozen=True, slots=True)
class _Declared:
    """What an upload_id says, sealed so that nothing has to be stored for it."""

    which: TranscriptId
    size_bytes: int
    sha256: str

    def seal(self, secret: Signing) -> str:
        which = self.which
        said = json.dumps([which.user_id, which.session_id, which.file, self.size_bytes, self.sha256])
        text = base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")
        return f"{text}.{secret.sign(_signed(text))}"

    @classmethod
    def open(cls, upload_id: str, secret: Signing, who: Principal) -> _Declared:
        text, _, signature = upload_id.partition(".")
        if not secret.holds(_signed(text), signature):
            raise UnknownUpload
        try:
            user_id, session_id, file, size_bytes, sha256 = json.loads(
                base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            )
        except (binascii.Error, ValueError):
            raise UnknownUpload from None
        if user_id != who.user_id:
            raise UnknownUpload
        return cls(TranscriptId(user_id, session_id, file), size_bytes, sha256)


def _signed(text: str) -> str:
    """What is signed: no other use of the key signs a text that begins so."""
    return f"upload\0{text}"
