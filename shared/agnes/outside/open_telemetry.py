"""Traces by OpenTelemetry, over OTLP (http/protobuf), set up by OpenTelemetry's own environment variables.

The SDK reads most of them itself: OTEL_EXPORTER_OTLP_ENDPOINT, …_HEADERS, …_CERTIFICATE, …_TIMEOUT, OTEL_SERVICE_NAME,
OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER(_ARG), OTEL_PROPAGATORS, OTEL_BSP_*. Names of spans and attributes are those of
its semantic conventions for HTTP and for functions. No query, header, body or credential is an attribute.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Status, StatusCode

from agnes.kernel.tracing import Span, SpanKind, Value, no_span

log = logging.getLogger("agnes.tracing")

KINDS = {"server": trace.SpanKind.SERVER, "client": trace.SpanKind.CLIENT, "consumer": trace.SpanKind.CONSUMER}
FLUSH_SECONDS = 2.0
"""That an answer on Lambda waits for a collector at most."""


class _Span:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def trace_id(self) -> str:
        return trace.format_trace_id(self._span.get_span_context().trace_id)

    def set(self, name: str, value: Value) -> None:
        self._span.set_attribute(name, value)

    def fail(self, reason: str) -> None:
        self._span.set_status(Status(StatusCode.ERROR, reason))


class OpenTelemetryTracer:
    """Spans that a background thread sends in batches.

    Work that a request hands to threads of its own carries no context; its spans are the request's if no other request is in
    progress, which is always so on Lambda, and left out otherwise (as `agnes.kernel.metering` counts)."""

    def __init__(self, version: str, *, exporter: SpanExporter | None = None) -> None:
        """`exporter` in place of OTLP."""
        resource = Resource.create({"service.version": version})
        if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": "agnes"}))
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("agnes", version)
        self._lock = threading.Lock()
        self._active: list[trace.Span] = []

    @contextmanager
    def work(
        self, name: str, kind: SpanKind, headers: Mapping[str, str], attributes: Mapping[str, Value]
    ) -> Iterator[Span]:
        parent = propagate.extract(headers, context=Context())
        with self._tracer.start_as_current_span(name, context=parent, kind=KINDS[kind], attributes=attributes) as span:
            with self._lock:
                self._active.append(span)
            try:
                yield _Span(span)
            finally:
                with self._lock:
                    self._active.remove(span)

    def part(self, name: str, attributes: Mapping[str, Value]) -> AbstractContextManager[Span]:
        parent = self._in_progress()
        return no_span() if parent is None else self._part(name, attributes, parent)

    @contextmanager
    def _part(self, name: str, attributes: Mapping[str, Value], parent: trace.Span) -> Iterator[Span]:
        context = trace.set_span_in_context(parent)
        with self._tracer.start_as_current_span(
            name, context=context, kind=KINDS["client"], attributes=attributes
        ) as span:
            yield _Span(span)

    def _in_progress(self) -> trace.Span | None:
        current = trace.get_current_span()
        if current.get_span_context().is_valid:
            return current
        with self._lock:
            return self._active[0] if len(self._active) == 1 else None

    def flush(self) -> None:
        self._provider.force_flush(int(FLUSH_SECONDS * 1000))

    def close(self) -> None:
        self._provider.shutdown()


def quick_exporter() -> SpanExporter:
    """With FLUSH_SECONDS as its timeout, in place of the SDK's 10 seconds, which is longer than people wait for a page."""
    return OTLPSpanExporter(timeout=FLUSH_SECONDS)
