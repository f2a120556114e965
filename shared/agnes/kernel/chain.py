"""The chain of the audit: each line names the digest of the line before, so that no line can be changed, taken out or put in
between without every later one being wrong.

A state file has a chain of its own, which is made in the transaction that writes the line; its name is the file's.
Lines that were written as single objects get theirs when they are moved to the archive: the chain `objects`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

GENESIS = "0" * 64
"""What the first line of a chain names."""
OBJECTS = "objects"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TEXTS = (
    "id", "user_id", "email", "action", "resource", "params", "before", "result",
    "client_ip", "client_kind", "request_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The last line of a chain; of one without lines, 0 and GENESIS."""

    seq: int = 0
    digest: str = GENESIS


@dataclass(frozen=True, slots=True)
class Link:
    """A line's place in its chain. `seq` counts from 1 without gaps."""

    seq: int
    previous: str
    digest: str


def digest_of(chain: str, seq: int, previous: str, line: Mapping[str, Any]) -> str:
    """SHA-256, in hexadecimal, of a line and its place: as JSON of chain, seq, previous, the time in microseconds since 1970, the
    duration in milliseconds, and the texts in the order of `_TEXTS`. `params` and `before` count as the text that is stored."""
    at = (line["at"] - _EPOCH) // _MICROSECOND
    said = [chain, seq, previous, at, float(line["duration_ms"]), *(line[name] for name in _TEXTS)]
    return hashlib.sha256(json.dumps(said, separators=(",", ":")).encode()).hexdigest()


def chained(chain: str, head: ChainHead, lines: Iterable[Mapping[str, Any]]) -> tuple[list[Link], ChainHead]:
    """Places for lines that follow `head`, in this order, and the new head."""
    links: list[Link] = []
    for line in lines:
        link = Link(head.seq + 1, head.digest, digest_of(chain, head.seq + 1, head.digest, line))
        links.append(link)
        head = ChainHead(link.seq, link.digest)
    return links, head
