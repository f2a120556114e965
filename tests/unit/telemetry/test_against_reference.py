"""The typed extraction agrees with the slow and obvious one: on anything, on generated work, on real transcripts."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.builders.transcripts import generate
from tests.unit.telemetry.reference import reference
from tests.unit.telemetry.sessions import RECEIVED, SAMPLES, as_reference, extracted, served
from tests.unit.telemetry.sessions import example as block
from tests.unit.telemetry.strategies import bodies

pytestmark = pytest.mark.slow

FINOPS = served("finops")


def agree(files: dict[str, bytes]) -> None:
    expected = reference(files, RECEIVED)
    found = as_reference(
        extracted(files["main"], names=FINOPS, **{k: v for k, v in files.items() if k != "main"}), names=FINOPS
    )
    # What nobody serves has nothing to count for, so nothing tells whether a command was counted.
    calls = Counter()
    for call, times in expected["calls"].items():
        fields = dict(call)
        if not (fields["command"] or "").startswith("finops:"):
            fields["counted"] = True
        calls[tuple(fields.items())] += times
    assert found["calls"] == calls
    assert found["tokens"] == Counter(expected["took"])
    for name in ("prompts", "lines", "skipped"):
        assert found[name] == expected[name], name
    assert found["summary"] == expected["summary"]


@settings(max_examples=400, deadline=None)
@given(main=bodies(), agent=st.one_of(st.none(), bodies()))
@example(main=block(*range(1, 13), 16, 18), agent=block(8))
@example(main=b'{"uuid": null, "type": "assistant", "message": {"model": "\\u001f"}}', agent=None)
@example(main=b'{"type": "assistant", "message": {"model": "a\\u009b\\u2028b"}}', agent=None)
@example(main=b'{"type": "user", "promptSource": "typed", "message": {"content": 1000000000000}}', agent=None)
@example(main=b'{"type": "user", "promptSource": "typed", "message": {"content": [1, 2]}}', agent=None)
@example(
    main=b'{"type": "assistant", "message": {"usage": {"iterations": [{"t\\u0079pe": "advisor_message", "output_tokens": 1}]}}}',
    agent=None,
)
@example(
    main=b'{"type": "assistant", "message": {"model": "a", "usage": {"iterations": ["\\u0002", {"model": "b", "output_tokens": 1}]}}}',
    agent=None,
)
@example(
    main=b'{"type": "assistant", "message": {"content": [{"type": "tool_use", "name": "Skill", "input": {"skill": "\\ud83d"}}]}}',
    agent=None,
)
def test_on_anything(main, agent):
    agree({"main": main} | ({} if agent is None else {"a1": agent}))


@pytest.mark.parametrize("seed", range(3))
def test_on_generated_work(seed):
    for transcript in generate(seed, sessions=3):
        agree({"main": transcript.body()})


def real_sessions():
    return sorted((SAMPLES / "real").glob("*/*.jsonl"))


@pytest.mark.parametrize("path", real_sessions(), ids=lambda path: f"{path.parent.name}/{path.stem[:8]}")
def test_on_real_transcripts(path):
    agents = sorted((path.with_suffix("") / "subagents").glob("agent-*.jsonl"))
    agree({"main": path.read_bytes(), **{agent.stem.removeprefix("agent-"): agent.read_bytes() for agent in agents}})


def test_there_are_real_transcripts():
    assert real_sessions()
    lines = [json.loads(line) for path in real_sessions() for line in path.read_text().splitlines()]
    assert {"user", "assistant"} <= {line["type"] for line in lines}
