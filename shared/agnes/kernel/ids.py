"""Identifiers: ULIDs sort by creation, so listings by key or by id are listings by time."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import NewType

from ulid import ULID

UserId = NewType("UserId", str)
GroupId = NewType("GroupId", str)
TokenId = NewType("TokenId", str)


def new_ulid(at: datetime | None = None) -> str:
    """26 characters of Crockford base 32, lowercase, ordered by time to the millisecond."""
    return str(ULID.from_datetime(at) if at is not None else ULID()).lower()


def time_of(ulid: str) -> datetime:
    """When a ULID was made, to the millisecond. Raises ValueError for what is none."""
    return ULID.from_str(ulid.upper()).datetime.astimezone(UTC)


def new_nonce() -> str:
    """16 random hexadecimal characters, for telling one writer's bytes from another's."""
    return secrets.token_hex(8)
