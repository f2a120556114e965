"""Presigned URLs of the stores that have no server of their own: folder and memory.

    {base_url}/_store/{key}?method=GET&expires=…[&filename=…][&content_type=…]&signature=…
    {base_url}/_store/{key}?method=PUT&expires=…&size=…&sha256=…&content_type=…&signature=…

The signature is HMAC-SHA256 over method, key and all other parameters. The local gateway hands
what it receives to `Signer.open`, which answers what was signed or raises DeniedError.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from agnes.kernel.errors import DeniedError, InvalidError
from agnes.kernel.ports import Secret
from agnes.outside.object_store.keys import check_key

ROUTE = "/_store/"
"""Where the local gateway serves presigned URLs; the key follows."""


class PresignRefused(DeniedError):
    """The URL was not signed by us, was changed, has expired, or is for another method."""

    code = "presign_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the presigned URL is not valid: {reason}", hint="Ask for a new one.")


class UploadMismatch(InvalidError):
    """The bytes are not the declared ones; nothing was stored."""

    status = 400
    code = "upload_mismatch"

    def __init__(self, key: str, what: str) -> None:
        super().__init__(f"{key}: the {what} is not what was declared", hint="Declare the upload again.")


@dataclass(frozen=True, slots=True)
class PresignedGet:
    key: str
    filename: str | None
    content_type: str | None


@dataclass(frozen=True, slots=True)
class PresignedPut:
    key: str
    size_bytes: int
    sha256_hex: str
    content_type: str

    def check(self, body: bytes, *, content_type: str | None) -> None:
        """Raise UploadMismatch unless body and type are the declared ones."""
        if len(body) != self.size_bytes:
            raise UploadMismatch(self.key, "length")
        if hashlib.sha256(body).hexdigest() != self.sha256_hex:
            raise UploadMismatch(self.key, "checksum")
        if content_type != self.content_type:
            raise UploadMismatch(self.key, "content type")


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs and opens URLs under `base_url` (no trailing slash)."""

    secret: Secret
    base_url: str

    def get(self, key: str, *, expires: int, filename: str | None, content_type: str | None) -> str:
        """`expires` is in Unix seconds."""
        said = {"filename": filename, "content_type": content_type}
        return self._url(key, {"method": "GET", "expires": str(expires), **{k: v for k, v in said.items() if v}})

    def put(self, key: str, *, expires: int, size_bytes: int, sha256_hex: str, content_type: str) -> str:
        return self._url(
            key,
            {
                "method": "PUT",
                "expires": str(expires),
                "size": str(size_bytes),
                "sha256": sha256_hex.lower(),
                "content_type": content_type,
            },
        )

    def open(self, method: str, key: str, query: Mapping[str, str], now: datetime) -> PresignedGet | PresignedPut:
        """What the URL allows. A GET URL opens for HEAD too. Raises PresignRefused."""
        said = dict(query)
        signature = said.pop("signature", "")
        if not hmac.compare_digest(self._signature(key, said).encode(), signature.encode()):
            raise PresignRefused("wrong signature")
        if int(said["expires"]) <= now.timestamp():
            raise PresignRefused("expired")
        if said["method"] != ("GET" if method == "HEAD" else method):
            raise PresignRefused(f"not for {method}")
        check_key(key)
        if said["method"] == "GET":
            return PresignedGet(key, said.get("filename"), said.get("content_type"))
        return PresignedPut(key, int(said["size"]), said["sha256"], said["content_type"])

    def open_url(self, method: str, url: str, now: datetime) -> PresignedGet | PresignedPut:
        """As `open`, of a whole URL; for tests and clients in process."""
        path, _, query = url.removeprefix(self.base_url).partition("?")
        if not path.startswith(ROUTE):
            raise PresignRefused("another address")
        return self.open(method, urlsplit(path).path.removeprefix(ROUTE), dict(parse_qsl(query)), now)

    def _url(self, key: str, said: dict[str, str]) -> str:
        query = urlencode({**said, "signature": self._signature(key, said)})
        return f"{self.base_url}{ROUTE}{quote(key, safe='/=@+')}?{query}"

    def _signature(self, key: str, said: Mapping[str, str]) -> str:
        text = "\0".join([key, *(f"{name}={said[name]}" for name in sorted(said))])
        return hmac.new(self.secret.value.encode(), text.encode(), hashlib.sha256).hexdigest()
