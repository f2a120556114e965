"""Reported cases, each with its right figures: prompts, commands, items and responses of whole sessions."""

from __future__ import annotations

import codecs
import json
from collections import Counter
from pathlib import Path

import pytest

from agnes.telemetry import keys
from agnes.telemetry.collecting.naming import is_beside, names_of
from agnes.telemetry.drill_down import conversation
from agnes.telemetry.extraction.served import Served, ServedPlugin, names_inside
from agnes.telemetry.model import Event, EventType, TranscriptFile
from agnes.telemetry.transcripts import packed
from agnes.telemetry.transcripts.stored import StoredFile
from tests.builders.transcripts import Transcript
from tests.unit.telemetry.sessions import RECEIVED, SAMPLES, extracted, invocations

CASES = SAMPLES / "cases"
KIT = ServedPlugin(
    "curated",
    "acme",
    "kit",
    {
        ("skill", "forecast"): "forecast",
        ("command", "spec.plan"): "spec.plan",
        ("command", "ship"): "ship",
        ("agent", "auditor"): "auditor",
        ("mcp", "big_ledger"): "big_ledger",
        ("mcp", "big"): "big",
    },
)
SERVED = Served({"kit": (KIT,)})


def files_of(case: str, session: str) -> dict[str, bytes]:
    """The transcripts of a session by the ids that they are stored under, `main` first."""
    folder = CASES / case
    found = {"main": (folder / f"{session}.jsonl").read_bytes()}
    for path in sorted((folder / session).rglob("*.jsonl")):
        name = path.relative_to(CASES).as_posix()
        if not is_beside(name):
            found[names_of(name)[1]] = path.read_bytes()
    return found


def sessions_of(case: str) -> list[str]:
    return sorted(path.stem for path in (CASES / case).glob("*.jsonl"))


def events_of(case: str) -> list[Event]:
    """Of all sessions of a case, each event once, as figures of a person count them."""
    found: dict[str, Event] = {}
    for session in sessions_of(case):
        files = files_of(case, session)
        extraction = extracted(files.pop("main"), names=SERVED, session=session, received_at=LATE, **files)
        for event in extraction.events:
            found.setdefault(event.event_id, event)
    return list(found.values())


LATE = RECEIVED.replace(month=12)


def counts(events: list[Event]) -> dict[str, int]:
    kinds = Counter(event.event_type for event in events)
    return {
        "prompts": kinds[EventType.PROMPT],
        "commands": kinds[EventType.COMMAND],
        "items": sum(event.item_name is not None for event in events if event.event_type != EventType.MESSAGE),
    }


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("11-task-notification", {"prompts": 1, "commands": 0, "items": 0}),
        ("15-gateway-constant-id", {"prompts": 2, "commands": 0, "items": 0}),
        ("17-quoted-tags", {"prompts": 1, "commands": 0, "items": 0}),
        ("20-queued-prompts", {"prompts": 2, "commands": 0, "items": 0}),
        ("22-fork", {"prompts": 2, "commands": 0, "items": 0}),
        ("24-first-line-torn", {"prompts": 1, "commands": 0, "items": 0}),
        ("25-workflow-subagents", {"prompts": 1, "commands": 0, "items": 0}),
    ],
)
def test_what_was_typed(case, expected):
    assert counts(events_of(case)) == expected


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        ("19342b39", {"prompts": 2, "commands": 0, "items": 0}),  # the second while a tool was running
        ("227ec6dd", {"prompts": 1, "commands": 1, "items": 1}),  # /kit:spec.plan 2026
        ("4ba37af6", {"prompts": 1, "commands": 0, "items": 0}),  # an agent that there is not, by its bare name
        ("59f89826", {"prompts": 1, "commands": 0, "items": 0}),  # a background task that reports
        ("962222f4", {"prompts": 0, "commands": 0, "items": 0}),  # /ship, which the client does not know
        ("ae73190e", {"prompts": 1, "commands": 0, "items": 1}),  # the model calls `forecast`, which is kit:forecast
        ("f96114f2", {"prompts": 1, "commands": 0, "items": 0}),
    ],
)
def test_the_real_client(session, expected):
    [path] = (CASES / "26-real-client").glob(f"{session}*.jsonl")
    events = extracted(path.read_bytes(), names=SERVED, received_at=LATE).events
    assert counts(events) == expected
    items = [(event.plugin, event.item_name) for event in invocations_with_items(events)]
    assert items == {"227ec6dd": [("kit", "spec.plan")], "ae73190e": [("kit", "forecast")]}.get(session, [])


