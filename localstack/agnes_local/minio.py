"""MinIO on loopback, for tests: empty at the start, gone at the end."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit

from agnes_local import install
from agnes_local.process import ServerProcess, answers, clean_environment, free_port, running

READY_SECONDS = 60.0


@dataclasses.dataclass(frozen=True)
class MinioServer:
    endpoint: str
    """Such as http://127.0.0.1:9000."""
    user: str
    password: str
    process: ServerProcess | None
    """None when somebody else's server is used."""

    def variables(self) -> dict[str, str]:
        """What a test run finds in its environment."""
        return {"MINIO_ENDPOINT": self.endpoint, "MINIO_ROOT_USER": self.user, "MINIO_ROOT_PASSWORD": self.password}

    def wait_ready(self) -> None:
        if self.process:
            self.process.wait_ready(lambda: answers(f"{self.endpoint}/minio/health/ready"), READY_SECONDS)


@contextlib.contextmanager
def starting_minio() -> Iterator[MinioServer]:
    """MinIO begun but not waited for; call `wait_ready`. The server of MINIO_ENDPOINT where that is set."""
    if endpoint := os.environ.get("MINIO_ENDPOINT"):
        yield MinioServer(
            endpoint,
            os.environ.get("MINIO_ROOT_USER", "minioadmin"),
            os.environ.get("MINIO_ROOT_PASSWORD", "minioadmin"),
            None,
        )
        return
    binary = install.install_minio()
    endpoint, user, password = f"http://127.0.0.1:{free_port()}", "agnes-tests", secrets.token_urlsafe(24)
    with running(
        "minio",
        lambda folder: [
            *(str(binary), "server", str(folder / "data"), "--quiet"),
            *("--address", urlsplit(endpoint).netloc, "--console-address", f"127.0.0.1:{free_port()}"),
        ],
        lambda folder: (
            clean_environment(folder)
            | {"MINIO_ROOT_USER": user, "MINIO_ROOT_PASSWORD": password, "MINIO_BROWSER": "off", "MINIO_UPDATE": "off"}
        ),
    ) as process:
        yield MinioServer(endpoint, user, password, process)


@contextlib.contextmanager
def minio() -> Iterator[MinioServer]:
    with starting_minio() as server:
        server.wait_ready()
        yield server
