"""Health: of the store, of every state file's schema, of the scheduled jobs.

A reason is a code and never the text of an error, so the public answer leaks nothing.
"""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal

from agnes.kernel import sealed
from agnes.kernel.errors import AgnesError, UnavailableError
from agnes.kernel.ids import new_nonce, time_of
from agnes.kernel.ports import ANYTHING, Blob, Clock, ObjectStore
from agnes.ops import version

log = logging.getLogger("agnes.ops")

Schema = Mapping[str, int]
"""The number of a state file's newest migration, by series, as its head states it."""

Migrations = Mapping[str, Sequence[object]]
"""The migrations that this code knows, by series: `common` and one a state file (`agnes.state.packaged()`)."""

NO_ROOM = os.strerror(errno.ENOSPC)
PROBE_KEY = "health/probe.json"
FAILED_RUNS_KEPT = timedelta(days=14)


class NotReady(UnavailableError):
    code = "not_ready"
    hint = "Read /api/health for everything that fails; the runbook damaged-data.md says what to do."


@dataclass(frozen=True)
class Live:
    status: Literal["ok"] = "ok"


@dataclass(frozen=True)
class Ready:
    status: Literal["ok", "degraded"]
    failing: list[str]


@dataclass(frozen=True)
class Health:
    """`status` of the public route: `degraded` where some of it works, and reading does. `db_schema` is that of the worst
    state file."""

    status: Literal["ok", "degraded", "unhealthy"]
    db_schema: Literal["ok", "mismatch", "damaged", "unreachable"]
    current: int
    expected: int
    """Migrations over all state files: applied, and known to this code."""
    failing: list[str] = field(default_factory=list)
    """What was tried and failed, each with a code: `store: disk_full`, `state.telemetry: state_damaged`."""


@dataclass(frozen=True)
class FileHealth:
    status: Literal["ok", "new", "migrating", "mismatch", "damaged", "unreachable"]
    """`new`: not made yet; `migrating`: the next deployment or change applies migrations, readers a copy's; `mismatch`: made by newer
    code that this one must not write beside; `damaged`: see the runbook; `unreachable`: the store or this machine's disk kept it from being read, `code` says how."""
    generation: int
    current: Schema
    expected: Schema
    code: str = ""


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


def health(
    store: ObjectStore, migrations: Migrations, *, failing: Sequence[str] = (), not_ready: Sequence[str] = ()
) -> Health:
    """A read a state file, and what was tried beside it (`agnes.health.checks`). Never raises."""
    expected = _schemas(migrations)
    total = sum(sum(schema.values()) for schema in expected.values())
    try:
        files = _files(store, expected)
    except AgnesError as exc:
        log.warning("health: the state cannot be read: %s", exc.message)
        return Health("unhealthy", "unreachable", 0, total, list(failing))
    current = sum(file.current.get(series, 0) for file in files.values() for series in file.expected)
    is_damaged = any(line.endswith("state_damaged") for line in failing)
    if is_damaged or any(file.status == "damaged" for file in files.values()):
        return Health(
            "degraded" if is_damaged and not not_ready else "unhealthy", "damaged", current, total, list(failing)
        )
    if any(file.status == "mismatch" for file in files.values()):
        return Health("unhealthy", "mismatch", current, total, list(failing))
    return Health("unhealthy" if not_ready else "degraded" if failing else "ok", "ok", current, total, list(failing))


def detailed(
    store: ObjectStore,
    migrations: Migrations,
    clock: Clock,
    *,
    probed: StoreHealth | None = None,
    failing: Mapping[str, str] = MappingProxyType({}),
) -> Detailed:
    """For admins; `failing` are state files that were tried and could not be read, each with a code. Never raises."""
    now, build = clock.now(), version.current()
    probed = probed or probe(store, clock)
    try:
        files, jobs = _files(store, _schemas(migrations)), runs(store, now).jobs
    except UnavailableError:
        return Detailed("unhealthy", build.version, build.commit, now, probed, {}, {})
    files = {file: failed(found, failing[file]) if file in failing else found for file, found in files.items()}
    status: Literal["healthy", "degraded", "unhealthy"]
    if any(file.status in ("mismatch", "damaged", "unreachable") for file in files.values()):
        status = "unhealthy"
    elif probed.status == "error" or any(job.status == "error" for job in jobs.values()):
        status = "degraded"
    else:
        status = "healthy"
    return Detailed(status, build.version, build.commit, now, probed, files, jobs)


