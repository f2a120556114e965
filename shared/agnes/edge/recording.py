"""What is kept of each invocation of a function: its counts (`agnes.hosting.ledger`), a line of the log, a span of a trace."""

from __future__ import annotations

import platform
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from agnes import wiring
from agnes.edge import request_line
from agnes.edge.reply import TEXT
from agnes.edge.request import HTTP_API
from agnes.hosting.bill import Tariff
from agnes.hosting.ledger import Sums
from agnes.kernel import metering
from agnes.kernel.tracing import Span, Tracer, Value

A = TypeVar("A")

COMPRESSED_FROM_BYTES = 1024
EVERY = 16
"""Of the answers of a function that a gateway compresses, one in so many is compressed here to see how small they become."""
DEFAULT_MEMORY_MB = 1024
ARM = ("arm64", "aarch64")
_TRIGGERS = {"schedule": "timer", "queue": "pubsub"}
"""As OpenTelemetry's semantic conventions name them."""

_ratios: dict[str, float] = {}
_answers: Counter[str] = Counter()


def recorded(function: str, event: Any, context: Any, call: Callable[[], A], *, kind: str) -> A:
    """What `call` returns. `kind` is `api`, `schedule` or `queue`."""
    tracer, on_lambda = wiring.tracer(), wiring.settings().is_on_lambda
    try:
        with _span(tracer, function, event, context, kind) as span:
            sums, answer = None, None
            try:
                with _invocation(function, event, context, kind) as sums:
                    answer = call()
                    if kind == "api":
                        sums.bytes_out = _sent_bytes(function, event, answer)
                _note(span, answer)
                return answer
            finally:
                if on_lambda and sums is not None:
                    _log(function, event, answer, sums, span, kind=kind)
    finally:
        if on_lambda:
            tracer.flush()


def _span(tracer: Tracer, function: str, event: Any, context: Any, kind: str) -> AbstractContextManager[Span]:
    attributes: dict[str, Value] = {"faas.name": function}
    if invocation := getattr(context, "aws_request_id", ""):
        attributes["faas.invocation_id"] = str(invocation)
    if kind != "api":
        return tracer.work(f"{kind} {function}", "consumer", {}, attributes | {"faas.trigger": _TRIGGERS[kind]})
    asked = event["requestContext"]
    attributes |= {
        "faas.trigger": "http",
        "http.request.method": asked["httpMethod"],
        "http.route": asked["resourcePath"],
        "url.path": event.get("path") or asked["resourcePath"],
        "agnes.api_request_id": asked.get("requestId") or "",
    }
    headers = {str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    return tracer.work(f"{asked['httpMethod']} {asked['resourcePath']}", "server", headers, attributes)


def _note(span: Span, answer: Any) -> None:
    """What became of it: a status of 500 and more, or a report of a failed run, is a failure."""
    if not isinstance(answer, dict):
        return
    if status := answer.get("statusCode"):
        span.set("http.response.status_code", status)
        span.set("agnes.request_id", (answer.get("headers") or {}).get("X-Request-Id", ""))
        if status >= 500:
            span.fail(f"answered with {status}")
    elif answer.get("ok") is False or answer.get("batchItemFailures"):
        span.fail("the run failed")


def _log(function: str, event: Any, answer: Any, sums: Sums, span: Span, *, kind: str) -> None:
    if kind == "api":
        request_line.request(event, answer, ms=sums.ms, bytes_out=sums.bytes_out, span=span)
        return
    is_ok = isinstance(answer, dict) and answer.get("ok") is not False and not answer.get("batchItemFailures")
    request_line.run(kind, function, ms=sums.ms, is_ok=is_ok, span=span)


@contextmanager
def _invocation(function: str, event: Any, context: Any, kind: str) -> Iterator[Sums]:
    sums = Sums(runs=1, api_requests=kind == "api", scheduled=kind == "schedule")
    wall, cpu = time.perf_counter(), time.thread_time()
    with metering.measured() as sums.calls:
        try:
            yield sums
        finally:
            sums.ms = (time.perf_counter() - wall) * 1000
            sums.cpu_ms = (time.thread_time() - cpu) * 1000
    tariff = tariff_of(event)
    memory_mb = int(getattr(context, "memory_limit_in_mb", 0) or DEFAULT_MEMORY_MB)
    wiring.ledger().note(function, sums, tariff, memory_mb)


def tariff_of(event: Any) -> Tariff:
    """By the kind of API that an event came from, and the processor that this runs on; away from Lambda by what a deployment
    takes if nothing is said: a REST API and arm64."""
    is_http = isinstance(event, dict) and event.get("version") == HTTP_API
    is_arm = platform.machine() in ARM or not wiring.settings().is_on_lambda
    return Tariff("http" if is_http else "rest", "arm64" if is_arm else "x86_64")


def function_of(context: Any, view: Callable[..., Any]) -> str:
    """The `<domain>-<folder>` of a function without routes: from Lambda, or from where its code is in the checkout."""
    named = str(getattr(context, "function_name", "") or "")
    if named:
        return named.removeprefix(wiring.settings().agnes_function_prefix)
    parts = view.__module__.split(".")
    return "-".join(parts[1:3]) if parts[0] == "functions" else parts[-1]


def _sent_bytes(function: str, event: Any, answer: Any) -> float:
    """Of the body, about as large as it leaves the gateway."""
    body = answer.get("body") or ""
    if answer.get("isBase64Encoded"):
        return len(body) * 3 // 4
    headers = answer.get("headers") or {}
    given = event.get("headers") or {}
    takes_gzip = "gzip" in str(given.get("Accept-Encoding") or given.get("accept-encoding") or "")
    is_text = str(headers.get("Content-Type", "")).startswith(TEXT)
    if len(body) < COMPRESSED_FROM_BYTES or not takes_gzip or not is_text:
        return len(body.encode())
    if _answers[function] % EVERY == 0 or function not in _ratios:
        plain = body.encode()
        _ratios[function] = len(zlib.compress(plain, 1)) / len(plain)
    _answers[function] += 1
    return len(body) * _ratios[function]
