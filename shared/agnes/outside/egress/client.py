"""HTTP to foreign servers, on urllib3's connections: every dial is to a judged address, and nothing is dialled twice.

The name in a URL goes into TLS and the Host header, the connection to the address that was judged: a name that changes its
mind in between (DNS rebinding) gains nothing. urllib3's pools, retries and redirects are not used.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urljoin

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse

from agnes.outside.egress.addresses import Dial, Resolve, dial, judged_addresses
from agnes.outside.egress.alarm import Alarm
from agnes.outside.egress.errors import ConnectionFailed, EgressError, Silent, TooManyRedirects

STALL_SECONDS = 30.0
"""A server that says nothing for so long has hung; git's own `http.lowSpeedTime` is often set so."""
MAX_REDIRECTS = 5
"""git itself follows 20."""
REDIRECTS = (301, 302, 303, 307, 308)
PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    scheme: str
    host: str
    port: int


class Egress:
    """The way out. Private addresses are dialled only with `allow_private`."""

    def __init__(
        self,
        *,
        allow_private: bool = False,
        resolve: Resolve = socket.getaddrinfo,
        dial: Dial = dial,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._dial = dial
        self._tls = tls

    def connect(self, host: str, port: int, alarm: Alarm, *, seconds: float) -> socket.socket:
        """A connection to a judged address, watched by the alarm. Raises EgressError, OSError."""
        alarm.check()
        addresses = judged_addresses(host, port, allow_private=self._allow_private, resolve=self._resolve)
        sock = self._dial(addresses, seconds=min(seconds, alarm.seconds))
        alarm.watch(sock)
        sock.settimeout(seconds)
        return sock

    def ask(
        self,
        origin: Origin,
        target: str,
        alarm: Alarm,
        *,
        method: str = "GET",
        headers: Mapping[str, str],
        body: bytes | None = None,
        seconds: float = STALL_SECONDS,
    ) -> Answer:
        """One request on a connection of its own; `seconds` is how long the server may say nothing. Raises EgressError."""
        connection = self._connection(origin, alarm, seconds)
        try:
            connection.request(
                method,
                target,
                body=body,
                headers={"Connection": "close", **headers},
                preload_content=False,
                decode_content=False,
                enforce_content_length=False,
            )
            return Answer(connection, connection.getresponse(), alarm, seconds)
        except (OSError, http.client.HTTPException, HTTPError, ValueError) as exc:
            connection.close()
            raise failed(exc, alarm, seconds) from exc
        except EgressError:
            connection.close()
            raise

    def _connection(self, origin: Origin, alarm: Alarm, seconds: float) -> HTTPConnection:
        def new_socket() -> socket.socket:
            return self.connect(origin.host, origin.port, alarm, seconds=seconds)

        if origin.scheme == "https":
            context = self._tls or ssl.create_default_context()
            return _TlsConnection(origin, new_socket, seconds, alarm, context)
        return _Connection(origin, new_socket, seconds)


def follow(url: str, ask: Callable[[str], Answer], may_go: Callable[[str, str], None]) -> tuple[str, Answer]:
    """The first answer that is no redirect, and where it came from. `may_go` raises for a step that is not taken.

    Raises TooManyRedirects.
    """
    at = url
    for _ in range(MAX_REDIRECTS + 1):
        answer = ask(at)
        if answer.status not in REDIRECTS:
            return at, answer
        answer.close()
        following = urljoin(at, answer.headers.get("Location", ""))
        may_go(at, following)
        at = following
    raise TooManyRedirects(f"the server redirects more than {MAX_REDIRECTS} times")


def failed(exc: Exception, alarm: Alarm, seconds: float) -> EgressError:
    """What to say of an exception of a connection. Raises TimeUp where the alarm is the cause."""
    alarm.check()
    if isinstance(exc, ReadTimeoutError | TimeoutError):
        return Silent(f"the server said nothing for {seconds:g} seconds")
    cause = exc
    while isinstance(cause, HTTPError) and isinstance(cause.__cause__ or cause.__context__, Exception):
        cause = cause.__cause__ or cause.__context__  # type: ignore[assignment]  # an Exception by the test above
    if isinstance(cause, TimeoutError):
        return Silent(f"the server said nothing for {seconds:g} seconds")
    reason = f"TLS: {cause.reason or cause}" if isinstance(cause, ssl.SSLError) else type(cause).__name__
    return ConnectionFailed(f"the connection failed ({reason})", hint="Check the URL, and whether the server is up.")


class Answer:
    """An answer whose body is read as it comes."""

    def __init__(self, connection: HTTPConnection, response: BaseHTTPResponse, alarm: Alarm, seconds: float) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.raw = response
        self._connection = connection
        self._alarm = alarm
        self._seconds = seconds

    def read1(self, size: int) -> bytes:
        """What has come, `size` bytes at most; nothing at the end. Raises EgressError."""
        try:
            return self.raw.read1(size)
        except (OSError, http.client.HTTPException, HTTPError, ValueError) as exc:
            raise failed(exc, self._alarm, self._seconds) from exc

    def close(self) -> None:
        self.raw.close()
        self._connection.close()


class _Connection(HTTPConnection):
    def __init__(self, origin: Origin, new_socket: Callable[[], socket.socket], seconds: float) -> None:
        super().__init__(origin.host, origin.port, timeout=seconds)
        self._new_socket = new_socket

    def _new_conn(self) -> socket.socket:
        return self._new_socket()


class _TlsConnection(HTTPSConnection):
    def __init__(
        self,
        origin: Origin,
        new_socket: Callable[[], socket.socket],
        seconds: float,
        alarm: Alarm,
        context: ssl.SSLContext,
    ) -> None:
        super().__init__(origin.host, origin.port, timeout=seconds, ssl_context=context)
        self._new_socket = new_socket
        self._alarm = alarm

    def _new_conn(self) -> socket.socket:
        return self._new_socket()

    def connect(self) -> None:
        super().connect()
        if isinstance(self.sock, socket.socket):
            self._alarm.watch(self.sock)
