"""What is not stored of a transcript, whoever leaves it out, and that no figure, page or later upload misses it."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from agnes.claude_code import records, versions
from agnes.telemetry.drill_down import conversation
from agnes.telemetry.keys import transcript_id
from agnes.telemetry.model import TranscriptFile
from agnes.telemetry.transcripts import packed, trimming, uploads
from agnes_cli import trimming as of_the_command
from tests.builders.real_transcripts import FOLDER, main_file
from tests.builders.sample_marketplace import PLUGINS
from tests.unit.telemetry.plant import USER, Plant
from tests.unit.telemetry.sessions import RECEIVED, extracted, served

SESSION = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
NEWEST = FOLDER / versions.NEWEST
FILES = sorted(NEWEST.rglob("*.jsonl"))
HEADLESS = main_file("headless").read_bytes()
SECRET = b"hunter2-is-no-password"
BLOB = (
    b'{"type":"api-request-blob","hash":"00","message":{"role":"user","content":"' + SECRET + b'"},"sessionId":"s"}\n'
)


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


def stored(plant: Plant) -> bytes:
    return zstandard.decompress(plant.store.read(transcript_id(USER, SESSION, None).key).body)


def publish(plant: Plant, body: bytes, *, keep_all: bool = False) -> str:
    which = transcript_id(USER, SESSION, None)
    return uploads.publish(plant.store, which, packed.pack(body), now=plant.clock.now(), keep_all=keep_all)[0]


def test_the_command_leaves_out_what_the_table_says():
    assert of_the_command.LEFT_OUT == records.LEFT_OUT


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem[:12])
def test_real_transcripts_lose_copies_and_nothing_else(path: Path):
    body = path.read_bytes()
    trimmed = trimming.trim(body)
    assert of_the_command.trim(body) == trimmed
    assert trimming.trim(trimmed) == trimmed
    before, after = ([json.loads(line) for line in text.splitlines()] for text in (body, trimmed))
    assert len(before) == len(after)
    gone = {(a["type"], field) for a, b in zip(before, after, strict=True) for field in a if field not in b}
    assert {kind for kind, _ in gone} <= {"attachment", "api-request", "api-request-shape", "api-request-blob"}
    assert not [line for line in after if "rendered" in line or "shape" in line or "tail" in line]
    kept = {"skill_listing", "agent_listing_delta", "queued_command", "hook_success"}
    for a, b in zip(before, after, strict=True):
        if a.get("attachment", {}).get("type") in kept:
            assert a["attachment"] == b["attachment"]
        if a["type"] in {"user", "assistant", "system", "cost-state", "queue-operation"}:
            assert a == b


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem[:12])
def test_no_figure_and_no_page_misses_what_is_left_out(path: Path):
    body = path.read_bytes()
    whole, less = (extracted(text, names=served(*PLUGINS)) for text in (body, trimming.trim(body)))
    assert less.events == whole.events
    assert less.summary == whole.summary
    assert [(f.lines, f.skipped_lines) for f in less.files] == [(f.lines, f.skipped_lines) for f in whole.files]

    def shown(text: bytes) -> list:
        part = conversation.part([TranscriptFile("main", text, RECEIVED)], limit=10_000)
        return [replace(piece, id="") for piece in part.pieces]

    assert shown(trimming.trim(body)) == shown(body)


def test_older_transcripts_keep_every_byte():
    for path in (FOLDER / versions.OLDEST).rglob("*.jsonl"):
        assert trimming.trim(path.read_bytes()) == path.read_bytes()


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    ["type", "attachment", "rendered", "shape", "hash", "message", "tail", "systemPrompt", "tools", "base", "x"]
)
_TYPES = st.sampled_from(
    ["attachment", "prompt_snapshot", "api-request", "api-request-shape", "api-request-blob", "user"]
)
_RECORDS = st.dictionaries(_NAMES, _VALUES | _TYPES | st.dictionaries(_NAMES, _VALUES | _TYPES, max_size=4), max_size=6)
_LINES = st.builds(lambda record: json.dumps(record).encode(), _RECORDS) | st.binary(max_size=40).map(
    lambda junk: b'"rendered"' + junk.replace(b"\n", b"")
)


@settings(max_examples=300, deadline=None)
@given(lines=st.lists(_LINES, max_size=5), cut=st.integers(0, 5))
def test_on_anything_both_do_the_same_and_a_beginning_stays_one(lines: list[bytes], cut: int):
    body = b"".join(line + b"\n" for line in lines)
    trimmed = trimming.trim(body)
    assert of_the_command.trim(body) == trimmed
    assert trimming.trim(trimmed) == trimmed
    assert trimmed.count(b"\n") == body.count(b"\n")
    assert trimmed.startswith(trimming.trim(b"".join(line + b"\n" for line in lines[:cut])))


@pytest.mark.parametrize("seed", range(8))
def test_uploads_in_any_order_whole_trimmed_or_torn_leave_the_trimmed_whole(plant: Plant, seed: int):
    chance = random.Random(seed)
    sizes = sorted(chance.sample(range(1, len(HEADLESS)), 6))
    beginnings = [HEADLESS[:size] for size in sizes] + [HEADLESS]
    sent = [trimming.trim(body) if chance.random() < 0.5 else body for body in beginnings]
    chance.shuffle(sent)
    for body in sent:
        publish(plant, body)
    assert stored(plant) == trimming.trim(HEADLESS)
    assert publish(plant, HEADLESS) == publish(plant, trimming.trim(HEADLESS)) == "unchanged"
    assert publish(plant, HEADLESS[: sizes[0]]) == "superseded"


def test_a_whole_upload_is_stored_without_its_copies(plant: Plant):
    assert publish(plant, HEADLESS + BLOB) == "stored"
    held = stored(plant)
    assert held == trimming.trim(HEADLESS + BLOB)
    assert SECRET not in held
    assert held.endswith(b'{"type":"api-request-blob","sessionId":"s"}\n')


def test_a_setting_keeps_all_and_may_change(plant: Plant):
    assert publish(plant, HEADLESS, keep_all=True) == "stored"
    assert stored(plant) == HEADLESS
    # Trimmed since: nothing new in it, so what is there stays; and an older beginning never replaces it.
    assert publish(plant, HEADLESS) == "unchanged"
    assert publish(plant, trimming.trim(HEADLESS[: len(HEADLESS) // 2])) == "superseded"
    assert stored(plant) == HEADLESS
    assert publish(plant, HEADLESS + BLOB) == "stored"
    assert stored(plant) == trimming.trim(HEADLESS + BLOB)
    # Kept again: the same session sent whole has more than what is there.
    assert publish(plant, HEADLESS + BLOB, keep_all=True) == "stored"
    assert stored(plant) == HEADLESS + BLOB


def test_another_session_under_the_same_name_replaces_it(plant: Plant):
    other = main_file("typed").read_bytes()
    publish(plant, HEADLESS)
    assert publish(plant, other) == "stored"
    assert stored(plant) == trimming.trim(other)
