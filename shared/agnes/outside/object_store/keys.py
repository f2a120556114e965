"""What a key may look like, checked before any store is asked."""

from __future__ import annotations

import re

from agnes.kernel.errors import InvalidError

MAX_KEY_LENGTH = 900
"""Characters. S3 allows 1,024 bytes; the rest is room for a bucket prefix."""

MAX_SEGMENT_LENGTH = 200
"""Characters. File names may have 255 bytes."""

_SEGMENT = re.compile(rf"[A-Za-z0-9._=@+-]{{1,{MAX_SEGMENT_LENGTH}}}")


class InvalidKey(InvalidError):
    """A key that no store takes: empty, too long, a forbidden character, a `.` or `..` segment."""

    code = "invalid_key"

    def __init__(self, key: str) -> None:
        super().__init__(f"not a key of the object store: {key[:100]!r}")
        self.key = key


def check_key(key: str) -> str:
    if len(key) > MAX_KEY_LENGTH or not all(is_segment(segment) for segment in key.split("/")):
        raise InvalidKey(key)
    return key


def check_prefix(prefix: str) -> str:
    """A prefix may end inside a segment, `sessions/ab`, or after one, `sessions/`; "" lists everything."""
    *folders, start = prefix.split("/")
    if (
        len(prefix) > MAX_KEY_LENGTH
        or not all(is_segment(folder) for folder in folders)
        or not (start in {"", ".", ".."} or is_segment(start))
    ):
        raise InvalidKey(prefix)
    return prefix


def is_segment(text: str) -> bool:
    return text not in {".", ".."} and _SEGMENT.fullmatch(text) is not None
