"""Delete a stack, and say what is left.

    python -m infra.teardown STACK [--yes]

The bucket, the secrets and the installation's own keys stay: they are the data. Everything else goes, also what waits in queues.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import boto3
from botocore.exceptions import ClientError

PAUSE_SECONDS = 5.0
LONGEST_SECONDS = 3600.0


class TeardownFailed(Exception):
    """What CloudFormation says, and what to do."""


def outputs(stack: str, cloudformation: Any) -> dict[str, str]:
    """Of a stack that is there. Raises TeardownFailed."""
    try:
        [found] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        raise TeardownFailed(f"there is no stack {stack} in this account and region: {error}") from error
    return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}


def goes(stack: str, told: dict[str, str]) -> list[str]:
    """Lines for the operator, before anything is done."""
    return [
        f"This deletes the stack {stack}: {told.get('Url', 'its API')}, all functions, schedules and logs, and what waits in its queues.",
        f"The bucket {told['Bucket']} stays with everything in it, and so do the secrets {stack}/… and the parameters /{stack}/….",
        "Add --yes to do it.",
    ]


def teardown(
    stack: str, *, cloudformation: Any, secrets: Any, parameters: Any, pause_seconds: float = PAUSE_SECONDS
) -> list[str]:
    """Delete and wait; what is left, in lines for the operator. Raises TeardownFailed."""
    bucket = outputs(stack, cloudformation)["Bucket"]
    cloudformation.delete_stack(StackName=stack)
    deadline = time.monotonic() + LONGEST_SECONDS
    while (status := _status(stack, cloudformation)) is not None:
        if status == "DELETE_FAILED" or time.monotonic() > deadline:
            raise TeardownFailed(
                f"{stack}: {status}. The events of the stack name the resource; delete what holds it, and run this again."
            )
        time.sleep(pause_seconds)
    pages = secrets.get_paginator("list_secrets").paginate(Filters=[{"Key": "name", "Values": [f"{stack}/"]}])
    names = sorted(secret["Name"] for page in pages for secret in page["SecretList"])
    held = [name for name in names if name.startswith(f"{stack}/")]
    pages = parameters.get_paginator("get_parameters_by_path").paginate(Path=f"/{stack}", Recursive=True)
    keys = sorted(parameter["Name"] for page in pages for parameter in page["Parameters"])
    return [
        f"{stack} is deleted. Left, and paid for until you delete it:",
        f"    the bucket {bucket}",
        *(f"    the secret {name}" for name in held),
        *(f"    the parameter {name}" for name in keys),
        f"Use them again: make deploy STACK={stack} PARAMETERS='ExistingBucket={bucket}'",
    ]


def _status(stack: str, cloudformation: Any) -> str | None:
    """None if there is none any more."""
    try:
        [found] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    status = str(found["StackStatus"])
    return None if status == "DELETE_COMPLETE" else status


def main() -> int:
    given = [word for word in sys.argv[1:] if word != "--yes"]
    if len(given) != 1:
        print("usage: python -m infra.teardown STACK [--yes]", file=sys.stderr)
        return 2
    cloudformation = boto3.client("cloudformation")
    try:
        if "--yes" not in sys.argv:
            print("\n".join(goes(given[0], outputs(given[0], cloudformation))))
            return 1
        lines = teardown(
            given[0],
            cloudformation=cloudformation,
            secrets=boto3.client("secretsmanager"),
            parameters=boto3.client("ssm"),
        )
    except TeardownFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
