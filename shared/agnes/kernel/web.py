"""The port of foreign web servers: one file from somebody's URL, over connections that we judge.

    WebFailed       502   the server or what it sent is no use; the same again gives the same
    └── WebTooLarge       over a stated limit
    WebRefused      400   we do not go there (settings: AGNES_OUTBOUND_ALLOW)
    WebUnreachable  503   no answer in time; try again

Messages quote nothing of what a server sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Protocol

from agnes.kernel.errors import AgnesError, BadRequestError, UnavailableError


class WebFailed(AgnesError):
    status = 502
    code = "web_failed"


class WebTooLarge(WebFailed):
    code = "web_too_large"


class WebRefused(BadRequestError):
    code = "web_refused"


class WebUnreachable(UnavailableError):
    code = "web_unreachable"


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server said of the copy that we hold, for a conditional request (RFC 9110 §13)."""

    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class WebFile:
    url: str
    """Where it was found in the end, redirects followed."""
    content_type: str
    """In lower case, without parameters."""
    body: bytes
    """Empty where it went into a file."""
    validators: Validators


class WebReader(Protocol):
    def fetch(
        self,
        url: str,
        *,
        seconds: float,
        max_bytes: int,
        known: Validators | None = None,
        accept: str = "*/*",
        into: IO[bytes] | None = None,
    ) -> WebFile | None:
        """The file at `url`; None if it still is the one that `known` describes. Raises the family above. What is large goes
        `into` a file as it comes, and is not in the answer then."""
        ...
