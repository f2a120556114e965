"""The intervals of the schedules are checked at start, and what is wrong is named."""

from __future__ import annotations

import pytest

from agnes.settings import Settings, SettingsError, load

INTERVALS = sorted(
    name.upper() for name in Settings.model_fields if name.startswith("scheduler_") and name.endswith("_interval")
)


def test_the_defaults():
    assert {name: load({}).seconds_between(name) for name in INTERVALS}.items() >= {
        "SCHEDULER_SESSION_COLLECTOR_INTERVAL": 600,
        "SCHEDULER_USAGE_PROCESSOR_INTERVAL": 600,
        "SCHEDULER_VERIFICATION_DETECTOR_INTERVAL": 900,
        "SCHEDULER_CORPORATE_MEMORY_INTERVAL": 1020,
        "SCHEDULER_USAGE_PRUNE_INTERVAL": 86400,
    }.items()


@pytest.mark.parametrize("name", INTERVALS)
@pytest.mark.parametrize("wrong", ["", " ", "0", "-1", "ten", "1.5", "rate(0 minutes)", "rate(x)"])
def test_a_wrong_interval_stops_the_start_and_is_named(name, wrong):
    with pytest.raises(SettingsError, match=f"  {name}: "):
        load({name: wrong})


def test_seconds_or_as_a_stack_says_it():
    assert load({"SCHEDULER_USAGE_PRUNE_INTERVAL": "7"}).scheduler_usage_prune_interval == 7
    assert load({"SCHEDULER_USAGE_PRUNE_INTERVAL": "rate(2 hours)"}).scheduler_usage_prune_interval == 7200
