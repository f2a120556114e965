"""The transcripts of a person as they lie in the store: what there is, and reading it a few at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from agnes.kernel.ports import Blob, ObjectStore
from agnes.telemetry import keys
from agnes.telemetry.keys import MAIN, TranscriptId, agent_path
from agnes.telemetry.model import TranscriptFile
from agnes.telemetry.transcripts import packed

_READS_AT_ONCE = 8
_AHEAD_BYTES = 16_000_000
"""Packed bytes that are read before somebody asks for them."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One transcript: `size_bytes` are packed."""

    which: TranscriptId
    size_bytes: int
    modified_at: datetime

    @property
    def agent_id(self) -> str | None:
        return None if self.which.file == MAIN else self.which.file

    @property
    def version(self) -> str:
        """Told without reading it."""
        return f"{self.which.key} {self.size_bytes} {self.modified_at.isoformat()}"

    @property
    def filename(self) -> str:
        """As Claude Code calls it."""
        return f"{self.which.session_id}.jsonl" if self.agent_id is None else agent_path(self.agent_id)[1]

    @property
    def member(self) -> str:
        """Its path in an archive of sessions, which is Claude Code's own."""
        if self.agent_id is None:
            return self.filename
        folders, name = agent_path(self.agent_id)
        return f"{self.which.session_id}/subagents/{folders}{name}"


def files(store: ObjectStore, user_id: str, session_id: str | None = None) -> list[StoredFile]:
    """Those of a person, or of one session, in the order of their keys; the ids are checked ones."""
    prefix = f"sessions/{user_id}/" + (f"{session_id}/" if session_id else "")
    found = []
    for entry in store.list(prefix):
        which = keys.transcript_of(entry.key)
        if which is not None:  # whatever else somebody put there is no transcript
            found.append(StoredFile(which, entry.size_bytes, entry.modified_at))
    return sorted(found, key=lambda file: (file.which.session_id, file.agent_id is not None, file.which.file))


def packed_bodies(store: ObjectStore, wanted: Iterable[StoredFile]) -> Generator[tuple[StoredFile, bytes], None, None]:
    """Each with its packed bytes, read side by side but never far ahead; what was removed meanwhile is left out."""
    waiting = deque(wanted)
    reading: deque[tuple[StoredFile, Future[Blob | None]]] = deque()
    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        while waiting or reading:
            while waiting and len(reading) < 2 * _READS_AT_ONCE:
                ahead = sum(file.size_bytes for file, _ in reading)
                if reading and ahead + waiting[0].size_bytes > _AHEAD_BYTES:
                    break
                file = waiting.popleft()
                reading.append((file, pool.submit(store.read, file.which.key)))
            file, future = reading.popleft()
            blob = future.result()
            if blob is not None:
                yield file, blob.body


def transcripts(store: ObjectStore, wanted: Iterable[StoredFile]) -> Iterator[TranscriptFile]:
    """Each unpacked, as received when it was stored; one that cannot be unpacked says nothing (it is in quarantine)."""
    for file, body in packed_bodies(store, wanted):
        if (found := transcript_of(file, body)) is not None:
            yield found


def transcript_of(file: StoredFile, body: bytes) -> TranscriptFile | None:
    """None if it cannot be unpacked."""
    try:
        return TranscriptFile(file.which.file, packed.unpack(body), file.modified_at)
    except (packed.NotZstd, packed.TranscriptTooLarge):
        return None
