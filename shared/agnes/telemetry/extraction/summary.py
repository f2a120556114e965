"""The summary of a session, from its events and all of its times."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from operator import add
from typing import Any

from agnes.telemetry.model import BILLED, SYNTHETIC_MODEL, Event, EventType, Summary

IDLE_SECONDS = 600
IDLE = timedelta(seconds=IDLE_SECONDS)
FOLDERS = 200
"""Of one session that are counted."""


class Taken:
    """What the responses of a session took, by everything that decides about their price.

    `of_rates`: by (model, UTC day, *RATE) the counts of BILLED, in the order in which they were first seen. `models`:
    how many responses each model gave, in the same order.
    """

    __slots__ = ("models", "of_rates", "responses")

    def __init__(self, responses: Collection[Event], iterations: Iterable[Event]) -> None:
        self.responses = len(responses)
        self.of_rates: dict[tuple[Any, ...], list[int]] = {}
        self.models: dict[str | None, int] = {}
        for key, number in self._add(responses):
            self.models[key[0]] = self.models.get(key[0], 0) + number
        for _ in self._add(iterations):
            pass

    @property
    def rates(self) -> int:
        """How many speeds, tiers and places there are together."""
        return len({key[2:5] for key in self.of_rates})

    def _add(self, events: Iterable[Event]) -> Iterator[tuple[tuple[Any, ...], int]]:
        """Says how many events in a row have one key: nearly all of a session's have the same."""
        before: tuple[Any, ...] | None = None
        number = given = written = cached = kept = hour = searches = 0
        for event in events:
            at = event.occurred_at
            day = at.date() if at is not None else None
            key = event.model, day, event.speed, event.service_tier, event.inference_geo, event.long_prompt
            if key != before:
                if before is not None:
                    self._put(before, given, written, cached, kept, hour, searches)
                    yield before, number
                before = key
                number = given = written = cached = kept = hour = searches = 0
            number += 1
            given += event.input_tokens
            written += event.output_tokens
            cached += event.cache_read_tokens
            kept += event.cache_creation_tokens
            hour += event.cache_creation_1h_tokens
            searches += event.web_searches
        if before is not None:
            self._put(before, given, written, cached, kept, hour, searches)
            yield before, number

    def _put(self, key: tuple[Any, ...], *counts: int) -> None:
        have = self.of_rates.get(key)
        self.of_rates[key] = [*counts] if have is None else [*map(add, have, counts)]


def summarise(calls: Collection[Event], taken: Taken, folders: Iterable[str | None], times: list[datetime]) -> Summary:
    """`calls` are all events but those of responses; `times` all timestamps of the session, those of types without
    events too."""
    summary = Summary()
    if times:
        times = sorted(times)
        summary.started_at, summary.ended_at = times[0], times[-1]
        summary.wall_seconds = (times[-1] - times[0]).total_seconds()
        summary.active_seconds = active_seconds(times)
    kinds = [event.event_type for event in calls]
    skills = [event.skill_name for event in calls if event.skill_name is not None]
    summary.user_messages = kinds.count(EventType.PROMPT)
    summary.assistant_messages = taken.responses
    summary.tool_calls = kinds.count(EventType.TOOL)
    summary.tool_errors = [event.is_error for event in calls].count(True)
    summary.skill_invocations = len(skills)
    summary.subagent_dispatches = kinds.count(EventType.SUBAGENT)
    summary.mcp_calls = kinds.count(EventType.MCP)
    summary.slash_commands = kinds.count(EventType.COMMAND)
    summary.distinct_tools = len({event.tool_name for event in calls} - {None})
    summary.distinct_skills = len({*skills})
    summary.folders = folder_numbers(folders)
    for name, count in zip(BILLED, map(sum, zip(*taken.of_rates.values(), strict=True)), strict=False):
        setattr(summary, name, count)  # none of them where there was no response
    models = {model: number for model, number in taken.models.items() if model not in {None, SYNTHETIC_MODEL}}
    # A dict keeps the order of insertion, and max takes the first of equals: ties go to the first seen.
    summary.primary_model = max(models, key=models.__getitem__, default=None)
    return summary


def folder_numbers(folders: Iterable[str | None]) -> list[int]:
    """Enough to count folders over several sessions; their paths are nobody's business but the transcript's."""
    known = sorted({folder for folder in folders if folder})[:FOLDERS]
    return sorted(map(_folder_number, known))


@lru_cache(maxsize=4096)
def _folder_number(folder: str) -> int:
    return int.from_bytes(blake2b(folder.encode("utf-8", "replace"), digest_size=8).digest()) >> 1


def active_seconds(times: Sequence[datetime]) -> float:
    """Sorted times without the gaps longer than IDLE_SECONDS."""
    if not times:
        return 0.0
    idle = timedelta(0)
    spans = [(0, len(times) - 1)]
    while spans:  # a span that is no longer than IDLE has no longer gap, and most of a session's are not
        first, last = spans.pop()
        length = times[last] - times[first]
        if length <= IDLE:
            continue
        if last - first == 1:
            idle += length
        else:
            middle = (first + last) // 2
            spans += ((first, middle), (middle, last))
    return (times[-1] - times[0] - idle).total_seconds()