def invocations_with_items(events: list[Event]) -> list[Event]:
    return [event for event in events if event.item_name and event.event_type != EventType.MESSAGE]


def test_tokens_of_workflows_count():
    events = events_of("25-workflow-subagents")
    assert sum(event.input_tokens for event in events) == 713_000
    assert {event.agent_id for event in events if event.is_sidechain} == {"a1", "w1", "w2"}


def test_a_fork_counts_once():
    responses = [event for event in events_of("22-fork") if event.event_type == EventType.MESSAGE]
    assert (len(responses), sum(event.input_tokens for event in responses)) == (2, 1500)


def test_odd_bytes():
    """Case 23: a byte order mark, CRLF, NULs, U+2028, other zones, none, an image of 1.5 MB, the client's own error."""
    t = Transcript()
    t.prompt("First\u2028line")
    t.raw("\0" * 64)
    t.say([{"type": "text", "text": "ok"}], tokens=(10, 1, 0, 0))
    t.say([{"type": "text", "text": "ok"}], tokens=(20, 2, 0, 0))
    t.lines[-1] = t.lines[-1].replace("Z", "", 1).replace("09:00", "09:01")
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 1_500_000}}
    t.record("user", message={"role": "user", "content": [image]})
    t.lines[-1] = t.lines[-1].replace('000Z"', '000+02:00"')
    t.say([{"type": "text", "text": "API Error: 529"}], tokens=(0, 0, 0, 0), model="<synthetic>")
    body = codecs.BOM_UTF8 + "".join(f"{line}\r\n" for line in t.lines).encode()
    packed.require_transcript(body)
    found = extracted(body)
    assert (found.summary.user_messages, found.summary.assistant_messages) == (2, 2)
    assert (found.summary.input_tokens, found.summary.output_tokens) == (30, 3)
    assert [file.skipped_lines for file in found.files] == [1]
    shown = conversation.part([TranscriptFile("main", body, RECEIVED)], limit=20)
    assert next(piece.text for piece in shown.pieces if piece.role == "user") == "First\u2028line"


def test_a_byte_order_mark_alone_is_no_transcript():
    with pytest.raises(packed.NotATranscript):
        packed.require_transcript(codecs.BOM_UTF8)


def test_the_conversation_shows_queued_prompts_and_notices():
    files = files_of("20-queued-prompts", sessions_of("20-queued-prompts")[0])
    pieces = shown(files)
    assert [piece.text for piece in pieces if piece.role == "user" and not piece.is_meta] == [
        "Check the build.",
        "also check lint",
    ]
    assert [piece.text for piece in pieces][1:3] == ["Looking.", "also check lint"]
    notices = list(shown(files_of("11-task-notification", sessions_of("11-task-notification")[0])))
    said = [(piece.is_meta, piece.title) for piece in notices if piece.role == "user" and piece.type == "text"]
    assert said == [
        (False, ""),
        (True, "a background task reports"),
        (True, "a background task reports"),
        (True, "a message of a teammate agent"),
    ]


def shown(files: dict[str, bytes]) -> tuple[conversation.Piece, ...]:
    return conversation.part([TranscriptFile(name, body, LATE) for name, body in files.items()], limit=200).pieces


def test_the_conversation_has_the_agents_of_workflows():
    pieces = shown(files_of("25-workflow-subagents", sessions_of("25-workflow-subagents")[0]))
    nested = [piece for piece in pieces if piece.agent_id == "workflows.wf_9f.w1"]
    assert [piece.text for piece in nested] == ["Search part.", "found"]
    assert {conversation.file_of(piece.id) for piece in pieces} == {
        "main",
        "a1",
        "workflows.wf_9f.w1",
        "workflows.wf_9f.w2",
    }
    files = [
        TranscriptFile(name, body, LATE) for name, body in files_of("25-workflow-subagents", nested_session()).items()
    ]
    found, after = [], None
    while True:
        part = conversation.part(files, after=after, limit=1)
        found += part.pieces
        if part.next_cursor is None:
            break
        after = conversation.Place.of_cursor(part.next_cursor)
    assert tuple(found) == pieces


