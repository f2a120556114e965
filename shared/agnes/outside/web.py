"""Files of foreign web servers: every hop is resolved and judged anew, and only a judged address is dialled.

The name in a URL goes into TLS and the Host header, the connection to the address that was judged: a
name that changes its mind in between (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from contextlib import closing
from typing import IO, Any
from urllib.parse import quote, urljoin, urlsplit

from agnes.kernel.git import GitRefused, GitUnreachable
from agnes.kernel.web import Validators, WebFailed, WebFile, WebRefused, WebTooLarge, WebUnreachable
from agnes.outside.git.addresses import Dial, Resolve, SocketAddress, dial, judged_addresses
from agnes.outside.git.limits import MAX_REDIRECTS, STALL_SECONDS
from agnes.outside.git.transport import Alarm

_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
_SLICE = 65_536


class JudgedWeb:
    """A `WebReader`. Private addresses are dialled only if `allow` holds `private`."""

    def __init__(
        self,
        *,
        allow: frozenset[str] = frozenset(),
        resolve: Resolve = socket.getaddrinfo,
        dial: Dial = dial,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_private = "private" in allow
        self._resolve = resolve
        self._dial = dial
        self._tls = tls

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
        # The addresses and the alarm are those of git; what they say is as true here.
        except GitRefused as exc:
            raise WebRefused(exc.message, hint=exc.hint) from exc
        except GitUnreachable as exc:
            raise WebUnreachable(exc.message, hint=exc.hint) from exc

    def _follow(self, url: str, headers: dict[str, str], body: _Body, alarm: Alarm) -> WebFile | None:
        at = url
        for _ in range(MAX_REDIRECTS + 1):
            scheme, host, port, target = _parts(at)
            addresses = judged_addresses(host, port, allow_private=self._allow_private, resolve=self._resolve)
            try:
                with closing(self._connect((scheme, host, port), addresses, alarm)) as connection:
                    connection.request("GET", target, headers=headers)
                    with closing(connection.getresponse()) as response:
                        if response.status not in _REDIRECTS:
                            return self._answer(at, response, headers, body, alarm)
                        following = urljoin(at, response.headers.get("Location", ""))
            except (OSError, http.client.HTTPException, ValueError) as exc:
                alarm.check()
                raise WebUnreachable(_words(exc), hint="Check the URL, and whether the server is up.") from exc
            if scheme == "https" and urlsplit(following).scheme.lower() != "https":
                raise WebRefused("the server redirects from https to something less")
            at = following
        raise WebFailed(f"the server redirects more than {MAX_REDIRECTS} times")

    def _connect(
        self, origin: tuple[str, str, int], addresses: list[tuple[int, SocketAddress]], alarm: Alarm
    ) -> http.client.HTTPConnection:
        scheme, host, port = origin
        alarm.check()
        sock = self._dial(addresses, seconds=min(STALL_SECONDS, alarm.seconds))
        alarm.watch(sock)
        sock.settimeout(STALL_SECONDS)
        if scheme == "https":
            sock = (self._tls or ssl.create_default_context()).wrap_socket(sock, server_hostname=host)
            alarm.watch(sock)
        connection = http.client.HTTPConnection(host, port)
        connection.default_port = _PORTS[scheme]  # so that Host names the port when it must
        connection.auto_open = 0  # never a second dial behind our back
        connection.sock = sock
        return connection

    @staticmethod
    def _answer(url: str, response: Any, headers: dict[str, str], body: _Body, alarm: Alarm) -> WebFile | None:
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


def _parts(url: str) -> tuple[str, str, int, str]:
    """(scheme, host, port, request target) of a web address. Raises WebRefused."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), (parts.hostname or "").lower(), parts.port
    except ValueError as exc:
        raise WebRefused("this is not a URL") from exc
    if scheme not in _PORTS:
        raise WebRefused(f"{scheme or 'relative'} URLs are not fetched")
    if not host or parts.username is not None or parts.password is not None:
        raise WebRefused("the URL names no host, or holds credentials")
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    return scheme, host, port or _PORTS[scheme], target + (f"?{query}" if query else "")


def _words(exc: Exception) -> str:
    if isinstance(exc, TimeoutError):
        return f"the server said nothing for {STALL_SECONDS:g} seconds"
    reason = f"TLS: {exc.reason or exc}" if isinstance(exc, ssl.SSLError) else type(exc).__name__
    return f"the connection failed ({reason})"
