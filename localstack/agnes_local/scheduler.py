"""The local scheduler: EventBridge Scheduler's part and the event sources of the queues, in one process.

    python -m agnes_local.scheduler

Schedules and queues come from the templates. A job is due at once when this process starts, after a short
grace, and then as its expression says; it never overlaps with itself, not with another process's either. A job that an
operator asks for (agnes.outside.folder_jobs) runs when the run that is going on has ended. What
fails is logged and tried again as its retry policy says; what still fails is kept in `<data>/failed-runs/`,
as the dead-letter queue does on AWS.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor as ThreadPoolExecutorOf
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger

from agnes import wiring
from agnes.kernel import schedules
from agnes.kernel.errors import AgnesError, ConflictError, NotFoundError
from agnes.kernel.ids import new_ulid
from agnes.kernel.ports import retry_seconds
from agnes.kernel.schedules import Schedule, UnknownSchedule
from agnes.outside.folder_jobs import QUEUE as TRIGGERS
from agnes.outside.folder_queue import Delivery, FolderQueue
from agnes.settings import Settings
from agnes_local import composed, process_life
from agnes_local.composed import Consumer, Job

FIRST_RETRY_SECONDS = 1.0
IDLE_SECONDS = 0.25
"""Between looks into an empty queue."""
THREADS = 4
WAIT_SECONDS = 900.0
"""How long a run that an operator asks for waits for the one that is going on."""

log = logging.getLogger("agnes.scheduler")


class UnknownExpression(AgnesError):
    code = "unknown_schedule"

    def __init__(self, job: Job) -> None:
        super().__init__(f"{job.name}: the scheduler does not know `{job.expression}`")


def described(job: Job, settings: Settings) -> str:
    return f"every {getattr(settings, job.setting)} s" if job.setting else job.expression


def trigger(job: Job, settings: Settings, *, first: datetime) -> BaseTrigger:
    """When the job is due. Raises UnknownExpression for what EventBridge may know and we do not."""
    if job.setting:
        return IntervalTrigger(seconds=getattr(settings, job.setting), start_date=first, timezone=UTC)
    try:
        rule = schedules.parse(job.expression)
    except UnknownSchedule as exc:
        raise UnknownExpression(job) from exc
    if rule.every_seconds is not None:
        return IntervalTrigger(seconds=rule.every_seconds, start_date=first, timezone=UTC)
    return ScheduleTrigger(rule)


class ScheduleTrigger(BaseTrigger):
    """As EventBridge's expression says."""

    def __init__(self, rule: Schedule) -> None:
        self._rule = rule

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """At or after now; after the last time, also where that is still to come."""
        last_moment = now - timedelta(microseconds=1)
        return self._rule.next_after(max(previous_fire_time, last_moment) if previous_fire_time else last_moment)


