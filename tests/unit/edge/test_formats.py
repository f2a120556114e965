from datetime import UTC, date, datetime

import pytest

from agnes.edge import formats


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (1000, "1k"),
        (1234, "1.2k"),
        (999_949, "999.9k"),
        (999_950, "1M"),
        (1_000_000, "1M"),
        (14_000_000, "14M"),
        (999_950_000, "1B"),
    ],
)
def test_short_numbers(value, text):
    assert formats.short_number(value) == text


@pytest.mark.parametrize(
    ("then", "text"),
    [
        (date(2026, 11, 23), "today"),
        (date(2026, 11, 24), "today"),
        (datetime(2026, 11, 22, 23, 59, tzinfo=UTC), "yesterday"),
        (date(2026, 10, 25), "29 days ago"),
        (date(2026, 10, 24), "1 month ago"),
        (date(2026, 1, 1), "10 months ago"),
        (date(2025, 11, 23), "1 year ago"),
        (date(2020, 1, 1), "6 years ago"),
        (None, "never"),
    ],
)
def test_relative_days(then, text):
    assert formats.days_ago(then, date(2026, 11, 23)) == text


@pytest.mark.parametrize(("value", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_500_000, "2.5 MB")])
def test_sizes(value, text):
    assert formats.size(value) == text
