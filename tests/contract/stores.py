"""The stores that the contract runs over. `make cloud` starts the servers behind two of them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from agnes.kernel.ports import Secret
from agnes.outside.object_store.s3 import S3Store

BUCKET = "agnes-contract"
SIGNING_SECRET = Secret("of-the-contract")
MOTO_PASSWORD = "moto-moto"
SECRETS = [SIGNING_SECRET.value, MOTO_PASSWORD, os.environ.get("MINIO_ROOT_PASSWORD", MOTO_PASSWORD)]


@dataclass(frozen=True, slots=True)
class S3Server:
    """Something that speaks S3, with our bucket in it."""

    name: str
    endpoint: str
    user: str
    password: Secret

    def store(self, *, endpoint: str = "", read_seconds: float = 8.0) -> S3Store:
        """A store of its own, as nobody else has its prefix; by way of `endpoint` if given."""
        return S3Store(
            BUCKET,
            prefix=f"contract/{secrets.token_hex(6)}",
            endpoint_url=endpoint or self.endpoint,
            region="us-east-1",
            access_key_id=self.user,
            secret_access_key=self.password,
            read_seconds=read_seconds,
            page_size=50,
            part_bytes=5 * 1024 * 1024,  # S3 takes no smaller part but the last
        )

    def client(self):
        """A bare client, for what the port does not do."""
        return self.store()._client


SERVERS = [
    pytest.param("moto", marks=pytest.mark.slow),
    pytest.param("localstack", marks=pytest.mark.localstack),
    pytest.param("minio", marks=pytest.mark.minio),
]


@contextmanager
def moto_server() -> Iterator[S3Server]:
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    try:
        host, port = moto.get_host_and_port()
        yield _with_bucket(S3Server("moto", f"http://{host}:{port}", "moto", Secret(MOTO_PASSWORD)))
    finally:
        moto.stop()


def started_server(name: str) -> S3Server:
    """LocalStack or MinIO, where the environment says. Fails, and does not skip, where it does not."""
    if name == "localstack":
        return _with_bucket(S3Server(name, _needed("LOCALSTACK_ENDPOINT"), "test", Secret("test")))
    return _with_bucket(
        S3Server(name, _needed("MINIO_ENDPOINT"), _needed("MINIO_ROOT_USER"), Secret(_needed("MINIO_ROOT_PASSWORD")))
    )


def _needed(variable: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        pytest.fail(f"{variable} is not set: `make cloud` starts the server and sets it", pytrace=False)
    return value


def _with_bucket(server: S3Server) -> S3Server:
    client = server.client()
    if BUCKET not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=BUCKET)
    return server
