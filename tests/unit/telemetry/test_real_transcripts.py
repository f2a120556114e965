"""What the real client wrote, in each tested version, gives the figures of the scenario that it played."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from agnes.claude_code import versions
from agnes.telemetry.model import EventType, Extraction
from tests.builders import claude_scenario as scenario
from tests.builders import client_drift
from tests.builders.real_transcripts import FOLDER, NAMES, main_file, subagent_files
from tests.builders.sample_marketplace import PLUGINS
from tests.builders.scripted_messages_api import Reply
from tests.unit.telemetry.sessions import extracted, invocations, served

TYPED = scenario.typed_replies()
BACKGROUND = {script.name: list(script.replies) for script in scenario.background_scripts()}
REPLIES: dict[str, list[Reply]] = {
    "headless": [reply for script in scenario.session_scripts(Path("ws")) for reply in script.replies],
    "typed": TYPED[:3],
    "cleared": TYPED[3:],
    "busy": scenario.busy_replies(),
    "background": BACKGROUND["auditor"] + BACKGROUND["main"][:3],
}
"""What the model answered in each session. A fork repeats the records of *background*, so it has no row of its own."""


@pytest.fixture(params=versions.TESTED)
def version(request: pytest.FixtureRequest) -> str:
    return request.param


def session(name: str, version: str) -> Extraction:
    agents = {path.stem.removeprefix("agent-"): path.read_bytes() for path in subagent_files(name, version)}
    return extracted(main_file(name, version).read_bytes(), names=served(*PLUGINS), **agents)


@pytest.mark.parametrize("name", REPLIES)
def test_every_response_is_counted_once_with_its_tokens(name: str, version: str):
    usages = (reply.usage for reply in REPLIES[name])
    scripted = Counter((u.input, u.output, u.cache_read, u.cache_creation) for u in usages)
    if name == "busy":
        # No version records the response that makes the summary of a compaction; 2.1.332 has it in `cost-state`.
        scripted -= Counter({(2_000, 65, 15_360, 0): 1})
    messages = [event for event in session(name, version).events if event.event_type == EventType.MESSAGE]
    found = Counter((e.input_tokens, e.output_tokens, e.cache_read_tokens, e.cache_creation_tokens) for e in messages)
    assert found == scripted


def test_items_are_those_of_the_scenario(version: str):
    found = Counter(
        (event.plugin, event.item_kind, event.item_name)
        for event in invocations(session("headless", version))
        if event.item_kind
    )
    assert found == {
        ("finops", "skill", "forecast"): 1,
        ("finops", "skill", "close-month"): 1,
        ("finops", "agent", "auditor"): 1,
        ("sql-style", "agent", "sql-reviewer"): 1,
        ("chartkit", "skill", "waterfall"): 1,
        ("chartkit", "mcp", "render"): 1,
    }


TYPED_BY_A_PERSON = {
    "headless": (scenario.FORECAST, scenario.CLOSE, scenario.THANKS),
    "typed": scenario.TYPED[:1],
    "cleared": scenario.TYPED[1:],
    "busy": scenario.BUSY,
    "background": (scenario.DELEGATE,),
    "fork": (scenario.DELEGATE, scenario.ASIDE),
}


@pytest.mark.parametrize("name", NAMES)
def test_prompts_are_what_a_person_typed_or_queued(name: str, version: str):
    """Neither what ends in the background nor the summary of a compaction; `/exit` is recorded when the client is in time."""
    ended = main_file(name, version).read_text().count("<command-name>/exit</command-name>")
    found = session(name, version)
    assert found.summary.user_messages == len(TYPED_BY_A_PERSON[name]) + ended
    commands = [event.command_name for event in found.events if event.event_type == EventType.COMMAND]
    typed = [prompt[1:].split()[0] for prompt in TYPED_BY_A_PERSON[name] if prompt.startswith("/")]
    assert commands == typed + ["exit"] * ended


def test_every_record_is_of_its_version_and_nothing_names_the_machine_that_recorded(version: str):
    bodies = [path.read_text() for path in (FOLDER / version).rglob("*.json*")]
    assert len(bodies) > len(NAMES)
    assert not [body for body in bodies if "/tmp/tmp" in body]
    lines = [json.loads(line) for path in (FOLDER / version).rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert {line["version"] for line in lines if "version" in line} == {version}


def test_every_record_and_field_is_in_the_tables(version: str):
    assert client_drift.of_transcripts((FOLDER / version).rglob("*.jsonl")).missing_from(client_drift.known()) == []
