"""What follows a deploy: the functions of `at_deploy` are invoked in their order, and the operator is told.

    python -m infra.after_deploy STACK

They probe the bucket, migrate the state and seed the first admin, or make the setup link that is printed here.
Region and credentials are those of the AWS environment.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import boto3
from botocore.config import Config


class DeployIncomplete(Exception):
    """A function that must run before anybody is served failed; what it said."""


def after_deploy(stack: str, *, cloudformation: Any, functions: Any) -> list[str]:
    """Lines for the operator. Raises DeployIncomplete."""
    [described] = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    lines = []
    for name in outputs["AtDeploy"].split(","):
        answer = functions.invoke(FunctionName=name, Payload=b"{}")
        told = json.loads(answer["Payload"].read())
        if "FunctionError" in answer or not told.get("ok"):
            raise DeployIncomplete(f"{name} failed: {told.get('errorMessage') or told.get('error')}")
        if link := told.get("setup_url"):
            lines += ["Nobody can sign in as an admin yet. Open this link within 24 hours:", f"    {link}"]
    return [*lines, f"Agnes is at {outputs['Url']}"]


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: python -m infra.after_deploy STACK", file=sys.stderr)
        return 2
    patient = Config(read_timeout=320, retries={"total_max_attempts": 1})
    try:
        lines = after_deploy(
            sys.argv[1],
            cloudformation=boto3.client("cloudformation"),
            functions=boto3.client("lambda", config=patient),
        )
    except DeployIncomplete as failure:
        print(failure, file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
