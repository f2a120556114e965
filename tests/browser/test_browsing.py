"""Browsing in a real browser: with script, with the keyboard alone, without script, on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.listing import api, names, settled, titles

pytestmark = pytest.mark.browser

FINOPS = "/marketplace/curated/northwind/finops"
KIT = "/marketplace/flea/id-kit"
ALL = 63
"""The demonstration's three plugins and sixty more."""


def test_tabs_and_the_way_back(visit, shot):
    page = visit.open()
    expect(page.locator("#summary")).to_have_text(f"{ALL} plugins, page 1 of 3")
    expect(page.get_by_role("heading", name="Most Popular")).to_be_visible()
    shot(page, "listing")
    page.get_by_role("link", name="My Stack").click()
    expect(page.get_by_role("heading", name="Your stack")).to_be_visible()
    assert "tab=my" in page.url
    expect(page.get_by_role("link", name="My Stack")).to_have_attribute("aria-current", "page")
    expect(page.locator("#announcement")).to_contain_text("plugins")
    shot(page, "my-stack")
    page.go_back()
    expect(page.get_by_role("heading", name="All plugins")).to_be_visible()
    expect(page.locator("#summary")).to_contain_text(f"{ALL} plugins")


def test_search_while_typing(visit, shot):
    page = visit.open("/marketplace?tab=curated&sort=most_used")
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/marketplace?" in request.url else None)
    page.get_by_role("searchbox").press_sequentially("waterfal", delay=30)
    expect(page.locator("#summary")).to_have_text("1 plugin for “waterfal”")
    assert titles(page) == ["ChartKit"]
    expect(page.get_by_text("Matches its skill waterfall")).to_be_visible()
    expect(page.get_by_role("heading", name="Most Popular")).to_have_count(0)
    assert "q=waterfal" in page.url
    assert len(asked) <= 3, f"one request a pause, not one a letter: {asked}"
    expect(page.get_by_role("searchbox")).to_be_focused()
    shot(page, "search")
    page.get_by_role("searchbox").fill("nothing like this")
    expect(page.get_by_role("heading", name="Nothing matches “nothing like this”")).to_be_visible()
    shot(page, "nothing-matches")
    page.go_back()
    expect(page.locator("#summary")).to_contain_text(f"{ALL} plugins")
    assert "sort=most_used" in page.url
    expect(page.get_by_role("searchbox")).to_have_value("")
    page.go_forward()
    expect(page.get_by_role("searchbox")).to_have_value("nothing like this")


@pytest.mark.parametrize("sort", ["recent", "most_used", "most_adopted", "trending"])
def test_each_sort(visit, sort):
    page = visit.open("/marketplace?tab=curated&category=Security" if sort == "recent" else "/marketplace")
    if sort == "recent":
        page.get_by_label("Sort").select_option("most_used")
        settled(page)
    page.get_by_label("Sort").select_option(sort)
    page.wait_for_url(f"**sort={sort}*")
    settled(page)
    tail = "&category=Security" if sort == "recent" else ""
    assert titles(page) == names(api(page, f"tab=curated&sort={sort}{tail}"))
    expect(page.get_by_label("Sort")).to_have_value(sort)


def test_pages(visit):
    page = visit.open("/marketplace?tab=curated&sort=most_used")
    first = titles(page)
    page.get_by_role("link", name="Next page").click()
    page.wait_for_url("**page=2*")
    expect(page.locator("#summary")).to_contain_text("page 2 of 3")
    second = titles(page)
    page.get_by_role("link", name="Page 3").click()
    expect(page.locator("#summary")).to_contain_text("page 3 of 3")
    third = titles(page)
    assert len({*first, *second, *third}) == ALL
    expect(page.get_by_role("link", name="Next page")).to_have_count(0)
    expect(page.get_by_role("heading", name="Most Popular")).to_have_count(0)
    page.go_back()
    expect(page.locator("#summary")).to_contain_text("page 2 of 3")
    assert titles(page) == second


def test_filters_are_in_the_address(visit):
    page = visit.open()
    page.get_by_role("link", name=re.compile("^Security")).click()
    page.wait_for_url("**category=Security*")
    settled(page)
    page.get_by_label("Not in my stack").check()
    page.wait_for_url("**not_in_stack=1*")
    settled(page)
    address, shown = page.url, titles(page)
    assert shown == names(api(page, "tab=curated&category=Security&not_in_stack=1"))
    page.goto(address)
    assert titles(page) == shown
    expect(page.get_by_label("Not in my stack")).to_be_checked()


