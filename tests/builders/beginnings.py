"""What many tests begin with, lived through once a process: passwords are slow on purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from agnes.kernel.clock import FixedClock
from agnes.kernel.ports import ABSENT
from tests.builders.house import House

T = TypeVar("T")
_LIVED: dict[Any, tuple[dict[str, bytes], Any]] = {}


def begun(house: House, begin: Callable[[House], T], **environ: str) -> T:
    """Let `begin` happen in this house, and answer what it answers.

    Where nothing happened yet and time stands still, it gets what an equal one held afterwards.
    """
    if not isinstance(house.clock, FixedClock) or any(house.store.list("")):
        return begin(house)
    which = begin, house.clock.now()
    if which not in _LIVED:
        _LIVED[which] = _lived(FixedClock(house.clock.now()), begin, environ)
    held, answer = _LIVED[which]
    for key, body in held.items():
        house.store.write(key, body, expect=ABSENT)
    return answer


def _lived(clock: FixedClock, begin: Callable[[House], T], environ: dict[str, str]) -> tuple[dict[str, bytes], T]:
    with TemporaryDirectory() as folder, House(Path(folder), clock=clock, environ=environ) as house:
        answer = begin(house)
        house.state.close()
        keys = [entry.key for entry in house.store.list("") if not entry.key.startswith("leases/")]
        return {key: house.store.read(key).body for key in keys}, answer
