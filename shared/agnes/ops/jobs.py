"""The scheduled jobs: which there are, when each ran and is due, and how an operator has one run now.

A run that is asked for is made by the job's own function, with the rights of that function: who asks needs no more
than to start it (`agnes.kernel.jobs`). It leaves `jobs/<name>/last.json`, or `jobs/<name>/dry-run.json`, with the id
that the asker was given, and a line `job.ran` of the audit with the asker and the outcome.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Literal

from agnes.kernel import schedules, sealed
from agnes.kernel.errors import NotFoundError, UnavailableError
from agnes.kernel.ids import new_ulid
from agnes.kernel.jobs import Jobs
from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.ops.version import BUILD

log = logging.getLogger("agnes.ops")

EverySeconds = Callable[[str], int]
"""The interval that a setting such as SCHEDULER_USAGE_PROCESSOR_INTERVAL holds."""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A job as infra/ has it. Either `setting` holds its interval or `expression` says when."""

    name: str
    function: str
    setting: str
    expression: str


@dataclass(frozen=True, slots=True)
class LastRun:
    run_id: str
    at: datetime
    seconds: float
    ok: bool
    error: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """`next_due` is an estimate: an interval counts from the last run, and a job that never ran is due at once."""

    name: str
    schedule: str
    setting: str | None
    """Which setting changes the schedule."""
    every_seconds: int | None
    last: LastRun | None
    next_due: datetime | None


@dataclass(frozen=True, slots=True)
class Started:
    job: str
    run_id: str
    dry_run: bool
    status: Literal["started"] = "started"


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `pending`: it has not ended, or another one came after it."""

    job: str
    run_id: str | None
    status: Literal["pending", "done", "failed"]
    dry_run: bool
    at: datetime | None
    seconds: float | None
    error: str | None
    report: Any


class UnknownJob(NotFoundError):
    code = "unknown_job"

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"there is no job {name[:60]!r}", hint=f"There are: {', '.join(known)}.", jobs=list(known))


@cache
def scheduled() -> tuple[Scheduled, ...]:
    """By name. Raises UnavailableError where nothing was built."""
    try:
        listed = json.loads((BUILD / "jobs.json").read_bytes())
    except FileNotFoundError as exc:
        raise UnavailableError(
            "the list of jobs was not built", code="jobs_missing", hint="Run `python -m infra.compose`."
        ) from exc
    return tuple(Scheduled(**job) for job in listed)


def intervals(every_seconds: EverySeconds, now: datetime) -> dict[str, int]:
    """The longest time between two runs, in seconds, by job. Raises UnavailableError where nothing was built."""
    return {
        job.name: every_seconds(job.setting) if job.setting else schedules.parse(job.expression).longest_gap(now)
        for job in scheduled()
    }


@cache
def queues() -> tuple[str, ...]:
    """Names of the queues that a function takes from. Raises UnavailableError where nothing was built."""
    try:
        return tuple(json.loads((BUILD / "queues.json").read_bytes()))
    except FileNotFoundError as exc:
        raise UnavailableError(
            "the list of queues was not built", code="queues_missing", hint="Run `python -m infra.compose`."
        ) from exc


def jobs(store: ObjectStore, every_seconds: EverySeconds, *, now: datetime) -> list[Job]:
    """All of them, by name."""
    known = scheduled()
    with ThreadPoolExecutor(8) as pool:
        beats = list(pool.map(lambda job: _beat(store, job.name, "last"), known))
    return [_job(job, beat, every_seconds, now) for job, beat in zip(known, beats, strict=True)]


def start(port: Jobs, who: Principal, name: str, *, dry_run: bool, now: datetime) -> Started:
    """Have a job run now. Raises DeniedError, UnknownJob, UnavailableError."""
    who.require_admin()
    job = _get(name)
    run_id = new_ulid(now)
    asked_by = {"user_id": who.user_id, "email": who.email}
    port.start(job.function, {"dry_run": dry_run, "run_id": run_id, "asked_by": asked_by})
    return Started(job.name, run_id, dry_run)


def run_of(store: ObjectStore, name: str, run_id: str | None) -> Run:
    """What became of a run, or of the last one that was no dry run. Raises UnknownJob."""
    job = _get(name)
    for kind in ("last",) if run_id is None else ("last", "dry-run"):
        beat = _beat(store, job.name, kind)
        if beat and run_id in (None, beat["run_id"]):
            at = datetime.fromisoformat(beat["at"])
            return Run(
                job.name,
                beat["run_id"],
                "done" if beat["ok"] else "failed",
                kind == "dry-run",
                at,
                beat["seconds"],
                beat["error"],
                beat["report"],
            )
    return Run(job.name, run_id, "pending", dry_run=False, at=None, seconds=None, error=None, report=None)


def _get(name: str) -> Scheduled:
    found = next((job for job in scheduled() if job.name == name), None)
    if found is None:
        raise UnknownJob(name, tuple(job.name for job in scheduled()))
    return found


def _beat(store: ObjectStore, name: str, kind: str) -> Mapping[str, Any] | None:
    key = f"jobs/{name}/{kind}.json"
    blob = store.read(key)
    try:
        beat = json.loads(sealed.opened(key, blob.body)) if blob is not None else None
        if beat is not None:
            _ = [beat[field] for field in ("run_id", "ok", "error", "report")]
            if datetime.fromisoformat(beat["at"]).tzinfo is None or not isinstance(beat["seconds"], int | float):
                raise ValueError(key)
        return beat
    except (ValueError, KeyError, TypeError):
        log.exception("jobs/%s/%s.json is damaged; the next run writes it again", name, kind)
        return None


def _job(job: Scheduled, beat: Mapping[str, Any] | None, every_seconds: EverySeconds, now: datetime) -> Job:
    rule = None if job.setting else schedules.parse(job.expression)
    every = every_seconds(job.setting) if rule is None else rule.every_seconds
    last = None
    if beat:
        at = datetime.fromisoformat(beat["at"])
        last = LastRun(beat["run_id"], at, beat["seconds"], beat["ok"], beat["error"])
    if rule is not None and every is None:
        due = rule.next_after(now)
    elif every is not None:
        due = max(now, last.at + timedelta(seconds=every)) if last else now
    shown = f"every {every} s" if every else job.expression
    return Job(job.name, shown, job.setting or None, every, last, due)
