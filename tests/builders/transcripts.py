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
            "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": tokens[3]},
            "inference_geo": "",
            "iterations": [],
            "speed": "standard",
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


TOOLS = ("Bash", "Read", "Grep", "Edit", "Glob", "Write", "TodoWrite", "WebFetch")
PLUGINS = {
    "finops": (["forecast", "budget-variance"], ["auditor"], ["close-month"]),
    "sql-style": (["review-sql"], ["sql-reviewer"], []),
    "chartkit": (["bar-chart", "waterfall"], [], []),
}
LINES = (
    "{indent}select region, sum(amount) as \"total\", count(*) from orders where month = '2026-{n:02d}' group by 1",
    '{indent}    raise ValueError(f"unexpected column {{name!r}} in {{path}}")',
    '{indent}    "description": "Monatsabschluss für Kostenstelle {n}",',
    "{indent}for row in csv.DictReader(handle):",
    '{indent}    if not re.match(r"^\\d{{4}}-\\d{{2}}$", row["month"]):',
    "drwxr-xr-x 1 mira users {n} Nov 20 09:{n:02d} ledger-{n}.csv",
    "{indent}{n}\t{n},410,{n}110,North,2026-{n:02d}-01,posted",
    "/home/mira/ws/src/reports/{n}/quarter.py:{n}:    total += row.amount * rate",
    "",
)


class Text:
    """Source code, listings and tables, cut from a pool: escapes and characters beyond ASCII as in real ones."""

    def __init__(self, rng: random.Random) -> None:
        numbers = (rng.randint(1, 99) for _ in range(20_000))
        lines = (rng.choice(LINES).format(n=n, indent=" " * 4 * rng.randint(0, 3)) for n in numbers)
        self._pool = "\n".join(f"{line} {rng.getrandbits(28)}" if rng.random() < 0.5 else line for line in lines)
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
    tool = rng.choices(TOOLS, (30, 30, 10, 12, 5, 4, 5, 4))[0]
    path = f"/home/mira/ws/src/reports/{rng.randint(1, 40)}/quarter.py"
    content, given, whole = _tool(tool, path, text, rng)
    if rng.random() < 0.03:
        tool, given, whole = "mcp__plugin_chartkit_render__bars", {"values": [1, 2, 3]}, None
    call = t.use(tool, given, message_id=message_id, tokens=tokens, attribution=attribution)
    failed = rng.random() < 0.06
    if failed:
        content = f"Exit code 1\n{text.cut(120)}"
        whole = f"Error: {content}"
    t.result(call, content, is_error=failed or None, whole=whole)


def _tool(tool: str, path: str, text: Text, rng: random.Random) -> tuple[str, dict[str, Any], Any]:
    """What the model is shown, what it gave, and `toolUseResult` as the client keeps it for that tool."""
    match tool:
        case "Bash":
            out = text.cut(1200, 1.1)
            said = {"stdout": out, "stderr": "", "interrupted": False, "isImage": False, "noOutputExpected": False}
            return out, {"command": text.cut(120), "description": "Look at it"}, said
        case "Read":
            body = text.cut(2400, 1.1)
            lines = body.split("\n")
            shown = "\n".join(f"{number:6d}\t{line}" for number, line in enumerate(lines, 1))
            file = {"filePath": path, "content": body, "numLines": len(lines), "startLine": 1, "totalLines": len(lines)}
            return shown, {"file_path": path}, {"type": "text", "file": file}
        case "Grep":
            found = [f"src/reports/{rng.randint(1, 40)}/quarter.py" for _ in range(rng.randint(1, 40))]
            said = {"mode": "files_with_matches", "filenames": found, "numFiles": len(found)}
            return "\n".join(found), {"pattern": "total", "output_mode": "files_with_matches"}, said
        case "Glob":
            found = [f"/home/mira/ws/sql/{number}.sql" for number in range(rng.randint(1, 60))]
            said = {"filenames": found, "durationMs": 12, "numFiles": len(found), "truncated": False}
            return "\n".join(found), {"pattern": "**/*.sql"}, said
        case "Edit":
            old, new, body = text.cut(300), text.cut(400), text.cut(2500, 1.1)
            hunk = {"oldStart": 10, "oldLines": 9, "newStart": 10, "newLines": 11}
            lines = [f"-{line}" for line in old.split("\n")] + [f"+{line}" for line in new.split("\n")]
            said = {"filePath": path, "oldString": old, "newString": new, "originalFile": body}
            said |= {"structuredPatch": [{**hunk, "lines": lines}], "userModified": False, "replaceAll": False}
            shown = f"The file {path} has been updated. Here's the result of running `cat -n`\n{new}"
            return shown, {"file_path": path, "old_string": old, "new_string": new}, said
        case "Write":
            body = text.cut(1800)
            said = {"type": "create", "filePath": path, "content": body, "structuredPatch": [], "originalFile": None}
            return f"File created successfully at: {path}", {"file_path": path, "content": body}, said
        case "TodoWrite":
            todos = [
                {"content": text.cut(40, 0.3), "status": "pending", "activeForm": text.cut(40, 0.3)} for _ in range(6)
            ]
            return "Todos have been modified successfully.", {"todos": todos}, {"oldTodos": todos, "newTodos": todos}
        case _:
            body = text.cut(900)
            said = {
                "bytes": 90_214,
                "code": 200,
                "codeText": "OK",
                "result": body,
                "durationMs": 2312,
                "url": "https://x",
            }
            return body, {"url": "https://x", "prompt": text.cut(60)}, said