def test_add_and_remove_on_a_card(visit):
    page = visit.open("/marketplace?q=chartkit")
    mine = page.locator("#tab-my .tabs__count")
    before = int(mine.inner_text())
    page.get_by_role("button", name="Add ChartKit to your stack").click()
    expect(page.get_by_role("button", name="Remove ChartKit from your stack")).to_be_focused()
    expect(mine).to_have_text(str(before + 1))
    expect(page.locator(".plugin-card .chip__figures")).to_contain_text("6 installed")
    expect(page.locator("#announcement")).to_have_text("Added to your stack")
    assert "q=chartkit" in page.url
    page.get_by_role("button", name="Remove ChartKit from your stack").click()
    expect(page.get_by_role("button", name="Add ChartKit to your stack")).to_be_focused()
    expect(mine).to_have_text(str(before))
    expect(page.locator(".plugin-card .chip__figures")).to_contain_text("5 installed")


def test_add_and_remove_on_the_plugin_s_page(visit, shot):
    page = visit.open(FINOPS, permissions=["clipboard-read", "clipboard-write"])
    expect(page.locator(".plugin-hero .chip__figures")).to_contain_text("6 installed")
    page.get_by_role("button", name="Add to stack").click()
    expect(page.get_by_role("button", name="Remove from stack")).to_be_focused()
    expect(page.locator(".plugin-hero .chip__figures")).to_contain_text("7 installed")
    hint = page.locator("#update-hint")
    expect(hint).to_be_visible()
    hint.get_by_role("button", name="Copy").click()
    assert page.evaluate("navigator.clipboard.readText()") == "/update-agnes-plugins"
    shot(page, "plugin-added")
    hint.get_by_role("button", name="Got it").click()
    expect(hint).to_be_hidden()
    page.get_by_role("button", name="Remove from stack").click()
    expect(page.get_by_role("button", name="Add to stack")).to_be_focused()
    page.get_by_role("button", name="Add to stack").click()
    expect(page.get_by_role("button", name="Remove from stack")).to_be_visible()
    expect(hint).to_be_hidden()
    page.get_by_role("button", name="Remove from stack").click()
    expect(page.get_by_role("button", name="Add to stack")).to_be_visible()


def test_a_required_plugin_has_no_button(visit):
    page = visit.open("/marketplace/curated/northwind/sql-style")
    expect(page.get_by_text("Required for everyone")).to_be_visible()
    expect(page.locator("#stack-button")).to_have_count(0)


def test_a_plugin_that_a_grant_requires_is_locked(visit, shot):
    page = visit.open("/marketplace?tab=my")
    grants = page.request.get("/api/admin/grants?resource_type=marketplace_plugin").json()
    [grant] = [g["id"] for g in grants if g["resource_id"] == "northwind/chartkit"]
    required = f"/api/admin/grants/{grant}/required"
    assert page.request.post(required).ok
    try:
        page.goto("/marketplace?tab=my&q=chartkit")
        card = page.locator(".plugin-card", has_text="ChartKit")
        expect(card.get_by_text("Required")).to_be_visible()
        expect(card.get_by_role("button")).to_have_count(0)
        shot(page, "required-card")
        card.get_by_role("link").click()
        expect(page.get_by_text("Required for your group")).to_be_visible()
        expect(page.locator("#stack-button")).to_have_count(0)
        shot(page, "required-plugin")
    finally:
        assert page.request.delete(required).ok


def test_a_cover_is_shown_and_its_letters_where_it_does_not_load(visit, shot):
    page = visit.open("/marketplace?q=finops")
    photo = page.locator(".plugin-card", has_text="FinOps toolkit").locator(".cover__photo").first
    assert photo.evaluate("image => image.decode().then(() => image.naturalWidth)") == 715
    shot(page, "cover-card")
    page.route("**/asset/**", lambda route: route.fulfill(status=404, body=""))
    page.goto(FINOPS)
    expect(page.locator(".window .cover__photo")).to_have_count(0)
    expect(page.locator(".window .cover")).to_have_text("FI")
    expect(page.get_by_role("heading", name="When to use it")).to_be_visible()
    shot(page, "cover-missing")
    visit.complaints[:] = [text for text in visit.complaints if "404" not in text]


