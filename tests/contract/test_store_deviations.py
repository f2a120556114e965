"""What servers answer to conditional requests, beside what AWS documents.

A deviation that is listed here and is gone fails the test too: then the list, and perhaps a rule that
was made for it, can go. Not tried on AWS itself. `shown` is a status, or an error's code where AWS
answers 200 with errors inside, and then what became of the object.
"""

from __future__ import annotations

import hashlib
import secrets
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from botocore.exceptions import ClientError

from agnes.kernel.ports import upload_headers
from tests.builders.patience import PATIENCE_SECONDS
from tests.contract.stores import BUCKET

pytestmark = pytest.mark.slow


class Bench:
    """One object, `old` then `new`, and what a request answers."""

    def __init__(self, server):
        self.server, self.client = server, server.client()
        self.key = f"deviations/{secrets.token_hex(6)}"
        self.at = {"Bucket": BUCKET, "Key": self.key}
        self.stale = self.client.put_object(**self.at, Body=b"old")["ETag"]
        self.fresh = self.client.put_object(**self.at, Body=b"new")["ETag"]

    def status(self, call: Callable, **arguments) -> int:
        try:
            return call(**arguments)["ResponseMetadata"]["HTTPStatusCode"]
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"]

    def left(self, key: str = "") -> str:
        try:
            return self.client.get_object(Bucket=BUCKET, Key=key or self.key)["Body"].read().decode()
        except ClientError:
            return "gone"

    def put(self, **arguments) -> str:
        return f"{self.status(self.client.put_object, **{**self.at, 'Body': b'put', **arguments})} {self.left()}"

    def delete(self, etag: str) -> str:
        return f"{self.status(self.client.delete_object, **self.at, IfMatch=etag)} {self.left()}"

    def upload(self, body: bytes, *, drop: str = "", **headers: str) -> str:
        """A presigned PUT of what was declared as `declared bytes`, `text/plain`."""
        declared = {
            "sha256_hex": hashlib.sha256(b"declared bytes").hexdigest(),
            "content_type": "text/plain",
        }
        store = self.server.store()
        url = store.presign_put("upload", seconds=60, size_bytes=14, **declared)
        sent = {**upload_headers(**declared), **headers}
        sent.pop(drop, None)
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, data=body, headers=sent, method="PUT"), timeout=PATIENCE_SECONDS
            ):
                return "taken"
        except urllib.error.HTTPError as refused:
            with refused:
                return "refused" if store.read("upload") is None else "refused but stored"


def create_existing(b: Bench) -> str:
    return b.put(IfNoneMatch="*")


def swap_stale(b: Bench) -> str:
    return b.put(IfMatch=b.stale)


def swap_fresh(b: Bench) -> str:
    return b.put(IfMatch=b.fresh)


def swap_missing(b: Bench) -> str:
    key = b.key + "-missing"
    return f"{b.status(b.client.put_object, Bucket=BUCKET, Key=key, Body=b'x', IfMatch=b.fresh)} {b.left(key)}"


def swap_back_to_same_bytes(b: Bench) -> str:
    b.client.put_object(**b.at, Body=b"old")
    return b.put(IfMatch=b.stale)  # A, B, A: the first version is valid again


def put_if_none_match_etag(b: Bench) -> str:
    return b.put(IfNoneMatch=b.stale)


def read_unchanged(b: Bench) -> str:
    return str(b.status(b.client.get_object, **b.at, IfNoneMatch=b.fresh))


def delete_stale(b: Bench) -> str:
    return b.delete(b.stale)


def delete_fresh(b: Bench) -> str:
    return b.delete(b.fresh)


def batch_delete_stale(b: Bench) -> str:
    answer = b.client.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": b.key, "ETag": b.stale}]})
    codes = [error["Code"] for error in answer.get("Errors", [])]
    return f"{' '.join(codes) or 'no error'} {b.left()}"


def complete_upload_on_existing(b: Bench) -> str:
    upload = b.client.create_multipart_upload(**b.at)["UploadId"]
    part = b.client.upload_part(**b.at, UploadId=upload, PartNumber=1, Body=b"parts")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    status = b.status(
        b.client.complete_multipart_upload, **b.at, UploadId=upload, MultipartUpload=parts, IfNoneMatch="*"
    )
    return f"{status} {b.left()}"


def list_object_inside_object(b: Bench) -> str:
    b.client.put_object(Bucket=BUCKET, Key=f"{b.key}/inside", Body=b"x")
    listed = b.client.list_objects_v2(Bucket=BUCKET, Prefix=b.key).get("Contents", [])
    return str(len(listed))


def upload_declared(b: Bench) -> str:
    return b.upload(b"declared bytes")


def upload_longer(b: Bench) -> str:
    return b.upload(b"declared bytes!")


def upload_shorter(b: Bench) -> str:
    return b.upload(b"declared byte")


def upload_other_bytes(b: Bench) -> str:
    return b.upload(b"Declared bytes")


def upload_other_type(b: Bench) -> str:
    return b.upload(b"declared bytes", **{"Content-Type": "text/html"})


def upload_other_bytes_without_checksum(b: Bench) -> str:
    return b.upload(b"Declared bytes", drop="x-amz-checksum-sha256")


@dataclass(frozen=True)
class Case:
    ask: Callable[[Bench], str]
    aws: str
    deviations: dict[str, str] = field(default_factory=dict)


CASES = [
    Case(create_existing, "412 new"),
    Case(swap_stale, "412 new"),
    Case(swap_fresh, "200 put"),
    Case(swap_missing, "404 gone"),
    Case(swap_back_to_same_bytes, "200 put"),
    Case(put_if_none_match_etag, "501 new", {"moto": "200 put", "minio": "200 put"}),
    Case(read_unchanged, "304"),
    Case(delete_stale, "412 new", {"localstack": "501 new", "minio": "204 gone"}),
    Case(delete_fresh, "204 gone", {"localstack": "501 new"}),
    Case(
        batch_delete_stale,
        "PreconditionFailed new",
        {"moto": "no error gone", "localstack": "no error gone", "minio": "no error gone"},
    ),
    Case(complete_upload_on_existing, "412 new"),
    Case(list_object_inside_object, "2", {"minio": "1"}),
    Case(upload_declared, "taken"),
    Case(upload_longer, "refused", {"moto": "taken"}),
    Case(upload_shorter, "refused", {"moto": "taken"}),
    Case(upload_other_bytes, "refused", {"moto": "taken"}),
    Case(upload_other_type, "refused", {"moto": "taken", "localstack": "taken"}),
    Case(upload_other_bytes_without_checksum, "refused", {"moto": "taken", "localstack": "taken"}),
]


@pytest.mark.parametrize("case", [pytest.param(case, id=case.ask.__name__) for case in CASES])
def test_answers_as_documented_or_as_listed(server, case):
    shown = case.ask(Bench(server))
    if server.name in case.deviations and shown == case.aws:
        pytest.fail(f"{server.name} no longer deviates in {case.ask.__name__}: take it off the list")
    assert shown == case.deviations.get(server.name, case.aws)
