"""Many lines are decoded in one call, and every line counts as if it had been read by itself."""

from __future__ import annotations

import pytest

from agnes.telemetry.extraction.records import Record, lines
from tests.builders.transcripts import generate
from tests.unit.telemetry.sessions import extracted

A, B, C = (b'{"type":"user","uuid":"%s","message":{"content":"x"}}' % name for name in (b"a", b"b", b"c"))


def uuids(body: bytes) -> list[str | None]:
    return [record and record.uuid for some in lines(body) for record in some.records]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (A + b"\n" + B + b"\n", ["a", "b"]),
        (A + b"\n" + B, ["a", "b"]),
        (b"\n \n" + A + b"\n\t\n" + B + b"\n", ["a", "b"]),
        (A + b"\r\n" + B + b"\r\n", ["a", "b"]),
        (b"", []),
        (b"\n", []),
        (A + B + b"\n" + C + b"\n", [None, "c"]),
        (A + b" " + B + b"\n" + C + b"\n", [None, "c"]),
        (A.replace(b",", b",\n", 1) + b"\n" + C, [None, None, "c"]),
        # As many values as lines, but not one each.
        (A + b" " + B + b"\n" + C.replace(b",", b",\n", 1) + b"\n", [None, None, None]),
        (A + b" " + B + b'\n{"message":{"content":[{}\n,{}]}}\n', [None, None, None]),
        (A + b"\n[1]\n" + B + b"\n7\n", ["a", None, "b", None]),
        (A + b"\n" + B[:-3] + b"}", ["a", None]),
        (A + b'\n{"type":7,"uuid":"b"}\n' + C, ["a", "b", "c"]),
    ],
)
def test_each_line_by_itself(body: bytes, expected: list[str | None]) -> None:
    assert uuids(body) == expected


@pytest.mark.parametrize("depth", [*range(960, 1001, 4), 100_000])
@pytest.mark.parametrize(
    "line",
    [
        '{"x":%s}',
        '{"isMeta":3,"x":%s}',
        '{"type":"assistant","message":{"content":[{"type":"tool_use","name":"Skill","input":{"skill":%s}}]}}',
        '{"type":"user","isMeta":3,"message":{"content":[{"type":"text","text":%s}]}}',
    ],
)
def test_a_line_that_nests_too_deeply_costs_no_other(line: str, depth: int) -> None:
    deep = (line % ("[" * depth + "]" * depth)).encode()
    found = extracted(deep + b"\n" + A + b"\n" + deep)
    assert (found.summary.user_messages, found.files[0].lines) == (1, 3)


def test_where_one_call_ends_is_not_seen() -> None:
    whole = b"".join(transcript.body() for transcript in generate(3, sessions=4))
    assert len(whole) > 600_000
    alone = [record for line in whole.splitlines() for some in lines(line) for record in some.records]
    together = [record for some in lines(whole) for record in some.records]
    assert len(together) == whole.count(b"\n")
    assert [_shown(record) for record in together] == [_shown(record) for record in alone]


def _shown(record: Record | None) -> tuple | None:
    return record and (record.type, record.uuid, record.timestamp, record.message and record.message.id)
