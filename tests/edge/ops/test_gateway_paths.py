"""Each route answers the same by its own path, behind a REST API, behind an HTTP API and in the embedded gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.compose import compose
from infra.gateway_paths import PROXY
from tests.builders.gateways import EmbeddedHouse, RestApiHouse
from tests.builders.house import Answer, House
from tests.builders.http_api import HttpApiHouse
from tests.builders.people import seed_admin
from tests.edge.ops.test_http_api import every_route, one_of_each_function, shape

HEADERS_OF_THE_GATEWAY = {"content-length", "allow"}


class Behind(HttpApiHouse, RestApiHouse):
    """One installation, asked in all four ways."""

    def ask(self, method: str, path: str, **given: Any) -> dict[str, Answer]:
        ways = {"alone": House, "rest": RestApiHouse, "http": HttpApiHouse, "embedded": EmbeddedHouse}
        found = {}
        for name, way in ways.items():
            asked = _as(self, way)
            found[name] = asked.call(method, path, **given)
        return found


def _as(house: House, way: type[House]) -> House:
    """The same installation behind another gateway."""
    other = object.__new__(way)
    other.__dict__ = house.__dict__
    return other


def seen(answer: Answer) -> tuple[Any, ...]:
    status, headers, said = shape(answer)
    return status, {name: value for name, value in headers.items() if name not in HEADERS_OF_THE_GATEWAY}, said


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Behind]:
    with Behind(tmp_path) as house:
        yield house
        house.state.close()


def greedy_routes() -> list[tuple[str, str]]:
    """Routes that go by another path than their own."""
    paths = compose().api["paths"]
    return [route for route in every_route() if not any(_is_same(route[1], path) for path in paths)]


def _is_same(asked: str, path: str) -> bool:
    mine, its = asked.split("/"), path.split("/")
    return (
        len(mine) == len(its)
        and not path.endswith(PROXY)
        and all(b == a or (b.startswith("{") and a == "absent") for a, b in zip(mine, its, strict=True))
    )


@pytest.mark.slow
@pytest.mark.parametrize("signed_in", [False, True], ids=["stranger", "admin"])
def test_every_route_answers_alike(behind: Behind, signed_in: bool) -> None:
    """A stranger asks every route; an admin one of each function, and all that go by a path that stands for several."""
    admin = seed_admin(behind)
    routes = list(dict.fromkeys([*one_of_each_function(), *greedy_routes()])) if signed_in else every_route()
    assert len(routes) >= (150 if signed_in else 300)
    for method, path in routes:
        given = {
            "token": admin.token if signed_in else None,
            "json_body": {} if method in ("POST", "PUT", "PATCH") else None,
        }
        answers = behind.ask(method, path, **given)
        alone = seen(answers.pop("alone"))
        for way, answer in answers.items():
            assert seen(answer) == alone, f"{method} {path} ({way})"


HOSTILE = [
    "/scim/v2//Users", "/scim/v2/Users//x", "/scim/v2/./Users", "/scim/v2/Users/..", "/scim/v2/%2e%2e/Users", "/scim/v2/Users/x/y",
    "/scim/v2/..%2f..%2fapi%2fusers", "/scim/v2/../../api/users", "/scim/v2/Users%2f..%2fGroups/x/y", "/scim/v2/%00",
    "/admin/marketplaces/a/plugins/b/versions/..", "/marketplace/flea/..%2f..%2fadmin/users", "/marketplace/flea/a/skill",
    "/api/my-stack/curated/a", "/api/admin/users/cost", "/api/admin/nothing/cost", "/static/css/%2e%2e/agnes.css",
    "/static/..%2fcss/agnes.css/x", "/api/admin/store/submissions/a/b/c", "/\u0161cim/v2/Users", "/scim/v2/Us\u00e9rs/x/y",
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_that_is_no_route_reaches_none(behind: Behind, path: str) -> None:
    """Whoever asks: a stranger learns no more, and an admin's token opens nothing by it."""
    admin = seed_admin(behind)
    for token in (None, admin.token):
        for method in ("GET", "DELETE"):
            answers = behind.ask(method, path, token=token)
            del answers["alone"]  # knows no gateway's paths
            for way, answer in answers.items():
                assert answer.status in (400, 404, 405), f"{method} {path} ({way}): {answer.status}"


def test_a_method_that_no_route_has_is_refused_in_the_functions_own_form(behind: Behind) -> None:
    refused = behind.ask("DELETE", "/static/css/agnes.css")
    for way in ("rest", "http", "embedded"):
        assert refused[way].status == 405, way
        assert refused[way].headers["allow"] == "GET", way
        assert refused[way].json()["code"] == "method_not_allowed", way
    refused = behind.ask("POST", "/scim/v2/Users/x", json_body={})
    for way in ("rest", "http"):
        assert refused[way].headers["allow"] == "DELETE, GET, PATCH, PUT", way
        assert refused[way].json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"], way
    page = behind.ask("PUT", "/admin/groups", headers={"Accept": "text/html"})
    for way in ("rest", "http"):
        assert page[way].status == 405, way
        assert page[way].headers["content-type"].startswith("text/html"), way
        assert page[way].headers["x-frame-options"] == "DENY", way


def test_head_has_the_headers_and_no_body(behind: Behind) -> None:
    answers = behind.ask("HEAD", "/static/css/agnes.css")
    for way in ("rest", "http", "embedded"):
        assert answers[way].status == 200, way
        assert answers[way].headers["content-type"].startswith("text/css"), way
        assert answers[way].body == b"", way