def nested_session() -> str:
    return sessions_of("25-workflow-subagents")[0]


def test_a_quoted_command_has_no_title():
    [prompt, _] = shown(files_of("17-quoted-tags", sessions_of("17-quoted-tags")[0]))
    assert (prompt.title, prompt.is_meta) == ("", False)


NAMES = ("kit:spec.plan", "kit:überblick", "kit:2fa", "mcp__plugin_kit_big_ledger__month", "kit:two words", "a/b.c+d")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("order", ["message", "name", "alone"])
def test_names_of_commands_are_as_the_client_writes_them(name, order):
    message, tag = f"<command-message>{name}</command-message>", f"<command-name>/{name}</command-name>"
    text = {"message": f"{message}\n{tag}", "name": f"{tag}\n            {message}", "alone": tag}[order]
    t = Transcript()
    t.prompt(f"{text}\n<command-args>2026</command-args>")
    [command] = invocations(extracted(t.body(), names=SERVED))
    assert command.command_name == name
    if name.startswith("mcp__"):
        assert (command.plugin, command.item_kind, command.item_name) == ("kit", "mcp", "big_ledger")


@pytest.mark.parametrize(
    ("tool", "server"),
    [
        ("mcp__plugin_kit_big_ledger__post", "big_ledger"),
        ("mcp__plugin_kit_big__post", "big"),
        ("mcp__plugin_kit_big__ledger__post", "big"),
        ("mcp__plugin_kit_unlisted__post", "unlisted"),
        ("mcp__plugin_kit_un_listed__post__twice", "un_listed"),
    ],
)
def test_servers_by_their_declared_names(tool, server):
    item = SERVED.mcp_item(tool)
    assert (item.plugin, item.kind, item.name) == ("kit", "mcp", server)


def test_a_declared_server_wins_over_a_plugin_of_a_longer_name():
    """`kit` declares `big_ledger`, and a plugin `kit_big` is served that declares nothing of the kind."""
    both = Served({"kit": (KIT,), "kit_big": (ServedPlugin("curated", "acme", "kit_big"),)})
    assert both.mcp_item("mcp__plugin_kit_big_ledger__post").plugin == "kit"
    assert both.mcp_item("mcp__plugin_kit_big_other__post").plugin == "kit_big"


OWN = ServedPlugin("curated", "zeta", "other", {("skill", "forecast"): "forecast"})


@pytest.mark.parametrize(
    ("said", "names", "is_error", "expected"),
    [
        ({"attributionSkill": "kit:forecast", "attributionPlugin": "kit"}, (KIT, OWN), None, "kit"),
        ({"attributionSkill": "other:forecast", "attributionPlugin": "other"}, (KIT, OWN), None, "other"),
        ({"attributionSkill": "forecast"}, (KIT,), None, None),  # the person's own skill
        ({}, (KIT,), None, "kit"),  # nothing says, and one plugin alone has it
        ({}, (KIT, OWN), None, None),
        ({}, (KIT,), True, None),  # it was not launched
    ],
)
def test_a_skill_called_without_its_prefix(said, names, is_error, expected):
    t = Transcript()
    t.prompt("Make a forecast")
    t.result(t.use("Skill", skill="forecast"), "Launching skill: forecast", is_error=is_error)
    t.say([{"type": "text", "text": "done"}], **said)
    served = Served({plugin.plugin: (plugin,) for plugin in names})
    [call] = invocations(extracted(t.body(), names=served))
    assert (call.skill_name, call.plugin) == ("forecast", expected)


@pytest.mark.parametrize("called", ["/kit:forecast", " kit:forecast\n", "/forecast"])
def test_a_skill_called_with_a_slash_is_the_skill(called):
    """The client launches it: it takes blanks and one slash away."""
    t = Transcript()
    t.prompt("Make a forecast")
    t.result(t.use("Skill", skill=called), "Launching skill")
    t.say([{"type": "text", "text": "done"}], attributionSkill="kit:forecast", attributionPlugin="kit")
    [call] = invocations(extracted(t.body(), names=SERVED))
    assert (call.skill_name, call.item_name) == (called.strip().removeprefix("/"), "forecast")


