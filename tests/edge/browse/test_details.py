"""Detail pages and their routes over the demonstration: plugins, skills and agents inside, documents, changes."""

from __future__ import annotations

import re

import pytest

from agnes.stack import service as stack
from agnes_local import demo
from tests.builders import entitlement_sql
from tests.builders.house import House
from tests.builders.people import Person, add_person, seed_admin

pytestmark = pytest.mark.slow

FINOPS = "/marketplace/curated/northwind/finops"


def test_a_plugin_with_everything_that_the_page_shows(shop):
    detail = shop.json(f"/api{FINOPS}")
    assert [skill["name"] for skill in detail["skills"]] == ["budget-variance", "forecast"]
    assert [agent["name"] for agent in detail["agents"]] == ["auditor"]
    assert detail["commands"][0]["name"] == "/finops:close-month"
    # What is beside hooks/hooks.json is run by a hook, and is none.
    assert {hook["name"]: hook["event"] for hook in detail["hooks"]} == {"SessionStart": "SessionStart"}
    [document] = detail["docs"]
    assert document["name"] == "Ledger columns"
    assert document["url"].startswith(f"/api{FINOPS}/document/")
    assert {component["kind"] for component in detail["components"]} == {"skill", "agent", "command", "hook"}
    assert {line["kind"]: line["names"] for line in detail["capabilities"]} == {
        "hooks": ["SessionStart"],
        "shell": ["hooks/open-period.sh", "skills/forecast/scripts/forecast.py"],
    }
    assert [(change["what"], len(change["commit"])) for change in detail["changes"]] == [("added", 40)]
    assert detail["stack_count"] == demo.STACKS["finops"]
    assert {other["name"] for other in detail["used_together_with"]} == {"chartkit", "sql-style"}
    assert all(other["sessions_30d"] >= 3 for other in detail["used_together_with"])


def test_an_mcp_server_is_a_capability(shop):
    chartkit = shop.json("/api/marketplace/curated/northwind/chartkit")
    assert {line["kind"] for line in chartkit["capabilities"]} >= {"mcp"}
    assert chartkit["mcps"][0]["type"] == "stdio"


def test_the_series_of_30_days_sums_to_the_total(shop):
    telemetry = shop.json(f"/api{FINOPS}")["telemetry"]
    series = telemetry["daily_series"]
    assert len(series) == 30
    assert series == sorted(series, key=lambda day: day["day"])
    assert series[-1]["day"] == shop.house.clock.now().date().isoformat()
    assert sum(day["invocations"] for day in series) == telemetry["invocations_30d"]
    assert sum(telemetry["tokens_by_kind_30d"].values()) == telemetry["tokens_30d"] > 0


@pytest.mark.parametrize(
    ("path", "name", "body"),
    [("skill/forecast", "forecast", "head ledger.csv"), ("agent/auditor", "auditor", "")],
)
def test_an_inner_item(shop, path, name, body):
    detail = shop.json(f"/api{FINOPS}/{path}")
    assert detail["name"] == name
    assert body in detail["body"]
    assert not detail["body"].startswith("---")
    assert detail["parent_display_name"] == "FinOps toolkit"
    assert detail["parent_stack_count"] == demo.STACKS["finops"]
    assert detail["bundle_size"] == sum(file["size"] for file in detail["files"]) > 0
    assert len(detail["telemetry"]["daily_series"]) == 30
    if name == "auditor":
        assert len(detail["files"]) == 1


def test_the_page_of_a_skill_is_titled_by_the_skill_and_says_how_to_call_it(shop):
    page = shop.page(f"{FINOPS}/skill/forecast")
    assert "<title>forecast · Agnes</title>" in page
    assert re.search(r'<li aria-current="page">forecast</li>', page)
    assert 'data-copy="/finops:forecast"' in page
    assert "add FinOps toolkit to have it" in page
    assert "Updated" in page


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/marketplace/curated/northwind/nothing", 404, "plugin_not_found"),
        (f"/api{FINOPS}/skill/nothing", 404, "skill_not_found"),
        (f"/api{FINOPS}/agent/forecast", 404, "agent_not_found"),
        (f"/api{FINOPS}/skill/..%2Fforecast", 404, "skill_not_found"),
        (f"/api{FINOPS}/doc/docs%2Fnothing.md", 404, "file_not_found"),
        (f"/api{FINOPS}/doc/docs%2F..%2Fskills%2Fforecast%2FSKILL.md", 404, "file_not_found"),
        (f"/api{FINOPS}/doc/skills%2Fforecast%2FSKILL.md", 404, "file_not_found"),
        (f"/api{FINOPS}/doc/hooks%2Fopen-period.sh", 415, "unsupported"),
    ],
)
def test_what_is_not_there(shop, path, status, code):
    answer = shop.get(path)
    assert (answer.status, answer.json()["code"]) == (status, code)


