"""What curators write for the pages, from marketplace-metadata.json to the listing, the pages and the API."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pytest

from tests.builders.acme_team import ENVIRON, Team
from tests.builders.house import House
from tests.builders.sample_marketplace import PNG, SampleMarketplace

pytestmark = pytest.mark.slow

FINOPS = "/marketplace/curated/northwind/finops"
ACME = "/marketplace/curated/acme/finops"


# ---- the demonstration's own words


def test_the_listing_has_title_tagline_and_the_curator_s_category(shop):
    found = {item["name"]: item for item in shop.json("/api/marketplace/items")["items"]}
    assert found["finops"]["display_name"] == "FinOps toolkit"
    assert found["finops"]["tagline"] == "From ledger to forecast without a spreadsheet"
    assert found["chartkit"]["category"] == "Data & Analytics"
    assert (found["sql-style"]["display_name"], found["sql-style"]["photo_url"]) == ("", None)
    page = shop.page("/marketplace")
    assert ">FinOps toolkit</a>" in page
    assert "From ledger to forecast without a spreadsheet" in page


@pytest.mark.parametrize(
    ("query", "first"), [("toolkit", "finops"), ("spreadsheet", "finops"), ("seasonal", "finops"), ("draw", "chartkit")]
)
def test_the_words_are_searched(shop, query, first):
    assert shop.json(f"/api/marketplace/items?q={query}")["items"][0]["name"] == first


def test_the_api_of_a_plugin(shop):
    detail = shop.json(f"/api{FINOPS}")
    assert (detail["display_name"], detail["manifest_name"]) == ("FinOps toolkit", "finops")
    assert "<strong>ledger export</strong>" in detail["description_long_html"]
    assert [case["title"] for case in detail["use_cases"]] == ["Next quarter's spend", "Close April"]
    assert detail["use_cases"][1]["prompt"] == "/finops:close-month 2026-04"
    sample = detail["sample_interaction"]
    assert sample["user"] == "Why is marketing over budget in May?"
    assert "<strong>+18,400</strong>" in sample["assistant_html"]
    skills = {skill["name"]: skill for skill in detail["skills"]}
    assert skills["forecast"]["tagline"] == "Straight-line and seasonal, side by side"
    assert skills["budget-variance"]["tagline"] == ""
    answer = shop.get(detail["docs"][0]["url"])
    assert answer.status == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="ledger-columns.md"'


def test_the_api_of_what_is_inside(shop):
    forecast = shop.json(f"/api{FINOPS}/skill/forecast")
    assert forecast["tagline"] == "Straight-line and seasonal, side by side"
    assert forecast["when_to_use_html"] == "<p>When a figure for a month to come is asked.</p>\n"
    assert shop.json(f"/api{FINOPS}/agent/auditor")["tagline"] == "Reads queries, trusts nothing"
    assert shop.json(f"/api{FINOPS}/skill/budget-variance")["when_to_use_html"] == ""


def test_the_pages(shop):
    page = shop.page(FINOPS)
    assert '<h1 id="detail-title">FinOps toolkit</h1>' in page
    assert '<div class="window__bar">finops</div>' in page
    for section in ("section-what", "section-when", "section-example", "section-docs"):
        assert f'id="{section}"' in page
    assert 'data-copy="/finops:close-month 2026-04"' in page
    assert re.search(
        r'href="/api/marketplace/curated/northwind/finops/document/\w+\.md" download>Ledger columns<', page
    )
    inner = shop.page(f"{FINOPS}/agent/auditor")
    assert "Before a figure leaves the team." in inner
    assert 'Part of <a href="/marketplace/curated/northwind/finops">FinOps toolkit</a>' in inner


def test_a_plugin_without_words_shows_its_own(shop):
    page = shop.page("/marketplace/curated/northwind/sql-style")
    assert 'id="detail-title">sql-style</h1>' in page
    for section in ("section-when", "section-example", "section-docs", "section-video"):
        assert f'id="{section}"' not in page


# ---- covers, links, hostile words, reasons and required grants


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory):
    folder: Path = tmp_path_factory.mktemp("words")
    with House(folder, environ=ENVIRON) as house:
        team = Team(house, folder)
        _write(team.market)
        team.register()
        team.sync()
        team.finops = team.grant("finops")
        yield team


def _write(market: SampleMarketplace) -> None:
    market.change("Media", {"media/cover.png": PNG, "media/auditor.png": PNG + b"2", "media/guide.md": "# Guide\n"})
    market.write_page(
        "finops",
        display_name="<b>Bold</b>",
        description="Text <script>alert(1)</script> and [a link](javascript:alert(1)) and ![x](https://evil.test/x.png)",
        video_url="https://videos.example/demo",
        cover_photo="media/cover.png",
        doc_links=[
            {"name": "Guide", "path": "media/guide.md"},
            {"name": "Site", "url": "https://docs.example/start.md"},
        ],
        sample_interaction={"user": "<i>me</i>", "assistant": "<img src=x onerror=alert(1)>"},
        agents={
            "auditor": {
                "display_name": "The auditor",
                "category": "Security",
                "cover_photo": "media/auditor.png",
                "video_url": "https://youtu.be/dQw4w9WgXcQ?t=5&autoplay=1",
                "invocation": "ask the auditor",
                "doc_links": [{"name": "Rules", "path": "media/guide.md"}],
            }
        },
    )


def json_of(team: Team, who: str, path: str):
    answer = team.call("GET", who, path)
    assert answer.status == 200, answer.text
    return answer.json()


def page_of(team: Team, who: str, path: str) -> str:
    answer = team.house.get(path, cookie=f"access_token={team.tokens[who]}")
    assert answer.status == 200, answer.text
    return answer.text


def item_of(team: Team, who: str, query: str = "") -> dict:
    return next(i for i in json_of(team, who, f"/api/marketplace/items?{query}")["items"] if i["name"] == "finops")


def test_a_cover_is_in_the_listing_and_on_the_page_by_commit(team):
    with team.house.state.read("marketplace") as db:
        commit, raw = db.execute(
            "SELECT r.last_commit_sha, p.metadata FROM marketplace.registries r"
            " JOIN marketplace.plugins p ON p.marketplace_id = r.id WHERE p.name = 'finops'"
        ).fetchone()
    cover = f"{json.loads(raw)['cover_url']}?v={commit[:8]}"
    assert item_of(team, "bob")["photo_url"] == json_of(team, "bob", f"/api{ACME}")["cover_photo_url"] == cover
    for path in ("/marketplace", ACME):
        assert f'<img class="cover__photo" src="{cover}" alt=""' in page_of(team, "bob", path)
    answer = team.call("GET", "bob", cover)
    assert (answer.status, answer.body) == (200, PNG)


def test_what_is_inside_has_its_own(team):
    auditor = json_of(team, "bob", f"/api{ACME}/agent/auditor")
    assert (auditor["display_name"], auditor["category"], auditor["invocation"]) == (
        "The auditor",
        "Security",
        "ask the auditor",
    )
    assert team.call("GET", "bob", auditor["cover_photo_url"]).body == PNG + b"2"
    assert team.call("GET", "bob", auditor["docs"][0]["url"]).text == "# Guide\n"
    page = page_of(team, "bob", f"{ACME}/agent/auditor")
    assert ">The auditor</h1>" in page
    assert auditor["cover_photo_url"] in page
    assert auditor["docs"][0]["url"] in page


def test_links_lead_to_our_files_and_to_other_sites(team):
    page = page_of(team, "bob", ACME)
    assert '<a href="https://docs.example/start.md" rel="noopener noreferrer">Site</a>' in page
    assert '<a href="https://videos.example/demo" rel="noopener noreferrer">Watch the demo</a>' in page
    assert [link["name"] for link in json_of(team, "bob", f"/api{ACME}")["docs"]] == ["Guide", "Site"]


def test_a_recognised_video_is_played_and_only_its_page_may_load_it(team):
    inner = team.house.get(f"{ACME}/agent/auditor", cookie=f"access_token={team.tokens['bob']}")
    frame = re.search(r"<iframe [^>]*>", inner.text)[0]
    assert 'src="https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ"' in frame
    assert 'title="Demo video of The auditor, played by YouTube"' in frame
    assert 'loading="lazy"' in frame
    assert 'sandbox="allow-scripts allow-same-origin allow-presentation allow-popups"' in frame
    assert '<a href="https://youtu.be/dQw4w9WgXcQ?t=5&amp;autoplay=1" rel="noopener noreferrer">' in inner.text
    policy = inner.headers["content-security-policy"]
    assert policy.endswith("frame-ancestors 'none'; frame-src https://www.youtube-nocookie.com")
    other = team.house.get(ACME, cookie=f"access_token={team.tokens['bob']}")
    assert "<iframe" not in other.text
    assert "frame-src" not in other.headers["content-security-policy"]


def test_hostile_words_are_only_words(team):
    detail = json_of(team, "bob", f"/api{ACME}")
    shown = detail["description_long_html"] + detail["sample_interaction"]["assistant_html"]
    assert "<script" not in shown
    assert "<img" not in shown
    assert "href" not in shown
    for path in ("/marketplace", ACME, f"{ACME}/agent/auditor"):
        page = page_of(team, "bob", path)
        assert "<b>Bold" not in page
        assert not re.search(r"<script(?! src=)|<i>me|<img src=x|href=.javascript:", page)


def test_a_required_grant_locks_counts_and_is_seen_at_once(team):
    path = f"/api/admin/grants/{team.finops}/required"
    before = item_of(team, "bob")
    assert (before["installed"], before["required"], before["stack_count"]) == (False, False, 0)
    assert team.call("POST", "ada", path).status == 200
    try:
        after = item_of(team, "bob", "tab=my")
        assert (after["installed"], after["required"], after["stack_count"]) == (True, True, team.counts()["finops"])
        assert json_of(team, "bob", f"/api{ACME}")["required"] is True
        card, detail, inner = (page_of(team, "bob", at) for at in ("/marketplace", ACME, f"{ACME}/agent/auditor"))
        assert "plugin-card__badge" in card
        assert "Required for your group" in detail
        assert "required for your group" in inner
        assert 'value="false"' not in card + detail
        assert 'value="true"' not in card + detail
        assert json_of(team, "bob", "/api/marketplace/items?not_in_stack=1")["total"] == 0
    finally:
        assert team.call("DELETE", "ada", path).status == 200
    assert item_of(team, "bob")["installed"] is False


def test_what_an_admin_keeps_back_is_told(team):
    assert team.call("PATCH", "ada", "/api/marketplaces/acme", {"hold": True}).status == 200
    team.market.release_finops("9.9.9")
    team.sync()
    detail = json_of(team, "bob", f"/api{ACME}")
    [line] = json_of(team, "bob", "/api/my-stack")["curated"]
    assert detail["problem"] == line["problem"] != ""
    assert detail["problem"] in unescape(page_of(team, "bob", ACME))
    assert not detail["version"].startswith("9.9.9")
