"""Waits for the store that run side by side, in a bounded number of threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context


class Ahead:
    """Starts work before it is needed. What fails here fails again, and is reported, where it is needed.

    Threads are made when they are first used, so it may be made before a fork. With 0 threads nothing is started: a file
    system answers faster than a thread starts.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    @property
    def is_on(self) -> bool:
        return self._threads > 0

    def start(self, work: Iterable[Callable[[], object]]) -> Started:
        """Run each in a thread of its own, with the caller's context, which counts its calls; the rest waits for its turn."""
        if not self._threads:
            return Started(())
        pool = self._opened()
        return Started(tuple(pool.submit(copy_context().run, _quietly, each) for each in work))

    def close(self) -> None:
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown()
                self._pool = None

    def _opened(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="agnes-ahead")
            return self._pool


class Started:
    """Work that was started."""

    def __init__(self, futures: tuple[Future[None], ...]) -> None:
        self._futures = futures

    def end(self) -> None:
        """Give up what was not begun, and wait for the rest: a Lambda environment is frozen when its answer is out."""
        wait([future for future in self._futures if not future.cancel()])

    def join(self) -> None:
        wait(self._futures)


def _quietly(work: Callable[[], object]) -> None:
    with suppress(Exception):  # whoever needs it asks again, and raises what that raises
        work()