def test_a_document_is_saved_and_never_shown(shop):
    answer = shop.get(f"/api{FINOPS}/doc/docs%2Fledger-columns.md")
    assert answer.status == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="ledger-columns.md"'
    assert answer.headers["content-type"].startswith("text/markdown")
    assert b"|" in answer.body or b"ledger" in answer.body.lower()


def test_who_was_not_granted_a_plugin_is_not_told_whether_it_exists(shop):
    with shop.house.state.read("people") as db:
        grant = db.execute("SELECT id FROM people.grants WHERE resource_id = 'northwind/finops'").fetchone()[0]
    person = add_person(shop.house, _admin(shop), "cid@example.com")
    assert shop.house.get(f"/api{FINOPS}", token=person.token).status == 200
    assert shop.house.delete(f"/api/admin/grants/{grant}", token=shop.token).status == 204
    try:
        for path in (f"/api{FINOPS}", f"/api{FINOPS}/skill/forecast", "/api/marketplace/curated/northwind/nothing"):
            answer = shop.house.get(path, token=person.token)
            assert (answer.status, answer.json()["code"]) == (403, "plugin_not_granted")
        page = shop.house.get(FINOPS, cookie=person.cookie)
        assert page.status == 403
        assert "Ask an admin for access" in page.text
    finally:
        given = {"group_id": "everyone", "resource_type": "marketplace_plugin", "resource_id": "northwind/finops"}
        assert shop.house.post("/api/admin/grants", token=shop.token, json_body=given).status == 201
    assert shop.house.get(f"/api{FINOPS}", token=person.token).status == 200


def _admin(shop):
    return Person("", "ada@example.com", shop.token)


def test_categories_are_those_of_the_tab(shop):
    assert shop.json("/api/marketplace/categories")["items"] == [
        {"name": "Code & Engineering", "count": 1, "icon_key": "code"},
        {"name": "Data & Analytics", "count": 2, "icon_key": "chart"},
    ]
    assert [c["name"] for c in shop.json("/api/marketplace/categories?tab=my")["items"]] == ["Code & Engineering"]
    assert shop.json("/api/marketplace/categories?tab=flea")["items"] == []
    assert shop.json("/api/marketplace/categories?tab=my&type=skill")["items"] == []
    assert shop.get("/api/marketplace/categories?tab=attic").status == 422


def test_counts_are_the_stack_s_own(shop):
    with shop.house.state.read(*stack.FILES) as db:
        counts = entitlement_sql.counts(db)
    shown = {
        (item["marketplace_slug"], item["name"]): item["stack_count"]
        for item in shop.json("/api/marketplace/items")["items"]
    }
    assert shown == counts


def test_adding_and_removing_is_seen_at_once_with_its_counts(shop):
    def chartkit() -> tuple[int, bool, int]:
        found = shop.json("/api/marketplace/items?q=chartkit")
        return found["items"][0]["stack_count"], found["items"][0]["installed"], found["tabs"]["my"]

    assert chartkit() == (demo.STACKS["chartkit"], False, 1)
    path = "/api/marketplace/curated/northwind/chartkit/install"
    assert shop.house.post(path, token=shop.token).status == 200
    assert chartkit() == (demo.STACKS["chartkit"] + 1, True, 2)
    assert shop.house.delete(path, token=shop.token).status == 200
    assert chartkit() == (demo.STACKS["chartkit"], False, 1)


