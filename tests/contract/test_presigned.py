"""Presigned URLs, used as a client uses them: over HTTP where the store is a server, else as the gateway does."""

from __future__ import annotations

import hashlib
import itertools
import random
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from agnes.kernel.clock import FixedClock, SystemClock
from agnes.kernel.ports import ABSENT, DOWNLOAD_URL_SECONDS, Secret, upload_headers
from agnes.outside.object_store.folder import FolderStore
from agnes.outside.object_store.memory import MemoryStore
from agnes.outside.object_store.presigned import (
    ROUTE,
    PresignedGet,
    PresignRefused,
    UploadMismatch,
    content_disposition,
)
from agnes.telemetry.lake.objects import put_file
from tests.builders.patience import PATIENCE_SECONDS
from tests.contract.stores import BUCKET, started_server

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
BODY = b"declared bytes"
SHA256_HEX = hashlib.sha256(BODY).hexdigest()


def fetch(request) -> tuple[int, bytes, dict]:
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return answer.status, answer.read(), {k.lower(): v for k, v in answer.headers.items()}
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read(), {}


def put(url: str, body: bytes, headers: dict) -> int:
    return fetch(urllib.request.Request(url, data=body, headers=headers, method="PUT"))[0]


def test_a_get_url_serves_as_declared(server):
    store = server.store()
    store.write("feed/x.zip", b"zip", expect=ABSENT)
    url = store.presign_get("feed/x.zip", seconds=60, filename="näme.zip", content_type="application/zip")
    status, body, headers = fetch(url)
    assert (status, body, headers["content-type"]) == (200, b"zip", "application/zip")
    assert headers["content-disposition"] == content_disposition("näme.zip")


def test_a_get_url_serves_an_export_that_was_written_in_parts(server, tmp_path):
    """Two parts of 5 MiB and a rest, as a file is sent that is never whole in memory."""
    store, path = server.store(), tmp_path / "usage_events.csv"
    path.write_bytes(b"".join(b"%07d\n" % number for number in range(1_400_000)))
    put_file(store, SystemClock(), "exports/x/usage_events.csv", path, "text/csv")
    (told,) = store._client.list_objects_v2(Bucket=BUCKET, Prefix=store._prefix + "exports/")["Contents"]
    assert told["ETag"].endswith('-3"'), "three parts"
    url = store.presign_get("exports/x/usage_events.csv", seconds=60, filename=path.name, content_type="text/csv")
    status, body, headers = fetch(url)
    assert (status, headers["content-type"]) == (200, "text/csv")
    assert headers["content-disposition"] == content_disposition(path.name)
    assert body == path.read_bytes()


def test_a_put_url_takes_the_declared_bytes(server):
    store = server.store()
    declared = {"sha256_hex": SHA256_HEX, "content_type": "application/zstd"}
    url = store.presign_put("up/x", seconds=60, size_bytes=len(BODY), **declared)
    assert put(url, BODY, upload_headers(**declared)) == 200
    assert store.read("up/x").body == BODY
    assert put(url, BODY, upload_headers(**declared)) == 200, "a repeated upload of the same bytes is no error"


@pytest.mark.minio
def test_a_get_url_ends_and_what_began_before_goes_on():
    """What is blocked is served by no URL of before for long, and a slow line gets all of what it began with."""
    store = started_server("minio").store()
    body = random.Random(1).randbytes(64_000_000)  # more than the buffers of both sides hold
    store.write("feed/x.zip", body, expect=ABSENT)
    url = store.presign_get("feed/x.zip", seconds=2)
    with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
        first = answer.read(1000)
        while fetch(urllib.request.Request(url, headers={"Range": "bytes=0-9"}))[0] == 206:
            time.sleep(0.1)
        assert fetch(url)[0] == 403
        assert first + answer.read() == body


def test_downloads_are_signed_for_less_than_a_minute(server):
    store = server.store()
    url = store.presign_get("feed/x.zip", seconds=DOWNLOAD_URL_SECONDS)
    assert int(dict(parse_qsl(urlsplit(url).query))["X-Amz-Expires"]) == DOWNLOAD_URL_SECONDS <= 45


@pytest.fixture(params=["memory", "folder"])
def own(request, tmp_path):
    """A store that signs for itself, and its clock."""
    clock = FixedClock(NOON)
    if request.param == "memory":
        return MemoryStore(clock=clock, secret=Secret("s")), clock
    return FolderStore(tmp_path, secret=Secret("s"), base_url="https://agnes.example/prod", clock=clock), clock


def as_gateway(store, method: str, url: str, now: datetime):
    """What a gateway makes of a request: the decoded path and query."""
    parts = urlsplit(url)
    key = parts.path.partition(ROUTE)[2]
    return store.open_presigned(method, key, dict(parse_qsl(parts.query)), now)


