"""The page, the route and the command of what hosting costs: from the requests that were really made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agnes.hosting.ledger import SampledLedger
from agnes.outside.metered import MeteredStore
from agnes.outside.object_store.memory import MemoryStore
from infra import compose
from tests.builders.house import House
from tests.builders.http_api import HttpApiHouse
from tests.builders.people import Person, add_person, seed_admin
from tests.costs.fleet import KeptSecrets


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    compose.write_openapi(compose.compose())


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[House]:
    with House(tmp_path, store=MeteredStore(MemoryStore()), environ={"AGNES_COUNT_CALLS": "true"}) as house:
        yield house
        house.state.close()


@pytest.fixture
def ada(counted: House) -> Person:
    return seed_admin(counted)


def test_requests_are_counted_by_feature(counted: House, ada: Person):
    for _ in range(7):
        assert counted.get("/marketplace", cookie=f"access_token={ada.token}").status == 200
    for _ in range(3):
        assert counted.get("/marketplace.zip", token=ada.token).status == 302
    counted.get("/marketplace")  # a stranger is sent to the login page, which is a request all the same
    report = counted.get("/api/admin/cost", token=ada.token).json()
    features = {part["name"]: part for part in report["features"]}
    assert (features["browse"]["requests"], features["feed"]["requests"]) == (8, 3)
    assert features["browse"]["label"] == "Marketplace pages"
    assert features["browse"]["gets"] > 0
    assert features["feed"]["puts"] > 0, "the zip was built once"
    assert report["usd"] == pytest.approx(sum(part["usd"] for part in report["features"]))
    assert report["usd"] == pytest.approx(sum(line["usd"] for line in report["lines"]))
    lines = {line["name"]: line["usd"] for line in report["lines"]}
    requests = sum(part["requests"] for part in report["features"])
    assert lines["API Gateway requests"] == pytest.approx(3.5e-6 * requests)
    assert (report["is_estimate"], report["api"], report["uncertainty_usd"]) == (True, "rest", 0)
    functions = {part["name"]: part["requests"] for part in report["functions"]}
    assert functions["browse-page_marketplace"] == 8


def test_a_run_of_a_schedule_counts_without_a_request(counted: House, ada: Person):
    assert counted.post("/api/admin/run/accounts.prune", token=ada.token).status == 202
    report = counted.get("/api/admin/cost", token=ada.token).json()
    [part] = [part for part in report["functions"] if part["name"] == "accounts-cron_prune"]
    assert (part["requests"], part["runs"]) == (0, 1)
    assert "EventBridge Scheduler" in {line["name"] for line in report["lines"]}


def test_a_month_is_thirty_days_like_those_that_were_counted(counted: House, ada: Person):
    def usd(days: int) -> tuple[float, float]:
        report = counted.get(f"/api/admin/cost?days={days}", token=ada.token).json()
        return report["usd"], report["usd_month"] - sum(line["usd"] for line in report["standing"])

    counted.get("/api/me", token=ada.token)
    first, month = usd(30)
    assert month == pytest.approx(30 * first), "nothing was counted before today"
    counted.clock.sleep(9 * 86400)
    again = counted.login(ada.email, "correct horse battery")
    report = counted.get("/api/admin/cost?days=30", token=again).json()
    assert report["first"] == "2026-11-23"
    fixed = sum(line["usd"] for line in report["standing"])
    assert report["usd_month"] - fixed == pytest.approx(3 * report["usd"]), "ten days"
    assert counted.get("/api/admin/cost?days=1", token=again).json()["first"] == "2026-12-02"


def test_fixed_costs_are_those_of_the_templates(counted: House, ada: Person):
    report = counted.get("/api/admin/cost", token=ada.token).json()
    queues = compose.compose().hosting["queues"]
    polls = sum(5 if limited else 2 for limited in queues.values()) * 30 * 86400 / 20
    assert {line["name"]: line["usd"] for line in report["standing"]} == pytest.approx(
        {"Waiting for messages in queues": polls * 0.4e-6}  # keys in Parameter Store cost nothing
    )


def test_it_is_for_admins(counted: House, ada: Person):
    bob = add_person(counted, ada, "bob@example.com")
    assert counted.get("/api/admin/cost", token=bob.token).status == 403
    assert counted.get("/admin/cost", cookie=f"access_token={bob.token}").status == 403
    assert counted.get("/api/admin/cost").status == 401


@pytest.mark.parametrize("query", ["days=0", "days=61", "days=x", "since=2026-01-01"])
def test_wrong_queries_are_told(counted: House, ada: Person, query: str):
    assert counted.get(f"/api/admin/cost?{query}", token=ada.token).status == 422


def test_the_page_says_that_it_is_an_estimate_and_of_when_the_prices_are(counted: House, ada: Person):
    counted.get("/marketplace", cookie=f"access_token={ada.token}")
    page = counted.get("/admin/cost?days=7", cookie=f"access_token={ada.token}").text
    for words in ("This is an estimate.", "would cost on AWS", "2026-11-30", "Marketplace pages", "REST API", "7 days"):
        assert words in page, words
    assert "The bill in the AWS console" not in page


def test_an_installation_that_counts_nothing_says_so(tmp_path: Path):
    with House(tmp_path) as house:
        admin = seed_admin(house)
        page = house.get("/admin/cost", cookie=f"access_token={admin.token}").text
        assert "No request was counted in these days" in page
        assert "AGNES_COUNT_CALLS" in page
        assert not list(house.store.list("calls/"))
        house.state.close()


def test_on_lambda_samples_are_priced_by_the_api_that_they_came_through(tmp_path: Path):
    environ = {"AGNES_JOBS": "lambda", "AGNES_FUNCTION_PREFIX": "agnes-", "AGNES_COUNT_CALLS": "true"}
    store = MeteredStore(MemoryStore())
    with HttpApiHouse(tmp_path, store=store, environ=environ, secrets=KeptSecrets()) as house:
        assert isinstance(house.wiring.ledger, SampledLedger)
        admin = seed_admin(house)
        for _ in range(400):
            house.get("/api/me", token=admin.token)
        report = house.get("/api/admin/cost", token=admin.token).json()
        assert (report["is_estimate"], report["api"]) == (False, "http")
        written = list(store.list("calls/"))
        assert len(written) < 30, "a few stand for all"
        assert all(entry.size_bytes == 0 for entry in written)
        page = house.get("/admin/cost", cookie=f"access_token={admin.token}").text
        assert "The bill in the AWS console is what counts." in page
        assert "This is an estimate." not in page
        house.state.close()
