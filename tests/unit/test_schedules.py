"""EventBridge's schedule expressions: against examples of its documentation, and against another scheduler's calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from apscheduler.triggers.cron import CronTrigger

from agnes.kernel.schedules import UnknownSchedule, parse

NOW = datetime(2026, 11, 23, 9, 17, 30, tzinfo=UTC)  # a Monday


def following(expression: str, count: int = 3) -> list[str]:
    return [f"{at:%a %Y-%m-%d %H:%M}" for at in islice(parse(expression).times(NOW), count)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # Of the documentation's table of examples.
        ("cron(0 10 * * ? *)", ["Mon 2026-11-23 10:00", "Tue 2026-11-24 10:00"]),
        ("cron(15 12 * * ? *)", ["Mon 2026-11-23 12:15"]),
        ("cron(0 18 ? * MON-FRI *)", ["Mon 2026-11-23 18:00", "Tue 2026-11-24 18:00"]),
        ("cron(0 8 1 * ? *)", ["Tue 2026-12-01 08:00", "Fri 2027-01-01 08:00"]),
        ("cron(0/15 * * * ? *)", ["Mon 2026-11-23 09:30", "Mon 2026-11-23 09:45"]),
        ("cron(0/10 * ? * MON-FRI *)", ["Mon 2026-11-23 09:20"]),
        ("cron(0/5 8-17 ? * MON-FRI *)", ["Mon 2026-11-23 09:20", "Mon 2026-11-23 09:25"]),
        ("cron(15 10 ? * 6L 2026-2027)", ["Fri 2026-11-27 10:15", "Fri 2026-12-25 10:15"]),
        # Weekdays count from Sunday, 1.
        ("cron(0 4 ? * 1 *)", ["Sun 2026-11-29 04:00", "Sun 2026-12-06 04:00"]),
        ("cron(0 4 ? * 7 *)", ["Sat 2026-11-28 04:00"]),
        ("cron(0 4 ? * 6-2 *)", ["Fri 2026-11-27 04:00", "Sat 2026-11-28 04:00", "Sun 2026-11-29 04:00"]),
        ("cron(0 4 ? * FRI#2 *)", ["Fri 2026-12-11 04:00"]),
        ("cron(0 4 ? * 3#1 *)", ["Tue 2026-12-01 04:00"]),
        ("cron(0 4 L * ? *)", ["Mon 2026-11-30 04:00", "Thu 2026-12-31 04:00"]),
        ("cron(0 0 29 2 ? *)", ["Tue 2028-02-29 00:00", "Sun 2032-02-29 00:00"]),
        ("cron(0 12 1-7/2 6,12 ? 2026-2030/4)", ["Tue 2026-12-01 12:00", "Thu 2026-12-03 12:00"]),
        ("cron(30 3 1 jan ? 2030)", ["Tue 2030-01-01 03:30"]),
    ],
)
def test_what_eventbridge_means(expression, expected):
    assert following(expression, len(expected)) == expected


@pytest.mark.parametrize(
    "fields",
    [
        "0 3 * * ? *",
        "17 9 * * ? *",
        "0/20 9 * * ? *",
        "5,10 0-4 1 1 ? *",
        "20 1/6 * * ? *",
        "0 0 29 2 ? *",
        "59 23 31 * ? *",
    ],
)
def test_the_calendar_is_that_of_another_scheduler(fields):
    minute, hour, day, month, _, year = fields.split()
    other = CronTrigger(minute=minute, hour=hour, day=day, month=month, year=year, timezone=UTC)
    at, rule = NOW, parse(f"cron({fields})")
    for _ in range(40):
        expected = other.get_next_fire_time(None, at + timedelta(microseconds=1))
        found = rule.next_after(at)
        assert found == expected
        assert found is not None
        at = found


@pytest.mark.parametrize(
    "expression",
    [
        "", "at(2026-01-01T00:00:00)", "rate(0 minutes)", "rate(0.5 hours)", "rate(1 week)", "cron(0 3 * * *)",
        "cron(61 3 * * ? *)", "cron(0 24 * * ? *)", "cron(0 0 31 2 ? *)", "cron(0 3 * * * *)", "cron(0 3 ? * ? *)",
        "cron(0 3 15W * ? *)", "cron(0 3 ? * 0 *)", "cron(0 3 ? * 8 *)", "cron(0 3 ? * MON/0 *)", "cron(0 3 * * ? 26)",
        "cron(0 3 * * ? 2030-2026)", "cron(0 3 ? * XYZ *)", "cron(0/0 3 * * ? *)",
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused(expression):
    with pytest.raises(UnknownSchedule):
        parse(expression)


def test_what_is_over_has_no_next_time():
    assert parse("cron(0 3 * * ? 2020)").next_after(NOW) is None
    assert parse("cron(0 3 * * ? 2026)").next_after(datetime(2026, 12, 31, 3, tzinfo=UTC)) is None
    assert parse("cron(0 3 * * ? 2020)").longest_gap(NOW) == 31 * 86400


@pytest.mark.parametrize(
    ("expression", "seconds", "gap"),
    [
        ("rate(1 minute)", 60, 60),
        ("rate(2 hours)", 7200, 7200),
        ("rate(3 days)", 259200, 259200),
        ("cron(0 3 * * ? *)", None, 86400),
        ("cron(20 1/6 * * ? *)", None, 6 * 3600),
        ("cron(0 18 ? * MON-FRI *)", None, 3 * 86400),
    ],
)
def test_rates_and_gaps(expression, seconds, gap):
    rule = parse(expression)
    assert (rule.every_seconds, rule.longest_gap(NOW)) == (seconds, gap)
