"""Transcripts as client 2.1.197 writes them: by hand for a test, or generated at realistic sizes from a seed.

    t = Transcript(session="5d2c8a10-0001-4f00-9a00-00000000aaaa")
    t.prompt("Forecast Q3")
    call = t.use("Skill", skill="finops:forecast")
    t.result(call, "Launching skill: finops:forecast")
    t.body()  # the bytes of <session>.jsonl

`generate` makes what facts.md measured: by bytes about 61 % user records with tool results, 34 % assistant records.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
MODEL = "claude-sonnet-4-6"


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


@dataclass
class Transcript:
    """One file of one session; every method appends a record, a second after the one before, and returns its ids."""

    session: str = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
    at: datetime = START
    cwd: str = "/home/mira/ws"
    agent_id: str | None = None
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    lines: list[str] = field(default_factory=list)
    _parent: str | None = None

    def raw(self, line: str) -> None:
        self.lines.append(line)

    def record(self, kind: str, **fields: Any) -> str:
        """Append a record with the envelope around `fields`; its uuid."""
        uuid = self._uuid()
        head: dict[str, Any] = {"parentUuid": self._parent, "isSidechain": self.agent_id is not None}
        if self.agent_id is not None:
            head["agentId"] = self.agent_id
        late = {"toolUseResult": fields.pop("toolUseResult")} if "toolUseResult" in fields else {}
        body = {"message": fields.pop("message"), "type": kind} if kind == "assistant" else {"type": kind}
        line = {
            **head,
            **body,
            **fields,
            "uuid": uuid,
            "timestamp": stamp(self.at),
            **late,
            "userType": "external",
            "entrypoint": "cli",
            "cwd": self.cwd,
            "sessionId": self.session,
            "version": "2.1.197",
            "gitBranch": "HEAD",
        }
        self.raw(json.dumps(line, ensure_ascii=False, separators=(",", ":")))
        self._parent = uuid
        self.at += timedelta(seconds=1)
        return uuid

    def prompt(self, text: str, **fields: Any) -> str:
        return self.record("user", message={"role": "user", "content": text}, **fields)

    def command(self, name: str, args: str = "") -> str:
        """A typed slash command; `name` without the slash."""
        return self.prompt(
            f"<command-message>{name}</command-message>\n<command-name>/{name}</command-name>\n"
            f"<command-args>{args}</command-args>"
        )

    def say(
        self,
        content: list[dict[str, Any]],
        *,
        message_id: str | None = None,
        tokens: tuple[int, int, int, int] = (10, 20, 300, 40),
        model: str = MODEL,
        **fields: Any,
    ) -> str:
        """An assistant record; `tokens` are input, output, cache read, cache creation. Its message id."""
        message_id = message_id or f"msg_{self.rng.getrandbits(64):016x}"
        usage = {
            "input_tokens": tokens[0],
            "cache_creation_input_tokens": tokens[3],
            "cache_read_input_tokens": tokens[2],
            "output_tokens": tokens[1],
            "server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 0},
            "service_tier": "standard",
        }
        message = {"id": message_id, "type": "message", "role": "assistant", "model": model, "content": content}
        self.record("assistant", message={**message, "stop_reason": None, "usage": usage}, requestId="req_1", **fields)
        return message_id

    def use(
        self,
        tool: str,
        given: Any = None,
        *,
        message_id: str | None = None,
        tokens: tuple[int, int, int, int] = (10, 20, 300, 40),
        attribution: dict[str, str] | None = None,
        **named: Any,
    ) -> str:
        """An assistant record that calls `tool` with `named` arguments (or `given`); the tool use's id."""
        tool_id = f"toolu_{self.rng.getrandbits(64):016x}"
        block = {"type": "tool_use", "name": tool, "input": named if given is None else given, "id": tool_id}
        self.say([block], message_id=message_id, tokens=tokens, **(attribution or {}))
        return tool_id

    def result(self, tool_id: str, content: Any = "ok", *, is_error: bool | None = None, whole: Any = None) -> str:
        block: dict[str, Any] = {"tool_use_id": tool_id, "type": "tool_result", "content": content}
        if is_error is not None:
            block["is_error"] = is_error
        fields = {} if whole is None else {"toolUseResult": whole}
        return self.record("user", message={"role": "user", "content": [block]}, **fields)

    def body(self) -> bytes:
        return "".join(f"{line}\n" for line in self.lines).encode()

    def _uuid(self) -> str:
        return str(UUID(int=self.rng.getrandbits(128), version=4))


