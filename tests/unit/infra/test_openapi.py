"""The API's two documents."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pytest
from openapi_spec_validator import validate
from pydantic import BaseModel

from agnes.edge import Function, Needs, endpoint
from infra import openapi
from infra.compose import Composition
from infra.discovery import Found, Route

pytestmark = pytest.mark.slow


class ThingQuery(BaseModel):
    size: int = 10


class NewThing(BaseModel):
    name: str


@dataclass(frozen=True)
class Thing:
    id: str
    name: str


@pytest.fixture
def things() -> Found:
    app = Function("test-any_things")

    @app.route("/api/things/{box}", methods=["GET"])
    @endpoint(needs=Needs.PUBLIC, query=ThingQuery)
    def get_things(who: object, box: str, query: ThingQuery) -> list[Thing]:
        """List things."""

    @app.route("/api/things/{box}", methods=["POST"])
    @endpoint(needs=Needs.ADMIN, body=NewThing, answers=Thing, status=201)
    def post_thing(who: object, box: str, body: NewThing):
        """Make a thing."""

    routes = [
        Route(m, p, e.view_function.agnes, e.view_function) for p, ms in app.routes.items() for m, e in ms.items()
    ]
    return Found("test", "any_things", app, tuple(routes), None)


def test_a_view_that_returns_nothing_is_answered_with_204() -> None:
    app = Function("test-any_void")

    @app.route("/api/void", methods=["DELETE"])
    @endpoint(needs=Needs.ADMIN)
    def delete_void(who: object) -> None:
        """Remove it."""

    @app.route("/api/maybe", methods=["GET"])
    @endpoint(needs=Needs.ADMIN)
    def get_maybe(who: object) -> Thing | None:
        """Find it."""

    routes = [
        Route(m, p, e.view_function.agnes, e.view_function) for p, ms in app.routes.items() for m, e in ms.items()
    ]
    document = openapi.for_readers([Found("test", "any_void", app, tuple(routes), None)], version="1")
    validate(document)
    assert document["paths"]["/api/void"]["delete"]["responses"].keys() == {"204", "default"}
    assert document["paths"]["/api/maybe"]["get"]["responses"].keys() == {"200", "204", "default"}


def test_a_route_is_described_from_its_types(things: Found) -> None:
    document = openapi.for_readers([things], version="1")
    validate(document)
    get = document["paths"]["/api/things/{box}"]["get"]
    assert get["summary"] == "List things."
    assert [(p["name"], p["in"], p["required"]) for p in get["parameters"]] == [
        ("box", "path", True),
        ("size", "query", False),
    ]
    item = get["responses"]["200"]["content"]["application/json"]["schema"]["items"]
    assert item == {"$ref": "#/components/schemas/Thing"}
    assert document["components"]["schemas"]["Thing"]["required"] == ["id", "name"]
    assert "security" not in get
    post = document["paths"]["/api/things/{box}"]["post"]
    assert post["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/NewThing"}
    assert "201" in post["responses"]
    assert post["x-agnes-needs"] == "admin"


def test_the_whole_api_is_sound_openapi(composition: Composition) -> None:
    validate(composition.openapi)
    operations = [o["operationId"] for methods in composition.openapi["paths"].values() for o in methods.values()]
    assert len(operations) == len(set(operations)) > 40


def test_integrations_name_functions_by_convention(things: Found) -> None:
    document = openapi.for_gateway([things])
    uri = document["paths"]["/api/things/{box}"][openapi.ANY_METHOD]["x-amazon-apigateway-integration"]["uri"][
        "Fn::Sub"
    ]
    assert uri.endswith(":function:${AWS::StackName}-test-any_things/invocations")


def test_git_is_challenged_by_the_gateway_itself(composition: Composition) -> None:
    """A REST API renames a function's `WWW-Authenticate`, and git then never sends its login."""
    api = composition.api
    scheme = api["components"]["securitySchemes"]["git-login"]
    authorizer = scheme["x-amazon-apigateway-authorizer"]
    assert authorizer["identitySource"] == "method.request.header.Authorization"
    assert authorizer["authorizerResultTtlInSeconds"] > 0, (
        "without, a request without a login is passed to the function"
    )
    assert authorizer["authorizerUri"]["Fn::Sub"].endswith("function:${AWS::StackName}-git-login/invocations")
    guarded = {
        (method, path) for path, methods in api["paths"].items() for method, o in methods.items() if "security" in o
    }
    assert guarded == {
        ("get", "/marketplace.git/info/refs"),
        ("post", "/marketplace.git/git-upload-pack"),
        ("post", "/marketplace.git/git-receive-pack"),
    }
    answer = api["x-amazon-apigateway-gateway-responses"]["UNAUTHORIZED"]
    assert answer["statusCode"] == "401"
    [(name, value)] = answer["responseParameters"].items()
    assert (name, value) == ("gatewayresponse.header.WWW-Authenticate", "'Basic realm=\"agnes-marketplace\"'")
    body = json.loads(answer["responseTemplates"]["application/json"])
    assert body.keys() == {"code", "message", "hint", "request_id"}


def test_the_authorizer_lets_all_of_gits_routes_through(composition: Composition) -> None:
    """Its answer is kept for an hour, and holds for every method of the login that it was asked about."""
    names: dict[str, Any] = {}
    exec(composition.templates["root"]["Resources"]["GitLogin"]["Properties"]["InlineCode"], names)
    stage = "arn:aws:execute-api:eu-central-1:123456789012:abcdef/prod"
    answer = names["handler"]({"methodArn": f"{stage}/GET/marketplace.git/info/refs"}, None)
    [statement] = answer["policyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "execute-api:Invoke")
    assert fnmatchcase(f"{stage}/POST/marketplace.git/git-upload-pack", statement["Resource"])
    assert not fnmatchcase(f"{stage}/POST/api/users", statement["Resource"])
