"""Ports: what the domains need from outside, in five verbs over bytes and a few small others.

The object store is the seam of the whole product (docs/architecture.md). Adapters live in
`agnes.outside` and pass one contract suite (`tests/contract/test_object_store.py`).
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from mmap import mmap
from pathlib import Path
from typing import Any, Protocol

from agnes.kernel.errors import AgnesError, ConflictError, UnavailableError


@dataclass(frozen=True, slots=True)
class Version:
    """What the store calls one state of one object (an ETag). Says nothing about history:
    A, then B, then A again gives the first Version back."""

    tag: str


@dataclass(frozen=True, slots=True)
class Absent:
    """Write only if there is no object under the key."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Write only if the object still is exactly this version."""

    version: Version


@dataclass(frozen=True, slots=True)
class Anything:
    """Write whatever is there. Only for keys that one writer owns or that hold the same bytes."""


Expect = Absent | Unchanged | Anything
ABSENT = Absent()
ANYTHING = Anything()


@dataclass(frozen=True, slots=True)
class Blob:
    body: bytes
    version: Version


@dataclass(frozen=True, slots=True)
class NotModified:
    """The object still is the version that the reader holds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a listing."""

    key: str
    size_bytes: int
    version: Version
    modified_at: datetime


DOWNLOAD_URL_SECONDS = 45
"""How long a presigned URL of a download is good, which is when the request must have begun: a slow line takes as long as it
needs. With `state_max_stale_seconds` (15 at most) nothing that was blocked, revoked or hidden is served for longer than a
minute by a URL of before (docs/decisions/0076-downloads-after-blocking.md)."""


class PreconditionFailed(ConflictError):
    """The object is not what the writer expected: somebody else wrote first.

    The outcome *conflict*: this write did not happen, and will not.
    """

    code = "precondition_failed"

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} was changed by somebody else", hint="Read it again and repeat the change.")
        self.key = key


class TryAgain(UnavailableError):
    """The outcome *retry*: the store says that nothing happened (409 or 503); the same write may be sent again."""

    code = "store_busy"

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"the store did not take {key}: {reason}", hint="Try again in a moment.")
        self.key = key


class OutcomeUnknown(UnavailableError):
    """The outcome *unknown*: the reply was lost, so the write may have happened or may still happen.

    Settle it by sending the identical conditional write again and then looking for the nonce
    in the body (`agnes.state.settle`).
    """

    code = "outcome_unknown"

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"no answer to the write of {key}: {reason}", hint="Try again in a moment.")
        self.key = key


class StoreUnfit(AgnesError):
    """The start-up probe found that the store breaks a condition that we depend on."""

    code = "store_unfit"


class ObjectStore(Protocol):
    """Bytes under keys. Every write of one piece states its expectation; there is no default.

    A key is at most 900 characters: `/`-separated segments of 1 to 200 of `[A-Za-z0-9._=@+-]`, none
    `.` or `..`; anything else raises InvalidError before the store is asked. No key that Agnes writes is another
    one's folder, `a` beside `a/b`: MinIO leaves the second out of listings.
    """

    def read(self, key: str) -> Blob | None:
        """The object, None if there is none.

        Raises UnavailableError. Reading may be repeated freely, adapters do so themselves.
        """
        ...

    def read_if_changed(self, key: str, version: Version) -> Blob | NotModified | None:
        """The same, `NotModified` if the object still is `version`, and then without its bytes."""
        ...

    def write(
        self, key: str, body: bytes | mmap, *, expect: Expect, content_type: str = "application/octet-stream"
    ) -> Version:
        """Store `body` durably and return its version. A mapped file is sent from the disk, never whole in memory;
        a large one that is written over ANYTHING may be larger than a store takes in one request.

        Exactly one attempt is made. Raises PreconditionFailed (conflict), TryAgain (retry) or
        OutcomeUnknown (unknown); returning is the outcome *committed*.
        """
        ...

    def write_pieces(self, key: str, pieces: Iterable[bytes], *, content_type: str = "application/octet-stream") -> int:
        """Store what comes one after another, of any length, and return its size in bytes. A few pieces are in memory.

        What was there is replaced at the end, at once. If `pieces` or the store raises, nothing is stored and nothing
        is left behind; what `pieces` raises passes. Raises UnavailableError.
        """
        ...

    def download(self, key: str, path: Path) -> bool:
        """Write the object to a file, a piece at a time; whether there is one. Raises UnavailableError, and OSError of the file."""
        ...

    def list(self, prefix: str, *, after: str = "") -> Iterator[Entry]:
        """Entries whose key starts with `prefix` and is greater than `after`, in key order."""
        ...

    def remove(self, keys: Iterable[str]) -> None:
        """Remove objects, unconditionally and idempotently. Never used for anything guarded."""
        ...

    def presign_get(
        self, key: str, *, seconds: int, filename: str | None = None, content_type: str | None = None
    ) -> str:
        """A URL that anybody may GET for `seconds`. `filename` makes it an attachment."""
        ...

    def presign_put(self, key: str, *, seconds: int, size_bytes: int, sha256_hex: str, content_type: str) -> str:
        """A URL that takes exactly these bytes, once declared: length and checksum are signed.

        The PUT must send `upload_headers(...)`: stores take the checksum from there.
        """
        ...