def test_a_typed_command_and_its_bare_call_are_one_invocation():
    t = Transcript()
    t.command("kit:forecast")
    t.result(t.use("Skill", skill="forecast"), "Launching skill: forecast")
    t.say([{"type": "text", "text": "done"}], attributionSkill="kit:forecast", attributionPlugin="kit")
    command, call = sorted(invocations(extracted(t.body(), names=SERVED)), key=lambda event: event.event_type)
    assert (command.command_name, command.item_name) == ("kit:forecast", None)
    assert (call.skill_name, call.item_name) == ("forecast", "forecast")


FORMS = [
    ("typed", {"promptSource": "typed", "origin": {"kind": "human"}}, "<task-notification> is what my log says", True),
    ("suggestion", {"promptSource": "suggestion_accepted"}, "run the tests", True),
    ("program", {"promptSource": "sdk", "turnOrigin": "sdk"}, "<task-notification> is what my log says", True),
    ("old program", {"promptSource": "sdk"}, "<task-notification>\n<task-id>b</task-id>", False),
    ("shell's output in a turn", {"turnOrigin": "human", "rowSource": "local"}, "<bash-stdout>a</bash-stdout>", False),
    ("unknown source", {"promptSource": "dictated"}, "run the tests", True),
    ("peer", {"origin": {"kind": "peer"}, "promptSource": "sdk"}, "run the tests", False),
    ("unknown origin", {"origin": {"kind": "martian"}}, "run the tests", False),
    ("scheduled", {"promptSource": "sdk", "turnOrigin": "scheduled"}, "run the tests", False),
    ("hook", {"rowSource": "hook"}, "run the tests", False),
    ("system", {"promptSource": "system"}, "run the tests", False),
    ("plan", {"planContent": "# Plan"}, "Implement the following plan", False),
    ("meta", {"isMeta": True}, "run the tests", False),
    ("shown only", {"isVisibleInTranscriptOnly": True}, "run the tests", False),
    ("old notification", {}, "<task-notification>\n<task-id>b</task-id>", False),
    ("old reminder", {}, "<system-reminder>x</system-reminder>", False),
    ("old hook", {}, "Stop hook feedback:\nnot yet", False),
    ("old summary", {}, "This session is being continued from a previous conversation that ran out", False),
    ("shell", {}, "<bash-input>ls</bash-input>", True),
    ("shell's output", {}, "<bash-stdout>a</bash-stdout><bash-stderr></bash-stderr>", False),
    ("memory", {}, "<user-memory-input>use tabs</user-memory-input>", True),
    ("image", {}, [{"type": "image", "source": {}}], True),
    (
        "editor",
        {},
        [{"type": "text", "text": "<ide_selection>x</ide_selection>"}, {"type": "text", "text": "Why?"}],
        True,
    ),
    ("editor alone", {}, [{"type": "text", "text": "<ide_selection>x</ide_selection>"}], False),
    ("blank", {}, " \n", False),
]


@pytest.mark.parametrize(("marks", "text", "is_prompt"), [form[1:] for form in FORMS], ids=[form[0] for form in FORMS])
def test_forms(marks, text, is_prompt):
    t = Transcript()
    t.prompt(text, **marks)
    assert extracted(t.body()).summary.user_messages == is_prompt
    pieces = shown({"main": t.body()})
    assert any(not piece.is_meta for piece in pieces) == is_prompt


QUEUED = [
    ("old", {}, True),
    ("human", {"commandMode": "prompt", "origin": {"kind": "human"}}, True),
    ("shell", {"commandMode": "bash"}, True),
    ("blocks", {"commandMode": "prompt", "prompt": [{"type": "text", "text": "and this"}]}, True),
    ("task", {"commandMode": "task-notification"}, False),
    ("peer", {"commandMode": "prompt", "origin": {"kind": "peer"}}, False),
    ("meta", {"commandMode": "prompt", "isMeta": True}, False),
    ("copy", {"commandMode": "prompt", "carriedByCompaction": True}, False),
    ("notification", {"commandMode": "prompt", "prompt": "<task-notification>x"}, False),
]


@pytest.mark.parametrize(("fields", "is_prompt"), [form[1:] for form in QUEUED], ids=[form[0] for form in QUEUED])
def test_queued(fields, is_prompt):
    t = Transcript()
    t.record("attachment", attachment={"type": "queued_command", "prompt": "and this", **fields})
    assert extracted(t.body()).summary.user_messages == is_prompt
    [piece] = shown({"main": t.body()})
    assert piece.is_meta is not is_prompt


