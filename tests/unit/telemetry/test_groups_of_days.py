"""How many days are rolled up at once: what memory is for, and never nothing."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from agnes.telemetry.lake.rollups import DAYS_AT_ONCE, EVENTS_AT_ONCE, groups_of_days

FIRST = date(2026, 11, 1)


def sizes(*events: int) -> list[int]:
    groups = groups_of_days({FIRST + timedelta(days=n): count for n, count in enumerate(events)})
    assert [day for group in groups for day in group] == [FIRST + timedelta(days=n) for n in range(len(events))]
    return [len(group) for group in groups]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((), []),
        ((0,), [1]),
        ((1,) * (DAYS_AT_ONCE + 1), [DAYS_AT_ONCE, 1]),
        ((EVENTS_AT_ONCE // 2,) * 3, [2, 1]),
        ((EVENTS_AT_ONCE, 1, 1), [1, 2]),
        ((1, EVENTS_AT_ONCE * 9, 1), [1, 1, 1]),
    ],
)
def test_groups(events: tuple[int, ...], expected: list[int]) -> None:
    assert sizes(*events) == expected
