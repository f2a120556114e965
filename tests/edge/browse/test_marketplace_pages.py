"""The listing and a plugin's page over the demonstration: what people see, and what they do not."""

from __future__ import annotations

import re

import pytest

from agnes.kernel.ports import Secret
from agnes_local import demo
from tests.builders.house import House

pytestmark = pytest.mark.slow

ADMIN, PASSWORD = "ada@example.com", "correct horse"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    with House(folder, environ={"SEED_ADMIN_EMAIL": ADMIN, "SEED_ADMIN_PASSWORD": PASSWORD}) as house:
        from agnes.accounts import first_start

        first_start.prepare(house.state, seed_email=ADMIN, seed_password=Secret(PASSWORD), now=house.clock.now())
        demo.fill(folder / "data")
        house.token = house.login(ADMIN, PASSWORD)
        yield house


def items(house, query=""):
    answer = house.get(f"/api/marketplace/items{query}", token=house.token)
    assert answer.status == 200, answer.text
    return answer.json()


def test_one_answer_holds_items_total_categories_tabs_and_sorts(house):
    answer = items(house)
    assert answer["total"] == 3
    assert {item["name"] for item in answer["items"]} == {"finops", "chartkit", "sql-style"}
    assert sum(facet["count"] for facet in answer["facets"]["categories"]) == 3
    assert answer["tabs"]["curated"] == 3
    assert answer["available_sorts"][:3] == ["recent", "most_used", "most_adopted"]


def test_figures_are_of_whole_windows_and_people_are_counted_once(house):
    finops = next(item for item in items(house)["items"] if item["name"] == "finops")
    assert finops["invocations_30d"] > finops["invocations_7d"] > 0
    assert 0 < finops["distinct_users_7d"] <= finops["distinct_users_30d"] <= len(demo.PEOPLE)
    assert finops["tokens_30d"] > 0
    assert finops["stack_count"] == demo.STACKS["finops"]
    detail = house.get("/api/marketplace/curated/northwind/finops", token=house.token).json()
    assert len(detail["telemetry"]["daily_series"]) == 30
    inner = [*detail["skills"], *detail["agents"]]
    commands = finops["invocations_30d"] - sum(item["invocations_30d"] for item in inner)
    assert commands > 0, "close-month is a command and counts for its plugin"


@pytest.mark.parametrize("sort", ["most_used", "most_adopted", "trending"])
def test_sorts_descend_and_break_ties_by_name(house, sort):
    key = {"most_used": "invocations_30d", "most_adopted": "distinct_users_30d", "trending": "trend_pct"}[sort]
    rows = [(-item[key], item["name"]) for item in items(house, f"?sort={sort}")["items"]]
    assert rows == sorted(rows)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?q=FORECAST", {"finops"}),
        ("?q=waterfall", {"chartkit"}),
        ("?q=100%25", set()),
        ("?q=_", set()),
        ("?category=Code%20%26%20Engineering", {"sql-style"}),
        ("?tab=my", {"sql-style"}),
        ("?tab=flea", set()),
        ("?type=skill&tab=my", set()),
        ("?page=9", set()),
    ],
)
def test_search_and_filters(house, query, names):
    assert {item["name"] for item in items(house, query)["items"]} == names


def test_a_page_past_the_end_still_tells_the_total(house):
    assert items(house, "?page=9")["total"] == 3


@pytest.mark.parametrize(
    "query", ["?page=0", "?page=abc", "?sort=best", "?tab=x", "?unknown=1", "?page_size=101", "?q=a&q=b"]
)
def test_a_wrong_parameter_is_named(house, query):
    answer = house.get(f"/api/marketplace/items{query}", token=house.token)
    assert answer.status == 422
    body = answer.json()
    assert set(body) == {"code", "message", "hint", "request_id", "errors"}
    assert body["code"] == "invalid_input"
    assert body["errors"][0]["field"] in query


def test_every_wrong_parameter_is_named(house):
    query = "?sort=best&colour=red&page=abc"
    told = house.get(f"/api/marketplace/items{query}", token=house.token).json()
    assert {error["field"] for error in told["errors"]} == {"sort", "colour", "page"}
    shown = house.get(f"/marketplace{query}", cookie=sign_in(house)).text
    assert all(f"{name}: " in told["message"] and f"{name}: " in shown for name in ("sort", "colour", "page"))
    assert "red" not in told["message"]


def test_a_heap_of_wrong_parameters_is_a_short_message(house):
    query = "&".join(f"{'x' * 300}{n}=1" for n in range(40))
    told = house.get(f"/api/marketplace/items?{query}", token=house.token).json()
    assert len(told["errors"]) == 40
    assert told["message"].endswith("; and 32 more")
    assert len(told["message"]) < 1500