@pytest.mark.parametrize(
    ("path", "title", "call", "crumbs"),
    [
        (FINOPS, "FinOps toolkit", None, ["Marketplace", "Curated Marketplace", "FinOps toolkit"]),
        (
            f"{FINOPS}/skill/forecast",
            "forecast",
            "/finops:forecast",
            ["Marketplace", "Curated Marketplace", "FinOps toolkit", "forecast"],
        ),
        (
            f"{FINOPS}/agent/auditor",
            "auditor",
            "@agent-finops:auditor",
            ["Marketplace", "Curated Marketplace", "FinOps toolkit", "auditor"],
        ),
    ],
)
def test_detail_pages(visit, shot, path, title, call, crumbs):
    page = visit.open(path, permissions=["clipboard-read", "clipboard-write"])
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    assert page.locator(".breadcrumb li").all_inner_texts() == crumbs
    expect(page.get_by_role("img", name=re.compile(r"calls on \d+ of 30 days"))).to_be_visible()
    if call:
        page.get_by_role("button", name=f"Copy {call}").click()
        assert page.evaluate("navigator.clipboard.readText()") == call
    shot(page, f"detail-{path.rpartition('/')[2]}")
    page.locator(".breadcrumb a").last.click()
    parent = "What your team shares" if len(crumbs) == 3 else "FinOps toolkit"
    expect(page.get_by_role("heading", level=1)).to_have_text(parent)


@pytest.mark.parametrize(
    ("path", "played_at"),
    [
        pytest.param(FINOPS, "https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ", id="YouTube"),
        pytest.param("/marketplace/flea/id-notes", "https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ", id="flea"),
        pytest.param(f"{FINOPS}/skill/forecast", "https://player.vimeo.com/video/76979871?dnt=1", id="Vimeo"),
    ],
)
def test_a_film_is_framed_where_its_policy_lets_it(visit, shot, path, played_at):
    page = visit.open(path)
    frame = page.get_by_title(re.compile("^Demo video of"))
    frame.scroll_into_view_if_needed()
    expect(frame.content_frame.get_by_text("A film")).to_be_visible()
    assert frame.get_attribute("src") == played_at
    box = frame.bounding_box()
    assert 1.7 < box["width"] / box["height"] < 1.8, "16 to 9"
    expect(page.get_by_role("link", name=re.compile("^Watch the demo at"))).to_be_visible()
    shot(page, f"video-{path.rpartition('/')[2]}")


def test_a_film_that_is_a_file_is_asked_for_when_it_is_played(visit, shot):
    page = visit.open(f"{FINOPS}/agent/auditor")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    film = page.get_by_label(re.compile("^Demo video of"))
    film.scroll_into_view_if_needed()
    assert not [url for url in asked if not url.startswith(visit.base_url)], "nothing is loaded before it is played"
    with page.expect_request("https://films.example/demo.mp4"):
        film.evaluate("film => film.play().catch(() => null)")
    shot(page, "video-file")


@pytest.mark.parametrize(
    "path",
    ["/marketplace", "/marketplace?tab=flea", FINOPS, f"{FINOPS}/skill/forecast", KIT, "/marketplace/flea/id-notes"],
)
def test_no_page_weighs_more_than_150_kb_before_images(visit, path):
    asked = visit.open("/login").request
    html = asked.get(path).text()
    parts = dict.fromkeys(re.findall(r'(?:href|src)="(/static/[^"]+\.(?:css|js)\b[^"]*)"', html))
    weights = {path: len(html.encode())} | {part: len(asked.get(part).body()) for part in parts}
    assert {part.partition("?")[0].rpartition(".")[2] for part in parts} == {"css", "js"}
    assert sum(weights.values()) < 150_000, weights


def test_a_parameter_that_is_unknown_is_a_page_with_a_way_on(visit, shot):
    page = visit.open("/marketplace?sort=best&colour=red")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    shot(page, "unknown-parameter")
    page.get_by_role("link", name=re.compile("marketplace", re.IGNORECASE)).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What your team shares")
    visit.complaints[:] = [text for text in visit.complaints if "422" not in text]


