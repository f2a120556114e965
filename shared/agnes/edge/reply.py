"""Answers: JSON, pages, bytes, redirects, with the headers that every answer carries."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any, Protocol

import msgspec
from chalice.app import Response

JSON = "application/json"

TEXT = ("text/", "application/json", "application/javascript", "image/svg+xml")


@dataclasses.dataclass(frozen=True)
class Reply:
    """What an endpoint may return instead of a value: a body with its status and headers.

    `body` is bytes or str (sent as it is), None (nothing), or a value that is encoded as JSON.
    """

    body: Any = None
    status: int = 200
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    content_type: str = JSON
    cookies: tuple[str, ...] = ()
    """Values of Set-Cookie headers."""


def Redirect(to: str, *, status: int = 303, cookies: tuple[str, ...] = ()) -> Reply:  # noqa: N802
    """Go and GET `to`; 302 where a client repeats its method, as Claude Code does."""
    return Reply(status=status, headers={"Location": to, "Cache-Control": "no-store"}, cookies=cookies)


def Download(body: bytes, *, filename: str, content_type: str, headers: dict[str, str] | None = None) -> Reply:  # noqa: N802
    """Bytes to be saved under `filename`, which must be a plain ASCII name."""
    return Reply(
        body=body,
        content_type=content_type,
        headers={"Content-Disposition": f'attachment; filename="{filename}"', **(headers or {})},
    )


class File(Protocol):
    """What somebody takes away: its bytes, or, of a large one, where it can be had. One of the two is None."""

    @property
    def filename(self) -> str: ...

    @property
    def content_type(self) -> str: ...

    @property
    def body(self) -> bytes | None: ...

    @property
    def url(self) -> str | None: ...


def handed(file: File) -> Reply:
    """The file itself, or the way to it."""
    if file.url is not None:
        return Redirect(file.url, status=302)
    if file.body is None:
        raise ValueError(f"{file.filename} has neither bytes nor an address")
    return Download(file.body, filename=file.filename, content_type=file.content_type)


def encode(value: Any) -> bytes:
    """JSON of dataclasses, pydantic models, dates, and containers of them."""
    return msgspec.json.encode(value, enc_hook=_encode_other)


def _encode_other(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no JSON form")


class BytesResponse(Response):
    """A Chalice response whose body is bytes: base64 unless it is text, whatever the Accept header says."""

    def to_dict(self, binary_types: list[str] | None = None) -> dict[str, Any]:  # noqa: ARG002 (Chalice's signature)
        single, multi = self._sort_headers(self.headers)
        kind = single.get("Content-Type", "")
        encoded = {"headers": single, "multiValueHeaders": multi, "statusCode": self.status_code}
        if kind.startswith(TEXT) and "Content-Encoding" not in single:
            return {**encoded, "body": self.body.decode()}
        return {**encoded, "body": base64.b64encode(self.body).decode(), "isBase64Encoded": True}


SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def respond(reply: Reply, extra: dict[str, str]) -> BytesResponse:
    """`reply` as Chalice wants it, with `extra` headers and the security headers beneath its own."""
    if reply.body is None:
        body = b""
    elif isinstance(reply.body, bytes):
        body = reply.body
    elif isinstance(reply.body, str):
        body = reply.body.encode()
    else:
        body = encode(reply.body)
    headers: dict[str, Any] = {**SECURITY_HEADERS, **extra}
    if body or reply.status not in (204, 304):
        headers["Content-Type"] = reply.content_type
    headers.setdefault("Cache-Control", "no-store")
    headers.update(reply.headers)
    if reply.content_type.startswith("text/html"):
        headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    if reply.cookies:
        headers["Set-Cookie"] = list(reply.cookies)
    return BytesResponse(body=body, headers=headers, status_code=reply.status)
