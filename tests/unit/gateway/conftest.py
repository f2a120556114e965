"""One running installation for this folder's tests: two worker processes over a folder store."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.builders.embedded import EmbeddedServer, embedded_server
from tests.builders.patience import PATIENCE_SECONDS

ADMIN = ("ada@example.com", "correct horse battery")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    environ = {"SEED_ADMIN_EMAIL": ADMIN[0], "SEED_ADMIN_PASSWORD": ADMIN[1], "AGNES_WORKERS": "2"}
    with embedded_server(tmp_path_factory.mktemp("gateway"), environ) as running:
        yield running


@pytest.fixture(scope="session")
def client(server: EmbeddedServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, trust_env=False, timeout=PATIENCE_SECONDS) as client:
        yield client


@pytest.fixture(scope="session")
def admin(client: httpx.Client) -> dict[str, str]:
    answer = client.post("/auth/token", json={"email": ADMIN[0], "password": ADMIN[1]})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}
