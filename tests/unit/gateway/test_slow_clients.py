"""Clients that are slow, silent or broken cost a connection, never anybody else's answer."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from agnes.kernel.ports import upload_headers
from tests.builders.embedded import EmbeddedServer
from tests.builders.patience import PATIENCE_SECONDS
from tests.unit.gateway.test_gateway import ERROR_FIELDS, store_of

pytestmark = pytest.mark.slow

HALF_OPEN = 300
"""Far more than all workers have threads."""


def connect(server: EmbeddedServer) -> socket.socket:
    parts = urlsplit(server.base_url)
    return socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_SECONDS)


@contextlib.contextmanager
def many(server: EmbeddedServer, sent: bytes) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(connect(server)) for _ in range(HALF_OPEN)]
        for one in sockets:
            one.sendall(sent)
        yield sockets


def whole(raw: socket.socket) -> tuple[int, dict]:
    """Status and JSON of the answer on a connection, which the server then closes."""
    received = b""
    while chunk := raw.recv(65536):
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="silent"),
        pytest.param(b"GET /api/version HTTP/1.1\r\nHost: x\r\nX-A: ", id="half-a-header"),
        pytest.param(b"POST /auth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n{", id="half-a-body"),
        pytest.param(
            b"POST /auth/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", id="half-a-chunk"
        ),
    ],
)
def test_half_open_connections_keep_nobody_out(server: EmbeddedServer, client: httpx.Client, sent: bytes) -> None:
    with many(server, sent):
        for _ in range(20):
            with httpx.Client(base_url=server.base_url, trust_env=False, timeout=PATIENCE_SECONDS) as newcomer:
                assert newcomer.get("/api/health").status_code == 200
        assert client.get("/api/version").status_code == 200


def test_clients_that_do_not_read_keep_nobody_out(server: EmbeddedServer, client: httpx.Client) -> None:
    ask = b"GET /static/css/agnes.css HTTP/1.1\r\nHost: x\r\n\r\n" * 40
    with many(server, ask):
        assert [client.get("/api/health").status_code for _ in range(20)] == [200] * 20


def test_a_header_that_never_ends_is_answered_and_closed(server: EmbeddedServer) -> None:
    with connect(server) as raw:
        raw.sendall(b"GET /api/version HTTP/1.1\r\nHost: x\r\n")
        for _ in range(200):  # a line at a time, so that the connection is never idle
            try:
                raw.sendall(b"X-A: b\r\n")
            except OSError:
                break
            raw.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                if raw.recv(1, socket.MSG_PEEK):
                    break
        raw.settimeout(PATIENCE_SECONDS)
        status, error = whole(raw)
    assert (status, error["code"]) == (408, "request_timeout")
    assert error.keys() == ERROR_FIELDS


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, "malformed_request", id="tls"),
        pytest.param(b"GET / HTTP/1.1\r\nBad Header\r\n\r\n", 400, "malformed_request", id="no-colon"),
        pytest.param(b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "malformed_request", id="length"),
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 431, "header_too_large", id="large"),
        pytest.param(b"GET / HTTP/1.1\r\nTransfer-Encoding: br\r\n\r\n", 501, "not_implemented", id="encoding"),
        pytest.param(
            b"POST /auth/token HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
            400,
            "malformed_request",
            id="chunk",
        ),
        pytest.param(
            b"POST /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 10000001\r\n\r\n",
            413,
            "too_large",
            id="expect",
        ),
        pytest.param(
            b"PUT /_store/x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc" + b"d" * 99_999,
            403,
            "presign_refused",
            id="unsigned",
        ),
    ],
)
def test_what_is_no_request_is_refused_in_the_shape_of_every_error(
    server: EmbeddedServer, sent: bytes, status: int, code: str
) -> None:
    with connect(server) as raw:
        raw.sendall(sent)
        found, error = whole(raw)
    assert (found, error["code"]) == (status, code)
    assert error.keys() == ERROR_FIELDS


def test_a_name_of_wsgi_in_a_header_changes_nothing(client: httpx.Client) -> None:
    answer = client.get("/api/version", headers={"SCRIPT_NAME": "/x", "Script-Name": "/x", "PATH_INFO": "/y"})
    assert answer.status_code == 200


def test_nothing_of_an_unsigned_upload_is_kept(client: httpx.Client, server: EmbeddedServer) -> None:
    body = b"x" * 30_000_000
    answer = client.put("/_store/uploads/y?method=PUT&size=30000000&expires=99999999999&signature=no", content=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "presign_refused")


def test_an_upload_longer_than_declared_is_refused(client: httpx.Client, server: EmbeddedServer) -> None:
    store, digest = store_of(server), hashlib.sha256(b"abc").hexdigest()
    url = store.presign_put("uploads/z", seconds=60, size_bytes=3, sha256_hex=digest, content_type="text/plain")
    headers = upload_headers(sha256_hex=digest, content_type="text/plain")
    assert client.put(url, content=b"abcd", headers=headers).status_code == 413
    assert client.put(url, content=b"abc", headers=headers).status_code == 200


def test_the_port_is_free_at_once_after_a_kill(tmp_path) -> None:
    with contextlib.ExitStack() as stack:
        first = EmbeddedServer(tmp_path, {})
        stack.callback(first.stop)
        first.start()
        port = urlsplit(first.base_url).port
        with connect(first) as held:
            held.sendall(b"GET /api/version HTTP/1.1\r\n")  # a connection that lingers
            first.kill()
            again = EmbeddedServer(tmp_path, {"PORT": str(port)})
            stack.callback(again.stop)
            again.start()
            assert urlsplit(again.base_url).port == port


def test_answers_under_way_are_given_before_the_end(tmp_path) -> None:
    server = EmbeddedServer(tmp_path, {})
    try:
        server.start()
        with (
            httpx.Client(base_url=server.base_url, trust_env=False, timeout=PATIENCE_SECONDS) as client,
            connect(server) as raw,
        ):
            assert client.get("/api/health").status_code == 200
            raw.sendall(b"GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            time.sleep(0.2)
            server.stop()
            assert whole(raw)[0] == 200
    finally:
        server.stop()
