"""What a person typed, as each tested version of the client writes it down: counted once, and nothing else.

Every form that can be made without an account is made here by the real client: typed, piped to `claude -p`, queued while a tool
runs, queued as a command, commands with odd names, a command without its prefix, several commands in one line, a shell command,
what looks like the client's own text, a skill called by its bare name, the report of a background task, a hook's feedback.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agnes.claude_code import versions
from agnes.telemetry.drill_down import conversation
from agnes.telemetry.extraction.extract import SessionKey, extract
from agnes.telemetry.extraction.served import Served, ServedPlugin
from agnes.telemetry.model import Event, EventType, TranscriptFile
from tests.builders.claude_client import ClaudeClient
from tests.builders.claude_terminal import ClaudeTerminal
from tests.builders.scripted_messages_api import Reply, Script, ScriptedMessagesApi, text, use

pytestmark = pytest.mark.client

COMMANDS = ("spec.plan", "2fa", "überblick")
SKILLS = ("forecast", "other")
KIT = ServedPlugin(
    "curated",
    "acme",
    "kit",
    {("command", name): name for name in COMMANDS} | {("skill", name): name for name in SKILLS},
)
OK = Reply([text("ok")])
NOT_DONE_YET = "test -f .done || (touch .done; echo not yet >&2; exit 2)"


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """A marketplace in a folder, with the plugin `kit`."""
    root = tmp_path / "marketplace"
    entry = {"name": "kit", "source": "./kit"}
    catalog = {"name": "acme", "owner": {"name": "Acme"}, "plugins": [entry]}
    files = {
        ".claude-plugin/marketplace.json": json.dumps(catalog),
        "kit/.claude-plugin/plugin.json": json.dumps({"name": "kit", "version": "1.0.0"}),
        **{f"kit/commands/{name}.md": "---\ndescription: A command\n---\nDo. $ARGUMENTS" for name in COMMANDS},
        **{
            f"kit/skills/{name}/SKILL.md": f"---\nname: {name}\ndescription: A skill\n---\nDo. $ARGUMENTS"
            for name in SKILLS
        },
    }
    for path, body in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(body)
    return root


@pytest.fixture
def client(tmp_path: Path, claude_version: str, kit: Path) -> ClaudeClient:
    home, workspace = tmp_path / "home", tmp_path / "ws"
    home.mkdir()
    workspace.mkdir()
    client = ClaudeClient(home, workspace, version=claude_version)
    client.plugin_marketplace_add(kit)
    client.plugin_install("kit@acme")
    return client


def events_of(client: ClaudeClient) -> list[Event]:
    found = []
    for path in client.projects.glob("*/*.jsonl"):
        file = TranscriptFile("main", path.read_bytes(), datetime.now(UTC) + timedelta(hours=1))
        found += extract([file], SessionKey("user1", path.stem, "g1"), Served({"kit": (KIT,)})).events
    return found


def shown_prompts(client: ClaudeClient) -> list[str]:
    """Of the conversations, what is shown as a person's text."""
    found = []
    for path in client.projects.glob("*/*.jsonl"):
        file = TranscriptFile("main", path.read_bytes(), datetime.now(UTC) + timedelta(hours=1))
        pieces = conversation.part([file], limit=1000).pieces
        found += [piece for piece in pieces if piece.role == "user" and piece.type == "text" and not piece.is_meta]
    return sorted(piece.title or piece.text for piece in found)


def commands(events: list[Event]) -> list[str]:
    return sorted(event.command_name for event in events if event.command_name is not None)


def items(events: list[Event]) -> Counter[str]:
    return Counter(event.item_name for event in events if event.item_name and event.event_type != EventType.MESSAGE)


def prompts(events: list[Event]) -> int:
    return sum(event.event_type == EventType.PROMPT for event in events)


def test_prompts_of_programs(client: ClaudeClient):
    """`claude -p`, a session for each line."""
    background = [
        Reply([use("Bash", command="sleep 1; echo built", description="Build", run_in_background=True)]),
        Reply([text("started")]),
        Reply([text("it is built")]),
    ]
    bare = [Reply([use("Skill", skill="forecast", args="Q3")]), OK]
    lines = {
        "/kit:spec.plan 2026": [OK],
        "/kit:2fa": [OK],
        "/kit:überblick": [OK],
        "/forecast Q3": [OK],
        "Make a forecast": bare,
        "Build it in the background": background,
        "My log says <command-name>/kit:2fa</command-name>": [OK],
    }
    for line, replies in lines.items():
        with ScriptedMessagesApi([Script("main", replies)]) as api:
            ClaudeClient(client.home, client.workspace, api.url, version=client.version).session(line)
    events = events_of(client)
    assert prompts(events) == len(lines)
    assert commands(events) == ["kit:2fa", "kit:forecast", "kit:spec.plan", "kit:überblick"]
    assert items(events) == {"spec.plan": 1, "2fa": 1, "überblick": 1, "forecast": 2}
    assert shown_prompts(client) == sorted({**lines, "/kit:forecast Q3": 0}.keys() - {"/forecast Q3"})


def test_prompts_of_a_terminal(client: ClaudeClient):
    """Typed, and queued while a tool runs; a Stop hook answers once."""
    client.write_hooks(Stop=NOT_DONE_YET)
    replies = [Reply([use("Bash", command="sleep 4; echo ready", description="Wait")]), *[OK] * 12]
    typed = (
        "!echo shelled",
        "/kit:forecast /kit:other stacked",
        "# use tabs",
        "<task-notification> is what my log says",
    )
    with ScriptedMessagesApi([Script("main", replies)]) as api:
        here = ClaudeClient(client.home, client.workspace, api.url, version=client.version)

        def written(what: str) -> int:
            return sum(path.read_text().count(what) for path in here.transcripts())

        def turns() -> int:
            return written('"subtype":"turn_duration"')

        with ClaudeTerminal(here) as terminal:
            terminal.type("Check the build")
            terminal.wait_until(lambda: written("sleep 4"))
            terminal.type("also check lint")
            terminal.wait_until(lambda: written('"operation":"enqueue"') == 1)
            terminal.type("/kit:2fa queued")
            terminal.wait_until(lambda: turns() == 2)
            for number, line in enumerate(typed, 3):
                time.sleep(0.5)  # until the input line is empty again
                terminal.type(line)
                terminal.wait_until(lambda ended=number: turns() >= ended)
    events = events_of(client)
    assert prompts(events) == 7
    stacked = ["kit:forecast", "kit:other"] if client.version != versions.OLDEST else ["kit:forecast"]
    assert commands(events) == sorted(["kit:2fa", *stacked])
    shown = shown_prompts(client)
    assert {"Check the build", "also check lint", "/kit:2fa queued", "# use tabs", typed[-1]} <= set(shown)
    assert len(shown) == 6 + len(stacked)
    assert not any("not yet" in piece for piece in shown)
