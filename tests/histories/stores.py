"""The stores that histories are made over: how each process opens its own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from agnes.kernel.ports import ObjectStore
from tests.simulation.teller import open_store

BUCKET = "agnes-histories"
Opener = Callable[[], ObjectStore]


def folder(at: Path) -> Opener:
    return lambda: open_store({"folder": str(at / "store")})


def minio(at: Path) -> Opener:
    """A prefix of its own. Raises KeyError where the environment does not say where MinIO is."""
    where = {"bucket": BUCKET, "prefix": secrets.token_hex(6), "endpoint": os.environ["MINIO_ENDPOINT"]}
    client = open_store(where)._client
    if BUCKET not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=BUCKET)
    return lambda: open_store(where)


STORES: dict[str, Callable[[Path], Opener]] = {"folder": folder, "minio": minio}
