"""The summary of a session, from its events and all of its times (spec/04 section 7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from itertools import pairwise

from agnes.telemetry.model import Event, EventType, Summary

IDLE_SECONDS = 600
SYNTHETIC_MODEL = "<synthetic>"
"""What the client writes for its own error messages: no model answered."""


def summarise(events: Iterable[Event], times: list[datetime]) -> Summary:
    """`times` are all timestamps of the session, those of types without events too."""
    summary = Summary()
    if times:
        times = sorted(times)
        summary.started_at, summary.ended_at = times[0], times[-1]
        summary.wall_seconds = (times[-1] - times[0]).total_seconds()
        summary.active_seconds = active_seconds(times)
    kinds: Counter[str] = Counter()
    models: Counter[str | None] = Counter()
    tools, skills = set(), set()
    for event in events:
        kind = event.event_type
        kinds[kind] += 1
        if kind == EventType.MESSAGE:
            summary.input_tokens += event.input_tokens
            summary.output_tokens += event.output_tokens
            summary.cache_read_tokens += event.cache_read_tokens
            summary.cache_creation_tokens += event.cache_creation_tokens
            models[event.model] += 1
        else:
            summary.tool_errors += event.is_error
            tools.add(event.tool_name)
            if event.skill_name is not None:
                summary.skill_invocations += 1
                skills.add(event.skill_name)
    summary.user_messages = kinds[EventType.PROMPT]
    summary.assistant_messages = kinds[EventType.MESSAGE]
    summary.tool_calls = kinds[EventType.TOOL]
    summary.subagent_dispatches = kinds[EventType.SUBAGENT]
    summary.mcp_calls = kinds[EventType.MCP]
    summary.slash_commands = kinds[EventType.COMMAND]
    summary.distinct_tools = len(tools - {None})
    summary.distinct_skills = len(skills)
    for nobody in (None, SYNTHETIC_MODEL):
        models.pop(nobody, None)
    # A Counter keeps the order of insertion, and max takes the first of equals: ties go to the first seen.
    summary.primary_model = max(models, key=models.__getitem__, default=None)
    return summary


def active_seconds(times: Iterable[datetime]) -> float:
    """Sorted times without the gaps longer than IDLE_SECONDS."""
    gaps = ((after - before).total_seconds() for before, after in pairwise(times))
    return sum(gap for gap in gaps if gap <= IDLE_SECONDS)
