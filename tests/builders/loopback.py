"""What every server of a test's own does: a free port of 127.0.0.1, a thread from `with` to its end, and nothing left behind."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Loopback:
    """Inherited by the servers here; each binds with `_bind` when it is made, so that its URL is known before it runs."""

    _server: ThreadingHTTPServer
    _thread: threading.Thread

    def _bind(
        self, handler: type[BaseHTTPRequestHandler], *, server: type[ThreadingHTTPServer] = ThreadingHTTPServer
    ) -> None:
        self._server = server(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        # The standard half a second between polls is what stopping each of hundreds of servers would take.
        serve = {"poll_interval": 0.02}
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs=serve, name=type(self).__name__, daemon=True
        )

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