def upload_headers(*, sha256_hex: str, content_type: str) -> dict[str, str]:
    """The headers that a PUT to a presigned URL must send, beside its Content-Length."""
    checksum = base64.b64encode(bytes.fromhex(sha256_hex)).decode()
    return {"Content-Type": content_type, "x-amz-checksum-sha256": checksum}


class Secret:
    """A value that must not reach a log, an argument vector or an answer.

    Its repr hides it, and since it is no dataclass, an encoder of JSON refuses it.
    """

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self.value.encode(), other.value.encode())

    def __hash__(self) -> int:
        return hash(self.value)

    def sign(self, text: str) -> str:
        """HMAC-SHA256 in hexadecimal digits."""
        return hmac.new(self.value.encode(), text.encode(), "sha256").hexdigest()

    def holds(self, text: str, signature: str) -> bool:
        """Whether `sign` gave this, compared in constant time."""
        return hmac.compare_digest(self.sign(text).encode(), signature.encode())


class Secrets(Protocol):
    """Named secrets: Secrets Manager on AWS, a 0600 file locally. State keeps names only."""

    def get(self, name: str) -> Secret | None: ...

    def put(self, name: str, secret: Secret) -> None: ...

    def add(self, name: str, secret: Secret) -> Secret:
        """Keep `secret` unless there is one of that name; the one that is kept, the same for every process."""
        ...

    def remove(self, name: str) -> None: ...

    def names(self) -> tuple[str, ...]:
        """Of all secrets of this installation. For operators: no function may list them."""
        ...


class Clock(Protocol):
    """Time as an argument."""

    def now(self) -> datetime:
        """The present, UTC-aware."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow; for durations."""
        ...

    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Message:
    """One piece of queued work: a queue's name and a JSON-able body."""

    queue: str
    body: dict[str, Any]


class Queue(Protocol):
    """At-least-once work: SQS on AWS, a folder of files locally (`agnes_local.scheduler` feeds its consumers)."""

    def send(self, messages: Iterable[Message]) -> None: ...

    def again(self, record: Mapping[str, Any]) -> None:
        """Of a delivery that failed, as its consumer was given it: let it come again after `retry_seconds`, which is sooner
        than the queue would. Raises UnavailableError."""
        ...


def retry_seconds(attempts: int) -> float:
    """After how long a message comes again that was delivered so many times: a passing fault costs seconds, one of minutes
    does not use up five attempts."""
    return float(min(900, 4**attempts))


@dataclass(frozen=True, slots=True)
class DeadLetter:
    id: str
    body: str
    """The message, or the event of the run, as JSON."""
    reason: str
    """Empty where only the log knows."""


class DeadLetters(Protocol):
    """What was tried often enough and is kept for an operator: runs of schedules (`failed-runs`), and messages of queues."""

    def count(self, queues: Iterable[str]) -> dict[str, int]:
        """By queue, and `failed-runs`. Raises UnavailableError."""
        ...

    def read(self, queue: str, *, at_most: int) -> list[DeadLetter]:
        """Some of them, which stay. Raises UnavailableError."""
        ...

    def send_again(self, queue: str) -> int:
        """Put them back where they came from, as never tried; how many. Raises UnavailableError, and InvalidError for
        `failed-runs`: the next run of a schedule does what one of them did not."""
        ...

    def remove(self, queue: str) -> int:
        """Raises UnavailableError."""
        ...
