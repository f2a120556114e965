"""Archives that people upload: what is taken, and the exact words for what is not (`tests/samples/reject/archives`)."""

from __future__ import annotations

import json
import random

import pytest

from agnes.flea.archive import Unpacked, unpack
from agnes.kernel.errors import AgnesError, InvalidError, TooLargeError
from tests.builders.archives import ACCEPTED, PLUGIN, REJECTED, SAMPLES, SKILL, packed, raw, streamed

MESSAGES: dict[str, list[str]] = json.loads((SAMPLES / "reject/archives/messages.json").read_text())


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_taken(name: str) -> None:
    make, paths = ACCEPTED[name]
    stored = SAMPLES / "accept/archives" / f"{name}.zip"
    found = unpack(stored.read_bytes() if stored.exists() else make())
    assert [file.path for file in found.files] == paths


@pytest.mark.parametrize("name", REJECTED)
def test_what_is_refused_and_in_which_words(name: str) -> None:
    stored = SAMPLES / "reject/archives" / f"{name}.zip"
    with pytest.raises(AgnesError) as refused:
        unpack(stored.read_bytes() if stored.exists() else REJECTED[name]())
    assert [refused.value.code, refused.value.message] == MESSAGES[name]
    assert refused.value.hint


def test_every_sample_and_every_message_belongs_to_a_case() -> None:
    assert set(MESSAGES) == set(REJECTED)
    assert {file.stem for file in (SAMPLES / "reject/archives").glob("*.zip")} <= set(REJECTED)
    assert {file.stem for file in (SAMPLES / "accept/archives").glob("*.zip")} <= set(ACCEPTED)


def test_content_modes_and_what_is_left_out() -> None:
    found = unpack(packed({"run.sh": "#!/bin/sh\n"}, mode=0o755))
    assert [(file.body, file.executable) for file in found.files] == [(b"#!/bin/sh\n", True)]
    found = unpack(ACCEPTED["mac"][0]())
    assert found.left_out == ["__MACOSX/._SKILL.md", ".DS_Store", ".git/config"]


@pytest.mark.parametrize("seed", range(4))
def test_no_change_of_a_byte_is_more_than_a_refusal(seed: int) -> None:
    """Any byte of an archive may be another one: what is then taken is whole, and nothing else happens."""
    chance = random.Random(seed)
    for whole in (packed(PLUGIN), streamed({"SKILL.md": SKILL}), raw((b"a.md", b"text"), (b"b/c.md", b"more"))):
        for _ in range(300):
            changed = bytearray(whole)
            for _ in range(chance.randint(1, 3)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            if chance.random() < 0.2:
                del changed[chance.randrange(len(changed)) :]
            try:
                found = unpack(bytes(changed))
            except (InvalidError, TooLargeError):
                continue
            assert isinstance(found, Unpacked)
            assert all(".." not in file.path and not file.path.startswith("/") for file in found.files)
