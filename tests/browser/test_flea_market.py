"""The flea market in a real browser, over the set of conftest: its sorts, its pages, a search of both sources."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import FLEA
from tests.browser.listing import api, names, settled, titles

pytestmark = pytest.mark.browser

KIT = "/marketplace/flea/id-kit"


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("most_used", "budget digest minutes ledger travel"),
        ("most_adopted", "ledger digest minutes budget travel"),
        ("trending", "travel minutes digest budget"),
        ("recent", "auditor kit notes minutes digest budget ledger travel"),
    ],
)
def test_each_sort_of_the_flea_market(visit, shot, sort, order):
    """Over the hand-made set of this house, ties among it; what nobody used comes last, or not at all under trending."""
    page = visit.open("/marketplace?tab=flea" + ("&sort=trending" if sort == "recent" else ""))
    expect(page.get_by_role("heading", name="Most Popular")).to_be_visible()
    popular = page.locator("section[aria-labelledby=popular-title] .plugin-card__title").all_inner_texts()
    assert popular == ["ledger", "digest", "minutes", "budget"]
    page.get_by_label("Sort").select_option(sort)
    page.wait_for_url(f"**sort={sort}*")
    settled(page)
    shown = titles(page)
    assert shown[: len(order.split())] == order.split()
    assert set(shown[len(order.split()) :]) <= {"notes", "auditor", "kit"}
    assert shown == names(api(page, f"tab=flea&sort={sort}"))
    if sort == "most_used":
        shot(page, "flea-most-used")


def test_a_search_of_both_sources_is_paged_as_one_list(visit, shot):
    page = visit.open("/marketplace?q=plugin&scope=curated,flea")
    found = api(page, "q=plugin&scope=curated,flea&page_size=100")
    assert {item["source"] for item in found["items"]} == {"curated", "flea"}
    assert found["total"] == len(found["items"]) > 48
    expect(page.get_by_role("heading", name="All items")).to_be_visible()
    shown = titles(page)
    for number in range(2, -(-found["total"] // 24) + 1):
        page.get_by_role("link", name="Next page").click()
        expect(page.locator("#summary")).to_contain_text(f"page {number} of")
        assert "scope=curated,flea" in page.url
        shown += titles(page)
    assert shown == names(found)
    expect(page.get_by_role("link", name="Next page")).to_have_count(0)
    shot(page, "search-both-last-page")
    page.go_back()
    settled(page)
    expect(page.get_by_label("Flea", exact=True)).to_be_checked()


@pytest.mark.parametrize(
    ("path", "title", "call", "crumbs"),
    [
        pytest.param(KIT, "kit", None, ["kit"], id="plugin"),
        pytest.param("/marketplace/flea/id-notes", "notes", "/notes-by-bob:notes-by-bob", ["notes-by-bob"], id="skill"),
        pytest.param(
            "/marketplace/flea/id-auditor",
            "auditor",
            "@agent-auditor-by-bob:auditor-by-bob",
            ["auditor-by-bob"],
            id="agent",
        ),
        pytest.param(f"{KIT}/skill/notes", "notes", "/kit-by-bob:notes", ["kit", "notes"], id="inner skill"),
        pytest.param(
            f"{KIT}/agent/auditor", "auditor", "@agent-kit-by-bob:auditor", ["kit", "auditor"], id="inner agent"
        ),
    ],
)
def test_flea_pages(visit, shot, path, title, call, crumbs):
    page = visit.open(path, permissions=["clipboard-read", "clipboard-write"])
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    assert page.locator(".breadcrumb li").all_inner_texts() == ["Marketplace", "Flea market", *crumbs]
    expect(page.locator(".details")).to_contain_text("Owner")
    if call:
        page.get_by_role("button", name=f"Copy {call}").click()
        assert page.evaluate("navigator.clipboard.readText()") == call
    shot(page, f"flea-{path.removeprefix('/marketplace/flea/').replace('/', '-')}")
    if len(crumbs) == 2:
        expect(page.get_by_role("button", name="Add to stack")).to_have_count(0)
        page.get_by_role("link", name="Open kit").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("kit")
        return
    page.get_by_role("button", name="Add to stack").click()
    expect(page.get_by_role("button", name="Remove from stack")).to_be_focused()
    expect(page.locator(".plugin-hero .chip__figures")).to_contain_text("1 installed")
    page.get_by_role("button", name="Remove from stack").click()
    expect(page.get_by_role("button", name="Add to stack")).to_be_focused()
    expect(page.locator(".plugin-hero .chip")).to_have_count(0)  # all is zero again


def test_a_problem_is_reported_from_the_page(visit, shot):
    page = visit.open("/marketplace/flea/id-minutes")
    expect(page.get_by_role("heading", name="More by ")).to_be_visible()
    page.get_by_role("link", name="Report a problem").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Report a problem")
    shot(page, "flea-report")
    page.get_by_label("What is wrong").fill("It leaves half of the minutes out.")
    page.get_by_role("button", name="Send the report").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("minutes")
    expect(page.get_by_text("Thank you: the admins were told.")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Thank you: the admins were told.")).to_have_count(0)


def test_the_flea_tab_and_a_search_of_both(visit, shot):
    page = visit.open()
    page.get_by_role("searchbox").fill("notes")
    expect(page.locator("#summary")).to_contain_text("for “notes”")
    page.get_by_role("link", name="Flea market").first.click()
    expect(page.get_by_role("heading", name="All items")).to_be_visible()
    assert "tab=flea" in page.url
    assert "q=notes" in page.url
    expect(page.get_by_label("Flea", exact=True)).to_be_checked()
    expect(page.get_by_label("Curated", exact=True)).not_to_be_checked()
    page.get_by_label("Curated", exact=True).check()
    page.wait_for_url("**scope=*")
    settled(page)
    both = api(page, "tab=flea&q=notes&scope=curated,flea")
    assert {item["source"] for item in both["items"]} >= {"flea"}
    assert titles(page) == names(both)
    shot(page, "search-both")
    page.get_by_role("searchbox").fill("")
    expect(page.locator("#summary")).to_have_text(f"{len(FLEA)} items")
    page.get_by_role("link", name=re.compile("^Agents")).click()
    page.wait_for_url("**type=agent*")
    expect(page.locator("#summary")).to_have_text("2 items")
    assert titles(page) == ["auditor", "budget"]
    shot(page, "flea-tab")
    page.go_back()
    expect(page.locator("#summary")).to_have_text(f"{len(FLEA)} items")
    page.get_by_role("link", name="Curated Marketplace").first.click()
    expect(page.get_by_label("Curated", exact=True)).to_be_checked()
    expect(page.get_by_label("Flea", exact=True)).not_to_be_checked()


@pytest.mark.parametrize(
    ("name", "call"),
    [
        pytest.param("kit", None, id="plugin"),
        pytest.param("notes", "/notes-by-bob:notes-by-bob", id="skill"),
        pytest.param("auditor", "@agent-auditor-by-bob:auditor-by-bob", id="agent"),
    ],
)
def test_the_flea_market_with_the_keyboard_alone(visit, name, call):
    page = visit.open(f"/marketplace?tab=flea&q={name}", permissions=["clipboard-read", "clipboard-write"])

    def tab_to(target) -> None:
        for _ in range(30):
            page.keyboard.press("Tab")
            if target.evaluate("node => node === document.activeElement"):
                return
        raise AssertionError(f"{target} is not reached by the keyboard")

    tab_to(page.locator(".plugin-card__link", has_text=name).first)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.wait_for_load_state()  # a form that is sent before its script has run is answered by a new page, without focus
    tab_to(page.get_by_role("button", name="Add to stack"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove from stack")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Add to stack")).to_be_focused()
    if call:
        tab_to(page.get_by_role("button", name=f"Copy {call}"))
        page.keyboard.press("Enter")
        assert page.evaluate("navigator.clipboard.readText()") == call
        return
    tab_to(page.locator("#inside .plugin-card__link").first)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("notes")


def test_the_flea_market_without_script(visit, shot):
    page = visit.open("/marketplace?tab=flea", java_script_enabled=False)
    page.get_by_label("Sort").select_option("trending")
    page.get_by_role("button", name="Apply").click()
    assert titles(page)[0] == "travel"
    for name, call in (
        ("notes", "/notes-by-bob:notes-by-bob"),
        ("auditor", "@agent-auditor"),
        ("kit", "/kit-by-bob:notes"),
    ):
        page.goto(f"/marketplace?tab=flea&q={name}")
        page.locator(".plugin-card__link", has_text=name).first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        expect(page.get_by_role("button", name="Copy")).to_have_count(0)
        expect(page.locator("#inside").get_by_text(call).first).to_be_visible()
        page.get_by_role("button", name="Add to stack").click()
        page.get_by_role("button", name="Remove from stack").click()
        expect(page.get_by_role("button", name="Add to stack")).to_be_visible()
    shot(page, "flea-without-script")
    page.locator("#inside .plugin-card__link").first.click()
    expect(page.get_by_role("link", name="Open kit")).to_be_visible()
