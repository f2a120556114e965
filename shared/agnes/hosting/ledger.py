"""Keeps what requests and runs asked for, so cheaply that it need not be looked at as a cost of its own.

    calls/day=YYYY-MM-DD/<ulid>.json                what one process did that day: sums by function, written over every ten minutes
    calls/day=YYYY-MM-DD/<ulid>=<function>/<sums>   one invocation that stands for others, all in its key; its object is empty

A process of one's own machine lives long, so it adds up and writes its sums. An environment of Lambda may end after any
invocation and is never told; so there an invocation is written with a probability in proportion to its dollars, and with the
weight that makes the sums right on average (monetary unit sampling). One record stands for UNIT_DOLLARS, which its own PUT of
$0.000005 is 1 % of, and a listing of a thousand records costs as much as that PUT.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from random import Random
from typing import Protocol

from agnes.hosting import bill
from agnes.hosting.bill import Tariff, Work
from agnes.kernel.errors import AgnesError
from agnes.kernel.ids import new_ulid
from agnes.kernel.metering import NAMES, Calls
from agnes.kernel.ports import ANYTHING, Clock, ObjectStore

log = logging.getLogger("agnes.hosting")

PREFIX = "calls/"
FLUSH_SECONDS = 600.0
UNIT_DOLLARS = 0.0005
KEPT = timedelta(days=62)
_WEIGHT = 1000
"""Weights are written in thousandths."""


@dataclass(slots=True)
class Sums:
    """What a function did, in all its invocations."""

    runs: float = 0
    api_requests: float = 0
    scheduled: float = 0
    ms: float = 0
    cpu_ms: float = 0
    bytes_out: float = 0
    calls: Calls = field(default_factory=Calls)

    def add(self, other: Sums, weight: float = 1) -> None:
        for name in _OWN:
            setattr(self, name, getattr(self, name) + weight * getattr(other, name))
        for name in NAMES:
            setattr(self.calls, name, getattr(self.calls, name) + weight * getattr(other.calls, name))

    def numbers(self) -> list[float]:
        """In the order of the fields, those of `calls` last."""
        return [getattr(self, name) for name in _OWN] + [getattr(self.calls, name) for name in NAMES]

    @classmethod
    def of(cls, numbers: list[float]) -> Sums:
        """Raises ValueError for another number of numbers, and for negative ones."""
        if len(numbers) != len(_OWN) + len(NAMES) or any(number < 0 for number in numbers):
            raise ValueError(numbers)
        own, calls = numbers[: len(_OWN)], numbers[len(_OWN) :]
        return cls(**dict(zip(_OWN, own, strict=True)), calls=Calls(**dict(zip(NAMES, calls, strict=True))))


_OWN = tuple(one.name for one in fields(Sums) if one.name != "calls")


class Ledger(Protocol):
    def note(self, function: str, sums: Sums, tariff: Tariff, memory_mb: int) -> None:
        """One invocation. Never raises."""
        ...

    def flush(self) -> None:
        """Write what is not written yet. Never raises."""
        ...


class NoLedger:
    def note(self, function: str, sums: Sums, tariff: Tariff, memory_mb: int) -> None: ...

    def flush(self) -> None: ...


class SummedLedger:
    """Of a process that lives long. Safe for several threads; may be made before a fork."""

    def __init__(self, store: Callable[[], ObjectStore], clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._days: dict[date, dict[str, Sums]] = {}
        self._keys: dict[date, str] = {}
        self._changed: set[date] = set()
        self._flushed_at: float | None = None

    def note(self, function: str, sums: Sums, tariff: Tariff, memory_mb: int) -> None:  # noqa: ARG002 (the port's)
        today, now = self._clock.now().date(), self._clock.monotonic()
        with self._lock:
            if self._flushed_at is None:
                self._flushed_at = now
            self._days.setdefault(today, {}).setdefault(function, Sums()).add(sums)
            self._changed.add(today)
            is_due = now - self._flushed_at >= FLUSH_SECONDS
            if is_due:
                self._flushed_at = now
        if is_due:
            self.flush()

    def flush(self) -> None:
        with self._lock:
            bodies = {}
            for day in self._changed:
                key = self._keys.setdefault(day, f"{folder(day)}{new_ulid(self._clock.now())}.json")
                by_function = {name: sums.numbers() for name, sums in self._days[day].items()}
                bodies[key] = json.dumps(by_function, separators=(",", ":")).encode()
            self._changed.clear()
            newest = max(self._days, default=None)
            for day in [day for day in self._days if day != newest]:
                del self._days[day], self._keys[day]
        for key, body in bodies.items():
            _write(self._store(), key, body)


class SampledLedger:
    """Of an environment that may end after any invocation."""

    def __init__(self, store: Callable[[], ObjectStore], clock: Clock, rng: Random) -> None:
        self._store = store
        self._clock = clock
        self._rng = rng

    def note(self, function: str, sums: Sums, tariff: Tariff, memory_mb: int) -> None:
        work = Work(memory_mb, sums.runs, sums.ms, sums.calls, sums.api_requests, sums.scheduled, sums.bytes_out)
        dollars = sum(bill.lines(work, tariff).values())
        share = min(1.0, dollars / UNIT_DOLLARS)
        if self._rng.random() >= share:
            return
        weight = round(_WEIGHT / share)
        now = self._clock.now()
        numbers = ".".join(str(round(number)) for number in sums.numbers())
        _write(self._store(), f"{folder(now.date())}{new_ulid(now)}={function}/{weight}.{numbers}", b"")

    def flush(self) -> None: ...


def folder(day: date) -> str:
    return f"{PREFIX}day={day.isoformat()}/"


@dataclass(slots=True)
class Counted:
    """What is kept of some days."""

    by_function: dict[str, Sums] = field(default_factory=dict)
    first: date | None = None
    """The first of these days of which anything is kept."""
    samples: int = 0
    """Records that stand for others."""


def read(store: ObjectStore, since: date, until: date) -> Counted:
    """Of these days, both included. What is damaged is left out and logged. Raises UnavailableError."""
    found = Counted()
    for entry in store.list(PREFIX, after=f"{PREFIX}day={since.isoformat()}"):
        if entry.key >= folder(until + timedelta(days=1)):
            break
        try:
            day = date.fromisoformat(entry.key.removeprefix(PREFIX).partition("/")[0].removeprefix("day="))
            for function, sums, weight in _records(store, entry.key):
                found.by_function.setdefault(function, Sums()).add(sums, weight)
                found.samples += weight > 1
                found.first = found.first or day
        except (ValueError, TypeError, AttributeError, IndexError, RecursionError):
            log.warning("%s is damaged and is not counted", entry.key)
    return found


def forget(store: ObjectStore, now: datetime) -> int:
    """Remove what is older than KEPT; how many objects."""
    last = folder((now - KEPT).date())
    old = []
    for entry in store.list(PREFIX):
        if entry.key >= last:
            break
        old.append(entry.key)
    store.remove(old)
    return len(old)


def _records(store: ObjectStore, key: str) -> Iterator[tuple[str, Sums, float]]:
    """Raises ValueError, TypeError or AttributeError for what was not written here."""
    name = key.split("/", 2)[2]
    if name.endswith(".json"):
        blob = store.read(key)
        if blob is not None:  # or it was removed meanwhile
            yield from ((function, Sums.of(list(numbers)), 1.0) for function, numbers in json.loads(blob.body).items())
        return
    named, written = name.split("/")
    _, function = named.split("=")
    weight, *numbers = (int(number) for number in written.split("."))
    yield function, Sums.of([float(number) for number in numbers]), weight / _WEIGHT


def _write(store: ObjectStore, key: str, body: bytes) -> None:
    try:
        store.write(key, body, expect=ANYTHING, content_type="application/json")
    except AgnesError as exc:  # a count that is lost must cost nobody an answer
        log.warning("what was counted is lost: %s", exc.message)
