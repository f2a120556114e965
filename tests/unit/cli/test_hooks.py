from __future__ import annotations

import json
import time

import pytest

from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.transcripts import Transcript

pytestmark = pytest.mark.slow

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
        "agnes pull --background || true",
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
    assert [p.name for p in laptop.claude.glob("*")] == (["settings.json"] if before is not None else [])


def test_undo_leaves_no_trace_of_the_sessions_that_were_sent(signed_in):
    laptop = signed_in.laptop
    laptop.agnes("init")
    path = laptop.transcript(A, b'{"type":"user"}\n')
    laptop.capture(A, path)
    kept = laptop.agnes("init", "--remove")
    assert "1 sessions wait" in kept.stderr
    assert laptop.file("agnes-sessions.txt") == f"{A}\t{path}\n"
    laptop.push()
    laptop.agnes("init", "--remove")
    assert not laptop.claude.exists()


STATUS = {"type": "command", "command": "agnes statusline || true"}
THEIR_STATUS = {"type": "command", "command": "~/bin/line.sh", "padding": 0}


def status_line(laptop) -> object:
    return json.loads((laptop.claude / "settings.json").read_text()).get("statusLine")


@pytest.mark.parametrize("place", ["settings.json", "settings.local.json", "~/.claude/settings.json"])
def test_a_status_line_that_was_there_stays(office, place):
    laptop = office.laptop
    path = laptop.home / place[2:] if place.startswith("~") else laptop.claude / place
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"statusLine": THEIR_STATUS}))
    done = laptop.agnes("init")
    assert (done.returncode, f"your own status line in {path} stays" in done.stderr) == (0, True)
    assert status_line(laptop) == (THEIR_STATUS if place == "settings.json" else None)
    laptop.agnes("init", "--undo")
    assert json.loads(path.read_text()) == {"statusLine": THEIR_STATUS}


def test_the_status_line_and_the_commands_are_installed(office):
    laptop = office.laptop
    assert "Warning" not in laptop.agnes("init").stderr
    assert status_line(laptop) == STATUS
    assert "!`agnes mark-private`" in laptop.file("commands/agnes-private.md")


def test_of_a_group_that_holds_both_only_ours_is_taken_out(office):
    laptop = office.laptop
    laptop.claude.mkdir()
    ours, theirs = (
        {"type": "command", "command": command} for command in ("agnes capture-session || true", "echo hello")
    )
    before = {"hooks": {"SessionStart": [{"matcher": "startup", "hooks": [ours, theirs]}]}}
    (laptop.claude / "settings.json").write_text(json.dumps(before))
    laptop.agnes("init")
    mine, other = hooks(laptop)["SessionStart"]
    assert (len(mine["hooks"]), other) == (3, {"matcher": "startup", "hooks": [theirs]})
    laptop.agnes("init", "--undo")
    assert hooks(laptop) == {"SessionStart": [other]}


def test_a_command_that_somebody_changed_is_theirs(office):
    laptop = office.laptop
    path = laptop.claude / "commands" / "update-agnes-plugins.md"
    path.parent.mkdir(parents=True)
    path.write_text("Mine.\n")
    laptop.agnes("init")
    laptop.agnes("init", "--undo")
    assert path.read_text() == "Mine.\n"


@pytest.mark.parametrize(
    "text",
    [
        b"{not json",
        b"[]",
        b'{"hooks": []}',
        b'{"hooks": {"SessionEnd": {}}}',
        b'{"hooks": {"SessionStart": null}}',
        b'{"model": "a" // a comment\n}',
        b'{"model": "a", "model": "b"}',
        b"[" * 100_000,
        b'{"model": "\xe9"}',
        b'\xef\xbb\xbf{"model": "a"}',
        b"",
    ],
    ids=range(11),
)
def test_settings_that_are_not_understood_are_left_alone(office, text):
    laptop = office.laptop
    laptop.claude.mkdir()
    (laptop.claude / "settings.json").write_bytes(text)
    for arguments in ((), ("--undo",)):
        done = laptop.agnes("init", *arguments)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
        assert (laptop.claude / "settings.json").read_bytes() == text
    assert [path.name for path in laptop.claude.iterdir()] == ["settings.json"]


def test_odd_settings_keep_what_they_say(office):
    """A link, permissions of its own, half a surrogate pair, a huge number, groups and hooks of no known shape."""
    laptop = office.laptop
    laptop.claude.mkdir()
    target = laptop.home / "dotfiles.json"
    odd = {"SessionStart": [None, 5, {"hooks": None}, {"hooks": [None, {"command": 7}]}], "Unknown": {"x": 1}}
    before = {"hooks": odd, "x": "\ud800", "n": 10**30, "statusLine": None}
    target.write_text(json.dumps(before))
    target.chmod(0o600)
    path = laptop.claude / "settings.json"
    path.symlink_to(target)
    assert laptop.agnes("init").returncode == 0
    assert path.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o600
    assert hooks(laptop)["SessionStart"][1:] == odd["SessionStart"]
    assert laptop.agnes("init", "--undo").returncode == 0
    assert json.loads(target.read_text()) == {k: v for k, v in before.items() if k != "statusLine"}


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
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (laptop.file("agnes-push.log")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert signed_in.stored(A) == ["main.jsonl.zst"]
    assert laptop.file("agnes-sessions.txt") == ""
