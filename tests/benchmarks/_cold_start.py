"""One new process of `cold`: the function's import, its initialisation, its first request and one more. What to do is
JSON on standard input, what was measured JSON on standard output."""

from __future__ import annotations

import importlib
import json
import sys
import time
from contextlib import ExitStack
from typing import Any

TOLD = json.load(sys.stdin)
BEGAN = time.perf_counter()
MODULE = importlib.import_module(f"functions.{TOLD['function'].replace('-', '.')}.app")
IMPORTED = time.perf_counter()

IN_PLACE = ExitStack()
PAUSE_SECONDS = 1.1
"""Longer than the staleness window."""


def main() -> None:
    from agnes.edge.starting import get_ready
    from agnes.kernel.metering import measured

    app, (path, methods) = MODULE.app, next(iter(MODULE.app.routes.items()))
    views = [entry.view_function for methods in app.routes.values() for entry in methods.values()]
    assert path == TOLD["path"], path
    assert TOLD["method"] in methods
    with measured() as calls:
        began = time.perf_counter()
        if TOLD["is_ready"]:
            set_up()
            get_ready(views)
        ready = time.perf_counter()
        if not TOLD["is_ready"]:
            set_up()
        answer = app(event(), None)
        first = time.perf_counter()
    assert answer["statusCode"] < 400, (answer["statusCode"], answer["body"][:500])
    time.sleep(PAUSE_SECONDS)
    again = time.perf_counter()
    app(event(), None)
    found = {
        "import": IMPORTED - BEGAN,
        "init": ready - began,
        "first": first - ready,
        "second": time.perf_counter() - again,
    }
    print(
        json.dumps(
            {name: 1000 * seconds for name, seconds in found.items()}
            | {
                "calls": calls.gets + calls.puts + calls.lists + calls.removals,
                "bytes": calls.bytes_read + len(answer["body"] or ""),
            }
        )
    )


def set_up() -> None:
    """The wiring as Lambda's environment would make it, with a wait around each call of the store."""
    from agnes import settings, wiring
    from agnes.kernel.ports import Secret
    from agnes.outside.metered import MeteredStore
    from agnes.outside.object_store.s3 import S3Store
    from tests.builders.slow_store import SlowStore

    class SlowS3(SlowStore):
        inner: S3Store

        def connect(self) -> None:
            self.inner.connect()

        def disconnect(self) -> None:
            self.inner.disconnect()

    given = dict(TOLD["store"])
    store = S3Store(given.pop("bucket"), secret_access_key=Secret(given.pop("password")), **given)
    loaded = settings.load(TOLD["environ"])
    IN_PLACE.enter_context(wiring.using(wiring.Wiring(loaded, store=MeteredStore(SlowS3(store)))))


def event() -> dict[str, Any]:
    headers = {"Host": "agnes.test", **TOLD["headers"]}
    return {
        "path": TOLD["path"],
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": TOLD["path"],
            "httpMethod": TOLD["method"],
            "path": TOLD["path"],
            "requestId": "cold",
            "identity": {"sourceIp": "192.0.2.7"},
        },
        "body": TOLD["body"],
        "isBase64Encoded": False,
    }


main()
