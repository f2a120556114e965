"""A loopback stand-in for the Messages API that plays a script, for driving the real Claude Code client.

    script = Script("main", [Reply([use("Skill", skill="finops:forecast")]), Reply([text("Done.")])])
    auditor = Script("auditor", [...], when=asks("Audit the ledger"))
    with ScriptedMessagesApi([auditor, script]) as api:
        ...  ANTHROPIC_BASE_URL=api.url ...
        api.assert_finished()

Each conversation plays its own script, so the turns of a session and of its subagents cannot race. What
`docs/claude-code-client.md` calls side requests (titles, quota probes: they carry no tools) are answered with
harmless text and use up nothing. A request that no script foresees gets HTTP 400 and is remembered in
`surprises`: the client stops there instead of going on with an invented answer.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from tests.builders.loopback import Loopback

Block = dict[str, Any]


def text(words: str) -> Block:
    return {"type": "text", "text": words}


def use(tool: str, **arguments: Any) -> Block:
    """A `tool_use` block; the server gives it its id."""
    return {"type": "tool_use", "name": tool, "input": arguments}


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one response, as the Messages API counts them.

    Of `cache_creation`, `cache_1h` are kept for an hour and the others for five minutes. `more` is added last: any other
    field of `usage`, such as `{"service_tier": "priority"}`.
    """

    input: int = 12
    output: int = 34
    cache_read: int = 0
    cache_creation: int = 0
    cache_1h: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return self.input + self.output + self.cache_read + self.cache_creation

    def record(self) -> dict[str, Any]:
        return {
            "input_tokens": self.input,
            "output_tokens": self.output,
            "cache_read_input_tokens": self.cache_read,
            "cache_creation_input_tokens": self.cache_creation,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.cache_creation - self.cache_1h,
                "ephemeral_1h_input_tokens": self.cache_1h,
            },
            **self.more,
        }


@dataclass(frozen=True, slots=True)
class Reply:
    """One response: its blocks in order, its usage, and the model that it claims (the requested one if None)."""

    blocks: Sequence[Block]
    usage: Usage = Usage()
    model: str | None = None

    @property
    def stop_reason(self) -> str:
        return "tool_use" if any(block["type"] == "tool_use" for block in self.blocks) else "end_turn"


@dataclass(frozen=True, slots=True)
class Request:
    """One request that the client made."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def tools(self) -> list[str]:
        return [tool.get("name", "") for tool in self.body.get("tools") or []]

    @property
    def system(self) -> str:
        return _words(self.body.get("system"))

    @property
    def is_side(self) -> bool:
        """Neither a session nor a subagent: the client asks for a title, a topic or its quota, without tools."""
        return not self.tools

    @property
    def opening(self) -> str:
        """The text of the first user message: the prompt that began this conversation, and what was put around it."""
        messages = self.body.get("messages") or []
        return _words(messages[0].get("content")) if messages else ""

    @property
    def latest(self) -> str:
        """The text of the newest message, tool results included."""
        messages = self.body.get("messages") or []
        return _words(messages[-1].get("content")) if messages else ""


def _words(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(_words(part) for part in content)
    if isinstance(content, dict):
        return content.get("text") or _words(content.get("content"))
    return ""


def _harmless(request: Request) -> str:
    """An answer to a side request: fitting its JSON schema where it has one, as that for a title does."""
    schema = ((request.body.get("output_config") or {}).get("format") or {}).get("schema") or {}
    words = "Quarterly figures"
    return json.dumps(dict.fromkeys(schema["properties"], words)) if schema.get("properties") else words


def asks(prompt: str) -> Callable[[Request], bool]:
    """Conversations whose first message contains `prompt`: a subagent's is the prompt that its caller gave."""
    return lambda request: prompt in request.opening


def anything(request: Request) -> bool:
    return True


@dataclass(slots=True)
class Script:
    """What one conversation is answered, in order."""

    name: str
    replies: Sequence[Reply]
    when: Callable[[Request], bool] = anything
    played: int = 0


