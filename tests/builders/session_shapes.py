"""Sessions of one person in every shape that clients and gateways give them, from a seed, with what really happened.

    corpus = make(seed=7)
    corpus.sessions                 files of sessions, as they lie in Claude Code's folder
    corpus.requests                 what was asked of a model and is paid for, once each: the bill is a sum over these
    corpus.prompts, corpus.commands what the person typed, by session

Nothing here is read back out of the files: `_Author` writes down what it does while it does it. Shapes: responses on several
lines that repeat and grow their usage; relays that give every response one id, without request ids; retries that share a
message's id under another request's; forks with copied records; compaction; subagents inline, in files and in folders of
workflows; queued prompts; notifications; commands; the client's own error messages; fast mode, service tiers, cache writes
for five minutes and for an hour, iterations of an advisor, web searches, geography.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tests.builders.transcripts import START, stamp

MODELS = ("claude-opus-4-6", "claude-sonnet-4-6", "claude-haiku-4-5-20251001", "claude-sonnet-4-6[1m]")
ADVISOR = "claude-opus-4-6"
RELAYED = "glm-4.6"


@dataclass(frozen=True)
class Request:
    """One request to a model. `usage` is the whole of what the API reported at its end."""

    session_id: str
    file: str
    """`main`, or the path below `subagents/` without `agent-` and `.jsonl`."""
    at: datetime
    model: str
    message_id: str
    request_id: str | None
    request_ref: str | None
    usage: dict[str, Any]
    skill: str | None = None
    """In force while it was asked."""


@dataclass
class Session:
    """`files` by path below the project's folder: `<id>.jsonl`, `<id>/subagents/…/agent-<agent>.jsonl`."""

    session_id: str
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass
class Corpus:
    sessions: list[Session] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    prompts: Counter[str] = field(default_factory=Counter)
    """Typed or queued, by the session in which they were; the copies of a fork are not counted again."""
    commands: Counter[str] = field(default_factory=Counter)
    """Typed commands by name."""
    skills: Counter[str] = field(default_factory=Counter)
    """Calls of skills by the model, by the name of the skill that was launched."""


def make(seed: int, *, sessions: int = 12) -> Corpus:
    """The same seed gives the same corpus."""
    rng = random.Random(seed)
    corpus = Corpus()
    for _ in range(sessions):
        author = _Author(corpus, rng)
        author.live()
        corpus.sessions.append(author.session())
        if rng.random() < 0.3:
            corpus.sessions.append(author.fork())
    return corpus


@dataclass
class _Style:
    """How a client writes and what stands between it and the model."""

    is_new: bool
    """2.1.332: `requestRef`, `api-request`, `turnOrigin`; else as 2.1.197."""
    is_terminal: bool
    relay: str
    """'' none; `ids` unique ids without request ids; `constant` one id for everything; `session` one id a session."""
    inline_agents: bool
    one_hour: bool
    hides_partial: bool
    """Every line of a response has the final usage, as today; else the first ones have less, as in older clients."""


