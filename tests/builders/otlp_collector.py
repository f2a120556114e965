"""A collector of OpenTelemetry on loopback: takes traces over OTLP (http/protobuf) and keeps their spans."""

from __future__ import annotations

import gzip
import threading
import zlib
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.builders.loopback import Loopback


@dataclass(frozen=True)
class Seen:
    """A span as it came over the wire. Ids are hexadecimal."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    is_error: bool
    attributes: dict[str, Any]
    resource: dict[str, Any]


class Collector(Loopback):
    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self.headers: list[dict[str, str]] = []
        self._came = threading.Condition()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                match self.headers.get("Content-Encoding"):
                    case "gzip":
                        body = gzip.decompress(body)
                    case "deflate":
                        body = zlib.decompress(body)
                is_ours = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
                if is_ours:
                    collector._take(body, dict(self.headers))
                self.send_response(200 if is_ours else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_said: object) -> None: ...

        self._bind(Handler)
        self.url = f"http://127.0.0.1:{self.port}"

    def wait_for(self, name: str, *, seconds: float = 30) -> Seen:
        """The first span of this name. Raises AssertionError."""
        with self._came:
            assert self._came.wait_for(lambda: any(span.name == name for span in self.spans), seconds), (
                f"no span {name!r} came; there are {sorted({span.name for span in self.spans})}"
            )
            return next(span for span in self.spans if span.name == name)

    def _take(self, body: bytes, headers: dict[str, str]) -> None:
        asked = ExportTraceServiceRequest.FromString(body)
        found = [
            Seen(
                name=span.name,
                kind=span.kind,
                trace_id=span.trace_id.hex(),
                span_id=span.span_id.hex(),
                parent_id=span.parent_span_id.hex(),
                is_error=span.status.code == 2,
                attributes=_plain(span.attributes),
                resource=_plain(of.resource.attributes),
            )
            for of in asked.resource_spans
            for scope in of.scope_spans
            for span in scope.spans
        ]
        with self._came:
            self.headers.append(headers)
            self.spans += found
            self._came.notify_all()


def _plain(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
