"""Fixtures of all suites, and how processes share the tests where `--dist loadscope` says so (`make cloud`)."""

from __future__ import annotations

import gc

import pytest
from xdist.scheduler import LoadFileScheduling, LoadScopeScheduling

from agnes.claude_code import versions
from tests.builders import processor_time


class ByHouse(LoadFileScheduling):
    """A file is one process's, and so are all journeys: one deployed house serves them.

    xdist's own `loadgroup` does nothing with pytest 9, whose node ids cannot be written to.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "journeys" if nodeid.startswith("tests/journeys/") else super()._split_scope(nodeid)


gc.set_threshold(20_000, 20, 20)


def pytest_collection_finish() -> None:
    """Thousands of collected tests and imported modules stay until the end: looking at them again and again for what may be freed
    took a tenth of the processor time of `make test`."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(processor_time)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling | None:
    return ByHouse(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.fixture(scope="session", params=versions.TESTED)
def claude_version(request: pytest.FixtureRequest) -> str:
    """Each version of the Claude Code client that is tested, in turn: hand it to `ClaudeClient`, `Laptop` or `Desk`.

    For tests whose outcome may differ between versions; the others take the default of the builders.
    """
    return request.param