def test_a_form_leads_back_to_the_page_it_was_on_and_nowhere_else(shop):
    cookie = f"access_token={shop.token}"
    back = "/marketplace?tab=curated&sort=most_used"
    answer = shop.house.post(FINOPS, cookie=cookie, form={"enabled": "true", "back": back})
    assert (answer.status, answer.headers["location"]) == (303, back)
    for evil in ("https://evil.test/", "//evil.test", "/marketplace\r\nX: y", "/login", "/marketplace.evil"):
        refused = shop.house.post(FINOPS, cookie=cookie, form={"enabled": "false", "back": evil})
        assert refused.status == 422, evil
    assert shop.house.post(FINOPS, cookie=cookie, form={"enabled": "false"}).status == 303


def test_a_listing_without_a_trend_falls_back_to_the_usual_order(shop):
    page = shop.page("/marketplace?tab=curated&sort=trending&q=nothinglikethis")
    assert "Nothing matches" in page


def test_pages_hold_no_script_and_no_style_of_their_own(shop):
    for path in (
        "/marketplace",
        FINOPS,
        f"{FINOPS}/skill/forecast",
        f"{FINOPS}/agent/auditor",
        "/marketplace/guide/curated",
    ):
        page = shop.page(path)
        assert not re.search(r"<script(?! src=)|<style|\sstyle=|\son[a-z]+=", page), path


def test_an_empty_marketplace_says_what_to_do_next(tmp_path):
    with House(tmp_path) as house:
        admin = seed_admin(house)
        person = add_person(house, admin, "cid@example.com")
        empty = {who.email: house.get("/marketplace", token=who.token).text for who in (admin, person)}
    assert '/admin/marketplaces">Register a marketplace</a>' in empty[admin.email]
    assert "/admin/marketplaces" not in empty[person.email]
    assert "Ask yours which group you belong in" in empty[person.email]


def test_a_deactivated_account_is_out_at_once(tmp_path):
    """Credentials are remembered by the generation of `people`: any change of it forgets them."""
    with House(tmp_path) as house:
        admin = seed_admin(house)
        person = add_person(house, admin, "cid@example.com")
        assert house.get("/api/marketplace/items", token=person.token).status == 200
        assert house.get("/api/marketplace/items", token=person.token).status == 200
        assert house.post(f"/api/users/{person.id}/deactivate", token=admin.token).status in (200, 204)
        assert house.get("/api/marketplace/items", token=person.token).status == 401


@pytest.mark.parametrize(
    ("cost", "unpriced", "said"),
    [
        (12.5, 0, "$12.50"),
        (12.5, 1500, "$12.50 + unknown price of 1.5k tokens"),
        (None, 1500, "unknown price"),  # never zero
        (0.001, None, "&lt; $0.01"),
    ],
)
@pytest.mark.parametrize("path", [FINOPS, f"{FINOPS}/skill/forecast"])
def test_tokens_have_an_estimated_cost(shop, path, cost, unpriced, said):
    def change(tx):
        tx.db.execute(
            "UPDATE telemetry.item_windows SET input_tokens_30d = 2000000, output_tokens_30d = 0, cache_read_tokens_30d = 0, "
            "cache_creation_tokens_30d = 0, cost_usd_30d = ?, unpriced_tokens_30d = ? "
            "WHERE plugin = 'finops' AND name IN ('finops', 'forecast')",
            [cost, unpriced],
        )

    shop.house.state.commit("telemetry", change)
    telemetry = shop.json(f"/api{path}")["telemetry"]
    assert (telemetry["cost_usd_30d"], telemetry["unpriced_tokens_30d"]) == (cost, unpriced or 0)
    [item] = [i for i in shop.json("/api/marketplace/items")["items"] if i["name"] == "finops"]
    [inner] = [i for i in shop.json(f"/api{FINOPS}")["skills"] if i["name"] == "forecast"]
    for row in (item, inner):
        assert (row["tokens_30d"], row["cost_usd_30d"], row["unpriced_tokens_30d"]) == (2_000_000, cost, unpriced or 0)
    for listed in ("/marketplace", FINOPS):
        at_least = "at least $12.50" if cost == 12.5 and unpriced else said
        assert f'<p class="spent">2M tokens · {at_least}<' in shop.page(listed)
    page = shop.page(path)
    assert "<dt>Tokens (30d)</dt><dd>2M</dd>" in page
    assert f"<dt>Estimated cost (30d)</dt><dd>{said}</dd>" in page
