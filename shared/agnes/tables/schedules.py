"""When a table is due: `every 15m`, `every 2h`, `daily 05:00`, `daily 05:00,17:30`, in UTC.

A slot of `daily` that no run began at, because nothing ran at that time, is made up for by the next tick, once, also after
midnight. A table that failed waits longer each time: 5 minutes, doubled up to 6 hours, whatever its schedule.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agnes.tables.model import TableInvalid

_EVERY = re.compile(r"every (\d{1,5})([mh])")
_DAILY = re.compile(r"daily ((?:[01]\d|2[0-3]):[0-5]\d(?:,(?:[01]\d|2[0-3]):[0-5]\d)*)")

DEFAULTS = {"local": "every 15m", "materialized": "every 1h"}
"""By query mode, for tables without a schedule of their own."""
FIRST_RETRY = timedelta(minutes=5)
LONGEST_RETRY = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Either an interval, or minutes of the day."""

    every: timedelta | None = None
    at: tuple[int, ...] = ()

    def last_slot(self, now: datetime) -> datetime:
        """Of `daily`: the latest of its times that is not after `now`."""
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        slots = [midnight + timedelta(days=day, minutes=minute) for day in (-1, 0) for minute in self.at]
        return max(slot for slot in slots if slot <= now)

    def is_due(self, last: datetime | None, now: datetime) -> bool:
        """`last` is when the last successful run began; None: there was none, so it is due."""
        if last is None:
            return True
        if self.every is not None:
            return now - last >= self.every
        return last < self.last_slot(now)

    def next_after(self, last: datetime | None, now: datetime) -> datetime:
        """When it is due next: `now` if it is."""
        if last is None or self.is_due(last, now):
            return now
        if self.every is not None:
            return last + self.every
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        slots = [midnight + timedelta(days=day, minutes=minute) for day in (0, 1) for minute in self.at]
        return min(slot for slot in slots if slot > now)


def parse(text: str) -> Schedule:
    """Raises TableInvalid for anything else."""
    if matched := _EVERY.fullmatch(text):
        unit = "minutes" if matched[2] == "m" else "hours"
        return Schedule(every=timedelta(**{unit: int(matched[1])}))
    if matched := _DAILY.fullmatch(text):
        minutes = {int(each[:2]) * 60 + int(each[3:]) for each in matched[1].split(",")}
        return Schedule(at=tuple(sorted(minutes)))
    raise TableInvalid(
        (f"sync_schedule {text[:64]!r} is none: write `every 15m`, `every 2h` or `daily 05:00,17:30` (UTC)",)
    )


def of(query_mode: str, sync_schedule: str | None) -> Schedule:
    """The schedule of a collected table, its own or its mode's."""
    return parse(sync_schedule or DEFAULTS[query_mode])


def retry_at(ended: datetime, failures: int) -> datetime:
    """When a table that failed so many times in a row is tried again."""
    waited: timedelta = FIRST_RETRY * 2 ** min(failures - 1, 20)
    return ended + min(waited, LONGEST_RETRY)
