from __future__ import annotations

import itertools

import pytest

from agnes.outside.object_store.memory import MemoryStore
from tests.unit.state.bank import state_files


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def start(store, tmp_path):
    """Starts one more process over the same store, each with a cache of its own unless told otherwise."""
    numbers = itertools.count(1)
    started = []

    def begin(store=store, folder=None, **options):
        files = state_files(store, folder or tmp_path / f"process{next(numbers)}", **options)
        started.append(files)
        return files

    yield begin
    for files in started:
        files.close()
