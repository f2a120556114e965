"""Git's smart HTTP for dulwich over connections that we dial ourselves.

dulwich's own pool resolves names when it likes, follows redirects anywhere and waits for ever.
Here each connection is made to a judged address, each redirect is judged anew, answers are
bounded while they arrive, and one alarm ends everything when the time is up.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

from dulwich.client import AbstractHttpGitClient, default_user_agent_string

from agnes.kernel.git import GitDenied, GitFailed, GitMissing, GitRefused, GitTooLarge, GitUnreachable
from agnes.kernel.ports import Secret
from agnes.outside.git.addresses import Dial, Resolve, SocketAddress, judged_addresses
from agnes.outside.git.limits import MAX_REDIRECTS, STALL_SECONDS, GitLimits

_PORTS = {"http": 80, "https": 443}


class Alarm:
    """Shuts the sockets that it watches when the time is up: a read that drips cannot outlast it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.rang = False
        self._sockets: list[Any] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._ring)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join(1)

    def watch(self, sock: Any) -> None:
        with self._lock:
            self._sockets.append(sock)
        self.check()

    def check(self) -> None:
        if self.rang:
            raise GitUnreachable(
                f"the server took longer than {self.seconds:g} seconds",
                code="git_timeout",
                hint="Try again; the nightly sync waits longest.",
            )

    def _ring(self) -> None:
        self.rang = True
        with self._lock:
            for sock in self._sockets:
                with suppress(OSError):  # closed already
                    sock.shutdown(socket.SHUT_RDWR)


class _Answer:
    """What dulwich wants of a response, and its body under a limit."""

    def __init__(self, response: http.client.HTTPResponse, limit: int, alarm: Alarm, reads: int) -> None:
        self.status = response.status
        self.content_type = response.headers.get("Content-Type")
        self.redirect_location = ""
        self._response = response
        self.close = response.close
        self._left = limit
        self._alarm = alarm
        self._reads = reads

    def read(self, size: int = -1) -> bytes:
        """Exactly `size` bytes, fewer at the end."""
        self._reads -= 1
        if self._reads < 0:
            raise GitTooLarge("the server sent more packets than we take", hint="Try again, or use another git server.")
        parts = []
        wanted = size if size >= 0 else self._left + 1
        while wanted > 0:
            try:
                part = self._response.read1(min(wanted, 65_536))
            except (OSError, http.client.HTTPException) as exc:
                self._alarm.check()
                raise unreachable(exc) from exc
            if not part:
                self._alarm.check()
                break
            self._left -= len(part)
            if self._left < 0:
                raise GitTooLarge("the server sent more than we take", hint="Keep large files out of the repository.")
            wanted -= len(part)
            parts.append(part)
        return b"".join(parts)


def unreachable(exc: Exception) -> GitUnreachable:
    if isinstance(exc, TimeoutError):
        return GitUnreachable(f"the server said nothing for {STALL_SECONDS:g} seconds", code="git_timeout")
    reason = exc.__class__.__name__ if not isinstance(exc, ssl.SSLError) else f"TLS: {exc.reason or exc}"
    return GitUnreachable(f"the connection failed ({reason})", hint="Check the URL, and whether the server is up.")


