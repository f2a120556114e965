"""A second process: what it answers, and that whatever becomes of it costs nothing but time."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agnes.telemetry.extraction.processes import OtherProcess
from tests.builders.patience import PATIENCE_SECONDS, longer_and_longer

PARENT = os.getpid()


def work(task: bytes) -> bytes:
    if task == b"raise":
        raise ValueError(task)
    if task == b"die":
        os.kill(os.getpid(), signal.SIGKILL)
    if task == b"hang":
        time.sleep(1000)
    if task == b"files":
        return " ".join(path.name for path in Path("/proc/self/fd").iterdir()).encode()
    return task + b" by another" if os.getpid() != PARENT else b""


@pytest.fixture
def other(tmp_path):
    with started(tmp_path) as other:
        yield other


@contextmanager
def started(folder: Path, patience: float = PATIENCE_SECONDS) -> Iterator[OtherProcess]:
    other = OtherProcess.start(folder, work, patience=patience)
    assert other is not None
    yield other
    other.close()


def all_of(other: OtherProcess) -> list[bytes | None]:
    found: list[bytes | None] = []
    while other.underway:
        found += other.answers(1)
    return found


def test_answers_come_in_the_order_of_the_tasks(other):
    large = b"x" * 100_000
    tasks = [b"a", b"raise", large, b"b"]
    assert all(other.offer(task) for task in tasks)
    assert all_of(other) == [b"a by another", None, large + b" by another", b"b by another"]
    assert other.answers() == []


def test_a_task_is_only_taken_if_the_pipe_has_room(tmp_path):
    with started(tmp_path, patience=0.3) as other:
        assert other.offer(b"hang")
        given = 0
        while other.offer(b"x" * 100_000):
            given += 1
        assert 0 < given < 20
        assert not other.offer(b"x" * 5_000_000)
        assert all_of(other) == [None] * (given + 1)


@pytest.mark.parametrize("end", [b"die", b"hang"])
def test_what_it_does_not_answer_comes_back(tmp_path, end):
    for seconds in longer_and_longer(0.3):
        with started(tmp_path, seconds) as other:
            for task in (b"a", end, b"b"):
                assert other.offer(task)
            answers = all_of(other)
            assert not other.offer(b"c")
        if answers != [None, None, None]:  # it was so slow that it was left before it began
            break
    assert answers == [b"a by another", None, None]


def test_one_that_was_stopped_or_killed_from_outside(tmp_path):
    with started(tmp_path, patience=0.3) as other:
        pid = other._process.pid
        os.kill(pid, signal.SIGSTOP)
        assert other.offer(b"a")
        assert all_of(other) == [None]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_it_ends_with_its_parent(tmp_path):
    """Whose end of the pipe closes, however it dies."""
    child = os.fork()
    if child == 0:
        other = OtherProcess.start(tmp_path, work)
        (tmp_path / "pid").write_text(str(other._process.pid))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    pid = int((tmp_path / "pid").read_text())
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        status = Path(f"/proc/{pid}/status")
        if not status.exists() or "State:\tZ" in status.read_text():
            return
        time.sleep(0.05)
    pytest.fail("it lives on")


def test_it_holds_none_of_its_parents_files(tmp_path):
    """A lock that another thread had just taken would be held until it ends."""
    with (tmp_path / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        other = OtherProcess.start(tmp_path, work)
    try:
        other.offer(b"files")
        (found,) = all_of(other)
        assert len(found.split()) <= 8
        with (tmp_path / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        other.close()
