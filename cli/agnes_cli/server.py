"""The server over HTTP: requests out, values in, its errors as failures with message and hint."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx

from agnes_cli.failures import NotSignedIn, Refused, ServerUnreachable

TIMEOUT = httpx.Timeout(60.0, connect=10.0)


class Server:
    """`token` is a bearer or a personal access token, or None before signing in."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        headers = {"User-Agent": "agnes"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._client = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT, follow_redirects=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str) -> Any:
        return self._call("GET", path)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._call("POST", path, json=body)

    def delete(self, path: str) -> Any:
        return self._call("DELETE", path)

    def put_object(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        """PUT to a presigned URL, which must not see our token. Raises Refused, ServerUnreachable."""
        try:
            answer = httpx.put(url, content=body, headers=headers, timeout=TIMEOUT)
        except httpx.HTTPError as exc:
            raise unreachable(url, exc) from exc
        if answer.status_code >= 300:
            raise refusal(answer)

    def _call(self, method: str, path: str, **kwargs: Any) -> Any:
        try:
            answer = self._client.request(method, path, **kwargs)
        except httpx.HTTPError as exc:
            raise unreachable(self.url, exc) from exc
        except httpx.InvalidURL as exc:
            raise ServerUnreachable(f"{self.url} is no URL that can be called: {exc}") from exc
        if answer.status_code >= 300:
            raise refusal(answer)
        if answer.status_code == 204:
            return None
        try:
            return answer.json()
        except ValueError:
            raise ServerUnreachable(
                f"{self.url} answered something else than JSON", hint="Is this the address of an Agnes server?"
            ) from None


def unreachable(url: str, exc: Exception) -> ServerUnreachable:
    host = httpx.URL(url).host
    return ServerUnreachable(
        f"{host} did not answer: {type(exc).__name__}",
        hint="Check the address (`agnes login --server URL`) and the network.",
    )


def refusal(answer: httpx.Response) -> Refused | NotSignedIn:
    """An error answer; one that is not of the server's shape (a proxy's, a store's) is told by its status."""
    try:
        said = answer.json()
        code, message, hint = str(said["code"]), str(said["message"]), said.get("hint")
    except (ValueError, KeyError, TypeError, AttributeError):
        code, message, hint = "unexpected_answer", f"{answer.request.url.host} refused", None
    if answer.status_code == 401:
        return NotSignedIn(message, hint="Run `agnes login`.")
    return Refused(answer.status_code, code, message, str(hint) if hint else None)
