"""The Flea market of a house: what people send, and what the queue and the schedules do with it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agnes import checks
from agnes.checks import Reason, Verdict
from agnes.kernel.llm import TokenCounts
from agnes.kernel.ports import Message
from tests.builders.archives import SKILL, packed
from tests.builders.house import Answer, House
from tests.builders.people import Person

BOUNDARY = "a-boundary-of-tests"


def multipart(fields: Mapping[str, str], files: Sequence[tuple[str, str, bytes]] = ()) -> tuple[bytes, dict[str, str]]:
    """(body, headers) of a form; `files` are (field, filename, bytes)."""
    out = b""
    for name, value in fields.items():
        out += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    for name, filename, body in files:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        out += f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + body + b"\r\n"
    return out + f"--{BOUNDARY}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@dataclass
class QueueHere:
    """A queue in memory."""

    sent: list[Message] = field(default_factory=list)

    def send(self, messages: Any) -> None:
        self.sent.extend(messages)

    def again(self, record: Mapping[str, Any]) -> None:
        pass


def said(verdict: Verdict, message: str = "", *, reason: Reason | None = None, path: str = "") -> checks.Review:
    """A review with this verdict, and a finding if there is a message."""
    found = (
        checks.Finding("review.other", checks.Severity.CRITICAL, path, 3, message, "Remove it.", checks.Stage.REVIEW),
    )
    is_safe = verdict is Verdict.SAFE
    return checks.Review(
        verdict, reason, "safe" if is_safe else "critical", "", found if message else (), "scripted", 1, (),
        TokenCounts(1000, 100), 0.01,
    )  # fmt: skip


@dataclass
class ScriptedReviewer:
    """Says what a test has it say."""

    verdict: checks.Review = field(default_factory=lambda: said(Verdict.SAFE))
    seen: list[checks.Bundle] = field(default_factory=list)

    def review(
        self, bundle: checks.Bundle, report: checks.Report, *, budget: checks.Budget, earlier: Sequence[checks.ChunkRead]
    ) -> checks.Review:  # fmt: skip
        self.seen.append(bundle)
        budget.allowance()
        budget.record(checks.Spend(self.verdict.model, self.verdict.tokens, self.verdict.cost_usd))
        return self.verdict


@dataclass
class FleaMarket:
    """What people do, through the API of a house whose queue and reviewer are the test's."""

    house: House
    queue: QueueHere
    reviewer: ScriptedReviewer

    def share(
        self, who: Person, body: bytes | None = None, *, filename: str = "notes.zip",
        files: Sequence[tuple[str, str, bytes]] = (), **fields: str,
    ) -> Answer:  # fmt: skip
        body = packed({"SKILL.md": SKILL}) if body is None else body
        sent, headers = multipart(fields, [("file", filename, body), *files])
        return self.house.call("POST", "/api/store/entities", token=who.token, body=sent, headers=headers)

    def preview(self, who: Person, body: bytes, *, filename: str = "notes.zip", **fields: str) -> Answer:
        sent, headers = multipart(fields, [("file", filename, body)])
        return self.house.call("POST", "/api/store/entities/preview", token=who.token, body=sent, headers=headers)

    def update(
        self, who: Person, entity: str, body: bytes | None = None, *, files: Sequence[tuple[str, str, bytes]] = (),
        **fields: str,
    ) -> Answer:  # fmt: skip
        given = [("file", "notes.zip", body)] if body is not None else []
        sent, headers = multipart(fields, [*given, *files])
        return self.house.call("PUT", f"/api/store/entities/{entity}", token=who.token, body=sent, headers=headers)

    def review(self) -> list[dict[str, Any]]:
        """Let the queue's consumer work off what waits."""
        waiting, self.queue.sent[:] = list(self.queue.sent), []
        records = [{"messageId": f"m{n}", "body": json.dumps(one.body)} for n, one in enumerate(waiting)]
        return self.run("queue_review", {"Records": records})["batchItemFailures"]

    def run(self, function: str, event: Mapping[str, Any] | None = None) -> Any:
        module = importlib.import_module(f"functions.flea.{function}.app")
        return module.app.pure_lambda_functions[0].func(dict(event or {}), None)

    def shared(self, who: Person, body: bytes | None = None, **fields: str) -> str:
        """The id of something that was shared and approved."""
        answer = self.share(who, body, **fields)
        assert answer.status == 201, answer.text
        assert self.review() == []
        entity = answer.json()["id"]
        assert self.entity(who, entity)["visibility_status"] == "approved", self.mine(who, entity)
        return entity

    def entity(self, who: Person, entity: str) -> dict[str, Any]:
        return self.house.get(f"/api/store/entities/{entity}", token=who.token).json()

    def mine(self, who: Person, entity: str) -> dict[str, Any]:
        answer = self.house.get(f"/api/store/mine/{entity}", token=who.token)
        assert answer.status == 200, answer.text
        return answer.json()

    def versions(self, who: Person, entity: str) -> list[dict[str, Any]]:
        return self.mine(who, entity)["versions"]

    def decide(self, who: Person, submission: str, action: str, reason: str = "") -> Answer:
        path = f"/api/admin/store/submissions/{submission}/{action}"
        return self.house.post(path, token=who.token, json_body={"reason": reason})

    def notices(self, who: Person) -> list[str]:
        return [one["text"] for one in self.house.get("/api/store/notices", token=who.token).json()["items"]]
