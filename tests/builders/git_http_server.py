"""Repositories served by real git (`git http-backend`) over plain HTTP on loopback, with or without a password.

    with GitHttpServer(folder, password="s3cret") as server:
        client.plugin_marketplace_add(server.url("m.git", user="x"))

Requests are kept, so a test can tell what a client sent. Other files can be served beside (`documents`), such as a
catalog or an archive, to see what the client does with a URL that is not git's.
"""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import quote, urlsplit

from tests.builders.loopback import Loopback
from tests.builders.patience import PATIENCE_SECONDS


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: method, path with query, the headers (lower-case names) and how it was answered."""

    method: str
    target: str
    headers: Mapping[str, str]
    status: int

    @property
    def login(self) -> str | None:
        """`user:password` of Basic authentication, None where none was sent."""
        scheme, _, value = self.headers.get("authorization", "").partition(" ")
        return base64.b64decode(value).decode() if scheme.lower() == "basic" else None


@dataclass
class GitHttpServer(Loopback):
    """Serves every bare repository in `folder` at `/<name>/`; any user name is taken, the password must match."""

    folder: Path
    password: str | None = None
    documents: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Path (`/marketplace.json`) to content type and bytes."""
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._bind(_handler(self))

    def url(self, path: str, *, user: str | None = None) -> str:
        """The URL of a repository or document; with `user`, the login stands in it as git understands it."""
        login = f"{quote(user, safe='')}:{quote(self.password or '', safe='')}@" if user is not None else ""
        return f"http://{login}127.0.0.1:{self.port}/{path.lstrip('/')}"


def _handler(server: GitHttpServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Requests are kept in `server.asked`."""

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self._read_body()
            if not self._may_enter():
                challenge = {"WWW-Authenticate": 'Basic realm="git"', "Content-Type": "text/plain"}
                self._send(401, challenge, b"a password, please\n")
                return
            path = urlsplit(self.path).path
            if path in server.documents:
                content_type, document = server.documents[path]
                self._send(200, {"Content-Type": content_type}, document)
            else:
                self._send(*self._backend(body))

        def _read_body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _may_enter(self) -> bool:
            if server.password is None:
                return True
            login = Asked(self.command, self.path, {"authorization": self.headers.get("Authorization", "")}, 0).login
            return login is not None and login.partition(":")[2] == server.password

        def _backend(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            """Run git's own CGI program and take its answer apart."""
            url = urlsplit(self.path)
            cgi = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(server.folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_CONFIG_NOSYSTEM": "1",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": url.path.replace("//", "/"),
                "QUERY_STRING": url.query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            }
            done = subprocess.run(
                ["git", "http-backend"], input=body, env=cgi, capture_output=True, timeout=PATIENCE_SECONDS, check=True
            )
            head, _, answer = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            return int(headers.pop("Status", "200").split()[0]), headers, answer

        def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            given = {name.lower(): value for name, value in self.headers.items()}
            server.asked.append(Asked(self.command, self.path, given, status))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
