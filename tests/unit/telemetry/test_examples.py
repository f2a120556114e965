"""Every example of tests/samples/transcripts, with figures that were computed by hand."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from agnes.telemetry.extraction.served import Served, ServedPlugin
from agnes.telemetry.model import EventType
from tests.unit.telemetry.sessions import example, extracted, invocations, served

pytestmark = pytest.mark.slow

FINOPS = served("finops")


def counts(extraction) -> dict[str, int]:
    """What is not zero of the summary's counters."""
    s = extraction.summary
    found = {
        "prompts": s.user_messages,
        "responses": s.assistant_messages,
        "tools": s.tool_calls,
        "errors": s.tool_errors,
        "skills": s.skill_invocations,
        "subagents": s.subagent_dispatches,
        "mcp": s.mcp_calls,
        "commands": s.slash_commands,
        "in": s.input_tokens,
        "out": s.output_tokens,
        "read": s.cache_read_tokens,
        "made": s.cache_creation_tokens,
    }
    return {name: value for name, value in found.items() if value}


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        pytest.param([1], {"prompts": 3}, id="1-typed-prompts"),
        pytest.param([2], {"prompts": 3, "commands": 3}, id="2-local-command-output-is-no-prompt"),
        pytest.param([3], {}, id="3-results-are-no-prompts"),
        pytest.param([4], {}, id="4-meta-compaction-sidechain-are-no-prompts"),
        pytest.param(
            [5], {"responses": 1, "in": 12, "out": 96, "read": 18000, "made": 240}, id="5-one-response-in-two-lines"
        ),
        pytest.param(
            [6], {"responses": 4, "tools": 5, "in": 17, "out": 195, "read": 19000, "made": 90}, id="6-parallel-calls"
        ),
        pytest.param(
            [6, 3],
            {"responses": 4, "tools": 5, "errors": 2, "in": 17, "out": 195, "read": 19000, "made": 90},
            id="6-with-the-results-of-3",
        ),
        pytest.param([7], {"responses": 5, "tools": 5, "skills": 5, "in": 15, "out": 100}, id="7-skill-by-any-key"),
        pytest.param([8], {"responses": 4, "tools": 1, "subagents": 3, "in": 918, "out": 205}, id="8-subagents"),
        pytest.param([9], {"responses": 2, "mcp": 2, "errors": 1, "in": 4, "out": 66}, id="9-mcp"),
        pytest.param([10], {"responses": 1, "tools": 3, "errors": 2}, id="10-legacy-results"),
        pytest.param([11, 12, 16], {}, id="11-to-16-no-turns"),
        pytest.param([17], {"prompts": 1, "responses": 2, "tools": 2, "in": 12, "out": 62}, id="17-fork"),
        pytest.param([18], {"prompts": 2, "responses": 2, "tools": 1}, id="18-must-survive"),
    ],
)
def test_figures_of_a_block(blocks, expected):
    assert counts(extracted(example(*blocks))) == expected


def test_figures_of_the_whole_session():
    whole = extracted(example(*range(1, 13), 16), names=FINOPS)
    assert counts(whole) == {
        "prompts": 6,
        "responses": 17,
        "tools": 14,
        "errors": 5,
        "skills": 5,
        "subagents": 3,
        "mcp": 2,
        "commands": 3,
        "in": 966,
        "out": 662,
        "read": 37000,
        "made": 330,
    }
    summary = whole.summary
    assert (summary.distinct_tools, summary.distinct_skills) == (9, 4)
    assert summary.primary_model == "claude-sonnet-4-6"
    assert summary.started_at == datetime(2026, 1, 10, 9, 0, tzinfo=UTC)
    assert summary.ended_at == datetime(2026, 5, 12, 16, 0, 1, tzinfo=UTC)
    assert summary.wall_seconds == 122 * 86400 + 7 * 3600 + 1
    assert sum(file.skipped_lines for file in whole.files) == 0


def test_a_gap_of_more_than_ten_minutes_is_not_active():
    summary = extracted(example(5)).summary
    assert (summary.wall_seconds, summary.active_seconds) == (896, 1)


def test_named_commands():
    found = [event.command_name for event in invocations(extracted(example(2)))]
    assert found == ["finops:close-month", "clear", "agnes-store-bundle:tidy-csv-by-omar"]


def test_denied_and_failed_calls_are_the_errors_and_a_missing_result_is_none():
    events = invocations(extracted(example(6, 3)))
    assert [(event.tool_name, event.is_error) for event in events] == [
        ("Bash", False),
        ("Read", False),
        ("Read", False),
        ("Bash", True),
        ("Edit", True),
    ]
    assert len({event.event_id for event in events}) == 5


def test_skills_count_for_who_serves_them():
    names = Served(
        {
            "finops": (ServedPlugin("curated", "acme", "finops"),),
            "chartkit-by-omar": (ServedPlugin("flea", "", "chartkit"),),
        }
    )
    found = [
        (e.skill_name, e.source, e.plugin, e.item_kind, e.item_name)
        for e in invocations(extracted(example(7), names=names))
    ]
    assert found == [
        ("finops:forecast", "curated", "finops", "skill", "forecast"),
        ("agnes-store-bundle:tidy-csv-by-omar", "builtin", None, None, None),
        ("chartkit-by-omar:bar", "flea", "chartkit", "skill", "bar"),
        ("release-notes", "builtin", None, None, None),
        ("finops:forecast", "curated", "finops", "skill", "forecast"),
    ]


def test_subagents_fall_back_to_the_tools_name():
    events = invocations(extracted(example(8), names=FINOPS))
    assert [(e.tool_name, e.subagent_type, e.plugin, e.item_name, e.is_sidechain) for e in events] == [
        ("Task", "finops:auditor", "finops", "auditor", False),
        ("Agent", "Explore", None, None, False),
        ("Agent", "Agent", None, None, False),
        ("Grep", None, None, None, True),
    ]


def test_a_plugins_own_mcp_server_counts_for_the_plugin():
    events = invocations(extracted(example(9), names=FINOPS))
    assert [(e.event_type, e.is_error, e.plugin, e.item_kind, e.item_name) for e in events] == [
        ("mcp_call", False, None, None, None),
        ("mcp_call", True, "finops", "mcp", "ledger"),
    ]


def test_the_types_without_turns_widen_the_session_only():
    summary = extracted(example(11, 12, 16)).summary
    assert summary.started_at == datetime(2026, 5, 12, 7, 29, 59, tzinfo=UTC)
    assert summary.ended_at == datetime(2026, 5, 12, 16, 0, 1, tzinfo=UTC)


def test_a_forks_copies_are_the_same_events():
    original = extracted(example(6))
    fork = extracted(example(17), session="77777777-0002-4f00-9a00-00000000bbbb")
    known = {event.event_id for event in original.events}
    new = Counter(event.event_type for event in fork.events if event.event_id not in known)
    assert new == {EventType.PROMPT: 1, EventType.TOOL: 1, EventType.MESSAGE: 1}
    (call,) = [e for e in invocations(fork) if e.event_id not in known]
    assert call.tool_name == "Glob"


def test_lines_that_must_be_survived():
    extraction = extracted(example(18))
    (file,) = extraction.files
    assert (file.lines, file.skipped_lines, file.reason) == (7, 3, None)
    assert extraction.summary.started_at == datetime(2025, 5, 12, 7, 20, tzinfo=UTC)
    (call,) = invocations(extraction)
    assert (call.tool_name, call.skill_name) == ("Skill", None)
