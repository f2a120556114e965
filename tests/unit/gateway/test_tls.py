"""The local gateway serves HTTPS, and another certificate as soon as the files hold one."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from agnes_local.tls import Certificate, CertificateUnusable
from tests.builders.embedded import EmbeddedServer, embedded_server
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.private_authority import Files, PrivateAuthority

pytestmark = pytest.mark.slow  # a server of its own

ADMIN = {"SEED_ADMIN_EMAIL": "ada@example.com", "SEED_ADMIN_PASSWORD": "correct horse battery"}


@pytest.fixture(scope="module")
def authority() -> PrivateAuthority:
    return PrivateAuthority()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, authority: PrivateAuthority) -> Files:
    found = Files(tmp_path_factory.mktemp("tls"))
    found.put(authority.issue())
    return found


@pytest.fixture(scope="module")
def server(files: Files, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    paths = {"AGNES_TLS_FULLCHAIN_PATH": str(files.chain), "AGNES_TLS_PRIVKEY_PATH": str(files.key)}
    with embedded_server(tmp_path_factory.mktemp("https"), {**ADMIN, **paths, "AGNES_WORKERS": "2"}) as running:
        yield running


def address(server: EmbeddedServer) -> tuple[str, int]:
    url = httpx.URL(server.base_url)
    assert url.scheme == "https"
    return url.host, url.port


def served(server: EmbeddedServer, authority: PrivateAuthority) -> str:
    """The SHA-256 of the certificate that a new connection is shown."""
    with (
        socket.create_connection(address(server), timeout=PATIENCE_SECONDS) as plain,
        authority.trusting().wrap_socket(plain, server_hostname="localhost") as shown,
    ):
        return hashlib.sha256(shown.getpeercert(binary_form=True)).hexdigest()


def digest(chain: bytes) -> str:
    first = chain.decode().partition("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest()


def until_served(server: EmbeddedServer, authority: PrivateAuthority, wanted: str) -> None:
    """By every worker: so many connections in a row that no worker is likely to be missed."""
    deadline, in_a_row = time.monotonic() + PATIENCE_SECONDS, 0
    while in_a_row < 12:
        in_a_row = in_a_row + 1 if served(server, authority) == wanted else 0
        assert time.monotonic() < deadline, "the old certificate is served still"


def test_people_and_big_bodies_pass_both_ways(server: EmbeddedServer, authority: PrivateAuthority) -> None:
    with httpx.Client(
        base_url=server.base_url, verify=authority.trusting(), trust_env=False, timeout=PATIENCE_SECONDS
    ) as client:
        token = client.post(
            "/auth/token", json={"email": ADMIN["SEED_ADMIN_EMAIL"], "password": ADMIN["SEED_ADMIN_PASSWORD"]}
        )
        bearer = {"Authorization": f"Bearer {token.json()['access_token']}"}
        body = os.urandom(3_000_000)
        session = "5d2c8a10-0001-4f00-9a00-000000000001"
        wish = {"session_id": session, "size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        told = client.post("/api/upload/sessions/presign", json=wish, headers=bearer).json()
        assert told["url"].startswith(server.base_url)
        assert client.put(told["url"], content=body, headers=told["headers"]).status_code == 200
        big = client.get("/api/openapi.json", headers=bearer)
        assert len(big.content) > 100_000
        assert big.http_version == "HTTP/1.1"

        def ask(_: int) -> tuple[int, bytes]:
            answer = client.get("/api/openapi.json", headers=bearer)
            return answer.status_code, answer.content

        with ThreadPoolExecutor(12) as pool:  # threads of the gateway write while its loop reads
            assert set(pool.map(ask, range(60))) == {(200, big.content)}


def test_who_trusts_nobody_and_who_speaks_no_tls_get_nothing(server: EmbeddedServer) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{server.base_url}/api/health/live", trust_env=False, timeout=PATIENCE_SECONDS)
    with socket.create_connection(address(server), timeout=PATIENCE_SECONDS) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            answer = plain.recv(1000)
        assert b"HTTP/" not in answer


def test_a_connection_that_never_shakes_hands_holds_nobody_up(
    server: EmbeddedServer, authority: PrivateAuthority
) -> None:
    silent = [socket.create_connection(address(server), timeout=PATIENCE_SECONDS) for _ in range(50)]
    try:
        answer = httpx.get(
            f"{server.base_url}/api/health/live", verify=authority.trusting(), trust_env=False, timeout=PATIENCE_SECONDS
        )
        assert answer.status_code == 200
    finally:
        for connection in silent:
            connection.close()


def test_another_certificate_is_served_without_a_restart(
    server: EmbeddedServer, authority: PrivateAuthority, files: Files
) -> None:
    before = served(server, authority)
    files.put((files.chain.read_bytes(), files.key.read_bytes()))  # the same bytes, written again
    with httpx.Client(
        base_url=server.base_url, verify=authority.trusting(), trust_env=False, timeout=PATIENCE_SECONDS
    ) as client:
        client.get("/api/health/live")
        new = authority.issue()
        files.put(new)
        until_served(server, authority, digest(new[0]))
        assert digest(new[0]) != before
        assert client.get("/api/health/live").status_code == 200, "who is connected stays so"
    for broken in (b"", b"no certificate", new[0][:400]):
        files.put((broken, new[1]))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while server.log.read_text().count("the certificate of before is served on") < 1:
            served(server, authority)
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert served(server, authority) == digest(new[0])
    last = authority.issue()
    files.put(last)
    until_served(server, authority, digest(last[0]))


class TestFiles:
    def test_what_cannot_be_served_is_refused_with_the_reason(
        self, tmp_path: Path, authority: PrivateAuthority
    ) -> None:
        chain, key = authority.issue()
        _, other = authority.issue()
        files = Files(tmp_path)
        for pair, reason in (
            ((b"", key), "no certificate in PEM"),
            ((b"-----BEGIN CERTIFICATE-----\nx", key), "PEM"),
            ((chain, other), "the key is not that of the first certificate"),
            ((chain, b"nothing"), "PEM"),
        ):
            files.put(pair)
            with pytest.raises(CertificateUnusable, match=reason):
                Certificate(files.chain, files.key)
        with pytest.raises(CertificateUnusable, match="No such file"):
            Certificate(tmp_path / "missing.pem", files.key)

    def test_only_a_difference_is_a_renewal(self, tmp_path: Path, authority: PrivateAuthority) -> None:
        files, first, second = Files(tmp_path), authority.issue(), authority.issue()
        files.put(first)
        held = Certificate(files.chain, files.key)
        assert held._context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert not held.renew()
        files.put(first)
        assert not held.renew(), "the same bytes"
        files.chain.write_bytes(second[0])
        assert not held.renew(), "the key is not written yet"
        files.put(second)
        assert held.renew()
        files.chain.unlink()
        assert not held.renew(), "it is served on"
