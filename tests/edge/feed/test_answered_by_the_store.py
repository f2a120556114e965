"""Bytes that the store hands out by itself, and what a function asks of it for that."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from agnes.kernel.metering import Calls, measured
from agnes.outside.metered import MeteredStore, unmetered
from agnes.outside.object_store.memory import MemoryStore
from tests.builders.acme_team import ENVIRON, Team
from tests.builders.house import Answer, House

ZIP = "/marketplace.zip"


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("team")
    with House(
        folder, store=MeteredStore(MemoryStore()), environ=ENVIRON | {"AGNES_STORE": "s3", "AGNES_BUCKET": "of-tests"}
    ) as house:
        made = Team(house, folder, registered=True)
        made.grant("finops")
        assert made.install("bob", "finops").status == 200
        assert made.call("GET", "bob", ZIP).status == 302  # built
        yield made


def counted(team: Team, path: str, **given: object) -> tuple[Answer, Calls]:
    team.house.clock.sleep(2)
    with measured() as calls:
        answer = team.call("GET", "bob", path, **given)
    return answer, calls


def test_a_known_zip_is_a_url_and_nothing_of_it_is_read(team: Team) -> None:
    answer, calls = counted(team, ZIP)
    assert (answer.status, answer.body) == (302, b"")
    assert (calls.handed_gets, calls.puts, calls.lists) == (1, 0, 0)
    assert calls.gets == 4  # a look at each state file
    assert calls.bytes_read == 0
    allowed = unmetered(team.house.store).open_presigned_url("GET", answer.headers["location"])
    assert allowed.key.startswith("feed/zips/")


def test_who_has_the_zip_gets_not_even_a_url(team: Team) -> None:
    tag = team.call("GET", "bob", ZIP).headers["etag"]
    token = team.tokens["bob"]
    with measured() as calls:
        answer = team.house.get(ZIP, token=token, headers={"If-None-Match": tag})
    assert (answer.status, calls.handed_gets, calls.bytes_read) == (304, 0, 0)


def test_styles_and_scripts_ask_the_store_for_nothing_and_are_kept_for_a_year(team: Team) -> None:
    page = team.house.get("/marketplace", cookie=f"access_token={team.tokens['bob']}").text
    parts = set(re.findall(r'"(/static/[^"]+)"', page))
    assert len(parts) > 3
    for part in parts:
        assert "?v=" in part
        with measured() as calls:
            answer = team.house.get(part)
        assert answer.status == 200, part
        assert "max-age=31536000, immutable" in answer.headers["cache-control"]
        assert (calls.gets, calls.lists, calls.puts) == (0, 0, 0)
