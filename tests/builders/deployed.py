"""The real templates and layers on LocalStack, as `make deploy` puts them on AWS."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from agnes_local import composed
from agnes_local.cloud import Deployment, client, deploy
from infra.after_deploy import after_deploy

ROOT = Path(__file__).parents[2]
STALE_SECONDS = 1.2
"""A little more than STATE_MAX_STALE_SECONDS, which nobody sets."""


def deploy_house(endpoint: str, *, stack: str, parameters: dict[str, str]) -> Deployment:
    """Compose, build the layers for this machine, deploy, and run what must run before anybody is served."""
    for command in (["-m", "infra.compose"], ["-m", "layers.build", "--arch", "local"]):
        subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    topic = "arn:aws:sns:us-east-1:000000000000:agnes-alarms"  # without one there are no alarms
    given = {"EmulatorEndpoint": endpoint, "Architecture": "x86_64", "AlarmTopic": topic, **parameters}
    deployment = deploy(endpoint, ROOT / "build" / "infra" / "root.yaml", stack=stack, parameters=given)
    after_deploy(
        stack, cloudformation=client("cloudformation", endpoint), functions=client("lambda", endpoint)
    )  # fmt: skip
    return deployment


def run_job(deployment: Deployment, name: str) -> None:
    """Call a scheduled job's function now, as its schedule does."""
    (function,) = [job.function for job in composed.jobs() if job.name == name]
    answer = client("lambda", deployment.endpoint).invoke(FunctionName=f"{deployment.stack}-{function}", Payload=b"{}")
    told = json.loads(answer["Payload"].read())
    assert told.get("ok") is True, told
