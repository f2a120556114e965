"""Reading one's sessions with the keyboard, without script, on a telephone; and removing one for good."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import REMOVED, SESSION

pytestmark = pytest.mark.browser


def test_a_session_is_read_by_keyboard_and_without_script(visit, shot):
    page = visit.open("/me/sessions", java_script_enabled=False, width=390)
    page.locator(f"a[href$='{SESSION}']").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Conversation")).to_be_visible()
    # A failed result lies open, and is one step away; whatever else was called is folded, and unfolded by a key.
    page.get_by_role("link", name="Error 1").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("no such file")).to_be_in_viewport()
    folded = page.locator(".said details").filter(has_text="Edit").first
    expect(folded.locator("pre")).to_be_hidden()
    folded.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(folded.locator("pre")).to_be_visible()
    expect(page.get_by_label("Subagent a1").first).to_be_visible()
    shot(page, "phone-session-plain")
    page.get_by_role("link", name="Go on reading").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Conversation, continued")).to_be_visible()
    expect(page.get_by_text("Step 59:")).to_be_visible()


def test_a_session_is_removed_for_good_after_it_was_asked_twice(visit, shot):
    page = visit.open("/me/sessions")
    row = page.get_by_role("row").filter(has_text=REMOVED[:8])
    expect(row.get_by_text("Waits for extraction")).to_be_visible()
    row.get_by_role("link", name="Remove").click()
    page.get_by_role("link", name="Keep").click()
    expect(page.get_by_role("heading", name=f"Session {REMOVED[:8]}")).to_be_visible()
    page.get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Remove for good").click()
    expect(page.get_by_role("status")).to_contain_text("1 session: 1 stored object is gone.")
    shot(page, "my-removed")
    page.get_by_role("link", name="To the sessions").click()
    expect(page.get_by_role("row").filter(has_text=SESSION[:8])).to_be_visible()
    expect(page.get_by_text(REMOVED[:8])).to_have_count(0)
