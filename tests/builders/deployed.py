"""The real templates and layers on LocalStack, as `make deploy` puts them on AWS."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from agnes_local.cloud import Deployment, client, deploy
from infra.after_deploy import after_deploy

ROOT = Path(__file__).parents[2]
STALE_SECONDS = 1.0
"""STATE_MAX_STALE_SECONDS, where nobody sets it."""


def deploy_house(endpoint: str, *, stack: str, parameters: dict[str, str]) -> Deployment:
    """Compose, build the layers for this machine, deploy, and run what must run before anybody is served."""
    for command in (["-m", "infra.compose"], ["layers/build.py", "--arch", "local"]):
        subprocess.run([sys.executable, *command], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    given = {"EmulatorEndpoint": endpoint, "Architecture": "x86_64", **parameters}
    deployment = deploy(endpoint, ROOT / "build" / "infra" / "root.yaml", stack=stack, parameters=given)
    after_deploy(
        stack, cloudformation=client("cloudformation", endpoint), functions=client("lambda", endpoint)
    )  # fmt: skip
    return deployment
