"""Packs: what a server sends, judged while it is unpacked (gitformat-pack(5)).

Nothing in a pack is believed. An object is inflated to the size that it declares and no further, and what is declared
(zlib turns a kilobyte into a megabyte, a delta into more) is within the limits before. Each object is inflated once;
a delta twice, as what it is made on may come later. Deltas are made below their base, which is read once for all of them,
so that no small pack asks for much work.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import defaultdict
from dataclasses import dataclass, field

from dulwich.errors import ApplyDeltaError
from dulwich.pack import OFS_DELTA, REF_DELTA, apply_delta

from agnes.kernel.git import GitFailed
from agnes.outside.git.objects import Spool, too_large, too_many_objects

HEADER_BYTES = 12
TRAILER_BYTES = 20
_SLICE = 65_536
_VARINT_BITS = 63
"""Of a size or an offset: a number of a million bytes would cost its square in work before it can be called too large."""
_PLAIN = (1, 2, 3, 4)  # commit, tree, blob, tag


def unpack(pack: bytes, spool: Spool) -> None:
    """Put every object of a pack into the spool. Raises GitFailed, GitTooLarge."""
    if len(pack) < HEADER_BYTES + TRAILER_BYTES:
        raise GitFailed("the server sent no pack")
    if pack[:4] != b"PACK":
        raise GitFailed("the server sent something else than a pack")
    count = int.from_bytes(pack[8:12], "big")
    if count > spool.limits.objects:
        raise too_many_objects(spool.limits.objects)
    if hashlib.sha1(pack[:-TRAILER_BYTES], usedforsecurity=False).digest() != pack[-TRAILER_BYTES:]:
        raise GitFailed("the server sent a damaged pack (its checksum is another)")
    try:
        _Unpacking(memoryview(pack)[:-TRAILER_BYTES], spool).run(count)
    except (zlib.error, ApplyDeltaError) as exc:
        raise GitFailed(f"the server sent a damaged pack ({exc})") from exc
    except IndexError as exc:
        raise GitFailed("the server sent a damaged pack (it is cut short)") from exc


@dataclass(slots=True)
class _Delta:
    offset: int
    """Where its entry begins: what the deltas made on this one name."""
    at: int
    """Where its zlib stream begins."""
    size: int


@dataclass(slots=True)
class _Unpacking:
    pack: memoryview
    """Up to its checksum."""
    spool: Spool
    total: int = 0
    waiting: dict[int | str, list[_Delta]] = field(default_factory=lambda: defaultdict(list))
    """Offset or id of a base → the deltas that are made on it."""

    def run(self, count: int) -> None:
        whole: list[tuple[int, str, int]] = []
        at = HEADER_BYTES
        for _ in range(count):
            offset = at
            kind, size, at = _header(self.pack, at)
            if kind in _PLAIN:
                self._count(size)
                raw, at = self._inflated(at, size)
                whole.append((offset, self.spool.add(kind, raw), kind))
            else:
                at = self._delta(offset, kind, size, at)
        self._make(whole)
        if self.waiting:
            raise GitFailed("the server sent a damaged pack (deltas of what it lacks)")

    def _delta(self, offset: int, kind: int, size: int, at: int) -> int:
        """Note a delta; the offset behind it."""
        base: int | str
        if kind == OFS_DELTA:
            back, at = _distance(self.pack, at)
            base = offset - back
        elif kind == REF_DELTA:
            base = self.pack[at : at + 20].hex()
            at += 20
        else:
            raise GitFailed(f"the server sent a damaged pack (an object of type {kind})")
        self.waiting[base].append(_Delta(offset, at, size))
        self._count(size)
        first, behind = self._start(at, size)
        _, result_at = _varint(first, 0)
        result, _ = _varint(first, result_at)
        self._count(result)
        return behind

    def _make(self, bases: list[tuple[int, str, int]]) -> None:
        """Make the deltas that wait for (offset, id, kind) of a base, and those that wait for these."""
        while bases:
            offset, oid, kind = bases.pop()
            deltas = self.waiting.pop(offset, []) + self.waiting.pop(oid, [])
            if not deltas:
                continue
            base = self.spool.raw(oid, kind)
            for delta in deltas:
                instructions, _ = self._inflated(delta.at, delta.size)
                made = b"".join(apply_delta(base, instructions))
                bases.append((delta.offset, self.spool.add(kind, made), kind))

    def _count(self, size: int) -> None:
        self.total += size
        if size > self.spool.limits.object_bytes or self.total > self.spool.limits.unpacked_bytes:
            raise too_large()

    def _inflated(self, at: int, size: int) -> tuple[bytes, int]:
        """The content of a zlib stream of exactly `size` bytes, and the offset behind it."""
        stream, parts, left = zlib.decompressobj(), [], size
        feed: bytes | memoryview = b""
        while not stream.eof:
            if not feed:
                feed = self._slice(at)
                at += len(feed)
            part = stream.decompress(feed, left + 1)
            left -= len(part)
            if left < 0:
                raise zlib.error("the stream is longer than it says")
            parts.append(part)
            feed = stream.unconsumed_tail
        if left:
            raise zlib.error("the stream is shorter than it says")
        return b"".join(parts), at - len(stream.unused_data)

    def _start(self, at: int, size: int) -> tuple[bytes, int]:
        """The first bytes of a zlib stream of `size` and the offset behind it, never holding more than a slice of it."""
        stream, first, left = zlib.decompressobj(), b"", size
        feed: bytes | memoryview = b""
        while not stream.eof:
            if not feed:
                feed = self._slice(at)
                at += len(feed)
            part = stream.decompress(feed, _SLICE)
            left -= len(part)
            if left < 0:
                raise zlib.error("the stream is longer than it says")
            if len(first) < 20:
                first += part[:20]
            feed = stream.unconsumed_tail
        return first, at - len(stream.unused_data)

    def _slice(self, at: int) -> memoryview:
        if at >= len(self.pack):
            raise zlib.error("the stream has no end")
        return self.pack[at : at + _SLICE]


def _header(pack: memoryview, at: int) -> tuple[int, int, int]:
    """(type, declared size, offset behind) of a pack entry."""
    first = pack[at]
    size, shift = first & 15, 4
    at += 1
    more = first & 0x80
    while more:
        byte = pack[at]
        at += 1
        if shift > _VARINT_BITS:
            raise GitFailed("the server sent a damaged pack (a size of more than 64 bits)")
        size |= (byte & 0x7F) << shift
        shift += 7
        more = byte & 0x80
    return (first >> 4) & 7, size, at


def _distance(pack: memoryview, at: int) -> tuple[int, int]:
    """How far before an entry its base begins, and the offset behind the number."""
    byte = pack[at]
    value = byte & 0x7F
    while byte & 0x80:
        at += 1
        byte = pack[at]
        if value >> _VARINT_BITS:
            raise GitFailed("the server sent a damaged pack (an offset of more than 64 bits)")
        value = ((value + 1) << 7) | (byte & 0x7F)
    return value, at + 1


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[at]
        at += 1
        if shift > _VARINT_BITS:
            raise GitFailed("the server sent a damaged pack (a size of more than 64 bits)")
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at
