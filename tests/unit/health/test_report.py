"""Each situation and its colour."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agnes.audit.durations import span
from agnes.health.installation import JobHealth, StoreHealth
from agnes.health.report import Facts, HealthReport, Schedule, judge
from agnes.kernel.schedules import parse
from agnes.telemetry.service import Bills, Damage

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
MINUTES, HOURS = 60, 3600
EXTRACT, SYNC = "telemetry.extract", "marketplace.sync"


def run(age: int, *, success: int | None = -1, error: str | None = None) -> JobHealth:
    """A last run so many seconds ago; its last success then, or that of an earlier one."""
    succeeded = age if success == -1 else success
    at = None if succeeded is None else NOW - timedelta(seconds=succeeded)
    return JobHealth("error" if error else "ok", NOW - timedelta(seconds=age), age, 1.0, error, at)


WELL = Facts(
    now=NOW,
    store=StoreHealth("ok", 1.5),
    schedules=[Schedule(EXTRACT, 600), Schedule(SYNC, 24 * HOURS)],
    jobs={EXTRACT: run(300), SYNC: run(6 * HOURS)},
    dead_letters={"failed-runs": 0, "marketplace-sync": 0},
    syncs={"changed": 1, "unchanged": 19},
    active_users=3,
    lake=Damage(0, 0, 0, 0, ()),
)


def colors(pulse: HealthReport) -> dict[str, str]:
    """Those that are not green."""
    return {field.key: field.color for field in pulse.fields if field.color != "green"}


def with_run(job: str, found: JobHealth | None) -> Facts:
    return replace(WELL, jobs={name: each for name, each in {**WELL.jobs, job: found}.items() if each})


def test_all_is_well():
    pulse = judge(WELL)
    assert (pulse.status, colors(pulse)) == ("green", {})
    assert pulse.sentence.startswith("All is well")
    assert {field.key for field in pulse.fields} == {
        *("state_files", "usage_data", "plugin_files"),
        *("store", "scheduler", f"schedule.{EXTRACT}", f"schedule.{SYNC}", "failed_runs_24h", "dead_letters"),
        *(
            "inbox",
            "oldest_unprocessed",
            "quarantined",
            "bills_24h",
            "sync_24h",
            "active_users_today",
            "diagnose_warnings",
        ),
    }


@pytest.mark.parametrize(
    ("found", "color"),
    [
        (run(1200), "green"),
        (run(1201), "yellow"),
        (run(2400), "yellow"),
        (run(2401), "red"),
        (run(10, success=700, error="no"), "yellow"),
        (run(10, success=1201, error="no"), "yellow"),
        (run(10, success=2401, error="no"), "red"),
        (run(10, success=None, error="no"), "red"),
        (None, "yellow"),
    ],
)
def test_a_schedule_is_judged_by_its_last_success(found, color):
    assert colors(judge(with_run(EXTRACT, found))).get(f"schedule.{EXTRACT}", "green") == color


def test_what_failed_says_why_and_when_it_worked():
    pulse = judge(with_run(EXTRACT, run(120, success=1500, error="the bucket is gone")))
    [field] = [field for field in pulse.fields if field.key == f"schedule.{EXTRACT}"]
    assert field.value == "failed 2 minutes ago, last succeeded 25 minutes ago, runs every 10 minutes"
    assert "the bucket is gone" in pulse.sentence
    assert (pulse.status, field.raw) == ("yellow", 1500)


def test_a_new_installation_waits_for_its_first_runs():
    new = replace(WELL, jobs={EXTRACT: run(30)}, installed_at=NOW - timedelta(minutes=5))
    assert colors(judge(new)) == {}
    old = replace(new, installed_at=NOW - timedelta(days=3))
    assert colors(judge(old)) == {f"schedule.{SYNC}": "yellow"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"jobs": {}}, {"scheduler": "yellow", f"schedule.{EXTRACT}": "yellow", f"schedule.{SYNC}": "yellow"}),
        ({"jobs": {"ops.prepare": run(5)}}, {"scheduler": "yellow"}),
        ({"jobs": {EXTRACT: run(1801)}}, {"scheduler": "yellow"}),
        ({"jobs": {EXTRACT: run(7201)}}, {"scheduler": "red", f"schedule.{EXTRACT}": "red"}),
        ({"failed": {EXTRACT: 1}}, {"failed_runs_24h": "yellow"}),
        ({"failed": {EXTRACT: 6, SYNC: 4}}, {"failed_runs_24h": "red"}),
        ({"dead_letters": {"failed-runs": 2}}, {"dead_letters": "yellow"}),
        ({"dead_letters": None}, {"dead_letters": "yellow"}),
        ({"waiting": 5, "oldest_waiting_at": NOW - timedelta(minutes=20)}, {}),
        ({"waiting": 5, "oldest_waiting_at": NOW - timedelta(minutes=21)}, {"oldest_unprocessed": "yellow"}),
        ({"waiting": 5, "oldest_waiting_at": NOW - timedelta(minutes=41)}, {"oldest_unprocessed": "red"}),
        ({"waiting": 5, "oldest_waiting_at": NOW + timedelta(minutes=1)}, {}),
        ({"quarantined": 9}, {}),
        ({"quarantined": 9, "quarantined_today": 1}, {"quarantined": "yellow"}),
        ({"syncs": None}, {}),
        ({"syncs": {}}, {"sync_24h": "yellow"}),
        ({"syncs": {"failed": 1, "unchanged": 19}}, {"sync_24h": "yellow"}),
        ({"syncs": {"failed": 2, "unchanged": 19}}, {"sync_24h": "red"}),
        ({"warnings": ["people is migrating"]}, {"diagnose_warnings": "yellow"}),
        ({"broken": ["people was written by a newer release"]}, {"diagnose_warnings": "red"}),
        ({"active_users": 0}, {}),
    ],
)
def test_a_situation_and_its_colours(change, expected):
    pulse = judge(replace(WELL, **change))
    found = colors(pulse)
    assert expected.items() <= found.items()
    assert bool(found) is bool(expected)
    worst = "red" if "red" in found.values() else "yellow" if found else "green"
    assert pulse.status == worst
    for field in pulse.fields:
        assert bool(field.advice) is (field.color != "green"), field


def test_a_store_that_does_not_answer_is_all_there_is_to_say():
    pulse = judge(replace(WELL, store=StoreHealth("error", 0, "unavailable")))
    assert (pulse.status, [field.key for field in pulse.fields]) == ("red", ["store"])
    assert "does not answer" in pulse.sentence


def test_the_sentence_says_the_worst_and_how_many_more():
    pulse = judge(
        replace(WELL, syncs={"failed": 2}, dead_letters={"failed-runs": 1}, quarantined=1, quarantined_today=1)
    )
    assert pulse.sentence.startswith("Something is broken. Marketplace syncs: 0 of 2 succeeded")
    assert pulse.sentence.endswith("2 more fields are not green.")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 seconds"), (1, "1 second"), (90, "1 minute"), (7200, "2 hours"), (86400, "1 day")]
)
def test_a_span_in_words(seconds, said):
    assert span(seconds) == said


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [
        ("rate(10 minutes)", 600),
        ("cron(30 3 * * ? *)", 86400),
        ("cron(20 1/6 * * ? *)", 6 * HOURS),
        ("cron(0 3,9 * * ? *)", 18 * HOURS),
        ("cron(0 3 ? * MON *)", 7 * 86400),
    ],
)
def test_the_longest_gap_of_a_schedule(expression, seconds):
    assert parse(expression).longest_gap(NOW) == seconds


BILLS = Bills(10, 2, 0, 0.0, 3, -0.4, 0, ())


@pytest.mark.parametrize(
    ("bills", "color", "value"),
    [
        (None, "green", "no session of 24 hours has a bill"),
        (BILLS, "green", "7 of 10 sessions of 24 hours are equal; 3 with requests that only one side counts (-$0.40)"),
        (
            replace(BILLS, other_price=1, other_price_usd=1.5, models=("claude-opus-6",)),
            "yellow",
            "1 at another price (+$1.50)",
        ),
        (replace(BILLS, unpriced=2, models=("glm-4.6",)), "yellow", "2 with a model that has no list price"),
    ],
)
def test_our_costs_against_the_clients_bills(bills, color, value):
    (field,) = [each for each in judge(replace(WELL, bills=bills)).fields if each.key == "bills_24h"]
    assert field.color == color
    assert value in field.value
    assert all(model in field.advice for model in (bills.models if bills else ()))


@pytest.mark.parametrize(
    ("lake", "color", "said"),
    [
        (Damage(2, 0, 0, 0, (NOW.date(),)), "red", "2 damaged files, of 2026-11-23"),
        (Damage(0, 1, 3, 0, (NOW.date(),)), "yellow", "events of 3 sessions and 0 daily rollups could not be rebuilt"),
        (Damage(0, 1, 0, 0, (NOW.date(),)), "yellow", "1 damaged file of 2026-11-23 rebuilt"),
        (None, "yellow", "could not be looked at"),
    ],
)
def test_damaged_usage_data_is_named(lake, color, said):
    pulse = judge(replace(WELL, lake=lake))
    assert colors(pulse) == {"usage_data": color}
    assert said in next(field.value for field in pulse.fields if field.key == "usage_data")


def test_a_damaged_state_file_is_red_and_says_what_to_do():
    pulse = judge(replace(WELL, unreadable={"telemetry": "state_damaged"}))
    assert colors(pulse) == {"state_files": "red"}
    assert "agnes-local state check telemetry" in pulse.sentence
