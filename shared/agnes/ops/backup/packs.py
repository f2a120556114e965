"""Packs: many small objects in one, so that a backup makes few large writes; a large object has one of its own.

A pack's name is the SHA-256 of its bytes, so writing one twice changes nothing, and a changed bit shows.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest, sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path
from tempfile import NamedTemporaryFile

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import ANYTHING, Clock, Entry, ObjectStore, Version
from agnes.ops.backup.model import PACKS, BackupDamaged, Line

PACK_BYTES = 16 * 2**20
PACK_OBJECTS = 2_000
LARGE_BYTES = 8 * 2**20
"""An object from this size on goes from disk to disk, and is never whole in memory."""
TRIES = 8
_jitter = random.SystemRandom().random


def write_surely(store: ObjectStore, key: str, body: bytes | mmap, clock: Clock) -> Version:
    """Write bytes that nobody else writes differently, as often as it takes. Raises UnavailableError."""
    for attempt in range(TRIES):
        if attempt:
            clock.sleep(_jitter() * 0.05 * 2**attempt)
        try:
            return store.write(key, body, expect=ANYTHING)
        except UnavailableError:
            if attempt == TRIES - 1:
                raise
    raise AssertionError


def pack_key(digest: str) -> str:
    return f"{PACKS}{digest[:2]}/{digest}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An object that a backup takes."""

    entry: Entry
    kept: Line | None
    """It is stored already, and unchanged: nothing is read."""
    others: Sequence[Line] = ()
    """What earlier backups had under this key. It may have the same bytes after all."""

    @property
    def read_bytes(self) -> int:
        return 0 if self.kept else self.entry.size_bytes


def batches(wanted: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    """What goes into one pack together, in order. A large object is a batch by itself."""
    batch: list[Wanted] = []
    size = 0
    for one in wanted:
        if batch and (
            one.read_bytes >= LARGE_BYTES or size + one.read_bytes > PACK_BYTES or len(batch) >= PACK_OBJECTS
        ):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.read_bytes
        if one.read_bytes >= LARGE_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


@dataclass(frozen=True, slots=True)
class Packed:
    lines: list[Line]
    stored_bytes: int


class Packer:
    """Reads objects of `source` and stores them in `place`. Safe for several threads."""

    def __init__(self, source: ObjectStore, place: ObjectStore, clock: Clock, work: Path) -> None:
        self._source = source
        self._place = place
        self._clock = clock
        self._work = work

    def pack(self, batch: Sequence[Wanted]) -> Packed:
        """A line for each object that is still there."""
        if len(batch) == 1 and batch[0].read_bytes >= LARGE_BYTES:
            return self._large(batch[0])
        lines: list[Line] = []
        body = bytearray()
        for one in batch:
            if one.kept is not None:
                lines.append(one.kept)
                continue
            blob = self._source.read(one.entry.key)
            if blob is None:
                continue  # removed since it was listed
            digest = sha256(blob.body).hexdigest()
            line = _same(one, len(blob.body), digest, blob.version)
            if line is None:
                pack = "new" if blob.body else ""
                line = Line(one.entry.key, len(blob.body), digest, blob.version.tag, pack, len(body))
                body += blob.body
            lines.append(line)
        if not body:
            return Packed(lines, 0)
        key = pack_key(sha256(body).hexdigest())
        write_surely(self._place, key, bytes(body), self._clock)
        return Packed([_in_pack(line, key) for line in lines], len(body))

    def _large(self, one: Wanted) -> Packed:
        with NamedTemporaryFile(dir=self._work) as file:
            path = Path(file.name)
            if not self._source.download(one.entry.key, path):
                return Packed([], 0)
            size = path.stat().st_size
            with path.open("rb") as copy:
                digest = file_digest(copy, "sha256").hexdigest()
            # The version is of the listing: where the object was replaced since, the next pass reads it again.
            if line := _same(one, size, digest, one.entry.version):
                return Packed([line], 0)
            key = pack_key(digest)
            with mapped(path) as body:
                write_surely(self._place, key, body, self._clock)
        return Packed([Line(one.entry.key, size, digest, one.entry.version.tag, key, 0)], size)


def _same(one: Wanted, size: int, digest: str, version: Version) -> Line | None:
    """Where the same bytes are stored already."""
    found = next((line for line in one.others if (line.size, line.sha256) == (size, digest)), None)
    return found and Line(found.key, size, digest, version.tag, found.pack, found.offset)


def _in_pack(line: Line, key: str) -> Line:
    return Line(line.key, line.size, line.sha256, line.version, key, line.offset) if line.pack == "new" else line


@contextmanager
def mapped(path: Path) -> Iterator[mmap | bytes]:
    """A file's bytes, from the disk; of an empty one, which cannot be mapped, none."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            yield b""
            return
        with mmap(file.fileno(), 0, access=ACCESS_READ) as body:
            yield body


def checked(line: Line, body: bytes) -> bytes:
    """Raises BackupDamaged."""
    if len(body) != line.size or sha256(body).hexdigest() != line.sha256:
        raise BackupDamaged(line.pack, f"the bytes of {line.key} do not have their SHA-256")
    return body


def groups(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Lines that are read from one pack together. Within a window the packs are put in order, since an incremental backup's
    lines change between an old pack and a new one."""
    window: list[Line] = []
    size = 0
    for line in lines:
        window.append(line)
        size += line.size
        if size >= PACK_BYTES or len(window) >= PACK_OBJECTS:
            yield from _by_pack(window)
            window, size = [], 0
    yield from _by_pack(window)


def _by_pack(window: Iterable[Line]) -> Iterator[list[Line]]:
    by_pack: dict[str, list[Line]] = {}
    for line in window:
        by_pack.setdefault(line.pack, []).append(line)
    return iter(by_pack.values())


def bodies(place: ObjectStore, group: Sequence[Line]) -> Iterator[tuple[Line, bytes]]:
    """Small objects of one pack, each verified. Raises BackupDamaged, UnavailableError."""
    pack = b""
    if group[0].pack:
        blob = place.read(group[0].pack)
        if blob is None:
            raise BackupDamaged(group[0].pack, "it is missing")
        pack = blob.body
    for line in group:
        yield line, checked(line, pack[line.offset : line.offset + line.size])


@contextmanager
def large_body(place: ObjectStore, line: Line, work: Path) -> Iterator[mmap | bytes]:
    """A large object, verified, on the disk. Raises BackupDamaged, UnavailableError."""
    with NamedTemporaryFile(dir=work) as file:
        path = Path(file.name)
        if not place.download(line.pack, path):
            raise BackupDamaged(line.pack, "it is missing")
        with path.open("rb") as copy:
            digest = file_digest(copy, "sha256").hexdigest()
        if digest != line.sha256 or path.stat().st_size != line.size:
            raise BackupDamaged(line.pack, f"the bytes of {line.key} do not have their SHA-256")
        with mapped(path) as body:
            yield body
