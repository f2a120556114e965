"""A function finds its own route by the path that was asked for, with the rules of API Gateway."""

from __future__ import annotations

from typing import Any

import pytest

from agnes.edge.routing import MethodNotAllowedError, RouteTable, resolved
from agnes.kernel.errors import AgnesError, BadRequestError, NotFoundError

TABLE = RouteTable(
    {
        "/things": ["GET"],
        "/things/{id}": ["GET", "DELETE"],
        "/things/special": ["GET"],
        "/things/{id}/parts/{part}": ["GET"],
        "/things/special/parts/first": ["POST"],
        "/files/{rest+}": ["GET"],
        "/files/index": ["GET"],
    }
)


def event(path: str, *, resource: str = "/things/{proxy+}", method: str = "GET", **more: Any) -> dict[str, Any]:
    return {
        "path": path,
        "resource": resource,
        "requestContext": {"resourcePath": resource, "httpMethod": method},
        **more,
    }


@pytest.mark.parametrize(
    ("path", "route", "variables"),
    [
        ("/things", "/things", None),
        ("/things/a", "/things/{id}", {"id": "a"}),
        ("/things/special", "/things/special", None),
        ("/things/a/parts/b", "/things/{id}/parts/{part}", {"id": "a", "part": "b"}),
        # A literal part that leads nowhere hides no variable beside it.
        ("/things/special/parts/b", "/things/{id}/parts/{part}", {"id": "special", "part": "b"}),
        ("/things/a/", "/things/{id}", {"id": "a"}),
        ("/things/a%2Fb", "/things/{id}", {"id": "a%2Fb"}),
        ("/things/%C5%BDofie", "/things/{id}", {"id": "%C5%BDofie"}),
        ("/things/a.b", "/things/{id}", {"id": "a.b"}),
        ("/things/...", "/things/{id}", {"id": "..."}),
    ],
)
def test_routes_of_a_rest_api(path: str, route: str, variables: dict[str, str] | None) -> None:
    resource = "/things" if path == "/things" else "/things/{proxy+}"
    found = resolved(TABLE, event(path, resource=resource))
    assert (found["resource"], found["requestContext"]["resourcePath"]) == (route, route)
    assert found["pathParameters"] == variables


def test_a_greedy_variable_comes_last_and_takes_all_that_follows() -> None:
    def found(path: str) -> tuple[str, Any]:
        got = resolved(TABLE, event(path, resource="/files/{proxy+}"))
        return got["resource"], got["pathParameters"]

    assert found("/files/index") == ("/files/index", None)
    assert found("/files/index/a") == ("/files/{rest+}", {"rest": "index/a"})
    assert found("/files/a/b%20c") == ("/files/{rest+}", {"rest": "a/b%20c"})


HOSTILE = [
    "/things/", "/things//", "/things//a", "/things/a//parts/b", "/things/a/parts/", "/things/a/parts//",
    "/things/.", "/things/..", "/things/../things/a", "/things/a/../b", "/things/%2e%2e", "/things/%2E", "/things/.%2e/parts/b",
    "/things/a%2Fparts%2Fb/c", "/things/a/b/c/d", "/things/%73pecial/parts/first/x", "/things/special/parts%2Ffirst",
    "/things/a/%70arts/b", "/things/a/PARTS/b", "/things/a\\parts\\b/c", "/Things/a", "/thingsa/b", "/", "",
    "/files", "/files/", "/things/" + "a/" * 2000 + "b",
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
def test_no_other_path_reaches_a_route(path: str) -> None:
    with pytest.raises(NotFoundError) as refused:
        resolved(TABLE, event(path, resource="/files/{proxy+}" if path.startswith("/files") else "/things/{proxy+}"))
    assert refused.value.code == "not_found"


@pytest.mark.parametrize(
    "path", ["/things/%00", "/things/a%0d%0ab", "/things/%ff", "/things/%ed%a0%80", "/things/a%7f"]
)
def test_bytes_that_are_no_text_are_refused(path: str) -> None:
    with pytest.raises(BadRequestError, match=r"UTF-8|control character"):
        resolved(TABLE, event(path))


def test_a_literal_part_is_compared_as_it_was_sent() -> None:
    """It is a value of the variable beside it, as it was at the gateway."""
    assert resolved(TABLE, event("/things/%73pecial"))["resource"] == "/things/{id}"


def test_a_method_that_the_path_has_not() -> None:
    with pytest.raises(MethodNotAllowedError) as refused:
        resolved(TABLE, event("/things/special", method="DELETE"))
    assert (refused.value.status, refused.value.allowed) == (405, ["GET"])
    with pytest.raises(AgnesError, match="TRACE"):
        resolved(TABLE, event("/things/a", method="TRACE"))


def test_head_is_asked_of_the_route_that_gets() -> None:
    found = resolved(TABLE, event("/things/a", method="HEAD"))
    assert (found["httpMethod"], found["requestContext"]["httpMethod"]) == ("GET", "GET")
    with pytest.raises(MethodNotAllowedError):
        resolved(TABLE, event("/things/special/parts/first", method="HEAD"))


def test_a_custom_domains_base_path_is_no_part_of_the_route() -> None:
    for base in ("", "/v1", "/things", "/a/b"):
        given = event(f"{base}/things/a/parts/b", pathParameters={"proxy": "a/parts/b"})
        assert resolved(TABLE, given)["pathParameters"] == {"id": "a", "part": "b"}
    for proxy in ("a%2541", "a%41"):  # as it was sent, and decoded
        given = event("/v1/things/a%2541", pathParameters={"proxy": proxy})
        assert resolved(TABLE, given)["pathParameters"] == {"id": "a%2541"}
    with pytest.raises(NotFoundError):  # a gateway that decodes before it compares
        resolved(TABLE, event("/%74hings/things/a", pathParameters={"proxy": "things/a"}))


def test_a_path_of_two_names_is_the_one_that_was_asked_for() -> None:
    table = RouteTable({"/api/new/cost": ["GET"], "/api/old/cost": ["GET"]})
    for name in ("new", "old"):
        found = resolved(table, event(f"/api/{name}/cost", resource="/api/{area}/cost"))
        assert (found["resource"], found["pathParameters"]) == (f"/api/{name}/cost", None)
        assert (
            resolved(table, event(f"/base/api/{name}/cost", resource="/api/{area}/cost"))["resource"]
            == f"/api/{name}/cost"
        )
    with pytest.raises(NotFoundError):
        resolved(table, event("/api/other/cost", resource="/api/{area}/cost"))


def test_an_http_api_has_decoded_the_path_and_distinguishes_a_slash_at_its_end() -> None:
    def found(path: str, stage: str = "$default") -> dict[str, Any]:
        context = {"resourcePath": "/things/{proxy+}", "httpMethod": "GET", "stage": stage}
        return resolved(TABLE, event(path, version="1.0") | {"requestContext": context})

    assert found("/things/a%2Fb")["pathParameters"] == {"id": "a%2Fb"}  # sent as a%252Fb
    assert found("/things/Žofie 100%")["pathParameters"] == {"id": "Žofie 100%"}
    assert found("/prod/things/a", stage="prod")["pathParameters"] == {"id": "a"}
    for hostile in ("/things/a/", "/things/..", "/things//a"):
        with pytest.raises(NotFoundError):
            found(hostile)
    with pytest.raises(BadRequestError):
        found("/things/a\0")


def test_the_event_that_came_is_left_as_it_was() -> None:
    given = event("/things/a")
    before = {**given, "requestContext": {**given["requestContext"]}}
    resolved(TABLE, given)
    assert given == before
