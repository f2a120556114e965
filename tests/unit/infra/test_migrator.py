"""What the deployment runs to migrate: CloudFormation's request in, an answer at its URL out, whatever happens."""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any, Self

import pytest

from infra.compose import Composition

REQUEST = {
    "StackId": "arn:stack",
    "RequestId": "r-1",
    "LogicalResourceId": "Migrated",
    "ResourceProperties": {"Function": "agnes-ops-cron_prepare", "State": "abc"},
}


class Aws:
    """Lambda and the address that CloudFormation is told at, on loopback."""

    def __init__(self, answer: dict[str, Any] | None) -> None:
        self.called: list[str] = []
        self.told: list[dict[str, Any]] = []
        aws = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                aws.called.append(self.path)
                body = json.dumps(answer or {"Type": "User", "message": "too many"}).encode()
                self.send_response(200 if answer is not None else 429)
                if answer and "errorMessage" in answer:
                    self.send_header("X-Amz-Function-Error", "Unhandled")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_PUT(self) -> None:
                assert self.headers["Content-Type"] == "", "CloudFormation's URL is signed without a type"
                aws.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.mark.parametrize(
    ("kind", "answer", "status", "reason"),
    [
        ("Create", {"ok": True}, "SUCCESS", "migrated"),
        ("Update", {"ok": True}, "SUCCESS", "migrated"),
        ("Delete", None, "SUCCESS", "migrated"),
        ("Update", {"ok": False, "error": "store_unfit"}, "FAILED", "could not be migrated: store_unfit"),
        ("Update", {"errorMessage": "died"}, "FAILED", "could not be migrated: died"),
        ("Create", None, "FAILED", "could not be migrated: An error occurred"),
    ],
)
def test_cloudformation_is_told_what_came_of_it(
    composition: Composition,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    answer: dict[str, Any] | None,
    status: str,
    reason: str,
) -> None:
    names: dict[str, Any] = {}
    exec(composition.templates["root"]["Resources"]["Migrator"]["Properties"]["InlineCode"], names)
    with Aws(answer) as aws:
        for name, value in {
            "EMULATOR_ENDPOINT": aws.url,
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }.items():
            monkeypatch.setenv(name, value)
        names["handler"]({**REQUEST, "RequestType": kind, "ResponseURL": f"{aws.url}/answer"}, None)
    [told] = aws.told
    assert (told["Status"], told["PhysicalResourceId"]) == (status, "migrated")
    assert reason in told["Reason"]
    assert {name: told[name] for name in ("StackId", "RequestId", "LogicalResourceId")} == {
        name: REQUEST[name] for name in ("StackId", "RequestId", "LogicalResourceId")
    }
    path = "/2015-03-31/functions/agnes-ops-cron_prepare/invocations"
    assert aws.called == ([] if kind == "Delete" else [path])
