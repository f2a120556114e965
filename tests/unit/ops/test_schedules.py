"""When a job is due next: as the local scheduler, whose expressions are tested against EventBridge's meaning, has it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agnes.ops.schedules import next_of_cron, seconds_of
from agnes.settings import load
from agnes_local.composed import Job
from agnes_local.scheduler import trigger

NOW = datetime(2026, 11, 23, 9, 17, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "expression",
    [
        "cron(0 3 * * ? *)",
        "cron(30 3 * * ? *)",
        "cron(17 9 * * ? *)",
        "cron(0/20 9 * * ? *)",
        "cron(5,10 0-4 1 1 ? *)",
        "cron(0 0 29 2 ? *)",
        "cron(0 12 1-7/2 6,12 ? 2026-2030)",
    ],
)
def test_cron_as_the_scheduler_has_it(expression):
    job = Job("x", "x", lambda *_: None, expression, "", 0)
    at = NOW
    for _ in range(4):
        expected = trigger(job, load({}), first=NOW).get_next_fire_time(
            None, at + timedelta(minutes=1, microseconds=-1)
        )
        expected = expected if expected > at else None
        found = next_of_cron(expression, at)
        assert found is not None
        if found != expected:  # ours is after the whole minute of `at`
            assert found == trigger(job, load({}), first=NOW).get_next_fire_time(
                None, at.replace(second=0) + timedelta(minutes=1)
            )
        at = found


@pytest.mark.parametrize(
    "expression",
    ["cron(0 3 ? * MON *)", "cron(0 3 L * ? *)", "cron(61 3 * * ? *)", "rate(1 day)", "cron(0 0 31 2 ? *)", ""],
)
def test_what_it_cannot_tell_is_none(expression):
    assert next_of_cron(expression, NOW) is None


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [("rate(1 minute)", 60), ("rate(2 hours)", 7200), ("rate(3 days)", 259200), ("cron(0 3 * * ? *)", None)],
)
def test_rates(expression, seconds):
    assert seconds_of(expression) == seconds