@dataclass
class ScriptedMessagesApi(Loopback):
    """The server. The first script whose `when` holds answers; put the narrow ones first."""

    scripts: Sequence[Script]
    pause_seconds: float = 0.002
    """Between the events of a stream: the client sees them one by one, as it would those of the real API."""
    requests: list[Request] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        run = secrets.token_hex(
            6
        )  # ids are unique in the world, as the real ones: two servers' sessions never share one
        self._names = (f"{run}{number:06d}" for number in count(1))
        self._bind(_handler(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def turns(self, name: str | None = None) -> list[Request]:
        """The requests of sessions and subagents, without side requests; of one script if named."""
        turns = [request for request in self.requests if request.path == "/v1/messages" and not request.is_side]
        if name is None:
            return turns
        return [request for request in turns if (script := self._script_for(request)) and script.name == name]

    def assert_finished(self) -> None:
        """Every scripted reply was asked for and nothing else was."""
        assert not self.surprises, f"requests that no script foresaw: {self.surprises}"
        unplayed = {script.name: len(script.replies) - script.played for script in self.scripts}
        assert not any(unplayed.values()), f"replies never asked for: {unplayed}"

    def _script_for(self, request: Request) -> Script | None:
        return next((script for script in self.scripts if script.when(request)), None)

    def next_reply(self, request: Request) -> tuple[str, Reply] | str | int:
        """A name for ids and the reply, why there is none, or a status of HTTP that the API fails with."""
        with self._lock:
            self.requests.append(request)
            if request.is_side:
                return next(self._names), Reply([text(_harmless(request))], Usage(1, 1))
            script = self._script_for(request)
            if script is None:
                problem = f"no script for {request.opening[-200:]!r}"
            elif script.played == len(script.replies):
                problem = f"script {script.name!r} ended, then came {request.latest[-200:]!r}"
            else:
                script.played += 1
                return next(self._names), script.replies[script.played - 1]
            self.surprises.append(problem)
            return problem


def message(name: str, reply: Reply, request: Request) -> dict[str, Any]:
    """The whole response as the API answers it without streaming."""
    blocks = [
        {**block, "id": f"toolu_{name}{place:02d}"} if block["type"] == "tool_use" else dict(block)
        for place, block in enumerate(reply.blocks)
    ]
    return {
        "id": f"msg_{name}",
        "type": "message",
        "role": "assistant",
        "model": reply.model or request.body.get("model"),
        "content": blocks,
        "stop_reason": reply.stop_reason,
        "stop_sequence": None,
        "usage": reply.usage.record(),
    }


def events(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The same response as the stream's events, each with its `type`."""
    usage = whole["usage"]
    opening = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield {"type": "message_start", "message": opening}
    for index, block in enumerate(whole["content"]):
        if block["type"] == "text":
            begun = {"type": "text", "text": ""}
            delta = {"type": "text_delta", "text": block["text"]}
        else:
            begun = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        yield {"type": "content_block_start", "index": index, "content_block": begun}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
        "usage": usage,
    }
    yield {"type": "message_stop"}


def _handler(api: ScriptedMessagesApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """The requests are kept in `api.requests`; standard error stays the test's."""

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self._refuse(404, "not_found_error", f"no such route: {self.path}")

        def do_POST(self) -> None:
            path = urlsplit(self.path).path
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if path == "/v1/messages/count_tokens":
                self._json(200, {"input_tokens": max(1, len(raw) // 4)})
                return
            if path != "/v1/messages":
                self._refuse(404, "not_found_error", f"no such route: {self.path}")
                return
            request = Request(path, {name.lower(): value for name, value in self.headers.items()}, json.loads(raw))
            answer = api.next_reply(request)
            if isinstance(answer, int):
                self._refuse(answer, "api_error", "scripted to fail")
                return
            if isinstance(answer, str):
                self._refuse(400, "invalid_request_error", answer)
                return
            whole = message(*answer, request)
            if request.body.get("stream"):
                self._stream(whole)
            else:
                self._json(200, whole)

        def _stream(self, whole: dict[str, Any]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.send_header("request-id", f"req_{secrets.token_hex(8)}")
            self.end_headers()
            for event in events(whole):
                frame = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
                self.wfile.write(f"{len(frame):x}\r\n".encode() + frame + b"\r\n")
                self.wfile.flush()
                time.sleep(api.pause_seconds)
            self.wfile.write(b"0\r\n\r\n")

        def _refuse(self, status: int, kind: str, why: str) -> None:
            self._json(status, {"type": "error", "error": {"type": kind, "message": why}})

        def _json(self, status: int, answer: dict[str, Any]) -> None:
            self._send(status, "application/json", json.dumps(answer).encode())

        def _send(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("request-id", f"req_{secrets.token_hex(8)}")
            self.end_headers()
            self.wfile.write(body)

    return Handler
