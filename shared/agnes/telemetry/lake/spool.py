"""Events on disk until all of a round are there, so that memory does not grow with the input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from agnes.telemetry.model import Event

_encode = msgspec.json.Encoder().encode_lines
_ENCODED_AT_ONCE = 5000
"""Events, of half a kilobyte each but for who means harm."""


class Spool:
    """A file of events, one JSON object a line, that one process writes to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._file: BinaryIO = path.open("ab")

    def put(self, events: Sequence[Event], *, most_bytes: int) -> bool:
        """False, and none of them is kept, if they are more than `most_bytes`: names may be long, and there may be
        many. What was put may be in a buffer until `flush`."""
        begin = self.size
        for start in range(0, len(events), _ENCODED_AT_ONCE):
            self.size += self._file.write(_encode(events[start : start + _ENCODED_AT_ONCE]))
            if self.size - begin > most_bytes:
                self.cut(begin)
                return False
        return True

    def cut(self, size: int) -> None:
        """Forget what comes after `size` bytes."""
        self._file.truncate(size)
        self.size = size

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()
