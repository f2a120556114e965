"""Cross-site requests: refused for cookie-authenticated writes (docs/decisions/0002-csrf.md)."""

from __future__ import annotations

from urllib.parse import urlsplit

from agnes.edge.request import Request
from agnes.kernel.errors import DeniedError

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def require_same_origin(request: Request, *, public_host: str) -> None:
    """Raise DeniedError if a browser says that another site caused this write.

    Every current browser sends `Sec-Fetch-Site`, older ones `Origin` on a write. A client that
    sends neither is no browser, and holds no cookie that a page could abuse.
    """
    if request.method in SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site in ("same-origin", "none"):
            return
    else:
        origin = request.headers.get("origin")
        if origin is None:
            return
        if _host(origin) in {request.headers.get("host", ""), public_host}:
            return
    raise DeniedError(
        "this request was started by another site",
        code="cross_site_request",
        hint="Open the page itself and try again.",
    )


def _host(origin: str) -> str | None:
    """Host and port of an `Origin`; None for one that is no URL, such as `null` or `http://[::1`."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None
