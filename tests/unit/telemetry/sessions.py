"""Extracting in tests: a session from bytes, and its events in the reference's words."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import structs

from agnes.telemetry.extraction.extract import SessionKey, extract
from agnes.telemetry.extraction.served import Served, ServedPlugin
from agnes.telemetry.model import BILLED, RATE, Event, EventType, Extraction, TranscriptFile

SAMPLES = Path(__file__).parents[2] / "samples" / "transcripts"
RECEIVED = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SESSION = "5d2c8a10-0001-4f00-9a00-00000000aaaa"

INVOCATIONS = (EventType.TOOL, EventType.SUBAGENT, EventType.MCP, EventType.COMMAND)


def served(*names: str) -> Served:
    return Served({name: (ServedPlugin("curated", "acme", name),) for name in names})


def extracted(
    main: bytes,
    *,
    names: Served | None = None,
    session: str = SESSION,
    received_at: datetime = RECEIVED,
    **agents: bytes,
) -> Extraction:
    files = [TranscriptFile(file, body, received_at) for file, body in {"main": main, **agents}.items()]
    return extract(files, SessionKey("user1", session, "g1"), names or Served())


def example(*numbers: int) -> bytes:
    """The example transcripts of tests/samples/transcripts, one after another."""
    paths = [next((SAMPLES / "examples").glob(f"{number:02d}-*.jsonl")) for number in numbers]
    return b"".join(path.read_bytes() for path in paths)


def invocations(extraction: Extraction) -> list[Event]:
    return [event for event in extraction.events if event.event_type in INVOCATIONS]


def as_reference(extraction: Extraction, *, names: Served | None = None) -> dict[str, Any]:
    """In the shape of `reference.reference`. `counted` can be told only of commands that somebody serves."""
    calls: Counter = Counter()
    for event in invocations(extraction):
        prefix = (event.command_name or "").partition(":")[0]
        told = event.event_type == EventType.COMMAND and names is not None and names.plugin(prefix) is not None
        calls[
            (
                ("type", event.event_type),
                ("tool", event.tool_name),
                ("skill", event.skill_name),
                ("subagent", event.subagent_type),
                ("command", event.command_name),
                ("counted", event.item_kind is not None if told else True),
                ("is_error", event.is_error),
            )
        ] += 1
    tokens = Counter(
        (e.event_type == EventType.MESSAGE, e.model, *(getattr(e, name) for name in (*BILLED, *RATE)))
        for e in extraction.events
        if e.event_type in (EventType.MESSAGE, EventType.ITERATION)
    )
    summary = structs.asdict(extraction.summary)
    for name in ("list_cost_usd", "unpriced_tokens", "client_cost_usd", "bill_status", "price_mismatches"):
        summary.pop(name)  # of the bill: tests/unit/telemetry/test_bill.py
    assert len(summary.pop("folders")) == len({event.cwd for event in extraction.events} - {None, ""})
    return {
        "calls": calls,
        "prompts": sum(event.event_type == EventType.PROMPT for event in extraction.events),
        "tokens": tokens,
        "lines": sum(file.lines for file in extraction.files),
        "skipped": sum(file.skipped_lines for file in extraction.files),
        "summary": summary,
    }
