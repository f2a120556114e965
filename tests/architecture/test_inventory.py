"""Functions, their entries in infra/ and what the composer makes of both agree."""

from __future__ import annotations

import re

import pytest

from agnes_local import composed
from agnes_local.routes import Routes
from infra import aws_limits, compose, discovery, tables
from infra.compose import Composition


@pytest.fixture(scope="module")
def composition() -> Composition:
    return compose.compose()


def test_every_function_has_an_entry_and_every_entry_a_function() -> None:
    assert compose.inventory(set(discovery.folders()), set(tables.load())) == []


def test_an_orphan_of_either_kind_is_named() -> None:
    problems = compose.inventory({("feed", "get_zip"), ("feed", "get_new")}, {("feed", "get_zip"), ("feed", "get_old")})
    assert problems == [
        "functions/feed/get_new has no entry in infra/feed.yaml",
        "infra/feed.yaml: get_old: there is no functions/feed/get_old/app.py",
    ]


def test_every_decorated_route_is_in_the_api(composition: Composition) -> None:
    """The gateway leads a request by it to its own function, and has no path beside those."""
    gateway = composed.routes()
    find = Routes(gateway).match
    reached = set()
    for function in composition.functions:
        for route in function.routes:
            found, _ = find(route.method, re.sub(r"\{(\w+)\}", "x", route.path))
            assert found.function == function.name, f"{route.method} {route.path}"
            reached.add((found.method, found.path))
    assert reached == {(route.method, route.path) for route in gateway}


def test_limits_of_aws_are_far(composition: Composition) -> None:
    for name, template in composition.templates.items():
        assert aws_limits.resource_count(template) < aws_limits.TEMPLATE_RESOURCES, name
    paths = composition.api["paths"]
    assert aws_limits.path_resources(paths) < aws_limits.REST_RESOURCES * 0.9
    assert sum(map(len, paths.values())) < aws_limits.HTTP_ROUTES * 0.9


def test_every_module_of_a_function_has_a_docstring(composition: Composition) -> None:
    for function in composition.functions:
        for route in function.routes:
            if route.contract.kind == "endpoint":
                assert route.contract.summary[:1].isupper(), f"{function.place}: {route.contract.summary!r}"
