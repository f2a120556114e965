"""Files of what is shared on their way in: as parts of a form, or, larger ones, by a presigned PUT that a form then names.

flea/uploads/<user_id>/<sha256>      what a client PUT; removed once it was shared, or after a day
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from multipart import MultipartError, MultipartParser, parse_options_header

from agnes.flea.limits import MAX_ARCHIVE_BYTES, MAX_BUNDLE_BYTES, MAX_DOCUMENTS, UPLOAD_URL_SECONDS
from agnes.flea.offers import Offer
from agnes.kernel.errors import BadRequestError, InvalidError, NotFoundError, TooLargeError, UnsupportedError
from agnes.kernel.ports import ObjectStore, upload_headers
from agnes.kernel.principal import Principal
from agnes.kernel.signing import Signing

STAGED = "flea/uploads/"
CONTENT_TYPE = "application/octet-stream"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PARTS = 24 + MAX_DOCUMENTS


class UploadMissing(NotFoundError):
    code = "upload_missing"

    def __init__(self) -> None:
        super().__init__(
            "there is no file of this upload", hint="PUT it to the presigned URL first, or ask for a new one."
        )


class UnknownUpload(BadRequestError):
    code = "unknown_upload"

    def __init__(self) -> None:
        super().__init__("this upload_id is not one of yours", hint="Ask for a new one: POST /api/store/uploads.")


@dataclass(frozen=True, slots=True)
class Presigned:
    """Where to PUT a file, and what to name in the form that follows."""

    upload_id: str
    url: str
    headers: dict[str, str]


def presign(
    store: ObjectStore, secret: Signing, who: Principal, *, filename: str, size_bytes: int, sha256: str, limit: int
) -> Presigned:
    """Raises InvalidError `invalid_sha256`, TooLargeError."""
    if not _SHA256.fullmatch(sha256):
        raise InvalidError("sha256 must be 64 hexadecimal characters in lower case", code="invalid_sha256")
    if size_bytes > limit:
        raise TooLargeError(
            f"{size_bytes} bytes are too many, the limit is {limit}", code="file_too_large", limit=limit
        )
    url = store.presign_put(
        _key(who.user_id, sha256),
        seconds=UPLOAD_URL_SECONDS,
        size_bytes=size_bytes,
        sha256_hex=sha256,
        content_type=CONTENT_TYPE,
    )
    said = json.dumps([who.user_id, sha256, size_bytes, filename[:200]])
    text = base64.urlsafe_b64encode(said.encode()).decode().rstrip("=")
    headers = upload_headers(sha256_hex=sha256, content_type=CONTENT_TYPE)
    return Presigned(f"{text}.{secret.sign(_signed(text))}", url, headers)


@dataclass(frozen=True, slots=True)
class Staged:
    """A file that was PUT."""

    filename: str
    body: bytes
    key: str


def read(store: ObjectStore, secret: Signing, who: Principal, upload_id: str) -> Staged:
    """Raises UnknownUpload, UploadMissing."""
    text, _, signature = upload_id.partition(".")
    if not secret.holds(_signed(text), signature):
        raise UnknownUpload
    try:
        user_id, sha256, size, filename = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        raise UnknownUpload from None
    if user_id != who.user_id:
        raise UnknownUpload
    key = _key(user_id, sha256)
    blob = store.read(key)
    if blob is None or len(blob.body) != size or hashlib.sha256(blob.body).hexdigest() != sha256:
        raise UploadMissing
    return Staged(filename, blob.body, key)


def _key(user_id: str, sha256: str) -> str:
    return f"{STAGED}{user_id}/{sha256}"


def _signed(text: str) -> str:
    """What is signed: no other use of the key signs a text that begins so."""
    return f"flea-upload\0{text}"


TEXTS = (
    "type", "name", "description", "category", "video_url", "changes", "audience", "audience_groups", "upload_id",
    "clear_photo", "action", "mode", "submission", "n", "reason", "email",
)  # fmt: skip
FILES = ("file", "photo", "docs", "docs[]")


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a multipart form."""

    texts: dict[str, list[str]]
    files: dict[str, list[tuple[str, bytes]]]

    def text(self, name: str) -> str | None:
        found = self.texts.get(name)
        return found[0] if found else None


def form_of(content_type: str, body: bytes) -> Form:
    """Raises UnsupportedError, BadRequestError `invalid_form` or `unknown_field`."""
    kind, options = parse_options_header(content_type)
    if kind == "application/x-www-form-urlencoded":  # a form of a page without a file
        return Form(parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True), {})
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise UnsupportedError("send multipart/form-data", hint="The archive is the field `file`.")
    texts: dict[str, list[str]] = {}
    files: dict[str, list[tuple[str, bytes]]] = {}
    try:
        parser = MultipartParser(
            io.BytesIO(body),
            options["boundary"],
            content_length=len(body),
            part_limit=_PARTS,
            header_limit=8,
            memory_limit=len(body) + 1,
            disk_limit=0,
            spool_limit=len(body) + 1,
            strict=True,
        )
        for part in parser.parts():
            if part.name in FILES:
                if part.filename:  # a browser sends an empty part for a field without a file
                    files.setdefault(part.name.removesuffix("[]"), []).append((part.filename, part.raw))
            elif part.name in TEXTS and part.filename is None:
                texts.setdefault(part.name, []).append(part.value)
            else:
                raise BadRequestError(f"the form has an unknown field {part.name[:40]!r}", code="unknown_field")
    except (MultipartError, UnicodeDecodeError) as exc:
        raise BadRequestError(f"the form cannot be read: {exc}", code="invalid_form") from exc
    return Form(texts, files)


def offer_of(form: Form, staged: Staged | None = None) -> Offer:
    """What a form offers; a text that is empty counts as not given, but for those that may be cleared."""
    filename, body = (staged.filename, staged.body) if staged else next(iter(form.files.get("file", [])), ("", None))
    return Offer(
        filename=filename,
        body=body,
        type=form.text("type") or None,
        name=(form.text("name") or "").strip() or None,
        description=(form.text("description") or "").strip() or None,
        category=form.text("category") or None,
        video_url=form.text("video_url"),
        changes=form.text("changes") or "",
        photo=next(iter(form.files.get("photo", [])), None),
        clear_photo=form.text("clear_photo") == "true",
        docs=form.files.get("docs"),
        audience=form.text("audience") or None,
        audience_groups=_groups(form.texts.get("audience_groups", ())),
    )


def _groups(given: Sequence[str]) -> list[str]:
    return [word for value in given for word in value.replace(",", " ").split()]


def limit_of(kind: str) -> int:
    """Bytes that may be PUT, of an archive or of a bundle of many."""
    return MAX_BUNDLE_BYTES if kind == "bundle" else MAX_ARCHIVE_BYTES
