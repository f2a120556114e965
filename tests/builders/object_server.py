"""Objects behind HTTP on loopback, in ranges, with the faults of networks: what a presigned URL leads to.

with ObjectServer({"a": b"..."}) as server:
    server.cut_after = lambda: 100      # bytes of each body until the connection closes; None: all of it
    ...  server.url("a")  ...
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class ObjectServer:
    def __init__(self, objects: dict[str, bytes], *, ranges: bool = True) -> None:
        self.objects = objects
        self.ranges = ranges
        self.cut_after: Callable[[], int | None] = lambda: None
        self.statuses: list[int] = []
        """Answers that come before all others, one a request."""
        self.served_bytes = 0
        self.asked: list[tuple[str, str | None, str | None]] = []
        """(name, Range, If-Range) of each request."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._serve(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{name}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.strip("/")
        asked, condition = request.headers.get("Range"), request.headers.get("If-Range")
        self.asked.append((name, asked, condition))
        body = self.objects[name]
        status = self.statuses.pop(0) if self.statuses else 200
        if status != 200:
            request.send_response(status)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        etag = f'"{name}"'
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        if condition not in (None, etag):
            begin = 0
        request.send_response(206 if begin else 200)
        request.send_header("Content-Length", str(len(body) - begin))
        request.send_header("ETag", etag)
        if begin:
            request.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
        request.end_headers()
        cut = self.cut_after()
        part = body[begin:] if cut is None else body[begin : begin + cut]
        self.served_bytes += len(part)
        request.wfile.write(part)
        request.wfile.flush()
        request.close_connection = begin + len(part) < len(body)
