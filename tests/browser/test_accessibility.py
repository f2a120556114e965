"""axe-core finds nothing serious on any page, in light and dark, wide and narrow."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from agnes_local.axe_install import axe_script
from tests.browser.conftest import SESSION

pytestmark = pytest.mark.browser

FINOPS = "/marketplace/curated/northwind/finops"
PAGES = {
    "listing": "/marketplace",
    "my": "/marketplace?tab=my",
    "search": "/marketplace?q=waterfall",
    "empty": "/marketplace?q=nothinglikethis",
    "plugin": FINOPS,
    "skill": f"{FINOPS}/skill/forecast",
    "agent": f"{FINOPS}/agent/auditor",
    "flea": "/marketplace?tab=flea",
    "flea-skill": "/marketplace/flea/id-notes",
    "flea-agent": "/marketplace/flea/id-auditor",
    "flea-plugin": "/marketplace/flea/id-kit",
    "flea-inner": "/marketplace/flea/id-kit/skill/notes",
    "flea-guide": "/marketplace/guide/flea",
    "usage": "/admin/usage",
    "my-usage": "/me/usage",
    "guide": "/marketplace/guide/curated",
    "ask": "/admin/ask",
    "format-guide": "/marketplace/format-guide",
    "admin-marketplaces": "/admin/marketplaces",
    "admin-marketplace": "/admin/marketplaces/review",
    "admin-plugin": "/admin/marketplaces/review/plugins/finops",
    "missing": "/marketplace/curated/northwind/nothing",
    "activity": "/admin/activity",
    "activity-empty": "/admin/activity?action_prefix=nothing.like.this",
    "sessions": "/admin/sessions?since_minutes=525600",
    "overview": "/admin",
    "hosting-cost": "/admin/cost",
    "users": "/admin/users",
    "groups": "/admin/groups",
    "group": "/admin/groups/everyone",
    "access": "/admin/access",
    "tokens": "/admin/tokens?status=",
    "connect": "/me/connect",
    "profile": "/me/profile",
    "my-sessions": "/me/sessions",
    "my-session": f"/me/sessions/{SESSION}",
    "my-redact": f"/me/sessions/{SESSION}/redact",
}
FIT = (
    "usage",
    "my-usage",
    "ask",
    "activity",
    "sessions",
    "overview",
    "users",
    "groups",
    "group",
    "access",
    "tokens",
    "connect",
    "profile",
    "my-sessions",
    "my-session",
    "my-redact",
)
"""Nothing of them is wider than the screen, the narrow one too."""
RUN = """async () => {
  const found = await axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] });
  return found.violations.filter(v => ["serious", "critical"].includes(v.impact))
    .map(v => `${v.id}: ${v.nodes.slice(0, 4).map(n => n.target.join(" ") + " " + n.failureSummary).join(" | ")}`);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", list(PAGES))
def test_nothing_serious(visit, shot, name, scheme):
    page = visit.open(PAGES[name], color_scheme=scheme, width=1280 if scheme == "light" else 390)
    visit.complaints[:] = [text for text in visit.complaints if name != "missing" or "404" not in text]
    page.evaluate(axe_script().read_text())
    assert page.evaluate(RUN) == []
    if name.startswith("admin-marketplace") or name == "admin-plugin" or name in FIT:
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    if scheme == "dark" or name.startswith("admin-") or name in FIT:
        shot(page, f"{scheme}-{name}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_in_a_review(visit, shot, scheme):
    page = visit.open("/admin/marketplaces/review", color_scheme=scheme, width=1280 if scheme == "light" else 390)
    page.get_by_role("link", name="Review finops").click()
    expect(page.get_by_role("button", name="Approve and serve it")).to_be_visible()
    page.evaluate(axe_script().read_text())
    assert page.evaluate(RUN) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    shot(page, f"{scheme}-admin-review")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_in_a_session_and_of_a_person(visit, shot, scheme):
    page = visit.open(
        "/admin/sessions?since_minutes=525600", color_scheme=scheme, width=1280 if scheme == "light" else 390
    )
    page.get_by_role("region", name="Sessions").get_by_role("rowheader").first.get_by_role("link").click()
    expect(page.get_by_role("heading", name="Conversation")).to_be_visible()
    for name in ("session", "person", "redact"):
        if name == "person":
            page.locator(".page-head__lead a").click()
            expect(page.get_by_role("heading", name="Groups")).to_be_visible()
        elif name == "redact":
            page.get_by_role("link", name="Redact all").click()
            expect(page.get_by_role("button", name="Remove for good")).to_be_visible()
        page.evaluate(axe_script().read_text())
        assert page.evaluate(RUN) == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        shot(page, f"{scheme}-admin-{name}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("question", ["Who is there?", "Empty them", "Guess a column"])
def test_nothing_serious_in_an_answer(visit, shot, question, scheme):
    page = visit.open("/admin/ask", color_scheme=scheme, width=1280 if scheme == "light" else 390)
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_role("heading", name=question)).to_be_visible()
    visit.complaints[:] = [text for text in visit.complaints if "400" not in text]
    page.evaluate(axe_script().read_text())
    assert page.evaluate(RUN) == []
    shot(page, f"ask-{scheme}-{question.split()[0].lower()}")


def test_axe_would_find_something(visit):
    """A check that cannot fail is none."""
    page = visit.open()
    page.evaluate(axe_script().read_text())
    page.evaluate(
        "document.querySelector('#q').removeAttribute('aria-label'); document.querySelector('label[for=q]').remove()"
    )
    page.evaluate("document.querySelector('#q').removeAttribute('placeholder')")
    assert any(line.startswith("label") for line in page.evaluate(RUN))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
