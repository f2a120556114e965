"""An ordinary day of an admin, in the browser alone: people, groups, access, tokens."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def _add_user(page, email: str, name: str = "") -> None:
    page.locator("summary", has_text="Add a user").click()
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Name").first.fill(name)
    page.get_by_role("button", name="Add user").click()


def test_a_person_is_added_with_a_password_and_a_group_and_is_served(visit, shot, browser, base_url):
    page = visit.open("/admin/groups")
    page.locator("summary", has_text="Add a group").click()
    page.get_by_label("Name").fill("Treasury")
    page.get_by_label("Description").fill("Closes the books.")
    page.get_by_role("button", name="Add group").click()
    expect(page.get_by_role("status")).to_have_text("Treasury is added. Add people and grant plugins next.")
    page.reload()
    expect(page.get_by_role("status")).to_have_count(0)  # said once

    page.goto("/admin/users")
    _add_user(page, "vera@example.com", "Vera Holt")
    expect(page.get_by_role("heading", name="Vera Holt")).to_be_visible()
    page.get_by_label("Add to a group").select_option(label="Treasury")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("vera@example.com is in Treasury now.")
    page.get_by_label("New password").fill("correct-horse-battery-9")
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_role("status")).to_contain_text("The password of vera@example.com is set")

    page.goto("/admin/groups")
    page.get_by_role("link", name="Treasury").click()
    page.get_by_role("link", name="Grant plugins").first.click()
    page.get_by_role("combobox", name="Marketplace").select_option(value="northwind")
    page.get_by_role("button", name="Show").click()
    page.locator('input[value="northwind/finops"]').check()
    expect(page.locator("[data-selected-text]")).to_contain_text("1 selected")
    shot(page, "admin-access-selected")
    page.get_by_role("button", name="Grant", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("1 plugin is granted to Treasury (1 person).")

    page.goto("/admin/users?q=vera")
    page.get_by_role("link", name="Vera Holt").click()
    expect(page.locator("section", has=page.get_by_role("heading", name="Plugins"))).to_contain_text(
        "Granted to Everyone, Treasury", use_inner_text=False
    )
    shot(page, "admin-user")

    hers = browser.new_context(base_url=base_url)
    other = hers.new_page()
    other.goto("/login")
    other.get_by_label("E-mail").fill("vera@example.com")
    other.get_by_label("Password").fill("correct-horse-battery-9")
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url("**/marketplace*")
    expect(other.locator('a[href$="/marketplace/curated/northwind/finops"]').first).to_be_visible()

    page.locator("summary", has_text="Disable").click()
    page.get_by_role("button", name="Disable", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("vera@example.com is disabled")
    other.reload()
    expect(other.get_by_role("button", name="Sign in")).to_be_visible()
    hers.close()

    page.locator("summary", has_text="Delete").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("The account of vera@example.com is deleted.")


def test_what_was_typed_stays_after_an_error(visit):
    page = visit.open("/admin/users")
    _add_user(page, "ada@example.com", "Another Admin")
    expect(page.get_by_role("alert")).to_contain_text("There is an account for ada@example.com already.")
    expect(page.get_by_label("E-mail address")).to_have_value("ada@example.com")
    expect(page.get_by_label("Name").first).to_have_value("Another Admin")
    visit.complaints[:] = [text for text in visit.complaints if "409" not in text]


def test_a_token_is_made_shown_once_and_revoked(visit, shot):
    page = visit.open("/me/profile")
    page.get_by_label("New token").fill("Build server")
    page.get_by_role("button", name="Create token").click()
    made = page.get_by_role("region", name="Your new token")
    expect(made).to_contain_text("agp_")
    shot(page, "profile-new-token")
    page.goto("/me/profile")
    expect(made).to_have_count(0)
    line = page.get_by_role("listitem").filter(has_text="Build server")
    line.locator("summary").click()
    line.get_by_role("button", name="Revoke").click()
    expect(page.get_by_role("status").filter(has_text="revoked")).to_be_visible()
    expect(page.get_by_text("Build server")).to_have_count(0)


def test_the_search_is_one_key_away(visit):
    page = visit.open("/admin/users")
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()


def test_on_a_phone_the_areas_are_behind_a_button(visit, shot):
    page = visit.open("/admin/users", width=390, height=800)
    rail = page.get_by_role("navigation", name="Administration")
    expect(rail).to_be_hidden()
    page.get_by_role("button", name="Users").click()
    expect(rail.get_by_role("link", name="Groups")).to_be_visible()
    shot(page, "admin-areas-phone")
    rail.get_by_role("link", name="Groups").click()
    expect(page.get_by_role("heading", name="Groups")).to_be_visible()


def test_the_pages_work_without_script(browser, base_url, signed_in):
    context = browser.new_context(base_url=base_url, storage_state=signed_in, java_script_enabled=False)
    page = context.new_page()
    page.goto("/admin/groups")
    page.locator("summary", has_text="Add a group").click()
    page.get_by_label("Name").fill("Readers")
    page.get_by_role("button", name="Add group").click()
    page.get_by_label("Add people").fill("nobody@example.com")
    page.get_by_role("button", name="Add people").click()
    expect(page.get_by_role("alert")).to_contain_text("There is no account for nobody@example.com.")
    expect(page.get_by_label("Add people")).to_have_value("nobody@example.com")
    page.locator("summary", has_text="Delete Readers").click()
    page.get_by_role("button", name="Delete Readers").click()
    expect(page.get_by_role("status")).to_have_text("Readers is deleted, with its memberships and grants.")
    context.close()
