"""An object store that loses replies: a wrapper around any other, for simulations.

`choose(verb, key)` names the fault of each call; `seeded(rng, rates)` makes such a chooser.
It lives with the tests since the product never runs over it; it passes no contract on purpose.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import (
    Blob,
    Clock,
    Entry,
    Expect,
    NotModified,
    ObjectStore,
    OutcomeUnknown,
    PreconditionFailed,
    TryAgain,
    Version,
)


class Fault(StrEnum):
    NONE = "none"
    LOST_BEFORE = "lost_before"  # OutcomeUnknown; the store never saw the write, and never will
    LOST_AFTER = "lost_after"  # OutcomeUnknown; the store acted (and may have refused)
    LATE = "late"  # OutcomeUnknown; the write reaches the store during a later call
    BUSY = "busy"  # TryAgain (409 or 503); nothing happened
    SLOW = "slow"  # the clock sleeps, then the store acts
    UNREADABLE = "unreadable"  # a read, list or remove raises UnavailableError


Choose = Callable[[str, str], Fault]


def seeded(rng: random.Random, rates: Mapping[Fault, float]) -> Choose:
    """Each call meets one fault at most; `rates` are probabilities (the rest is NONE). Faults that do not
    fit the verb count as NONE. One draw a call, so that a seed replays."""

    def choose(verb: str, key: str) -> Fault:
        draw = rng.random()
        for fault, rate in rates.items():
            draw -= rate
            if draw < 0:
                return fault
        return Fault.NONE

    return choose


class FaultyStore:
    """`trace` lists what happened to each call, as (verb, key, fault).

    A late write lands at the start of the n-th later call, n = `late_calls()`, or by `land()`.
    """

    def __init__(
        self,
        inner: ObjectStore,
        choose: Choose,
        *,
        clock: Clock,
        delay_seconds: float = 1.0,
        late_calls: Callable[[], int] = lambda: 1,
    ) -> None:
        self.inner = inner
        self._choose = choose
        self._clock = clock
        self._delay_seconds = delay_seconds
        self._late_calls = late_calls
        self._calls = 0
        self._late: list[tuple[int, Callable[[], object]]] = []
        self.trace: list[tuple[str, str, Fault]] = []

    def read(self, key: str) -> Blob | None:
        self._meet("read", key)
        return self.inner.read(key)

    def read_if_changed(self, key: str, version: Version) -> Blob | NotModified | None:
        self._meet("read", key)
        return self.inner.read_if_changed(key, version)

    def write(
        self, key: str, body: bytes, *, expect: Expect, content_type: str = "application/octet-stream"
    ) -> Version:
        def act() -> Version:
            return self.inner.write(key, body, expect=expect, content_type=content_type)

        match self._meet("write", key):
            case Fault.BUSY:
                raise TryAgain(key, "injected")
            case Fault.LOST_BEFORE:
                raise OutcomeUnknown(key, "injected before the store acted")
            case Fault.LOST_AFTER:
                self._quietly(act)
                raise OutcomeUnknown(key, "injected after the store acted")
            case Fault.LATE:
                self._late.append((self._calls + self._late_calls(), act))
                raise OutcomeUnknown(key, "injected, still under way")
        return act()

    def list(self, prefix: str, *, after: str = "") -> Iterator[Entry]:
        self._meet("list", prefix)
        return self.inner.list(prefix, after=after)

    def remove(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        self._meet("remove", keys[0] if keys else "")
        self.inner.remove(keys)

    def write_pieces(self, key: str, pieces: Iterable[bytes], **options: str) -> int:
        return self.inner.write_pieces(key, pieces, **options)

    def download(self, key: str, path: Path) -> bool:
        return self.inner.download(key, path)

    def presign_get(
        self, key: str, *, seconds: int, filename: str | None = None, content_type: str | None = None
    ) -> str:
        return self.inner.presign_get(key, seconds=seconds, filename=filename, content_type=content_type)

    def presign_put(self, key: str, *, seconds: int, size_bytes: int, sha256_hex: str, content_type: str) -> str:
        return self.inner.presign_put(
            key, seconds=seconds, size_bytes=size_bytes, sha256_hex=sha256_hex, content_type=content_type
        )

    def land(self) -> None:
        """Let every late write reach the store now."""
        self._land(due=self._calls + 10**9)

    def _land(self, due: int) -> None:
        late, self._late = self._late, []
        for at, act in late:
            if at <= due:
                self._quietly(act)
            else:
                self._late.append((at, act))

    def _meet(self, verb: str, key: str) -> Fault:
        self._calls += 1
        self._land(self._calls)
        fault = self._choose(verb, key)
        self.trace.append((verb, key, fault))
        if fault is Fault.SLOW:
            self._clock.sleep(self._delay_seconds)
        if fault is Fault.UNREADABLE and verb != "write":
            raise UnavailableError(f"{verb} of {key}: injected")
        return fault

    @staticmethod
    def _quietly(act: Callable[[], object]) -> None:
        with contextlib.suppress(PreconditionFailed):  # nobody hears the store's answer
            act()
