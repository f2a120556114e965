"""Deploys SAM templates to a LocalStack through CloudFormation, as `sam deploy` does on AWS."""

from __future__ import annotations

import base64
import dataclasses
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from agnes_local.sam_package import Packager, load_template

REGION = "us-east-1"
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]

NEVER_STOOD = ("CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED")
"""A stack in one of these can only be deleted."""


class DeployFailed(Exception):
    """A stack did not come to be. `reasons` are CloudFormation's own words, of nested stacks too."""

    def __init__(self, stack: str, status: str, reasons: list[str]) -> None:
        super().__init__(f"stack {stack} ended as {status}:\n" + "\n".join(reasons or ["(no reason given)"]))
        self.stack = stack
        self.status = status
        self.reasons = reasons


class FunctionFailed(Exception):
    """A function ended with an error. `payload` is Lambda's JSON, `logs` the end of what the function printed."""

    def __init__(self, function: str, payload: str, logs: str) -> None:
        super().__init__(f"{function} failed: {payload}\n{logs}")
        self.function = function
        self.payload = payload
        self.logs = logs


@dataclasses.dataclass(frozen=True)
class Deployment:
    stack: str
    endpoint: str
    outputs: Mapping[str, str]
    seconds: float
    uploaded_bytes: int

    def api_url(self, api_id: str, stage: str) -> str:
        """Where LocalStack serves this REST API's stage, without a slash at the end."""
        return f"{self.endpoint}/_aws/execute-api/{api_id}/{stage}"


def client(service: str, endpoint: str, **settings: Any) -> Any:
    """A boto3 client of a LocalStack; its credentials open nothing elsewhere."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 1}, read_timeout=300, **settings),
    )


def deploy(
    endpoint: str,
    template: Path,
    *,
    stack: str,
    parameters: Mapping[str, str] | None = None,
    bucket: str = "agnes-artifacts",
    within_seconds: float = 600,
) -> Deployment:
    """Creates or updates the stack of this root template, nested ones included, and waits until it stands.

    Paths in a template are relative to its own folder. Raises TemplateRefused and DeployFailed.
    """
    start = time.monotonic()
    s3, cloudformation = client("s3", endpoint), client("cloudformation", endpoint)
    s3.create_bucket(Bucket=bucket)
    packager = Packager(s3, bucket, f"{endpoint}/{bucket}")
    wanted = {
        "StackName": stack,
        "TemplateURL": packager.template_url(template),
        "Capabilities": CAPABILITIES,
        "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in (parameters or {}).items()],
    }
    promised, deadline = _promised(template), start + within_seconds
    found = _describe(cloudformation, stack)
    was_removed = found is not None and found["StackStatus"] in NEVER_STOOD
    if was_removed:
        remove(endpoint, stack)
        found = None
    if found is None:
        cloudformation.create_stack(**wanted)
    else:
        try:
            cloudformation.update_stack(**wanted)
        except ClientError as refusal:
            if "No updates are to be performed" not in str(refusal):
                raise
    try:
        found = _settled(cloudformation, stack, deadline, outputs=promised)
    except DeployFailed as failed:
        # LocalStack may delete functions of a stack that never stood after it has said that they are gone.
        if not was_removed or not any("Function not found" in reason for reason in failed.reasons):
            raise
        remove(endpoint, stack)
        cloudformation.create_stack(**wanted)
        found = _settled(cloudformation, stack, deadline, outputs=promised)
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
    return Deployment(stack, endpoint, outputs, time.monotonic() - start, packager.uploaded_bytes)


def invoke(endpoint: str, function: str, event: Any = None) -> Any:
    """Runs a function now and returns its answer; raises FunctionFailed with the end of what it printed."""
    answer = client("lambda", endpoint).invoke(FunctionName=function, Payload=json.dumps(event or {}), LogType="Tail")
    payload = answer["Payload"].read().decode()
    if answer.get("FunctionError"):
        raise FunctionFailed(function, payload, base64.b64decode(answer.get("LogResult", "")).decode(errors="replace"))
    return json.loads(payload)


def run_at_deploy(deployment: Deployment) -> dict[str, Any]:
    """Runs, one after another, the functions that the stack's output AtDeploy lists; their answers by name."""
    names = deployment.outputs.get("AtDeploy", "")
    return {name: invoke(deployment.endpoint, name) for name in filter(None, names.split(","))}


def remove(endpoint: str, stack: str, *, within_seconds: float = 300) -> None:
    """Deletes the stack and what it made, and waits for it."""
    cloudformation = client("cloudformation", endpoint)
    cloudformation.delete_stack(StackName=stack)
    deadline = time.monotonic() + within_seconds
    while (found := _describe(cloudformation, stack)) and found["StackStatus"] != "DELETE_COMPLETE":
        if found["StackStatus"] == "DELETE_FAILED" or time.monotonic() > deadline:
            reasons = _reasons(cloudformation, stack)
            if _describe(cloudformation, stack):  # and not gone in the end
                raise DeployFailed(stack, found["StackStatus"], reasons)
        time.sleep(0.25)


def _describe(cloudformation: Any, stack: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        return found
    except ClientError as refusal:
        if "does not exist" in str(refusal):
            return None
        raise


def _promised(template: Path) -> set[str]:
    """Names of the outputs that the stack of this template has in any case."""
    outputs = load_template(template).get("Outputs") or {}
    return {name for name, output in outputs.items() if "Condition" not in output}


def _settled(cloudformation: Any, stack: str, deadline: float, *, outputs: set[str]) -> dict[str, Any]:
    """The stack when it stands. LocalStack says that it does a moment before it knows its outputs."""
    while True:
        found = _describe(cloudformation, stack)
        status = found["StackStatus"] if found else "gone"
        stands = status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        if found is not None and stands and outputs <= {output["OutputKey"] for output in found.get("Outputs", [])}:
            return found
        if not stands and not status.endswith("_IN_PROGRESS"):
            raise DeployFailed(stack, status, _reasons(cloudformation, stack))
        if time.monotonic() > deadline:
            raise DeployFailed(stack, f"{status} at the deadline", _reasons(cloudformation, stack))
        time.sleep(0.25)


def _reasons(cloudformation: Any, stack: str) -> list[str]:
    """Why resources of this stack and of those nested in it failed. A nested stack's name begins with its parent's."""
    reasons = []
    for page in cloudformation.get_paginator("describe_stacks").paginate():
        for found in page["Stacks"]:
            name = found["StackName"]
            if name == stack or name.startswith(f"{stack}-"):
                if reason := found.get("StackStatusReason"):
                    reasons.append(f"{name}: {reason}")
                reasons += _failures(cloudformation, name)
    return reasons


def _failures(cloudformation: Any, stack: str) -> list[str]:
    try:
        events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    except ClientError as refusal:
        if "does not exist" in str(refusal):
            return []
        raise
    return [
        f"{stack}: {event['LogicalResourceId']} ({event['ResourceType']}): {event['ResourceStatusReason']}"
        for event in events
        if event["ResourceStatus"].endswith("_FAILED") and event.get("ResourceStatusReason")
    ]
