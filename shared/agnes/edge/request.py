"""The request as endpoints see it: decoded once, independent of Chalice."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec

from agnes.kernel.errors import BadRequestError, TooLargeError
from agnes.kernel.ids import new_ulid

MAX_BODY_BYTES = 4_700_000
"""What passes a Lambda after base64; larger bodies go by presigned URL."""

HTTP_API = "1.0"
"""`version` of an HTTP API's event in the payload format that we ask for."""

_REQUEST_ID = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True)
class Request:
    """`path` is the path inside the app, without the stage; `query` keeps repeated names."""

    method: str
    path: str
    route: str
    headers: dict[str, str]
    """Names in lower case."""
    query: dict[str, list[str]]
    path_params: dict[str, str]
    client_ip: str
    id: str
    raw: Any
    """The API Gateway event."""

    @classmethod
    def from_event(cls, event: dict[str, Any]) -> Request:
        context = event["requestContext"]
        # An HTTP API has decoded path and variables already; what came encoded twice must stay encoded once.
        decoded = (lambda value: value) if is_http_api(event) else unquote
        headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
        given_id = _REQUEST_ID.sub("", headers.get("x-request-id", ""))[:64]
        return cls(
            method=context["httpMethod"],
            path=without_stage(event, event.get("path") or context["resourcePath"]),
            route=context["resourcePath"],
            headers=headers,
            query=event.get("multiValueQueryStringParameters") or {},
            path_params={k: decoded(v) for k, v in (event.get("pathParameters") or {}).items()},
            client_ip=(context.get("identity") or {}).get("sourceIp") or "",
            id=given_id or context.get("requestId") or new_ulid(),
            raw=event,
        )

    @property
    def is_http_api(self) -> bool:
        """Whether an HTTP API sent the event; a REST API's has no version."""
        return is_http_api(self.raw)

    @cached_property
    def body(self) -> bytes:
        """The bytes of the body. Raises TooLargeError above MAX_BODY_BYTES."""
        body = self.raw.get("body") or ""
        if len(body) > MAX_BODY_BYTES * 4 // 3 + 4:
            raise TooLargeError(
                f"the body is larger than {MAX_BODY_BYTES} bytes", hint="Upload it by presigned URL instead."
            )
        if self.raw.get("isBase64Encoded"):
            return base64.b64decode(body)
        return body if isinstance(body, bytes) else body.encode()

    @cached_property
    def cookies(self) -> dict[str, str]:
        jar = SimpleCookie()
        try:
            jar.load(self.headers.get("cookie", ""))
        except CookieError:
            return {}
        return {name: morsel.value for name, morsel in jar.items()}

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @cached_property
    def form(self) -> dict[str, list[str]]:
        """The fields of a form as browsers send it without script, empty ones too; of one with files the texts."""
        if self.content_type == "multipart/form-data":
            return _texts(self.headers["content-type"], self.body)
        return parse_qs(self.body.decode("utf-8", "replace"), keep_blank_values=True)

    @property
    def flat_query(self) -> dict[str, str]:
        """The query with the first value of each name."""
        return {name: values[0] for name, values in self.query.items()}

    def json(self) -> Any:
        if not self.body:
            return {}
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise BadRequestError("the body is not JSON", code="invalid_json", hint=str(exc)[:200]) from exc


def _texts(content_type: str, body: bytes) -> dict[str, list[str]]:
    """The fields of a multipart form that are no files; nothing of one that cannot be read."""
    from multipart import MultipartError, MultipartParser, parse_options_header

    boundary = parse_options_header(content_type)[1].get("boundary", "")
    found: dict[str, list[str]] = {}
    try:
        parser = MultipartParser(
            io.BytesIO(body), boundary, content_length=len(body), part_limit=64, header_limit=8,
            memory_limit=len(body) + 1, disk_limit=0, spool_limit=len(body) + 1, strict=True,
        )  # fmt: skip
        for part in parser.parts():
            if part.filename is None:
                found.setdefault(part.name, []).append(part.value)
    except (MultipartError, UnicodeDecodeError, ValueError):
        return {}
    return found


def is_http_api(event: Mapping[str, Any]) -> bool:
    return bool(event.get("version") == HTTP_API)


def without_stage(event: Mapping[str, Any], path: str) -> str:
    """A named stage of an HTTP API is the first part of the path; a REST API's is not."""
    stage = event["requestContext"].get("stage")
    if not is_http_api(event) or not stage or stage == "$default":
        return path
    return path.removeprefix(f"/{stage}") or "/" if path == f"/{stage}" or path.startswith(f"/{stage}/") else path
