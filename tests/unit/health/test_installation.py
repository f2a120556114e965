"""Health, as the public and as admins see it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from agnes.health import installation
from agnes.kernel.clock import FixedClock
from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import ANYTHING, Entry, Expect, Version
from agnes.outside.object_store.memory import MemoryStore

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
KNOWN = {"common": ("audit",), "people": ("accounts", "tokens"), "stack": ("subscriptions",)}
"""Three series of migrations: 1 that all files get, 2 and 1 of their own."""


class Unreachable(MemoryStore):
    """A store whose network is gone."""

    def read(self, key: str) -> Any:
        raise UnavailableError("10.0.0.7: connection refused by vault.internal")

    def write(self, key: str, body: bytes, *, expect: Expect, content_type: str = "") -> Version:
        raise UnavailableError("10.0.0.7: connection refused by vault.internal")

    def list(self, prefix: str, *, after: str = "") -> Iterator[Entry]:
        raise UnavailableError("10.0.0.7: connection refused by vault.internal")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def put(store: MemoryStore, key: str, value: dict) -> None:
    store.write(key, json.dumps(value).encode(), expect=ANYTHING)


def head(store: MemoryStore, file: str, schema: dict[str, int], generation: int = 7) -> None:
    put(store, f"state/{file}/head.json", {"generation": generation, "schema": schema})


def test_an_installation_that_was_never_used_is_well(store: MemoryStore) -> None:
    assert installation.health(store, KNOWN) == installation.Health("ok", "ok", 0, 5)


def test_all_migrated(store: MemoryStore) -> None:
    head(store, "people", {"common": 1, "people": 2})
    head(store, "stack", {"common": 1, "stack": 1})
    assert installation.health(store, KNOWN) == installation.Health("ok", "ok", 5, 5)


def test_files_made_by_newer_code_are_a_mismatch(store: MemoryStore) -> None:
    head(store, "people", {"common": 1, "people": 3})
    assert installation.health(store, KNOWN) == installation.Health("unhealthy", "mismatch", 4, 5)
    assert installation.detailed(store, KNOWN, FixedClock(START)).status == "unhealthy"


def test_a_store_that_does_not_answer_is_no_leak() -> None:
    found = installation.health(Unreachable(), KNOWN)
    assert found == installation.Health("unhealthy", "unreachable", 0, 5)
    told = installation.detailed(Unreachable(), KNOWN, FixedClock(START))
    assert (told.status, told.store.status, told.store.code) == ("unhealthy", "error", "unavailable")
    assert "vault" not in repr((found, told))


@pytest.mark.parametrize(
    ("schema", "status"),
    [
        (None, "new"),
        ({"common": 1, "people": 1}, "migrating"),
        ({"common": 1, "people": 2}, "ok"),
        ({"common": 2, "people": 1}, "mismatch"),
        ({"common": 1, "people": 2, "future": 1}, "mismatch"),
    ],
)
def test_each_file_tells_where_it_stands(store: MemoryStore, schema: dict | None, status: str) -> None:
    if schema:
        head(store, "people", schema)
    found = installation.detailed(store, KNOWN, FixedClock(START))
    assert found.state["people"].status == status
    assert found.state["people"].generation == (7 if schema else 0)


def beat(store: MemoryStore, name: str, *, at: str, error: str | None = None) -> None:
    put(
        store,
        f"jobs/{name}/last.json",
        {"job": name, "at": at, "seconds": 1.5, "ok": error is None, "error": error, "report": {}},
    )


def test_jobs_tell_their_last_run(store: MemoryStore) -> None:
    beat(store, "telemetry.extract", at="2026-11-23T08:55:00Z")
    put(store, "jobs/telemetry.extract/cursor.json", {"not": "a heartbeat"})
    found = installation.detailed(store, KNOWN, FixedClock(START))
    assert found.status == "healthy"
    [job] = found.jobs.values()
    assert (job.status, job.age_seconds, job.seconds) == ("ok", 300, 1.5)


def test_a_job_that_failed_degrades(store: MemoryStore) -> None:
    beat(store, "marketplace.sync", at="2026-11-23T03:00:00+00:00", error="acme did not answer")
    found = installation.detailed(store, KNOWN, FixedClock(START))
    assert found.status == "degraded"
    assert found.jobs["marketplace.sync"].error == "acme did not answer"