@pytest.mark.parametrize("query", ["?page=abc", "?sort=best", "?unknown=1"])
def test_a_person_is_told_of_a_wrong_parameter_on_a_page(house, query):
    answer = house.get(f"/marketplace{query}", cookie=sign_in(house))
    assert answer.status == 422
    assert answer.headers["content-type"].startswith("text/html")
    assert query[1:].partition("=")[0] in answer.text
    assert "Go back and correct it" in answer.text
    assert "`errors`" not in answer.text


def test_nobody_sees_what_was_not_granted_and_admins_are_no_exception(house):
    with house.state.read("people") as db:
        grant = db.execute("SELECT id FROM people.grants WHERE resource_id = 'northwind/chartkit'").fetchone()[0]
    assert house.delete(f"/api/admin/grants/{grant}", token=house.token).status == 204
    try:
        assert "chartkit" not in {item["name"] for item in items(house)["items"]}
        assert house.get("/api/marketplace/curated/northwind/chartkit", token=house.token).status == 200
        page = house.get("/marketplace/curated/northwind/chartkit", cookie=sign_in(house)).text
        assert "Not granted to any of your groups" in page
        assert house.post("/api/marketplace/curated/northwind/chartkit/install", token=house.token).status == 403
    finally:
        given = {"group_id": "everyone", "resource_type": "marketplace_plugin", "resource_id": "northwind/chartkit"}
        assert house.post("/api/admin/grants", token=house.token, json_body=given).status == 201


def sign_in(house):
    answer = house.post("/auth/password/login/web", form={"email": ADMIN, "password": PASSWORD, "next": "/marketplace"})
    assert answer.status == 303
    return "; ".join(cookie.partition(";")[0] for cookie in answer.cookies)


def test_the_pages_work_with_plain_links_and_forms(house):
    cookie = sign_in(house)
    page = house.get("/marketplace?sort=most_used", cookie=cookie)
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "unsafe-inline" not in page.headers["content-security-policy"]
    assert not re.search(r"<script(?! src=)|<style|style=|onclick", page.text)
    path = re.search(r'href="(/marketplace/curated/northwind/finops)"', page.text)[1]
    detail = house.get(path, cookie=cookie)
    assert "Add to stack" in detail.text
    added = house.post(path, cookie=cookie, form={"enabled": "true"})
    assert (added.status, added.headers["location"]) == (303, path)
    assert "Remove from stack" in house.get(path, cookie=cookie).text
    house.post(path, cookie=cookie, form={"enabled": "false"})
    assert "Add to stack" in house.get(path, cookie=cookie).text


def test_a_required_plugin_cannot_be_removed(house):
    path = "/marketplace/curated/northwind/sql-style"
    cookie = sign_in(house)
    assert "Required for everyone" in house.get(path, cookie=cookie).text
    assert house.post(path, cookie=cookie, form={"enabled": "false"}).status == 409


def test_another_site_cannot_add_a_plugin(house):
    answer = house.post(
        "/marketplace/curated/northwind/finops",
        cookie=sign_in(house),
        form={"enabled": "true"},
        headers={"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"},
    )
    assert answer.status == 403


@pytest.mark.parametrize("path", ["/marketplace?tab=my&q=a%20b", "/marketplace/curated/northwind/finops"])
def test_who_is_not_signed_in_comes_back_after_signing_in(house, path):
    from urllib.parse import parse_qs, urlsplit

    answer = house.get(path)
    assert answer.status == 302
    way_back = parse_qs(urlsplit(answer.headers["location"]).query)["next"][0]
    assert way_back.replace("+", "%20") == path


def test_an_unknown_plugin_is_a_page_of_its_own(house):
    answer = house.get("/marketplace/curated/northwind/nothing", cookie=sign_in(house))
    assert answer.status == 404
    assert "there is no plugin nothing" in answer.text.lower()


def test_names_from_outside_are_escaped(house):
    answer = house.get("/marketplace?q=%3Cscript%3Ealert(1)%3C/script%3E", cookie=sign_in(house))
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text


def test_static_files_are_cached_for_ever_and_nothing_else_is_served(house):
    page = house.get("/login")
    url = re.search(r'href="(/static/css/agnes\.css\?v=[0-9a-f]{12})"', page.text)[1]
    answer = house.get(url)
    assert answer.status == 200
    assert "immutable" in answer.headers["cache-control"]
    for hostile in ("/static/css/..%2f..%2fbase.html", "/static/css/nothing.css", "/static/%2e%2e/base.html"):
        assert house.get(hostile).status == 404
