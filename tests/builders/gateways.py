"""An installation behind the composed document: as a REST API sends events, and as the embedded gateway does."""

from __future__ import annotations

import importlib
import io
import json
import re
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from werkzeug.routing import Map, Rule

from agnes_local import composed
from agnes_local.gateway import application
from agnes_local.routes import Routes
from infra.compose import compose
from infra.openapi import ANY_METHOD
from tests.builders.house import Answer, House

_FUNCTION = re.compile(r"function:\$\{AWS::StackName\}-([a-z]+)-(\w+)/invocations$")


@cache
def _document() -> Map:
    """The document's paths, with the rules of a REST API: a trailing slash is ignored."""
    rules = []
    for path, operations in compose().api["paths"].items():
        pattern = path.replace("{proxy+}", "<path:proxy>").replace("{", "<").replace("}", ">")
        for method, operation in operations.items():
            uri = operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
            found = _FUNCTION.search(uri)
            assert found, uri
            methods = None if method == ANY_METHOD else [method.upper()]
            rules.append(Rule(pattern, methods=methods, endpoint=(".".join(found.groups()), path)))
    return Map(rules, strict_slashes=False, merge_slashes=False)


class RestApiHouse(House):
    """A House whose `call` goes by the paths of the document, as a REST API's events do. `base_path` is of a custom domain."""

    base_path = ""

    def _route(self, method: str, path: str) -> tuple[Any, str, dict[str, str]]:
        (function, resource), params = _document().bind("agnes.test").match(path, method)
        return importlib.import_module(f"functions.{function}.app").app, resource, dict(params)


class EmbeddedHouse(House):
    """A House whose `call` goes through the embedded gateway's application, without a server before it."""

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        json_body: Any = None,
        headers: dict[str, str] | None = None,
        **_other: Any,
    ) -> Answer:
        parts = urlsplit(path)
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "REQUEST_URI": path,
            "QUERY_STRING": parts.query,
            "REMOTE_ADDR": "192.0.2.7",
            "HTTP_HOST": "agnes.test",
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()},
        }
        if token:
            environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        if json_body is not None:
            body = json.dumps(json_body).encode()
            environ |= {
                "CONTENT_TYPE": "application/json",
                "CONTENT_LENGTH": str(len(body)),
                "wsgi.input": io.BytesIO(body),
            }
        started: list[Any] = []
        content = b"".join(_embedded()(environ, lambda status, found: started.extend((status, found))))
        status, found = started
        cookies = [value for name, value in found if name == "Set-Cookie"]
        return Answer(
            int(status[:3]), {name.lower(): value for name, value in found if name != "Set-Cookie"}, cookies, content
        )


@cache
def _embedded() -> Any:
    return application(Routes(composed.routes()))
