"""`@job` and `@queue_job`: functions that a schedule or a queue calls, under `@app.lambda_function()`.

A job returns a JSON-able report. UnavailableError and bugs are raised on, so that the schedule's
retry policy repeats them and its dead-letter queue keeps them; any other error of the family is
the job's result, as it would be the same the next time.

    jobs/<name>/last.json              what the last run did, and when the last one that succeeded began
    jobs/<name>/dry-run.json           what the last dry run would have done
    jobs/<name>/failed/<ulid>.json     each run that failed, for 14 days (agnes.health.installation counts them)

A run that somebody asked for is a line of the audit, too, when it has ended: who, which job, whether dry, what became of it.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial, update_wrapper
from typing import Any

from pydantic import BaseModel, ConfigDict

from agnes import wiring
from agnes.edge.endpoint import Contract
from agnes.edge.errors import known_error
from agnes.edge.needs import Needs
from agnes.edge.recording import function_of, recorded
from agnes.edge.reply import encode
from agnes.kernel import audit, sealed
from agnes.kernel.errors import AgnesError, ConflictError, UnavailableError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import ANYTHING
from agnes.kernel.state import CURRENT_ACTOR, Actor, Change

log = logging.getLogger("agnes.jobs")


@dataclass(frozen=True)
class Tick:
    """One run of a job: when it was due, and whether it may change anything."""

    at: datetime
    dry_run: bool = False


class RunQuery(BaseModel):
    """How an operator asks for a run."""

    model_config = ConfigDict(extra="forbid")

    dry_run: bool = False


Run = Callable[[Tick], object]
"""What a job does; its report is anything that can be written as JSON."""


class JobHandler:
    """A job as Lambda calls it."""

    def __init__(self, name: str, run: Run) -> None:
        self.name = name
        self.run = run
        self.agnes = Contract("job", Needs.OPERATOR, summary=name)
        update_wrapper(self, run)

    def __call__(self, event: dict[str, Any] | None, context: object) -> dict[str, Any]:
        return recorded(
            function_of(context, self.run), event, context, lambda: self._answer(event or {}), kind="schedule"
        )

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        tick = Tick(at=wiring.clock().now(), dry_run=bool(asked.get("dry_run")))
        told = "job.ran" if (by := asked.get("asked_by")) else None
        actor = CURRENT_ACTOR.set(Actor(**(by or {}), client_kind="scheduler", request_id=asked.get("run_id") or ""))
        try:
            return run_job(self.name, self.run, tick, run_id=asked.get("run_id"), told=told)
        except AgnesError as exc:
            if isinstance(exc, UnavailableError) or exc.status == 500:
                raise
            return {"job": self.name, "ok": False, "error": exc.message}
        finally:
            CURRENT_ACTOR.reset(actor)


def job(name: str) -> Callable[[Run], JobHandler]:
    """Make `run(tick) -> report` a scheduled function. The event may hold `dry_run`, and of a run that an operator asked
    for the `run_id` that they were given and who they are, `asked_by` (`agnes.ops.jobs`)."""
    return partial(JobHandler, name)


def run_job(name: str, run: Run, tick: Tick, *, run_id: str | None = None, told: str | None = None) -> dict[str, Any]:
    """Run a job now and leave its heartbeat; the operator's trigger routes call this too. `told` is the action under which
    the audit has it, as done by whoever is here now."""
    run_id = run_id or new_ulid(tick.at)
    actor = CURRENT_ACTOR.set(Actor(client_kind="scheduler", request_id=run_id))
    started = time.perf_counter()
    error: AgnesError | None = None
    report: Any = None
    try:
        with wiring.state().session({}):
            report = run(tick)
    except Exception as exc:  # a bug must leave its heartbeat too
        error = known_error(exc, request_id=run_id, where=f"job {name}")
    finally:
        CURRENT_ACTOR.reset(actor)
    beat = {
        "job": name,
        "run_id": run_id,
        "at": tick.at,
        "seconds": round(time.perf_counter() - started, 3),
        "ok": error is None,
        "error": error.message if error else None,
        "busy": isinstance(error, ConflictError),
        "last_success_at": tick.at if error is None else None,
        "report": report,
    }
    if told is not None:  # before anybody can see that it has ended
        _tell(told, beat, error, dry_run=tick.dry_run)
    _leave(name, beat, dry_run=tick.dry_run)
    if error is not None:
        raise error
    written: dict[str, Any] = json.loads(encode(beat))
    return written


def _leave(name: str, beat: dict[str, Any], *, dry_run: bool) -> None:
    """The heartbeat. That of a failure says when the last success was, and stays beside the later ones; to have met
    another run of the same work (`busy`) is no failure of the job."""
    store, last = wiring.store(), f"jobs/{name}/last.json"
    if not beat["ok"] and not dry_run:
        before = store.read(last)
        beat["last_success_at"] = _last_success(last, before.body) if before is not None else None
        if not beat["busy"]:
            failed = f"jobs/{name}/failed/{new_ulid(beat['at'])}.json"
            store.write(failed, encode(beat), expect=ANYTHING, content_type="application/json")
    key = f"jobs/{name}/dry-run.json" if dry_run else last
    store.write(key, sealed.seal(key, encode(beat)), expect=ANYTHING, content_type="application/json")


def _last_success(key: str, heartbeat: bytes) -> str | None:
    """None also for a heartbeat that is damaged: it is written again."""
    try:
        said: str | None = json.loads(sealed.opened(key, heartbeat)).get("last_success_at")
        return said
    except (ValueError, AttributeError):
        return None


def _tell(action: str, beat: dict[str, Any], error: AgnesError | None, *, dry_run: bool) -> None:
    said = {"run_id": beat["run_id"], "dry_run": dry_run}
    said |= {"stats": json.loads(encode(beat))["report"]} if error is None else {"error": error.message}
    audit.record(
        wiring.store(),
        Change(action, f"job:{beat['job']}", said),
        now=wiring.clock().now(),
        result="ok" if error is None else f"error.{error.code}",
        duration_ms=beat["seconds"] * 1000,
    )


Failures = dict[str, list[dict[str, str]]]
"""`batchItemFailures`: the messages that the queue gives out again, each as `itemIdentifier`."""


class QueueHandler:
    """The consumer of a queue as Lambda calls it."""

    def __init__(self, name: str, handle: Callable[[dict[str, Any]], None]) -> None:
        self.name = name
        self.handle = handle
        self.agnes = Contract("queue", Needs.OPERATOR, summary=name)
        update_wrapper(self, handle)

    def __call__(self, event: dict[str, Any], context: object) -> Failures:
        return recorded(
            function_of(context, self.handle), event, context, lambda: self._answer(event["Records"]), kind="queue"
        )

    def _answer(self, records: Iterable[dict[str, Any]]) -> Failures:
        failures = []
        for record in records:
            actor = CURRENT_ACTOR.set(Actor(client_kind="queue", request_id=record["messageId"]))
            try:
                with wiring.state().session({}):
                    self.handle(json.loads(record["body"]))
            except Exception as exc:
                _log_failure(self.name, record, exc)
                failures.append({"itemIdentifier": record["messageId"]})
                _sooner(record)
            finally:
                CURRENT_ACTOR.reset(actor)
        return {"batchItemFailures": failures}


def queue_job(name: str) -> Callable[[Callable[[dict[str, Any]], None]], QueueHandler]:
    """Make `handle(body)` the consumer of a queue: one call a message, failures reported one by one."""
    return partial(QueueHandler, name)


def _log_failure(name: str, record: dict[str, Any], exc: Exception) -> None:
    """A known error, such as another run that was faster, in its own words: the message comes again. A bug with its trace."""
    noted = {"message_id": record["messageId"]}
    if isinstance(exc, AgnesError):
        log.warning("a message of %s failed: %s", name, exc.message, extra={**noted, "code": exc.code})
    else:
        log.error("a message of %s failed", name, exc_info=exc, extra=noted)


def _sooner(record: dict[str, Any]) -> None:
    try:
        wiring.queue().again(record)
    except UnavailableError as exc:  # then it comes when the queue gives it out again
        log.warning("%s", exc.message, extra={"message_id": record["messageId"]})
