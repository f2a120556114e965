"""Spans of a trace, for whoever is asked to do work and for what that work asks for.

What is switched off costs nothing: `NO_SPAN` and `NoTracer` import nothing and keep nothing. The adapter that sends spans is
`agnes.outside.open_telemetry`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, Protocol

Value = str | bool | int | float
"""What an attribute of a span may be."""
SpanKind = Literal["server", "client", "consumer"]


class Span(Protocol):
    """One piece of work in progress."""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits; empty if nothing is recorded."""
        ...

    def set(self, name: str, value: Value) -> None:
        """Add an attribute, named as OpenTelemetry's semantic conventions do."""
        ...

    def fail(self, reason: str) -> None:
        """Mark the work as failed."""
        ...


class Tracer(Protocol):
    """Makes spans, each the context that it lasts for; an exception that passes marks it as failed. Nothing that it does raises, and what an exporter cannot send is dropped and logged."""

    def work(
        self, name: str, kind: SpanKind, headers: Mapping[str, str], attributes: Mapping[str, Value]
    ) -> AbstractContextManager[Span]:
        """A span around work that somebody asked for. `headers`, names in lower case, may name the trace that it is part of."""
        ...

    def part(self, name: str, attributes: Mapping[str, Value]) -> AbstractContextManager[Span]:
        """A span around something that the work in progress asks for; none if no work is in progress."""
        ...

    def flush(self) -> None:
        """Send what has ended. Lambda freezes a function once it has answered."""
        ...

    def close(self) -> None:
        """Send what has ended, and stop."""
        ...


class NoSpan:
    trace_id = ""

    def set(self, name: str, value: Value) -> None: ...

    def fail(self, reason: str) -> None: ...


NO_SPAN = NoSpan()


@contextmanager
def no_span() -> Iterator[Span]:
    yield NO_SPAN


class NoTracer:
    """Tracing is switched off."""

    def work(
        self,
        name: str,  # noqa: ARG002 (the protocol's)
        kind: SpanKind,  # noqa: ARG002
        headers: Mapping[str, str],  # noqa: ARG002
        attributes: Mapping[str, Value],  # noqa: ARG002
    ) -> AbstractContextManager[Span]:
        return no_span()

    def part(self, name: str, attributes: Mapping[str, Value]) -> AbstractContextManager[Span]:  # noqa: ARG002
        return no_span()

    def flush(self) -> None: ...

    def close(self) -> None: ...
