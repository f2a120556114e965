from __future__ import annotations

from pathlib import Path

import pytest

from agnes.kernel.ports import ObjectStore
from agnes.outside.object_store.folder import FolderStore
from agnes.outside.object_store.memory import MemoryStore
from tests.builders.case_folding import CaseFolding
from tests.contract.stores import SERVERS, SIGNING_SECRET, S3Server, moto_server, started_server


@pytest.fixture(scope="session")
def moto():
    with moto_server() as server:
        yield server


@pytest.fixture(params=SERVERS)
def server(request) -> S3Server:
    return request.getfixturevalue("moto") if request.param == "moto" else started_server(request.param)


@pytest.fixture(params=["memory", "folder", pytest.param("case-folding", marks=pytest.mark.slow), *SERVERS])
def store(request, tmp_path: Path) -> ObjectStore:
    """An empty store of each kind."""
    if request.param == "memory":
        return MemoryStore(secret=SIGNING_SECRET)
    if request.param == "folder":
        return FolderStore(tmp_path, secret=SIGNING_SECRET, base_url="http://agnes.invalid")
    if request.param == "case-folding":
        return FolderStore(
            tmp_path, secret=SIGNING_SECRET, base_url="http://agnes.invalid", system=CaseFolding(tmp_path)
        )
    if request.param == "moto":
        return request.getfixturevalue("moto").store()
    return started_server(request.param).store()
