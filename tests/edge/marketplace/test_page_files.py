"""Covers and documents: who gets them, and as what."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.builders.acme_team import ENVIRON, Team, code
from tests.builders.house import House
from tests.builders.sample_marketplace import PNG


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory):
    folder: Path = tmp_path_factory.mktemp("pages")
    with House(folder, environ=ENVIRON) as house:
        team = Team(house, folder)
        team.market.add_page_files("finops")
        team.register()
        team.sync()
        team.grant("finops")
        yield team


@pytest.fixture(scope="module")
def urls(team) -> tuple[str, str]:
    with team.house.state.read("marketplace") as db:
        [raw] = db.execute("SELECT metadata FROM marketplace.plugins WHERE name = 'finops'").fetchone()
    shown = json.loads(raw)
    return shown["cover_url"], shown["doc_links"][0]["url"]


def test_a_cover_has_a_pinned_type_and_may_be_kept(team, urls):
    answer = team.call("GET", "bob", urls[0])
    assert (answer.status, answer.body) == (200, PNG)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "default-src 'none'"
    assert "immutable" in answer.headers["cache-control"]


def test_a_document_is_an_attachment(team, urls):
    answer = team.call("GET", "bob", urls[1])
    assert (answer.status, answer.text) == (200, "# Guide\n")
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="guide.md"'


def test_each_door_opens_for_its_own_kind(team, urls):
    assert team.call("GET", "bob", urls[0].replace("/asset/", "/document/")).status == 415
    assert team.call("GET", "bob", urls[1].replace("/document/", "/asset/")).status == 415


def test_without_a_grant_there_is_nothing_for_admins_too(team, urls):
    for who in ("eve", "ada"):
        for url in (*urls, urls[0].replace("finops", "nobody")):
            assert code(team.call("GET", who, url), 403) == "grant_required"
    assert team.call("GET", None, urls[0]).status == 401


def test_only_what_the_page_names_is_found(team, urls):
    folder = urls[0].rpartition("/")[0]
    for key in ("x.png", "%2e%2e%2fsecret.png", "0" * 32 + ".png"):
        assert code(team.call("GET", "bob", f"{folder}/{key}"), 404) == "asset_not_found"