def test_what_was_queued_once_counts_once():
    t = Transcript()
    for _ in range(2):
        t.record("attachment", attachment={"type": "queued_command", "prompt": "and this", "source_uuid": "q1"})
    assert extracted(t.body()).summary.user_messages == 1


def test_a_line_of_several_commands_is_one_prompt():
    t = Transcript()
    t.command("kit:ship")
    t.prompt(
        "<command-message>kit:plan</command-message>\n<command-name>/kit:plan</command-name>", stackedExpansion=True
    )
    summary = extracted(t.body()).summary
    assert (summary.user_messages, summary.slash_commands) == (1, 2)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"p/{'a' * 8}-0000-4000-8000-{'0' * 12}.jsonl", None),
        (f"{'A' * 8}-0000-4000-8000-{'0' * 12}/subagents/agent-a1.jsonl", "a1"),
        (f"{'a' * 8}-0000-4000-8000-{'0' * 12}/subagents/workflows/wf_9f/agent-w1.jsonl", "workflows.wf_9f.w1"),
        (f"{'a' * 8}-0000-4000-8000-{'0' * 12}/subagents/workflows/wf_9f/journal.jsonl", "no transcript"),
        (f"/drop/{'a' * 8}-0000-4000-8000-{'0' * 12}/.claude/projects/x/agent-old.jsonl", "old"),
        (f"/drop/{'a' * 8}-0000-4000-8000-{'0' * 12}/.claude/projects/x/renamed.jsonl", None),
    ],
)
def test_names_of_files(path, expected):
    assert ("no transcript" if is_beside(path) else names_of(path)[1]) == expected


def test_ids_of_subagents_never_meet():
    ids = [
        keys.agent_id_of(folders, name)
        for folders in ((), ("w",), ("w", "x"), ("w.x",), ("w x",), ("../w",), ("f" * 100,), tuple("abcdefghijk"))
        for name in ("a1", "b.c", "main", "ü", "n" * 100, "x/y")
    ]
    assert len(set(ids)) == len(ids)
    for agent_id in ids:
        which = keys.transcript_id("user1", "a" * 8 + "-0000-4000-8000-" + "0" * 12, agent_id)
        assert ".." not in which.key
        assert which.key.count("/") == 4


def test_files_are_called_as_claude_code_calls_them():
    session = "a" * 8 + "-0000-4000-8000-" + "0" * 12
    names = {}
    for agent_id in (None, "a1", "workflows.wf_9f.w1"):
        file = StoredFile(keys.transcript_id("user1", session, agent_id), 1, LATE)
        names[agent_id] = (file.filename, file.member.removeprefix(session))
    assert names == {
        None: (f"{session}.jsonl", ".jsonl"),
        "a1": ("agent-a1.jsonl", "/subagents/agent-a1.jsonl"),
        "workflows.wf_9f.w1": ("agent-w1.jsonl", "/subagents/workflows/wf_9f/agent-w1.jsonl"),
    }


def test_the_sample_has_no_real_person():
    for path in CASES.rglob("*.jsonl"):
        text = path.read_text()
        assert "/home/" not in text.replace("/home/ana", "").replace("/home/mira", ""), path
        assert path.stem == "journal" or "87e25015" in path.stem or all(map(json.loads, text.splitlines()))


def test_every_case_is_described():
    described = (CASES / "README.md").read_text()
    assert all(f"`{path.name}`" in described for path in CASES.iterdir() if isinstance(path, Path) and path.is_dir())


def test_a_workflow_is_called_as_a_command_and_an_old_client_writes_other_names_of_skills():
    rows = [("skill", "sing-le", "kit:sing le"), ("workflow", "flow", None), ("command", "ship", None)]
    kit = ServedPlugin("curated", "acme", "kit", names_inside(rows))
    served = Served({"kit": (kit,)})
    called = {name: served.item(f"kit:{name}", "skill", "command") for name in ("flow", "ship", "kit-sing-le", "gone")}
    assert {name: (item.kind, item.name) for name, item in called.items() if item} == {
        "flow": ("workflow", "flow"),
        "ship": ("command", "ship"),
        "kit-sing-le": ("skill", "sing-le"),
        "gone": ("skill", "gone"),
    }
