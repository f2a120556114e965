"""Real git and the whole path from a marketplace to a stack, behind an HTTP API as its documentation describes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders.demo_marketplace import DemoMarketplace, analyst_with, synced_demo
from tests.builders.house_server import HouseServer
from tests.builders.http_api import HttpApiHouse
from tests.builders.people import PASSWORD, seed_admin
from tests.builders.served_installation import ENVIRON
from tests.builders.target import Target
from tests.journeys.test_feed import Git


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[DemoMarketplace]:
    with (
        HttpApiHouse(tmp_path / "house", environ=ENVIRON) as house,
        HouseServer(house) as server,
        Target(server.url, seed_admin(house).email, "", lambda _job: None, admin_password=PASSWORD) as target,
    ):
        yield synced_demo(target, tmp_path)
        house.state.close()


@pytest.mark.git
def test_git_is_asked_for_its_login_and_clones(demo: DemoMarketplace, tmp_path: Path):
    """Git sends its login only after a challenge, which a REST API would have renamed."""
    mira = analyst_with(demo, "finops", "sql-style")
    token = mira.make_token()["token"]
    git = Git(tmp_path, demo.target)
    git.ok("clone", git.url(token), "feed")
    assert git.plugins(tmp_path / "feed") == {"finops", "sql-style"}
    for version in ("0", "2"):
        listed = git.ok("-c", f"protocol.version={version}", "ls-remote", git.url(token), "HEAD")
        assert listed.split()[0] == git.ok("rev-parse", "HEAD", cwd=tmp_path / "feed")
    refused = git.run("ls-remote", git.url("agp_wrong"))
    assert refused.returncode != 0
    assert "Authentication failed" in refused.stderr
