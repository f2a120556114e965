"""A stack uses a bucket that it has not made, and leaves it and its secrets when it is deleted.

The part of the root template with the bucket is deployed by itself to LocalStack, which does not respect `DeletionPolicy: Retain`: it empties
the bucket that a stack has made. That the template says so is test_templates' to hold. Its KMS makes no keys here, so the settings of a
bucket that was made by hand are moto's to take.
"""

from __future__ import annotations

import json
import secrets
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from agnes.kernel.ports import ABSENT, ANYTHING, PreconditionFailed, Unchanged
from agnes.outside.object_store.probe import probe
from agnes.outside.object_store.s3 import S3Store
from infra import adopt_bucket, compose
from infra.teardown import TeardownFailed, goes, outputs, teardown
from tests.contract.stores import S3Server, moto_server, started_server


@pytest.fixture(scope="module")
def moto():
    with moto_server() as server:
        yield server


@pytest.fixture
def localstack() -> S3Server:
    return started_server("localstack")


@pytest.fixture
def stack() -> str:
    return f"agnes-{secrets.token_hex(4)}"


def client(server: S3Server, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=server.user,
        aws_secret_access_key=server.password.value,
    )


def store(server: S3Server, bucket: str) -> S3Store:
    return S3Store(
        bucket,
        endpoint_url=server.endpoint,
        region="us-east-1",
        access_key_id=server.user,
        secret_access_key=server.password,
    )


def template() -> str:
    root = compose.compose().templates["root"]
    named = ("ExistingBucket", "EmulatorEndpoint")
    return json.dumps(
        {
            "Parameters": {name: root["Parameters"][name] for name in named},
            "Conditions": {name: root["Conditions"][name] for name in ("MakesBucket", "OnAws")},
            "Resources": {name: root["Resources"][name] for name in ("Bucket", "BucketPolicy", "FailedRuns")},
            "Outputs": {"Bucket": root["Outputs"]["Bucket"]},
        }
    )


def deploy(server: S3Server, stack: str, **parameters: str) -> str:
    """The name of its bucket."""
    cloudformation = client(server, "cloudformation")
    given = {"EmulatorEndpoint": server.endpoint, **parameters}
    told = [{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]
    cloudformation.create_stack(StackName=stack, TemplateBody=template(), Parameters=told)
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 1})
    return outputs(stack, cloudformation)["Bucket"]


def versions(server: S3Server, bucket: str) -> str:
    return client(server, "s3").get_bucket_versioning(Bucket=bucket).get("Status", "")


@pytest.mark.localstack
def test_the_bucket_of_a_stack_keeps_versions_and_the_conditions_that_commits_rest_on(
    localstack: S3Server, stack: str
) -> None:
    bucket = deploy(localstack, stack)
    assert versions(localstack, bucket) == "Enabled"
    probe(store(localstack, bucket))


@pytest.mark.localstack
def test_a_stack_leaves_the_bucket_that_it_was_given_and_the_next_one_takes_it_over(
    localstack: S3Server, stack: str
) -> None:
    server, bucket = localstack, f"{stack}-left"
    client(server, "s3").create_bucket(Bucket=bucket)
    store(server, bucket).write("state/people/head.json", b"{}", expect=ANYTHING)
    client(server, "secretsmanager").create_secret(Name=f"{stack}/anthropic", SecretString="kept")
    client(server, "ssm").put_parameter(Name=f"/{stack}/second_factor", Value="kept", Type="String")
    client(server, "secretsmanager").create_secret(Name=f"{stack}other/signing", SecretString="another stack's")
    cloudformation = client(server, "cloudformation")
    for _ in range(2):
        assert deploy(server, stack, ExistingBucket=bucket) == bucket
        resources = cloudformation.list_stack_resources(StackName=stack)["StackResourceSummaries"]
        assert {resource["ResourceType"] for resource in resources} == {"AWS::SQS::Queue"}
        assert any(f"bucket {bucket} stays" in line for line in goes(stack, outputs(stack, cloudformation)))
        lines = teardown(
            stack,
            cloudformation=cloudformation,
            secrets=client(server, "secretsmanager"),
            parameters=client(server, "ssm"),
            pause_seconds=0.2,
        )
        left = [f"the bucket {bucket}", f"the secret {stack}/anthropic", f"the parameter /{stack}/second_factor"]
        assert [line.strip() for line in lines[1:-1]] == left
        assert f"ExistingBucket={bucket}" in lines[-1]
        assert client(server, "sqs").list_queues(QueueNamePrefix=f"{stack}-").get("QueueUrls", []) == []
        assert store(server, bucket).read("state/people/head.json").body == b"{}"


def test_a_bucket_that_was_made_by_hand_gets_the_templates_settings(moto: S3Server, stack: str) -> None:
    server = moto
    s3 = client(server, "s3")
    s3.create_bucket(Bucket=f"{stack}-by-hand")
    adopt_bucket.adopt(f"{stack}-by-hand", s3)
    wanted = adopt_bucket.settings()
    assert versions(server, f"{stack}-by-hand") == "Enabled"
    [rule] = s3.get_bucket_encryption(Bucket=f"{stack}-by-hand")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    closed = s3.get_public_access_block(Bucket=f"{stack}-by-hand")["PublicAccessBlockConfiguration"]
    assert closed == wanted["PublicAccessBlockConfiguration"]
    rules = s3.get_bucket_lifecycle_configuration(Bucket=f"{stack}-by-hand")["Rules"]
    assert {rule["ID"] for rule in rules} == {rule["Id"] for rule in wanted["LifecycleConfiguration"]["Rules"]}
    [window] = [rule for rule in rules if rule["ID"] == "versions"]
    assert window["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    adopted = store(server, f"{stack}-by-hand")
    first = adopted.write("state/people/head.json", b"1", expect=ABSENT)
    with pytest.raises(PreconditionFailed):
        adopted.write("state/people/head.json", b"2", expect=ABSENT)
    adopted.write("state/people/head.json", b"2", expect=Unchanged(first))
    adopted.remove(["state/people/head.json"])
    adopted.write("state/people/head.json", b"3", expect=ABSENT)  # also behind a delete marker
    assert [entry.size_bytes for entry in adopted.list("state/")] == [1]


def test_what_is_not_there_is_told(moto: S3Server, stack: str) -> None:
    server = moto
    with pytest.raises(TeardownFailed, match=f"no stack {stack}"):
        teardown(stack, cloudformation=client(server, "cloudformation"), secrets=None, parameters=None)
    with pytest.raises(ClientError, match="404"):
        adopt_bucket.adopt(f"{stack}-nowhere", client(server, "s3"))


def test_a_word_that_s3_does_not_know_is_no_rule() -> None:
    with pytest.raises(KeyError, match="TagFilters"):
        adopt_bucket.lifecycle_rule({"Id": "x", "Status": "Enabled", "TagFilters": []})
