"""What a key may look like, checked before any store is asked."""

from __future__ import annotations

import re

from agnes.kernel.errors import InvalidError

MAX_KEY_LENGTH = 900
"""Characters. S3 allows 1,024 bytes; the rest is room for a bucket prefix."""

_KEY = re.compile(r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._=@+-]+(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._=@+-]+)*")
_PREFIX = re.compile(r"[A-Za-z0-9._=@+/-]*")


class InvalidKey(InvalidError):
    """A key that no store takes: empty, too long, a forbidden character, or a `.` or `..` segment."""

    code = "invalid_key"

    def __init__(self, key: str) -> None:
        super().__init__(f"not a key of the object store: {key[:100]!r}")
        self.key = key


def check_key(key: str) -> str:
    if len(key) > MAX_KEY_LENGTH or _KEY.fullmatch(key) is None:
        raise InvalidKey(key)
    return key


def check_prefix(prefix: str) -> str:
    """A prefix need not end at a segment: `sessions/ab` is one."""
    segments = prefix.split("/")
    if (
        len(prefix) > MAX_KEY_LENGTH
        or _PREFIX.fullmatch(prefix) is None
        or "" in segments[:-1]
        or any(segment in (".", "..") for segment in segments[:-1])
    ):
        raise InvalidKey(prefix)
    return prefix
