"""Seeded sessions beside the plain list of the requests that were made in them: what a bill is computed from independently.

A session is made of turns with gateways, retries, forks, compaction, subagents, queued prompts, fast mode, caches of both lives, web
searches and iterations. `Request` knows nothing of transcripts; whoever bills them reads no line.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

MODELS = ("claude-sonnet-4-6", "claude-opus-5-5", "claude-haiku-4-5-20251001", "claude-haiku-5-5", "claude-opus-5")
FAST = ("claude-opus-5-5", "claude-opus-5")
ADVISOR = "claude-opus-4-6"
BEGIN = datetime(2026, 11, 16, 8, 0, tzinfo=UTC)
FileKey = tuple[str, str | None]
"""Session and subagent."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request that was answered, and paid for once."""

    model: str
    day: date
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    searches: int = 0
    fast: bool = False
    batch: bool = False
    us: bool = False
    is_response: bool = True

    @property
    def prompt(self) -> int:
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h


@dataclass
class Billed:
    """Lines of files, and what was asked for in all of them together."""

    files: dict[FileKey, list[dict[str, Any]]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def body(self, key: FileKey) -> bytes:
        return b"".join(json.dumps(line).encode() + b"\n" for line in self.files[key])


def billed_sessions(seed: int, *, sessions: int = 4) -> Billed:
    made = Billed()
    generator = random.Random(seed)
    earlier: list[str] = []
    for _ in range(sessions):
        session = _Session(generator, made)
        if earlier and generator.random() < 0.4:
            session.fork(generator.choice(earlier))
        for _ in range(generator.randint(1, 4)):
            session.turn()
        earlier.append(session.id)
    return made


class _Session:
    def __init__(self, generator: random.Random, made: Billed) -> None:
        self._random = generator
        self._made = made
        self.id = self._uuid()
        self._lines: list[dict[str, Any]] = made.files.setdefault((self.id, None), [])
        self._now = BEGIN + timedelta(minutes=generator.randint(0, 5000))
        self._parent: str | None = None
        self._kind = generator.choice(("plain", "plain", "newest", "newest", "gateway", "no-request-id"))
        self._grown = 0

    def fork(self, other: str) -> None:
        """Copies of records keep their uuid, and the newest client says whose they are."""
        copied = [line for line in self._made.files[other, None] if "uuid" in line]
        for line in copied[: self._random.randint(1, len(copied))]:
            copy = json.loads(json.dumps(line)) | {"sessionId": self.id}
            if "requestRef" in copy:
                copy["requestSessionId"] = other
            self._lines.append(copy)
        self._parent = self._lines[-1]["uuid"]
        # What was cut off in the middle is asked for anew by whoever goes on: nothing of it is paid a second time here.

    def turn(self) -> None:
        chance = self._random.random()
        if chance < 0.15 and self._lines:
            self._user("This session is being continued …", isCompactSummary=True)
        self._user("Go on.")
        for _ in range(self._random.randint(1, 3)):
            call = self._response(self._lines, calls=self._random.randint(1, 2))
            if self._random.random() < 0.2:
                self._record(self._lines, type="attachment", attachment={"type": "queued_command", "prompt": "And this.",
                    "commandMode": "prompt", "origin": {"kind": "human"}})  # fmt: skip
            if self._random.random() < 0.25:
                self._subagent(call)
        self._response(self._lines, calls=0)

    def _subagent(self, call: str) -> None:
        agent = f"a{self._random.getrandbits(48):012x}"
        lines = self._made.files.setdefault((self.id, agent), [])
        kept, self._parent = self._parent, None
        self._record(lines, type="user", isSidechain=True, agentId=agent, message={"role": "user", "content": call})
        for calls in (1, 0):
            self._response(lines, calls=calls, isSidechain=True, agentId=agent)
        self._parent = kept

    def _response(self, lines: list[dict[str, Any]], *, calls: int, **more: Any) -> str:
        """One answered request; its records come in several lines, and sometimes with the results of its calls between."""
        model = self._random.choice(MODELS)
        request, usage = self._usage(model)
        message_id = "relay" if self._kind == "gateway" else f"msg_{self._random.getrandbits(80):020x}"
        ids: dict[str, Any] = {}
        if self._kind in ("plain", "newest"):
            ids["requestId"] = f"req_{self._random.getrandbits(64):016x}"
        if self._kind == "newest":
            ids["requestRef"] = self._uuid()
        if (
            self._random.random() < 0.1 and self._kind == "plain"
        ):  # an attempt that failed is asked, and paid, once more
            failed, partial = self._usage(model)
            self._line(lines, message_id, model, {"type": "text", "text": "…"}, partial, **ids, **more)
            self._made.requests += failed
            ids["requestId"] = f"req_{self._random.getrandbits(64):016x}"
        blocks: list[dict[str, Any]] = [{"type": "text", "text": "I see."}]
        uses = [f"toolu_{self._random.getrandbits(64):016x}" for _ in range(calls)]
        blocks += [{"type": "tool_use", "id": use, "name": "Bash", "input": {"command": "ls"}} for use in uses]
        early = self._kind != "gateway" and calls > 1 and self._random.random() < 0.4
        for number, block in enumerate(blocks):
            is_last = number == len(blocks) - 1
            said = usage if is_last or self._random.random() < 0.7 else {**usage, "output_tokens": 1, "iterations": []}
            self._line(lines, message_id, model, block, said, **ids, **more)
            if early and block["type"] == "tool_use":
                self._result(lines, block["id"], **more)
        for use in [] if early else uses:
            self._result(lines, use, **more)
        self._made.requests += request
        return uses[0] if uses else ""

    def _usage(self, model: str) -> tuple[list[Request], dict[str, Any]]:
        """What was asked for, and how the API says so."""
        pick = self._random
        self._grown += pick.randint(10, 900)
        day = self._now.date()
        hour, five = (pick.choice((0, 0, pick.randint(1, 30_000))) for _ in range(2))
        read = pick.choice((0, pick.randint(1, 60_000), pick.randint(60_000, 300_000)))
        given, written, searches = 40 + self._grown, pick.randint(1, 3000), pick.choice((0, 0, 0, 2))
        fast, us, batch = model in FAST and pick.random() < 0.3, pick.random() < 0.2, pick.random() < 0.1
        fast = fast and not batch
        how = {"fast": fast, "us": us, "batch": batch}
        own = Request(model, day, given, written, read, five, hour, searches, **how)
        usage: dict[str, Any] = {
            "input_tokens": given,
            "output_tokens": written,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": five + hour,
            "cache_creation": {"ephemeral_5m_input_tokens": five, "ephemeral_1h_input_tokens": hour},
            "server_tool_use": {"web_search_requests": searches, "web_fetch_requests": 1},
            "service_tier": "batch" if batch else "standard",
            "speed": "fast" if fast else "standard",
            "inference_geo": "us" if us else "global",
            "iterations": [],
        }
        if not hour and pick.random() < 0.5:
            del usage["cache_creation"]
        requests = [own]
        sampled = {"type": "message", **{name: usage[name] for name in list(usage)[:4]}}
        if pick.random() < 0.15:
            asked, answered = pick.randint(1000, 200_000), pick.randint(10, 9000)
            advice = {"input_tokens": asked, "output_tokens": answered, "cache_read_input_tokens": 0}
            usage["iterations"] = [sampled, {"type": "advisor_message", "model": ADVISOR, **advice}]
            requests.append(Request(ADVISOR, day, asked, answered, us=us, is_response=False))
        elif pick.random() < 0.1:
            asked, answered = pick.randint(1000, 90_000), pick.randint(10, 900)
            usage["iterations"] = [{"type": "compaction", "input_tokens": asked, "output_tokens": answered}, sampled]
            requests.append(Request(model, day, asked, answered, is_response=False, **how))
        elif pick.random() < 0.2 and not (read or five or hour):
            # Two prompts within one response, one of them long: each at the price of its own length.
            first, second = pick.randint(1, 50_000), pick.randint(100_001, 190_000)
            usage |= {"input_tokens": first + second, "output_tokens": written + 7}
            usage["iterations"] = [
                {"type": "message", "input_tokens": first, "output_tokens": written},
                {"type": "message", "input_tokens": second, "output_tokens": 7},
            ]
            requests = [Request(model, day, first, written, searches=searches, **how)]
            requests.append(Request(model, day, second, 7, is_response=False, **how))
        return requests, usage

    def _user(self, text: str, **more: Any) -> None:
        self._record(self._lines, type="user", message={"role": "user", "content": text}, **more)

    def _result(self, lines: list[dict[str, Any]], use: str, **more: Any) -> None:
        content = [{"type": "tool_result", "tool_use_id": use, "content": "ok"}]
        self._record(lines, type="user", message={"role": "user", "content": content}, **more)

    def _line(self, lines: list, message_id: str, model: str, block: dict, usage: dict, **more: Any) -> None:
        message = {"id": message_id, "role": "assistant", "model": model, "content": [block], "usage": usage}
        self._record(lines, type="assistant", message=message, **more)

    def _record(self, lines: list[dict[str, Any]], **fields: Any) -> None:
        at = self._now + timedelta(milliseconds=sum(map(len, self._made.files.values())))
        uuid = self._uuid()
        lines.append(
            {"uuid": uuid, "parentUuid": self._parent, "sessionId": self.id, "timestamp": at.isoformat(), **fields}
        )
        self._parent = uuid

    def _uuid(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))
