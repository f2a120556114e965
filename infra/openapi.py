"""The API's OpenAPI document, composed from the decorators.

Twice: lean, with API Gateway's integrations, for the root stack and the local gateway; and with schemas from
the pydantic models and return types, for `/api/openapi.json`.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterable
from typing import Any, Literal

import pydantic

from agnes.edge import Needs, Reply
from agnes.edge.git import REALM
from agnes.edge.scopes import is_open
from agnes.kernel.scopes import Scope
from infra.discovery import Found, Route
from infra.gateway_paths import Below, GatewayPaths

TITLE = "Agnes"

ANY_METHOD = "x-amazon-apigateway-any-method"
"""API Gateway's name in an OpenAPI document for all methods of a path."""

STAGE_VARIABLES = "${AWS::StackName}"

GIT_LOGIN = "git-login"
"""The authorizer of git's routes, and the tail of its function's name (infra/root.yaml)."""

GATEWAY_ERRORS = {
    # response type: (status, code, message, hint)
    "UNAUTHORIZED": (401, "missing_credential", "you are not signed in", "Sign in with a token as the password."),
    "MISSING_AUTHENTICATION_TOKEN": (404, "not_found", "there is nothing at this path", "See /api/openapi.json."),
    "REQUEST_TOO_LARGE": (413, "too_large", "the body is larger than 10 MB", "Upload it by presigned URL instead."),
    "THROTTLED": (429, "rate_limited", "too many requests", "Try again in a moment."),
    "INTEGRATION_TIMEOUT": (504, "timeout", "no answer within 29 seconds", "Try again in a moment."),
    "DEFAULT_5XX": (503, "unavailable", "the function behind this path did not answer", "Try again in a moment."),
    "DEFAULT_4XX": (400, "bad_request", "the request was not understood", "See /api/openapi.json."),
}
"""What API Gateway answers by itself, in our one error shape; the local gateway says the same."""

CHALLENGE = {"gatewayresponse.header.WWW-Authenticate": f"'{REALM}'"}

ERROR_SCHEMA = {
    "type": "object",
    "required": ["code", "message", "hint", "request_id"],
    "properties": {
        "code": {"type": "string", "description": "Stable and in snake_case."},
        "message": {"type": "string"},
        "hint": {"type": ["string", "null"]},
        "request_id": {"type": "string"},
    },
}


def for_gateway(functions: Iterable[Found], below: Below | None = None) -> dict[str, Any]:
    """Paths and integrations, with one greedy path for routes `below` a prefix. Function names are convention:
    `<stack>-<domain>-<folder>`."""
    functions = list(functions)
    paths_of = GatewayPaths(functions, below or {})
    paths: dict[str, dict[str, Any]] = {}
    for function in functions:
        for route in function.routes:
            path, is_any = paths_of.of(function, route)
            operation: dict[str, Any] = {"responses": {}, "x-amazon-apigateway-integration": _integration(function)}
            if parameters := _path_parameters(path):
                operation["parameters"] = parameters
            if route.contract.kind == "git":
                operation["security"] = [{GIT_LOGIN: []}]
            paths.setdefault(path, {})[ANY_METHOD if is_any else route.method.lower()] = operation
    return {
        "openapi": "3.0.1",
        "info": {"title": TITLE, "version": "1"},
        "paths": {path: paths[path] for path in sorted(paths)},
        # Every body passes as it is: git's packs and zips, but JSON too.
        "x-amazon-apigateway-binary-media-types": ["*/*"],
        "x-amazon-apigateway-minimum-compression-size": 1024,
        "x-amazon-apigateway-gateway-responses": {
            kind: _gateway_response(*error) for kind, error in GATEWAY_ERRORS.items()
        }
        | {"UNAUTHORIZED": _gateway_response(*GATEWAY_ERRORS["UNAUTHORIZED"]) | {"responseParameters": CHALLENGE}},
        "components": {"securitySchemes": {GIT_LOGIN: _git_login()}},
    }


def _git_login() -> dict[str, Any]:
    """Who has no `Authorization` header is answered by the gateway itself, with the challenge that makes git send its login.

    A REST API renames the `WWW-Authenticate` of a function's answer, so the function's own challenge never reaches git.
    A request validator with a required header would do the same but for one thing: it compares the header's name with its
    case, and over HTTP/2, which git speaks, all names arrive in lower case. An authorizer's identity source does not.
    """
    return {
        "type": "apiKey",
        "name": "Authorization",
        "in": "header",
        "x-amazon-apigateway-authtype": "custom",
        "x-amazon-apigateway-authorizer": {
            "type": "request",
            "identitySource": "method.request.header.Authorization",
            "authorizerResultTtlInSeconds": 3600,
            "authorizerUri": _invocation_uri(GIT_LOGIN),
        },
    }


