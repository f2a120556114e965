"""Git's smart HTTP for dulwich over connections that we dial ourselves.

dulwich's own pool resolves names when it likes, follows redirects anywhere and waits for ever.
Here each connection is made to a judged address, each redirect is judged anew, answers are
bounded while they arrive, and one alarm ends everything when the time is up.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

from dulwich.client import AbstractHttpGitClient, default_user_agent_string

from agnes.kernel.errors import AgnesError
from agnes.kernel.git import GitDenied, GitFailed, GitMissing, GitRefused, GitTooLarge, GitUnreachable
from agnes.kernel.ports import Secret
from agnes.outside.egress import (
    PORTS,
    Alarm,
    Answer,
    Egress,
    EgressError,
    Origin,
    PrivateAddress,
    Silent,
    TimeUp,
    TooManyRedirects,
    follow,
)
from agnes.outside.git.limits import GitLimits


class _Answer:
    """What dulwich wants of a response, and its body under a limit."""

    def __init__(self, answer: Answer, limit: int, alarm: Alarm, reads: int) -> None:
        self.status = answer.status
        self.content_type = answer.headers.get("Content-Type")
        self.redirect_location = ""
        self.close = answer.close
        self._answer = answer
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
            part = self._answer.read1(min(wanted, 65_536))
            if not part:
                self._alarm.check()
                break
            self._left -= len(part)
            if self._left < 0:
                raise GitTooLarge("the server sent more than we take", hint="Keep large files out of the repository.")
            wanted -= len(part)
            parts.append(part)
        return b"".join(parts)


def git_error(exc: EgressError) -> AgnesError:
    """The port's error of one of the way out."""
    if isinstance(exc, PrivateAddress):
        return GitRefused(exc.message, code="git_private_address", hint=exc.hint)
    if isinstance(exc, TooManyRedirects):
        return GitFailed(exc.message)
    if isinstance(exc, TimeUp):
        return GitUnreachable(exc.message, code="git_timeout", hint="Try again; the nightly sync waits longest.")
    if isinstance(exc, Silent):
        return GitUnreachable(exc.message, code="git_timeout")
    return GitUnreachable(exc.message, hint=exc.hint or None)


class SafeHttpClient(AbstractHttpGitClient):
    """dulwich's client over our connections; for one repository, one fetch."""

    def __init__(
        self,
        url: str,
        *,
        token: Secret | None,
        allow: frozenset[str],
        limits: GitLimits,
        alarm: Alarm,
        egress: Egress,
    ) -> None:
        # thin-pack is harmless, as we hold nothing that a delta could lean on, and some servers demand it.
        super().__init__(url, quiet=True)
        # A server may point to packs elsewhere; we take them from the repository only.
        self._fetch_capabilities = {c for c in self._fetch_capabilities if not c.startswith(b"packfile-uris")}
        self._allow = allow
        self._limits = limits
        self._alarm = alarm
        self._egress = egress
        self._origin = _origin(url)
        self._credential = ""
        if token is not None:
            pair = base64.b64encode(b"x-access-token:" + token.value.encode()).decode()
            self._credential = f"Basic {pair}"
        self._open: list[Answer] = []

    def close(self) -> None:
        for answer in self._open:
            answer.close()
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

        def may_go(_at: str, _following: str) -> None:
            if body is not None:
                raise GitFailed("the server redirects a fetch that has begun")

        at, found = follow(url, lambda at: self._ask(at, headers or {}, body), may_go)
        limit = (
            self._limits.refs_bytes if body is None else self._limits.pack_bytes * 11 // 10 + self._limits.refs_bytes
        )
        answer = _Answer(found, limit, self._alarm, self._limits.reads)
        self._require_success(answer)
        if body is None and not (answer.content_type or "").startswith("application/x-git-"):
            raise GitMissing("there is no git repository at this URL", hint="Copy the HTTPS clone URL.")
        answer.redirect_location = at if at != url else ""
        return answer, answer.read

    def _ask(self, url: str, headers: dict[str, str], body: bytes | None) -> Answer:
        origin = _origin(url)
        check_scheme(origin.scheme, self._allow)
        sent = {"User-Agent": default_user_agent_string(), "Pragma": "no-cache", **headers}
        # A redirect to another origin must not learn the token.
        if self._credential and origin == self._origin:
            sent["Authorization"] = self._credential
        answer = self._egress.ask(
            origin,
            _target(urlsplit(url)),
            self._alarm,
            method="GET" if body is None else "POST",
            headers=sent,
            body=body,
        )
        self._open.append(answer)
        return answer

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
    hint = f"An operator may allow it: AGNES_OUTBOUND_ALLOW={scheme}." if scheme in ("http", "file") else None
    raise GitRefused(f"{scheme or 'relative'} URLs are not fetched", code="git_scheme", hint=hint or "Use https.")


def _origin(url: str) -> Origin:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as exc:
        raise GitRefused("the URL has no sound port") from exc
    scheme = parts.scheme.lower()
    return Origin(scheme, (parts.hostname or "").lower(), port or PORTS.get(scheme, 0))


def _target(parts: Any) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
