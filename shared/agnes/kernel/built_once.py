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


class Configurable(Locked, Protocol):
    @property
    def config_version(self) -> object: ...


class built_per_config(Generic[P]):  # noqa: N801 (a decorator)
    """The same, built again once the holder's `config_version` is another object.

    What a holder has under the attribute's own name, from its beginning, is never built and never replaced.
    """

    def __init__(self, build: Callable[[Any], P]) -> None:
        self._build = build
        self._kept = f"_{build.__name__}_of_config"
        self.__doc__ = build.__doc__

    @overload
    def __get__(self, holder: None, owner: type[Configurable]) -> Self: ...

    @overload
    def __get__(self, holder: Configurable, owner: type[Configurable]) -> P: ...

    def __get__(self, holder: Configurable | None, owner: type[Configurable]) -> Self | P:
        if holder is None:
            return self
        version = holder.config_version
        with holder.lock:
            kept = vars(holder)
            if self._kept not in kept or kept[self._kept][0] is not version:
                kept[self._kept] = (version, self._build(holder))
            built: P = kept[self._kept][1]
            return built
