"""EventBridge's schedule expressions, `rate(…)` and `cron(…)`, in UTC: when is something due next?

The one parser of them, for the local scheduler, for health and for what is composed into templates. cronsim walks the calendar;
here are the differences: a year, `?`, and weekdays that count from Sunday, 1. `W` (the weekday nearest to a day) is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise

from cronsim import CronSim, CronSimError

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
FIRST_YEAR, LAST_YEAR = 1970, 2199
_TIMES = 32
"""Of the next times, for the longest gap between two."""


class UnknownSchedule(ValueError):
    """An expression that is none, or of a form that Agnes does not know."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """`every` of a rate; of a cron expression its five fields as cronsim has them, and its years."""

    every: timedelta | None = None
    fields: str = ""
    years: frozenset[int] | None = None
    """None: every year."""

    @property
    def every_seconds(self) -> int | None:
        """Of a rate."""
        return None if self.every is None else int(self.every.total_seconds())

    def next_after(self, at: datetime) -> datetime | None:
        """The first time after `at`; None if there is none any more. A rate counts from `at`."""
        if self.every is not None:
            return at + self.every
        if self.years is None:
            return self._next_in_any_year(at)
        for year in sorted(year for year in self.years if year >= at.year):
            begin = max(at, datetime(year, 1, 1, tzinfo=UTC) - timedelta(seconds=1))
            found = self._next_in_any_year(begin)
            if found is not None and found.year == year:
                return found
        return None

    def _next_in_any_year(self, at: datetime) -> datetime | None:
        found: datetime | None = next(CronSim(self.fields, at.astimezone(UTC)), None)
        return found

    def times(self, at: datetime) -> Iterator[datetime]:
        """The times after `at`, one after another."""
        following = self.next_after(at)
        while following is not None:
            yield following
            following = self.next_after(following)

    def longest_gap(self, at: datetime) -> int:
        """Seconds that lie at most between two of the next times; a month where there are no two."""
        if self.every is not None:
            return int(self.every.total_seconds())
        times = [time for time, _ in zip(self.times(at), range(_TIMES), strict=False)]
        return max((int((late - early).total_seconds()) for early, late in pairwise(times)), default=31 * 86400)


@lru_cache(maxsize=256)
def parse(expression: str) -> Schedule:
    """Raises UnknownSchedule."""
    if rate := _RATE.fullmatch(expression):
        every = timedelta(**{f"{rate[2]}s": int(rate[1])})
        if every <= timedelta():
            raise UnknownSchedule(f"{expression} is due all the time")
        return Schedule(every)
    cron = _CRON.fullmatch(expression)
    if cron is None:
        raise UnknownSchedule(f"{expression!r} is neither rate(…) nor cron(…) with six fields")
    minute, hour, day, month, weekday, year = (field.upper() for field in cron.groups())
    if (day == "?") == (weekday == "?"):
        raise UnknownSchedule(f"{expression}: one of the day of the month and the day of the week is `?`")
    fields = " ".join((minute, hour, day.replace("?", "*"), month, _weekdays(weekday, expression)))
    try:
        CronSim(fields, datetime(2026, 1, 1, tzinfo=UTC))
    except (CronSimError, ValueError) as exc:
        raise UnknownSchedule(f"{expression}: {str(exc)[:100] or 'not known'}") from exc
    return Schedule(None, fields, _years(year, expression))


def _weekdays(field: str, expression: str) -> str:
    """EventBridge counts from Sunday, 1, and lets a range pass the week's end; cron counts from Sunday, 0."""
    if field in ("?", "*"):
        return "*"
    return ",".join(_weekday(part, expression) for part in field.split(","))


def _weekday(part: str, expression: str) -> str:
    if part.endswith("L") and part != "L":
        return f"{_day(part[:-1], expression)}L"
    if "#" in part:
        day, _, nth = part.partition("#")
        return f"{_day(day, expression)}#{nth}"
    days, slash, step = part.partition("/")
    first, dash, last = days.partition("-")
    if first == "*":
        return part
    begin = _day(first, expression)
    if not dash and not slash:
        return str(begin)
    end = _day(last, expression) if dash else 6
    if slash and not (step.isdecimal() and int(step)):
        raise UnknownSchedule(f"{expression}: {part} is no day of the week")
    length = (end - begin) % 7 + 1
    return ",".join(str((begin + offset) % 7) for offset in range(0, length, int(step) if slash else 1))


def _day(text: str, expression: str) -> int:
    if text in _WEEKDAYS:
        return _WEEKDAYS.index(text)
    if text.isdecimal() and 1 <= int(text) <= 7:
        return int(text) - 1
    raise UnknownSchedule(f"{expression}: {text or 'nothing'} is no day of the week")


def _years(field: str, expression: str) -> frozenset[int] | None:
    if field == "*":
        return None
    found: set[int] = set()
    for part in field.split(","):
        span = re.fullmatch(r"(\*|\d{4})(?:-(\d{4}))?(?:/(\d+))?", part)
        if span is None:
            raise UnknownSchedule(f"{expression}: {part} is no year")
        begin = FIRST_YEAR if span[1] == "*" else int(span[1])
        end = int(span[2]) if span[2] else LAST_YEAR if span[3] or span[1] == "*" else begin
        if not FIRST_YEAR <= begin <= end <= LAST_YEAR or span[3] == "0":
            raise UnknownSchedule(f"{expression}: {part} is no year")
        found |= set(range(begin, end + 1, int(span[3] or 1)))
    return frozenset(found)
