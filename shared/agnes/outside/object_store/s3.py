"""The object store on S3, or on anything that speaks its protocol: MinIO, LocalStack, moto.

The client sends each request once, since boto3's own retries turn a write that was committed, but
whose reply was lost, into a 412. Reads, listings and removals are repeated here. What came of a write:

    200 with an ETag                                              committed: returns
    412, or 404 NoSuchKey to an If-Match                          conflict: PreconditionFailed
    409, 429, a 503 that says so, no connection                   retry: TryAgain
    any other 5xx, a timeout, a dropped or an unreadable reply    unknown: OutcomeUnknown
    any other 3xx or 4xx, no credentials                          StoreRefused; nothing happened

A reply may be cut within its headers, which boto3 does not notice, so ETags and lengths are checked.
Only "SlowDown" and its kind say that nothing happened; a bare 503 may come from something between
us and the store that had already passed the request on, and MinIO's SlowDownWrite follows a write
that reached some of its disks.
"""

from __future__ import annotations

import base64
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache, cached_property, partial
from itertools import chain, islice
from mmap import mmap
from pathlib import Path
from typing import Any, TypeVar

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import (
    Absent,
    Anything,
    Blob,
    Entry,
    Expect,
    NotModified,
    OutcomeUnknown,
    PreconditionFailed,
    Secret,
    TryAgain,
    Unchanged,
    Version,
)
from agnes.outside.object_store.keys import check_key, check_prefix
from agnes.outside.object_store.mapped import Pieces
from agnes.outside.object_store.presigned import content_disposition

CONNECT_SECONDS = 2.0
READ_SECONDS = 8.0
"""Silence after which a reply is given up. API Gateway gives a function 29 seconds."""
REPEATS = 4
REPEAT_SECONDS = 15.0
"""How often, and until when, a read, a listing or a removal is tried."""
PART_BYTES = 16 * 1024 * 1024
"""A mapped file of more is sent in parts of this size, of which S3 takes 10,000."""
PAGE_SIZE = 1000
"""Keys in one page of a listing, and in one request to remove; S3 takes no more."""

_NOTHING_HAPPENED = frozenset({"SlowDown", "ServiceUnavailable", "RequestLimitExceeded", "ThrottlingException"})
_loading = threading.Lock()
_rng = random.SystemRandom()
"""Clones of one process must not draw the same."""
T = TypeVar("T")


class StoreRefused(UnavailableError):
    """The store answered that it will not: credentials, permission, bucket or request are wrong."""

    code = "store_refused"

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"the store refused {key}: {reason}", hint="Check bucket, endpoint, region and permissions.")
        self.key = key


