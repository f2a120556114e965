"""The folder queue: at least once, whatever happens to its consumers."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agnes.kernel.clock import FixedClock
from agnes.kernel.errors import InvalidError
from agnes.kernel.ports import Message
from agnes.outside.folder_queue import FolderQueue
from tests.builders.patience import PATIENCE_SECONDS

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
def queue(tmp_path: Path, clock: FixedClock) -> FolderQueue:
    return FolderQueue(tmp_path, clock=clock)


def test_the_oldest_comes_first(queue: FolderQueue, clock: FixedClock) -> None:
    for number in range(3):
        queue.send([Message("work", {"n": number})])
        clock.sleep(1)
    got = [queue.receive("work", visibility_seconds=60, max_attempts=5)[0].body for _ in range(3)]
    assert got == ['{"n":0}', '{"n":1}', '{"n":2}']


def test_what_is_taken_is_hidden_until_its_time_is_over(queue: FolderQueue, clock: FixedClock) -> None:
    queue.send([Message("work", {})])
    [first] = queue.receive("work", visibility_seconds=60, max_attempts=5)
    clock.sleep(59)
    assert queue.receive("work", visibility_seconds=60, max_attempts=5) == []
    clock.sleep(2)
    [second] = queue.receive("work", visibility_seconds=60, max_attempts=5)
    assert (second.id, first.attempts, second.attempts) == (first.id, 1, 2)
    queue.acknowledge(first)  # too late: it is somebody else's now
    assert queue.waiting("work") == 1
    queue.acknowledge(second)
    assert queue.waiting("work") == 0


def test_queues_are_apart(queue: FolderQueue) -> None:
    queue.send([Message("one", {}), Message("two", {})])
    assert len(queue.receive("one", visibility_seconds=1, max_attempts=1, at_most=10)) == 1


@pytest.mark.parametrize("name", ["../up", "", "Upper", "a/b", "x" * 65, "nul\0"])
def test_a_name_that_is_no_name_is_refused(queue: FolderQueue, name: str) -> None:
    with pytest.raises(InvalidError, match="not the name of a queue"):
        queue.send([Message(name, {})])


WORKER = """
import sys, time, random
from agnes.outside.folder_queue import FolderQueue
from pathlib import Path
queue, done = FolderQueue(sys.argv[1]), Path(sys.argv[2])
while True:
    for d in queue.receive("work", visibility_seconds=0.4, max_attempts=1000, at_most=3):
        time.sleep(random.random() * 0.01)
        (done / d.id).open("a").write("x")
        queue.acknowledge(d)
    time.sleep(0.002)
"""


@pytest.mark.slow
def test_nothing_is_lost_when_consumers_are_killed(tmp_path: Path) -> None:
    """Three consumers, one of them killed every tenth of a second: every message is worked on at least once."""
    seed = int(time.time())
    dice = random.Random(seed)
    done = tmp_path / "done"
    done.mkdir()
    queue = FolderQueue(tmp_path / "queue")
    sent = 150

    def begin() -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path / "queue"), str(done)])

    workers = [begin() for _ in range(3)]
    try:
        for number in range(sent):
            queue.send([Message("work", {"n": number})])
        for _ in range(15):
            time.sleep(0.1)
            victim = dice.randrange(3)
            os.kill(workers[victim].pid, signal.SIGKILL)
            workers[victim].wait()
            workers[victim] = begin()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while queue.waiting("work"):
            assert time.monotonic() < deadline, f"seed {seed}: {queue.waiting('work')} messages left"
            time.sleep(0.05)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert len(list(done.iterdir())) == sent, f"seed {seed}"
