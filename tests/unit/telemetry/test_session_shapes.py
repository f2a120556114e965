"""Sessions of every shape, from seeds: what the person typed is counted once, whatever order the files come in."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from agnes.telemetry.collecting.naming import is_beside, names_of
from agnes.telemetry.drill_down import conversation
from agnes.telemetry.extraction.served import Served, ServedPlugin
from agnes.telemetry.model import Event, EventType, TranscriptFile
from tests.builders.session_shapes import Session, make
from tests.unit.telemetry.reference import reference
from tests.unit.telemetry.sessions import RECEIVED, as_reference, extracted

pytestmark = pytest.mark.slow

COMMANDS = ("spec.plan", "close-month", "überblick 2", "2fa")
KIT = ServedPlugin(
    "curated",
    "acme",
    "kit",
    {("skill", "forecast"): "forecast", ("agent", "auditor"): "auditor"} | {("command", n): n for n in COMMANDS},
)
SERVED = Served({"kit": (KIT,)})


def transcripts(session: Session) -> dict[str, bytes]:
    """By the ids that they are stored under, `main` first."""
    found = {"main": session.files[f"{session.session_id}.jsonl"]}
    for path, body in session.files.items():
        if "/" in path and not is_beside(path):
            found[names_of(path)[1]] = body
    return found


def events(session: Session) -> list[Event]:
    files = transcripts(session)
    return extracted(files.pop("main"), names=SERVED, session=session.session_id, **files).events


@pytest.mark.parametrize("seed", range(6))
def test_what_people_did_is_counted_once(seed):
    corpus = make(seed)
    sessions = corpus.sessions[:]
    random.Random(seed).shuffle(sessions)
    found: dict[str, Event] = {}
    for session in sessions:
        for event in events(session):
            found.setdefault(event.event_id, event)
    of = {
        kind: [event for event in found.values() if event.event_type == kind] for kind in set(vars(EventType).values())
    }
    assert len(of[EventType.PROMPT]) == sum(corpus.prompts.values())
    assert Counter(event.command_name for event in of[EventType.COMMAND]) == corpus.commands
    called = Counter(f"{e.plugin}:{e.item_name}" for e in of[EventType.TOOL] if e.skill_name is not None)
    assert called == corpus.skills


@pytest.mark.parametrize("seed", range(6))
def test_each_session_agrees_with_the_reference(seed):
    for session in make(seed).sessions:
        files = transcripts(session)
        expected = reference(files, RECEIVED)
        found = as_reference(extracted(files.pop("main"), session=session.session_id, **files))
        assert found["prompts"] == expected["prompts"]
        assert found["summary"]["slash_commands"] == expected["summary"]["slash_commands"]
        assert found["summary"]["skill_invocations"] == expected["summary"]["skill_invocations"]


@pytest.mark.parametrize("seed", range(2))
def test_the_conversation_shows_each_prompt_once(seed):
    corpus = make(seed)
    for session in corpus.sessions:
        files = [TranscriptFile(name, body, RECEIVED) for name, body in transcripts(session).items()]
        pieces = conversation.part(files, limit=10_000, part_bytes=10**9).pieces
        typed = [p for p in pieces if p.role == "user" and p.type == "text" and not p.is_meta and not p.is_sidechain]
        counted = [event for event in events(session) if event.event_type == EventType.PROMPT]
        assert len(typed) == len(counted)


def test_a_seed_gives_the_same_sessions():
    assert make(3) == make(3)
    assert make(3) != make(4)
