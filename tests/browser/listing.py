"""What a listing's page shows, and what the API says of it."""

from __future__ import annotations

from playwright.sync_api import Page, expect


def titles(page: Page) -> list[str]:
    return page.locator("section[aria-labelledby=all-title] .plugin-card__title").all_inner_texts()


def settled(page: Page) -> None:
    expect(page.locator("[data-part]").first).not_to_have_attribute("aria-busy", "true")


def api(page: Page, query: str) -> dict:
    answer = page.request.get(f"/api/marketplace/items?{query}")
    assert answer.ok
    return answer.json()


def names(found: dict) -> list[str]:
    return [item["display_name"] or item["name"] for item in found["items"]]
