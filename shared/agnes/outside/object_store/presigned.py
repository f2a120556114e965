"""Presigned URLs of the stores that have no server of their own: folder and memory.

    {base_url}/_store/{key}?method=GET&expires=…[&filename=…][&content_type=…]&signature=…
    {base_url}/_store/{key}?method=PUT&expires=…&size=…&sha256=…&content_type=…&signature=…

The signature is HMAC-SHA256 over method, key and all other parameters. The local gateway hands what
it receives to the store's `open_presigned`, then serves `open_file` or hands the body to `take_presigned`.
"""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, quote, unquote, urlencode

from agnes.kernel.errors import DeniedError, InvalidError
from agnes.kernel.ports import Clock, Version
from agnes.kernel.signing import Signing
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


class BodyCheck:
    """Compares the bytes of an upload, as they come, with what was declared. Raises UploadMismatch."""

    def __init__(self, put: PresignedPut, *, content_type: str | None) -> None:
        if content_type != put.content_type:
            raise UploadMismatch(put.key, "content type")
        self._put = put
        self._size_bytes = 0
        self._sha256 = hashlib.sha256()

    def take(self, chunk: bytes) -> bytes:
        self._size_bytes += len(chunk)
        if self._size_bytes > self._put.size_bytes:
            raise UploadMismatch(self._put.key, "length")
        self._sha256.update(chunk)
        return chunk

    def finish(self) -> None:
        if self._size_bytes != self._put.size_bytes:
            raise UploadMismatch(self._put.key, "length")
        if self._sha256.hexdigest() != self._put.sha256_hex:
            raise UploadMismatch(self._put.key, "checksum")


def content_disposition(filename: str) -> str:
    """The header that makes an attachment (RFC 6266); safe for any filename."""
    plain = re.sub(r"[^A-Za-z0-9._ @+=-]", "_", filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs and opens URLs under `base_url` (no trailing slash)."""

    keys: Signing
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
        if not self.keys.holds(_signed_text(key, said), signature):
            raise PresignRefused("wrong signature")
        if int(said["expires"]) <= now.timestamp():
            raise PresignRefused("expired")
        if said["method"] != ("GET" if method == "HEAD" else method):
            raise PresignRefused(f"not for {method}")
        check_key(key)
        if said["method"] == "GET":
            return PresignedGet(key, said.get("filename"), said.get("content_type"))
        return PresignedPut(key, int(said["size"]), said["sha256"], said["content_type"])

    def _url(self, key: str, said: dict[str, str]) -> str:
        query = urlencode({**said, "signature": self.keys.sign(_signed_text(key, said))})
        return f"{self.base_url}{ROUTE}{quote(key, safe='/=@+')}?{query}"


def _signed_text(key: str, said: Mapping[str, str]) -> str:
    """As JSON, so that no part of the text can be moved from one field, or from the key, into another."""
    return json.dumps([key, sorted(said.items())])


class SelfSigned(ABC):
    """The presigning half of a store that signs its own URLs."""

    _signer: Signer
    _clock: Clock

    def presign_get(
        self, key: str, *, seconds: int, filename: str | None = None, content_type: str | None = None
    ) -> str:
        return self._signer.get(
            check_key(key), expires=self._expires(seconds), filename=filename, content_type=content_type
        )

    def presign_put(self, key: str, *, seconds: int, size_bytes: int, sha256_hex: str, content_type: str) -> str:
        return self._signer.put(
            check_key(key),
            expires=self._expires(seconds),
            size_bytes=size_bytes,
            sha256_hex=sha256_hex,
            content_type=content_type,
        )

    def open_presigned(
        self, method: str, key: str, query: Mapping[str, str], now: datetime
    ) -> PresignedGet | PresignedPut:
        """What a request to `/_store/{key}?{query}` may do; key and query are decoded. Raises PresignRefused."""
        return self._signer.open(method, key, query, now)

    def open_presigned_url(self, method: str, url: str) -> PresignedGet | PresignedPut:
        """As `open_presigned`, of a whole URL, now; for clients in the same process."""
        path, _, query = url.removeprefix(self._signer.base_url).partition("?")
        key = unquote(path.removeprefix(ROUTE))
        return self.open_presigned(method, key, dict(parse_qsl(query)), self._clock.now())

    @abstractmethod
    def take_presigned(self, put: PresignedPut, chunks: Iterable[bytes], *, content_type: str | None) -> Version:
        """Store the body of an upload if it is the declared one. Raises UploadMismatch, then nothing is stored."""

    def take_presigned_url(self, url: str, body: bytes, *, content_type: str | None) -> Version:
        """What the gateway does with a PUT of `body` to `url`; for clients in the same process."""
        put = self.open_presigned_url("PUT", url)
        assert isinstance(put, PresignedPut)
        return self.take_presigned(put, [body], content_type=content_type)

    def _expires(self, seconds: int) -> int:
        return int(self._clock.now().timestamp()) + seconds
