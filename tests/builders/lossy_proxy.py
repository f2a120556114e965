"""An HTTP proxy before an S3 server that loses replies, after the server has acted or before.

    with lossy_proxy(server_url, choose) as proxy_url:
        S3Store(bucket, endpoint_url=proxy_url, read_seconds=0.5, ...)

`choose(method, path)` names the fault of each request. Signatures hold, as the Host header goes through.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from tests.builders.patience import PATIENCE_SECONDS


class HttpFault(StrEnum):
    NONE = "none"
    DROP_BEFORE = "drop_before"  # the connection closes; the server never sees the request
    DROP_AFTER = "drop_after"  # the server acts, the connection closes
    LATE = "late"  # the connection closes, the server acts a moment later
    CUT = "cut"  # the server acts; half of its reply's body arrives, or of its headers if it has none
    CUT_HEAD = "cut_head"  # the server acts; its reply ends within the ETag, or within the headers
    GARBAGE = "garbage"  # the server acts; what arrives is not HTTP
    SILENT = "silent"  # the server acts; the client waits for its reply until its patience ends
    BARE_502 = "bare_502"  # the server acts; a gateway answers in its stead
    BARE_503 = "bare_503"  # likewise, and nothing says that it did not act
    CONFLICT = "conflict"  # 409 ConditionalRequestConflict, the server never sees the request
    SLOW_DOWN = "slow_down"  # 503 SlowDown, likewise
    INTERNAL = "internal"  # 500 InternalError after the server acted


Choose = Callable[[str, str], HttpFault]

_ANSWERS = {
    HttpFault.BARE_502: (502, b"<html>Bad Gateway</html>"),
    HttpFault.BARE_503: (503, b"<html>Service Unavailable</html>"),
    HttpFault.CONFLICT: (409, b"<Error><Code>ConditionalRequestConflict</Code><Message>again</Message></Error>"),
    HttpFault.SLOW_DOWN: (503, b"<Error><Code>SlowDown</Code><Message>slower</Message></Error>"),
    HttpFault.INTERNAL: (500, b"<Error><Code>InternalError</Code><Message>sorry</Message></Error>"),
}
_UNSEEN = {HttpFault.DROP_BEFORE, HttpFault.CONFLICT, HttpFault.SLOW_DOWN}
LATE_SECONDS = 0.03

Reply = tuple[int, list[tuple[str, str]], bytes]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    upstream: str
    choose: Choose


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.choose(self.command, self.path)
        if fault is HttpFault.LATE:
            threading.Timer(LATE_SECONDS, self._forward, [body]).start()
            return self._hang_up()
        reply = None if fault in _UNSEEN else self._forward(body)
        if fault in {HttpFault.DROP_BEFORE, HttpFault.DROP_AFTER}:
            return self._hang_up()
        if fault is HttpFault.SILENT:
            self.connection.settimeout(PATIENCE_SECONDS)
            self.connection.recv(1)  # until the client hangs up
            return self._hang_up()
        if fault is HttpFault.GARBAGE:
            self.wfile.write(b"\x00\x01 not HTTP at all\r\n\r\n")
            return self._hang_up()
        if fault in _ANSWERS:
            status, content = _ANSWERS[fault]
            reply = (status, [("Content-Type", "application/xml")], content)
        assert reply is not None
        answer = self._rendered(reply)
        if fault in {HttpFault.CUT, HttpFault.CUT_HEAD}:
            head, content = len(answer) - len(reply[2]), len(reply[2])
            etag = answer.lower().find(b"etag:", 0, head)
            within_head = etag + 12 if etag > 0 else head // 2
            self.wfile.write(answer[: head + content // 2 if content and fault is HttpFault.CUT else within_head])
            return self._hang_up()
        return self.wfile.write(answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815 - http.server's names

    def _forward(self, body: bytes) -> Reply:
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=PATIENCE_SECONDS)
        try:
            headers = {n: v for n, v in self.headers.items() if n.lower() not in {"expect", "connection"}}
            upstream.request(self.command, self.path, body=body or None, headers=headers)
            answer = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            upstream.close()

    def _rendered(self, reply: Reply) -> bytes:
        status, headers, content = reply
        kept = [(n, v) for n, v in headers if n.lower() not in {"connection", "transfer-encoding", "content-length"}]
        length = dict(headers).get("Content-Length", "0") if self.command == "HEAD" else len(content)
        lines = [f"HTTP/1.1 {status} -", *(f"{n}: {v}" for n, v in kept), f"Content-Length: {length}", "", ""]
        return "\r\n".join(lines).encode() + content

    def _hang_up(self) -> None:
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def lossy_proxy(server_url: str, choose: Choose) -> Iterator[str]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.upstream, server.choose = urlsplit(server_url).netloc, choose
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
