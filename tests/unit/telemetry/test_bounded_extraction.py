"""What one session may cost the extraction: lines, odd lines, values of a line, names; and memory where that was too little."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from agnes.telemetry.extraction import extract as extraction
from agnes.telemetry.extraction import naming, records, spending
from agnes.telemetry.extraction.extract import SessionKey, extract
from agnes.telemetry.extraction.served import Served
from agnes.telemetry.lake.batch import workbench
from agnes.telemetry.model import TranscriptFile

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
KEY = SessionKey("mira", "5d2c8a10-0001-4f00-9a00-00000000aaaa", "g")
PROMPT = b'{"type":"user","timestamp":"2026-11-30T08:00:00Z","message":{"content":"x"}}\n'


def extracted(*bodies: bytes):
    return extract(
        [TranscriptFile(f"a{n}" if n else "main", body, NOW) for n, body in enumerate(bodies)], KEY, Served()
    )


def answer(number: int, **usage: str) -> bytes:
    content = [{"type": "tool_use", "id": f"t{number}", "name": f"tool-{number}", "input": {}}]
    message = {
        "id": f"m{number}",
        "model": f"model-{number}",
        "content": content,
        "usage": {"input_tokens": 1, **usage},
    }
    at = "2026-11-30T08:00:00Z"
    return json.dumps({"type": "assistant", "uuid": f"u{number}", "timestamp": at, "message": message}).encode() + b"\n"


def test_blank_lines_are_no_lines_wherever_they_are():
    found = extracted(PROMPT + b"\n" * 3_000_000 + b" \t\r\n" * 10 + PROMPT + b"  " + PROMPT + b"\r\n")
    assert found.files[0].lines == 3
    assert (found.files[0].skipped_lines, found.summary.user_messages) == (0, 3)


@pytest.mark.parametrize("line", [b"{}\n", b"x\n", b'{"timestamp":[]}\n'])
def test_too_many_lines_are_refused_as_a_whole_also_in_several_files(line):
    half = line * (extraction.MAX_LINES // 2)
    assert extracted(PROMPT + half).files[0].reason is None
    found = extracted(PROMPT + half, half + line)
    assert [file.reason for file in found.files] == ["too_many_lines"] * 2
    assert found.events == []


def test_odd_lines_are_read_up_to_a_number():
    odd = b'{"type":"user","isSidechain":"odd","timestamp":"2026-11-30T08:00:00Z","message":{"content":"x"}}\n'
    lenience = records.Lenience(3)
    read = [one for some in records.lines(odd * 5 + PROMPT, lenience) for one in some.records]
    assert [one is not None for one in read] == [True] * 3 + [False] * 2 + [True]


@pytest.mark.parametrize("odd", [b"", b'"isSidechain":"odd",'], ids=["sound", "odd"])
def test_a_line_of_more_values_than_memory_can_hold_costs_itself(odd):
    line = b'{"type":"user",' + odd + b'"message":{"content":[' + b"{}," * records.MAX_VALUES + b"{}]}}\n"
    found = extracted(PROMPT + line + PROMPT)
    assert (found.files[0].lines, found.files[0].skipped_lines, found.summary.user_messages) == (3, 1, 2)


def test_names_beyond_a_number_are_one():
    found = extracted(b"".join(map(answer, range(naming.MAX_NAMES + 500))))
    models = {event.model for event in found.events}
    tools = {event.tool_name for event in found.events}
    assert len(models) <= naming.MAX_MODELS + 1
    assert naming.MORE_NAMES in models
    assert naming.MAX_NAMES - 10 < len(tools) <= naming.MAX_NAMES + 2
    assert naming.MORE_NAMES in tools
    assert sum(event.input_tokens for event in found.events) == naming.MAX_NAMES + 500, "and nothing of them is lost"


def test_rates_beyond_a_number_have_no_price():
    found = extracted(b"".join(answer(n, speed=f"s{n}", inference_geo=f"g{n}") for n in range(spending.MAX_RATES + 20)))
    rates = {(e.speed, e.inference_geo) for e in found.events if e.event_type == "message"}
    assert len(rates) == spending.MAX_RATES + 1
    assert ("other", None) in rates


def test_a_statement_that_needs_more_memory_gets_more():
    with workbench(memory_limit="20MB") as bench:
        bench.db.execute("SET temp_directory = ''")
        rows = "SELECT range AS n, repeat(range::VARCHAR, 20) AS t FROM range(400_000)"
        bench.db.execute(f"CREATE TABLE wide AS SELECT * FROM ({rows}) ORDER BY t")
        assert bench.db.execute("SELECT count(*) FROM wide").fetchone() == (400_000,)
