"""The server over HTTP: requests out, values in, its errors as failures with message and hint."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import click
import httpx

from agnes_cli import config, versions
from agnes_cli.failures import NotSignedIn, Refused, ServerUnreachable

TIMEOUT = httpx.Timeout(60.0, connect=10.0)
GENERATION = "X-Agnes-Generation"


def route(*segments: str) -> str:
    """A path of segments that come from outside: `route("api", "marketplaces", slug)`."""
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


class Server:
    """`token` is a bearer or a personal access token, or None before signing in."""

    def __init__(self, url: str, token: str | None = None, *, timeout: httpx.Timeout = TIMEOUT) -> None:
        self.url = url
        headers = {"User-Agent": "agnes"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._client = httpx.Client(base_url=url, headers=headers, timeout=timeout, follow_redirects=False)
        self.clock_ahead_seconds: float | None = None
        """This computer's clock against the server's, as of the last answer that told the time."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str, **query: Any) -> Any:
        return self._call("GET", path, params=_given(query))

    def post(self, path: str, body: dict[str, Any] | None = None, **query: Any) -> Any:
        return self._call("POST", path, json=body, params=_given(query))

    def change(self, path: str, body: dict[str, Any]) -> Any:
        return self._call("PATCH", path, json=body)

    def put(self, path: str, body: dict[str, Any]) -> Any:
        return self._call("PUT", path, json=body)

    def send_form(
        self,
        method: str,
        path: str,
        fields: Mapping[str, str | list[str]],
        files: Sequence[tuple[str, tuple[str, bytes]]] = (),
    ) -> Any:
        """Send a multipart form; `files` are (field, (filename, bytes))."""
        # Without a file httpx would send another kind of form.
        parts = list(files) + [
            (name, (None, value))
            for name, given in fields.items()
            for value in ([given] if isinstance(given, str) else given)
        ]
        return self._call(method, path, files=parts)

    def delete(self, path: str, **query: Any) -> Any:
        return self._call("DELETE", path, params=_given(query))

    def get_if_changed(self, path: str, *, etag: str) -> tuple[str, Any] | None:
        """(ETag, value) of a path, or None if it still is what had `etag`, which is as it came, quotes included."""
        answer = self._request("GET", path, headers={"If-None-Match": etag} if etag else {})
        if answer.status_code == 304 and etag:
            return None
        if answer.status_code >= 300:
            raise refusal(answer)
        try:
            return answer.headers.get("etag", ""), answer.json()
        except ValueError:
            raise _no_agnes(self.url) from None

    def find_redirect(self, path: str, *, etag: str) -> tuple[str, str] | None:
        """(ETag, address) of what stands behind a redirecting path, or None if it still is `etag`."""
        answer = self._request("GET", path, headers={"If-None-Match": f'"{etag}"'} if etag else {})
        if answer.status_code == 304:
            return None
        if answer.status_code != 302 or "location" not in answer.headers:
            raise _no_agnes(self.url) if answer.is_success or answer.is_redirect else refusal(answer)
        address = str(answer.request.url.join(answer.headers["location"]))
        return answer.headers.get("etag", "").removeprefix("W/").strip('"'), address

    def put_object(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        """PUT to a presigned URL, which must not see our token. Raises Refused, ServerUnreachable."""
        try:
            answer = httpx.put(url, content=body, headers=headers, timeout=TIMEOUT)
        except httpx.HTTPError as exc:
            raise unreachable(url, exc) from exc
        if answer.status_code >= 300:
            raise refusal(answer)

    @contextmanager
    def object(self, url: str) -> Iterator[Iterator[bytes]]:
        """The pieces of what a presigned URL holds, which must not see our token. Raises Refused, ServerUnreachable."""
        try:
            with httpx.stream("GET", url, timeout=TIMEOUT) as answer:
                if answer.status_code >= 300:
                    answer.read()
                    raise refusal(answer)
                yield answer.iter_bytes()
        except httpx.HTTPError as exc:
            raise unreachable(url, exc) from exc

    def download(self, path: str, **query: Any) -> AbstractContextManager[Iterator[bytes]]:
        """The pieces of a file that the server gives, itself or by a presigned URL. Raises Refused, ServerUnreachable."""
        return self._pieces("GET", path, 302, params=_given(query))

    def download_of(self, path: str, body: dict[str, Any]) -> AbstractContextManager[Iterator[bytes]]:
        """The same of the file that a POST answers with."""
        return self._pieces("POST", path, 303, json=body)

    @contextmanager
    def _pieces(self, method: str, path: str, elsewhere: int, **sent: Any) -> Iterator[Iterator[bytes]]:
        """`elsewhere` is the status of an answer whose `Location` is the presigned URL."""
        address = None
        try:
            with self._client.stream(method, path, **sent) as answer:
                if answer.status_code == elsewhere and "location" in answer.headers:
                    address = str(answer.request.url.join(answer.headers["location"]))
                elif answer.status_code >= 300:
                    answer.read()
                    raise refusal(answer)
                else:
                    yield answer.iter_bytes()
        except httpx.HTTPError as exc:
            raise unreachable(self.url, exc) from exc
        if address is not None:
            with self.object(address) as pieces:
                yield pieces

    def parts(self, path: str, **query: Any) -> Iterator[bytes]:
        """The pieces of a file that comes in parts, each naming the next in its header `Link`. Raises Refused, ServerUnreachable."""
        address: httpx.URL | None = self._client.build_request("GET", path, params=_given(query)).url
        while address is not None:
            try:
                with self._client.stream("GET", address) as answer:
                    if answer.status_code >= 300:
                        answer.read()
                        raise refusal(answer)
                    yield from answer.iter_bytes()
            except httpx.HTTPError as exc:
                raise unreachable(self.url, exc) from exc
            following = answer.links.get("next", {}).get("url")
            found = answer.request.url.join(following) if following else None
            address = found if found and found.host == answer.request.url.host else None

    def _call(self, method: str, path: str, **kwargs: Any) -> Any:
        answer = self._request(method, path, **kwargs)
        if answer.status_code >= 300:
            raise refusal(answer)
        if answer.status_code == 204:
            return None
        try:
            return answer.json()
        except ValueError:
            raise _no_agnes(self.url) from None

    def _request(self, method: str, path: str, headers: dict[str, str] | None = None, **kwargs: Any) -> httpx.Response:
        headers = dict(headers or {})
        if (seen := config.seen(self.url)) is not None:
            headers[GENERATION] = seen
        try:
            answer = self._client.request(method, path, headers=headers, **kwargs)
        except httpx.HTTPError as exc:
            raise unreachable(self.url, exc) from exc
        except httpx.InvalidURL as exc:
            raise ServerUnreachable(f"{self.url} is no URL that can be called: {exc}") from exc
        self.clock_ahead_seconds = _ahead(answer.headers.get("date"))
        versions.compare(answer.headers.get("X-Agnes-Latest-Version"), answer.headers.get("X-Agnes-Min-Version"))
        if ends := answer.headers.get("X-Agnes-Token-Expires"):
            _warn_of_end(ends)
        if made := answer.headers.get(GENERATION):
            config.remember_seen(self.url, made)
        return answer


def connect() -> Server:
    """The server that this computer is signed in to. Raises BadInput, NotSignedIn."""
    return Server(config.get_server(), config.get_credential().token)


_warned = False


def _warn_of_end(ends: str) -> None:
    """Once a run, on standard error: hooks and scripts read standard output."""
    global _warned  # noqa: PLW0603 (a command is a process)
    if not _warned and re.fullmatch(r"\d{4}-\d\d-\d\dT[0-9:.+Z-]{5,30}", ends):
        _warned = True
        click.echo(f"Your access token ends on {ends[:10]}. `agnes login` makes a new one.", err=True)


def _given(query: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def _ahead(date: str | None) -> float | None:
    """Of an HTTP date, which has whole seconds."""
    try:
        return time.time() - parsedate_to_datetime(date).timestamp() if date else None
    except ValueError:
        return None


def _no_agnes(url: str) -> ServerUnreachable:
    return ServerUnreachable(f"{url} answered something else than JSON", hint="Is this the address of an Agnes server?")


def unreachable(url: str, exc: Exception) -> ServerUnreachable:
    host = httpx.URL(url).host
    return ServerUnreachable(
        f"{host} did not answer: {type(exc).__name__}",
        hint="Check the address (`agnes login --server URL`) and the network.",
    )


def refusal(answer: httpx.Response) -> Refused | NotSignedIn:
    """An error answer; one that is not of the server's shape (a proxy's, a store's) is told by its status."""
    try:
        said: dict[str, Any] = answer.json()
        code, message, hint = str(said["code"]), str(said["message"]), said.get("hint")
    except (ValueError, KeyError, TypeError, AttributeError):
        said = {}
        code, message, hint = "unexpected_answer", f"{answer.request.url.host} refused", None
    if answer.status_code == 401:
        refused = NotSignedIn(message, hint="Run `agnes login`.")
        refused.code = code
        return refused
    return Refused(answer.status_code, code, message, str(hint) if hint else None, said)
