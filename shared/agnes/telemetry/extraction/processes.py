"""A second process for work that is pure: bytes in, bytes out. It is a fork, so it has what this one had, and costs
milliseconds.

    other = OtherProcess.start(folder, work)   # None: this system cannot, or will not
    if not other.offer(task):                  # it has enough to do
        ...                                    # so this process does it
    for answer in other.answers():             # those that have come, in the order of the tasks; None: it could not
        ...
    other.close()

Whatever becomes of it costs time and nothing else. It may be killed, run out of memory or be stopped: what it was given
and has not answered comes back as None. Neither side waits for a full pipe: a task is given only if the pipe has
room for it, answers go to a file, and through a pipe only where they are in it.

A fork of a process with several threads has the locks that other threads held just then, and nobody who opens them. So
`work` must not touch what threads share: no store, no database, no logging.
"""

from __future__ import annotations

import fcntl
import gc
import multiprocessing
import os
import select
import signal
import struct
import sys
import warnings
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic
from typing import Self

PATIENCE_SECONDS = 60
"""For one answer; then it is killed. Nothing that it should be given takes more than a few seconds."""

_PIPE_BYTES = 1 << 20
"""Asked for; a system may give less, and a task that has no room in it is not taken."""
_PAGE = 4096
_SIZE = struct.Struct("<I")
_PLACE = struct.Struct("<qq")
"""Where an answer begins in the file of answers, and how long it is: -1 if the work could not be done. Written in one
piece, as whatever is smaller than a page."""
_MOST_UNDERWAY = 1000


class OtherProcess:
    """Made by `start`."""

    def __init__(self, process: BaseProcess, tasks: int, places: int, answers: int, *, patience: float) -> None:
        self._process = process
        self._patience = patience
        self._tasks = tasks
        self._places = places
        self._answers = answers
        self._poll = select.poll()
        self._poll.register(places, select.POLLIN)
        self._pages = fcntl.fcntl(tasks, fcntl.F_GETPIPE_SZ) // _PAGE
        self._underway: deque[int] = deque()
        """What each task takes of the pipe's pages."""
        self._since = monotonic()
        """When it last answered, or got something to do."""
        self._is_dead = False

    @classmethod
    def start(cls, folder: Path, work: Callable[[bytes], bytes], *, patience: float = PATIENCE_SECONDS) -> Self | None:
        """None where there is no fork, or no room for one more process. `work` says what a task comes to, and raises
        if it cannot be done; it is called over there. After so many seconds without an answer it is killed."""
        if sys.platform != "linux":
            return None
        with ExitStack() as theirs, ExitStack() as ours:
            try:
                reading, writing = os.pipe()
                theirs.callback(os.close, reading)
                ours.callback(os.close, writing)
                places, placing = os.pipe()
                ours.callback(os.close, places)
                theirs.callback(os.close, placing)
                answers = os.open(folder / "answers", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
                ours.callback(os.close, answers)
                with suppress(OSError):
                    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
                made = multiprocessing.get_context("fork").Process(
                    target=_serve, args=(work, reading, placing, answers), daemon=True
                )
                with warnings.catch_warnings():  # of Python 3.12 and later, that forks of threads may lock: see above
                    warnings.simplefilter("ignore", DeprecationWarning)
                    made.start()
            except (OSError, AssertionError):  # the second: a daemon of multiprocessing may not have children
                return None
            ours.pop_all()
            return cls(made, writing, places, answers, patience=patience)

    @property
    def underway(self) -> int:
        """Tasks whose answers `answers` has not given yet."""
        return len(self._underway)

    def offer(self, task: bytes) -> bool:
        """Whether it takes the task; it takes a few ahead."""
        message = _SIZE.pack(len(task)) + task
        pages = len(message) // _PAGE + 2
        if self._is_dead or sum(self._underway) + pages > self._pages or len(self._underway) >= _MOST_UNDERWAY:
            return False
        if not self._underway:
            self._since = monotonic()
        try:
            while message:
                message = message[os.write(self._tasks, message) :]
        except BrokenPipeError:
            self._give_up()
            return False
        self._underway.append(pages)
        return True

    def answers(self, wait_seconds: float = 0.0) -> list[bytes | None]:
        """Those that have come; waits if there is none. Of a process that is dead, or silent for too long, all."""
        found: list[bytes | None] = []
        if self._underway and not self._is_dead and self._poll.poll(wait_seconds * 1000):
            places = os.read(self._places, _PLACE.size * _MOST_UNDERWAY)
            for begin, size in _PLACE.iter_unpack(places):
                found.append(os.pread(self._answers, size, begin) if size >= 0 else None)
                self._underway.popleft()
            self._since = monotonic()
            if not places:
                self._give_up()
        elif self._underway and monotonic() - self._since > self._patience:
            self._give_up()
        if self._is_dead:
            found += [None] * len(self._underway)
            self._underway.clear()
        return found

    def close(self) -> None:
        """End it, whatever it is doing."""
        self._give_up()
        for fd in (self._tasks, self._places, self._answers):
            os.close(fd)

    def _give_up(self) -> None:
        if not self._is_dead:
            self._is_dead = True
            self._process.kill()
            self._process.join()


def _serve(work: Callable[[bytes], bytes], tasks: int, places: int, answers: int) -> None:
    """The other process: ends with its parent, whose end of `tasks` closes then."""
    gc.freeze()  # what the parent has is never collected here: it would close the parent's databases
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _close_others({0, 1, 2, tasks, places, answers})
    end = 0
    while head := _read(tasks, _SIZE.size):
        task = _read(tasks, *_SIZE.unpack(head))
        try:
            answer = work(task)
            size = len(answer) if os.pwrite(answers, answer, end) == len(answer) else -1
        except Exception:  # whoever gave it does it again, and says what is wrong
            size = -1
        os.write(places, _PLACE.pack(end, size))
        end += max(size, 0)


def _read(fd: int, size: int) -> bytes:
    """Nothing at the end of the file."""
    found = bytearray()
    while len(found) < size:
        piece = os.read(fd, size - len(found))
        if not piece:
            return b""
        found += piece
    return bytes(found)


def _close_others(kept: set[int]) -> None:
    """Sockets, and files whose locks would be held as long as this process has them."""
    begin = 0
    for fd in sorted({*kept, os.sysconf("SC_OPEN_MAX")}):
        if begin < fd:  # of nothing, closerange(0, 0), Python 3.11 makes everything
            os.closerange(begin, fd)
        begin = fd + 1
