"""A House behind a real socket on loopback, with the presigned URLs of its store: what the `agnes` command talks to.

    with HouseServer(house) as server:
        ...  AGNES_SERVER=server.url ...

`refuse` answers a request before the installation sees it, for the bad days of a network.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Self

from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from agnes.kernel.errors import AgnesError
from agnes.outside.object_store.presigned import ROUTE
from tests.builders.house import House


class HouseServer:
    def __init__(self, house: House) -> None:
        self.house = house
        self.refuse: Callable[[str, str], tuple[int, dict[str, Any]] | None] = lambda _method, _path: None
        self.seen: list[tuple[str, str]] = []
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        # Each test ends one; its end is noticed at the next look, by default half a second later.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start: Any) -> Any:
        request = Request(environ)
        self.seen.append((request.method, request.path))
        refused = self.refuse(request.method, request.path)
        if refused is not None:
            import json

            status, body = refused
            return Response(json.dumps(body), status, content_type="application/json")(environ, start)
        if request.path.startswith(ROUTE):
            return self._store(request)(environ, start)
        answer = self.house.call(
            request.method,
            environ["REQUEST_URI"],  # as it came: API Gateway decodes no paths either
            body=request.get_data(),
            headers=dict(request.headers.items()),
        )
        kept = {name: value for name, value in answer.headers.items() if name != "content-length"}
        return Response(answer.body, answer.status, headers=kept)(environ, start)

    def _store(self, request: Request) -> Response:
        store = self.house.store
        key = request.path.removeprefix(ROUTE)
        try:
            allowed = store.open_presigned(request.method, key, request.args.to_dict(), self.house.clock.now())
            if request.method == "GET":
                found = Response(store.read(key).body, content_type=allowed.content_type)
                found.set_etag(sha256(found.get_data()).hexdigest()[:32])
                return found.make_conditional(request, accept_ranges=True, complete_length=len(found.get_data()))
            store.take_presigned(allowed, [request.get_data()], content_type=request.content_type)
        except AgnesError as exc:
            return Response(exc.message, exc.status)
        return Response(status=200)
