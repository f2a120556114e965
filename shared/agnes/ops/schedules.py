"""EventBridge's schedule expressions, as far as infra/ uses them: when is a job due next?"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_PART = re.compile(r"(\*|\?|\d+)(?:-(\d+))?(?:/(\d+))?")
_DAYS_AHEAD = 366 * 4
_TIMES = 32


def seconds_of(expression: str) -> int | None:
    """The interval of a `rate(…)`; None for anything else."""
    rate = _RATE.fullmatch(expression)
    return int(timedelta(**{f"{rate[2]}s": int(rate[1])}).total_seconds()) if rate else None


def next_of_cron(expression: str, now: datetime) -> datetime | None:
    """The first time after `now`, UTC; None for what cannot be told here: weekdays by number or name, `L`, `W`, `#`."""
    cron = _CRON.fullmatch(expression)
    if not cron or cron[5] not in ("?", "*"):
        return None
    try:
        minutes, hours = _values(cron[1], 0, 59), _values(cron[2], 0, 23)
        days, months, years = _values(cron[3], 1, 31), _values(cron[4], 1, 12), _values(cron[6], 1970, 2199)
    except ValueError:
        return None
    first = (now + timedelta(minutes=1)).replace(second=0, microsecond=0, tzinfo=UTC)
    for ahead in range(_DAYS_AHEAD):
        day = (first + timedelta(days=ahead)).date()
        if day.day in days and day.month in months and day.year in years:
            for hour in sorted(hours):
                for minute in sorted(minutes):
                    found = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                    if found >= first:
                        return found
    return None


def longest_gap(expression: str, now: datetime) -> int:
    """Seconds that lie at most between two of the next times; a month for what cannot be told here."""
    if (every := seconds_of(expression)) is not None:
        return every
    times = [now]
    while len(times) <= _TIMES and (following := next_of_cron(expression, times[-1])):
        times.append(following)
    gaps = [int((late - early).total_seconds()) for early, late in pairwise(times[1:])]
    return max(gaps, default=31 * 86400)


def _values(field: str, low: int, high: int) -> range | set[int]:
    """Raises ValueError."""
    found: set[int] = set()
    for text in field.split(","):
        part = _PART.fullmatch(text)
        if not part:
            raise ValueError(field)
        anything = part[1] in ("*", "?")
        begin = low if anything else int(part[1])
        end = high if anything or (part[3] and not part[2]) else int(part[2] or part[1])
        if not low <= begin <= end <= high or part[3] == "0":
            raise ValueError(field)
        found |= set(range(begin, end + 1, int(part[3] or 1)))
    return found