def _integration(function: Found) -> dict[str, Any]:
    return {"type": "aws_proxy", "httpMethod": "POST", "uri": _invocation_uri(function.name)}


def _invocation_uri(function: str) -> dict[str, str]:
    return {
        "Fn::Sub": "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/"
        "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:"
        f"function:{STAGE_VARIABLES}-{function}/invocations"
    }


def _gateway_response(status: int, code: str, message: str, hint: str) -> dict[str, Any]:
    body = (
        f'{{"code":"{code}","message":"{message}","hint":"{hint}","request_id":"$context.requestId"}}'  # no user input
    )
    return {"statusCode": str(status), "responseTemplates": {"application/json": body}}


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)\+?}", path)
    ]


def for_readers(functions: Iterable[Found], *, version: str) -> dict[str, Any]:
    """What `/api/openapi.json` serves: OpenAPI 3.1 with parameters, bodies and answers. Pages are left out."""
    routes = [(function, route) for function in functions for route in function.routes]
    routes = [(function, route) for function, route in routes if route.contract.kind == "endpoint"]
    wanted: dict[tuple[str, str, str], tuple[Any, Literal["validation", "serialization"]]] = {}
    for _, route in routes:
        contract, at = route.contract, (route.method, route.path)
        if contract.body is not None:
            wanted[(*at, "body")] = (contract.body, "validation")
        if (answer := answer_type(route)) is not None:
            wanted[(*at, "answer")] = (answer, "serialization")
    schemas, definitions = pydantic.TypeAdapter.json_schemas(
        [(key, mode, pydantic.TypeAdapter(kind)) for key, (kind, mode) in wanted.items()],
        ref_template="#/components/schemas/{model}",
    )
    by_key = {key: schema for (key, _mode), schema in schemas.items()}
    paths: dict[str, dict[str, Any]] = {}
    for function, route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(function, route, by_key)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": version},
        "paths": {path: paths[path] for path in sorted(paths)},
        "components": {
            "schemas": {**definitions.get("$defs", {}), "AgnesError": ERROR_SCHEMA},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A login's or a personal access token."},
                "session": {"type": "apiKey", "in": "cookie", "name": "access_token"},
            },
        },
    }


def answer_type(route: Route) -> Any:
    """The type that a route's view returns, None where it answers bytes, a redirect or nothing."""
    answer = _returned(route)
    if answer in (None, type(None), Any, Reply) or (inspect.isclass(answer) and issubclass(answer, Reply)):
        return None
    return answer


def _returned(route: Route) -> Any:
    answer = route.contract.answers
    return typing.get_type_hints(inspect.unwrap(route.view)).get("return") if isinstance(answer, str) else answer


def _may_answer_nothing(route: Route) -> tuple[bool, bool]:
    """Whether a view may return None, which is answered with 204, and whether it returns nothing else."""
    answer = _returned(route)
    always = route.contract.kind == "endpoint" and answer in (None, type(None))
    return always or type(None) in typing.get_args(answer), always


def _operation(function: Found, route: Route, schemas: dict[tuple[str, str, str], Any]) -> dict[str, Any]:
    contract = route.contract
    at = (route.method, route.path)
    answer = schemas.get((*at, "answer"))
    success: dict[str, Any] = {"description": "Success"}
    nothing, always = _may_answer_nothing(route)
    if answer is not None:
        success["content"] = {"application/json": {"schema": answer}}
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}_{function.name.replace('-', '_')}_{_slug(route.path)}",
        "tags": [function.domain],
        "summary": contract.summary,
        "responses": {
            **({} if always else {str(contract.status): success}),
            **({"204": {"description": "Done; there is nothing to say"}} if nothing else {}),
            "default": {
                "description": "An error",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/AgnesError"}}},
            },
        },
    }
    parameters = _path_parameters(route.path) + _query_parameters(contract.query)
    if parameters:
        operation["parameters"] = parameters
    if (body := schemas.get((*at, "body"))) is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    if contract.needs is not Needs.PUBLIC:
        operation["security"] = [{"bearer": []}, {"session": []}]
        operation["x-agnes-needs"] = contract.needs.value
        operation["x-agnes-token-scopes"] = [
            scope.value
            for scope in Scope
            if is_open(scope, needs=contract.needs, method=route.method, route_scope=contract.scope)
        ]
    return operation


def _query_parameters(model: type[pydantic.BaseModel] | None) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = model.model_json_schema()
    required = schema.get("required", [])
    definitions = schema.get("$defs", {})
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _inlined(field, definitions)}
        for name, field in schema["properties"].items()
    ]


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """`schema` without references: a query's enumerations are small."""
    if isinstance(schema, list):
        return [_inlined(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(value, definitions) for name, value in schema.items()}


def _slug(path: str) -> str:
    return re.sub(r"\W+", "_", path).strip("_")
