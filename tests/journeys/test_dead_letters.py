"""What fails for good on AWS's queues: it is kept, an operator sees it and is told of it, and has it done once it is repaired."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agnes_local.cloud import Deployment, client
from agnes_local.localstack_host import DUMMY_ACCOUNT
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.target import Target

pytestmark = pytest.mark.localstack

QUEUE = "telemetry-extract"
BATCH = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
EXTRACT, QUEUED = "telemetry-cron_extract_usage", "telemetry-queue_extract"


class OperatorConsole:
    """The queues and the bucket of a deployed house, as its operator reaches them."""

    def __init__(self, deployment: Deployment) -> None:
        self.sqs, self.functions = (client(name, deployment.endpoint) for name in ("sqs", "lambda"))
        self.stack, self.bucket = deployment.stack, deployment.outputs["Bucket"]
        self.endpoint = deployment.endpoint
        self.prefix = self.url(QUEUE).removesuffix(QUEUE)

    def url(self, queue: str) -> str:
        return self.sqs.get_queue_url(QueueName=f"{self.stack}-{queue}")["QueueUrl"]

    def said(self, queue: str) -> dict[str, str]:
        return self.sqs.get_queue_attributes(QueueUrl=self.url(queue), AttributeNames=["All"])["Attributes"]

    def left(self, queue: str) -> int:
        said = self.said(queue)
        return sum(int(said[f"ApproximateNumberOfMessages{kind}"]) for kind in ("", "NotVisible", "Delayed"))

    @contextmanager
    def broken(self, function: str, event: dict[str, Any]) -> Iterator[None]:
        """The function with a setting that no run gets past. What is merely damaged in the bucket it repairs by itself.

        LocalStack calls a function updated while the former one still takes its events, and loses those that are
        queued for it. So the function is called with `event`, and waited for, until it fails.
        """
        name = f"{self.stack}-{function}"
        before = self.functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        self._set(name, before | {"AGNES_BUCKET": f"{self.bucket}-that-is-not-there"})
        try:
            until(lambda: self._fails(name, event))
            yield
        finally:
            self._set(name, before)

    def _set(self, name: str, variables: dict[str, str]) -> None:
        self.functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
        self.functions.get_waiter("function_updated_v2").wait(FunctionName=name)

    def _fails(self, name: str, event: dict[str, Any]) -> bool:
        answer = self.functions.invoke(FunctionName=name, Payload=json.dumps(event).encode())
        return "FunctionError" in answer or b"itemIdentifier" in answer["Payload"].read()

    def command(self, *words: str) -> str:
        environ = {
            "PATH": os.environ["PATH"],
            **DUMMY_ACCOUNT,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AGNES_QUEUE": "sqs",
            "AGNES_QUEUE_URL_PREFIX": self.prefix,
        }
        agnes_local = Path(sys.executable).with_name("agnes-local")
        done = subprocess.run(
            [agnes_local, "dead-letters", *words], env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def console(deployment: Deployment) -> OperatorConsole:
    return OperatorConsole(deployment)


def until(what: Callable[[], Any]) -> Any:
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := what()):
        assert time.monotonic() < end, what
        time.sleep(0.5)
    return found


def letters(house: Target) -> dict[str, Any]:
    fields = house.admin().get("/api/admin/activity/health").json()["fields"]
    return next(field for field in fields if field["key"] == "dead_letters")


def test_a_batch_that_fails_is_kept_seen_and_done_once_it_is_repaired(localstack: Target, console: OperatorConsole):
    policy = json.loads(console.said(QUEUE)["RedrivePolicy"])
    assert policy["maxReceiveCount"] in (5, "5")
    twice = json.dumps(policy | {"maxReceiveCount": 2})  # five would take minutes
    console.sqs.set_queue_attributes(QueueUrl=console.url(QUEUE), Attributes={"RedrivePolicy": twice})
    record = {"messageId": "asked-directly", "body": json.dumps({"batch": BATCH}), "eventSource": "aws:sqs"}
    with console.broken(QUEUED, {"Records": [record]}):
        sent = console.sqs.send_message(QueueUrl=console.url(QUEUE), MessageBody=json.dumps({"batch": BATCH}))
        # Its second delivery comes after seconds, though the queue would hold it back for 90 minutes.
        assert int(console.said(QUEUE)["VisibilityTimeout"]) == 5400
        until(lambda: int(console.said(f"{QUEUE}-failed")["ApproximateNumberOfMessages"]))
    assert console.left(QUEUE) == 0
    seen = until(lambda: (found := letters(localstack))["color"] == "yellow" and found)
    assert f"1 in {QUEUE}" in seen["value"]
    assert f"{QUEUE}: 1\n  {sent['MessageId']}  {json.dumps({'batch': BATCH})}" in console.command()
    assert console.command("send-again", QUEUE) == f"{QUEUE}: 1 sent again\n"
    until(lambda: not console.left(QUEUE))
    assert console.left(f"{QUEUE}-failed") == 0, "repaired, so it was done and did not come back"


def test_a_run_that_fails_is_kept_with_its_reason(localstack: Target, console: OperatorConsole):
    """The schedule only hands its event over: it is Lambda that keeps what the function did not do."""

    def kept() -> list[str]:
        # The schedule may fire while the function is broken, so there may be other failed runs.
        return [line for line in console.command().splitlines() if '"of": "a test"' in line]

    def ask_again() -> bool:
        """Asynchronously, since LocalStack loses an event now and then while it replaces a function."""
        name = f"{console.stack}-{EXTRACT}"
        console.functions.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"of": "a test"}')
        end = time.monotonic() + PATIENCE_SECONDS / 5
        while not (found := bool(kept())) and time.monotonic() < end:
            time.sleep(0.5)
        return found

    console.command("remove", "failed-runs")  # the command shows a few of many
    with console.broken(EXTRACT, {"of": "a call that is waited for"}):
        until(ask_again)
        assert EXTRACT in kept()[0]
    until(lambda: console.command("remove", "failed-runs") and not console.left("failed-runs"))


def test_each_queue_of_dead_letters_has_its_alarm(deployment: Deployment, console: OperatorConsole):
    alarms = client("cloudwatch", deployment.endpoint).describe_alarms()["MetricAlarms"]
    watched = {
        dimension["Value"]
        for alarm in alarms
        for dimension in alarm.get("Dimensions", [])
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible"
    }
    queues = [url.rpartition("/")[2] for url in console.sqs.list_queues(QueueNamePrefix=console.stack)["QueueUrls"]]
    assert watched == {queue for queue in queues if queue.endswith(("-failed", "-failed-runs"))}
