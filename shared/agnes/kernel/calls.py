"""Registered changes: functions of a transaction that any process can run from a name and plain arguments.

    @registered("stack.service.set_entity")
    def set_entity(tx: Tx, *, user_id: str, entity_id: str, wanted: bool, at: datetime) -> bool: ...

    state.commit("stack", set_entity(user_id=…, entity_id=…, wanted=True, at=now))

A `Call` is a change like any other (`State.commit`). What many people do at once is written so: under contention a process
leaves its call in the store, and another one runs it beside its own (docs/decisions/0095-commit-by-intent.md). A name is that of the
function's module below `agnes`, and is never used again for other arguments: two releases may meet.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agnes.kernel.state import Tx

_TIME = "$time"
_functions: dict[str, Callable[..., Any]] = {}


class UnknownCall(LookupError):
    """No function has this name: a release that this one does not know has registered it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a registered function: a change that can be encoded."""

    name: str
    arguments: Mapping[str, Any]

    def __call__(self, tx: Tx) -> Any:
        """The function's value as every process gets it: what JSON makes of it. Raises UnknownCall, the function's errors."""
        return plain(function_of(self.name)(tx, **self.arguments))

    def encode(self) -> list[Any]:
        return [self.name, {name: _encoded(value) for name, value in self.arguments.items()}]

    @classmethod
    def decode(cls, raw: list[Any]) -> Call:
        """Raises TypeError, ValueError."""
        name, arguments = raw
        return cls(str(name), {str(key): _decoded(value) for key, value in arguments.items()})


def registered(name: str) -> Callable[[Callable[..., Any]], Callable[..., Call]]:
    """A decorator. The function takes `tx` and arguments by name: text, numbers, true and false, None, lists, datetimes."""

    def register(function: Callable[..., Any]) -> Callable[..., Call]:
        _functions[name] = function
        return lambda **arguments: Call(name, arguments)

    return register


def function_of(name: str) -> Callable[..., Any]:
    """The function, whether or not its module was imported before. Raises UnknownCall."""
    if name not in _functions:
        try:
            importlib.import_module(f"agnes.{name.rpartition('.')[0]}")
        except ImportError as missing:  # or what it imports is in no layer of this function
            raise UnknownCall(name) from missing
    if name not in _functions:
        raise UnknownCall(name)
    return _functions[name]


def plain(value: Any) -> Any:
    """What JSON makes of it. Raises TypeError."""
    return value if value is None or isinstance(value, bool | str) else json.loads(json.dumps(value))


def _encoded(value: Any) -> Any:
    return {_TIME: value.isoformat()} if isinstance(value, datetime) else value


def _decoded(value: Any) -> Any:
    return datetime.fromisoformat(value[_TIME]) if isinstance(value, dict) and _TIME in value else value
