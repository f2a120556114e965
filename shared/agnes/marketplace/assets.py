"""Covers and documents of a plugin's page: judged by their bytes, kept under their content.

assets/<sha256>    the bytes; what a plugin may show of them stands in its row
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from agnes.kernel.errors import NotFoundError
from agnes.kernel.ports import ANYTHING, DOWNLOAD_URL_SECONDS, Blob, ObjectStore
from agnes.kernel.state import Db
from agnes.marketplace import repository
from agnes.marketplace.limits import MAX_ASSET_BYTES, MAX_COVER_BYTES
from agnes.trees.rules import UnsafePath, check_path

PREFIX = "assets/"
IMMUTABLE = "private, max-age=2592000, immutable"
"""The URL holds the content's hash (spec/02 §1: 30 days)."""

COVER, DOCUMENT = "cover", "document"
_DOCUMENTS = {
    "pdf": "application/pdf",
    "md": "text/markdown; charset=utf-8",
    "markdown": "text/markdown; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}
DOCUMENT_EXTENSIONS = frozenset(_DOCUMENTS)
_PLAIN = re.compile(r"[^A-Za-z0-9._-]+")


class NotTaken(ValueError):
    """The bytes are not of a kind that we show; the message says so."""


class AssetNotFound(NotFoundError):
    code = "asset_not_found"

    def __init__(self, key: str) -> None:
        super().__init__(f"this plugin's page has no file {key[:80]}")


@dataclass(frozen=True, slots=True)
class Asset:
    key: str
    """Last segment of its URL: the beginning of its hash, and an extension."""
    content_type: str
    filename: str
    sha256: str
    size_bytes: int
    body: bytes | None = None
    """None where they were not read."""

    def described(self) -> dict[str, Any]:
        return {
            "content_type": self.content_type,
            "filename": self.filename,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
        }


def is_inside(path: str) -> bool:
    try:
        check_path(path.removeprefix("./"))
    except UnsafePath:
        return False
    return True


def image(path: str, body: bytes) -> Asset:
    """A cover: PNG, JPEG or WebP by its first bytes, whatever it is called. Raises NotTaken."""
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        kind, extension = "image/png", "png"
    elif body.startswith(b"\xff\xd8\xff"):
        kind, extension = "image/jpeg", "jpg"
    elif body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        kind, extension = "image/webp", "webp"
    else:
        raise NotTaken("not a PNG, JPEG or WebP picture")
    return _asset(path, body, kind, extension, MAX_COVER_BYTES)


def document(path: str, body: bytes) -> Asset:
    """A PDF by its first bytes; Markdown or plain text as UTF-8. Raises NotTaken."""
    extension = path.rpartition(".")[2].lower()
    kind = _DOCUMENTS.get(extension)
    if kind is None:
        raise NotTaken("a document ends in .pdf, .md, .markdown or .txt")
    if extension == "pdf":
        if not body.startswith(b"%PDF-"):
            raise NotTaken("not a PDF")
        return _asset(path, body, kind, extension)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise NotTaken("not UTF-8 text") from exc
    if "\0" in text:
        raise NotTaken("not UTF-8 text")
    return _asset(path, body, kind, extension)


def _asset(path: str, body: bytes, kind: str, extension: str, most: int = MAX_ASSET_BYTES) -> Asset:
    if len(body) > most:
        raise NotTaken(f"larger than {most} bytes")
    digest = hashlib.sha256(body).hexdigest()
    name = path.rpartition("/")[2]
    stem = name.rpartition(".")[0] or name
    filename = f"{_PLAIN.sub('-', stem).strip('-.')[:60] or 'document'}.{extension}"
    return Asset(f"{digest[:32]}.{extension}", kind, filename, digest, len(body), body)


def put(store: ObjectStore, asset: Asset) -> None:
    if asset.body is not None:
        store.write(f"{PREFIX}{asset.sha256}", asset.body, expect=ANYTHING, content_type=asset.content_type)


def read(store: ObjectStore, asset: Asset) -> bytes:
    """Raises AssetNotFound."""
    blob = store.read(f"{PREFIX}{asset.sha256}")
    if not isinstance(blob, Blob):
        raise AssetNotFound(asset.key)
    return blob.body


def url(store: ObjectStore, asset: Asset) -> str:
    """A URL of the store that saves it, good for DOWNLOAD_URL_SECONDS."""
    return store.presign_get(
        f"{PREFIX}{asset.sha256}",
        seconds=DOWNLOAD_URL_SECONDS,
        filename=asset.filename,
        content_type=asset.content_type,
    )


def find(db: Db, marketplace_id: str, plugin: str, key: str) -> Asset:
    """A file of the page of a plugin. Not read yet. Raises AssetNotFound."""
    found = repository.find_plugin(db, marketplace_id, plugin)
    known = (found.metadata or {}).get("assets", {}).get(key) if found is not None else None
    if known is None:
        raise AssetNotFound(key)
    return Asset(key, known["content_type"], known["filename"], known["sha256"], known["size_bytes"])