class JudgedHttpClient(AbstractHttpGitClient):
    """dulwich's client over our connections; for one repository, one fetch."""

    def __init__(
        self,
        url: str,
        *,
        token: Secret | None,
        allow: frozenset[str],
        limits: GitLimits,
        alarm: Alarm,
        resolve: Resolve,
        dial: Dial,
        tls: ssl.SSLContext | None,
    ) -> None:
        # thin-pack is harmless, as we hold nothing that a delta could lean on, and some servers demand it.
        super().__init__(url, quiet=True)
        # A server may point to packs elsewhere; we take them from the repository only.
        self._fetch_capabilities = {c for c in self._fetch_capabilities if not c.startswith(b"packfile-uris")}
        self._allow = allow
        self._limits = limits
        self._alarm = alarm
        self._resolve = resolve
        self._dial = dial
        self._tls = tls
        self._origin = _origin(url)
        self._credential = ""
        if token is not None:
            pair = base64.b64encode(b"x-access-token:" + token.value.encode()).decode()
            self._credential = f"Basic {pair}"
        self._open: list[http.client.HTTPConnection | http.client.HTTPResponse] = []

    def close(self) -> None:
        for connection_or_response in self._open:
            connection_or_response.close()
        self._open.clear()

    def _get_url(self, path: str | bytes) -> str:
        text = path.decode() if isinstance(path, bytes) else path
        return urljoin(self._base_url, text).rstrip("/") + "/"

    def _http_request(  # type: ignore[override]  # of a response dulwich uses no more than an _Answer has
        self,
        url: str,
        headers: dict[str, str] | None = None,
        data: bytes | Iterator[bytes] | None = None,
        raise_for_status: bool = True,  # noqa: ARG002 (dulwich's signature; its dumb protocol is refused)
    ) -> tuple[_Answer, Callable[[int], bytes]]:
        body = data if data is None or isinstance(data, bytes) else b"".join(data)
        at = url
        for _ in range(MAX_REDIRECTS + 1):
            answer, response = self._ask(at, headers or {}, body)
            if answer.status not in (301, 302, 303, 307, 308):
                break
            answer.close()
            if body is not None:
                raise GitFailed("the server redirects a fetch that has begun")
            at = urljoin(at, response.headers.get("Location", ""))
        else:
            raise GitFailed(f"the server redirects more than {MAX_REDIRECTS} times")
        self._require_success(answer)
        if body is None and not (answer.content_type or "").startswith("application/x-git-"):
            raise GitMissing("there is no git repository at this URL", hint="Copy the HTTPS clone URL.")
        answer.redirect_location = at if at != url else ""
        return answer, answer.read

    def _ask(self, url: str, headers: dict[str, str], body: bytes | None) -> tuple[_Answer, Any]:
        scheme, host, port = _origin(url)
        check_scheme(scheme, self._allow)
        addresses = judged_addresses(host, port, allow_private="private" in self._allow, resolve=self._resolve)
        connection = self._connect(scheme, host, port, addresses)
        sent = {"User-Agent": default_user_agent_string(), "Pragma": "no-cache", **headers}
        # A redirect to another origin must not learn the token.
        if self._credential and (scheme, host, port) == self._origin:
            sent["Authorization"] = self._credential
        parts = urlsplit(url)
        try:
            connection.request("GET" if body is None else "POST", _target(parts), body=body, headers=sent)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as exc:
            self._alarm.check()
            raise unreachable(exc) from exc
        limit = (
            self._limits.refs_bytes if body is None else self._limits.pack_bytes * 11 // 10 + self._limits.refs_bytes
        )
        self._open.append(response)
        return _Answer(response, limit, self._alarm, self._limits.reads), response

    def _connect(
        self, scheme: str, host: str, port: int, addresses: list[tuple[int, SocketAddress]]
    ) -> http.client.HTTPConnection:
        self._alarm.check()
        try:
            sock = self._dial(addresses, seconds=min(STALL_SECONDS, self._alarm.seconds))
            self._alarm.watch(sock)
            sock.settimeout(STALL_SECONDS)
            if scheme == "https":
                sock = (self._tls or ssl.create_default_context()).wrap_socket(sock, server_hostname=host)
                self._alarm.watch(sock)
        except OSError as exc:
            self._alarm.check()
            raise unreachable(exc) from exc
        connection = http.client.HTTPConnection(host, port)
        connection.default_port = _PORTS[scheme]  # so that Host names the port when it must
        connection.auto_open = 0  # never a second dial behind our back
        connection.sock = sock
        self._open.append(connection)
        return connection

    def _require_success(self, answer: _Answer) -> None:
        if answer.status == 200:
            return
        answer.close()
        if answer.status in (401, 403):
            known = "refuses our token" if self._credential else "wants a token"
            raise GitDenied(
                f"the git server {known} ({answer.status})",
                hint="Set a token that may read this repository.",
            )
        if answer.status == 404:
            raise GitMissing(
                "the git server knows no such repository (404)",
                hint="Check the URL; a private repository also looks like this without a token.",
            )
        if answer.status in (429, 500, 502, 503, 504):
            raise GitUnreachable(f"the git server answered {answer.status}", hint="Try again later.")
        raise GitFailed(f"the git server answered {answer.status}")


def check_scheme(scheme: str, allow: frozenset[str]) -> None:
    """Raise GitRefused unless the scheme is https, or one that the operator allows."""
    if scheme == "https" or (scheme in ("http", "file") and scheme in allow):
        return
    hint = f"An operator may allow it: AGNES_GIT_ALLOW={scheme}." if scheme in ("http", "file") else None
    raise GitRefused(f"{scheme or 'relative'} URLs are not fetched", code="git_scheme", hint=hint or "Use https.")


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as exc:
        raise GitRefused("the URL has no sound port") from exc
    return parts.scheme.lower(), (parts.hostname or "").lower(), port or _PORTS.get(parts.scheme.lower(), 0)


def _target(parts: Any) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