def test_own_get_url_opens_until_it_expires(own):
    store, clock = own
    url = store.presign_get("a/b+c=d@e.zip", seconds=60, filename='x "y" ä&b=c.zip', content_type="application/zip")
    opened = PresignedGet("a/b+c=d@e.zip", 'x "y" ä&b=c.zip', "application/zip")
    assert as_gateway(store, "GET", url, NOON) == opened
    assert as_gateway(store, "HEAD", url, NOON + timedelta(seconds=59)) == opened
    with pytest.raises(PresignRefused, match="expired"):
        as_gateway(store, "GET", url, NOON + timedelta(seconds=60))
    clock.sleep(60)
    with pytest.raises(PresignRefused, match="expired"):
        store.open_presigned_url("GET", url)


def test_own_put_url_takes_the_declared_bytes(own):
    store, _ = own
    url = store.presign_put("up/x", seconds=60, size_bytes=len(BODY), sha256_hex=SHA256_HEX, content_type="text/plain")
    opened = as_gateway(store, "PUT", url, NOON)
    store.take_presigned(opened, [BODY[:3], b"", BODY[3:]], content_type="text/plain")
    assert store.read("up/x").body == BODY


@pytest.mark.parametrize(
    ("body", "content_type", "what"),
    [
        pytest.param(BODY + b"!", "text/plain", "length", id="longer"),
        pytest.param(BODY[:-1], "text/plain", "length", id="shorter"),
        pytest.param(b"", "text/plain", "length", id="empty"),
        pytest.param(b"Declared bytes", "text/plain", "checksum", id="other"),
        pytest.param(BODY, "text/html", "content type", id="type"),
        pytest.param(BODY, None, "content type", id="no-type"),
    ],
)
def test_own_put_url_refuses_anything_else(own, body, content_type, what):
    store, _ = own
    url = store.presign_put("up/x", seconds=60, size_bytes=len(BODY), sha256_hex=SHA256_HEX, content_type="text/plain")
    with pytest.raises(UploadMismatch, match=what):
        store.take_presigned_url(url, body, content_type=content_type)
    assert store.read("up/x") is None
    assert list(store.list("")) == []


def test_own_url_refuses_every_change(own):
    store, _ = own
    url = store.presign_put("up/x", seconds=60, size_bytes=len(BODY), sha256_hex=SHA256_HEX, content_type="text/plain")
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    changed = [{**query, name: value + "0"} for name, value in query.items()]
    changed += [{k: v for k, v in query.items() if k != name} for name in query]
    changed += [{**query, "more": "1"}, {}, {"signature": "ä"}]
    for other in changed:
        with pytest.raises(PresignRefused, match="wrong signature"):
            store.open_presigned("PUT", "up/x", other, NOON)
    for key in ("up/y", "up/x/", "../up/x", ""):
        with pytest.raises(PresignRefused, match="wrong signature"):
            store.open_presigned("PUT", key, query, NOON)
    with pytest.raises(PresignRefused, match="not for GET"):
        store.open_presigned("GET", "up/x", query, NOON)
    assert as_gateway(store, "PUT", url, NOON).key == "up/x"


def test_a_url_of_another_installation_does_not_open(own):
    url = MemoryStore(clock=FixedClock(NOON), secret=Secret("another")).presign_get("k", seconds=60)
    with pytest.raises(PresignRefused):
        as_gateway(own[0], "GET", url, NOON)


@pytest.mark.parametrize("filename", ['a"b', "a\r\nSet-Cookie: x", "ä.zip", "a;b", "a\\b", "\u202egpj.exe"])
def test_a_filename_stays_inside_its_header(filename):
    header = content_disposition(filename)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    assert header.endswith(quote(filename, safe=""))


def test_own_url_keeps_its_fields_apart(own):
    """A signature over joined text would hold after a part of it moved from one field into the key or another field."""
    store, _ = own
    url = store.presign_put("up/x", seconds=60, size_bytes=len(BODY), sha256_hex=SHA256_HEX, content_type="text/plain")
    query = dict(parse_qsl(urlsplit(url).query))
    said = {name: value for name, value in query.items() if name != "signature"}
    names = sorted(said)
    moved = [("up/x\0" + f"{names[0]}={said[names[0]]}", {name: said[name] for name in names[1:]})]
    moved += [
        ("up/x", {n: v for n, v in said.items() if n != after} | {before: f"{said[before]}\0{after}={said[after]}"})
        for before, after in itertools.pairwise(names)
    ]
    for key, fields in moved:
        with pytest.raises(PresignRefused, match="wrong signature"):
            store.open_presigned("PUT", key, {**fields, "signature": query["signature"]}, NOON)
