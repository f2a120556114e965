"""A prefix of a bucket on S3 or a store that speaks its protocol, with credentials of its own or the function's role."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

from agnes.kernel.drops import (
    DropFile,
    DropPattern,
    DropRefused,
    DropUnreachable,
    FileUnreadable,
    LocationTooLarge,
    Place,
)
from agnes.kernel.ports import Secret
from agnes.outside.drops.walk import BAD_NAME, is_text
from agnes.outside.egress import PORTS, Alarm, Egress, EgressError, Origin, PrivateAddress, TimeUp

CONNECT_SECONDS = 5
READ_SECONDS = 20
"""Silence after which an answer is given up."""
PAGE_SIZE = 1000
NAMES_A_FILE = 10
"""A bucket may hold millions of other objects: so many are looked at for each file that may match."""
OF_ONE_OBJECT = frozenset({"AccessDenied", "InvalidObjectState"})
"""Refusals of an object, such as one that is archived; the next may be read."""
T = TypeVar("T")


@contextmanager
def open_s3(place: Place, credential: Secret | None, *, seconds: float, allow: frozenset[str]) -> Iterator[S3Drop]:
    import boto3
    from botocore.config import Config

    given = json.loads(credential.value) if credential else {}
    client = boto3.session.Session(
        aws_access_key_id=given.get("access_key_id"), aws_secret_access_key=given.get("secret_access_key")
    ).client(
        "s3",
        region_name=place.region or ("us-east-1" if place.endpoint else None),
        endpoint_url=place.endpoint or None,
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"total_max_attempts": 3, "mode": "standard"},
            signature_version="s3v4",
            s3={"addressing_style": "path"} if place.endpoint else {},
            proxies={} if place.endpoint else None,
        ),
    )
    try:
        with Alarm(seconds) as alarm:
            if place.endpoint:  # AWS's own addresses are private ones where a network has an endpoint of S3
                sender = _SafeSender(Egress(allow_private="private" in allow), alarm)
                client.meta.events.register("before-send.s3", sender)
            yield S3Drop(client, place.bucket, seconds=seconds)
    finally:
        client.close()


class _SafeSender:
    """Sends what botocore has prepared over the one way out: each request to an address that was judged just then."""

    def __init__(self, egress: Egress, alarm: Alarm) -> None:
        self._egress = egress
        self._alarm = alarm

    def __call__(self, request: Any, **_: Any) -> Any:
        """As `before-send` has it: the answer. Raises DropRefused, and what botocore tries again."""
        from botocore.awsrequest import AWSResponse
        from botocore.exceptions import EndpointConnectionError

        parts = urlsplit(request.url)
        scheme = parts.scheme.lower()
        origin = Origin(scheme, parts.hostname or "", parts.port or PORTS.get(scheme, 443))
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            name: value.decode() if isinstance(value, bytes) else str(value) for name, value in request.headers.items()
        }
        body = request.body if isinstance(request.body, bytes) or request.body is None else request.body.encode()
        try:
            answer = self._egress.ask(
                origin, target, self._alarm, method=request.method, headers=headers, body=body, seconds=READ_SECONDS
            )
        except PrivateAddress as exc:
            raise DropRefused(exc.message, code="private_address", hint=exc.hint) from exc
        except TimeUp as exc:
            raise DropUnreachable("the time for this location is over", code="location_slow") from exc
        except EgressError as exc:
            raise EndpointConnectionError(endpoint_url=request.url.partition("?")[0], error=exc) from exc
        return AWSResponse(request.url, answer.status, answer.headers, answer.raw)


class S3Drop:
    def __init__(self, client: Any, bucket: str, *, seconds: float) -> None:
        self._client = client
        self._bucket = bucket
        self._until = time.monotonic() + seconds

    def files(self, pattern: DropPattern, *, limit: int) -> Iterator[DropFile]:
        if pattern.is_absolute:
            raise DropRefused("a bucket's pattern does not begin with /", code="invalid_pattern")
        asked = {"Bucket": self._bucket, "Prefix": pattern.prefix, "MaxKeys": PAGE_SIZE}
        count = looked_at = 0
        while True:
            page = self._ask(lambda: self._client.list_objects_v2(**asked))
            for entry in page.get("Contents", ()):
                looked_at += 1
                person = pattern.person_of(entry["Key"])
                if person is not None:
                    if count == limit:
                        return
                    count += 1
                    yield _file(entry, person)
            if not page.get("IsTruncated"):
                return
            if looked_at >= NAMES_A_FILE * limit:
                raise LocationTooLarge(looked_at)
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def read(self, file: DropFile) -> bytes | None:
        from botocore.exceptions import ClientError

        def ask() -> bytes | None:
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=file.path)
            except ClientError as error:
                if _code(error) in ("NoSuchKey", "404"):
                    return None
                if _code(error) in OF_ONE_OBJECT:
                    raise FileUnreadable(f"{file.path}: the bucket {self._bucket} answered {_code(error)}") from error
                raise
            with answer["Body"] as body:
                return self._taken(body, file.size_bytes)

        return self._ask(ask)

    def _taken(self, body: Any, size_bytes: int) -> bytes:
        """In pieces, so that a store that drips is given up in time."""
        found = bytearray()
        while len(found) < size_bytes:
            piece = body.read(min(1 << 20, size_bytes - len(found)))
            if not piece:
                break
            found += piece
            self._check_time()
        return bytes(found)

    def _ask(self, ask: Callable[[], T]) -> T:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.exceptions import HTTPClientError as NoAnswer

        self._check_time()
        try:
            return ask()
        except ClientError as error:
            status = error.response["ResponseMetadata"].get("HTTPStatusCode", 500)
            said = f"the bucket {self._bucket} answered {_code(error)}"
            if status >= 500 or status == 429:
                raise DropUnreachable(said) from error
            raise DropRefused(said, hint="Check bucket, region and credentials.") from error
        except NoAnswer as error:
            raise DropUnreachable(f"the bucket {self._bucket} did not answer: {type(error).__name__}") from error
        except BotoCoreError as error:  # no credentials, no region
            raise DropRefused(f"the bucket {self._bucket} cannot be asked: {type(error).__name__}") from error
        except OSError as error:
            raise DropUnreachable(f"the bucket {self._bucket} stopped answering: {type(error).__name__}") from error

    def _check_time(self) -> None:
        if time.monotonic() > self._until:
            raise DropUnreachable("the time for this location is over", code="location_slow")


def _file(entry: dict[str, Any], person: str) -> DropFile:
    key = entry["Key"]
    wrong = not is_text(key.rpartition("/")[2]) or any(part in ("", ".", "..") for part in key.split("/"))
    return DropFile(
        key, person, entry["Size"], entry["ETag"].strip('"'), entry["LastModified"], BAD_NAME if wrong else None
    )


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", "nothing"))
