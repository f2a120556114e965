from __future__ import annotations

import json
import time

import pytest

from tests.builders.transcripts import Transcript

A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"


def hooks(laptop) -> dict:
    return json.loads((laptop.claude / "settings.json").read_text())["hooks"]


def test_init_adds_hooks_and_leaves_the_rest(office):
    laptop = office.laptop
    theirs = {"matcher": "startup", "hooks": [{"type": "command", "command": "echo hello"}]}
    laptop.claude.mkdir()
    before = {"model": "sonnet", "hooks": {"SessionStart": [theirs], "Stop": [theirs]}, "ünïcode": "✓"}
    (laptop.claude / "settings.json").write_text(json.dumps(before))
    assert laptop.agnes("init").returncode == 0
    after = json.loads((laptop.claude / "settings.json").read_text())
    assert after["model"] == "sonnet"
    assert after["ünïcode"] == "✓"
    assert after["hooks"]["Stop"] == [theirs]
    ours, other = after["hooks"]["SessionStart"]
    assert other == theirs
    assert ours["hooks"][0]["command"].startswith("agnes capture-session")
    assert "--push" in after["hooks"]["SessionEnd"][0]["hooks"][0]["command"]
    assert laptop.agnes("init").returncode == 0
    assert json.loads((laptop.claude / "settings.json").read_text()) == after


def test_a_session_start_looks_for_news(office):
    laptop = office.laptop
    laptop.agnes("init")
    (group,) = hooks(laptop)["SessionStart"]
    assert [hook["command"] for hook in group["hooks"]] == [
        "agnes capture-session || true",
        "agnes refresh-marketplace --check || true",
    ]
    assert "agnes refresh-marketplace" in laptop.file("commands/update-agnes-plugins.md")


def test_hooks_of_an_earlier_version_are_replaced(office):
    laptop = office.laptop
    laptop.claude.mkdir()
    old = {"hooks": [{"type": "command", "command": "agnes capture-session || true", "timeout": 5}]}
    (laptop.claude / "settings.json").write_text(json.dumps({"hooks": {"SessionStart": [old]}}))
    laptop.agnes("init")
    assert len(hooks(laptop)["SessionStart"]) == 1


THEIRS = {"matcher": "startup", "hooks": [{"type": "command", "command": "echo hello"}]}


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(None, id="no-file"),
        pytest.param({"model": "sonnet"}, id="no-hooks"),
        pytest.param(
            {"hooks": {"SessionStart": [THEIRS], "Stop": [THEIRS]}, "enabledPlugins": {"a@b": False}}, id="theirs"
        ),
    ],
)
def test_undo_leaves_what_was_there(office, before):
    laptop = office.laptop
    laptop.claude.mkdir()
    path = laptop.claude / "settings.json"
    if before is not None:
        path.write_text(json.dumps(before))
    for _ in range(2):
        assert laptop.agnes("init").returncode == 0
    for _ in range(2):
        assert laptop.agnes("init", "--undo").returncode == 0
    assert (json.loads(path.read_text()) if path.exists() else None) == before
    assert [p.name for p in laptop.claude.iterdir()] == (["settings.json"] if before is not None else [])


def test_a_command_that_somebody_changed_is_theirs(office):
    laptop = office.laptop
    path = laptop.claude / "commands" / "update-agnes-plugins.md"
    path.parent.mkdir(parents=True)
    path.write_text("Mine.\n")
    laptop.agnes("init")
    laptop.agnes("init", "--undo")
    assert path.read_text() == "Mine.\n"


@pytest.mark.parametrize("text", ["{not json", "[]", '{"hooks": []}', '{"hooks": {"SessionEnd": {}}}'])
def test_settings_that_are_not_understood_are_left_alone(office, text):
    laptop = office.laptop
    laptop.claude.mkdir()
    (laptop.claude / "settings.json").write_text(text)
    done = laptop.agnes("init")
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert (laptop.claude / "settings.json").read_text() == text


@pytest.mark.parametrize(
    "stdin",
    [
        "",
        "not json",
        "[1]",
        "{}",
        '{"session_id": 5, "transcript_path": "x"}',
        '{"session_id": "a\\tb", "transcript_path": "x"}',
        '{"session_id": "a", "transcript_path": "x\\ny"}',
    ],
)
def test_capture_never_fails_a_session(office, stdin):
    done = office.laptop.agnes("capture-session", stdin=stdin)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert office.laptop.file("agnes-sessions.txt") == ""


def test_the_end_of_a_session_sends_it_in_the_background(signed_in):
    laptop = signed_in.laptop
    t = Transcript(A)
    t.prompt("Hello")
    path = laptop.transcript(A, t.body())
    done = laptop.capture(A, path, "--push")
    assert (done.returncode, done.stdout) == (0, "")
    deadline = time.monotonic() + 30
    while not (laptop.file("agnes-push.log")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert signed_in.stored(A) == ["main.jsonl.zst"]
    assert laptop.file("agnes-sessions.txt") == ""
