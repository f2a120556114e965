"""The local scheduler: when jobs are due, how they fail, and that they never overlap."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agnes.kernel.clock import FixedClock
from agnes.kernel.errors import ConflictError
from agnes.kernel.ports import Message
from agnes.outside.folder_jobs import FolderJobs
from agnes.outside.folder_queue import FolderQueue
from agnes.settings import load
from agnes_local import composed
from agnes_local.composed import Consumer, Job
from agnes_local.scheduler import TRIGGERS, Runner, UnknownExpression, deliver, described, take_triggers, trigger
from tests.builders.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # a Monday


def job(
    handler: Callable[..., Any] = lambda *_: None, *, expression: str = "", setting: str = "", retries: int = 2
) -> Job:
    return Job("test.job", "test-cron_job", handler, expression, setting, retries)


def due(expression: str, count: int) -> list[datetime]:
    """The first times that are due at or after START."""
    found, rule, previous = [], trigger(job(expression=expression), load({}), first=START), None
    for _ in range(count):
        now = previous + timedelta(microseconds=1) if previous else START
        previous = rule.get_next_fire_time(previous, now)
        found.append(previous)
    return found


@pytest.mark.parametrize(
    ("expression", "first", "second"),
    [
        ("rate(10 minutes)", START, START + timedelta(minutes=10)),
        ("rate(1 day)", START, START + timedelta(days=1)),
        ("cron(30 3 * * ? *)", datetime(2026, 11, 24, 3, 30, tzinfo=UTC), datetime(2026, 11, 25, 3, 30, tzinfo=UTC)),
        # EventBridge's 1 is Sunday.
        ("cron(0 4 ? * 1 *)", datetime(2026, 11, 29, 4, tzinfo=UTC), datetime(2026, 12, 6, 4, tzinfo=UTC)),
        ("cron(0 4 ? * MON-FRI *)", datetime(2026, 11, 24, 4, tzinfo=UTC), datetime(2026, 11, 25, 4, tzinfo=UTC)),
        ("cron(0/20 9 * * ? *)", START, START + timedelta(minutes=20)),
    ],
)
def test_expressions_mean_what_eventbridge_means(expression: str, first: datetime, second: datetime) -> None:
    assert due(expression, 2) == [first, second]


@pytest.mark.parametrize(
    "expression", ["cron(0 4 15W * ? *)", "cron(0 4 * * * *)", "at(2026-01-01T00:00:00)", "rate(0.5 hours)"]
)
def test_what_is_not_known_is_refused(expression: str) -> None:
    with pytest.raises(UnknownExpression, match="does not know"):
        trigger(job(expression=expression), load({}), first=START)


def test_a_setting_is_the_interval() -> None:
    settings = load({"SCHEDULER_USAGE_PROCESSOR_INTERVAL": "7"})
    ours = job(setting="scheduler_usage_processor_interval")
    assert described(ours, settings) == "every 7 s"
    rule = trigger(ours, settings, first=START)
    assert rule.get_next_fire_time(START, START) == START + timedelta(seconds=7)


def test_the_templates_say_what_there_is() -> None:
    known = {found.name: found for found in composed.jobs()}
    assert known["telemetry.extract"].setting == "scheduler_usage_processor_interval"
    assert known["ops.prune_state"].expression == "cron(30 3 * * ? *)"
    for found in known.values():
        trigger(found, load({}), first=START)
    assert {consumer.queue for consumer in composed.consumers()} >= {"marketplace-sync"}
    assert [name for name, _ in composed.at_deploy()] == ["ops-cron_prepare", "accounts-cron_first_start"]


def test_a_failing_job_is_tried_again_and_then_buried(tmp_path: Path) -> None:
    tries, pauses = [], []

    def fail(event: dict, _context: object) -> None:
        tries.append(event)
        raise OSError("the disk is on fire")

    assert Runner(tmp_path, sleep=pauses.append).run(job(fail, retries=2), {"n": 1}) is None
    assert tries == [{"n": 1}] * 3
    assert pauses == [1.0, 2.0]
    [letter] = (tmp_path / "failed-runs").iterdir()
    assert json.loads(letter.read_text())["reason"] == "OSError: the disk is on fire"


def test_a_job_that_recovers_is_not_buried(tmp_path: Path) -> None:
    outcomes = iter([OSError("once"), None])

    def sometimes(*_: object) -> str:
        if error := next(outcomes):
            raise error
        return "done"

    assert Runner(tmp_path, sleep=lambda _: None).run(job(sometimes)) == "done"
    assert not (tmp_path / "failed-runs").exists()


def test_a_job_does_not_overlap_with_itself_in_this_process(tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()
    runner = Runner(tmp_path)

    def slow(*_: object) -> None:
        entered.set()
        leave.wait(PATIENCE_SECONDS)

    running = threading.Thread(target=runner.run, args=(job(slow),))
    running.start()
    entered.wait(PATIENCE_SECONDS)
    with pytest.raises(ConflictError, match="running already"):
        runner.run(job())
    leave.set()
    running.join()
    runner.run(job())


def test_nor_in_another_process_until_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from agnes_local.scheduler import Runner; "
        "from agnes_local.composed import Job; "
        "sleep = lambda *_: (print('in', flush=True), time.sleep(60)); "
        "Runner(Path(sys.argv[1])).run(Job('test.job', 'test-cron_job', sleep, '', '', 0))"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"in\n"
    with pytest.raises(ConflictError):
        Runner(tmp_path).run(job())
    other.kill()
    other.wait()
    other.stdout.close()
    Runner(tmp_path).run(job())


def consumer(handler: Callable[..., Any], *, batch: int = 1, attempts: int = 3) -> Consumer:
    return Consumer("work", "test-queue_work", handler, batch, attempts, 60)


def test_messages_reach_the_function_as_sqs_sends_them(tmp_path: Path) -> None:
    events = []
    queue = FolderQueue(tmp_path, clock=FixedClock(START))
    queue.send([Message("work", {"id": n}) for n in range(3)])

    def handle(event: dict, _context: object) -> dict:
        events.append(event)
        return {"batchItemFailures": []}

    assert [deliver(queue, consumer(handle, batch=2)) for _ in range(3)] == [2, 1, 0]
    assert sorted(json.loads(record["body"])["id"] for event in events for record in event["Records"]) == [0, 1, 2]
    assert queue.waiting("work") == 0


def test_only_what_failed_comes_again_later_and_at_last_is_a_dead_letter(tmp_path: Path) -> None:
    clock = FixedClock(START)
    queue = FolderQueue(tmp_path, clock=clock)
    queue.send([Message("work", {"good": True}), Message("work", {"good": False})])
    seen = []

    def handle(event: dict, _context: object) -> dict:
        seen.extend(record["body"] for record in event["Records"])
        bad = [record for record in event["Records"] if not json.loads(record["body"])["good"]]
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in bad]}

    for _ in range(6):
        deliver(queue, consumer(handle, batch=10, attempts=3))
        clock.sleep(120)
    assert seen.count('{"good":true}') == 1
    assert seen.count('{"good":false}') == 3
    assert queue.waiting("work") == 0
    assert [letter.body for letter in queue.failed("work")] == ['{"good":false}']


def test_a_function_that_breaks_loses_nothing(tmp_path: Path) -> None:
    clock = FixedClock(START)
    queue = FolderQueue(tmp_path, clock=clock)
    queue.send([Message("work", {})])

    def broken(*_: object) -> dict:
        raise RuntimeError("a bug")

    assert deliver(queue, consumer(broken)) == 1
    assert deliver(queue, consumer(broken)) == 0, "it waits before it is tried again"
    clock.sleep(60)
    assert deliver(queue, consumer(broken)) == 1
    assert queue.waiting("work") == 1


def test_what_an_operator_asks_for_runs_after_the_run_that_goes_on(tmp_path: Path) -> None:
    queue, stop, began, go_on, seen = (
        FolderQueue(tmp_path / "queues"),
        threading.Event(),
        threading.Event(),
        threading.Event(),
        [],
    )

    def handler(event: dict[str, Any], _context: Any) -> None:
        seen.append(event)
        if not event:
            began.set()
            go_on.wait(PATIENCE_SECONDS)

    ours = job(handler)
    runner = Runner(tmp_path, sleep=stop.wait)
    scheduled = threading.Thread(target=runner.run, args=(ours,))
    scheduled.start()
    assert began.wait(PATIENCE_SECONDS)
    taking = threading.Thread(target=take_triggers, args=(queue, [ours], runner, stop))
    taking.start()
    try:
        FolderJobs(tmp_path / "queues").start(ours.function, {"run_id": "1"})
        FolderJobs(tmp_path / "queues").start("no-such_function", {})
        stop.wait(0.6)
        assert seen == [{}]
        go_on.set()
        scheduled.join(PATIENCE_SECONDS)
        until = time.monotonic() + PATIENCE_SECONDS
        while queue.waiting(TRIGGERS) and time.monotonic() < until:
            stop.wait(0.1)
        assert seen == [{}, {"run_id": "1"}]
        assert queue.waiting(TRIGGERS) == 0
    finally:
        go_on.set()
        stop.set()
        taking.join(PATIENCE_SECONDS)
