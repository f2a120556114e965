"""Files of foreign web servers (`agnes.outside.egress`): every hop is resolved and judged anew."""

from __future__ import annotations

import io
import socket
import ssl
from contextlib import closing
from typing import IO
from urllib.parse import quote, urlsplit

from agnes.kernel.web import Validators, WebFailed, WebFile, WebRefused, WebTooLarge, WebUnreachable
from agnes.outside.egress import (
    PORTS,
    Alarm,
    Answer,
    Dial,
    Egress,
    EgressError,
    Origin,
    PrivateAddress,
    Resolve,
    TooManyRedirects,
    dial,
    follow,
)

_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
_SLICE = 65_536


class SafeWeb:
    """A `WebReader`. Private addresses are dialled only if `allow` holds `private`."""

    def __init__(
        self,
        *,
        allow: frozenset[str] = frozenset(),
        resolve: Resolve = socket.getaddrinfo,
        dial: Dial = dial,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._egress = Egress(allow_private="private" in allow, resolve=resolve, dial=dial, tls=tls)

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
        headers = {"User-Agent": "agnes", "Accept": accept, "Accept-Encoding": "identity", "Connection": "close"}
        if known is not None and known.etag:
            headers["If-None-Match"] = known.etag
        if known is not None and known.last_modified:
            headers["If-Modified-Since"] = known.last_modified
        try:
            with Alarm(seconds) as alarm:
                return self._follow(url, headers, _Body(max_bytes, into), alarm)
        except PrivateAddress as exc:
            raise WebRefused(exc.message, hint=exc.hint) from exc
        except TooManyRedirects as exc:
            raise WebFailed(exc.message) from exc
        except EgressError as exc:
            raise WebUnreachable(exc.message, hint=exc.hint or None) from exc

    def _follow(self, url: str, headers: dict[str, str], body: _Body, alarm: Alarm) -> WebFile | None:
        def ask(at: str) -> Answer:
            origin, target = _parts(at)
            return self._egress.ask(origin, target, alarm, headers=headers)

        def may_go(at: str, following: str) -> None:
            if urlsplit(at).scheme.lower() == "https" and urlsplit(following).scheme.lower() != "https":
                raise WebRefused("the server redirects from https to something less")

        at, answer = follow(url, ask, may_go)
        with closing(answer):
            return self._answer(at, answer, headers, body, alarm)

    @staticmethod
    def _answer(url: str, response: Answer, headers: dict[str, str], body: _Body, alarm: Alarm) -> WebFile | None:
        if response.status == 304 and ("If-None-Match" in headers or "If-Modified-Since" in headers):
            return None
        if response.status in _TRANSIENT:
            raise WebUnreachable(f"the server answered {response.status}", hint="Try again later.")
        if response.status != 200:
            raise WebFailed(f"the server answered {response.status}")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise WebFailed("the server sends it encoded although that was not asked for")
        declared = response.headers.get("Content-Length", "")
        if declared.isdigit():
            body.require(int(declared))
        while part := response.read1(_SLICE):
            body.add(part)
        alarm.check()
        if declared.isdigit() and body.size != int(declared):
            raise WebUnreachable("the answer was cut")
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        validators = Validators(response.headers.get("ETag", "")[:200], response.headers.get("Last-Modified", "")[:100])
        return WebFile(url, kind, body.whole(), validators)


class _Body:
    """What is received, in memory or in a file. Raises WebTooLarge."""

    def __init__(self, max_bytes: int, into: IO[bytes] | None) -> None:
        self._max_bytes = max_bytes
        self._memory = io.BytesIO()
        self._into = into
        self.size = 0

    def require(self, size: int) -> None:
        if size > self._max_bytes:
            raise WebTooLarge(f"larger than {self._max_bytes} bytes")

    def add(self, part: bytes) -> None:
        self.size += len(part)
        self.require(self.size)
        try:
            (self._memory if self._into is None else self._into).write(part)
        except OSError as exc:  # of this machine, and not of the server
            raise WebUnreachable(
                f"there is no room for the file: {exc.strerror}", hint="Free some disk space."
            ) from exc

    def whole(self) -> bytes:
        """Nothing of what went into a file."""
        return self._memory.getvalue()


def _parts(url: str) -> tuple[Origin, str]:
    """Where a web address leads, and its request target. Raises WebRefused."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), (parts.hostname or "").lower(), parts.port
    except ValueError as exc:
        raise WebRefused("this is not a URL") from exc
    if scheme not in PORTS:
        raise WebRefused(f"{scheme or 'relative'} URLs are not fetched")
    if not host or parts.username is not None or parts.password is not None:
        raise WebRefused("the URL names no host, or holds credentials")
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    return Origin(scheme, host, port or PORTS[scheme]), target + (f"?{query}" if query else "")
