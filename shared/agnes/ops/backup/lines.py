"""Lines of backups: written in segments as they come, read and merged in the order of their keys."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from hashlib import sha256

import msgspec
import zstandard

from agnes.kernel.ports import Clock, Entry, ObjectStore
from agnes.ops.backup.model import BACKUPS, BackupDamaged, Line, Segment
from agnes.ops.backup.packs import write_surely

SEGMENT_LINES = 20_000
SEGMENT_BYTES = 256 * 2**20
"""Of what the lines had to store. An interrupted backup repeats that much at most."""
_decoder = msgspec.json.Decoder(list[Line])


class Writer:
    """Stores lines as segments below `prefix`, each when it is full, the last one by `end`."""

    def __init__(self, place: ObjectStore, prefix: str, clock: Clock) -> None:
        self._place = place
        self._prefix = prefix
        self._clock = clock
        self._held: list[Line] = []
        self._bytes = 0
        self.segments: list[Segment] = []
        self.objects = 0
        self.bytes = 0

    def add(self, lines: Iterable[Line], *, stored_bytes: int = 0) -> bool:
        """Whether a segment became full and was stored."""
        before = len(self._held)
        self._held += lines
        self.objects += len(self._held) - before
        self.bytes += sum(line.size for line in self._held[before:])
        self._bytes += stored_bytes
        if len(self._held) < SEGMENT_LINES and self._bytes < SEGMENT_BYTES:
            return False
        self._flush()
        return True

    def end(self) -> tuple[Segment, ...]:
        if self._held:
            self._flush()
        return tuple(self.segments)

    def _flush(self) -> None:
        body = zstandard.compress(msgspec.json.encode(self._held))
        segment = Segment(f"{self._prefix}{len(self.segments):06}.zst", sha256(body).hexdigest(), len(self._held))
        write_surely(self._place, segment.key, body, self._clock)
        self.segments.append(segment)
        self._held, self._bytes = [], 0


def read(place: ObjectStore, segments: Iterable[Segment]) -> Iterator[Line]:
    """Raises BackupDamaged, UnavailableError."""
    for segment in segments:
        blob = place.read(segment.key)
        if blob is None:
            raise BackupDamaged(segment.key, "it is missing")
        if sha256(blob.body).hexdigest() != segment.sha256:
            raise BackupDamaged(segment.key, "its SHA-256 is not the one in the manifest")
        yield from _decoder.decode(zstandard.decompress(blob.body))


def read_unfinished(place: ObjectStore, backup_id: str, part: str) -> Iterator[Line]:
    """What an interrupted backup has stored. A segment that cannot be read is passed over: its objects are read again."""
    for entry in place.list(f"{BACKUPS}{backup_id}/{part}/"):
        blob = place.read(entry.key)
        try:
            found = _decoder.decode(zstandard.decompress(blob.body)) if blob is not None else []
        except (zstandard.ZstdError, msgspec.MsgspecError):
            continue
        yield from found


class Known:
    """What earlier backups have stored: asked for in the order of keys, so that one pass over their lines answers all."""

    def __init__(self, sources: Iterable[Iterator[Line]]) -> None:
        self._lines = heapq.merge(*sources, key=lambda line: line.key)
        self._next = next(self._lines, None)

    def of(self, key: str) -> tuple[Line, ...]:
        """Lines of this key, oldest source first. Keys must be asked for in ascending order."""
        found = []
        while self._next is not None and self._next.key <= key:
            if self._next.key == key:
                found.append(self._next)
            self._next = next(self._lines, None)
        return tuple(found)


def unchanged(entry: Entry, known: Iterable[Line]) -> Line | None:
    """The line whose bytes the object still has, by the store's own version of it."""
    return next((line for line in known if line.version == entry.version.tag and line.size == entry.size_bytes), None)
