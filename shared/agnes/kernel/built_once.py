"""Attributes that are built when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any, Generic, Protocol, Self, TypeVar, overload

P = TypeVar("P")


class Locked(Protocol):
    lock: RLock


class built_once(Generic[P]):  # noqa: N801 (a decorator)
    """An attribute that the decorated method builds when it is first asked for, once for all threads.

    What was built is kept in the instance's own attributes, which Python looks at first.
    """

    def __init__(self, build: Callable[[Any], P]) -> None:
        self._build = build
        self._name = build.__name__
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, holder: None, owner: type[Locked]) -> Self: ...

    @overload
    def __get__(self, holder: Locked, owner: type[Locked]) -> P: ...

    def __get__(self, holder: Locked | None, owner: type[Locked]) -> Self | P:
        if holder is None:
            return self
        with holder.lock:
            kept = vars(holder)
            if self._name not in kept:
                kept[self._name] = self._build(holder)
            built: P = kept[self._name]
            return built
