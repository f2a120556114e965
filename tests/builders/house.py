"""The whole house in one process: every function behind its route, over a store of the test's choice.

Use it as a context manager, `with House(tmp_path) as house:`, sign in with `house.login(email, password)`, and ask
`house.get("/api/marketplace/items", token=token)`.
"""

from __future__ import annotations

import base64
import importlib
import json
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule

from agnes import settings as settings_module
from agnes import wiring
from agnes.kernel.clock import FixedClock
from agnes.outside.object_store.memory import MemoryStore
from agnes.wiring import Wiring
from tests.builders.shared_engine import SharedDuckDb

ROOT = Path(__file__).parents[2]
START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@cache
def routes() -> Map:
    """Every route of every function, as its decorator says."""
    rules = []
    for file in sorted(ROOT.glob("functions/*/*/app.py")):
        module = importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
        for path, methods in module.app.routes.items():
            pattern = path.replace("{", "<").replace("}", ">")
            rules += [Rule(pattern, methods=[m], endpoint=(module.app, path)) for m in methods]
    return Map(rules, strict_slashes=False, merge_slashes=False)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    """Names in lower case."""
    cookies: list[str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


class JobsHere:
    """Jobs that run at once, in this process, when they are started; what they raise is in their heartbeat."""

    def start(self, function: str, event: Mapping[str, Any]) -> None:
        module = importlib.import_module(f"functions.{function.replace('-', '.')}.app")
        with suppress(Exception):
            module.app.pure_lambda_functions[0].func(dict(event), None)


class House:
    def __init__(
        self,
        folder: Path,
        *,
        store: Any = None,
        clock: Any = None,
        environ: dict[str, str] | None = None,
        **parts: Any,
    ):
        """`parts` of the wiring in place of its own."""
        environ = {
            "AGNES_DATA_DIR": str(folder / "data"),
            "SERVER_URL": "http://agnes.test",
            "AGNES_COUNT_CALLS": "false",
            **(environ or {}),
        }
        self.environ = environ
        parts = {"store": store or MemoryStore(), "clock": clock or FixedClock(START), "jobs": JobsHere(), **parts}
        self.wiring = Wiring(settings_module.load(environ), **parts)
        if "state" not in parts and isinstance(parts["store"], MemoryStore):
            self.wiring.state._new_engine = SharedDuckDb
        self.clock = parts["clock"]
        self.store = parts["store"]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(wiring.using(self.wiring))
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @property
    def state(self) -> Any:
        return self.wiring.state

    def get(self, path: str, **kwargs: Any) -> Answer:
        return self.call("GET", path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> Answer:
        return self.call("POST", path, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> Answer:
        return self.call("DELETE", path, **kwargs)

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
        headers = {"Host": "agnes.test", **(headers or {})}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if cookie:
            headers["Cookie"] = cookie
        if json_body is not None:
            body, headers["Content-Type"] = json.dumps(json_body).encode(), "application/json"
        if form is not None:
            body, headers["Content-Type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
        parts = urlsplit(path)
        try:
            app, route, params = self._route(method, parts.path)
        except NotFound:
            return Answer(404, {}, [], b"no such route")
        except MethodNotAllowed:
            return Answer(405, {}, [], b"no such method")
        event = {
            "path": parts.path,
            "headers": headers,
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "multiValueQueryStringParameters": parse_qs(parts.query, keep_blank_values=True) or None,
            "pathParameters": params or None,
            "stageVariables": None,
            "requestContext": {
                "resourcePath": route,
                "httpMethod": method,
                "path": parts.path,
                "requestId": "test",
                "identity": {"sourceIp": "192.0.2.7"},
            },
            "body": base64.b64encode(body).decode() if body else None,
            "isBase64Encoded": bool(body),
        }
        answer = app(event, None)
        raw = answer["body"]
        return Answer(
            status=answer["statusCode"],
            headers={name.lower(): value for name, value in answer["headers"].items()},
            cookies=list(answer["multiValueHeaders"].get("Set-Cookie", [])),
            body=base64.b64decode(raw) if answer.get("isBase64Encoded") else raw.encode(),
        )

    def _route(self, method: str, path: str) -> tuple[Any, str, dict[str, str]]:
        """The function that answers, the path that the gateway knows it by, and its variables. Raises werkzeug's NotFound and
        MethodNotAllowed."""
        (app, route), params = routes().bind("agnes.test").match(path, method)
        return app, route, dict(params)

    def login(self, email: str, password: str) -> str:
        """The bearer of an account. Raises AssertionError with the answer if it is refused."""
        answer = self.post("/auth/token", json_body={"email": email, "password": password})
        assert answer.status == 200, answer.text
        return answer.json()["access_token"]
