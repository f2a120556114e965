"""Covers and documents of a plugin's page: judged by their bytes, kept under their content.

    assets/<sha256>                the bytes; what a plugin may show of them is in its row
    damage/assets/<sha256>.json    {sha256, reason}, sealed: they are not what was stored; gone when they are whole again

Bytes are compared with their name whenever they are read. Who finds damage leaves a note; the next sync of a marketplace whose
pages name the file stores it again (`agnes.marketplace.rebuilding`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agnes.kernel import sealed
from agnes.kernel.errors import NotFoundError, UnavailableError
from agnes.kernel.ports import ABSENT, ANYTHING, DOWNLOAD_URL_SECONDS, ObjectStore, PreconditionFailed
from agnes.kernel.state import Db
from agnes.marketplace import repository
from agnes.marketplace.limits import MAX_ASSET_BYTES, MAX_COVER_BYTES
from agnes.trees.rules import UnsafePath, check_path

log = logging.getLogger("agnes.marketplace")

PREFIX = "assets/"
NOTES = "damage/assets/"
IMMUTABLE = "private, max-age=2592000, immutable"
"""30 days: the URL holds the content's hash."""

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


class AssetDamaged(UnavailableError):
    """The stored bytes are not those that the page names."""

    code = "asset_damaged"

    def __init__(self, filename: str, reason: str) -> None:
        super().__init__(
            f"the stored copy of {filename} is damaged ({reason})",
            hint="The next sync of its marketplace stores it again; an admin can sync it now.",
        )


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
    """Its bytes, compared with their digest. Raises AssetDamaged, and leaves a note."""
    found = _read(store, asset.sha256)
    if isinstance(found, str):
        report(store, asset.sha256, found)
        raise AssetDamaged(asset.filename, found)
    return found


def url(store: ObjectStore, asset: Asset, *, now: datetime) -> str:
    """A URL of the store that saves it, good for DOWNLOAD_URL_SECONDS. Raises AssetDamaged: the store would hand out
    whatever is there, so the bytes are compared first, at most once an hour in a process."""
    this_hour = f"{now:%Y-%m-%d %H}"
    if _compared.get(asset.sha256) != this_hour:
        read(store, asset)
        if len(_compared) >= MAX_COMPARED:
            _compared.clear()
        _compared[asset.sha256] = this_hour
    return store.presign_get(
        f"{PREFIX}{asset.sha256}",
        seconds=DOWNLOAD_URL_SECONDS,
        filename=asset.filename,
        content_type=asset.content_type,
    )


MAX_COMPARED = 1_000
_compared: dict[str, str] = {}
"""Digest → hour in which its bytes were compared."""


# Damage ---------------------------------------------------------------------------------------


def problem(store: ObjectStore, sha256: str) -> str | None:
    """Why the stored bytes cannot be used: `absent`, `empty` or `changed`; None if they are whole."""
    found = _read(store, sha256)
    return found if isinstance(found, str) else None


def report(store: ObjectStore, sha256: str, reason: str) -> None:
    """Leave a note for the next sync. Never raises: who reads the file next leaves one too."""
    key = f"{NOTES}{sha256}.json"
    with suppress(PreconditionFailed, UnavailableError):
        body = sealed.seal(key, json.dumps({"sha256": sha256, "reason": reason}).encode())
        store.write(key, body, expect=ABSENT, content_type="application/json")
        log.error("%s%s is damaged: %s", PREFIX, sha256, reason, extra={"key": f"{PREFIX}{sha256}"})


def noted(store: ObjectStore) -> set[str]:
    """Digests of files that somebody found damaged. Raises UnavailableError."""
    return {entry.key.removeprefix(NOTES).removesuffix(".json") for entry in store.list(NOTES)}


def close(store: ObjectStore, sha256s: Iterable[str]) -> None:
    """They are whole again, or nothing names them. Raises UnavailableError."""
    _compared.clear()
    store.remove([f"{NOTES}{sha256}.json" for sha256 in sha256s])


def put_away(store: ObjectStore, sha256: str) -> None:
    """Move what is there of a damaged file below `damaged/`."""
    blob = store.read(f"{PREFIX}{sha256}")
    if blob is not None:
        sealed.put_away(store, f"{PREFIX}{sha256}", blob.body)


def _read(store: ObjectStore, sha256: str) -> bytes | str:
    """The bytes, or why they cannot be used."""
    blob = store.read(f"{PREFIX}{sha256}")
    if blob is None:
        return "absent"
    if hashlib.sha256(blob.body).hexdigest() != sha256:
        return "changed" if blob.body else "empty"
    return blob.body


def named(metadata: Iterable[dict[str, Any] | None]) -> dict[str, str]:
    """Digest → file name of all covers and documents that these pages show."""
    return {
        described["sha256"]: described["filename"]
        for shown in metadata
        for described in (shown or {}).get("assets", {}).values()
    }


# ----------------------------------------------------------------------------------------------


def find(db: Db, marketplace_id: str, plugin: str, key: str) -> Asset:
    """A file of the page of a plugin. Not read yet. Raises AssetNotFound."""
    found = repository.find_plugin(db, marketplace_id, plugin)
    known = (found.metadata or {}).get("assets", {}).get(key) if found is not None else None
    if known is None:
        raise AssetNotFound(key)
    return Asset(key, known["content_type"], known["filename"], known["sha256"], known["size_bytes"])
