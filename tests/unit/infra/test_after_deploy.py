"""After a deploy, against moto's CloudFormation and scripted functions."""

from __future__ import annotations

import io
import json

import boto3
import pytest
from moto import mock_aws

from infra.after_deploy import DeployIncomplete, after_deploy

pytestmark = pytest.mark.slow

TEMPLATE = {
    "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
    "Outputs": {
        "AtDeploy": {"Value": "agnes-ops-cron_prepare,agnes-accounts-cron_first_start"},
        "Url": {"Value": "https://a"},
    },
}


class Functions:
    """Lambda's client as far as it is used: answers by function, and the order of the calls."""

    def __init__(self, **answers: dict) -> None:
        self.answers = answers
        self.called: list[str] = []

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict:  # noqa: N803 (boto3's names)
        assert Payload == b"{}"
        self.called.append(FunctionName)
        answer = self.answers[FunctionName.rpartition("_")[2]]
        failed = {"FunctionError": "Unhandled"} if "errorMessage" in answer else {}
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), **failed}


@pytest.fixture
def cloudformation():
    with mock_aws():
        client = boto3.client("cloudformation", "eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
        client.create_stack(StackName="agnes", TemplateBody=json.dumps(TEMPLATE))
        yield client


def test_functions_run_in_their_order_and_the_link_is_told(cloudformation) -> None:
    functions = Functions(prepare={"ok": True}, start={"ok": True, "setup_url": "https://a/setup?secret=s"})
    lines = after_deploy("agnes", cloudformation=cloudformation, functions=functions)
    assert functions.called == ["agnes-ops-cron_prepare", "agnes-accounts-cron_first_start"]
    assert lines[-1] == "Agnes is at https://a"
    assert "    https://a/setup?secret=s" in lines


@pytest.mark.parametrize(
    "answer", [{"ok": False, "error": "the bucket is unfit"}, {"errorMessage": "the bucket is unfit"}]
)
def test_a_failure_stops_and_is_told(cloudformation, answer: dict) -> None:
    functions = Functions(prepare=answer, start={"ok": True})
    with pytest.raises(DeployIncomplete, match="agnes-ops-cron_prepare failed: the bucket is unfit"):
        after_deploy("agnes", cloudformation=cloudformation, functions=functions)
    assert functions.called == ["agnes-ops-cron_prepare"]
