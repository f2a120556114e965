"""Independent calls to a store, which take as long as the longest of them instead of as long as all."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def side_by_side(*calls: Callable[[], T]) -> list[T]:
    """What each call returns, in their order. The last runs in this thread. All of them have ended when this returns or raises; of several
    that fail, the first is raised."""
    if len(calls) < 2:
        return [call() for call in calls]
    with ThreadPoolExecutor(len(calls) - 1, thread_name_prefix="agnes-beside") as pool:
        others = [pool.submit(copy_context().run, call) for call in calls[:-1]]
        try:
            last = calls[-1]()
        except BaseException:
            wait(others)
            for other in others:
                other.result()
            raise
        return [*(other.result() for other in others), last]
