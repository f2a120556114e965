"""A loopback stand-in for the Messages API that answers questions about usage with prepared SQL.

    with AnsweringApi({"How many sessions?": wrote("SELECT count(*) AS n FROM usage_session_summary")}) as api:
        ...  ANTHROPIC_BASE_URL=api.url ...

Its sibling `scripted_messages_api` plays whole sessions of the real client; this one knows single questions, and the
bad days of an API. A list of answers is given out in order, the last one for ever.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.builders.loopback import Loopback

KEY = "sk-ant-test-0123456789"


@dataclass(frozen=True, slots=True)
class Answer:
    text: str = ""
    stop_reason: str = "end_turn"
    status: int = 200
    after_seconds: float = 0.0
    page: str = ""
    """What a proxy says in place of the API: HTML, and 200."""
    raw: bytes | None = None
    """The body in place of a message, as JSON by its header."""


def wrote(sql: str, rationale: str = "Counts what was asked.") -> Answer:
    return Answer(json.dumps({"sql": sql, "rationale": rationale}))


def said(text: str) -> Answer:
    return Answer(text)


def message(**fields: Any) -> Answer:
    """A message of the API with some fields replaced."""
    body = _message({"model": "m"}, Answer('{"sql": "SELECT 1", "rationale": "x"}')) | fields
    return Answer(raw=json.dumps(body).encode())


CUT_OFF = Answer('{"sql": "SELECT', "max_tokens")
REFUSED = Answer("", "refusal")


def failed(status: int) -> Answer:
    return Answer(status=status)


@dataclass
class AnsweringApi(Loopback):
    """`answers`: by the last question; an unknown question, and a wrong key, get what the API would say."""

    answers: Mapping[str, Answer | Sequence[Answer]]
    key: str = KEY
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._given: dict[str, int] = {}
        self._lock = threading.Lock()
        self._bind(_handler(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def next(self, body: dict[str, Any], headers: dict[str, str]) -> Answer:
        with self._lock:
            self.requests.append(body)
            self.headers.append(headers)
            if self.key not in (headers.get("x-api-key"), headers.get("authorization", "").removeprefix("Bearer ")):
                return failed(401)
            question = body["messages"][-1]["content"]
            found = self.answers.get(question, failed(400))
            if isinstance(found, Answer):
                return found
            number = self._given.get(question, 0)
            self._given[question] = number + 1
            return found[min(number, len(found) - 1)]


def _handler(api: AnsweringApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Requests are kept in `api.requests`."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = api.next(body, {name.lower(): value for name, value in self.headers.items()})
            time.sleep(answer.after_seconds)
            if answer.page:
                self._send(200, answer.page.encode(), "text/html")
            elif answer.raw is not None:
                self._send(answer.status, answer.raw, "application/json")
            else:
                found = _message(body, answer) if answer.status == 200 else _error(answer.status)
                self._send(answer.status, json.dumps(found).encode(), "application/json")

        def _send(self, status: int, sent: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

    return Handler


def _message(body: dict[str, Any], answer: Answer) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [{"type": "text", "text": answer.text}],
        "stop_reason": answer.stop_reason,
        "stop_sequence": None,
        "usage": {"input_tokens": 100, "output_tokens": 20},
    }


def _error(status: int) -> dict[str, Any]:
    kind = {401: "authentication_error", 429: "rate_limit_error", 529: "overloaded_error"}.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": f"no: {KEY}"}}
