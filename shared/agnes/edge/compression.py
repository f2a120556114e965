"""Compression of answers where nobody behind the function does it.

A REST API and the local gateway compress what clients want compressed. An HTTP API passes an answer on as it is, and every
byte that leaves AWS is paid for: a page of 40 kB would cost more than its request.
"""

from __future__ import annotations

import gzip

from agnes.edge.reply import TEXT, BytesResponse
from agnes.edge.request import Request

FROM_BYTES = 1024
LEVEL = 6


def compressed(response: BytesResponse, request: Request) -> BytesResponse:
    """The response, gzipped if it came through an HTTP API, its client takes gzip, and it is text worth it."""
    headers = response.headers
    if not request.is_http_api or len(response.body) < FROM_BYTES or "Content-Encoding" in headers:
        return response
    if not str(headers.get("Content-Type", "")).startswith(TEXT) or not _takes_gzip(request):
        return response
    headers["Content-Encoding"] = "gzip"
    vary = headers.get("Vary")
    headers["Vary"] = f"{vary}, Accept-Encoding" if vary else "Accept-Encoding"
    response.body = gzip.compress(response.body, LEVEL, mtime=0)
    return response


def _takes_gzip(request: Request) -> bool:
    for offer in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, quality = offer.partition(";")
        if name.strip() in ("gzip", "*"):
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
