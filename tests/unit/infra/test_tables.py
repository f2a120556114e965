"""What an entry may say, and how a wrong one is told."""

from __future__ import annotations

import pydantic
import pytest

from infra.discovery import CompositionError
from infra.tables import Entry, _unknown_names

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"timeout_seconds": 60}, "behind the API a function has 28 seconds"),
        ({"schedule": {"cron": "0 3 * * ? *", "every": "5 minutes"}}, "either `every` or `cron`"),
        ({"schedule": {}}, "either `every` or `cron`"),
        ({"schedule": {"every": "SCHEDULER_X_INTERVAL"}, "queue": {"name": "q"}}, "by a schedule, by a queue"),
        ({"red": ["people"]}, "Extra inputs"),
        ({"gets": ["/absolute"]}, "should match pattern"),
        ({"gets": ["*"]}, "should match pattern"),
        ({"layers": ["numpy"]}, "Input should be"),
        ({"queue": {"name": "q", "concurrency": 1}}, "greater than or equal to 2"),
    ],
)
def test_a_wrong_entry_is_refused(given: dict, reason: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=reason):
        Entry.model_validate(given)


def test_names_must_exist() -> None:
    entries = {("feed", "get_zip"): Entry(reads=("poeple",), sends=("nowhere",))}
    assert list(_unknown_names(entries)) == [
        "infra/feed.yaml: get_zip: no state file 'poeple'",
        "infra/feed.yaml: get_zip: nobody takes from a queue 'nowhere'",
    ]


def test_problems_are_told_together() -> None:
    error = CompositionError(["one", "two"])
    assert str(error) == "the templates do not compose:\n  one\n  two"
