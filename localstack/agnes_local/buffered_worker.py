"""A gunicorn worker that gives a request to a thread only once the request has arrived whole.

gunicorn keeps the processes; inside each, waitress reads and writes all connections in one loop and buffers them. So a
client that sends or reads slowly, or not at all, costs a socket and never a thread. What waitress does not have is
added here: a deadline for a header, a least rate for a body and for a reader, a limit of a body's size that depends on
its request, an answer that reaches a client which is still sending, and errors in our JSON shape.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher
from waitress.utilities import Error, RequestEntityTooLarge

from agnes.kernel.errors import AgnesError
from agnes_local.tls import Certificate

HEADER_SECONDS = 10
"""From the first byte of a request to the end of its header."""
IDLE_SECONDS = 30
"""Of a connection between two requests."""
SLOW_SECONDS = 30
LEAST_BYTES_A_SECOND = 4_000
"""A body must arrive, and an answer be read, at this rate after the first SLOW_SECONDS."""
MAX_CONNECTIONS = 4_000
"""Of one process; further ones wait until one is closed."""
MAX_HEADER_BYTES = 64_000
LEAVING_SECONDS, DROPPED_BYTES = 10, 100_000_000
"""How long, and of how much, what a refused client still sends is dropped, so that it can read the answer."""
CHECK_SECONDS = 1

BodyLimit = Callable[[str, str], int]
"""(method, request target as it was sent) to the bytes that its body may have. Raises AgnesError to refuse it."""
ErrorAnswer = Callable[[Error], tuple[str, list[tuple[str, str]], bytes]]
"""What the server refused, to status line, headers and body."""


class RequestTimeout(Error):
    code = 408
    reason = "Request Timeout"


class Refused(Error):
    """A request that was refused by its header."""

    def __init__(self, error: AgnesError) -> None:
        super().__init__(error.message)
        self.error = error
        self.code = error.status


class _Parser(HTTPRequestParser):
    body_limit: BodyLimit

    def __init__(self, adj: Adjustments) -> None:
        super().__init__(adj)
        self.began_at = time.time()

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        self._refuse_two_ends()
        if self.body_rcv is None:
            return
        try:
            limit = type(self).body_limit(self.command.upper(), self.request_uri)
        except AgnesError as refusal:
            self._refuse(Refused(refusal))
        else:
            self.adj = copy.copy(self.adj)
            self.adj.max_request_body_size = limit + 1  # waitress refuses what reaches it
            if self.content_length > limit:
                self._refuse(RequestEntityTooLarge(f"more than {limit} bytes"))

    def _refuse_two_ends(self) -> None:
        """A request whose end a proxy in front may see elsewhere could hide another request (RFC 9112, section 6.1)."""
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("a request has a length or comes in chunks, not both")
        if "TRANSFER_ENCODING" in self.headers:  # waitress leaves it there, unread, for HTTP/1.0
            raise ParsingError("chunks are not known to HTTP/1.0")

    def _refuse(self, error: Error) -> None:
        """Answer without the body, which the client may still be sending, or waits to be asked for."""
        self.error, self.body_rcv, self.content_length, self.expect_continue = error, None, 0, False

    def is_late(self, now: float) -> bool:
        taken = now - self.began_at
        if not self.headers_finished:
            return taken > HEADER_SECONDS
        received: int = self.body_bytes_received
        return taken > SLOW_SECONDS + received / LEAST_BYTES_A_SECOND


class _ErrorTask(ErrorTask):
    answer: ErrorAnswer

    def execute(self) -> None:
        self.status, headers, body = type(self).answer(self.request.error)
        self.response_headers.extend(headers)
        self.set_close_on_finish()
        self.channel.leaves_unread = True
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):
    """One connection."""

    leaves_unread = False
    """The answer was given before all was read: closing at once would reset the connection, and the client would lose
    the answer. So only our half is closed, and what still comes is dropped for a while."""
    _leaving_since = 0.0
    _dropped_bytes = 0
    _answering_since = 0.0
    _sent_bytes = 0
    # Of waitress:
    close_when_flushed: bool
    request: Any
    requests: list[Any]

    def write_soon(self, data: Any) -> int:
        if not self.total_outbufs_len:
            self._answering_since, self._sent_bytes = time.time(), 0
        written: int = super().write_soon(data)
        return written

    def send(self, data: bytes, do_close: bool = True) -> int:
        sent: int = super().send(data, do_close=do_close)
        self._sent_bytes += sent
        return sent

    def writable(self) -> bool:
        return bool(self.will_close if self._leaving_since else super().writable())

    def handle_write(self) -> None:
        if self._leaving_since or not (self.leaves_unread and self.close_when_flushed):
            super().handle_write()
            return
        self.close_when_flushed = False
        super().handle_write()
        if not self.total_outbufs_len and self.connected:
            self._leaving_since = time.time()
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
        else:
            self.close_when_flushed = True

    def readable(self) -> bool:
        return bool(self._leaving_since and not self.will_close) or super().readable()

    def received(self, data: bytes) -> bool:
        if not self._leaving_since:
            is_request: bool = super().received(data)
            return is_request
        self._dropped_bytes += len(data)
        if self._dropped_bytes > DROPPED_BYTES:
            self.will_close = True
        return False

    def check_time(self, now: float) -> None:
        """Refuse a request that is late, and leave a client that does not read its answer."""
        if self._leaving_since:
            self.will_close = self.will_close or now - self._leaving_since > LEAVING_SECONDS
            return
        if self.total_outbufs_len:
            if now - self._answering_since > SLOW_SECONDS + self._sent_bytes / LEAST_BYTES_A_SECOND:
                self.will_close = True
            return
        with self.requests_lock:
            request = self.request
            if request is None or self.requests or self.will_close or not request.is_late(now):
                return
            request.error, request.completed = RequestTimeout("the request took too long to arrive"), True
            self.request, self.requests = None, [request]
            self.server.add_task(self)

    @property
    def is_busy(self) -> bool:
        return bool(self.requests or self.request or self.total_outbufs_len)


class _TlsChannel(_Channel):
    """One connection by TLS. The loop reads and threads write, and OpenSSL takes one of them at a time."""

    def __init__(self, *given: Any, **named: Any) -> None:
        self._tls = threading.Lock()
        self._is_shaking_hands = True
        self._must_write = False
        super().__init__(*given, **named)

    def readable(self) -> bool:
        return self._is_shaking_hands or super().readable()

    def writable(self) -> bool:
        return self._must_write or bool(self.will_close) if self._is_shaking_hands else super().writable()

    def handle_read(self) -> None:
        if self._is_shaking_hands:
            self._shake_hands()
            return
        try:
            with self._tls:
                data = self._read()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError:  # also what is no TLS
            data = b""
        if data:
            self.last_activity = time.time()
            self.received(data)
        else:
            self.handle_close()

    def handle_write(self) -> None:
        if self._is_shaking_hands and not self.will_close:
            self._shake_hands()
        else:
            super().handle_write()

    def send(self, data: bytes, do_close: bool = True) -> int:
        try:
            with self._tls:
                return super().send(data, do_close=do_close)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0

    def _read(self) -> bytes:
        """With what OpenSSL has deciphered already, of which the kernel tells nothing."""
        data: bytes = self.socket.recv(self.adj.recv_bytes)
        while pending := self.socket.pending():
            data += self.socket.recv(pending)
        return data

    def _shake_hands(self) -> None:
        self._must_write = False
        try:
            with self._tls:
                self.socket.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLWantWriteError:
            self._must_write = True
            return
        except OSError:
            self.handle_close()
            return
        self._is_shaking_hands = False
        self.last_activity = time.time()
        self.handle_read()  # the request may have come with the end of the handshake


class _Server(TcpWSGIServer):
    certificate: Certificate | None = None

    def accept(self) -> Any:
        found = super().accept()
        if found is None or self.certificate is None:
            return found
        connection, address = found
        return self.certificate.wrapped(connection), address

    def maintenance(self, now: float) -> None:
        super().maintenance(now)
        if self.certificate is not None:
            self.certificate.renew()
        for channel in list(self.active_channels.values()):
            channel.check_time(now)


class BufferedWorker(Worker):
    """`body_limit`, `error_answer` and, for TLS, `certificate` are set by the gateway before the first worker starts."""

    body_limit: BodyLimit
    error_answer: ErrorAnswer
    certificate: Certificate | None = None

    def run(self) -> None:
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a burst is no warning
        listener = self.sockets[0].sock
        kind = type(self)
        parser = type("Parser", (_Parser,), {"body_limit": staticmethod(kind.body_limit)})
        errors = type("ErrorTask", (_ErrorTask,), {"answer": staticmethod(kind.error_answer)})
        adjustments = Adjustments(
            sockets=[listener],
            ident=None,
            connection_limit=MAX_CONNECTIONS,
            channel_timeout=IDLE_SECONDS,
            cleanup_interval=CHECK_SECONDS,
            max_request_header_size=MAX_HEADER_BYTES,
            asyncore_use_poll=True,  # select knows no descriptor above 1023
            log_socket_errors=False,
            clear_untrusted_proxy_headers=False,
            url_scheme="http" if kind.certificate is None else "https",
        )
        dispatcher = ThreadedTaskDispatcher()
        dispatcher.set_thread_count(self.cfg.threads)
        self._map: dict[int, Any] = {}
        self._server = _Server(
            self.wsgi,
            self._map,
            True,
            listener,
            dispatcher=dispatcher,
            adj=adjustments,
            bind_socket=False,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
        )
        self._server.certificate = kind.certificate
        channel = _Channel if kind.certificate is None else _TlsChannel
        self._server.channel_class = type("Channel", (channel,), {"parser_class": parser, "error_task_class": errors})
        while self.alive and self.ppid == os.getppid():
            self.notify()
            wasyncore.loop(timeout=CHECK_SECONDS, use_poll=True, map=self._map, count=1)
        self._finish(dispatcher)

    def handle_exit(self, sig: int, frame: Any) -> None:
        super().handle_exit(sig, frame)
        if server := getattr(self, "_server", None):
            server.pull_trigger()

    def _finish(self, dispatcher: ThreadedTaskDispatcher) -> None:
        """Take no more, and answer what has begun to arrive."""
        server, until = self._server, time.monotonic() + self.cfg.graceful_timeout
        server.accepting = False
        server.del_channel(self._map)
        server.socket.close()
        while time.monotonic() < until and any(channel.is_busy for channel in server.active_channels.values()):
            self.notify()
            wasyncore.loop(timeout=0.05, use_poll=True, map=self._map, count=1)
        dispatcher.shutdown(cancel_pending=True, timeout=1)
        for channel in list(server.active_channels.values()):
            channel.handle_close()