WORDS = [
    "select",
    "region",
    "sum",
    "amount",
    "from",
    "orders",
    "where",
    "month",
    "group",
    "ledger",
    "forecast",
    "north",
]
TOOLS = ("Bash", "Read", "Grep", "Edit", "Glob", "Write", "TodoWrite", "WebFetch")
PLUGINS = {
    "finops": (["forecast", "budget-variance"], ["auditor"], ["close-month"]),
    "sql-style": (["review-sql"], ["sql-reviewer"], []),
    "chartkit": (["bar-chart", "waterfall"], [], []),
}


class Text:
    """Source-like text, cut from a pool: fast to make and as compressible as the real thing."""

    def __init__(self, rng: random.Random) -> None:
        lines = []
        for number in range(20_000):
            words = rng.choices(WORDS, k=rng.randint(3, 11))
            lines.append(f"{number % 900 + 1}\t{'  ' * rng.randint(0, 3)}{' '.join(words)} = {rng.getrandbits(40)};")
        self._pool = "\n".join(lines)
        self._rng = rng

    def cut(self, median: int, spread: float = 1.0) -> str:
        size = min(int(self._rng.lognormvariate(0, spread) * median), 60_000)
        start = self._rng.randrange(len(self._pool) - size)
        return self._pool[start : start + size]


def generate(seed: int, *, sessions: int, session_bytes: int = 150_000, days: int = 30) -> Iterator[Transcript]:
    """`sessions` transcripts of about `session_bytes` each, spread over the `days` before START."""
    rng = random.Random(seed)
    text = Text(rng)
    for _ in range(sessions):
        at = START - timedelta(days=rng.random() * days)
        t = Transcript(session=str(UUID(int=rng.getrandbits(128), version=4)), at=at, rng=rng)
        size = rng.lognormvariate(0, 0.6) * session_bytes * 0.83
        _fill(t, text, rng, int(size))
        yield t


def _fill(t: Transcript, text: Text, rng: random.Random, size: int) -> None:
    written = 0
    while written < size:
        start = len(t.lines)
        attribution: dict[str, str] = {}
        plugin = rng.choice(list(PLUGINS))
        skills, agents, commands = PLUGINS[plugin]
        kind = rng.random()
        if kind < 0.1 and commands:
            t.command(f"{plugin}:{commands[0]}", text.cut(20))
            attribution = {"attributionSkill": f"{plugin}:{commands[0]}", "attributionPlugin": plugin}
        else:
            t.prompt(text.cut(150))
        if kind > 0.7:
            skill = f"{plugin}:{rng.choice(skills)}"
            t.result(t.use("Skill", skill=skill), f"Launching skill: {skill}")
            t.prompt(text.cut(2500), isMeta=True)
            attribution = {"attributionSkill": skill, "attributionPlugin": plugin}
        for _ in range(rng.randint(2, 12)):
            _turn(t, text, rng, attribution)
        if agents and rng.random() < 0.2:
            t.result(t.use("Agent", subagent_type=f"{plugin}:{agents[0]}", prompt=text.cut(300)), text.cut(900))
        t.say([{"type": "text", "text": text.cut(500)}], **attribution)
        written += sum(len(line) for line in t.lines[start:])
    t.record("last-prompt", lastPrompt="done")


def _turn(t: Transcript, text: Text, rng: random.Random, attribution: dict[str, str]) -> None:
    """One response in one to three lines, and the result of its call."""
    message_id = f"msg_{rng.getrandbits(64):016x}"
    tokens = (rng.randint(3, 900), rng.randint(10, 900), rng.randint(0, 90_000), rng.randint(0, 4000))
    if rng.random() < 0.35:
        signature = f"{rng.getrandbits(2400):x}"
        thinking = {"type": "thinking", "thinking": text.cut(700), "signature": signature}
        t.say([thinking], message_id=message_id, tokens=(tokens[0], 3, *tokens[2:]), **attribution)
    if rng.random() < 0.3:
        t.say([{"type": "text", "text": text.cut(200)}], message_id=message_id, tokens=tokens, **attribution)
    tool = rng.choices(TOOLS, (30, 30, 10, 10, 5, 5, 5, 5))[0]
    given = {"file_path": "/home/mira/ws/q.sql"}
    if tool in ("Write", "Edit"):
        given |= {"old_string": text.cut(900), "new_string": text.cut(1200)}
    elif tool == "Bash":
        given = {"command": text.cut(120), "description": "Look at it"}
    elif rng.random() < 0.04:
        tool, given = "mcp__plugin_chartkit_render__bars", {"values": [1, 2, 3]}
    call = t.use(tool, given, message_id=message_id, tokens=tokens, attribution=attribution)
    failed = rng.random() < 0.06
    content = f"Exit code 1\n{text.cut(120)}" if failed else text.cut(1400, 1.1)
    whole = f"Error: {content}" if failed else {"stdout": content, "stderr": "", "interrupted": False}
    t.result(call, content, is_error=failed or None, whole=whole)