def test_what_fails_is_told_once_and_not_tried_again(visit):
    page = visit.open()
    asked = []

    def refuse(route):
        asked.append(route.request.url)
        route.fulfill(status=500, body="no", content_type="text/html")

    page.route("**/marketplace?**", refuse)
    page.get_by_role("searchbox").fill("ledger")
    expect(page.get_by_role("alert")).to_contain_text("That did not load")
    page.wait_for_timeout(1500)
    assert len(asked) == 1
    visit.complaints[:] = [text for text in visit.complaints if "500" not in text]
    page.unroute("**/marketplace?**")
    page.get_by_role("searchbox").press("Enter")
    expect(page.locator("#summary")).to_contain_text("for “ledger”")
    expect(page.locator("#failure")).to_be_hidden()


def test_loading_looks_like_loading(visit):
    page = visit.open()
    page.route("**/marketplace?**", lambda route: (page.wait_for_timeout(600), route.continue_()))
    page.get_by_role("searchbox").fill("finops")
    expect(page.locator("#listing")).to_have_attribute("aria-busy", "true")
    expect(page.locator("#listing")).not_to_have_attribute("aria-busy", "true")
    assert titles(page)[0] == "FinOps toolkit"


def test_with_the_keyboard_alone(visit):
    page = visit.open("/marketplace?tab=curated&q=finops")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("searchbox")).to_be_focused()
    link = page.locator(".plugin-card__link", has_text="FinOps toolkit").first
    for _ in range(30):
        page.keyboard.press("Tab")
        if link.evaluate("node => node === document.activeElement"):
            break
    expect(link).to_be_focused()
    page.keyboard.press("Tab")
    chip = page.locator(".plugin-card .chip").first
    expect(chip).to_be_focused()
    tip = chip.locator(".chip__tip")
    expect(tip).to_contain_text("calls in the last 30 days")
    assert tip.bounding_box()["width"] > 100, "the tip is shown by focus"
    page.keyboard.press("Escape")
    page.wait_for_function("document.querySelector('.chip:focus .chip__tip').getBoundingClientRect().width < 5")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Add FinOps toolkit to your stack").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove FinOps toolkit from your stack").first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Add FinOps toolkit to your stack").first).to_be_focused()
    link.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("FinOps toolkit")


def test_without_script(visit, shot):
    page = visit.open(java_script_enabled=False)
    page.get_by_label("Sort").select_option("most_adopted")
    page.get_by_role("button", name="Apply").click()
    assert "sort=most_adopted" in page.url
    page.get_by_role("link", name="Next page").click()
    expect(page.locator("#summary")).to_contain_text("page 2 of 3")
    page.get_by_role("searchbox").fill("chartkit")
    page.get_by_role("button", name="Search").click()
    assert titles(page) == ["ChartKit"]
    page.get_by_role("button", name="Add ChartKit to your stack").click()
    assert "q=chartkit" in page.url
    expect(page.get_by_role("button", name="Remove ChartKit from your stack")).to_be_visible()
    page.get_by_role("button", name="Remove ChartKit from your stack").click()
    page.locator(".plugin-card__link").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("ChartKit")
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
    shot(page, "without-script")


@pytest.mark.parametrize("width", [320, 390])
@pytest.mark.parametrize(
    "path",
    ["/marketplace", FINOPS, f"{FINOPS}/skill/forecast", "/marketplace/flea/id-notes", "/marketplace/guide/flea"],
)
def test_nothing_is_wider_than_a_phone(visit, shot, path, width):
    page = visit.open(path, width=width, height=800, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width == 390:
        shot(page, f"phone-{path.rpartition('/')[2]}")


def test_a_tip_opens_by_touch(visit):
    page = visit.open("/marketplace?q=finops", width=390, height=800, has_touch=True, is_mobile=True)
    chip = page.locator(".plugin-card .chip").first
    chip.tap()
    box = chip.locator(".chip__tip").bounding_box()
    assert box["width"] > 100
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390


def test_a_tip_stays_inside_the_page(visit, shot):
    page = visit.open("/marketplace")
    chips = page.locator(".grid").first.locator(".chip")
    for number in range(chips.count()):
        chips.nth(number).hover()
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        box = chips.nth(number).locator(".chip__tip").bounding_box()
        assert box["width"] > 100
        assert box["x"] + box["width"] <= 1280
    shot(page, "tip")


def test_nothing_moves_for_who_asked_for_that(visit):
    page = visit.open(reduced_motion="reduce")
    page.evaluate("document.getElementById('listing').setAttribute('aria-busy', 'true')")
    moving = "document.getAnimations().filter(a => a.effect.getComputedTiming().duration > 0).length"
    assert page.evaluate(moving) == 0
