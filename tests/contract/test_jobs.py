"""Both ways of having a job run: the queue that the local scheduler takes from, and Lambda's asynchronous invocation."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.stub import Stubber

from agnes.kernel.errors import UnavailableError
from agnes.outside.folder_jobs import QUEUE, FolderJobs
from agnes.outside.folder_queue import FolderQueue
from agnes.outside.lambda_jobs import LambdaJobs

EVENT = {"dry_run": True, "run_id": "01"}


def test_the_folder_keeps_the_request_for_the_scheduler(tmp_path):
    FolderJobs(tmp_path).start("telemetry-cron_collect", EVENT)
    [delivery] = FolderQueue(tmp_path).receive(QUEUE, visibility_seconds=60, max_attempts=1)
    assert json.loads(delivery.body) == {"function": "telemetry-cron_collect", "event": EVENT}


def stubbed() -> tuple[LambdaJobs, Stubber]:
    client = boto3.client("lambda", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    return LambdaJobs(prefix="agnes-", client=client), Stubber(client)


def test_lambda_is_invoked_without_waiting():
    jobs, stub = stubbed()
    wanted = {
        "FunctionName": "agnes-telemetry-cron_collect",
        "InvocationType": "Event",
        "Payload": json.dumps(EVENT).encode(),
    }
    stub.add_response("invoke", {"StatusCode": 202}, wanted)
    with stub:
        jobs.start("telemetry-cron_collect", EVENT)
    stub.assert_no_pending_responses()


def test_what_lambda_refuses_was_not_started():
    jobs, stub = stubbed()
    stub.add_client_error("invoke", "AccessDeniedException", http_status_code=403)
    stub.add_response("invoke", {"StatusCode": 200})
    with stub:
        for _ in range(2):
            with pytest.raises(UnavailableError, match="telemetry-cron_collect could not be started"):
                jobs.start("telemetry-cron_collect", EVENT)
