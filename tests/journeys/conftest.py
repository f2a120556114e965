"""One suite, several houses: every test that takes `house` runs on the embedded default and on LocalStack."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from agnes_local.cloud import Deployment
from agnes_local.localstack_host import localstack as running_localstack
from tests.builders.demo_marketplace import DemoMarketplace, synced_demo
from tests.builders.deployed import STALE_SECONDS, deploy_house, run_job
from tests.builders.embedded import embedded_server
from tests.builders.target import PASSWORD, Target

ADMIN = "ada@northwind.example"
OPERATOR_TOKEN = "operator-of-the-journeys-0123456789abcdef"
SETTINGS = {
    "SEED_ADMIN_EMAIL": ADMIN,
    "SEED_ADMIN_PASSWORD": PASSWORD,
    "SCHEDULER_API_TOKEN": OPERATOR_TOKEN,
    "AGNES_GIT_ALLOW": "file,http,private",
}

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them run in `make journeys`, where one embedded installation serves them, with those that need git or the client."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.journey)


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """`agnes-local run` over an empty folder, with several workers."""
    folder = tmp_path_factory.mktemp("embedded")
    with (
        embedded_server(folder, {**SETTINGS, "AGNES_WORKERS": "3"}) as server,
        Target(server.base_url, ADMIN, OPERATOR_TOKEN, server.run_job) as target,
    ):
        yield target


@pytest.fixture(scope="session")
def deployment() -> Iterator[Deployment]:
    """The templates and layers that AWS would get, deployed to LocalStack."""
    parameters = {
        "SeedAdminEmail": ADMIN,
        "SeedAdminPassword": PASSWORD,
        "SchedulerApiTokenSha256": hashlib.sha256(OPERATOR_TOKEN.encode()).hexdigest(),
        "GitAllow": SETTINGS["AGNES_GIT_ALLOW"],
    }
    # One of its own: `make cloud` has another, which would answer nobody else while this deploys.
    with running_localstack(anew=True) as server:
        yield deploy_house(server.endpoint, stack="agnes-journeys", parameters=parameters)


@pytest.fixture(scope="session")
def localstack(deployment: Deployment) -> Iterator[Target]:
    job = partial(run_job, deployment)
    with Target(deployment.outputs["Url"], ADMIN, OPERATOR_TOKEN, job, stale_seconds=STALE_SECONDS) as target:
        yield target


@pytest.fixture(
    scope="session",
    params=["embedded", pytest.param("localstack", marks=[pytest.mark.localstack])],
)
def house(request: pytest.FixtureRequest) -> Target:
    return request.getfixturevalue(request.param)


@pytest.fixture
def demo(house: Target, tmp_path: Path) -> DemoMarketplace:
    """The demonstration marketplace, registered and synced for this test alone."""
    return synced_demo(house, tmp_path)
