"""Health: of the store, of every state file's schema, of the scheduled jobs.

A reason is a code and never the text of an error, so the public answer leaks nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from agnes.kernel.errors import AgnesError, UnavailableError
from agnes.kernel.ids import new_nonce, time_of
from agnes.kernel.ports import ANYTHING, Blob, Clock, ObjectStore
from agnes.ops import version

log = logging.getLogger("agnes.ops")

Schema = Mapping[str, int]
"""The number of a state file's newest migration, by series, as its head states it."""

Migrations = Mapping[str, Sequence[object]]
"""The migrations that this code knows, by series: `common` and one a state file (`agnes.state.packaged()`)."""

PROBE_KEY = "health/probe.json"
FAILED_RUNS_KEPT = timedelta(days=14)


@dataclass(frozen=True)
class Health:
    """`status` of the public route. `db_schema` is that of the worst state file."""

    status: Literal["ok", "unhealthy"]
    db_schema: Literal["ok", "mismatch", "unreachable"]
    current: int
    expected: int
    """Migrations over all state files: applied, and known to this code."""


@dataclass(frozen=True)
class FileHealth:
    status: Literal["ok", "new", "migrating", "mismatch"]
    """`new`: not made yet; `migrating`: its next use applies migrations; `mismatch`: made by newer code."""
    generation: int
    current: Schema
    expected: Schema


@dataclass(frozen=True)
class StoreHealth:
    status: Literal["ok", "error"]
    round_trip_ms: float
    """A small write and its reading."""
    code: str = ""


@dataclass(frozen=True)
class JobHealth:
    status: Literal["ok", "error"]
    at: datetime
    age_seconds: int
    seconds: float
    error: str | None
    last_success_at: datetime | None


@dataclass(frozen=True)
class Runs:
    """What the heartbeats say."""

    jobs: dict[str, JobHealth]
    failed: dict[str, list[datetime]]
    """When runs failed, by job, oldest first; of the last 14 days."""


@dataclass(frozen=True)
class Detailed:
    status: Literal["healthy", "degraded", "unhealthy"]
    version: str
    commit: str
    timestamp: datetime
    store: StoreHealth
    state: dict[str, FileHealth]
    jobs: dict[str, JobHealth]


def health(store: ObjectStore, migrations: Migrations) -> Health:
    """A read a state file. Never raises."""
    expected = _schemas(migrations)
    total = sum(sum(schema.values()) for schema in expected.values())
    try:
        files = _files(store, expected)
    except AgnesError as exc:
        log.warning("health: the state cannot be read: %s", exc.message)
        return Health("unhealthy", "unreachable", 0, total)
    current = sum(sum(file.current.values()) for file in files.values())
    if any(file.status == "mismatch" for file in files.values()):
        return Health("unhealthy", "mismatch", current, total)
    return Health("ok", "ok", current, total)


def detailed(store: ObjectStore, migrations: Migrations, clock: Clock) -> Detailed:
    """For admins. Raises UnavailableError only where the store cannot be read at all after it was written."""
    now, build = clock.now(), version.current()
    probed = probe(store, clock)
    if probed.status == "error":
        return Detailed("unhealthy", build.version, build.commit, now, probed, {}, {})
    files, jobs = _files(store, _schemas(migrations)), runs(store, now).jobs
    if any(file.status == "mismatch" for file in files.values()):
        status = "unhealthy"
    elif any(job.status == "error" for job in jobs.values()):
        status = "degraded"
    else:
        status = "healthy"
    return Detailed(status, build.version, build.commit, now, probed, files, jobs)


def _schemas(migrations: Migrations) -> dict[str, Schema]:
    common = len(migrations["common"])
    return {file: {"common": common, file: len(own)} for file, own in migrations.items() if file != "common"}


def probe(store: ObjectStore, clock: Clock) -> StoreHealth:
    """Write a little and read it again. Never raises."""
    started, nonce = clock.monotonic(), new_nonce().encode()
    try:
        store.write(PROBE_KEY, nonce, expect=ANYTHING)
        found = store.read(PROBE_KEY)
    except UnavailableError as exc:
        log.warning("health: the store does not answer: %s", exc.message)
        return StoreHealth("error", _milliseconds(clock, started), exc.code)
    # Somebody else's probe may have come between; any object says that the store keeps what it takes.
    code = "" if isinstance(found, Blob) else "lost_write"
    return StoreHealth("error" if code else "ok", _milliseconds(clock, started), code)


def _milliseconds(clock: Clock, started: float) -> float:
    return round((clock.monotonic() - started) * 1000, 1)


def _files(store: ObjectStore, expected: Mapping[str, Schema]) -> dict[str, FileHealth]:
    return {file: _file(_head(store, file), schema) for file, schema in sorted(expected.items())}


def _head(store: ObjectStore, file: str) -> dict[str, Any] | None:
    found = store.read(f"state/{file}/head.json")
    return json.loads(found.body) if isinstance(found, Blob) else None


def _file(head: dict[str, Any] | None, expected: Schema) -> FileHealth:
    if head is None:
        return FileHealth("new", 0, {}, expected)
    current = head["schema"]
    if any(number > expected.get(series, 0) for series, number in current.items()):
        status = "mismatch"
    elif any(number > current.get(series, 0) for series, number in expected.items()):
        status = "migrating"
    else:
        status = "ok"
    return FileHealth(status, head["generation"], current, expected)


def files(store: ObjectStore, migrations: Migrations) -> dict[str, FileHealth]:
    """Where each state file stands. A read each; raises UnavailableError."""
    return _files(store, _schemas(migrations))


def runs(store: ObjectStore, now: datetime) -> Runs:
    """Of each job the last run, and the failed ones. A listing, and a read a job; raises UnavailableError."""
    jobs: dict[str, JobHealth] = {}
    failed: dict[str, list[datetime]] = {}
    for entry in store.list("jobs/"):
        _, name, *rest = entry.key.split("/")
        if rest == ["last.json"] and isinstance(blob := store.read(entry.key), Blob):
            beat = json.loads(blob.body)
            jobs[beat["job"]] = _job(beat, now)
        elif rest[:1] == ["failed"]:
            failed.setdefault(name, []).append(time_of(rest[1].removesuffix(".json")))
    return Runs(jobs, failed)


def forget_failed_runs(store: ObjectStore, now: datetime, *, dry_run: bool = False) -> int:
    """Remove what is left of runs that failed more than 14 days ago; how many they are."""
    old = [
        entry.key
        for entry in store.list("jobs/")
        if "/failed/" in entry.key
        and time_of(entry.key.rpartition("/")[2].removesuffix(".json")) < now - FAILED_RUNS_KEPT
    ]
    if not dry_run:
        store.remove(old)
    return len(old)


def _job(beat: dict[str, Any], now: datetime) -> JobHealth:
    at = datetime.fromisoformat(beat["at"])
    ok = beat["ok"] or beat.get("busy", False)
    # Heartbeats of earlier releases say it only of themselves.
    succeeded = beat.get("last_success_at") or (beat["at"] if beat["ok"] else None)
    return JobHealth(
        "ok" if ok else "error",
        at,
        int((now - at).total_seconds()),
        beat["seconds"],
        beat["error"],
        datetime.fromisoformat(succeeded) if succeeded else None,
    )
