"""A mapped file as a body that is read once, in order: what lies behind the reader is let go of.

Pages of a mapping count as the process's memory once they were touched, so a function that sends a file of a gigabyte
would be as large as that.
"""

from __future__ import annotations

import io
from mmap import MADV_DONTNEED, PAGESIZE, mmap

PIECE_BYTES = 4 * 1024 * 1024


class Pieces(io.RawIOBase):
    """As a file; may be sought, since an adapter may have to sign it before it sends it."""

    def __init__(self, mapped: mmap) -> None:
        self._mapped = mapped
        self._at = 0
        self._kept_from = 0

    def __len__(self) -> int:
        return len(self._mapped)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._mapped)}[whence]
        self._at = max(start + offset, 0)
        self._kept_from = min(self._kept_from, self._at // PAGESIZE * PAGESIZE)
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        end = len(self._mapped) if size is None or size < 0 else min(self._at + size, len(self._mapped))
        piece = self._mapped[self._at : end]
        self._at = max(end, self._at)
        if self._at - self._kept_from >= PIECE_BYTES:
            behind = self._at // PAGESIZE * PAGESIZE
            self._mapped.madvise(MADV_DONTNEED, self._kept_from, behind - self._kept_from)
            self._kept_from = behind
        return piece
