"""The first question of git, in both versions of its protocol."""

from __future__ import annotations

from pathlib import Path

import pytest

from agnes.feed import upload_pack
from tests.builders.acme_team import ENVIRON, Team
from tests.builders.house import House

REFS = "/marketplace.git/info/refs?service=git-upload-pack"


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory):
    folder: Path = tmp_path_factory.mktemp("refs")
    with House(folder, environ=ENVIRON) as house:
        team = Team(house, folder, registered=True)
        team.grant("finops")
        team.install("bob", "finops")
        yield team


def test_v2_tells_everybody_the_same_and_v0_ones_own_commit(team):
    def asked(who: str, version: str) -> bytes:
        answer = team.house.call("GET", REFS, token=team.tokens[who], headers={"Git-Protocol": version})
        assert (answer.status, answer.headers["content-type"]) == (200, upload_pack.ADVERTISEMENT)
        return answer.body

    assert asked("bob", "version=2") == asked("eve", "version=2") == upload_pack.advertise_capabilities()
    for who in ("bob", "eve"):
        commit = team.call("GET", who, "/marketplace/info").json()["etag"]
        assert asked(who, "version=1") == asked(who, "") == upload_pack.advertise_refs(commit)
    assert asked("bob", "") != asked("eve", "")


def test_nobody_is_told_anything_without_a_credential(team):
    for version in ("version=2", ""):
        answer = team.house.call("GET", REFS, headers={"Git-Protocol": version})
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")
