"""A transcript in parts: whatever it holds and however it is cut, the parts are the whole, in order, and small."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agnes.edge.showing import visible
from agnes.telemetry.drill_down import conversation
from agnes.telemetry.drill_down.conversation import Place
from agnes.telemetry.model import TranscriptFile
from tests.builders.transcripts import Transcript, generate

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

ITEMS = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, st.text(max_size=40)),
    st.builds(lambda text: {"type": "thinking", "thinking": text}, st.text(max_size=5)),
    st.builds(
        lambda name, given: {"type": "tool_use", "id": "t1", "name": name, "input": given},
        st.sampled_from(["Bash", "Skill", "mcp__a__b", ""]),
        st.one_of(st.none(), st.dictionaries(st.text(max_size=3), st.text(max_size=9), max_size=2), st.integers()),
    ),
    st.builds(
        lambda content, bad: {"type": "tool_result", "tool_use_id": "t1", "content": content, "is_error": bad},
        st.one_of(
            st.text(max_size=30),
            st.none(),
            st.lists(
                st.sampled_from(
                    [{"type": "text", "text": "x"}, {"type": "image", "source": {"media_type": "image/png"}}, 7]
                ),
                max_size=3,
            ),
        ),
        st.one_of(st.booleans(), st.none()),
    ),
    st.sampled_from(["plain", 5, None, {}, {"type": 7}, {"type": "document", "source": {"data": "xx"}}, []]),
)
TIMES = st.one_of(
    st.none(),
    st.integers(-500, 5000).map(lambda s: (NOW + timedelta(seconds=s - 4000)).isoformat()),
    st.sampled_from(["", "yesterday", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:00", 5, "2199-01-01"]),
)
RECORDS = st.builds(
    lambda kind, at, content: json.dumps(
        {"type": kind, "timestamp": at, "message": {"role": kind, "content": content}}
    ).encode(),
    st.sampled_from(["user", "assistant", "system", None]),
    TIMES,
    st.one_of(st.lists(ITEMS, max_size=4), st.text(max_size=50)),
)
LINES = st.one_of(
    RECORDS, st.sampled_from([b"", b"{", b"[]", b'{"type":"user","message":3}', b"\xff{}", b'{"a":"\\ud800"}'])
)
FILES = st.dictionaries(
    st.sampled_from(["main", "a1", "b-2", "workflows.wf_9.7"]),
    st.lists(LINES, max_size=12).map(b"\n".join),
    min_size=1,
    max_size=3,
)


def files_of(bodies: dict[str, bytes]) -> list[TranscriptFile]:
    return [TranscriptFile(file, body, NOW) for file, body in bodies.items()]


def in_parts(files, *, marks_every: int | None = None, part_bytes: int = conversation.PART_BYTES, **bounds) -> list:
    """With marks, files that say that they have nothing for a part are not read for it."""
    found, after = [], None
    marks = {file.file: conversation.marks(file, marks_every) for file in files} if marks_every else {}
    while True:
        reading = conversation.Reading(after=after, files=len(files), **bounds)
        for file in files:
            known = marks.get(file.file)
            if known is None or (after and after.file == file.file) or reading.wants(known):
                reading.add(file, known)
        part = reading.part(part_bytes)
        found += part.pieces
        if part.next_cursor is None:
            return found
        assert part.pieces or bounds.get("lines"), "a part that goes on has something, unless looking ended before"
        following = Place.of_cursor(part.next_cursor)
        assert after is None or following > after
        after = following


@settings(max_examples=150, deadline=None)
@given(
    FILES,
    st.integers(1, 7),
    st.sampled_from([1, 300, 10**6]),
    st.sampled_from([None, 1, 200, 10**6]),
    st.randoms(use_true_random=False),
)
def test_the_parts_are_the_whole(bodies, limit, part_bytes, marks_every, rng):
    files = files_of(bodies)
    whole = conversation.part(files, limit=10**6, part_bytes=10**9)
    assert whole.next_cursor is None
    rng.shuffle(files)
    found = in_parts(files, limit=limit, part_bytes=part_bytes, marks_every=marks_every)
    assert found == list(whole.pieces)
    assert len({piece.id for piece in found}) == len(found)
    times = [piece.at for piece in found if piece.at]
    assert times == sorted(times)
    for file in files:
        mine = [piece.id for piece in found if (piece.agent_id or "main") == file.file]
        assert mine == sorted(mine, key=lambda id: tuple(map(int, id.split(".")[-2:])))  # noqa: A006
    msgspec.json.encode(whole)


@settings(max_examples=150, deadline=None)
@given(
    FILES,
    st.integers(1, 7),
    st.sampled_from([(1, 10**6), (10**6, 1), (1, 1), (20, 300)]),
    st.sampled_from([None, 1, 200]),
    st.randoms(use_true_random=False),
)
def test_the_parts_are_the_whole_however_little_is_looked_at(bodies, limit, bounds, marks_every, rng):
    """A part may be short or empty; every piece comes once, in the order of the whole."""
    files = files_of({name: body + b"\n\n" * rng.randrange(9) + body for name, body in bodies.items()})
    whole = conversation.part(files, limit=10**6, part_bytes=10**9)
    rng.shuffle(files)
    lines, size_bytes = bounds
    found = in_parts(files, limit=limit, marks_every=marks_every, lines=lines, size_bytes=size_bytes)
    assert found == list(whole.pieces)


def test_a_part_looks_at_a_bounded_number_of_lines():
    body = b'{"type":"mode","timestamp":"2026-11-20T09:00:00Z"}\n' + b'{"type":"mode","padding":"xxxx"}\n' * 50_000
    body += b'{"type":"user","message":{"content":"at last"}}\n'
    files, after, parts = [TranscriptFile("main", body, NOW)], None, []
    while True:
        part = conversation.part(files, after=after, limit=10)
        parts.append(len(part.pieces))
        if part.next_cursor is None:
            break
        after = Place.of_cursor(part.next_cursor)
    assert parts == [*[0] * (len(parts) - 1), 1]
    assert len(parts) == 50_000 // (conversation.LINES // 2) + 1


def test_times_are_read_of_a_bounded_number_of_lines():
    moments = [NOW - timedelta(hours=1) + timedelta(seconds=number) for number in range(8)]
    line = '{"type":"user","timestamp":"%s","message":{"content":"%d"}}\n'
    body = "".join(line % (at.isoformat(), number) for number, at in enumerate(moments)).encode()
    found = in_parts([TranscriptFile("main", body, NOW)], limit=2, timed_lines=3)
    assert [piece.text for piece in found] == [str(number) for number in range(8)]
    assert [piece.at for piece in found] == [*moments[:3], *moments[2:3] * 5]


@settings(max_examples=60, deadline=None)
@given(FILES, st.integers(1, 9))
def test_each_piece_can_be_had_whole(bodies, chars):
    files = {file.file: file for file in files_of(bodies)}
    long = conversation.part(files.values(), limit=10**6)
    cut = conversation.part(files.values(), limit=10**6, piece_chars=3)
    for piece, short in zip(long.pieces, cut.pieces, strict=True):
        assert (short.text, short.chars) == (piece.text[:3], len(piece.text))
        text, start = "", 0
        while start is not None:
            found = conversation.whole(files[conversation.file_of(piece.id)], piece.id, start=start, chars=chars)
            text, start = text + found.piece.text, found.next_start
        assert text == piece.text


def test_what_is_added_later_is_behind():
    t = next(generate(3, sessions=1, session_bytes=60_000))
    body = t.body()
    cut = body.index(b"\n", len(body) // 2) + 1
    early = conversation.part([TranscriptFile("main", body[:cut], NOW)], limit=10**6, part_bytes=10**9).pieces
    late = conversation.part([TranscriptFile("main", body, NOW)], limit=10**6, part_bytes=10**9).pieces
    assert late[: len(early)] == early
    assert len(late) > len(early)


def two_lines() -> TranscriptFile:
    t = Transcript(at=NOW - timedelta(hours=1))
    t.prompt("one")
    t.say([{"type": "text", "text": "two"}, {"type": "text", "text": "three"}])
    return TranscriptFile("main", t.body(), NOW)


def test_a_cursor_that_cannot_be_is_refused():
    file = two_lines()
    second = file.body.index(b"\n") + 1
    at = int((NOW - timedelta(hours=1) + timedelta(seconds=1)).timestamp()) * 1_000_000
    late = int(NOW.timestamp()) * 1_000_000

    def behind(cursor: str) -> list[str]:
        return [p.text for p in conversation.part([file], after=Place.of_cursor(cursor), limit=9).pieces]

    assert behind(f"{at}.main.{second}.0") == ["three"]
    assert behind(f"{late}.main.{second}.1") == []
    for cursor in (
        f"{at}.main.{second}.2",  # that line has two pieces
        f"{at}.main.{second - 1}.0",  # in the midst of a line
        f"{at}.main.{len(file.body)}.0",
        f"{at}.main.9999999999.0",
        f"{at - 1}.main.{second}.0",  # earlier than its line says
        f"{late + 1}.main.{second}.0",  # later than the file came
        f"{at}.a1.{second}.0",  # a file that the session has not
        *("0.main.0", "-1.main.0.0", f"{at}.../x.0.0", f"{at}.main.0.0 ", "x" * 200, f"{'9' * 18}.main.0.0"),
    ):
        with pytest.raises(conversation.InvalidCursor):
            behind(cursor)


def test_a_file_that_grows_between_two_parts_goes_on_where_it_ended():
    file = two_lines()
    first = conversation.part([file], limit=2)
    grown = TranscriptFile("main", file.body + file.body.replace(b"09:", b"10:"), NOW)
    rest = conversation.part([grown], after=Place.of_cursor(first.next_cursor), limit=9).pieces
    assert [piece.text for piece in (*first.pieces, *rest)] == ["one", "two", "three"] * 2


def test_the_end_of_a_long_session_costs_what_its_beginning_does():
    """Bytes that are looked at, not seconds: the same answer wherever and however busy the machine."""
    t = Transcript(at=NOW - timedelta(days=1))
    for number in range(3000):
        t.prompt(f"{number} " + "x" * 300)
    body = t.body()
    agent = TranscriptFile("a1", b"\n".join(body.splitlines()[1000:1010]) + b"\n", NOW)
    files = [TranscriptFile("main", body, NOW), agent]
    marks = {file.file: conversation.marks(file, 10_000) for file in files}
    assert len(marks["main"].offsets) > 100
    pages, after, seen = [], None, []
    while True:
        reading = conversation.Reading(after=after, limit=100)
        looked_at = 0
        for file in files:
            watched = Watched(file.body)
            if reading.wants(marks[file.file]) or (after and after.file == file.file):
                reading.add(TranscriptFile(file.file, watched, NOW), marks[file.file])
            looked_at += watched.looked_at
        part = reading.part()
        seen += part.pieces
        pages.append(looked_at)
        if part.next_cursor is None:
            break
        after = Place.of_cursor(part.next_cursor)
    assert len(seen) == 3010
    assert len({piece.id for piece in seen}) == 3010
    assert max(pages) < 3 * 100 * 700 + 10_000 < len(body) // 5


class Watched(bytes):
    """Counts the bytes of the lines that are looked for in it."""

    looked_at = 0

    def find(self, what, start=0):
        end = super().find(what, start)
        self.looked_at += (end if end >= 0 else len(self)) - start
        return end


def test_a_part_stays_small_whatever_the_transcript():
    t = Transcript()
    for number in range(60):
        t.prompt("\x01" * 30_000 + str(number))
    t.say([{"type": "text", "text": "x"}] * 5_000)
    files = [TranscriptFile("main", t.body(), NOW)]
    first = conversation.part(files, limit=500)
    assert 1 < len(first.pieces) < 20
    assert len(msgspec.json.encode(first)) <= conversation.PART_BYTES + 200_000
    assert len(in_parts(files, limit=500)) == 5_060


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b'{"type":"user","message":{"content":' + b"[" * 5000 + b"]" * 5000 + b"}}", id="nested content"),
        pytest.param(
            b'{"type":"assistant","message":{"content":[{"type":"tool_use","input":'
            + b'{"a":' * 800
            + b"1"
            + b"}" * 800
            + b"}]}}",
            id="nested input",
        ),
        pytest.param(
            b'{"type":"assistant","message":{"content":[{"type":"text","text":'
            + b'{"type":"text","text":' * 300
            + b'"x"'
            + b"}" * 300
            + b"}]}}",
            id="text in text",
        ),
        pytest.param(b'{"type":"user","message":{"content":"\\ud83d half"}}', id="half a character"),
        pytest.param(b'{"type":"user","timestamp":1e400,"message":{"content":NaN}}', id="no number"),
        pytest.param(b'{"type":["user"],"message":{"content":"x"}}', id="a list for a type"),
    ],
)
def test_hostile_lines_break_nothing(line):
    body = line + b'\n{"type":"user","message":{"content":"after"}}\n'
    found = in_parts([TranscriptFile("main", body, NOW)], limit=10)
    assert found[-1].text == "after"
    msgspec.json.encode(found)


def test_old_results_and_typed_commands():
    t = Transcript()
    t.command("finops:close-month", "October")
    t.raw('{"type":"tool_use_result","toolUseId":"t9","is_error":true,"content":"no"}')
    typed, result = in_parts([TranscriptFile("main", t.body(), NOW)], limit=10)
    assert typed.title == "/finops:close-month October"
    assert (result.type, result.tool_use_id, result.is_error, result.text) == ("tool_result", "t9", True, "no")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb", "a\nb"),
        ("\x1b[31m", "\u241b[31m"),
        ("x\u202etxt.exe", "x\u27e6U+202E\u27e7txt.exe"),
        (
            "\u2066\u200b\ufeff\x85\x7f",
            "\u27e6U+2066\u27e7\u27e6U+200B\u27e7\u27e6U+FEFF\u27e7\u27e6U+0085\u27e7\u2421",
        ),
        ("\U000e0041", "\u27e6U+E0041\u27e7"),
        ("שלום 👩‍💻", "שלום 👩‍💻"),
    ],
)
def test_hidden_characters_are_shown(text, shown):
    assert visible(text) == shown


def test_generated_sessions_are_told_whole():
    t = next(generate(random.Random(5).randrange(99), sessions=1, session_bytes=200_000))
    found = in_parts([TranscriptFile("main", t.body(), NOW)], limit=50)
    blocks = 0
    for line in t.lines:
        content = json.loads(line).get("message", {}).get("content", [])
        blocks += 1 if isinstance(content, str) else len(content)
    assert len(found) == blocks
