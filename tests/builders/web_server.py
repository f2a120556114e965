"""A web server on loopback that answers as a test says, and keeps what it was asked.

with WebServer() as web:
web.put("/a.png", PNG, "image/png", etag='"1"')
web.answers["/busy"] = lambda handler: handler.say(503)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.builders.loopback import Loopback


@dataclass
class WebServer(Loopback):
    answers: dict[str, Callable[[Handler], None]] = field(default_factory=dict)
    """By path, query included."""
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    """Path and headers (lower-case names)."""

    def __post_init__(self) -> None:
        server = self

        class Bound(Handler):
            web = server

        self._bind(Bound)

    def put(self, path: str, body: bytes, content_type: str, *, etag: str = "") -> None:
        """Serve a file; one with an ETag is served conditionally."""

        def answer(handler: Handler) -> None:
            if etag and handler.headers.get("If-None-Match") == etag:
                handler.say(304)
            else:
                handler.say(200, body, {"Content-Type": content_type} | ({"ETag": etag} if etag else {}))

        self.answers[path] = answer

    def redirect(self, path: str, to: str) -> None:
        self.answers[path] = lambda handler: handler.say(302, b"", {"Location": to})

    def fail(self, path: str, status: int) -> None:
        self.answers[path] = lambda handler: handler.say(status)

    def times(self, path: str) -> int:
        return sum(asked == path for asked, _ in self.asked)

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self.port}{path}"


class Handler(BaseHTTPRequestHandler):
    web: WebServer

    def log_message(self, format: str, *args: object) -> None:
        """Requests are kept in `asked`."""

    def do_GET(self) -> None:
        self.web.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        with suppress(OSError):  # the client may have left
            self.web.answers.get(self.path, lambda handler: handler.say(404))(self)

    def say(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
