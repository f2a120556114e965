"""Dead letters in folders and in SQS: an operator reads them, sends them again, removes them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from agnes.kernel.errors import InvalidError, UnavailableError
from agnes.kernel.ports import DeadLetters, Message
from agnes.outside.dead_letters import FolderDeadLetters, SqsDeadLetters
from agnes.outside.folder_queue import FolderQueue

pytestmark = pytest.mark.slow

Bury = Callable[[str, str], None]


@dataclass
class Yard:
    letters: DeadLetters
    bury: Bury
    """A letter into a queue of dead letters."""
    ready: Callable[[str], list[str]]
    """Bodies that wait in a queue for its consumer; they are taken."""


def of_a_folder(folder: Path) -> Yard:
    queue = FolderQueue(folder / "queues")

    def bury(name: str, body: str) -> None:
        if name == "failed-runs":
            (folder / name).mkdir(exist_ok=True)
            (folder / name / f"{secrets.token_hex(13)}.json").write_text(body)
            return
        queue.send([Message(name, json.loads(body))])
        (taken,) = queue.receive(name, visibility_seconds=0, max_attempts=1)
        queue.release(taken)
        assert queue.receive(name, visibility_seconds=0, max_attempts=1) == []

    def ready(name: str) -> list[str]:
        return [found.body for found in queue.receive(name, visibility_seconds=9, max_attempts=1, at_most=99)]

    return Yard(FolderDeadLetters(folder), bury, ready)


def of_sqs(endpoint: str) -> Yard:
    sqs = boto3.client(
        "sqs", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    urls = {}
    stack = f"agnes-{secrets.token_hex(4)}-"
    for name in ("failed-runs", "work", "work-failed"):
        urls[name] = sqs.create_queue(QueueName=stack + name)["QueueUrl"]

    def bury(name: str, body: str) -> None:
        sqs.send_message(QueueUrl=urls[name if name == "failed-runs" else f"{name}-failed"], MessageBody=body)

    def ready(name: str) -> list[str]:
        found = []
        while got := sqs.receive_message(QueueUrl=urls[name], MaxNumberOfMessages=10).get("Messages"):
            found += [message["Body"] for message in got]
        return found

    return Yard(SqsDeadLetters(url_prefix=urls["work"].removesuffix("work"), client=sqs), bury, ready)


@pytest.fixture(params=["folder", "sqs"])
def yard(request: pytest.FixtureRequest, tmp_path: Path) -> Yard:
    return of_a_folder(tmp_path) if request.param == "folder" else of_sqs(request.getfixturevalue("moto").endpoint)


def test_they_are_read_and_stay(yard):
    assert yard.letters.read("work", at_most=5) == []
    for number in range(12):
        yard.bury("work", json.dumps({"n": number}))
    for _ in range(2):
        found = yard.letters.read("work", at_most=11)
        assert len({letter.id for letter in found}) == 11
        assert all(json.loads(letter.body)["n"] in range(12) for letter in found)
    assert yard.letters.count(["work"]) == {"failed-runs": 0, "work": 12}


def test_they_are_sent_again_as_never_tried(yard):
    bodies = [f'{{"n":{number}}}' for number in range(12)]
    for body in bodies:
        yard.bury("work", body)
    assert yard.letters.send_again("work") == 12
    assert yard.letters.count(["work"]) == {"failed-runs": 0, "work": 0}
    assert sorted(yard.ready("work")) == sorted(bodies)
    assert yard.letters.send_again("work") == 0


def test_they_are_removed(yard):
    yard.bury("work", "{}")
    assert yard.letters.remove("work") == 1
    assert yard.letters.count(["work"]) == {"failed-runs": 0, "work": 0}
    assert yard.ready("work") == []


def test_a_failed_run_is_not_repeated(yard):
    yard.bury("failed-runs", json.dumps({"job": "a.b", "event": {}, "at": "", "reason": "no"}))
    with pytest.raises(InvalidError, match="not repeated"):
        yard.letters.send_again("failed-runs")
    assert yard.letters.count([])["failed-runs"] == 1
    assert yard.letters.remove("failed-runs") == 1


@pytest.mark.parametrize(
    ("kind", "letter", "body", "reason"),
    [
        pytest.param(
            *("folder", {"job": "usage.x", "event": {"a": 1}, "at": "", "reason": "OSError: full"}),
            *('{"job": "usage.x", "event": {"a": 1}}', "OSError: full"),
            id="the-local-scheduler's",
        ),
        pytest.param(
            "sqs",
            {
                "requestContext": {"functionArn": "arn:aws:lambda:r:1:function:agnes-t-cron_x:$LATEST"},
                "requestPayload": {"a": 1},
                "responsePayload": {"errorMessage": "no room", "errorType": "OSError"},
            },
            '{"a": 1}',
            "agnes-t-cron_x:$LATEST: no room",
            id="lambda's",
        ),
        pytest.param(
            "sqs",
            {
                "requestContext": {"functionArn": "arn:aws:lambda:r:1:function:f", "condition": "EventAgeExceeded"},
                "requestPayload": None,
            },
            *("null", "f: EventAgeExceeded"),
            id="lambda's-that-never-ran",
        ),
        pytest.param("sqs", {"version": "0"}, '{"version": "0"}', "", id="the-scheduler's"),
        pytest.param("sqs", ["?"], '["?"]', "", id="somebody's"),
    ],
)
def test_a_failed_run_tells_its_reason(request, tmp_path, kind: str, letter: Any, body: str, reason: str):
    yard = of_a_folder(tmp_path) if kind == "folder" else of_sqs(request.getfixturevalue("moto").endpoint)
    yard.bury("failed-runs", json.dumps(letter))
    (found,) = yard.letters.read("failed-runs", at_most=9)
    assert (found.body, found.reason) == (body, reason)


def test_a_queue_that_does_not_answer_is_named(moto):
    letters = SqsDeadLetters(url_prefix=f"{moto.endpoint}/1/none-", client=of_sqs(moto.endpoint).letters._client)
    for ask in (lambda: letters.count([]), lambda: letters.read("work", at_most=1), lambda: letters.remove("work")):
        with pytest.raises(UnavailableError, match=r"the queue (work|failed-runs) "):
            ask()
