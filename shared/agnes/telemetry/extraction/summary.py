"""The summary of a session, from its events and all of its times (spec/04 section 7)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import blake2b

from agnes.telemetry.model import SYNTHETIC_MODEL, Event, EventType, Summary

IDLE_SECONDS = 600
IDLE = timedelta(seconds=IDLE_SECONDS)
FOLDERS = 200
"""Of one session that are counted."""


def summarise(events: Iterable[Event], times: list[datetime]) -> Summary:
    """`times` are all timestamps of the session, those of types without events too."""
    summary = Summary()
    if times:
        times = sorted(times)
        summary.started_at, summary.ended_at = times[0], times[-1]
        summary.wall_seconds = (times[-1] - times[0]).total_seconds()
        summary.active_seconds = active_seconds(times)
    kinds: dict[str, int] = {}
    models: dict[str | None, int] = {}
    tools, skills, folders = set(), set(), set()
    for event in events:
        folders.add(event.cwd)
        kind = event.event_type
        kinds[kind] = kinds.get(kind, 0) + 1
        if kind == EventType.MESSAGE or kind == EventType.ITERATION:  # noqa: PLR1714 (faster than a tuple)
            summary.input_tokens += event.input_tokens
            summary.output_tokens += event.output_tokens
            summary.cache_read_tokens += event.cache_read_tokens
            summary.cache_creation_tokens += event.cache_creation_tokens
            summary.cache_creation_1h_tokens += event.cache_creation_1h_tokens
            summary.web_searches += event.web_searches
            if kind == EventType.MESSAGE:
                models[event.model] = models.get(event.model, 0) + 1
        else:
            if event.is_error:
                summary.tool_errors += 1
            tools.add(event.tool_name)
            if event.skill_name is not None:
                summary.skill_invocations += 1
                skills.add(event.skill_name)
    count = kinds.get
    summary.user_messages = count(EventType.PROMPT, 0)
    summary.assistant_messages = count(EventType.MESSAGE, 0)
    summary.tool_calls = count(EventType.TOOL, 0)
    summary.subagent_dispatches = count(EventType.SUBAGENT, 0)
    summary.mcp_calls = count(EventType.MCP, 0)
    summary.slash_commands = count(EventType.COMMAND, 0)
    summary.distinct_tools = len(tools - {None})
    summary.distinct_skills = len(skills)
    summary.folders = folder_numbers(folders)
    for nobody in (None, SYNTHETIC_MODEL):
        models.pop(nobody, None)
    # A dict keeps the order of insertion, and max takes the first of equals: ties go to the first seen.
    summary.primary_model = max(models, key=models.__getitem__, default=None)
    return summary


def folder_numbers(folders: Iterable[str | None]) -> list[int]:
    """Enough to count folders over several sessions; their paths are nobody's business but the transcript's."""
    known = sorted({folder for folder in folders if folder})[:FOLDERS]
    return sorted(
        int.from_bytes(blake2b(folder.encode("utf-8", "replace"), digest_size=8).digest()) >> 1 for folder in known
    )


def active_seconds(times: Iterable[datetime]) -> float:
    """Sorted times without the gaps longer than IDLE_SECONDS."""
    active, before = timedelta(0), None
    for at in times:
        if before is not None and (gap := at - before) <= IDLE:
            active += gap
        before = at
    return active.total_seconds()
