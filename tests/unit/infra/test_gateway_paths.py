"""Which path of the gateway a route goes by, and what is refused because a request would reach another function."""

from __future__ import annotations

from typing import Any

import pytest

from agnes.edge.endpoint import Contract
from agnes.edge.needs import Needs
from infra import gateway_paths, openapi
from infra.aws_limits import path_resources
from infra.compose import Composition
from infra.discovery import Found, Route
from infra.openapi import ANY_METHOD


def found(name: str, *routes: str, kind: str = "endpoint") -> Found:
    """`found("shop-get_things", "GET /things")`"""
    domain, _, folder = name.partition("-")
    contract = Contract(kind, Needs.LOGIN)
    asked = [line.split() for line in routes]
    return Found(domain, folder, None, tuple(Route(method, path, contract, len) for method, path in asked), None)  # type: ignore[arg-type]


def owners(functions: list[Found], below: dict[str, tuple[str, ...]]) -> dict[str, dict[str, str]]:
    def name(operation: dict[str, Any]) -> str:
        uri = operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
        return uri.rpartition("${AWS::StackName}-")[2].removesuffix("/invocations")

    assert gateway_paths.problems(functions, below) == []
    document = openapi.for_gateway(functions, below)
    return {path: {m: name(o) for m, o in methods.items()} for path, methods in document["paths"].items()}


def test_a_prefix_of_one_function_is_one_path_for_all_methods() -> None:
    shop = found(
        "shop-any_things", "GET /things", "POST /things", "GET /things/{id}", "DELETE /things/{id}/parts/{part}"
    )
    assert owners([shop], {shop.name: ("/things",)}) == {
        "/things": {ANY_METHOD: shop.name},
        "/things/{proxy+}": {ANY_METHOD: shop.name},
    }
    [parameter] = openapi.for_gateway([shop], {shop.name: ("/things",)})["paths"]["/things/{proxy+}"][ANY_METHOD][
        "parameters"
    ]
    assert (parameter["name"], parameter["in"], parameter["required"]) == ("proxy", "path", True)


def test_functions_that_share_a_prefix_get_their_methods() -> None:
    reads = found("shop-get_things", "GET /things", "GET /things/{id}", "GET /things/{id}/parts")
    writes = found("shop-any_thing", "POST /things", "PATCH /things/{id}", "DELETE /things/{id}")
    assert owners([reads, writes], {reads.name: ("/things",), writes.name: ("/things",)}) == {
        "/things": {"get": reads.name, "post": writes.name},
        "/things/{proxy+}": {"get": reads.name, "patch": writes.name, "delete": writes.name},
    }


def test_without_a_prefix_a_path_is_its_own() -> None:
    one, other = (
        found("shop-page_thing", "GET /thing", "POST /thing", "GET /thing/x"),
        found("shop-get_part", "GET /part"),
    )
    assert owners([one, other], {}) == {
        "/thing": {ANY_METHOD: one.name},
        "/thing/x": {"get": one.name},
        "/part": {"get": other.name},
    }


def test_a_repeated_prefix_is_one_path() -> None:
    both = [
        f"GET /api/admin/{area}/{rest}"
        for area in ("usage", "telemetry")
        for rest in ("cost", "runs/{id}/parts/{part}")
    ]
    one = found("telemetry-get_cost", *both)
    assert owners([one], {one.name: ("/api/admin/telemetry/runs",)}) == {
        "/api/admin/{area}/cost": {"get": one.name},
        "/api/admin/{area}/runs/{proxy+}": {ANY_METHOD: one.name},
    }
    [problem] = gateway_paths.problems([found("telemetry-get_cost", *both[:3])], {})
    assert problem.endswith("GET /api/admin/usage/runs/{id}/parts/{part} has no twin below /api/admin/telemetry")


SHOP = found("shop-get_things", "GET /things", "GET /things/{id}", "GET /things/{id}/parts")


@pytest.mark.parametrize(
    ("other", "below", "named"),
    [
        (
            found("shop-get_other", "GET /things/{id}/other"),
            {SHOP.name: ("/things",)},
            "would be asked of shop-get_things",
        ),
        (
            found("shop-get_other", "DELETE /things/{id}"),
            {SHOP.name: ("/things",)},
            "would be asked of shop-get_things",
        ),
        # A request for /things/a may mean either.
        (found("shop-get_other", "GET /{kind}/a"), {SHOP.name: ("/things",)}, "GET /{kind}/a of shop-get_other"),
        (
            found("shop-get_other", "GET /{kind}/a"),
            {SHOP.name: ("/things",), "shop-get_other": ("/things",)},
            "has a path of its own",
        ),
        (
            found("shop-get_other", "GET /things/{id}/other"),
            {SHOP.name: ("/things",), "shop-get_other": ("/things",)},
            "its method is shop-get_things's there",
        ),
        (found("shop-get_other", "GET /other"), {"shop-get_other": ("/other",)}, "shop-get_other has no route there"),
        (
            found("shop-get_other", "GET /git/a/b", kind="git"),
            {"shop-get_other": ("/git",)},
            "the gateway itself challenges git",
        ),
        (
            found("shop-get_other", "GET /a/b/c", "GET /a/d"),
            {"shop-get_other": ("/a", "/a/b")},
            "below /a/b: /a is there too, and holds it",
        ),
    ],
)
def test_what_would_reach_another_function_is_refused(
    other: Found, below: dict[str, tuple[str, ...]], named: str
) -> None:
    [problem] = gateway_paths.problems([SHOP, other], below)
    assert named in problem


def test_a_domain_costs_six_paths_however_many_routes_it_has(composition: Composition) -> None:
    """Eight of 25 routes, each with an API for people, one for admins, and pages."""
    more, below = [], dict(composition.below)
    for number in range(8):
        prefixes = (f"/api/new{number}", f"/api/admin/new{number}", f"/admin/new{number}")
        routes = [f"{method} {prefix}" for prefix in prefixes for method in ("GET", "POST")]
        routes += [f"{m} {p}/{{id}}/part{n}" for p in prefixes for n in range(4) for m in ("GET", "POST")][:19]
        function = found(f"new{number}-any_thing", *routes)
        more.append(function)
        below[function.name] = prefixes
    assert sum(len(function.routes) for function in more) == 200
    functions = [*composition.functions, *more]
    assert gateway_paths.problems(functions, below) == []
    before, after = composition.api["paths"], openapi.for_gateway(functions, below)["paths"]
    assert path_resources(after) - path_resources(before) == 8 * 6
    assert sum(map(len, after.values())) - sum(map(len, before.values())) == 8 * 6
