"""Every function behind an HTTP API (payload format 1.0) answers as it does behind a REST API."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import http_api
from infra.compose import compose
from tests.builders.house import Answer, House
from tests.builders.http_api import HttpApiHouse
from tests.builders.people import ADMIN_EMAIL, PASSWORD, seed_admin
from tests.builders.telemetry_house import upload_form

VARIES = {"server-timing", "x-request-id", "x-agnes-generation", "etag", "location", "content-encoding", "vary"}


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[HttpApiHouse]:
    with HttpApiHouse(tmp_path) as house:
        yield house
        house.state.close()


def every_route() -> list[tuple[str, str]]:
    found = [
        (route.method, re.sub(r"\{(\w+)\}", "absent", route.path))
        for function in compose().functions
        for route in function.routes
    ]
    # Signing out ends what the walk is signed in with.
    return sorted(found, key=lambda route: ("logout" in route[1], route[1], route[0]))


def one_of_each_function() -> list[tuple[str, str]]:
    routes = [function.routes[-1] for function in compose().functions if function.routes]
    # Signing out ends what the walk is signed in with.
    return [(r.method, re.sub(r"\{(\w+)\}", "absent", r.path)) for r in routes if r.path != "/auth/logout"]


def shape(answer: Answer) -> tuple:
    headers = {name: value for name, value in answer.headers.items() if name not in VARIES}
    if answer.headers.get("content-type") == "application/json" and answer.body:
        body = gzip.decompress(answer.body) if answer.headers.get("content-encoding") == "gzip" else answer.body
        said = json.loads(body)
        return answer.status, headers, said.get("code") if isinstance(said, dict) else type(said).__name__
    return answer.status, headers, len(answer.cookies)


@pytest.mark.slow
@pytest.mark.parametrize("signed_in", [False, True], ids=["stranger", "admin"])
def test_every_route_answers_as_behind_a_rest_api(behind: HttpApiHouse, signed_in: bool):
    """A stranger asks every route, an admin one of each function. No route is given enough to change anything for the next."""
    admin = seed_admin(behind)
    routes = one_of_each_function() if signed_in else every_route()
    assert len(routes) >= (138 if signed_in else 228)
    for method, path in routes:
        given = {
            "token": admin.token if signed_in else None,
            "json_body": {} if method in ("POST", "PUT", "PATCH") else None,
        }
        rest, http = House.call(behind, method, path, **given), behind.call(method, path, **given)
        assert shape(http) == shape(rest), f"{method} {path}"


def test_it_is_one_integration_for_a_function_and_300_are_allowed():
    composition = compose("http")
    root = composition.templates["root"]
    body = root["Resources"][http_api.API]["Properties"]["Body"]
    integrations = body["components"][http_api.INTEGRATIONS]
    assert set(integrations) == {function.name for function in composition.functions if function.routes}
    assert len(integrations) < 300
    assert {(path, method) for path, found in body["paths"].items() for method in found} == {
        (path, method) for path, found in composition.api["paths"].items() for method in found
    }
    named = {
        operation[http_api.INTEGRATION]["$ref"].rpartition("/")[2]
        for found in body["paths"].values()
        for operation in found.values()
    }
    assert named == set(integrations)
    assert not any(key.startswith("x-amazon-apigateway") for key in body), "an HTTP API has none of these"


def test_the_root_stack_has_one_kind_of_api():
    for kind, wanted in (("rest", "AWS::Serverless::Api"), ("http", "AWS::ApiGatewayV2::Api")):
        root = compose(kind).templates["root"]
        types = {resource["Type"] for resource in root["Resources"].values()}
        assert types & {"AWS::Serverless::Api", "AWS::ApiGatewayV2::Api"} == {wanted}
        text = json.dumps(root)
        assert ("${Api}" in text or '{"Ref": "Api"}' in text) is (kind == "rest")
        url = json.dumps(root["Outputs"]["Url"])
        assert ("/prod" in url) is (kind == "rest"), "the stage of an HTTP API is no part of its address"


def test_a_browser_signs_in_and_out(behind: HttpApiHouse):
    seed_admin(behind)
    answer = behind.post(
        "/auth/password/login/web",
        form={"email": ADMIN_EMAIL, "password": PASSWORD},
        headers={"Origin": "http://agnes.test"},
    )
    assert answer.status == 303, answer.text
    cookie = next(c.partition(";")[0] for c in answer.cookies if c.startswith("access_token="))
    page = behind.get("/marketplace", cookie=cookie, headers={"Accept-Encoding": "br;q=1, gzip;q=0.8"})
    assert page.status == 200
    assert page.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in page.headers["vary"]
    html = gzip.decompress(page.body)
    assert html.startswith(b"<!doctype html>")
    assert len(page.body) * 2 < len(html)
    out = behind.post("/auth/logout", cookie=cookie, headers={"Origin": "http://agnes.test"})
    assert out.status in (200, 303)
    assert behind.get("/api/me", cookie=cookie).status == 401


@pytest.mark.parametrize(
    ("offered", "packed"),
    [("gzip", True), ("GZIP", True), ("deflate, gzip;q=1.0", True), ("*", True), ("", False), ("br", False),
     ("gzip;q=0", False), ("gzip; q=0.0, br", False), ("xgzip", False)],
)  # fmt: skip
def test_text_is_compressed_for_who_takes_it(behind: HttpApiHouse, offered: str, packed: bool):
    answer = behind.get("/static/css/agnes.css", headers={"Accept-Encoding": offered})
    assert answer.status == 200
    assert (answer.headers.get("content-encoding") == "gzip") is packed
    plain = gzip.decompress(answer.body) if packed else answer.body
    assert b":root" in plain


def test_what_is_small_or_no_text_is_sent_as_it_is(behind: HttpApiHouse):
    small = behind.get("/api/version", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in small.headers
    assert "version" in small.json()


def test_a_rest_api_compresses_by_itself(tmp_path: Path):
    with House(tmp_path) as house:
        answer = house.get("/static/css/agnes.css", headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("stage", ["$default", "prod"])
def test_the_way_back_from_the_login_page_has_no_stage(tmp_path: Path, stage: str):
    with HttpApiHouse(tmp_path, stage=stage) as house:
        seed_admin(house)
        answer = house.get("/marketplace?q=ledger&q=chart")
        assert answer.status == 302
        assert answer.headers["location"].endswith("/login?next=%2Fmarketplace%3Fq%3Dledger%26q%3Dchart")
        house.state.close()


def test_a_body_is_read_whether_it_came_as_text_or_as_base64(behind: HttpApiHouse):
    admin = seed_admin(behind)
    assert (
        behind.post("/api/users", token=admin.token, json_body={"email": "zofie@example.com", "name": "Žofie"}).status
        == 201
    )
    assert behind.events[-1]["isBase64Encoded"] is False
    body = json.dumps({"email": "ines@example.com"}).encode()
    raw = behind.post("/api/users", token=admin.token, body=body, headers={"Content-Type": "application/json+x"})
    assert raw.status == 415, "a type that is not taken is told"
    assert behind.events[-1]["isBase64Encoded"] is True
    names = {user["name"] for user in behind.get("/api/users", token=admin.token).json()}
    assert "Žofie" in names
    sent = upload_form(behind, admin, "6b0c6f3e-0000-4000-8000-000000000001", b'{"type":"user"}\n\xff\xfe')
    assert sent.status == 200, sent.text
    assert behind.events[-1]["isBase64Encoded"] is True


def test_a_request_without_a_body_may_have_any_type(behind: HttpApiHouse):
    """API Gateway adds a Content-Type where a client sent neither body nor type."""
    admin = seed_admin(behind)
    answer = behind.post("/api/users", token=admin.token)
    assert behind.events[-1]["headers"]["content-type"] == "application/octet-stream"
    assert (answer.status, answer.json()["code"]) == (422, "invalid_input"), "it is the fields that lack"


def test_path_variables_that_are_decoded_already(behind: HttpApiHouse):
    admin = seed_admin(behind)
    for raw in ("no%20such%2Fjob", "a%25b", "%C5%BDofie"):
        answer = behind.get(f"/api/admin/run/{raw}", token=admin.token)
        assert (answer.status, answer.json()["code"]) == (404, "unknown_job")