def failed(found: FileHealth, code: str) -> FileHealth:
    """A state file that was tried and could not be read."""
    return replace(found, status="damaged" if code == "state_damaged" else "unreachable", code=code)


def names(migrations: Migrations) -> list[str]:
    """Of all state files."""
    return sorted(file for file in migrations if file != "common")


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
        code = "disk_full" if NO_ROOM in exc.message else exc.code
        return StoreHealth("error", _milliseconds(clock, started), code)
    # Somebody else's probe may have come between; any object says that the store keeps what it takes.
    code = "" if found is not None else "lost_write"
    return StoreHealth("error" if code else "ok", _milliseconds(clock, started), code)


def _milliseconds(clock: Clock, started: float) -> float:
    return round((clock.monotonic() - started) * 1000, 1)


def _files(store: ObjectStore, expected: Mapping[str, Schema]) -> dict[str, FileHealth]:
    return {file: _file(_head(store, file), schema) for file, schema in sorted(expected.items())}


def _head(store: ObjectStore, file: str) -> dict[str, Any] | None:
    """None: there is none. Empty: it is none."""
    found = store.read(f"state/{file}/head.json")
    if found is None:
        return None
    try:
        head = json.loads(found.body)
    except (ValueError, RecursionError):
        return {}
    return head if isinstance(head, dict) else {}


def file_and_material(
    store: ObjectStore, migrations: Migrations, file: str
) -> tuple[FileHealth, list[tuple[str, int]]]:
    """What its head says, and (key, size) of the objects that it names. Raises UnavailableError."""
    head = _head(store, file)
    found = _file(head, _schemas(migrations)[file])
    if head is None and any(_is_later(entry.key) for entry in store.list(f"state/{file}/")):
        return replace(found, status="damaged", code="state_damaged"), []
    parts = [head.get("snapshot"), head.get("log")] if head else []
    try:
        material = [(str(part["key"]), int(part["size"])) for part in parts if part]
        if all(key.startswith(f"state/{file}/") for key, _ in material):
            return found, material
        return replace(found, status="damaged", code="state_damaged"), []
    except (KeyError, TypeError, ValueError):
        return replace(found, status="damaged", code="state_damaged"), []


def _is_later(key: str) -> bool:
    """Of generation 2 or later, which no first writer leaves that died before its head was there."""
    number = key.rpartition("/")[2][:12]
    return number.isdigit() and int(number) > 1


def _file(head: dict[str, Any] | None, expected: Schema) -> FileHealth:
    if head is None:
        return FileHealth("new", 0, {}, expected)
    schema = head.get("schema")
    if (
        not isinstance(schema, dict)
        or not isinstance(head.get("generation"), int)
        or not all(isinstance(number, int) for number in schema.values())
    ):
        return FileHealth("damaged", 0, {}, expected, code="state_damaged")
    current: dict[str, int] = schema
    writable_from = {series: current.get(f"{series}.writers", current.get(series, 0)) for series in expected}
    status: Literal["ok", "migrating", "mismatch"]
    unknown = {series.removesuffix(".writers") for series in current} - expected.keys()
    if unknown or any(number > expected[series] for series, number in writable_from.items()):
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
            try:
                jobs[name] = _job(json.loads(sealed.opened(entry.key, blob.body)), now)
            except (ValueError, KeyError, TypeError, AttributeError):
                log.exception("%s is damaged; the next run of the job writes it again", entry.key)
        elif rest[:1] == ["failed"]:
            with suppress(ValueError):
                failed.setdefault(name, []).append(time_of(rest[1].removesuffix(".json")))
    return Runs(jobs, failed)


def forget_failed_runs(store: ObjectStore, now: datetime, *, dry_run: bool = False) -> int:
    """Remove what is left of runs that failed more than 14 days ago; how many they are."""
    old = []
    for entry in store.list("jobs/"):
        with suppress(ValueError):  # not a name that Agnes writes
            at = time_of(entry.key.rpartition("/")[2].removesuffix(".json")) if "/failed/" in entry.key else now
            if at < now - FAILED_RUNS_KEPT:
                old.append(entry.key)
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