class S3Store:
    """Keys live under `prefix` (empty, or a key; a slash is put between) in `bucket`.

    Credentials come from boto3's own chain unless given. `public_endpoint_url` is the address that
    clients of presigned URLs see, where it is not `endpoint_url`. `path_style` puts the bucket into the
    path, as is usual away from AWS: None means where there is an `endpoint_url`. boto3 is imported by the first call.
    """

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        endpoint_url: str | None = None,
        public_endpoint_url: str | None = None,
        region: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: Secret | None = None,
        path_style: bool | None = None,
        read_seconds: float = READ_SECONDS,
        page_size: int = PAGE_SIZE,
        part_bytes: int = PART_BYTES,
    ) -> None:
        self._bucket = bucket
        self._prefix = check_key(prefix.strip("/")) + "/" if prefix.strip("/") else ""
        self._endpoint_url = endpoint_url or None
        self._public_endpoint_url = public_endpoint_url or self._endpoint_url
        self._region = region or None
        self._access_key_id = access_key_id
        self._secret_access_key = secret_access_key
        self._path_style = bool(endpoint_url) if path_style is None else path_style
        self._read_seconds = read_seconds
        self._page_size = page_size
        self._part_bytes = part_bytes

    def read(self, key: str) -> Blob | None:
        where = {"Bucket": self._bucket, "Key": self._prefix + check_key(key)}
        return self._repeated(key, partial(self._read, where))

    def read_if_changed(self, key: str, version: Version) -> Blob | NotModified | None:
        from botocore.exceptions import ClientError

        where = {"Bucket": self._bucket, "Key": self._prefix + check_key(key), "IfNoneMatch": _quoted(version)}

        def ask() -> Blob | NotModified | None:
            try:
                return self._read(where)
            except ClientError as error:
                if _status(error) == 304:
                    return NotModified()
                raise

        return self._repeated(key, ask)

    def _read(self, where: dict[str, Any]) -> Blob | None:
        from botocore.exceptions import ClientError

        try:
            answer = self._client.get_object(**where)
        except ClientError as error:
            if _code(error) == "NoSuchKey":
                return None
            raise
        body = answer["Body"].read()
        if "content-length" not in answer["ResponseMetadata"]["HTTPHeaders"]:
            raise _CutReply  # within its headers, so that the body seems to be empty
        return Blob(body, _version(answer))

    def write(
        self, key: str, body: bytes | mmap, *, expect: Expect, content_type: str = "application/octet-stream"
    ) -> Version:
        from botocore.exceptions import BotoCoreError, ClientError

        where = {"Bucket": self._bucket, "Key": self._prefix + check_key(key)}
        if isinstance(expect, Absent):
            where["IfNoneMatch"] = "*"
        elif isinstance(expect, Unchanged):
            where["IfMatch"] = _quoted(expect.version)
        try:
            if isinstance(body, mmap) and len(body) > self._part_bytes and isinstance(expect, Anything):
                return self._write_parts(where, body, content_type)
            sent = Pieces(body) if isinstance(body, mmap) else body
            return _version(self._client.put_object(**where, Body=sent, ContentType=content_type))
        except ClientError as error:
            raise _refused_write(key, expect, error) from error
        except BotoCoreError as error:
            raise _unanswered_write(key, error) from error
        except _CutReply as error:
            raise OutcomeUnknown(key, "a reply without a whole ETag") from error

    def _write_parts(self, where: dict[str, Any], body: mmap, content_type: str) -> Version:
        """A large file in parts; what a failure leaves of it the bucket's lifecycle removes."""
        started = self._client.create_multipart_upload(**where, ContentType=content_type)
        where = {**where, "UploadId": started["UploadId"]}
        pieces = Pieces(body)
        parts: list[dict[str, int | str]] = []
        while piece := pieces.read(self._part_bytes):
            number = len(parts) + 1
            answer = self._client.upload_part(**where, PartNumber=number, Body=piece)
            parts.append({"PartNumber": number, "ETag": _quoted(_version(answer))})
        return _version(self._client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts}))

    def write_pieces(self, key: str, pieces: Iterable[bytes], *, content_type: str = "application/octet-stream") -> int:
        """In parts, each of which is repeated by itself; a failure ends the upload, so that S3 keeps no part of it."""
        where = {"Bucket": self._bucket, "Key": self._prefix + check_key(key)}
        parts = _parts_of(pieces, self._part_bytes)
        first = next(parts, b"")
        if len(first) < self._part_bytes:
            self._repeated(key, partial(self._client.put_object, **where, Body=first, ContentType=content_type))
            return len(first)
        started = self._repeated(key, partial(self._client.create_multipart_upload, **where, ContentType=content_type))
        upload = {**where, "UploadId": started["UploadId"]}
        sent, size = [], 0
        try:
            for number, part in enumerate(chain([first], parts), 1):
                answer = self._repeated(key, partial(self._upload_part, upload, number, part))
                sent.append({"PartNumber": number, "ETag": answer})
                size += len(part)
            self._repeated(key, partial(self._complete, upload, {"Parts": sent}))
        except BaseException:
            with suppress(Exception):  # the bucket's lifecycle ends it otherwise
                self._client.abort_multipart_upload(**upload)
            raise
        return size

    def _upload_part(self, upload: dict[str, Any], number: int, part: bytes) -> str:
        return _quoted(_version(self._client.upload_part(**upload, PartNumber=number, Body=part)))

    def _complete(self, upload: dict[str, Any], parts: dict[str, Any]) -> None:
        from botocore.exceptions import ClientError

        try:
            _version(self._client.complete_multipart_upload(**upload, MultipartUpload=parts))
        except ClientError as error:
            # An earlier attempt whose reply was lost has completed it.
            if _code(error) != "NoSuchUpload":
                raise
            self._client.head_object(Bucket=upload["Bucket"], Key=upload["Key"])

    def download(self, key: str, path: Path) -> bool:
        from botocore.exceptions import ClientError

        where = {"Bucket": self._bucket, "Key": self._prefix + check_key(key)}

        def ask() -> bool:
            try:
                answer = self._client.get_object(**where)
            except ClientError as error:
                if _code(error) == "NoSuchKey":
                    return False
                raise
            if "content-length" not in answer["ResponseMetadata"]["HTTPHeaders"]:
                raise _CutReply  # within its headers, so that the body seems to be empty
            with path.open("wb") as file:
                for piece in answer["Body"].iter_chunks(1 << 20):
                    file.write(piece)
            return True

        return self._repeated(key, ask)

    def list(self, prefix: str, *, after: str = "") -> Iterator[Entry]:
        asked = {"Bucket": self._bucket, "Prefix": self._prefix + check_prefix(prefix), "MaxKeys": self._page_size}
        if after:
            asked["StartAfter"] = self._prefix + after

        def ask() -> dict[str, Any]:
            page: dict[str, Any] = self._client.list_objects_v2(**asked)
            if "IsTruncated" not in page:
                raise _CutReply  # boto3 takes an empty body for an empty page
            return page

        while True:
            page = self._repeated(prefix, ask)
            for line in page.get("Contents", ()):
                key = line["Key"].removeprefix(self._prefix)
                yield Entry(key, line["Size"], _version(line), line["LastModified"])
            if not page["IsTruncated"]:
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def remove(self, keys: Iterable[str]) -> None:
        named = ({"Key": self._prefix + check_key(key)} for key in keys)
        while batch := list(islice(named, self._page_size)):
            delete = {"Bucket": self._bucket, "Delete": {"Objects": batch, "Quiet": True}}
            answer = self._repeated(batch[0]["Key"], partial(self._client.delete_objects, **delete))
            for failed in answer.get("Errors", ()):
                raise UnavailableError(f"cannot remove {failed.get('Key')}: {failed.get('Code')}")

    def presign_get(
        self, key: str, *, seconds: int, filename: str | None = None, content_type: str | None = None
    ) -> str:
        said = {"Bucket": self._bucket, "Key": self._prefix + check_key(key)}
        if filename:
            said["ResponseContentDisposition"] = content_disposition(filename)
        if content_type:
            said["ResponseContentType"] = content_type
        return str(self._presigner.generate_presigned_url("get_object", Params=said, ExpiresIn=seconds))

    def presign_put(self, key: str, *, seconds: int, size_bytes: int, sha256_hex: str, content_type: str) -> str:
        said = {
            "Bucket": self._bucket,
            "Key": self._prefix + check_key(key),
            "ContentLength": size_bytes,
            "ContentType": content_type,
            "ChecksumSHA256": base64.b64encode(bytes.fromhex(sha256_hex)).decode(),
        }
        return str(self._presigner.generate_presigned_url("put_object", Params=said, ExpiresIn=seconds))

    def _repeated(self, key: str, ask: Callable[[], T]) -> T:
        """What `ask` answers in the end: it changes nothing, or nothing more the second time."""
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError  # a body that is cut raises it, through boto3

        until = time.monotonic() + REPEAT_SECONDS
        for attempt in range(REPEATS):
            if attempt:
                time.sleep(_rng.uniform(0.02, 0.05) * 2**attempt)
            try:
                return ask()
            except ClientError as error:
                failure: Exception = error
                reason = f"{_status(error)} {_code(error)}"
                if _is_refusal(error):
                    raise StoreRefused(key, reason) from error
            except (BotoCoreError, HTTPError, _CutReply) as error:
                failure, reason = error, type(error).__name__
                if _lacks_credentials(error):
                    raise StoreRefused(key, "no credentials") from error
            if time.monotonic() > until:
                break
        raise UnavailableError(f"the store does not answer for {key}: {reason}") from failure

    @cached_property
    def _client(self) -> Any:
        return self._new_client(self._endpoint_url)

    @cached_property
    def _presigner(self) -> Any:
        is_other = self._public_endpoint_url != self._endpoint_url
        return self._new_client(self._public_endpoint_url) if is_other else self._client

    def connect(self) -> None:
        """Import what speaks to the store, and make its clients, now rather than at the first call."""
        _ = self._client, self._presigner

    def disconnect(self) -> None:
        """Close the connections that are open; the next calls open new ones."""
        for name in ("_client", "_presigner"):
            if name in vars(self):
                vars(self)[name].close()

    def _new_client(self, endpoint_url: str | None) -> Any:
        from botocore.config import Config

        with _loading:  # making a client is not thread-safe; using one is
            session = _session(self._region)
            return session.client(
                "s3",
                endpoint_url=endpoint_url,
                region_name=session.region_name or "us-east-1",
                aws_access_key_id=self._access_key_id,
                aws_secret_access_key=self._secret_access_key.value if self._secret_access_key else None,
                config=Config(
                    signature_version="s3v4",
                    retries={"total_max_attempts": 1},
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=self._read_seconds,
                    max_pool_connections=32,
                    s3={"addressing_style": "path" if self._path_style else "auto"},
                    # The signature covers the payload's SHA-256 already, and some stores know no trailers.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                ),
            )


@cache
def _session(region: str | None) -> Any:
    """One for all clients: it keeps the parsed service model, which costs a second client most of its time."""
    import boto3

    return boto3.session.Session(region_name=region)


def _parts_of(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in parts of `size`, the last one shorter or empty."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= size:
            yield bytes(memoryview(held)[:size])
            del held[:size]
    if held:
        yield bytes(held)


class _CutReply(Exception):
    """A reply that ended too early, though boto3 took it for a whole one."""


def _refused_write(key: str, expect: Expect, error: Any) -> Exception:
    """The outcome of a write that was answered with an error."""
    status, code = _status(error), _code(error)
    if status == 412 or (code == "NoSuchKey" and isinstance(expect, Unchanged)):
        return PreconditionFailed(key)
    if status in {409, 429} or code in _NOTHING_HAPPENED:
        return TryAgain(key, f"{status} {code}")
    return (StoreRefused if _is_refusal(error) else OutcomeUnknown)(key, f"{status} {code}")


def _unanswered_write(key: str, error: Exception) -> Exception:
    """The outcome of a write that was not answered, or not in a way that we can read."""
    from botocore import exceptions as boto

    if isinstance(error, (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError)):
        return TryAgain(key, "no connection")
    if _lacks_credentials(error):
        return StoreRefused(key, "no credentials")
    return OutcomeUnknown(key, type(error).__name__)


def _lacks_credentials(error: Exception) -> bool:
    from botocore import exceptions as boto

    return isinstance(error, (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError))


def _is_refusal(error: Any) -> bool:
    """Whether the store said no, for good. A 404 must say of what: a cut one has the status for a code."""
    return 300 <= _status(error) < 500 and _status(error) not in {409, 429} and _code(error) not in {"404", ""}


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _version(answer: dict[str, Any]) -> Version:
    quoted = answer.get("ETag", "")
    if len(quoted) < 3 or quoted[0] != '"' or quoted[-1] != '"':
        raise _CutReply
    return Version(quoted[1:-1])


def _quoted(version: Version) -> str:
    return f'"{version.tag}"'
