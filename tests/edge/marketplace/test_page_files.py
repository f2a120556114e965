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


def test_without_a_grant_there_is_nothing_and_existence_is_not_told(team, urls):
    for url in (*urls, urls[0].replace("finops", "nobody")):
        assert code(team.call("GET", "eve", url), 403) == "grant_required"
    assert team.call("GET", None, urls[0]).status == 401


def test_an_admin_may_open_all_of_a_page_without_a_grant_and_is_served_nothing_of_it(team, urls):
    """One rule for the page, its API, pictures and documents; listing, stack and feed go by grants alone."""
    page = "/api/marketplace/curated/acme/finops"
    assert team.call("GET", "ada", page).status == 200
    assert [team.call("GET", "ada", url).status for url in urls] == [200, 200]
    assert code(team.call("GET", "ada", urls[0].replace("finops", "nobody")), 404) == "asset_not_found"
    assert team.call("GET", "ada", "/api/marketplace/items").json()["items"] == []
    assert team.call("POST", "ada", f"{page}/install").status == 403
    assert team.call("GET", "ada", "/marketplace/info").json()["plugins"] == []


def test_only_what_the_page_names_is_found(team, urls):
    folder = urls[0].rpartition("/")[0]
    for key in ("x.png", "%2e%2e%2fsecret.png", "0" * 32 + ".png"):
        assert code(team.call("GET", "bob", f"{folder}/{key}"), 404) == "asset_not_found"