class _Author:
    """Writes one session and keeps account of it."""

    def __init__(self, corpus: Corpus, rng: random.Random) -> None:
        self.corpus = corpus
        self.rng = rng
        self.session_id = str(UUID(int=rng.getrandbits(128), version=4))
        self.at = START - timedelta(days=rng.random() * 20)
        relay = rng.choices(("", "ids", "constant", "session"), (6, 1, 1, 1))[0]
        self.style = _Style(
            is_new=rng.random() < 0.5,
            is_terminal=rng.random() < 0.6,
            relay=relay,
            inline_agents=rng.random() < 0.2,
            one_hour=rng.random() < 0.5,
            hides_partial=rng.random() < 0.6,
        )
        self.model = RELAYED if relay else rng.choice(MODELS)
        self.main: list[str] = []
        self.agents: dict[str, list[str]] = {}
        self.skill: str | None = None
        self._parent: str | None = None
        self._turn = 0
        self._file = "main"
        self._last_message: str | None = None

    # The session

    def live(self) -> None:
        steps: list[Callable[[], None]] = [
            *(self.plain_turn, self.plain_turn, self.skill_turn, self.bare_skill_turn, self.command_turn),
            *(self.local_command, self.queued_turn, self.notified_turn, self.agents_turn, self.workflow_turn),
            *(self.compaction, self.failure, self.quoting_turn),
        ]
        self.plain_turn()
        for _ in range(self.rng.randint(2, 8)):
            self.rng.choice(steps)()

    def session(self) -> Session:
        files = {f"{self.session_id}.jsonl": _body(self.main)}
        for agent, lines in self.agents.items():
            *folders, name = agent.split("/")
            files["/".join([self.session_id, "subagents", *folders, f"agent-{name}.jsonl"])] = _body(lines)
            if folders:
                journal = "/".join([self.session_id, "subagents", *folders, "journal.jsonl"])
                files[journal] = files.get(journal, b"") + _body([json.dumps({"event": "started", "agentId": name})])
        return Session(self.session_id, files)

    def fork(self) -> Session:
        """A session that begins with copies of this one's records, under its own id, and goes on by itself."""
        copied = self.main[: self.rng.randint(1, len(self.main))]
        other = _Author(self.corpus, self.rng)
        other.style, other.model, other._turn = self.style, self.model, self._turn
        other.at = self.at + timedelta(hours=1)
        other.main = [line.replace(self.session_id, other.session_id) for line in copied]
        other.plain_turn()
        return other.session()

    # Turns

    def plain_turn(self) -> None:
        self.prompt("Why did weekly orders drop in region North?")
        self.work()
        self.answer("Two filters overlap.")

    def skill_turn(self) -> None:
        self.prompt("Forecast the quarter.")
        self.launch("kit:forecast", "kit:forecast")

    def bare_skill_turn(self) -> None:
        self.prompt("Make a forecast.")
        self.launch("forecast", "kit:forecast")

    def launch(self, called: str, launched: str) -> None:
        call = self.call("Skill", {"skill": called, "args": "Q3"})
        self.corpus.skills[launched] += 1
        self.result(call, f"Launching skill: {called}", toolUseResult={"success": True, "commandName": called})
        self.user([{"type": "text", "text": f"Base directory for this skill\n\n# {called}"}], isMeta=True)
        self.skill = launched
        self.work()
        self.answer("The quarter will be close to budget.")

    def command_turn(self) -> None:
        name = self.rng.choice(("kit:spec.plan", "kit:close-month", "kit:überblick 2", "kit:2fa"))
        self.typed(_command_text(name, "2026"))
        self.corpus.commands[name] += 1
        self.user([{"type": "text", "text": "Plan.\n\nARGUMENTS: 2026"}], isMeta=True)
        self.skill = name
        self.work()
        self.answer("Planned.")

    def local_command(self) -> None:
        caveat = "Caveat: The messages below were generated by the user while running local commands."
        self.user(f"<local-command-caveat>{caveat}</local-command-caveat>", isMeta=True)
        self.typed("<command-name>/clear</command-name>\n            <command-message>clear</command-message>\n")
        self.corpus.commands["clear"] += 1
        self.user("<local-command-stdout></local-command-stdout>")

    def queued_turn(self) -> None:
        self.prompt("Check the build.")
        call = self.call("Bash", {"command": "sleep 4; echo ready"})
        self.bare({"type": "queue-operation", "operation": "enqueue", "content": "also check lint"})
        self.result(call, "ready")
        self.bare({"type": "queue-operation", "operation": "remove"})
        self.queued("also check lint", "prompt", {"kind": "human"})
        if self.rng.random() < 0.5:
            self.queued("<task-notification>\n<task-id>b3</task-id>", "task-notification", None)
        self.answer("Lint too.")

    def notified_turn(self) -> None:
        self.prompt("Build it in the background.")
        self.result(self.call("Bash", {"command": "make", "run_in_background": True}), "running")
        self.answer("Started.")
        note = "<task-notification>\n<task-id>b1</task-id>\n<status>completed</status>\n</task-notification>"
        marks: dict[str, Any] = {"origin": {"kind": "task-notification"}, "promptSource": "system"}
        if self.style.is_new:
            marks |= {"turnOrigin": "task_notification", "rowSource": "recorded"}
        self.skill = None
        self.user(note, **marks)
        self.answer("It is built.")
        if not self.style.is_new:
            self.user('<teammate-message teammate_id="reviewer">I am done.</teammate-message>')
            self.answer("Thanks.")

    def quoting_turn(self) -> None:
        self.prompt('My log says "<command-name>/kit:ship</command-name>", and I never ran it. Why?')
        self.answer("That is how commands are recorded.")

    def agents_turn(self) -> None:
        self.prompt("Have the queries audited.")
        for _ in range(self.rng.randint(1, 3)):
            call = self.call("Agent", {"subagent_type": "kit:auditor", "description": "Audit", "prompt": "Audit it."})
            self.agent("", inline=self.style.inline_agents)
            self.result(call, "Nothing to report.")
        self.answer("Audited.")

    def workflow_turn(self) -> None:
        self.prompt("Research this in depth.")
        call = self.call("Workflow", {"name": "research"})
        folder = f"workflows/wf_{self.rng.getrandbits(16):04x}/"
        for _ in range(self.rng.randint(1, 4)):
            self.agent(folder, inline=False)
        self.result(call, "done")
        self.answer("Here.")

    def agent(self, folder: str, *, inline: bool) -> None:
        """A subagent's part: its files may have the same name in several folders."""
        name = f"a{self.rng.getrandbits(64):016x}" if not folder else f"w{self.rng.randint(1, 4)}"
        path = f"{folder}{name}"
        if path in self.agents:
            return
        main, parent, model = self.main, self._parent, self.model
        if not inline:
            self.agents[path], self._parent = [], None
            self._file = path
        self._agent = name
        if not self.style.relay and self.rng.random() < 0.4:
            self.model = "claude-haiku-4-5-20251001"
        self.user("Audit it.", **({"rowSource": "recorded"} if self.style.is_new else {}))
        self.work()
        self.answer("Nothing to report.")
        self._agent = None
        self.main, self._parent, self.model, self._file = main, parent, model, "main"

    _agent: str | None = None

    def compaction(self) -> None:
        self.record({"type": "system", "subtype": "compact_boundary", "content": "Conversation compacted"})
        self.user("This session is being continued from a previous conversation.", isCompactSummary=True)
        self.answer("Going on.")

    def failure(self) -> None:
        """The client's own words about an error; nothing was paid."""
        usage = dict.fromkeys(
            ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"), 0
        )
        message = {"id": str(UUID(int=self.rng.getrandbits(128))), "role": "assistant", "model": "<synthetic>"}
        content = [{"type": "text", "text": "API Error: 529 overloaded"}]
        self.record(
            {"type": "assistant", "message": message | {"content": content, "usage": usage}, "isApiErrorMessage": True}
        )

    def work(self) -> None:
        for _ in range(self.rng.randint(0, 3)):
            tool = self.rng.choice(("Bash", "Read", "Grep"))
            self.result(self.call(tool, {"command": "ls"}), "ok")

    # Records

    def prompt(self, text: str) -> None:
        marks: dict[str, Any] = {"promptSource": "typed" if self.style.is_terminal else "sdk"}
        if self.style.is_terminal:
            marks["origin"] = {"kind": "human"}
        self.typed(text, **marks)

    def typed(self, text: str, **marks: Any) -> None:
        self._turn += 1
        self.skill = None
        self.corpus.prompts[self.session_id] += 1
        if self.style.is_new:
            marks |= {"turnOrigin": "human" if self.style.is_terminal else "sdk"}
            marks |= {"turnPosition": {"promptIndex": self._turn, "turnIndex": self._turn}}
        self.user(text, **marks)

    def queued(self, text: str, mode: str, origin: dict[str, str] | None) -> None:
        attachment: dict[str, Any] = {"type": "queued_command", "prompt": text, "commandMode": mode}
        if origin is not None and self.style.is_terminal:
            attachment["origin"] = origin
        if self.style.is_new:
            attachment["source_uuid"] = str(UUID(int=self.rng.getrandbits(128), version=4))
        if mode == "prompt":
            self.corpus.prompts[self.session_id] += 1
        self.record({"type": "attachment", "attachment": attachment})

    def user(self, content: Any, **fields: Any) -> None:
        self.record({"type": "user", "message": {"role": "user", "content": content}, **fields})

    def result(self, call: str, content: str, **fields: Any) -> None:
        self.user([{"type": "tool_result", "tool_use_id": call, "content": content}], **fields)

    def call(self, tool: str, given: dict[str, Any]) -> str:
        tool_id = f"toolu_{self.rng.getrandbits(64):016x}"
        blocks: list[dict[str, Any]] = [{"type": "tool_use", "id": tool_id, "name": tool, "input": given}]
        if self.rng.random() < 0.5:
            blocks.insert(0, {"type": "text", "text": "I will look."})
        self.respond(blocks)
        return tool_id

    def answer(self, text: str) -> None:
        blocks: list[dict[str, Any]] = [{"type": "text", "text": text}]
        if self.rng.random() < 0.3:
            blocks.insert(0, {"type": "thinking", "thinking": "", "signature": "c2ln"})
        self.respond(blocks)

    def respond(self, blocks: list[dict[str, Any]]) -> None:
        """One response: a request, and a record for each of its blocks."""
        rng, style = self.rng, self.style
        usage = self.usage()
        message_id, request_id = f"msg_{rng.getrandbits(64):016x}", f"req_{rng.getrandbits(64):016x}"
        if style.relay == "constant":
            message_id = "relay"
        elif style.relay == "session":
            message_id = f"chat-{self.session_id[:8]}"
        elif not style.relay and self._last_message is not None and rng.random() < 0.05:
            message_id = self._last_message  # a retry that the API answered with the same message
        self._last_message = message_id
        request_ref = str(UUID(int=rng.getrandbits(128), version=4)) if style.is_new else None
        self.corpus.requests.append(
            Request(
                self.session_id,
                self._file,
                self.at,
                self.model,
                message_id,
                None if style.relay else request_id,
                request_ref,
                usage,
                self.skill,
            )
        )
        if request_ref is not None:
            self.bare({"type": "api-request", "id": request_ref, "querySource": "sdk", "timestamp": stamp(self.at)})
        for number, block in enumerate(blocks):
            said = usage
            if not style.hides_partial and number < len(blocks) - 1:
                said = usage | {"output_tokens": min(3, usage["output_tokens"])}
            message = {"id": message_id, "type": "message", "role": "assistant", "model": self.model}
            fields: dict[str, Any] = {} if style.relay else {"requestId": request_id}
            if request_ref is not None:
                fields |= {"requestRef": request_ref, "apiBlockIndex": number}
            if self.skill is not None:
                fields |= {"attributionSkill": self.skill, "attributionPlugin": self.skill.partition(":")[0]}
            if self._agent is not None:
                fields["attributionAgent"] = "kit:auditor"
            self.record({"type": "assistant", "message": message | {"content": [block], "usage": said}, **fields})

    def usage(self) -> dict[str, Any]:
        rng = self.rng
        written = rng.choice((0, 0, rng.randint(1, 40_000)))
        hour = written if self.style.one_hour else 0
        if written and rng.random() < 0.2:
            hour = rng.randint(0, written)
        usage: dict[str, Any] = {
            "input_tokens": rng.randint(1, 3000),
            "output_tokens": rng.randint(4, 2000),
            "cache_read_input_tokens": rng.choice((0, rng.randint(1, 200_000))),
            "cache_creation_input_tokens": written,
        }
        if self.style.relay and rng.random() < 0.5:
            return usage  # what other models' gateways report
        usage["cache_creation"] = {"ephemeral_5m_input_tokens": written - hour, "ephemeral_1h_input_tokens": hour}
        usage["service_tier"] = rng.choices(("standard", "priority", "batch"), (18, 1, 1))[0]
        usage["speed"] = rng.choices(("standard", "fast"), (8, 2))[0]
        usage["inference_geo"] = rng.choices(("", "us", "not_available"), (8, 1, 1))[0]
        searches = rng.choices((0, rng.randint(1, 5)), (9, 1))[0]
        usage["server_tool_use"] = {"web_search_requests": searches, "web_fetch_requests": 0}
        usage["iterations"] = list(self._iterations(usage)) if rng.random() < 0.15 else []
        return usage

    def _iterations(self, usage: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The message's own tokens in two steps, and an advisor's between them, which are its own and not in the sum."""
        names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        first = {name: usage[name] // 2 for name in names}
        yield {"type": "message", **first}
        advised = {name: self.rng.randint(0, 20_000) for name in names[:3]} | {names[3]: 0}
        yield {"type": "advisor_message", "model": ADVISOR, **advised}
        yield {"type": "message", **{name: usage[name] - first[name] for name in names}}

    def record(self, fields: dict[str, Any]) -> None:
        """A record with the envelope that the client puts around it, a second after the one before."""
        uuid = str(UUID(int=self.rng.getrandbits(128), version=4))
        envelope: dict[str, Any] = {"parentUuid": self._parent, "isSidechain": self._agent is not None}
        if self._agent is not None:
            envelope["agentId"] = self._agent
        self.bare(
            {
                **envelope,
                **fields,
                "uuid": uuid,
                "timestamp": stamp(self.at),
                "userType": "external",
                "entrypoint": "cli" if self.style.is_terminal else "sdk-cli",
                "cwd": "/home/mira/ws",
                "version": "2.1.332" if self.style.is_new else "2.1.197",
                "gitBranch": "main",
            }
        )
        self._parent = uuid
        self.at += timedelta(seconds=1)

    def bare(self, fields: dict[str, Any]) -> None:
        lines = self.main if self._file == "main" else self.agents[self._file]
        lines.append(json.dumps(fields | {"sessionId": self.session_id}, ensure_ascii=False, separators=(",", ":")))


def _command_text(name: str, arguments: str) -> str:
    return (
        f"<command-message>{name}</command-message>\n<command-name>/{name}</command-name>\n"
        f"<command-args>{arguments}</command-args>"
    )


def _body(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
