"""The object store on S3, or on anything that speaks its protocol: MinIO, LocalStack, moto.

Writes go through a client that sends each request once: boto3's own retries turn a write that was
committed, but whose reply was lost, into a 412. What came of a write is decided here:

    200 with an ETag                                              committed: returns
    412, or 404 NoSuchKey to an If-Match                          conflict: PreconditionFailed
    409, 429, a 503 that says so, no connection                   retry: TryAgain
    any other 5xx, a timeout, a dropped or an unreadable reply    unknown: OutcomeUnknown
    any other 3xx or 4xx, no credentials                          StoreRefused; nothing happened

Only "SlowDown" and its kind say that nothing happened; a bare 503 may come from something between
us and the store that had already passed the request on, and MinIO's SlowDownWrite follows a write
that reached some of its disks.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import islice
from typing import Any

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import (
    Absent,
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
from agnes.outside.object_store.presigned import content_disposition

CONNECT_SECONDS = 2.0
READ_SECONDS = 8.0
"""Silence after which a reply is given up. API Gateway gives a function 29 seconds."""
READ_ATTEMPTS = 4
PAGE_SIZE = 1000
"""Keys in one page of a listing, and in one request to remove; S3 takes no more."""

_NOTHING_HAPPENED = frozenset({"SlowDown", "ServiceUnavailable", "RequestLimitExceeded", "ThrottlingException"})
_loading = threading.Lock()


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

    def read(self, key: str, *, unless: Version | None = None) -> Blob | NotModified | None:
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        where = {"Bucket": self._bucket, "Key": self._prefix + check_key(key)}
        if unless is not None:
            where["IfNoneMatch"] = _quoted(unless)
        for attempt in range(READ_ATTEMPTS):
            try:
                answer = self._reader.get_object(**where)
                return Blob(answer["Body"].read(), _version(answer))
            except ClientError as error:
                match _status(error):
                    case 304:
                        return NotModified()
                    case 404 if _code(error) == "NoSuchKey":
                        return None
                raise _unreadable(key, error) from error
            except (BotoCoreError, HTTPError) as error:  # HTTPError: the body was cut; botocore retries headers only
                if attempt == READ_ATTEMPTS - 1:
                    raise UnavailableError(f"cannot read {key}: {type(error).__name__}") from error
        raise AssertionError("unreachable")

    def write(
        self, key: str, body: bytes, *, expect: Expect, content_type: str = "application/octet-stream"
    ) -> Version:
        from botocore.exceptions import BotoCoreError, ClientError

        where = {"Bucket": self._bucket, "Key": self._prefix + check_key(key)}
        if isinstance(expect, Absent):
            where["IfNoneMatch"] = "*"
        elif isinstance(expect, Unchanged):
            where["IfMatch"] = _quoted(expect.version)
        try:
            answer = self._writer.put_object(**where, Body=body, ContentType=content_type)
        except ClientError as error:
            raise _refused_write(key, expect, error) from error
        except BotoCoreError as error:
            raise _unanswered_write(key, error) from error
        if not answer.get("ETag"):
            raise OutcomeUnknown(key, "an answer without an ETag")
        return _version(answer)

    def list(self, prefix: str, *, after: str = "") -> Iterator[Entry]:
        from botocore.exceptions import BotoCoreError, ClientError

        asked: dict[str, Any] = {"Bucket": self._bucket, "Prefix": self._prefix + check_prefix(prefix)}
        if after:
            asked["StartAfter"] = self._prefix + after
        pages = {"PageSize": self._page_size}
        try:
            for page in self._reader.get_paginator("list_objects_v2").paginate(**asked, PaginationConfig=pages):
                for line in page.get("Contents", ()):
                    yield Entry(
                        line["Key"].removeprefix(self._prefix), line["Size"], _version(line), line["LastModified"]
                    )
        except ClientError as error:
            raise _unreadable(prefix, error) from error
        except BotoCoreError as error:
            raise UnavailableError(f"cannot list {prefix}: {type(error).__name__}") from error

    def remove(self, keys: Iterable[str]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        named = ({"Key": self._prefix + check_key(key)} for key in keys)
        while batch := list(islice(named, self._page_size)):
            try:
                answer = self._reader.delete_objects(Bucket=self._bucket, Delete={"Objects": batch, "Quiet": True})
            except ClientError as error:
                raise _unreadable(batch[0]["Key"], error) from error
            except BotoCoreError as error:
                raise UnavailableError(f"cannot remove {batch[0]['Key']}: {type(error).__name__}") from error
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
        return self._presigner.generate_presigned_url("get_object", Params=said, ExpiresIn=seconds)

    def presign_put(self, key: str, *, seconds: int, size_bytes: int, sha256_hex: str, content_type: str) -> str:
        said = {
            "Bucket": self._bucket,
            "Key": self._prefix + check_key(key),
            "ContentLength": size_bytes,
            "ContentType": content_type,
            "ChecksumSHA256": base64.b64encode(bytes.fromhex(sha256_hex)).decode(),
        }
        return self._presigner.generate_presigned_url("put_object", Params=said, ExpiresIn=seconds)

    @cached_property
    def _writer(self) -> Any:
        return self._client(self._endpoint_url, {"total_max_attempts": 1})

    @cached_property
    def _reader(self) -> Any:
        return self._client(self._endpoint_url, {"total_max_attempts": READ_ATTEMPTS, "mode": "standard"})

    @cached_property
    def _presigner(self) -> Any:
        return self._client(self._public_endpoint_url, {"total_max_attempts": 1})

    def _client(self, endpoint_url: str | None, retries: dict[str, Any]) -> Any:
        import boto3
        from botocore.config import Config

        with _loading:  # making a client is not thread-safe; using one is
            session = boto3.session.Session(region_name=self._region)
            return session.client(
                "s3",
                endpoint_url=endpoint_url,
                region_name=session.region_name or "us-east-1",
                aws_access_key_id=self._access_key_id,
                aws_secret_access_key=self._secret_access_key.value if self._secret_access_key else None,
                config=Config(
                    signature_version="s3v4",
                    retries=retries,
                    connect_timeout=CONNECT_SECONDS,
                    read_timeout=self._read_seconds,
                    max_pool_connections=32,
                    s3={"addressing_style": "path" if self._path_style else "auto"},
                    # The signature covers the payload's SHA-256 already, and some stores know no trailers.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                ),
            )


def _refused_write(key: str, expect: Expect, error: Any) -> Exception:
    """The outcome of a write that was answered with an error."""
    status, code = _status(error), _code(error)
    if status == 412 or (status == 404 and code == "NoSuchKey" and isinstance(expect, Unchanged)):
        return PreconditionFailed(key)
    if status in {409, 429} or code in _NOTHING_HAPPENED:
        return TryAgain(key, f"{status} {code}")
    if 300 <= status < 500:
        return StoreRefused(key, f"{status} {code}")
    return OutcomeUnknown(key, f"{status} {code}")


def _unanswered_write(key: str, error: Exception) -> Exception:
    """The outcome of a write that was not answered, or not in a way that we can read."""
    from botocore import exceptions as boto

    if isinstance(error, (boto.EndpointConnectionError, boto.ConnectTimeoutError, boto.ProxyConnectionError)):
        return TryAgain(key, "no connection")
    if isinstance(error, (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError)):
        return StoreRefused(key, "no credentials")
    return OutcomeUnknown(key, type(error).__name__)


def _unreadable(key: str, error: Any) -> UnavailableError:
    reason = f"{_status(error)} {_code(error)}"
    if 300 <= _status(error) < 500 and _status(error) not in {409, 429}:
        return StoreRefused(key, reason)
    return UnavailableError(f"the store failed at {key}: {reason}")


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _version(answer: dict[str, Any]) -> Version:
    return Version(answer["ETag"].strip('"'))


def _quoted(version: Version) -> str:
    return f'"{version.tag}"'