class Runner:
    """Runs jobs: one at a time of each, in all processes of this data folder; retries; dead letters."""

    def __init__(self, data_dir: Path, *, sleep: Callable[[float], Any] = time.sleep) -> None:
        self._locks = data_dir / "jobs"
        self._failed = data_dir / "failed-runs"
        self._sleep = sleep

    def run(self, job: Job, event: dict[str, Any] | None = None, *, wait_seconds: float = 0) -> Any:
        """The job's report, or None if it failed for good. Raises ConflictError while it runs elsewhere, and goes on doing so
        for `wait_seconds`."""
        event = event or {}
        with self._alone(job, wait_seconds):
            for attempt in range(job.retries + 1):
                try:
                    return self._once(job, event)
                except Exception as exc:  # whatever it was, it is tried again, and the others go on
                    left = job.retries - attempt
                    log.warning("job %s failed: %s", job.name, exc, extra={"job": job.name, "retries_left": left})
                    reason = f"{type(exc).__name__}: {exc}"
                if left:
                    self._sleep(FIRST_RETRY_SECONDS * 2**attempt)
            self._bury(job, event, reason)
        return None

    def _once(self, job: Job, event: dict[str, Any]) -> Any:
        started = time.monotonic()
        report = job.handler(event, None)
        log.info("job %s ran", job.name, extra={"job": job.name, "seconds": round(time.monotonic() - started, 3)})
        return report

    @contextlib.contextmanager
    def _alone(self, job: Job, wait_seconds: float = 0) -> Iterator[None]:
        """The kernel frees the lock when its holder dies."""
        self._locks.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(self._locks / f"{job.function}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            until = time.monotonic() + wait_seconds
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    # A sleep that answers True was woken by the end of the process.
                    if time.monotonic() >= until or self._sleep(IDLE_SECONDS) is True:
                        raise ConflictError(f"{job.name} is running already", code="job_running") from None
            yield
        finally:
            os.close(fd)

    def _bury(self, job: Job, event: dict[str, Any], reason: str) -> None:
        self._failed.mkdir(parents=True, exist_ok=True, mode=0o700)
        letter = {"job": job.name, "event": event, "at": datetime.now(UTC).isoformat(), "reason": reason}
        (self._failed / f"{new_ulid()}.json").write_text(json.dumps(letter))


def consume(queue: FolderQueue, consumer: Consumer, stop: threading.Event) -> None:
    """Feed a queue's messages to its function until `stop`."""
    while not stop.is_set():
        try:
            if not deliver(queue, consumer):
                stop.wait(IDLE_SECONDS)
        except Exception:  # the folder may be full; the queue must go on when it no longer is
            log.exception("queue %s", consumer.queue)
            stop.wait(5.0)


def deliver(queue: FolderQueue, consumer: Consumer) -> int:
    """One batch, if any is ready; how many messages it had. What the function could not do comes again later."""
    batch = queue.receive(
        consumer.queue,
        visibility_seconds=consumer.visibility_seconds,
        max_attempts=consumer.attempts,
        at_most=consumer.batch,
    )
    if not batch:
        return 0
    try:
        answer = consumer.handler({"Records": [_record(delivery) for delivery in batch]}, None)
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    except Exception:  # the function itself broke: as SQS, take the whole batch for failed
        log.exception("queue %s: %s failed", consumer.queue, consumer.function)
        failed = {delivery.id for delivery in batch}
    for delivery in batch:
        if delivery.id in failed:
            queue.release(delivery, delay_seconds=retry_seconds(delivery.attempts))
        else:
            queue.acknowledge(delivery)
    return len(batch)


def take_triggers(queue: FolderQueue, jobs: list[Job], runner: Runner, stop: threading.Event) -> None:
    """Run the jobs that operators ask for, a few at a time, until `stop`."""
    with ThreadPoolExecutorOf(THREADS, thread_name_prefix="triggered") as pool:
        while not stop.is_set():
            try:
                found = queue.receive(TRIGGERS, visibility_seconds=WAIT_SECONDS * 2, max_attempts=1)
                for delivery in found:
                    pool.submit(triggered, queue, delivery, jobs, runner)
            except Exception:  # the folder may be full; the queue must go on when it no longer is
                log.exception("queue %s", TRIGGERS)
                found = []
            if not found:
                stop.wait(IDLE_SECONDS)


def triggered(queue: FolderQueue, delivery: Delivery, jobs: list[Job], runner: Runner) -> None:
    """Run the job that a message asks for. Never raises."""
    try:
        asked = json.loads(delivery.body)
        job = next(job for job in jobs if job.function == asked["function"])
        runner.run(job, asked["event"], wait_seconds=WAIT_SECONDS)
    except Exception:
        log.exception("a run that was asked for did not take place", extra={"message_id": delivery.id})
    finally:
        queue.acknowledge(delivery)


def _record(delivery: Delivery) -> dict[str, Any]:
    return {
        "messageId": delivery.id,
        "receiptHandle": delivery.path.name,
        "body": delivery.body,
        "attributes": {"ApproximateReceiveCount": str(delivery.attempts)},
        "eventSource": "aws:sqs",
    }


def run_once(name: str, settings: Settings, *, dry_run: bool = False) -> str:
    """Run one job here and now; its report as JSON. Raises NotFoundError, ConflictError, and what the job raises."""
    known = {job.name: job for job in composed.jobs()}
    if name not in known:
        raise NotFoundError(f"no job {name}", hint=f"There are: {', '.join(known)}.")
    runner = Runner(settings.agnes_data_dir)
    with runner._alone(known[name]):
        return json.dumps(known[name].handler({"dry_run": dry_run}, None), indent=2)


def main() -> None:
    process_life.end_with_parent()
    settings = wiring.settings()
    process_life.log_as_json(settings.log_level)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # it tells of every skipped run
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    runner = Runner(settings.agnes_data_dir, sleep=stop.wait)
    scheduler = BackgroundScheduler(executors={"default": ThreadPoolExecutor(THREADS)}, timezone=UTC)
    first = datetime.now(UTC) + timedelta(seconds=settings.scheduler_startup_grace_seconds)
    for job in composed.jobs():
        scheduler.add_job(
            partial(_run_scheduled, runner, job),
            trigger(job, settings, first=first),
            id=job.function,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )
    scheduler.start()
    # The folder itself and not `wiring.queue()`: this process stands for SQS, which nobody counts or bills.
    queues = FolderQueue(settings.agnes_data_dir / "queues")
    consumers = [
        threading.Thread(target=consume, args=(queues, consumer, stop), name=consumer.queue)
        for consumer in composed.consumers()
        if settings.agnes_queue == "folder"
    ]
    if settings.agnes_jobs == "folder":
        asked = threading.Thread(target=take_triggers, args=(queues, composed.jobs(), runner, stop), name=TRIGGERS)
        consumers.append(asked)
    for thread in consumers:
        thread.start()
    log.info("scheduling %d jobs and %d queues", len(scheduler.get_jobs()), len(composed.consumers()))
    stop.wait()
    scheduler.shutdown(wait=True)
    for thread in consumers:
        thread.join()
    wiring.ledger().flush()
    wiring.tracer().close()
    wiring.state().close()


def _run_scheduled(runner: Runner, job: Job) -> None:
    try:
        runner.run(job)
    except ConflictError as busy:
        log.info("%s", busy.message)


if __name__ == "__main__":
    main()
