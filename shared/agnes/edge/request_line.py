"""One line of the log for each invocation on Lambda, whose runtime writes it as JSON with its own request id beside ours.

On one machine the gateway writes the same of each request (`agnes_local.gateway`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from agnes.kernel.tracing import Span

log = logging.getLogger("agnes.edge.request_line")


def request(
    event: Mapping[str, Any], answer: Mapping[str, Any] | None, *, ms: float, bytes_out: float, span: Span
) -> None:
    """Of a request: `request_id` is ours, which the answer has; `api_request_id` is API Gateway's, left out where it is the same, as
    it is unless the client sends an id. The query is left out: it may hold what opens a door. `answer` is None if the function
    failed."""
    if not log.isEnabledFor(logging.INFO):
        return
    asked = event["requestContext"]
    headers = (answer or {}).get("headers") or {}
    status = answer["statusCode"] if answer else 500
    api_request_id = asked.get("requestId", "")
    line: dict[str, Any] = {
        "status": status,
        "ms": round(ms, 1),
        "bytes": round(bytes_out),
        "request_id": headers.get("X-Request-Id", api_request_id),
        "ip": (asked.get("identity") or {}).get("sourceIp", ""),
    }
    if line["request_id"] != api_request_id:
        line["api_request_id"] = api_request_id
    if span.trace_id:
        line["trace_id"] = span.trace_id
    log.info("%s %s", asked["httpMethod"], event.get("path") or asked["resourcePath"], extra=line)


def run(kind: str, function: str, *, ms: float, is_ok: bool, span: Span) -> None:
    """Of a run that a schedule or a queue has started."""
    if log.isEnabledFor(logging.INFO):
        line: dict[str, Any] = {"ok": is_ok, "ms": round(ms, 1)}
        if span.trace_id:
            line["trace_id"] = span.trace_id
        log.info("%s %s", kind, function, extra=line)
