"""Clocks: the system's, and one that tests hold in their hand."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from math import ceil


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class FixedClock:
    """Stands still until told otherwise; `sleep` moves it."""

    def __init__(self, at: datetime) -> None:
        self._now = at
        self._elapsed = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._elapsed += seconds


def seconds_until_midnight(now: datetime) -> int:
    """Until the next day begins in UTC, rounded up: whoever waits so long is in it. From 1 to 86,400."""
    day = now.astimezone(UTC)
    tomorrow = day.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return ceil((tomorrow - day).total_seconds())
