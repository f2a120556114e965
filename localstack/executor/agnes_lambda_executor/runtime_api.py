"""The Lambda Runtime API, as one runtime sees it: it asks for the next invocation and posts what came of it.

Wire format: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import queue
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Literal

VERSION = "/2018-06-01/runtime"
RESPONSE_LIMIT_BYTES = 6 * 1024 * 1024 + 100
"""What Lambda takes as the answer of a synchronous invocation."""


@dataclasses.dataclass(frozen=True)
class Invocation:
    request_id: str
    payload: bytes
    arn: str
    trace_id: str
    deadline_ms: int
    """Milliseconds since 1970 at which the function is stopped."""


@dataclasses.dataclass(frozen=True)
class Event:
    """What a runtime told us, or that its process ended (`exit`, with the status in `status`)."""

    kind: Literal["ready", "init_error", "response", "error", "exit"]
    request_id: str = ""
    body: bytes = b""
    status: int = 0


class RuntimeApi:
    """Serves one runtime on a free loopback port. `events` is what happened, in order."""

    def __init__(self) -> None:
        self.events: queue.Queue[Event] = queue.Queue()
        self._invocations: queue.Queue[Invocation | None] = queue.Queue()
        self._closed = False
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.api = self
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._serve, name=f"runtime-api-{self.address}", daemon=True).start()

    def give(self, invocation: Invocation) -> None:
        self._invocations.put(invocation)

    def take(self) -> Invocation | None:
        """The next invocation, waited for; None when the API is closing."""
        self.events.put(Event("ready"))
        return self._invocations.get()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._invocations.put(None)
        # A last connection wakes the accepting thread, which then closes the socket.
        with contextlib.suppress(OSError):
            socket.create_connection(self._server.server_address, timeout=5).close()

    def _serve(self) -> None:
        # Not serve_forever, which wakes twice a second: there may be hundreds of idle runtimes.
        while not self._closed:
            self._server.handle_request()
        self._server.socket.close()


class _Server(ThreadingTCPServer):
    api: RuntimeApi
    daemon_threads = True
    block_on_close = False


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body in one packet

    def do_GET(self) -> None:
        if self.path != f"{VERSION}/invocation/next":
            self._answer(HTTPStatus.NOT_FOUND)
            return
        invocation = self.server.api.take()
        if invocation is None:
            self.close_connection = True
            return
        self._answer(
            HTTPStatus.OK,
            invocation.payload,
            {
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(invocation.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": invocation.arn,
                "Lambda-Runtime-Trace-Id": invocation.trace_id,
            },
        )

    def do_POST(self) -> None:
        body, size = self._body()
        events = self.server.api.events
        match self.path.removeprefix(VERSION).split("/")[1:]:
            case ["init", "error"]:
                events.put(Event("init_error", body=body))
            case ["invocation", request_id, "response"] if size > RESPONSE_LIMIT_BYTES:
                # Accepted all the same: the runtime client ends its process on a 413.
                events.put(Event("error", request_id, _too_large(size)))
            case ["invocation", request_id, "response" | "error" as kind]:
                events.put(Event(kind, request_id, body))
            case _:
                self._answer(HTTPStatus.NOT_FOUND)
                return
        self._answer(HTTPStatus.ACCEPTED, b'{"status":"OK"}')

    def _body(self) -> tuple[bytes, int]:
        """The body and its size in bytes; what is over the limit is counted and dropped."""
        kept, size = bytearray(), 0
        for part in self._parts():
            size += len(part)
            if size <= RESPONSE_LIMIT_BYTES:
                kept += part
        return bytes(kept), size

    def _parts(self):  # noqa: ANN202  (Iterator[bytes]; the runtime client posts in chunks)
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return
        while length := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(length)
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass

    def _answer(self, status: HTTPStatus, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """The function's own log is what matters."""


def _too_large(size: int) -> bytes:
    return json.dumps(
        {
            "errorType": "Function.ResponseSizeTooLarge",
            "errorMessage": f"Response payload size ({size} bytes) exceeded maximum allowed payload size"
            f" ({RESPONSE_LIMIT_BYTES} bytes).",
        }
    ).encode()
