"""An installation behind an HTTP API of API Gateway, as its documentation describes it (LocalStack's free edition has none).

The event is payload format 1.0 of
docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html, with what real events add: a named
stage is the first part of the path, and a request without a body has a Content-Type all the same. Where the documentation leaves
two readings, the less convenient one is taken: header names are in lower case. Path and path variables are decoded, as captured by
hotsock/voker#8 and middleapi/standard-server#93. An answer that API Gateway would not take is an AssertionError.
"""

from __future__ import annotations

import base64
import importlib
import json
import re
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from infra import http_api
from infra.compose import compose
from infra.openapi import ANY_METHOD
from tests.builders.house import Answer, House

MAX_ANSWER_BYTES = 6 * 1024 * 1024
"""Of Lambda's answer as JSON."""
MAX_BODY_BYTES = 10 * 1024 * 1024
_TEXT = re.compile(r"text/.*|application/(json|javascript|xml)")
_FUNCTION = re.compile(r"function:\$\{AWS::StackName\}-([a-z]+)-(\w+)/invocations$")


class HttpApiHouse(House):
    """A House whose `call` goes through an HTTP API. `stage` is `$default`, or the name of another one."""

    def __init__(self, folder: Path, *, stage: str = "$default", **given: Any) -> None:
        super().__init__(folder, **given)
        self.stage = stage
        self.events: list[dict[str, Any]] = []

    @cached_property
    def _document(self) -> dict[str, Any]:
        return http_api.document(compose().api)

    @cached_property
    def _routes(self) -> Map:
        """From the document that is deployed: method and path to the function that its integration names."""
        integrations = self._document["components"][http_api.INTEGRATIONS]
        rules = []
        for path, operations in self._document["paths"].items():
            for method, operation in operations.items():
                name = operation[http_api.INTEGRATION]["$ref"].rpartition("/")[2]
                integration = integrations[name]
                assert integration["payloadFormatVersion"] == "1.0"
                function = "-".join(_FUNCTION.search(integration["uri"]["Fn::Sub"]).groups())
                pattern = path.replace("{proxy+}", "<path:proxy>").replace("{", "<").replace("}", ">")
                methods = None if method == ANY_METHOD else [method.upper()]
                rules.append(Rule(pattern, methods=methods, endpoint=(function, path)))
        return Map(rules, strict_slashes=False, merge_slashes=False)

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        cookie: str | None = None,
        json_body: Any = None,
        form: dict[str, str] | None = None,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        sent = {"host": "agnes.test", **{name.lower(): value for name, value in (headers or {}).items()}}
        if token:
            sent["authorization"] = f"Bearer {token}"
        if cookie:
            sent["cookie"] = cookie
        if json_body is not None:
            body, sent["content-type"] = json.dumps(json_body).encode(), "application/json"
        if form is not None:
            body, sent["content-type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
        if len(body) > MAX_BODY_BYTES:
            return Answer(413, {}, [], b'{"message":"Request Entity Too Large"}')
        parts = urlsplit(path)
        try:
            (function, route), params = self._routes.bind("agnes.test").match(parts.path, method)
        except HTTPException:
            return Answer(404, {"content-type": "application/json"}, [], b'{"message":"Not Found"}')
        event = self._event(method, parts.path, parts.query, route, params, sent, body)
        self.events.append(event)
        return _answer(_app(function)(json.loads(json.dumps(event)), None))

    def _event(
        self,
        method: str,
        path: str,
        query: str,
        route: str,
        params: dict[str, str],
        headers: dict[str, str],
        body: bytes,
    ) -> dict[str, Any]:
        headers = {
            **headers,
            "content-length": str(len(body)),
            "x-forwarded-for": "192.0.2.7",
            "x-forwarded-proto": "https",
        }
        if not body:
            headers.setdefault("content-type", "application/octet-stream")
        is_text = bool(_TEXT.fullmatch(headers.get("content-type", "").partition(";")[0])) and not headers.get(
            "content-encoding"
        )
        path = unquote(path)
        if self.stage != "$default":
            path = f"/{self.stage}{path}"
        multi = parse_qs(query, keep_blank_values=True) or None
        return {
            "version": "1.0",
            "resource": route,
            "path": path,
            "httpMethod": method,
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "queryStringParameters": {name: values[-1] for name, values in multi.items()} if multi else None,
            "multiValueQueryStringParameters": multi,
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "a1b2c3d4e5",
                "authorizer": {"claims": None, "scopes": None},
                "domainName": "agnes.test",
                "domainPrefix": "a1b2c3d4e5",
                "extendedRequestId": "test",
                "httpMethod": method,
                "identity": {
                    "accessKey": None,
                    "accountId": None,
                    "caller": None,
                    "cognitoAmr": None,
                    "cognitoAuthenticationProvider": None,
                    "cognitoAuthenticationType": None,
                    "cognitoIdentityId": None,
                    "cognitoIdentityPoolId": None,
                    "principalOrgId": None,
                    "sourceIp": "192.0.2.7",
                    "user": None,
                    "userAgent": headers.get("user-agent", ""),
                    "userArn": None,
                },
                "path": path,
                "protocol": "HTTP/1.1",
                "requestId": "test",
                "requestTime": "30/Nov/2026:09:00:00 +0000",
                "requestTimeEpoch": 1796029200000,
                "resourceId": f"{method} {route}",
                "resourcePath": route,
                "stage": self.stage,
            },
            "pathParameters": {name: unquote(value) for name, value in params.items()} or None,
            "stageVariables": None,
            "body": (body.decode() if is_text else base64.b64encode(body).decode()) if body else None,
            "isBase64Encoded": bool(body) and not is_text,
        }


def _app(function: str) -> Any:
    return importlib.import_module(f"functions.{function.replace('-', '.')}.app").app


def _answer(returned: Any) -> Answer:
    """What a client gets. Raises AssertionError for what API Gateway answers with a 500."""
    size = len(json.dumps(returned))
    assert size <= MAX_ANSWER_BYTES, f"an answer of {size} bytes"
    assert returned.keys() <= {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}, returned.keys()
    assert type(returned["statusCode"]) is int
    assert isinstance(returned.get("body", ""), str)
    headers = returned.get("headers") or {}
    multi = returned.get("multiValueHeaders") or {}
    assert all(isinstance(value, str) for value in headers.values()), headers
    assert all(isinstance(value, str) for values in multi.values() for value in values), multi
    found = {name.lower(): value for name, value in headers.items()}
    cookies = [value for name, values in multi.items() if name.lower() == "set-cookie" for value in values]
    found |= {name.lower(): ", ".join(values) for name, values in multi.items() if name.lower() != "set-cookie"}
    raw = returned.get("body", "")
    content = base64.b64decode(raw, validate=True) if returned.get("isBase64Encoded") else raw.encode()
    return Answer(returned["statusCode"], found, cookies, content)
