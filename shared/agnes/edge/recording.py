"""Counts each invocation of a function: how long it took, what it asked for, how much it answers (`agnes.hosting.ledger`)."""

from __future__ import annotations

import platform
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from agnes import wiring
from agnes.edge.reply import TEXT
from agnes.edge.request import HTTP_API
from agnes.hosting.bill import Tariff
from agnes.hosting.ledger import Sums
from agnes.kernel import metering

A = TypeVar("A")

COMPRESSED_FROM_BYTES = 1024
EVERY = 16
"""Of the answers of a function that a gateway compresses, one in so many is compressed here to see how small they become."""
DEFAULT_MEMORY_MB = 1024
ARM = ("arm64", "aarch64")

_ratios: dict[str, float] = {}
_answers: Counter[str] = Counter()


def recorded(function: str, event: Any, context: Any, call: Callable[[], A], *, kind: str) -> A:
    """What `call` returns. `kind` is `api`, `schedule` or `queue`."""
    with _invocation(function, event, context, kind) as sums:
        answer = call()
        if kind == "api":
            sums.bytes_out = _sent_bytes(function, event, answer)
        return answer


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
