"""How processes share the tests where `--dist loadscope` says so (`make cloud`)."""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadFileScheduling, LoadScopeScheduling


class ByHouse(LoadFileScheduling):
    """A file is one process's, and so are all journeys: one deployed house serves them.

    xdist's own `loadgroup` does nothing with pytest 9, whose node ids cannot be written to.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "journeys" if nodeid.startswith("tests/journeys/") else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadScopeScheduling | None:
    return ByHouse(config, log) if config.getvalue("dist") == "loadscope" else None
